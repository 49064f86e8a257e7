"""Layers frozen by callbacks or users stay frozen in continued training."""

import copy
import functools
import pickle

import joblib
import numpy as np
import pytest
import torch
from failing import FailAt
from skorch.callbacks import Callback, EpochScoring, Freezer, Initializer, ParamMapper, Unfreezer
from skorch.utils import freeze_parameter, unfreeze_parameter
from torch import nn

from sk_emotion import EmotionClassifier, load_model, make_faces, networks, save_model
from sk_emotion.exceptions import TrainingError

pytestmark = [
    pytest.mark.training,
    pytest.mark.filterwarnings("ignore:EmotionClassifier. callbacks are not saved"),
]

X, Y, _ = make_faces(24, emotions=["happiness", "pain"], image_size=24, random_state=0)


def perceptron(n_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(24 * 24, 4), nn.ReLU(), nn.Linear(4, n_classes))


def half_frozen(n_classes):
    module = perceptron(n_classes)
    module[1].requires_grad_(False)
    return module


def freeze_in_even_epochs(net):
    return freeze_parameter if len(net.history) % 2 == 0 else unfreeze_parameter


class FreezeByHand(Callback):
    def on_train_begin(self, net, **kwargs):
        net.module_.get_parameter("1.weight").requires_grad_(False)


CHANGES = {
    "Freezer": (lambda: Freezer("1.weight"), ["1.weight"]),
    "Freezer, several": (lambda: Freezer(["1.*", "3.bias"]), ["1.bias", "1.weight", "3.bias"]),
    "Freezer, later": (lambda: Freezer("1.*", at=2), ["1.bias", "1.weight"]),
    "Freezer, named": (lambda: ("freezer", Freezer("3.bias")), ["3.bias"]),
    "Unfreezer": (lambda: Unfreezer("1.*", at=3), []),
    "ParamMapper": (lambda: ParamMapper("1.*", schedule=freeze_in_even_epochs), ["1.bias", "1.weight"]),
    "Initializer": (lambda: Initializer("1.bias", fn=functools.partial(nn.init.constant_, val=0.5)), []),
    "by hand": (FreezeByHand, ["1.weight"]),
}


def make_classifier(*callbacks, module=perceptron, **settings):
    defaults = {"max_epochs": 4, "batch_size": 8, "random_state": 0}
    return EmotionClassifier(networks.TorchNetwork(module), callbacks=list(callbacks), **(defaults | settings))


def list_frozen(clf):
    return sorted(name for name, weight in clf.net_.module_.named_parameters() if not weight.requires_grad)


def copy_weights(clf, names):
    return {name: clf.net_.module_.get_parameter(name).detach().clone() for name in names}


def hash_weights(clf):
    return joblib.hash(clf.net_.to_arrays())


def duplicate_by_file(clf, folder):
    save_model(clf, folder / "model.skops")
    return load_model(folder / "model.skops", trusted=[perceptron, half_frozen])


DUPLICATES = {
    "same object": lambda clf, folder: clf,
    "pickle": lambda clf, folder: pickle.loads(pickle.dumps(clf)),
    "deepcopy": lambda clf, folder: copy.deepcopy(clf),
    "save_model": duplicate_by_file,
    "two pickles": lambda clf, folder: pickle.loads(pickle.dumps(copy.deepcopy(clf))),
}


@pytest.mark.parametrize("duplicate", DUPLICATES)
@pytest.mark.parametrize("change", CHANGES)
def test_frozen_layers_stay_frozen_in_continued_training(change, duplicate, tmp_path):
    make, frozen = CHANGES[change]
    clf = DUPLICATES[duplicate](make_classifier(make()).fit(X, Y), tmp_path)
    before = copy_weights(clf, frozen)
    assert list_frozen(clf) == frozen
    clf.set_params(callbacks=None).partial_fit(X, Y).set_params(warm_start=True, max_epochs=2).fit(X, Y)
    assert list_frozen(clf) == frozen
    for name, weight in copy_weights(clf, frozen).items():
        assert torch.equal(weight, before[name]), name


@pytest.mark.parametrize(
    "settings", [{}, {"ema": 0.9, "optimizer": "adamw", "learning_rate": 0.001}, {"precision": "fp16"}], ids=str
)
@pytest.mark.parametrize("change", CHANGES)
def test_resumed_training_ends_with_identical_weights(change, settings, tmp_path):
    make, frozen = CHANGES[change]
    whole = make_classifier(FailAt(0), make(), **settings).fit(X, Y)
    failing = FailAt(4)
    clf = make_classifier(failing, make(), checkpoint_dir=tmp_path, **settings)
    with pytest.raises(RuntimeError, match="power cut"):
        clf.fit(X, Y)
    # In the same object, whose callbacks have been used; if a saved epoch were repeated, fit would fail.
    failing.epoch = 2
    assert hash_weights(clf.fit(X, Y)) == hash_weights(whole)
    assert list_frozen(clf) == frozen
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("duplicate", DUPLICATES)
def test_layers_frozen_by_the_network_stay_frozen_and_those_unfrozen_by_the_user_train(duplicate, tmp_path):
    fitted = make_classifier(module=half_frozen).fit(X, Y)
    assert list_frozen(DUPLICATES[duplicate](fitted, tmp_path)) == ["1.bias", "1.weight"]
    module = fitted.net_.module_
    module[1].requires_grad_(True)
    module[3].requires_grad_(False)
    clf = DUPLICATES[duplicate](fitted, tmp_path)
    before = copy_weights(clf, ["1.weight", "3.weight"])
    clf.set_params(callbacks=None).partial_fit(X, Y)
    assert list_frozen(clf) == ["3.bias", "3.weight"]
    after = copy_weights(clf, before)
    assert torch.equal(after["3.weight"], before["3.weight"]) and not torch.equal(after["1.weight"], before["1.weight"])


def test_new_training_starts_with_layers_frozen_by_the_network():
    clf = make_classifier(Freezer("*.bias")).fit(X, Y)
    assert list_frozen(clf.set_params(callbacks=None).fit(X, Y)) == []


def test_net_without_trainable_weights_is_an_error():
    with pytest.raises(TrainingError, match="All weights of the network are frozen"):
        make_classifier(Freezer("*")).fit(X, Y)
    clf = make_classifier().fit(X, Y)
    clf.net_.module_.requires_grad_(False)
    with pytest.raises(TrainingError, match="All weights of the network are frozen"):
        clf.partial_fit(X, Y)


@pytest.mark.parametrize("duplicate", DUPLICATES)
def test_best_scores_are_kept_in_continued_training(duplicate, tmp_path):
    def score(net, *_):
        return 1 / len(net.history)

    def make():
        return EpochScoring(score, name="falling", lower_is_better=False)

    validation = {"X_val": X[:8], "y_val": Y[:8]}
    clf = DUPLICATES[duplicate](make_classifier(make()).fit(X, Y, **validation), tmp_path)
    clf.set_params(callbacks=[make()], warm_start=True).fit(X, Y, **validation)
    assert clf.net_.history[:, "falling_best"] == [True] + 7 * [False]
    losses = clf.net_.history[:, "valid_loss"]
    assert clf.net_.history[:, "valid_loss_best"] == [loss == min(losses[: i + 1]) for i, loss in enumerate(losses)]
    assert not any(name.endswith("_best") for name in clf.history_[0])


def test_callbacks_are_initialized_once_in_continued_training():
    class Count(Callback):
        n_initialized_ = 0

        def initialize(self):
            self.n_initialized_ += 1
            self.n_epochs_ = 0
            return self

        def on_epoch_end(self, net, **kwargs):
            self.n_epochs_ += 1

    first, second = Count(), Count()
    clf = make_classifier(first).fit(X, Y).partial_fit(X, Y)
    clf.set_params(callbacks=[first, ("second", second)]).partial_fit(X, Y).partial_fit(X, Y)
    assert (first.n_initialized_, first.n_epochs_) == (1, 7)
    assert (second.n_initialized_, second.n_epochs_) == (1, 2)
    clf.fit(X, Y)
    assert (first.n_initialized_, first.n_epochs_) == (2, 4)


def test_files_of_versions_without_frozen_layers_can_be_loaded():
    state = make_classifier(module=half_frozen).fit(X, Y).__getstate__()
    for name in ("frozen", "changed_rates", "bookkeeping"):
        del state["net_state"][name]
    clf = make_classifier()
    clf.__setstate__(state)
    assert list_frozen(clf) == ["1.bias", "1.weight"]
    assert np.isfinite(clf.partial_fit(X, Y).history_[-1]["train_loss"])
