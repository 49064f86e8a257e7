"""Failed or interrupted training raises a clear error and keeps the state of the last completed epoch."""

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch import nn

from sk_emotion import EmotionClassifier, make_faces, networks
from sk_emotion.exceptions import TrainingError

pytestmark = pytest.mark.training(quick=True)

X, Y, _ = make_faces(48, emotions=["happiness", "pain"], image_size=24, random_state=0)


class Disturb(Callback):
    """Call a function before a batch."""

    def __init__(self, epoch, batch, action):
        self.epoch, self.batch, self.action = epoch, batch, action

    def on_batch_begin(self, net, training, **kwargs):
        if training and len(net.history) == self.epoch and len(net.history[-1, "batches"]) == self.batch:
            self.action(net)


def raise_rate(net):
    net.optimizer_.param_groups[0]["lr"] = 1e300


def spoil_weights(net):
    with torch.no_grad():
        next(net.module_.parameters()).fill_(torch.nan)


def press_ctrl_c(net):
    raise KeyboardInterrupt


def make_classifier(*disturbances, **settings):
    defaults = {"network": networks.ResNet(4), "max_epochs": 4, "batch_size": 16, "random_state": 0, "schedule": None}
    return EmotionClassifier(**(defaults | settings), callbacks=list(disturbances) or None)


def finish_two_epochs(**settings):
    """Fit for two epochs; without a schedule, they equal the first two of four."""
    return make_classifier(**settings, max_epochs=2).fit(X, Y)


@pytest.mark.parametrize("ema", [None, 0.9])
@pytest.mark.parametrize(
    ("action", "batch", "message"),
    [
        (raise_rate, 1, r"The train loss became (nan|inf) in epoch 3, batch 2, at a learning rate of 1e\+300"),
        (raise_rate, 3, r"Weights were not finite at the end of epoch 3"),
        (spoil_weights, 2, r"The train loss became nan in epoch 3, batch 2, at a learning rate of 0\.002"),
    ],
)
def test_non_finite_loss_stops_at_once_and_keeps_the_last_finite_weights(action, batch, message, ema):
    clf = make_classifier(Disturb(3, batch, action), precision="fp32", ema=ema)
    with pytest.raises(TrainingError, match=message) as caught:
        clf.fit(X, Y)
    assert "fitted with its state after 2 epochs" in caught.value.__notes__[0]
    assert clf.n_iter_ == 2
    expected = finish_two_epochs(precision="fp32", ema=ema)
    np.testing.assert_array_equal(clf.predict_proba(X), expected.predict_proba(X))
    # Training can be continued.
    assert np.isfinite(clf.set_params(callbacks=None).partial_fit(X, Y).history_[-1]["train_loss"])


def test_non_finite_loss_in_the_first_epoch_leaves_no_model():
    clf = make_classifier(Disturb(1, 2, spoil_weights))
    with pytest.raises(TrainingError, match=r"epoch 1, batch 2.*Pass a smaller learning_rate"):
        clf.fit(X, Y)
    assert not hasattr(clf, "net_")


def test_non_finite_validation_loss_stops_training():
    class SpoilValidation(Disturb):
        def on_batch_begin(self, net, training, **kwargs):
            if not training and len(net.history) == self.epoch:
                self.action(net)

    clf = make_classifier(SpoilValidation(3, 1, spoil_weights), validation_fraction=0.25)
    with pytest.raises(TrainingError, match="The valid loss became nan in epoch 3, batch 1"):
        clf.fit(X, Y)
    assert clf.n_iter_ == 2


def test_ctrl_c_restores_the_last_epoch_and_adds_a_note():
    clf = make_classifier(Disturb(3, 2, press_ctrl_c))
    with pytest.raises(KeyboardInterrupt) as caught:
        clf.fit(X, Y)
    assert "fitted with its state after 2 epochs" in caught.value.__notes__[0]
    assert clf.n_iter_ == len(clf.history_) == 2
    np.testing.assert_array_equal(clf.predict_proba(X), finish_two_epochs().predict_proba(X))


def test_ctrl_c_in_the_first_epoch_keeps_a_model():
    clf = make_classifier(Disturb(1, 3, press_ctrl_c))
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, Y)
    assert clf.n_iter_ == 0
    assert np.isfinite(clf.predict_proba(X)).all()


def test_ctrl_c_with_early_stopping_restores_the_best_epoch():
    settings = {"early_stopping": True, "validation_fraction": 0.25, "max_epochs": 6}
    clf = make_classifier(Disturb(5, 2, press_ctrl_c), **settings)
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, Y)
    best = int(np.argmin([epoch["valid_loss"] for epoch in clf.history_])) + 1
    expected = make_classifier(**settings | {"max_epochs": best}).fit(X, Y)
    np.testing.assert_array_equal(clf.predict_proba(X), expected.predict_proba(X))


def test_ctrl_c_in_partial_fit_restores_the_previous_epoch():
    clf = finish_two_epochs()
    before = clf.predict_proba(X)
    clf.set_params(callbacks=[Disturb(3, 2, press_ctrl_c)])
    with pytest.raises(KeyboardInterrupt):
        clf.partial_fit(X, Y)
    assert clf.n_iter_ == 2
    np.testing.assert_array_equal(clf.predict_proba(X), before)


class OutOfMemory(nn.Module):
    """Raise an out-of-memory error in training."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(24 * 24, 2))

    def forward(self, images):
        if self.training:
            torch.empty(10**15)
        return self.layers(images)


def test_out_of_memory_error_suggests_a_batch_size():
    clf = EmotionClassifier(networks.TorchNetwork(OutOfMemory), batch_size=48, max_epochs=1)
    with pytest.raises(TrainingError, match=r"cpu ran out of memory with batch_size=48 .*Pass batch_size=24"):
        clf.fit(X, Y)
