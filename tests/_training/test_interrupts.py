"""Ctrl-C ends training at any point; callbacks can stop it without an error at the end of an epoch."""

import _thread
import os
import signal
import threading
import time

import numpy as np
import pytest
from PIL import Image
from sklearn.model_selection import GridSearchCV, cross_val_score
from skorch.callbacks import Callback, EarlyStopping, EpochScoring, LRScheduler
from torch import nn

from sk_emotion import EmotionClassifier, compare_classifiers, make_faces, networks
from sk_emotion._training._callbacks import watch_signals
from sk_emotion.cli import main

pytestmark = pytest.mark.training

X, Y, _ = make_faces(48, emotions=["happiness", "pain"], image_size=24, random_state=0)


def perceptron(n_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(24 * 24, n_classes))


def kill(*_):
    os.kill(os.getpid(), signal.SIGINT)
    # Python calls signal handlers between bytecode instructions.
    time.sleep(0.001)


def raise_signal(*_):
    signal.raise_signal(signal.SIGINT)


def interrupt_main(*_):
    _thread.interrupt_main()
    time.sleep(0.001)


def raise_keyboard_interrupt(*_):
    raise KeyboardInterrupt


SIGNALS = [kill, raise_signal, interrupt_main]


class Act(Callback):
    """Call a function at a point of an epoch."""

    def __init__(self, action, place="on_epoch_end", epoch=2):
        self.action, self.place, self.epoch = action, place, epoch

    def _act(self, place, net):
        if place == self.place and len(net.history) == self.epoch:
            self.action(net)

    def on_train_begin(self, net, **kwargs):
        self._act("on_train_begin", net)

    def on_epoch_begin(self, net, **kwargs):
        self._act("on_epoch_begin", net)

    def on_batch_end(self, net, **kwargs):
        self._act("on_batch_end", net)

    def on_epoch_end(self, net, **kwargs):
        self._act("on_epoch_end", net)

    def on_train_end(self, net, **kwargs):
        self._act("on_train_end", net)

    def get_params(self, deep=True):
        return {"action": self.action, "place": self.place, "epoch": self.epoch}


class HiddenAct(Act):
    """An Act without parameters, which does not change the fingerprint of the training."""

    def get_params(self, deep=True):
        return {}


def make_classifier(*callbacks, **settings):
    defaults = {"max_epochs": 4, "batch_size": 16, "random_state": 0, "schedule": None}
    return EmotionClassifier(networks.TorchNetwork(perceptron), callbacks=list(callbacks), **(defaults | settings))


@pytest.fixture(autouse=True)
def _check_handlers_are_restored():
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    yield
    assert {number: signal.getsignal(number) for number in before} == before


@pytest.fixture
def set_handler():
    """Function that sets the handler of a signal, restored after the test."""
    before = {}

    def set_one(number, handler):
        before.setdefault(number, signal.signal(number, handler))

    yield set_one
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("press", SIGNALS)
@pytest.mark.parametrize(
    ("place", "epoch", "n_finished"),
    [
        ("on_train_begin", 0, 0),
        ("on_epoch_begin", 2, 1),
        ("on_batch_end", 2, 1),
        ("on_epoch_end", 1, 0),
        ("on_epoch_end", 2, 1),
        ("on_epoch_end", 4, 3),
        ("on_train_end", 4, 4),
    ],
)
def test_ctrl_c_ends_training_at_any_point(press, place, epoch, n_finished):
    clf = make_classifier(Act(press, place, epoch))
    with pytest.raises(KeyboardInterrupt) as caught:
        clf.fit(X, Y)
    assert f"fitted with its state after {n_finished} epochs" in caught.value.__notes__[0]
    assert clf.n_iter_ == n_finished
    if n_finished:
        expected = make_classifier(max_epochs=n_finished).fit(X, Y)
        np.testing.assert_array_equal(clf.predict_proba(X), expected.predict_proba(X))


def interrupt_in_third_epoch(net, *_):
    if len(net.history) == 3:
        raise_signal()
    return 0.5


@pytest.mark.parametrize(
    "callback",
    [
        lambda: EpochScoring(interrupt_in_third_epoch, name="score", on_train=True),
        lambda: EpochScoring(interrupt_in_third_epoch, name="score", use_caching=False),
        lambda: LRScheduler("ReduceLROnPlateau", monitor=interrupt_in_third_epoch),
        lambda: Act(raise_signal, epoch=3),
    ],
)
@pytest.mark.parametrize("train", ["fit", "search", "cross_val_score", "compare"])
def test_ctrl_c_in_a_callback_is_not_a_request_of_the_callback(callback, train):
    clf = make_classifier(callback(), validation_fraction=0.25)
    with pytest.raises(KeyboardInterrupt):
        if train == "fit":
            clf.fit(X, Y)
        elif train == "search":
            GridSearchCV(clf, {"learning_rate": [0.1, 0.01]}, cv=2).fit(X, Y)
        elif train == "cross_val_score":
            cross_val_score(clf, X, Y, cv=2)
        else:
            compare_classifiers({"CNN": clf}, X, Y, cv=2, random_state=0)


def test_ctrl_c_in_partial_fit_keeps_previous_epochs():
    clf = make_classifier(Act(raise_signal, epoch=5)).fit(X, Y)
    before = clf.predict_proba(X)
    with pytest.raises(KeyboardInterrupt):
        clf.partial_fit(X, Y)
    assert clf.n_iter_ == 4
    np.testing.assert_array_equal(clf.predict_proba(X), before)


def test_ctrl_c_at_the_end_of_an_epoch_keeps_its_checkpoint(tmp_path):
    action = HiddenAct(raise_signal, epoch=3)
    whole = make_classifier(Act(raise_signal, epoch=0)).fit(X, Y)
    clf = make_classifier(action, checkpoint_dir=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, Y)
    (folder,) = tmp_path.iterdir()
    assert sorted(path.name[:11] for path in folder.glob("*.safetensors")) == ["epoch-00001", "epoch-00002"]
    action.action = do_nothing
    resumed = make_classifier(action, checkpoint_dir=tmp_path).fit(X, Y)
    assert resumed.history_[0]["dur"] == clf.history_[0]["dur"]
    np.testing.assert_array_equal(resumed.predict_proba(X), whole.predict_proba(X))


def do_nothing(*_):
    pass


def test_callback_that_raises_at_the_end_of_an_epoch_stops_training_without_error():
    assert make_classifier(Act(raise_keyboard_interrupt, epoch=2)).fit(X, Y).n_iter_ == 2
    stopping = EarlyStopping(patience=1, threshold=1, sink=do_nothing)
    assert make_classifier(stopping, validation_fraction=0.25).fit(X, Y).n_iter_ == 2


@pytest.mark.parametrize("place", ["on_epoch_begin", "on_batch_end"])
def test_error_of_a_callback_that_raises_elsewhere_names_on_epoch_end(place):
    clf = make_classifier(Act(raise_keyboard_interrupt, place))
    with pytest.raises(KeyboardInterrupt, match=r"in epoch 2; it was not Ctrl-C.* raise it in on_epoch_end"):
        clf.fit(X, Y)
    assert clf.n_iter_ == 1


def test_callback_in_a_thread_stops_training_without_error():
    clf = make_classifier(Act(raise_keyboard_interrupt, epoch=3))
    thread = threading.Thread(target=clf.fit, args=(X, Y))
    thread.start()
    thread.join()
    assert clf.n_iter_ == 3


def test_ctrl_c_in_a_training_inside_a_callback_ends_both():
    inner = make_classifier(Act(raise_signal))
    outer = make_classifier(Act(lambda net: inner.fit(X, Y)))
    with pytest.raises(KeyboardInterrupt):
        outer.fit(X, Y)
    assert (inner.n_iter_, outer.n_iter_) == (1, 1)
    quiet = make_classifier(Act(raise_keyboard_interrupt))
    assert make_classifier(Act(lambda net: quiet.fit(X, Y))).fit(X, Y).n_iter_ == 4
    assert quiet.n_iter_ == 2


def test_custom_signal_handler_decides(set_handler):
    noted = []

    def stop_if_noted(net):
        raise_signal()
        if noted:
            raise KeyboardInterrupt

    set_handler(signal.SIGINT, lambda number, frame: noted.append(number))
    assert make_classifier(Act(stop_if_noted)).fit(X, Y).n_iter_ == 2
    assert noted == [signal.SIGINT]
    set_handler(signal.SIGTERM, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt):
        make_classifier(Act(lambda net: signal.raise_signal(signal.SIGTERM))).fit(X, Y)


def test_handler_set_by_a_callback_is_custom():
    class Handle(Act):
        def on_train_begin(self, net, **kwargs):
            self.former_ = signal.signal(signal.SIGINT, raise_keyboard_interrupt)

        def on_train_end(self, net, **kwargs):
            signal.signal(signal.SIGINT, self.former_)

    with pytest.raises(KeyboardInterrupt):
        make_classifier(Handle(raise_signal)).fit(X, Y)


def test_watch_signals_records_signals_whose_handlers_raise(set_handler):
    with watch_signals() as noted:
        pass
    assert noted == []
    with watch_signals() as noted:
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                raise_signal()
    # One signal is enough.
    assert noted == [signal.SIGINT]
    set_handler(signal.SIGINT, signal.SIG_IGN)
    with watch_signals() as noted:
        raise_signal()
    assert noted == []
    with watch_signals():
        set_handler(signal.SIGINT, do_nothing)
    assert signal.getsignal(signal.SIGINT) is do_nothing


@pytest.mark.parametrize("command", ["train", "compare"])
def test_interrupted_command_exits_with_130(command, tmp_path, monkeypatch):
    for number, (image, label) in enumerate(zip(X, Y, strict=True)):
        path = tmp_path / "faces" / label / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    # Simulate Ctrl-C while the end of an epoch is printed.
    end_epoch = EpochScoring.on_epoch_end

    def press(self, net, *args, **kwargs):
        raise_signal()
        end_epoch(self, net, *args, **kwargs)

    monkeypatch.setattr(EpochScoring, "on_epoch_end", press)
    options = ["--epochs", "2", "--width", "4", "--image-size", "24", "--detector", "none", "--quiet"]
    out = {"train": ["--out", str(tmp_path / "model.skops")], "compare": ["--cv", "2"]}[command]
    with pytest.raises(SystemExit) as caught:
        main([command, str(tmp_path / "faces"), *options, *out])
    assert caught.value.code == 130
    assert not (tmp_path / "model.skops").exists()
