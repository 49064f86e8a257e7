"""Validation of the state in a checkpoint."""

import math
from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any

import numpy as np
from torch.optim.lr_scheduler import LRScheduler

from ._state import SHAPED

# Entries of the history that must be numbers.
_SCORES = {f"{part}_{score}" for part in ("train", "valid") for score in ("loss", "acc", "f1_macro")} | {"lr", "dur"}

# State of skorch's callbacks and PyTorch's schedulers.
_COUNTS = ("misses_", "best_epoch_", "last_epoch", "_step_count")
_NUMBERS = ("dynamic_threshold_",)
_LISTS = ("base_lrs", "_last_lr")
_NO_DATA = {"optimizer", *(name for name in dir(LRScheduler) if callable(getattr(LRScheduler, name)))}


def check_state(state: Any, start: dict[str, Any]) -> None:
    """Raise ValueError, TypeError, KeyError or AttributeError if `state` is not a valid state of training.

    Parameters
    ----------
    state : dict
        State read from a checkpoint.
    start : dict
        State of the net to be resumed, from :func:`~sk_emotion._training._state.capture_network`.
    """
    for name in ("weights", "optimizer", "precision"):
        _check_like(state[name], start[name], name)
    # The device may have changed.
    draws = {name: value for name, value in start["random"].items() if name != "device"}
    _check_like(state["random"], draws, "random", more=True)
    if state["training_weights"] is not None:
        _check_like(state["training_weights"], start["weights"], "training_weights")
    _check_finite([state["weights"], state["training_weights"], state["optimizer_state"]])
    _check_optimizer(state["optimizer_state"], len(start["weights"]))
    _check_history(state["history"])
    _check_rates(state["rates"], start["rates"])
    _check_callbacks(state["callbacks"])


def _check_like(value: Any, known: Any, name: str, *, more: bool = False) -> None:
    """Check that a value has the same structure as `known`; `more` allows additional keys."""
    if isinstance(known, dict):
        if not known.keys() <= value.keys() or (not more and len(value) > len(known)):
            raise ValueError(f"the names in {name} are not those of the network")
        for key, part in known.items():
            _check_like(value[key], part, f"{name}[{key!r}]")
    elif isinstance(known, np.ndarray):
        if value.shape != known.shape or value.dtype != known.dtype:
            raise ValueError(f"{name} is {value.dtype} of shape {value.shape}, expected {known.dtype} of {known.shape}")
    elif type(value) is not type(known):
        raise ValueError(f"{name} is a {type(value).__name__}, expected a {type(known).__name__}")


def _check_finite(value: Any) -> None:
    for part in _walk(value):
        if isinstance(part, np.ndarray) and part.dtype.kind == "f" and not np.isfinite(part).all():
            raise ValueError("it has weights that are not finite")


def _check_optimizer(states: Any, n_weights: int) -> None:
    for number, state in states.items():
        if type(number) is not int or not 0 <= number < n_weights:
            raise ValueError(f"its optimizer state has an unknown weight {str(number)[:50]}")
        for name in state.keys() & set(SHAPED):
            if not isinstance(state[name], np.ndarray | None):
                raise ValueError(f"its {name} is a {type(state[name]).__name__}")


def _check_history(history: Any) -> None:
    for number, epoch in enumerate(history):
        if epoch["epoch"] != number + 1 or "train_loss" not in epoch:
            raise ValueError(f"its history is invalid in epoch {number + 1}")
        for name in _SCORES & epoch.keys():
            _check_number(epoch[name], name)


def _check_rates(rates: Any, known: list[dict[str, Any]]) -> None:
    """Check the options of the optimizer's parameter groups, to which schedulers may have added some."""
    if len(rates) != len(known):
        raise ValueError(f"it has rates of {len(rates)} parameter groups, expected {len(known)}")
    for group, own in zip(rates, known, strict=True):
        if "params" in group or not own.keys() <= group.keys():
            raise ValueError("its rates are those of another optimizer")
        for name, value in group.items():
            example = own.get(name)
            parts, examples = (item if isinstance(item, list | tuple) else [item] for item in (value, example))
            for part, like in zip(parts, examples if len(examples) == len(parts) else [None] * len(parts), strict=True):
                is_number = isinstance(part, int | float)
                if like is not None and isinstance(like, int | float) != is_number:
                    raise ValueError(f"its {name} is a {type(part).__name__}")
                if is_number and not (math.isfinite(part) and part >= min(0, like or 0)):
                    raise ValueError(f"its {name} is {part}")


def _check_callbacks(callbacks: Any) -> None:
    if not isinstance(callbacks, dict):
        raise ValueError(f"the state of callbacks is a {type(callbacks).__name__}, expected a dict")
    for part in _walk(callbacks):
        if not isinstance(part, dict):
            continue
        if "last_epoch" in part and not part.keys().isdisjoint(_NO_DATA):
            raise ValueError("the state of a scheduler is invalid")
        for name in part.keys() & {*_COUNTS, *_NUMBERS, *_LISTS}:
            values = part[name] if name in _LISTS else [part[name]]
            for value in values:
                _check_number(value, name, Integral if name in _COUNTS else Real)


def _check_number(value: Any, name: str, kind: Any = Real) -> None:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{name} is a {type(value).__name__}, expected a number")


def _walk(value: Any) -> Iterator[Any]:
    """Yield a value and all values nested in it."""
    yield value
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    for part in parts:
        yield from _walk(part)
