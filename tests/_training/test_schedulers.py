"""Schedulers in callbacks set the same rates as in skorch, also in continued training."""

import copy
import functools
import pickle

import joblib
import numpy as np
import pytest
import torch
from failing import FailAt
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback, LRScheduler
from torch import nn
from torch.optim import lr_scheduler

from sk_emotion import EmotionClassifier, load_model, make_faces, networks, save_model
from sk_emotion.exceptions import ParameterError

pytestmark = pytest.mark.training

X, Y, _ = make_faces(24, emotions=["happiness", "pain"], image_size=24, random_state=0)


def perceptron(in_channels, image_size, n_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(in_channels * 24 * 24, n_classes))


def inverse(epoch):
    return 1 / (1 + epoch)


def constant(*_):
    return 0.8


def sequential(optimizer, last_epoch=-1):
    parts = [lr_scheduler.LinearLR(optimizer, 0.1, total_iters=2), lr_scheduler.ExponentialLR(optimizer, 0.9)]
    return lr_scheduler.SequentialLR(optimizer, parts, milestones=[3])


def chained(optimizer, last_epoch=-1):
    parts = [lr_scheduler.ConstantLR(optimizer, 0.1, 4), lr_scheduler.ExponentialLR(optimizer, 0.9)]
    return lr_scheduler.ChainedScheduler(parts, optimizer=optimizer)


class NewScheduler(Callback):
    """Create a scheduler in on_train_begin."""

    def on_train_begin(self, net, **kwargs):
        self.scheduler_ = lr_scheduler.StepLR(net.optimizer_, 3, 0.5)

    def on_epoch_end(self, net, **kwargs):
        self.scheduler_.step()


class PersistentScheduler(Callback):
    """Create schedulers in the first fit and reuse them in later ones."""

    def initialize(self):
        self.schedulers_ = None
        return self

    def on_train_begin(self, net, **kwargs):
        if self.schedulers_ is None:
            self.schedulers_ = [sequential(net.optimizer_)]

    def on_epoch_end(self, net, **kwargs):
        self.schedulers_[0].step()


class StatefulScheduler(Callback):
    """Implement `state_dict` and `load_state_dict` for its scheduler."""

    def on_train_begin(self, net, **kwargs):
        self.scheduler_ = lr_scheduler.CosineAnnealingLR(net.optimizer_, 5)

    def on_batch_end(self, net, training, **kwargs):
        if training:
            self.scheduler_.step()

    def state_dict(self):
        return self.scheduler_.state_dict()

    def load_state_dict(self, state):
        self.scheduler_.load_state_dict(state)


class ManualRates(Callback):
    """Change the rates without a scheduler."""

    def on_epoch_end(self, net, **kwargs):
        for group in net.optimizer_.param_groups:
            group["lr"] *= 0.7
            group["momentum"] *= 0.9


POLICIES = {
    "StepLR": lambda: LRScheduler("StepLR", step_size=2, gamma=0.5),
    "MultiStepLR": lambda: LRScheduler(lr_scheduler.MultiStepLR, milestones=[1, 3], gamma=0.5),
    "ExponentialLR": lambda: LRScheduler("ExponentialLR", gamma=0.9),
    "ExponentialLR, batches": lambda: LRScheduler("ExponentialLR", gamma=0.9, step_every="batch"),
    "CosineAnnealingLR": lambda: LRScheduler("CosineAnnealingLR", T_max=5),
    "CosineAnnealingLR, batches": lambda: LRScheduler("CosineAnnealingLR", T_max=5, step_every="batch"),
    "OneCycleLR": lambda: LRScheduler(lr_scheduler.OneCycleLR, max_lr=0.1, total_steps=40, step_every="batch"),
    "CyclicLR": lambda: LRScheduler("CyclicLR", base_lr=0.01, max_lr=0.1, step_size_up=3, step_every="batch"),
    "ReduceLROnPlateau": lambda: LRScheduler("ReduceLROnPlateau", monitor=constant, patience=0),
    "LambdaLR": lambda: LRScheduler("LambdaLR", lr_lambda=inverse),
    "MultiplicativeLR": lambda: LRScheduler(lr_scheduler.MultiplicativeLR, lr_lambda=constant),
    "WarmRestartLR": lambda: LRScheduler(max_lr=0.05, base_period=3),
    "CosineAnnealingWarmRestarts": lambda: LRScheduler(lr_scheduler.CosineAnnealingWarmRestarts, T_0=2),
    "PolynomialLR": lambda: LRScheduler(lr_scheduler.PolynomialLR, total_iters=6),
    "SequentialLR": lambda: LRScheduler(sequential),
    "ChainedScheduler": lambda: LRScheduler(chained),
    "new scheduler": NewScheduler,
    "made once": PersistentScheduler,
    "stateful": StatefulScheduler,
    "by hand": ManualRates,
}


class Record(Callback):
    """Record the rates of each step."""

    def __init__(self):
        self.rates_ = []

    def on_batch_begin(self, net, training, **kwargs):
        if training:
            group = net.optimizer_.param_groups[0]
            self.rates_.append((group["lr"], group["momentum"]))


def make_classifier(*callbacks, **settings):
    sgd = {"optimizer": "sgd", "learning_rate": 0.05}
    defaults = {"max_epochs": 2, "batch_size": 8, "schedule": None, "random_state": 0, **sgd}
    network = networks.TorchNetwork(perceptron)
    return EmotionClassifier(network, callbacks=list(callbacks), **(defaults | settings))


def make_plain_net(*callbacks, **settings):
    return NeuralNetClassifier(
        perceptron(1, (24, 24), 2),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.SGD,
        optimizer__momentum=0.9,
        lr=0.05,
        batch_size=8,
        max_epochs=2,
        train_split=None,
        callbacks=list(callbacks),
        verbose=0,
        **settings,
    )


def hash_weights(clf):
    return joblib.hash(clf.net_.to_arrays())


def list_rates(clf):
    return [epoch["lr"] for epoch in clf.history_]


def duplicate_by_file(clf, folder):
    save_model(clf, folder / "model.skops")
    return load_model(folder / "model.skops", trusted=[perceptron])


@pytest.mark.parametrize("policy", POLICIES)
def test_partial_fit_and_warm_start_have_the_rates_of_skorch(policy):
    make = POLICIES[policy]
    images, codes = X.astype(np.float32), np.unique(Y, return_inverse=True)[1]
    ours, theirs = Record(), Record()
    make_classifier(ours, make()).fit(X, Y).partial_fit(X, Y).partial_fit(X, Y)
    net = make_plain_net(theirs, make()).fit(images, codes)
    net.set_params(max_epochs=1).partial_fit(images, codes).partial_fit(images, codes)
    np.testing.assert_allclose(ours.rates_, theirs.rates_, rtol=1e-12)
    ours, theirs = Record(), Record()
    make_classifier(ours, make(), warm_start=True).fit(X, Y).fit(X, Y)
    make_plain_net(theirs, make(), warm_start=True).fit(images, codes).fit(images, codes)
    np.testing.assert_allclose(ours.rates_, theirs.rates_, rtol=1e-12)
    assert len(ours.rates_) == 12


@pytest.mark.parametrize("policy", POLICIES)
def test_training_resumed_from_a_checkpoint_ends_with_the_same_rates_and_weights(policy, tmp_path):
    make = POLICIES[policy]
    whole = make_classifier(FailAt(0), make(), max_epochs=6).fit(X, Y)
    settings = {"max_epochs": 6, "checkpoint_dir": tmp_path}
    with pytest.raises(RuntimeError, match="power cut"):
        make_classifier(FailAt(4), make(), **settings).fit(X, Y)
    # If a saved epoch were repeated, this would fail.
    resumed = make_classifier(FailAt(2), make(), **settings).fit(X, Y)
    assert list_rates(resumed) == list_rates(whole)
    assert hash_weights(resumed) == hash_weights(whole)
    assert hash_weights(resumed.partial_fit(X, Y)) == hash_weights(whole.partial_fit(X, Y))
    assert list_rates(resumed) == list_rates(whole)


@pytest.mark.parametrize(
    ("policy", "settings"),
    [
        ("StepLR", {"optimizer": torch.optim.Adagrad}),
        ("CyclicLR", {"optimizer": "adamw"}),
        ("OneCycleLR", {"optimizer": functools.partial(torch.optim.Adam, betas=(0.8, 0.99)), "ema": 0.9}),
        ("LambdaLR", {"optimizer": torch.optim.NAdam}),
        ("SequentialLR", {"optimizer": torch.optim.Rprop, "precision": "fp32"}),
        ("ReduceLROnPlateau", {"optimizer": torch.optim.ASGD, "validation_fraction": 0.25}),
        ("ExponentialLR", {"optimizer": torch.optim.LBFGS, "learning_rate": 0.1}),
        ("MultiStepLR", {"precision": "fp16"}),
    ],
)
def test_other_optimizers_resume_exactly(policy, settings, tmp_path):
    settings = {"max_epochs": 4, "learning_rate": 0.001} | settings
    whole = make_classifier(FailAt(0), POLICIES[policy](), **settings).fit(X, Y)
    settings["checkpoint_dir"] = tmp_path
    with pytest.raises(RuntimeError, match="power cut"):
        make_classifier(FailAt(3), POLICIES[policy](), **settings).fit(X, Y)
    resumed = make_classifier(FailAt(1), POLICIES[policy](), **settings).fit(X, Y)
    assert list_rates(resumed) == list_rates(whole)
    assert hash_weights(resumed) == hash_weights(whole)


@pytest.mark.filterwarnings("ignore:EmotionClassifier. callbacks are not saved")
@pytest.mark.parametrize("policy", ["StepLR", "OneCycleLR", "CyclicLR", "SequentialLR", "new scheduler", "by hand"])
@pytest.mark.parametrize(
    "duplicate", [lambda clf, _: pickle.loads(pickle.dumps(clf)), lambda clf, _: copy.deepcopy(clf), duplicate_by_file]
)
def test_copy_with_its_callbacks_set_again_has_the_rates_of_the_original(policy, duplicate, tmp_path):
    original = make_classifier(POLICIES[policy]()).fit(X, Y)
    other = duplicate(original, tmp_path).set_params(callbacks=[POLICIES[policy]()])
    for clf in (original, other):
        clf.partial_fit(X, Y).partial_fit(X, Y)
    assert list_rates(other) == list_rates(original)
    assert hash_weights(other) == hash_weights(original)


def test_warm_start_resumes_from_its_checkpoint_in_the_same_object(tmp_path):
    settings = {"warm_start": True, "max_epochs": 3}
    whole = make_classifier(FailAt(0), POLICIES["CyclicLR"](), **settings).fit(X, Y).fit(X, Y)
    failing = FailAt(0)
    clf = make_classifier(failing, POLICIES["CyclicLR"](), checkpoint_dir=tmp_path, **settings).fit(X, Y)
    failing.epoch = 5
    with pytest.raises(RuntimeError, match="power cut"):
        clf.fit(X, Y)
    failing.epoch = 4
    assert hash_weights(clf.fit(X, Y)) == hash_weights(whole)
    assert list_rates(clf) == list_rates(whole)


def test_learning_rate_set_between_fits_is_used():
    clf = make_classifier(LRScheduler("LambdaLR", lr_lambda=inverse)).fit(X, Y)
    clf.set_params(learning_rate=0.5).partial_fit(X, Y)
    assert list_rates(clf) == pytest.approx([0.05, 0.025, 0.5 / 3])
    clf.set_params(callbacks=None).partial_fit(X, Y)
    assert list_rates(clf)[-1] == pytest.approx(0.5 / 4)


def test_our_own_schedule_does_not_affect_later_fits():
    clf = make_classifier(schedule="onecycle").fit(X, Y).partial_fit(X, Y)
    assert list_rates(clf)[-1] == 0.05
    clf = make_classifier(LRScheduler("ExponentialLR", gamma=0.5)).fit(X, Y)
    clf.set_params(callbacks=None, schedule="cosine", warm_start=True).fit(X, Y)
    assert list_rates(clf)[2] == 0.05


@pytest.mark.parametrize("policy", POLICIES)
def test_scheduler_can_be_added_after_some_epochs(policy):
    clf = make_classifier(schedule="onecycle").fit(X, Y)
    clf.set_params(schedule=None, callbacks=[POLICIES[policy]()])
    if policy == "OneCycleLR":
        with pytest.raises(ParameterError, match="Pass last_epoch=-1 to LRScheduler"):
            clf.partial_fit(X, Y)
        clf.set_params(callbacks=[LRScheduler(lr_scheduler.OneCycleLR, max_lr=0.1, total_steps=9, last_epoch=-1)])
    assert clf.partial_fit(X, Y).partial_fit(X, Y).n_iter_ == 4


@pytest.mark.parametrize("policy", [name for name in POLICIES if name != "by hand"])
def test_scheduler_in_addition_to_our_own_schedule_is_an_error(policy):
    with pytest.raises(ParameterError, match=r"schedule='onecycle' and \w+ of the callback .* Pass schedule=None"):
        make_classifier(POLICIES[policy](), schedule="onecycle").fit(X, Y)


def test_scheduler_is_allowed_in_partial_fit_which_has_no_schedule():
    clf = make_classifier(LRScheduler("ExponentialLR", gamma=0.5), schedule="onecycle")
    assert list_rates(clf.partial_fit(X, Y)) == [0.05]


def test_failed_training_does_not_change_rates_and_schedulers():
    failing = FailAt(0)
    clf, plain = (make_classifier(failing, PersistentScheduler()).fit(X, Y) for _ in range(2))
    failing.epoch = 3
    with pytest.raises(RuntimeError, match="power cut"):
        clf.partial_fit(X, Y)
    failing.epoch = 0
    assert hash_weights(clf.partial_fit(X, Y)) == hash_weights(plain.partial_fit(X, Y))
    assert list_rates(clf) == list_rates(plain)
