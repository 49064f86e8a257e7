"""The state of training between two epochs: everything that the next epoch depends on."""

import json
from collections import Counter
from collections.abc import Iterator
from numbers import Real
from typing import Any

import numpy as np
import torch
from skorch.callbacks import EarlyStopping, LRScheduler
from torch.optim import lr_scheduler

# Optimizer state that has the shape of its weight.
SHAPED = ("momentum_buffer", "exp_avg", "exp_avg_sq", "max_exp_avg_sq")

# The state of EarlyStopping.
_EARLY_STOPPING_STATE = ("misses_", "dynamic_threshold_", "best_epoch_", "best_model_weights_")


def capture_state(net: Any) -> dict[str, Any]:
    """Return the state of `net` as NumPy arrays and plain types.

    The state has the weights, which of them are frozen, averaged weights, the optimizer and its rates, the position in
    the schedule, all random states, the history (without batches), and the state of callbacks: that of ``state_dict``
    where a callback implements ``state_dict`` and ``load_state_dict``, else that of the schedulers it holds.
    """
    return {
        **capture_network(net),
        "history": [{**epoch, "batches": []} for epoch in net.history],
        "scaler": None if net.scaler is None else net.scaler.state_dict(),
        "callbacks": {name: _capture_callback(callback) for name, callback in net.callbacks_},
    }


def capture_network(net: Any) -> dict[str, Any]:
    """Return the part of the state that is available before training, which is all but history and callbacks."""
    return {
        **net.to_arrays(),
        "rates": to_arrays(list_rates(net.optimizer_)),
        "random": _capture_random(net),
    }


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


def restore_rates(net: Any, state: dict[str, Any]) -> None:
    """Restore the rates of the optimizer, which schedulers read in ``on_train_begin``."""
    for group, rates in zip(net.optimizer_.param_groups, state["rates"], strict=True):
        group.update(_cast_like(rates, group))


def list_rates(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """List the options of each parameter group, such as the learning rate."""
    return [{name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups]


def serialize_rates(built: list[dict[str, Any]], optimizer: torch.optim.Optimizer, *, without: tuple[str, ...]) -> str:
    """Return as JSON the rates with which an optimizer was built, and its current ones."""
    groups = [[_list_numbers(group) for group in rates] for rates in (built, list_rates(optimizer))]
    return json.dumps(
        [[{name: value for name, value in group.items() if name not in without} for group in part] for part in groups]
    )


def restore_changed_rates(optimizer: torch.optim.Optimizer, text: str, *, without: tuple[str, ...]) -> None:
    """Restore the rates that callbacks changed, in a newly built optimizer; see :func:`serialize_rates`.

    This is what skorch does, which keeps its optimizer. Parameters that the user set since then take precedence.
    """
    for group, built, now in zip(optimizer.param_groups, *json.loads(text), strict=True):
        given = _list_numbers(group)
        is_set = {name for name, value in given.items() if value != built.get(name)}
        if "lr" in is_set:
            is_set.add("initial_lr")
        for name, value in now.items():
            # Callbacks do not set options that are not numbers, such as `fused`.
            may_change = name in given or name not in group
            if value != built.get(name) and may_change and name not in is_set and name not in without:
                group[name] = _cast_like(value[0] if len(value) == 1 else value, group.get(name))


def find_schedulers(callback: Any) -> Iterator[tuple[str, lr_scheduler.LRScheduler]]:
    """Yield the PyTorch schedulers that a callback holds, with the name of their attribute."""
    for name, value in getattr(callback, "__dict__", {}).items():
        parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for place, part in [(name, value), *((f"{name}.{key}", part) for key, part in parts)]:
            if isinstance(part, lr_scheduler.LRScheduler):
                yield place, part


def attach_scheduler(scheduler: Any, optimizer: torch.optim.Optimizer) -> None:
    """Attach a scheduler, and the schedulers it consists of, to another optimizer."""
    scheduler.optimizer = optimizer
    if getattr(scheduler, "_step_count", 0) == 1:
        # Its first step would warn that the optimizer was replaced.
        scheduler._step_count = 2
    for part in getattr(scheduler, "_schedulers", ()):
        attach_scheduler(part, optimizer)


def to_arrays(value: Any) -> Any:
    """Convert the tensors in nested dictionaries and lists to NumPy arrays."""
    if isinstance(value, torch.Tensor):
        # A copy, which does not change when training continues.
        return value.detach().cpu().numpy().copy()
    if isinstance(value, dict):
        return {name: to_arrays(item) for name, item in value.items()}
    return [to_arrays(item) for item in value] if isinstance(value, list) else value


def to_tensors(value: Any) -> Any:
    """Undo :func:`to_arrays`."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if isinstance(value, dict):
        return {name: to_tensors(item) for name, item in value.items()}
    return [to_tensors(item) for item in value] if isinstance(value, list) else value


def init_momentum_buffers(optimizer: torch.optim.Optimizer) -> None:
    """Initialize the momentum buffers of fused SGD with zeros.

    It creates them in the first step for all weights or none, and with fp16 from overflowed gradients.
    """
    for group in optimizer.param_groups:
        if group.get("fused") and group.get("momentum"):
            for weight in group["params"]:
                optimizer.state[weight]["momentum_buffer"] = torch.zeros_like(weight)


def match_memory_layout(optimizer: torch.optim.Optimizer) -> None:
    """Convert the optimizer state of each weight to the memory layout of the weight, as fused kernels expect."""
    fused = optimizer.defaults.get("fused")
    for weight, kept in optimizer.state.items():
        for name, value in kept.items():
            if not isinstance(value, torch.Tensor) or not value.ndim:
                continue
            if value.shape == weight.shape:
                kept[name] = torch.empty_like(weight, dtype=value.dtype).copy_(value)
            elif fused or name in SHAPED:
                # A fused kernel would write out of bounds.
                raise ValueError(f"{name} has shape {tuple(value.shape)}, but its weight has {tuple(weight.shape)}")


def _capture_random(net: Any) -> dict[str, Any]:
    states = {name: generator.get_state().numpy() for name, generator in net.generators().items()}
    states["global"] = torch.get_rng_state().numpy()
    if torch.device(net.device).type == "cuda":
        states["device"] = torch.cuda.get_rng_state(net.device).numpy()
    return states


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


def _list_numbers(group: dict[str, Any]) -> dict[str, list[float]]:
    """Return the numeric options of a parameter group, each as a list, since Adam has two betas."""
    found = {}
    for name, value in group.items():
        plain = value.tolist() if isinstance(value, torch.Tensor | np.ndarray) else value
        parts = plain if isinstance(plain, list | tuple) else [plain]
        if parts and all(isinstance(part, Real) and not isinstance(part, bool) for part in parts):
            found[name] = [float(part) for part in parts]
    return found


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
