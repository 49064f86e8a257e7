import copy

import numpy as np
import pytest
import torch
from torch import nn

from sk_emotion import EmotionClassifier, make_hog_svm, networks
from sk_emotion.inspection import check_randomization
from sk_emotion.inspection._gradcam import compute_maps
from sk_emotion.inspection._randomization import _randomize


class Scaled(nn.Module):
    """Module with a parameter that no layer of PyTorch resets."""

    def __init__(self, in_channels, n_classes):
        super().__init__()
        self.scale = nn.Parameter(torch.linspace(0.5, 1.5, 4).reshape(1, 4, 1, 1))
        self.conv = nn.Conv2d(in_channels, 4, 3, padding=1)
        self.linear = nn.Linear(4, n_classes)

    def forward(self, images):
        return self.linear((self.conv(images) * self.scale).relu().mean(dim=(2, 3)))


def test_maps_of_a_trained_network_differ_from_those_of_a_random_one(marked, network, share_at_region):
    X, _ = marked
    correlation = check_randomization(network, X[:30], random_state=0)
    assert correlation.shape == (30,)
    assert correlation.mean() < 0.5
    codes = np.searchsorted(network.classes_, network.predict(X[:30]))
    random = compute_maps(network, _randomize(network, 0).eval(), X[:30], codes, None)
    assert share_at_region(random) < 0.5


def test_correlation_of_identical_weights_is_1(marked, network, monkeypatch):
    monkeypatch.setattr("sk_emotion.inspection._randomization._randomize", lambda clf, _seed: clf.net_.module_)
    np.testing.assert_allclose(check_randomization(network, marked[0][:3], random_state=0), 1)


def test_estimator_and_global_random_state_are_not_modified(marked, network):
    X, _ = marked
    weights = copy.deepcopy(network.net_.module_.state_dict())
    state = torch.get_rng_state()
    first, again, other = (check_randomization(network, X[:4], random_state=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, weights[name]) for name, value in network.net_.module_.state_dict().items())


def test_all_weights_are_randomized(marked):
    X, y = marked
    clf = EmotionClassifier(networks.TorchNetwork(Scaled), augmentation=None, max_epochs=1, random_state=0)
    clf.fit(X[:32], y[:32])
    old, new = (dict(module.named_parameters()) for module in (clf.net_.module_, _randomize(clf, 1)))
    assert all(not torch.equal(old[name], new[name]) for name in old)
    assert sorted(old["scale"].flatten().tolist()) == sorted(new["scale"].flatten().tolist())
    assert np.abs(check_randomization(clf, X[:3], target="level", random_state=0)).max() <= 1


def test_estimator_without_a_network_is_an_error(marked):
    X, y = marked
    with pytest.raises(TypeError, match="check_randomization: LeastSquaresSVC has no network"):
        check_randomization(make_hog_svm().fit(X, y), X[:2], random_state=0)
