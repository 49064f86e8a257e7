import copy

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from PIL import Image
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.pipeline import make_pipeline
from torch import nn

from sk_emotion import EmotionClassifier, FaceLoader, GradCAMDisplay, make_hog_svm, networks
from sk_emotion.exceptions import ImageArrayError, LabelError
from sk_emotion.inspection import check_randomization
from sk_emotion.inspection._gradcam import _compute_maps, _randomize


def in_place(in_channels, n_classes):
    """Module that begins with an in-place operation and flattens its feature maps."""
    return nn.Sequential(
        nn.ReLU(inplace=True), nn.Conv2d(in_channels, 4, 3, padding=1), nn.MaxPool2d(4), nn.Flatten(),
        nn.Linear(4 * 144, n_classes),
    )  # fmt: skip


def without_maps(in_channels, image_size, n_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(in_channels * image_size[0] * image_size[1], n_classes))


class Scaled(nn.Module):
    """Module with a parameter that no layer of PyTorch resets."""

    def __init__(self, in_channels, n_classes):
        super().__init__()
        self.scale = nn.Parameter(torch.linspace(0.5, 1.5, 4).reshape(1, 4, 1, 1))
        self.conv = nn.Conv2d(in_channels, 4, 3, padding=1)
        self.linear = nn.Linear(4, n_classes)

    def forward(self, images):
        return self.linear((self.conv(images) * self.scale).relu().mean(dim=(2, 3)))


def fit(network, marked, **options):
    X, y = marked
    return EmotionClassifier(network, augmentation=None, max_epochs=1, random_state=0, **options).fit(X[:32], y[:32])


def test_map_highlights_the_informative_part(marked, network, share_at_region):
    X, y = marked
    display = GradCAMDisplay.from_estimator(network, X[:30])
    assert display.targets.tolist() == y[:30].tolist()
    assert share_at_region(display.maps) >= 0.9


def test_maps_have_the_size_of_the_face_and_range_from_0_to_1(marked, network):
    display = GradCAMDisplay.from_estimator(network, marked[0][:5])
    assert display.maps.shape == (5, 48, 48)
    assert display.maps.dtype == np.float64
    assert display.maps.min() >= 0
    np.testing.assert_array_equal(display.maps.max(axis=(1, 2)), 1)
    np.testing.assert_array_equal(display.images, marked[0][:5])


def test_map_equals_cam_with_global_pooling_and_a_linear_layer(marked, network):
    # Selvaraju et al. (2017), section 3: Grad-CAM generalizes CAM.
    X, _ = marked
    display = GradCAMDisplay.from_estimator(network, X[1:8:2], target="upright")
    module = network.net_.module_.eval()
    with torch.no_grad():
        features = module[:-1](network.net_.preparation(torch.from_numpy(X[1:8:2]).unsqueeze(1)))
        cam = torch.einsum("k,nkhw->nhw", module.head[-1].weight[1], features).relu()
        cam = nn.functional.interpolate(cam.unsqueeze(1), (48, 48), mode="bilinear").squeeze(1).numpy()
    np.testing.assert_allclose(display.maps, cam / cam.max(axis=(1, 2), keepdims=True), atol=1e-5)


def test_estimator_is_not_modified(marked, network):
    X, _ = marked
    module = network.net_.module_
    module.train()
    module.stage2.eval()
    modes = [part.training for part in module.modules()]
    weights = copy.deepcopy(module.state_dict())
    GradCAMDisplay.from_estimator(network, X[:3])
    assert [part.training for part in module.modules()] == modes
    assert all(torch.equal(value, weights[name]) for name, value in module.state_dict().items())
    assert all(not part._forward_hooks for part in module.modules())
    with pytest.raises(ValueError, match="is not a layer"):
        GradCAMDisplay.from_estimator(network, X[:3], layer="unknown")
    assert [part.training for part in module.modules()] == modes


def test_gradients_of_training_are_not_modified(marked):
    clf = fit(networks.ResNet(width=4), marked)
    gradients = [weight.grad.clone() for weight in clf.net_.module_.parameters()]
    GradCAMDisplay.from_estimator(clf, marked[0][:3])
    for weight, gradient in zip(clf.net_.module_.parameters(), gradients, strict=True):
        assert torch.equal(weight.grad, gradient)


@pytest.mark.parametrize(
    "spec",
    [
        networks.VGG(width=4),
        networks.ResNet(width=4, frozen_parts=4),
        networks.TorchvisionNetwork("mobilenet_v3_small"),
        networks.TorchNetwork(in_place),
    ],
    ids=["VGG", "frozen", "torchvision", "own"],
)
def test_all_networks_have_maps(marked, spec):
    clf = fit(spec, marked)
    maps = [GradCAMDisplay.from_estimator(clf, marked[0][:3], target=label).maps for label in clf.classes_]
    assert np.shape(maps) == (2, 3, 48, 48)
    assert np.isfinite(maps).all()
    # Hardly trained, the network may find no evidence for one of the classes.
    assert np.max(maps) == 1


@pytest.mark.parametrize("options", [{"precision": "bf16"}, {"tta": "mirror"}])
def test_color_images_with_precision_and_tta(marked, options):
    X, y = marked
    colored = np.stack([X] * 3, axis=-1) / np.float32(255)
    display = GradCAMDisplay.from_estimator(fit(networks.ResNet(width=4), (colored, y), **options), colored[:3])
    assert display.maps.shape == (3, 48, 48)
    assert display.images.shape == (3, 48, 48, 3)


def test_maps_do_not_depend_on_the_batch_size(marked, network, monkeypatch):
    X, _ = marked
    at_once = GradCAMDisplay.from_estimator(network, X[:5]).maps
    monkeypatch.setattr("sk_emotion.inspection._gradcam._BATCH", 2)
    np.testing.assert_allclose(GradCAMDisplay.from_estimator(network, X[:5]).maps, at_once, atol=1e-5)


def test_flattened_images(marked, network):
    X, _ = marked
    rows = GradCAMDisplay.from_estimator(network, X[:3].reshape(3, -1))
    np.testing.assert_allclose(rows.maps, GradCAMDisplay.from_estimator(network, X[:3]).maps)


def test_pipelines_and_meta_estimators(marked, tmp_path):
    X, y = marked
    paths = [str(tmp_path / f"{row}.png") for row in range(32)]
    for path, face in zip(paths, X, strict=False):
        Image.fromarray(face).resize((96, 96)).save(path)
    clf = EmotionClassifier(networks.ResNet(width=4), augmentation=None, max_epochs=1, random_state=0)
    pipeline = make_pipeline(FaceLoader(image_size=24), clf).fit(paths, y[:32])
    expected = GradCAMDisplay.from_estimator(pipeline, paths[:3])
    assert expected.maps.shape == (3, 24, 24)
    np.testing.assert_array_equal(expected.images, pipeline[0].transform(paths[:3]))
    search = GridSearchCV(pipeline, {"emotionclassifier__momentum": [0.9]}, cv=2).fit(paths, y[:32])
    for wrapped in (
        FrozenEstimator(pipeline),
        search,
        FixedThresholdClassifier(search, pos_label="level").fit(paths, y[:32]),
    ):
        np.testing.assert_allclose(GradCAMDisplay.from_estimator(wrapped, paths[:3]).maps, expected.maps, atol=1e-5)


def test_target_may_be_one_class_or_one_per_face(marked, network):
    X, _ = marked
    both = GradCAMDisplay.from_estimator(network, X[:2], target=["upright", "level"])
    assert both.targets.tolist() == ["upright", "level"]
    for row, label in enumerate(both.targets):
        single = GradCAMDisplay.from_estimator(network, X[:2], target=label)
        np.testing.assert_allclose(single.maps[row], both.maps[row], atol=1e-6)
    column = network.predict_proba(X[:2])
    np.testing.assert_allclose(both.confidence, [column[0, 1], column[1, 0]])
    assert both.axes_[0].get_title() == f"upright {column[0, 1]:.0%}"


def test_layer_is_the_last_block_by_default(marked, network):
    X, _ = marked
    default = GradCAMDisplay.from_estimator(network, X[:2]).maps
    np.testing.assert_array_equal(default, GradCAMDisplay.from_estimator(network, X[:2], layer="stage3").maps)
    finer = GradCAMDisplay.from_estimator(network, X[:2], layer="stage1").maps
    assert not np.allclose(default, finer)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("stage9", "layer='stage9' is not a layer of the network, expected one such as"),
        ("head.3", "outputs \\(2, 2\\), expected maps"),
    ],
)
def test_layer_without_maps_is_an_error(marked, network, layer, message):
    with pytest.raises(ValueError, match=message):
        GradCAMDisplay.from_estimator(network, marked[0][:2], layer=layer)


def test_network_without_maps_is_an_error(marked):
    clf = fit(networks.TorchNetwork(without_maps), marked, learning_rate=1e-3)
    with pytest.raises(ValueError, match="no convolution whose output is larger than one pixel"):
        GradCAMDisplay.from_estimator(clf, marked[0][:2])


@pytest.mark.parametrize(
    ("target", "message"),
    [("slanted", "target contains \\['slanted'\\]"), (["level"], "X has 2 faces, but target has 1 labels")],
)
def test_invalid_target_is_an_error(marked, network, target, message):
    with pytest.raises(LabelError, match=message):
        GradCAMDisplay.from_estimator(network, marked[0][:2], target=target)


def test_other_estimators_and_image_sizes_are_an_error(marked, network):
    X, y = marked
    with pytest.raises(TypeError, match="LeastSquaresSVC has no network"):
        GradCAMDisplay.from_estimator(make_hog_svm().fit(X, y), X[:2])
    with pytest.raises(ImageArrayError, match="24x24"):
        GradCAMDisplay.from_estimator(network, X[:2, :24, :24])


def test_maps_are_plotted_over_faces_on_given_axes(marked, network):
    figure, axes = plt.subplots(1, 2)
    display = GradCAMDisplay.from_estimator(network, marked[0][:2], axes=axes)
    assert display.figure_ is figure
    face, heat = axes[0].images
    np.testing.assert_allclose(face.get_array(), marked[0][0] / 255)
    np.testing.assert_array_equal(heat.get_array(), display.maps[0])
    assert display.plot(cmap="viridis", alpha=0.5) is display
    assert display.figure_ is not figure
    with pytest.raises(ValueError, match="plot: got 1 axes, expected 2"):
        display.plot(axes[0])


class TestCheckRandomization:
    def test_maps_of_a_trained_network_differ_from_those_of_a_random_one(self, marked, network, share_at_region):
        X, _ = marked
        correlation = check_randomization(network, X[:30], random_state=0)
        assert correlation.shape == (30,)
        assert correlation.mean() < 0.5
        codes = np.searchsorted(network.classes_, network.predict(X[:30]))
        random = _compute_maps(network, _randomize(network, 0).eval(), X[:30], codes, None)
        assert share_at_region(random) < 0.5

    def test_correlation_of_identical_weights_is_1(self, marked, network, monkeypatch):
        monkeypatch.setattr("sk_emotion.inspection._gradcam._randomize", lambda clf, _seed: clf.net_.module_)
        np.testing.assert_allclose(check_randomization(network, marked[0][:3], random_state=0), 1)

    def test_estimator_and_global_random_state_are_not_modified(self, marked, network):
        X, _ = marked
        weights = copy.deepcopy(network.net_.module_.state_dict())
        state = torch.get_rng_state()
        first, again, other = (check_randomization(network, X[:4], random_state=seed) for seed in (0, 0, 1))
        np.testing.assert_array_equal(first, again)
        assert (first != other).any()
        assert torch.equal(torch.get_rng_state(), state)
        assert all(torch.equal(value, weights[name]) for name, value in network.net_.module_.state_dict().items())

    def test_all_weights_are_randomized(self, marked):
        X, y = marked
        clf = EmotionClassifier(networks.TorchNetwork(Scaled), augmentation=None, max_epochs=1, random_state=0)
        clf.fit(X[:32], y[:32])
        old, new = (dict(module.named_parameters()) for module in (clf.net_.module_, _randomize(clf, 1)))
        assert all(not torch.equal(old[name], new[name]) for name in old)
        assert sorted(old["scale"].flatten().tolist()) == sorted(new["scale"].flatten().tolist())
        assert np.abs(check_randomization(clf, X[:3], target="level", random_state=0)).max() <= 1

    def test_estimator_without_a_network_is_an_error(self, marked):
        X, y = marked
        with pytest.raises(TypeError, match="check_randomization: LeastSquaresSVC has no network"):
            check_randomization(make_hog_svm().fit(X, y), X[:2], random_state=0)
