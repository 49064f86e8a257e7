"""The state of training between two epochs: everything that the next epoch depends on, and its validation."""

import inspect
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from skorch.callbacks import EarlyStopping, LRScheduler
from torch.optim import lr_scheduler

from ._schedule import find_schedulers

# Entries that skorch adds to each epoch for its own use, besides "batches".
_BOOKKEEPING = ("_best", "_batch_count")

# Set by our own schedule; a later call of fit starts its own.
_SCHEDULED = ("lr", "initial_lr")

# Optimizer state that has the shape of its weight.
_SHAPED = ("momentum_buffer", "exp_avg", "exp_avg_sq", "max_exp_avg_sq")

# The state of EarlyStopping.
_EARLY_STOPPING_STATE = ("misses_", "dynamic_threshold_", "best_epoch_", "best_model_weights_")

# Entries of the history that must be numbers.
_SCORES = {f"{part}_{score}" for part in ("train", "valid") for score in ("loss", "acc", "f1_macro")} | {"lr", "dur"}

# State of skorch's callbacks and PyTorch's schedulers.
_COUNTS = ("misses_", "best_epoch_", "last_epoch", "_step_count")
_NUMBERS = ("dynamic_threshold_",)
_LISTS = ("base_lrs", "_last_lr")
_NO_DATA = {"optimizer", *(name for name, _ in inspect.getmembers(lr_scheduler.LRScheduler, callable))}


def capture_state(net: Any) -> dict[str, Any]:
    """Return all that the next epoch depends on as NumPy arrays and plain types.

    The state of a callback is its ``state_dict``, or else that of the schedulers it holds.
    """
    return {
        **capture_network(net),
        "history": [{**epoch, "batches": []} for epoch in net.history],
        "scaler": None if net.scaler is None else net.scaler.state_dict(),
        "callbacks": {name: _capture_callback(callback) for name, callback in net.callbacks_},
    }


def capture_network(net: Any) -> dict[str, Any]:
    """Return the part of the state that is available before training, which is all but history and callbacks."""
    random = {name: generator.get_state().numpy() for name, generator in net.generators().items()}
    random["global"] = torch.get_rng_state().numpy()
    if torch.device(net.device).type == "cuda":
        random["device"] = torch.cuda.get_rng_state(net.device).numpy()
    return {**net.to_arrays(), "rates": to_arrays(list_rates(net.optimizer_)), "random": random}


def restore_state(net: Any, state: dict[str, Any]) -> None:
    """Restore the state returned by :func:`capture_state`, after ``on_train_begin`` of the callbacks."""
    net.load_arrays(state)
    restore_rates(net, state)
    if net.scaler is not None:
        net.scaler.load_state_dict(state["scaler"])
    for name, callback in net.callbacks_:
        _restore_callback(callback, state["callbacks"].get(name))
    for name, generator in net.generators().items():
        generator.set_state(torch.from_numpy(state["random"][name].copy()))
    torch.set_rng_state(torch.from_numpy(state["random"]["global"].copy()))
    if "device" in state["random"] and torch.device(net.device).type == "cuda":
        torch.cuda.set_rng_state(torch.from_numpy(state["random"]["device"].copy()), net.device)


def restore_history(net: Any, state: dict[str, Any]) -> None:
    """Restore the history of `net`, which callbacks read in ``on_train_begin``."""
    del net.history[:]
    net.history.extend({**epoch, "batches": []} for epoch in state["history"])


def list_epochs(history: Any) -> list[dict[str, Any]]:
    """Return the history as a list with one dict per epoch, without batches and skorch's own entries."""
    return [
        {
            name: value.item() if isinstance(value, np.generic) else value
            for name, value in epoch.items()
            if not name.endswith(("batches", *_BOOKKEEPING))
        }
        for epoch in history
    ]


def serialize_bookkeeping(history: Any) -> str:
    """Return skorch's own entries of each epoch as JSON; callbacks look up the best epochs in them."""
    return json.dumps(
        [{name: float(value) for name, value in epoch.items() if name.endswith(_BOOKKEEPING)} for epoch in history]
    )


def to_arrays(value: Any) -> Any:
    """Copy the tensors in nested dictionaries and lists to NumPy arrays, which do not change in further training."""
    return _convert(value, torch.Tensor, lambda tensor: tensor.detach().cpu().numpy().copy())


def to_tensors(value: Any) -> Any:
    """Undo :func:`to_arrays`."""
    return _convert(value, np.ndarray, lambda array: torch.from_numpy(array.copy()))


def restore_rates(net: Any, state: dict[str, Any]) -> None:
    """Restore the rates of the optimizer, which schedulers read in ``on_train_begin``."""
    for group, rates in zip(net.optimizer_.param_groups, state["rates"], strict=True):
        group.update(_cast_like(rates, group))


def list_rates(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """List the options of each parameter group, such as the learning rate."""
    return [{name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups]


def serialize_rates(net: Any) -> str:
    """Return as JSON the rates with which the optimizer was built, and its current ones."""
    without = _SCHEDULED if net.schedule else ()
    groups = [[_list_numbers(group) for group in rates] for rates in (net.built_rates, list_rates(net.optimizer_))]
    return json.dumps(
        [[{name: value for name, value in group.items() if name not in without} for group in part] for part in groups]
    )


def restore_changed_rates(net: Any, text: str) -> None:
    """Restore the rates that callbacks changed and the user did not set since; skorch keeps its optimizer."""
    without = _SCHEDULED if net.schedule else ()
    for group, built, now in zip(net.optimizer_.param_groups, *json.loads(text), strict=True):
        given = _list_numbers(group)
        is_set = {name for name, value in given.items() if value != built.get(name)}
        if "lr" in is_set:
            is_set.add("initial_lr")
        for name, value in now.items():
            # Callbacks do not set options that are not numbers, such as `fused`.
            may_change = name in given or name not in group
            if value != built.get(name) and may_change and name not in is_set and name not in without:
                group[name] = _cast_like(value[0] if len(value) == 1 else value, group.get(name))


def init_momentum_buffers(optimizer: torch.optim.Optimizer) -> None:
    """Fill missing momentum buffers of fused SGD with zeros.

    It creates them in the first step for all weights or none, and with fp16 from overflowed gradients.
    """
    for group in optimizer.param_groups:
        if group.get("fused") and group.get("momentum"):
            for weight in group["params"]:
                optimizer.state[weight].setdefault("momentum_buffer", torch.zeros_like(weight))


def match_memory_layout(optimizer: torch.optim.Optimizer) -> None:
    """Convert the optimizer state of each weight to the memory layout of the weight, as fused kernels expect."""
    fused = optimizer.defaults.get("fused")
    for weight, kept in optimizer.state.items():
        for name, value in kept.items():
            if not isinstance(value, torch.Tensor) or not value.ndim:
                continue
            if value.shape == weight.shape:
                kept[name] = torch.empty_like(weight, dtype=value.dtype).copy_(value)
            elif fused or name in _SHAPED:
                # A fused kernel would write out of bounds.
                raise ValueError(f"{name} has shape {tuple(value.shape)}, but its weight has {tuple(weight.shape)}")


def _cast_like(value: Any, model: Any) -> Any:
    """Convert a stored value to the type of the one that it replaces."""
    if isinstance(model, torch.Tensor):
        return torch.as_tensor(value, dtype=model.dtype, device=model.device)
    if isinstance(model, Counter):
        return Counter(value)
    if isinstance(model, dict) and isinstance(value, dict):
        return {name: _cast_like(part, model.get(name)) for name, part in value.items()}
    if isinstance(model, list | tuple) and isinstance(value, list | tuple) and len(model) == len(value):
        return type(model)(_cast_like(part, other) for part, other in zip(value, model, strict=True))
    return value


def _list_numbers(group: dict[str, Any]) -> dict[str, list[float]]:
    """Return the numeric options of a parameter group, each as a list, since Adam has two betas."""
    found = {}
    for name, value in group.items():
        plain = value.tolist() if isinstance(value, torch.Tensor | np.ndarray) else value
        parts = plain if isinstance(plain, list | tuple) else [plain]
        if parts and all(isinstance(part, Real) and not isinstance(part, bool) for part in parts):
            found[name] = [float(part) for part in parts]
    return found


def _convert(value: Any, kind: type, convert: Callable[[Any], Any]) -> Any:
    if isinstance(value, kind):
        return convert(value)
    if isinstance(value, dict):
        return {name: _convert(item, kind, convert) for name, item in value.items()}
    return [_convert(item, kind, convert) for item in value] if isinstance(value, list) else value


def _capture_callback(callback: Any) -> Any:
    if isinstance(callback, LRScheduler):
        return None if callback.lr_scheduler_ is None else to_arrays(callback.lr_scheduler_.state_dict())
    if isinstance(callback, EarlyStopping):
        return to_arrays({name: value for name, value in vars(callback).items() if name in _EARLY_STOPPING_STATE})
    if _keeps_state(callback):
        return to_arrays(callback.state_dict())
    return {place: to_arrays(scheduler.state_dict()) for place, scheduler in find_schedulers(callback)} or None


def _restore_callback(callback: Any, state: Any) -> None:
    if state is None:
        return
    if isinstance(callback, LRScheduler):
        _restore_scheduler(callback.lr_scheduler_, state)
    elif isinstance(callback, EarlyStopping):
        vars(callback).update(to_tensors(state))
    elif _keeps_state(callback):
        callback.load_state_dict(to_tensors(state))
    else:
        for place, scheduler in find_schedulers(callback):
            if place in state:
                _restore_scheduler(scheduler, state[place])


def _restore_scheduler(scheduler: Any, state: Any) -> None:
    scheduler.load_state_dict(_cast_like(state, scheduler.state_dict()))


def _keeps_state(callback: Any) -> bool:
    return hasattr(callback, "state_dict") and hasattr(callback, "load_state_dict")


def check_state(state: Any, start: dict[str, Any]) -> None:
    """Raise an error if `state`, read from a checkpoint, does not fit `start`, that of the net to be resumed."""
    for name in ("weights", "criterion", "optimizer", "precision"):
        _check_like(state[name], start[name], name)
    # The device may have changed.
    draws = {name: value for name, value in start["random"].items() if name != "device"}
    _check_like(state["random"], draws, "random", more=True)
    if state["training_weights"] is not None:
        _check_like(state["training_weights"], start["weights"], "training_weights")
    for part in _walk([state[name] for name in ("weights", "training_weights", "criterion", "optimizer_state")]):
        if isinstance(part, np.ndarray) and part.dtype.kind == "f" and not np.isfinite(part).all():
            raise ValueError("it has weights that are not finite")
    _check_optimizer(state["optimizer_state"], len(start["weights"]) + len(start["criterion"]))
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


def _check_optimizer(states: Any, n_weights: int) -> None:
    for number, state in states.items():
        if type(number) is not int or not 0 <= number < n_weights:
            raise ValueError(f"its optimizer state has an unknown weight {str(number)[:50]}")
        for name in state.keys() & set(_SHAPED):
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
