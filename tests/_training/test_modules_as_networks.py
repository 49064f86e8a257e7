"""Classes and instances of PyTorch modules are passed as `network`, as in skorch."""

import copy
import pickle

import numpy as np
import pytest
import torch
from failing import InterruptAt
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.utils._param_validation import InvalidParameterError
from torch import nn

from sk_emotion import EmotionClassifier, load_model, make_faces, networks, save_model
from sk_emotion.exceptions import ImageSizeError, ModelFileError, ParameterError

pytestmark = pytest.mark.training(quick=True)

X, Y, _ = make_faces(24, emotions=["happiness", "pain"], image_size=24, random_state=0)


class Perceptron(nn.Module):
    def __init__(self, n_classes=2, hidden=4):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(24 * 24, hidden), nn.ReLU(), nn.Linear(hidden, n_classes))

    def forward(self, images):
        return self.layers(images)


class Pooled(nn.Module):
    """One layer on the average of the image, scaled by `factor`."""

    def __init__(self, factor, n_outputs=2):
        super().__init__()
        self.factor = factor
        self.head = nn.Linear(1, n_outputs)

    def forward(self, images):
        return self.head(self.factor * images.mean(dim=(1, 2, 3))[:, None])


POOLED = Pooled(1.0)


def change_factor(module):
    other = copy.deepcopy(module)
    other.factor += 1
    return other


def make_classifier(network, **settings):
    defaults = {"batch_size": 8, "max_epochs": 2, "random_state": 0, "augmentation": None, "precision": "fp32"}
    return EmotionClassifier(network, **defaults | settings)


def make_perceptron(seed=0, **settings):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Perceptron(**settings)


def copy_weights(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def assert_equal_weights(one, other):
    assert one.keys() == other.keys()
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_class_is_trained_as_a_torch_network():
    spec = networks.TorchNetwork(Perceptron, module_params={"hidden": 8})
    clf = make_classifier(Perceptron, network__hidden=8).fit(X, Y)
    np.testing.assert_array_equal(clf.predict_proba(X), make_classifier(spec).fit(X, Y).predict_proba(X))
    assert isinstance(clf.network_, networks.TorchNetwork) and repr(clf.network_) == repr(spec)
    assert clf.network is Perceptron
    assert repr(make_classifier(Perceptron).fit(X, Y).network_) == repr(networks.TorchNetwork(Perceptron))


def test_parameters_of_the_class_are_parameters_of_the_classifier():
    clf = make_classifier(Perceptron, network__hidden=8)
    assert clone(clf).get_params()["network__hidden"] == 8 and "network__hidden=8" in repr(clf)
    search = GridSearchCV(clf, {"network__hidden": [2, 3]}, cv=2, error_score="raise").fit(X, Y)
    assert search.best_estimator_.net_.module_.layers[1].out_features == search.best_params_["network__hidden"]
    assert "network__hidden" not in clf.set_params(network=networks.ResNet()).get_params()
    assert clf.set_params(network__width=8).network.width == 8
    with pytest.raises(TypeError, match="unexpected keyword argument 'hiden'"):
        make_classifier(Perceptron, network__hiden=8).fit(X, Y)
    with pytest.raises(TypeError, match="unexpected keyword argument 'network__width'"):
        EmotionClassifier(networks.ResNet(), network__width=8)


@pytest.mark.parametrize("wrap", [lambda module: module, networks.TorchNetwork], ids=["module", "TorchNetwork"])
def test_each_fit_starts_from_the_weights_of_the_instance(wrap):
    module = make_perceptron()
    start = copy_weights(module)
    clf = make_classifier(wrap(module))
    one = clf.fit(X, Y).predict_proba(X)
    np.testing.assert_array_equal(clf.fit(X, Y).predict_proba(X), one)
    np.testing.assert_array_equal(clone(clf).fit(X, Y).predict_proba(X), one)
    assert_equal_weights(module.state_dict(), start)
    assert_equal_weights(clf.network_.module.state_dict(), start)
    assert clf.net_.module_ is not module
    clf.set_params(learning_rate=1e-12, weight_decay=0, schedule=None).fit(X, Y)
    for name, value in clf.net_.module_.state_dict().items():
        torch.testing.assert_close(value, start[name], atol=1e-6, rtol=0)


def test_frozen_layers_of_an_instance_are_not_trained():
    module = make_perceptron()
    module.layers[1].requires_grad_(False)
    clf = make_classifier(module).fit(X, Y)
    assert torch.equal(clf.net_.module_.layers[1].weight, module.layers[1].weight)
    assert not torch.equal(clf.net_.module_.layers[3].weight, module.layers[3].weight)


def test_instance_is_pickled():
    clf = make_classifier(make_perceptron()).fit(X, Y)
    same = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(same.predict_proba(X), clf.predict_proba(X))
    np.testing.assert_array_equal(same.partial_fit(X, Y).predict_proba(X), clf.partial_fit(X, Y).predict_proba(X))
    np.testing.assert_array_equal(same.fit(X, Y).predict_proba(X), clf.fit(X, Y).predict_proba(X))


def test_class_is_saved_by_name_and_an_instance_is_not_saved(tmp_path):
    clf = make_classifier(Perceptron, network__hidden=3).fit(X, Y)
    save_model(clf, tmp_path / "model.skops")
    with pytest.raises(ModelFileError, match=r"needs test_modules_as_networks\.Perceptron"):
        load_model(tmp_path / "model.skops")
    same = load_model(tmp_path / "model.skops", trusted=[Perceptron])
    np.testing.assert_array_equal(same.predict_proba(X), clf.predict_proba(X))
    assert same.network is Perceptron and same.get_params()["network__hidden"] == 3
    clf = make_classifier(make_perceptron()).fit(X, Y)
    with pytest.raises(ModelFileError, match=r"holds a Perceptron \(network\), but model files .*Pass the class"):
        save_model(clf, tmp_path / "model.skops")


@pytest.mark.parametrize("how", ["warm_start", "partial_fit"])
@pytest.mark.parametrize(
    ("network", "other"),
    [
        (Perceptron, Pooled),
        (Perceptron, make_perceptron()),
        (make_perceptron(), make_perceptron(seed=1)),
        (make_perceptron(), make_perceptron(hidden=5)),
        (POOLED, change_factor(POOLED)),
    ],
    ids=["class", "instance of a class", "weights", "layers", "attribute"],
)
def test_network_cannot_change_in_continued_training(how, network, other):
    clf = make_classifier(network, warm_start=how == "warm_start").fit(X, Y)
    go_on = clf.fit if how == "warm_start" else clf.partial_fit
    assert go_on(X, Y).n_iter_ > 2
    clf.set_params(network=clone(clf).network)
    n_before = clf.n_iter_
    assert go_on(X, Y).n_iter_ > n_before
    clf.set_params(network=other)
    with pytest.raises(ParameterError, match="set network back"):
        go_on(X, Y)


def test_another_instance_is_another_training(tmp_path):
    several = [Perceptron, make_perceptron(), make_perceptron(seed=1), make_perceptron(hidden=5)]
    several += [POOLED, change_factor(POOLED)]
    for number, network in enumerate(several, start=1):
        make_classifier(network, max_epochs=1, checkpoint_dir=tmp_path).fit(X, Y)
        clone(make_classifier(network, max_epochs=1, checkpoint_dir=tmp_path)).fit(X, Y)
        assert len(list(tmp_path.iterdir())) == number


def test_interrupted_training_of_an_instance_resumes(tmp_path):
    module = make_perceptron()
    with pytest.raises(KeyboardInterrupt):
        make_classifier(module, max_epochs=4, checkpoint_dir=tmp_path, callbacks=[InterruptAt(3)]).fit(X, Y)
    clf = make_classifier(make_perceptron(), max_epochs=4, checkpoint_dir=tmp_path, callbacks=[InterruptAt(None)])
    whole = make_classifier(module, max_epochs=4).fit(X, Y)
    np.testing.assert_array_equal(clf.fit(X, Y).predict_proba(X), whole.predict_proba(X))
    assert len(list(tmp_path.iterdir())) == 1


class Spatial(nn.Conv2d):
    def __init__(self, in_channels, n_classes):
        super().__init__(in_channels, n_classes, 5)


class TwoOutputs(Perceptron):
    def forward(self, images):
        return self.layers(images), images


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (make_perceptron(n_classes=7), "has 7 outputs, but y contains 2 classes: 'happiness', 'pain'"),
        (networks.TorchNetwork(Perceptron, module_params={"n_classes": 1}), "has 1 output, but y contains 2 classes"),
        (networks.TorchNetwork(lambda: make_perceptron(n_classes=3)), "has 3 outputs, but y contains 2 classes"),
        (TwoOutputs, "TwoOutputs.* returned a tuple, expected a tensor of logits"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_number_of_outputs_must_be_that_of_the_classes(network, message, method):
    clf = make_classifier(network)
    with pytest.raises(ParameterError, match=message):
        getattr(clf, method)(X, Y)
    assert not hasattr(clf, "net_")


def test_outputs_of_a_large_network_are_described_briefly():
    with pytest.raises(ParameterError) as caught:
        make_classifier(nn.Sequential(*[nn.Identity() for _ in range(99)], Perceptron(5))).fit(X, Y)
    assert len(str(caught.value)) < 300


def test_outputs_of_another_shape_are_an_error():
    with pytest.raises(ImageSizeError, match=r"returned \(2, 2, 20, 20\) for 2 images, expected .* shape \(2, 2\)"):
        make_classifier(Spatial).fit(X, Y)


@pytest.mark.parametrize("network", [networks.VGG, int])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_other_classes_are_an_error(network, method):
    message = rf"network is the class {network.__name__}\. Pass an instance: .*or a subclass of torch.nn.Module"
    with pytest.raises(TypeError, match=message):
        getattr(make_classifier(network), method)(X, Y)


def test_function_is_an_error():
    with pytest.raises(InvalidParameterError, match="'network' parameter of EmotionClassifier must be"):
        make_classifier(make_perceptron).fit(X, Y)
