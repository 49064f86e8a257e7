"""Callbacks of skorch: which there are, what they score and monitor, and how they stop training."""

import copy
import inspect
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, check_scoring
from sklearn.metrics._scorer import _BaseScorer
from skorch.callbacks import Callback, EarlyStopping, EpochScoring, LRScheduler, PassthroughScoring
from skorch.callbacks import lr_scheduler as skorch_schedulers
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from ..exceptions import ParameterError
from ._schedule import SCHEDULES

# Methods that skorch's nets call on callbacks.
_CALLBACK_METHODS = ("initialize", "set_params", *(name for name in vars(Callback) if name.startswith("on_")))

# Keys that OneCycleLR and CyclicLR add to the parameter groups when they are created.
_CYCLE_KEYS = ("max_lr", "min_lr", "max_momentum", "base_momentum")

# The message of skorch's History and callbacks.
_NOT_IN_HISTORY = re.compile(r"'(\w+)' was not found in history")


class StopTrainingError(KeyboardInterrupt):
    """A callback requested the end of training; skorch's EarlyStopping raises KeyboardInterrupt for that."""


def make_callbacks(clf: Any, schedule: str | None, n_steps: int, *, validates: bool) -> list[Any]:
    """Return the callbacks of a training: the default ones and those of the user."""
    for entry in clf.callbacks or ():
        _check_callback(entry)
    score = EpochScoring("f1_macro", name="valid_f1_macro", lower_is_better=False)
    callbacks: list[Any] = [("valid_f1_macro", score)]
    if schedule is not None:
        # last_epoch counts steps here, and each call of fit runs a new schedule.
        policy = LRScheduler(
            LambdaLR, lr_lambda=SCHEDULES[schedule](n_steps), last_epoch=-1, step_every="batch", event_name=None
        )
        callbacks.append(("schedule", policy))
    callbacks += clf.callbacks or []
    if clf.early_stopping and validates:
        callbacks.append(("early_stopping", EarlyStopping(patience=clf.n_iter_no_change, load_best=True)))
    return callbacks


def reuse_callbacks(named: list[tuple[str, Any]], known_callbacks: dict[str, Any]) -> list[tuple[str, Any]]:
    """Initialize callbacks, except those initialized by an earlier fit."""
    callbacks = []
    for name, callback in named:
        if isinstance(callback, type):
            known = known_callbacks.get(name)
            callback = known if type(known) is callback else callback()
        if callback is not None:
            if not any(callback is known for known in known_callbacks.values()):
                callback.initialize()
            callbacks.append((name, callback))
    return callbacks


def restore_best_scores(net: Any) -> None:
    """Set the best losses so far, which skorch's PassthroughScoring, unlike EpochScoring, does not read itself."""
    for _, callback in net.callbacks_:
        if isinstance(callback, PassthroughScoring):
            best = [epoch[callback.name] for epoch in net.history if epoch.get(f"{callback.name}_best")]
            callback.best_score_ = best[-1] if best else callback.best_score_


def check_monitors(net: Any) -> None:
    """Raise ParameterError before the first epoch if a callback monitors a score that will not be recorded."""
    callbacks = [callback for _, callback in net.callbacks_]
    if not all(type(callback).__module__.startswith("skorch.") for callback in callbacks):
        # A custom callback may record it.
        return
    for callback in callbacks:
        # ReduceLROnPlateau is the only scheduler that uses `monitor`.
        is_idle = isinstance(callback, LRScheduler) and callback.policy_ is not ReduceLROnPlateau
        monitor = getattr(callback, "monitor", None)
        if isinstance(monitor, str) and not is_idle and _needs_validation(net, monitor):
            raise _missing_score(net, monitor)


def explain_error(net: Any, error: Exception) -> None:
    """Raise a ParameterError in place of an error of skorch about a score or rate missing from the history."""
    missing = _NOT_IN_HISTORY.search(str(error))
    if missing and (_find_monitors(net, missing[1]) or _needs_validation(net, missing[1])):
        raise _missing_score(net, missing[1]) from error
    if isinstance(error, KeyError) and error.args and error.args[0] in _CYCLE_KEYS:
        raise ParameterError(
            f"callbacks: a scheduler needs {error} from the previous epochs, in which it was not used. Pass "
            "last_epoch=-1 to LRScheduler to start its schedule from the beginning."
        ) from error


@contextmanager
def watch_signals() -> Iterator[list[int]]:
    """Yield a list of the signals received in the context whose handlers raise, as Python's handler of Ctrl-C does.

    A KeyboardInterrupt does not show whether code or the user raised it. Signals reach only the main thread.
    """
    noted: list[int] = []

    def watch(handler: Callable[[int, Any], Any]) -> Callable[[int, Any], Any]:
        def note(number: int, frame: Any) -> None:
            try:
                handler(number, frame)
            except BaseException:
                noted.append(number)
                # Restore here too, since a second signal may interrupt the end of the context.
                put_back(number)
                raise

        return note

    def put_back(number: int) -> None:
        handler, watcher = watched[number]
        # Keep handlers set within the context.
        if signal.getsignal(number) is watcher:
            signal.signal(number, handler)

    watched: dict[int, tuple[Any, Any]] = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
        watched = {number: (handler, watch(handler)) for number, handler in handlers.items() if callable(handler)}
    try:
        for number, (_, watcher) in watched.items():
            signal.signal(number, watcher)
        yield noted
    finally:
        for number in watched:
            put_back(number)


@dataclass(eq=False)
class LabelScorer:
    """Wrap a scorer so that it sees a classifier that predicts labels, where the net predicts their codes."""

    scoring: Any
    classes: NDArray[Any]

    def __call__(self, net: Any, X: Any, y: Any) -> Any:
        label_net = _LabelNet(net, self.classes)
        scorer = self._name_positive(check_scoring(label_net, self.scoring))
        codes = np.asarray(y)
        # A custom target_extractor may have replaced the codes.
        return scorer(label_net, X, self.classes[codes] if codes.ndim == 1 and codes.dtype.kind in "iu" else y)

    def _name_positive(self, scorer: Any) -> Any:
        """Set `pos_label` to the second of two classes if the metric's default of 1 is not a class."""
        if not isinstance(scorer, _BaseScorer) or len(self.classes) != 2 or "pos_label" in scorer._kwargs:
            return scorer
        parameters = inspect.signature(scorer._score_func).parameters
        if "pos_label" not in parameters or parameters["pos_label"].default in self.classes.tolist():
            return scorer
        # Metrics such as F1 have no positive class if they average over classes.
        is_binary = "average" not in parameters or parameters["average"].default != "binary"
        is_binary = is_binary or scorer._kwargs.get("average", "binary") == "binary"
        scorer = copy.copy(scorer)
        scorer._kwargs = {**scorer._kwargs, "pos_label": self.classes[1] if is_binary else None}
        return scorer


class _LabelNet:
    """A net that predicts labels; all other attributes are those of the wrapped net."""

    def __init__(self, net: Any, classes: NDArray[Any]):
        self._net = net
        self.classes_ = classes

    def predict(self, X: Any) -> NDArray[Any]:
        return self.classes_[self._net.predict(X)]

    def score(self, X: Any, y: Any) -> float:
        return accuracy_score(y, self.predict(X))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._net, name)


def _missing_score(net: Any, name: str) -> ParameterError:
    owner = next(iter(_find_monitors(net, name)), "A callback")
    if _needs_validation(net, name):
        return ParameterError(
            f"callbacks: {owner} monitors {name!r}, which needs a validation set. Set validation_fraction=0.1, or "
            "pass X_val and y_val to fit; partial_fit has no validation set."
        )
    known = sorted({key for epoch in net.history for key in epoch} - {"batches"})
    return ParameterError(f"callbacks: {owner} monitors {name!r}, but the history contains {', '.join(known)}.")


def _find_monitors(net: Any, name: str) -> list[str]:
    return [type(callback).__name__ for _, callback in net.callbacks_ if getattr(callback, "monitor", None) == name]


def _needs_validation(net: Any, name: str) -> bool:
    """Return whether a score is missing only because there is no validation set."""
    scores = [callback for _, callback in net.callbacks_ if getattr(callback, "on_train", None) is False]
    names = [getattr(score, "name_", getattr(score, "name", None)) for score in scores]
    return net.train_split is None and name.removesuffix("_best") in names


def _check_callback(entry: Any) -> None:
    is_named = isinstance(entry, tuple | list) and len(entry) == 2 and isinstance(entry[0], str)
    callback = entry[1] if is_named else entry
    if is_named and callback is None:
        return
    if not all(hasattr(callback, name) for name in _CALLBACK_METHODS):
        raise ParameterError(
            f"callbacks contains {repr(entry)[:100]}, expected skorch callbacks or (name, callback) pairs, as in "
            "callbacks=[EarlyStopping()]."
        )
    if isinstance(callback, type):
        try:
            inspect.signature(callback).bind()
        except TypeError as error:
            raise ParameterError(
                f"callbacks contains the class {callback.__name__} ({error}). Pass an instance."
            ) from error
    policy = getattr(callback, "policy", None)
    if isinstance(callback, LRScheduler) and isinstance(policy, str) and not hasattr(skorch_schedulers, policy):
        raise ParameterError(
            f"callbacks contains LRScheduler({policy!r}), but skorch has no policy of this name. Pass the class, as in "
            "LRScheduler(torch.optim.lr_scheduler.OneCycleLR)."
        )
