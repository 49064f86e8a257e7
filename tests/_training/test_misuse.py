"""Common usage known from skorch and PyTorch works, or raises an error that says what to do."""

import functools
import re

import numpy as np
import pytest
import torch
from sklearn.utils._param_validation import InvalidParameterError
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    LRScheduler,
    PrintLog,
    ProgressBar,
)
from torch import nn
from torch.optim import lr_scheduler

from sk_emotion import EmotionClassifier, make_faces, networks
from sk_emotion.exceptions import ImageArrayError, LabelError, ParameterError
from sk_emotion.utils._device import choose_device

pytestmark = pytest.mark.training

X, Y, _ = make_faces(24, emotions=["happiness", "pain"], image_size=24, random_state=0)
VALIDATION = {"X_val": X[:8], "y_val": Y[:8]}


@pytest.fixture(autouse=True)
def _change_to_tmp_path(tmp_path, monkeypatch):
    """skorch's Checkpoint writes into the working directory."""
    monkeypatch.chdir(tmp_path)


def without_address(value):
    """Return a test id without memory addresses, which differ between processes of pytest-xdist."""
    return re.sub(r" at 0x\w+", "", str(value))


def perceptron(in_channels, n_classes, bias=True):
    return nn.Sequential(nn.Flatten(), nn.Linear(24 * 24 * in_channels, n_classes, bias=bias))


def make_classifier(callbacks=None, **settings):
    defaults = {"max_epochs": 2, "batch_size": 8, "random_state": 0, "schedule": None}
    network = settings.pop("network", networks.TorchNetwork(perceptron))
    return EmotionClassifier(network, callbacks=callbacks, **(defaults | settings))


class Silent(Callback):
    """A custom callback that does nothing."""


class RecordValidLoss(Callback):
    """Record a custom score under the name of a validation score."""

    def on_epoch_end(self, net, **kwargs):
        net.history.record("valid_loss", 1.0 / len(net.history))


def read_validation_loss(net):
    return net.history[-1, "valid_loss"]


@pytest.mark.parametrize("others", [[], [Silent()]], ids=["known at once", "known after an epoch"])
@pytest.mark.parametrize(
    ("callback", "name"),
    [
        (lambda: EarlyStopping(), "valid_loss"),
        (lambda: EarlyStopping(monitor="valid_acc", lower_is_better=False), "valid_acc"),
        (lambda: EarlyStopping(monitor="valid_f1_macro", lower_is_better=False), "valid_f1_macro"),
        (lambda: Checkpoint(f_params=None, f_optimizer=None, f_criterion=None, f_history=None), "valid_loss_best"),
        (lambda: Checkpoint(monitor="valid_acc_best"), "valid_acc_best"),
        (lambda: LRScheduler("ReduceLROnPlateau", monitor="valid_loss"), "valid_loss"),
        (lambda: LRScheduler(lr_scheduler.ReduceLROnPlateau, monitor="valid_acc"), "valid_acc"),
        (lambda: EarlyStopping, "valid_loss"),
        (lambda: ("stop", EarlyStopping()), "valid_loss"),
    ],
)
def test_callback_that_monitors_a_validation_score_needs_a_validation_set(callback, name, others):
    message = rf"monitors '{name}', which needs a validation set. Set validation_fraction=0.1, or pass X_val and y_val"
    with pytest.raises(ParameterError, match=message):
        make_classifier([callback(), *others]).fit(X, Y)
    clf = make_classifier([*others, callback()]).fit(X, Y, **VALIDATION)
    with pytest.raises(ParameterError, match=rf"{message} to fit; partial_fit has no validation set"):
        clf.partial_fit(X, Y)
    assert clf.n_iter_ == 2


@pytest.mark.parametrize(
    "callback",
    [
        lambda: EarlyStopping(monitor="train_loss"),
        lambda: LRScheduler("ReduceLROnPlateau"),
        lambda: LRScheduler("StepLR", step_size=1, monitor="valid_loss"),
        # skorch's own scores skip missing data.
        lambda: EpochScoring("accuracy", name="own"),
        lambda: BatchScoring("accuracy", name="own"),
        lambda: Checkpoint(monitor=None, f_params=None, f_optimizer=None, f_criterion=None, f_history=None),
    ],
)
def test_callback_that_monitors_no_validation_score_needs_no_validation_set(callback):
    assert make_classifier([callback()]).fit(X, Y).partial_fit(X, Y).n_iter_ == 3


def test_custom_score_can_be_monitored():
    assert make_classifier([RecordValidLoss(), EarlyStopping()]).fit(X, Y).n_iter_ == 2


@pytest.mark.parametrize(
    "callback",
    [
        lambda: Checkpoint(monitor=read_validation_loss),
        lambda: LRScheduler("ReduceLROnPlateau", monitor=read_validation_loss),
    ],
)
def test_function_that_reads_a_validation_score_needs_a_validation_set(callback):
    with pytest.raises(ParameterError, match="monitors 'valid_loss', which needs a validation set"):
        make_classifier([callback()]).fit(X, Y)


def test_misspelled_score_error_lists_the_available_ones():
    with pytest.raises(ParameterError, match=r"EarlyStopping monitors 'loss', but the history contains .*train_loss"):
        make_classifier([EarlyStopping(monitor="loss")]).fit(X, Y)


def test_error_of_a_callback_is_raised():
    class Careless(Callback):
        def on_epoch_end(self, net, **kwargs):
            return net.history[-1, "nothing"]

    with pytest.raises(KeyError, match="nothing"):
        make_classifier([Careless()]).fit(X, Y)


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        ([1], "callbacks contains 1, expected skorch callbacks"),
        ([None], "callbacks contains None"),
        (["EarlyStopping"], "callbacks contains 'EarlyStopping'"),
        ([print], "callbacks contains <built-in function print>"),
        (("stop", EarlyStopping()), "callbacks contains 'stop', expected .* pairs"),
        ([("stop", 3)], r"callbacks contains \('stop', 3\)"),
        ([nn.ReLU()], r"callbacks contains ReLU\(\)"),
        ([EpochScoring], r"callbacks contains the class EpochScoring \(.*'scoring'\)"),
        ([LRScheduler("OneCycleLR", max_lr=0.1)], r"LRScheduler\('OneCycleLR'\), .* Pass the class"),
        ([("rate", LRScheduler("cosine"))], r"LRScheduler\('cosine'\), but skorch has no policy of this name"),
        ([("a", Silent()), ("a", Silent())], "duplicate user-set callback name 'a'"),
        ([("valid_f1_macro", Silent())], "duplicate user-set callback name 'valid_f1_macro'. Use unique names"),
        ([("train_loss", Silent())], "duplicate user-set callback name 'train_loss'"),
    ],
)
def test_invalid_callback_is_an_error(callbacks, message):
    with pytest.raises(ParameterError, match=message):
        make_classifier(callbacks).fit(X, Y)
    with pytest.raises(ParameterError, match=message):
        make_classifier(callbacks).partial_fit(X, Y)


@pytest.mark.parametrize("callbacks", [EarlyStopping(), EarlyStopping, "disable", {"stop": EarlyStopping()}])
def test_callbacks_must_be_a_list(callbacks):
    with pytest.raises(InvalidParameterError, match="callbacks"):
        make_classifier(callbacks).fit(X, Y)


@pytest.mark.parametrize(
    "callbacks",
    [
        [Silent],
        [("name", Silent)],
        (Silent(), PrintLog(sink=lambda *_: None)),
        [("name", None)],
        [Silent(), Silent()],
        [["name", Silent()]],
        [ProgressBar(), Silent],
    ],
)
def test_callbacks_are_passed_as_in_skorch(callbacks, capsys):
    clf = make_classifier(callbacks, warm_start=True).fit(X, Y).fit(X, Y)
    assert clf.partial_fit(X, Y).n_iter_ == 5
    n_given = sum(entry != ("name", None) for entry in callbacks)
    # In addition to skorch's own five and the F1 score.
    assert len(clf.net_.callbacks_) == 6 + n_given


@pytest.mark.parametrize(
    ("name", "value"),
    [("callbacks__stop__patience", 3), ("callbacks__patience", 3), ("network__module_params__bias", False)],
)
def test_element_of_a_list_or_dict_cannot_be_set_by_name(name, value):
    clf = make_classifier([("stop", EarlyStopping())], network=networks.TorchNetwork(perceptron, module_params={}))
    with pytest.raises(ParameterError, match=f"{name} cannot be set individually .*Pass the whole parameter"):
        clf.set_params(**{name: value})


@pytest.mark.parametrize("name", ["lr", "module", "criterion__weight", "iterator_train__num_workers", "train_split"])
def test_parameters_of_skorch_are_not_accepted(name):
    with pytest.raises(ValueError, match="Invalid parameter"):
        EmotionClassifier().set_params(**{name: 1})
    with pytest.raises(TypeError, match="unexpected keyword"):
        EmotionClassifier(**{name: 1})


def no_optimizer(weights, lr=0.1):
    return lr


def needs_rate(weights, lr):
    return torch.optim.SGD(weights, lr)


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (
            torch.optim.SparseAdam,
            "optimizer=SparseAdam cannot train this network in .*does not support dense gradients",
        ),
        (functools.partial(torch.optim.SGD, speed=3), "cannot be built for this network .*'speed'"),
        (lr_scheduler.StepLR, "optimizer=StepLR cannot be built for this network .*'lr'"),
        (print, "optimizer=print cannot be built for this network"),
        (dict, "optimizer=dict cannot be built for this network"),
        (needs_rate, "optimizer=needs_rate has no default for lr. Pass a number as learning_rate"),
        (no_optimizer, "optimizer=no_optimizer returned an object of type float, expected an optimizer"),
    ],
)
def test_invalid_optimizer_is_an_error(optimizer, message):
    with pytest.raises(ParameterError, match=message):
        make_classifier(optimizer=optimizer).fit(X, Y)


@pytest.mark.parametrize("optimizer", [torch.optim.SGD([torch.zeros(1)]), None, 1])
def test_optimizer_must_be_a_class_or_function(optimizer):
    with pytest.raises(InvalidParameterError, match="optimizer"):
        make_classifier(optimizer=optimizer).fit(X, Y)


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="PyTorch has no Muon")
def test_optimizer_that_does_not_support_the_weights_is_an_error():
    with pytest.raises(ParameterError, match=r"optimizer=Muon cannot be built for this network .*2D"):
        make_classifier(optimizer=torch.optim.Muon).fit(X, Y)
    without_bias = networks.TorchNetwork(perceptron, module_params={"bias": False})
    assert make_classifier(optimizer=torch.optim.Muon, network=without_bias).fit(X, Y).n_iter_ == 2


def test_lbfgs_trains():
    settings = {"augmentation": None, "label_smoothing": 0, "batch_size": 24, "precision": "fp32"}
    clf = make_classifier(optimizer=torch.optim.LBFGS, learning_rate=0.1, **settings).fit(X, Y)
    losses = [epoch["train_loss"] for epoch in clf.history_]
    assert losses[1] < losses[0]
    with pytest.raises(ParameterError, match=r"optimizer=LBFGS cannot train this network in fp16 .*Pass another"):
        make_classifier(optimizer=torch.optim.LBFGS, **settings | {"precision": "fp16"}).fit(X, Y)


def test_arguments_bound_by_a_partial_are_used():
    bound = make_classifier(optimizer=functools.partial(torch.optim.SGD, weight_decay=0.1, momentum=0.5)).fit(X, Y)
    group = bound.net_.optimizer_.param_groups[0]
    assert (group["lr"], group["weight_decay"], group["momentum"]) == (1e-3, 0.1, 0.5)
    plain = make_classifier(optimizer=torch.optim.SGD, weight_decay=0.1).fit(X, Y)
    assert plain.net_.optimizer_.param_groups[0]["weight_decay"] == 0.1
    with_rate = functools.partial(torch.optim.SGD, lr=0.2)
    assert make_classifier(optimizer=with_rate).fit(X, Y).net_.history[:, "lr"] == [0.2, 0.2]
    with pytest.raises(ParameterError, match=r"optimizer binds lr=0.2. Pass learning_rate=0.2"):
        make_classifier(optimizer=with_rate, learning_rate=0.1).fit(X, Y)


@pytest.mark.parametrize(
    ("optimizer", "rate", "decay"),
    [
        ("adamw", 2e-3, 0.05),
        ("sgd", 0.05, 5e-4),
        (torch.optim.AdamW, 1e-3, 1e-2),
        (torch.optim.SGD, 1e-3, 0),
        (functools.partial(needs_rate, lr=0.3), 0.3, 0),
    ],
    ids=without_address,
)
def test_automatic_rate_and_decay_depend_on_the_optimizer(optimizer, rate, decay):
    clf = make_classifier(optimizer=optimizer).partial_fit(X, Y)
    assert clf.net_.history[-1, "lr"] == rate
    assert clf.net_.optimizer_.param_groups[0]["weight_decay"] == decay
    given = make_classifier(optimizer=optimizer, learning_rate=0.01, weight_decay=0.02)
    if optimizer in ("adamw", "sgd", torch.optim.SGD):
        group = given.fit(X, Y).net_.optimizer_.param_groups[0]
        assert (group["lr"], group["weight_decay"]) == (0.01, 0.02)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("device", ["meta", "cuda:7", "xpu", "hpu", "xla", "privateuseone", "mtia:0", "vulkan"])
def test_unavailable_device_is_an_error(device):
    with pytest.raises(ParameterError, match=rf"device='{device}', but PyTorch .*Pass device=\"auto\" or \"cpu\""):
        make_classifier(device=device).fit(X, Y)
    with pytest.raises(ParameterError, match=device):
        choose_device(torch.device(device))


@pytest.mark.parametrize("device", ["gpu", "CPU", "", "cuda:-1", "cpu:x"])
def test_unknown_device_is_an_error(device):
    with pytest.raises(ParameterError, match=rf"device='{device}' is not a PyTorch device"):
        make_classifier(device=device).fit(X, Y)


def test_saved_classifier_of_an_unavailable_device_predicts_on_cpu():
    clf = make_classifier().fit(X, Y)
    state = clf.__getstate__() | {"device_": "cuda:7" if not torch.cuda.is_available() else "meta"}
    other = make_classifier()
    other.__setstate__(state)
    assert other.device_ == "cpu"
    np.testing.assert_array_equal(other.predict_proba(X), clf.predict_proba(X))


def continue_training(how, clf, images=X, labels=Y):
    return (
        clf.set_params(warm_start=True).fit(images, labels) if how == "warm_start" else clf.partial_fit(images, labels)
    )


@pytest.mark.parametrize("how", ["warm_start", "partial_fit"])
@pytest.mark.parametrize(
    "change",
    [
        {"network": networks.VGG(width=4)},
        {"network": None},
        {"network__width": 8},
        {"network__dropout": 0.5},
        {"network__blocks_per_stage": 2},
        {"network": networks.TorchNetwork(perceptron)},
    ],
    ids=without_address,
)
def test_network_cannot_change_in_continued_training(how, change):
    clf = make_classifier(network=networks.ResNet(width=4)).fit(X, Y)
    before = clf.predict_proba(X)
    with pytest.raises(ParameterError, match=r"but it was fitted with ResNet\(.*width=4\).* set network back"):
        continue_training(how, clf.set_params(**change))
    np.testing.assert_array_equal(clf.predict_proba(X), before)
    assert continue_training(how, clf.set_params(network=networks.ResNet(width=np.int64(4)))).n_iter_ > 2


@pytest.mark.parametrize("how", ["warm_start", "partial_fit"])
@pytest.mark.parametrize("shape", [(12, 48), (48, 12), (576, 1), [1, 576], (8, 24, 3), (24, 23)])
@pytest.mark.parametrize("images", [X, X.reshape(24, -1)], ids=["images", "rows"])
def test_image_shape_cannot_change_in_continued_training(how, shape, images):
    clf = make_classifier(image_shape=(24, 24)).fit(images, Y)
    with pytest.raises(
        ParameterError, match=r"image_shape=.*fitted on images of shape \(24, 24\).*set image_shape back"
    ):
        continue_training(how, clf.set_params(image_shape=shape), images=images)
    assert continue_training(how, clf.set_params(image_shape=[24, 24, 1]), images=images).n_iter_ > 2


@pytest.mark.parametrize("how", ["warm_start", "partial_fit"])
@pytest.mark.parametrize(
    ("start", "other"),
    [
        (np.zeros(2), np.ones(2)),
        (np.zeros(2), np.zeros((1, 2))),
        (torch.zeros(2), torch.tensor([0.0, 0.5])),
        (torch.zeros(2), torch.zeros(1, 2)),
        (np.zeros(2), torch.zeros(2)),
        (np.array([0.0, np.nan]), np.array([0.0, 0.0])),
        (torch.tensor([torch.nan]), torch.tensor([0.0])),
        (float("nan"), 0.0),
        ({0.0, 1.0}, {0.0, 2.0}),
        (torch.float32, torch.float64),
    ],
    ids=["numbers", "shape", "tensor", "shape of a tensor", "kind", "NaN", "NaN in a tensor", "scalar", "set", "type"],
)
def test_networks_are_compared_by_their_parameter_values(how, start, other):
    clf = make_classifier(network=networks.TorchNetwork(offset, module_params={"start": start})).fit(X, Y)
    assert continue_training(how, clf).n_iter_ > 2
    with pytest.raises(ParameterError, match="set network back"):
        continue_training(how, clf.set_params(network=networks.TorchNetwork(offset, module_params={"start": other})))


@pytest.mark.parametrize("how", ["warm_start", "partial_fit"])
@pytest.mark.parametrize("start", [torch.empty(2, device="meta"), torch.zeros(2).to_sparse()], ids=["empty", "sparse"])
def test_tensors_that_cannot_be_compared_are_no_error(how, start):
    clf = make_classifier(network=networks.TorchNetwork(offset, module_params={"start": start})).fit(X, Y)
    assert continue_training(how, clf).n_iter_ > 2


def offset(in_channels, n_classes, start):
    """A network that does not use `start`."""
    return perceptron(in_channels, n_classes)


@pytest.mark.parametrize("how", ["warm_start", "partial_fit"])
@pytest.mark.parametrize(
    "network",
    [
        lambda: networks.TorchNetwork(perceptron, module_params={"bias": False}),
        lambda: networks.TorchNetwork(functools.partial(perceptron, bias=False)),
        lambda: networks.TorchNetwork(lambda in_channels, n_classes: perceptron(in_channels, n_classes)),
        lambda: networks.TorchNetwork(wrap, module_params={"last": nn.Linear(2, 2)}),
        lambda: networks.TorchNetwork(wrap, module_params={"last": Scale(2)}),
    ],
)
def test_training_of_a_custom_module_continues(how, network):
    clf = make_classifier(network=network()).fit(X, Y)
    assert continue_training(how, clf).n_iter_ > 2
    with pytest.raises(ParameterError, match="set network back"):
        continue_training(how, clf.set_params(network__module=nn.Identity))


def wrap(in_channels, n_classes, last):
    return nn.Sequential(perceptron(in_channels, n_classes), last)


class Scale(nn.Module):
    """A module that is not equal to its copies."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, values):
        return self.factor * values


@pytest.mark.parametrize("how", ["warm_start", "partial_fit"])
@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"images": X[:, :12, :12]}, ImageArrayError),
        ({"images": np.repeat(X[..., np.newaxis], 3, axis=3)}, ImageArrayError),
        ({"images": X[:, :, :20]}, ImageArrayError),
        ({"images": X / 255}, ImageArrayError),
        ({"images": X.reshape(24, -1)[:, :100]}, ValueError),
        ({"labels": np.where(Y == "pain", "fear", Y)}, LabelError),
        ({"labels": np.where(np.arange(24) < 3, "fear", Y)}, LabelError),
    ],
)
def test_images_and_classes_cannot_change_in_continued_training(how, change, error):
    clf = make_classifier().fit(X, Y)
    with pytest.raises(error):
        continue_training(how, clf, **change)
    assert clf.n_iter_ == 2


@pytest.mark.parametrize(
    "change",
    [
        {"learning_rate": 0.01},
        {"optimizer": "sgd", "learning_rate": 0.001},
        {"augmentation": None},
        {"class_weight": "balanced"},
        {"ema": 0.9},
        {"batch_size": 5},
        {"label_smoothing": 0},
        {"precision": "fp16"},
        {"callbacks": [Silent()]},
    ],
    ids=without_address,
)
def test_other_parameters_apply_in_continued_training(change):
    clf = make_classifier(precision="fp32").fit(X, Y).set_params(**change).partial_fit(X, Y)
    net = clf.net_
    assert net.history[-1, "lr"] == change.get("learning_rate", 0.002)
    assert net.precision == clf.precision
    assert net.ema == change.get("ema")
    assert len(net.history[-1, "batches"]) == -(-24 // clf.batch_size)
    assert type(net.optimizer_).__name__ == ("SGD" if clf.optimizer == "sgd" else "AdamW")
