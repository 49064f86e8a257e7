"""Where a training stands between two epochs: all that the next epoch depends on."""

import json
from collections import Counter
from collections.abc import Iterator
from numbers import Real
from typing import Any

import numpy as np
import torch
from skorch.callbacks import EarlyStopping, LRScheduler
from torch.optim import lr_scheduler

# What optimisers keep of a weight has its shape.
SHAPED = ("momentum_buffer", "exp_avg", "exp_avg_sq", "max_exp_avg_sq")

# What EarlyStopping knows of the epochs so far.
_PATIENCE = ("misses_", "dynamic_threshold_", "best_epoch_", "best_model_weights_")


def capture_state(net: Any) -> dict[str, Any]:
    """Write down where `net` stands, as NumPy arrays and plain types.

    Weights, which of them are frozen, averaged weights, the optimiser and its rates, the position in the schedule, all
    random states, the history (without its batches), and what callbacks know: those that have ``state_dict`` and
    ``load_state_dict`` are asked, and of others the schedulers that they hold are kept.
    """
    return {
        **capture_network(net),
        "history": [{**epoch, "batches": []} for epoch in net.history],
        "scaler": None if net.scaler is None else net.scaler.state_dict(),
        "callbacks": {name: _capture_callback(callback) for name, callback in net.callbacks_},
    }


def capture_network(net: Any) -> dict[str, Any]:
    """Write down the part of the state that is the network's own; callbacks may not know theirs before a training."""
    return {
        **net.to_arrays(),
        "rates": to_arrays(list_rates(net.optimizer_)),
        "random": _capture_random(net),
    }


def restore_state(net: Any, state: dict[str, Any]) -> None:
    """Put `net` back to where :func:`capture_state` saw it; its callbacks have been told that a training begins."""
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
    """Give `net` the epochs so far, which callbacks look at when a training begins."""
    del net.history[:]
    net.history.extend({**epoch, "batches": []} for epoch in state["history"])


def restore_rates(net: Any, state: dict[str, Any]) -> None:
    """Give the optimizer of `net` its rates, which schedulers look at when a training begins."""
    for group, rates in zip(net.optimizer_.param_groups, state["rates"], strict=True):
        group.update(_put_as(rates, group))


def list_rates(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """List what an optimizer knows of each group of its weights, such as the learning rate."""
    return [{name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups]


def write_rates(built: list[dict[str, Any]], optimizer: torch.optim.Optimizer, *, without: tuple[str, ...]) -> str:
    """Write down the rates with which an optimizer was built, and those that it has now, as JSON."""
    groups = [[_list_numbers(group) for group in rates] for rates in (built, list_rates(optimizer))]
    return json.dumps(
        [[{name: value for name, value in group.items() if name not in without} for group in part] for part in groups]
    )


def take_up_rates(optimizer: torch.optim.Optimizer, text: str, *, without: tuple[str, ...]) -> None:
    """Give an optimizer that was built anew what callbacks made of the rates of a former one, see :func:`write_rates`.

    As in skorch, whose optimizer stays. But a parameter that was set since then counts.
    """
    for group, built, now in zip(optimizer.param_groups, *json.loads(text), strict=True):
        given = _list_numbers(group)
        is_set = {name for name, value in given.items() if value != built.get(name)}
        if "lr" in is_set:
            is_set.add("initial_lr")
        for name, value in now.items():
            # What is no number, such as `fused`, is none of what callbacks set.
            may_change = name in given or name not in group
            if value != built.get(name) and may_change and name not in is_set and name not in without:
                group[name] = _put_as(value[0] if len(value) == 1 else value, group.get(name))


def find_schedulers(callback: Any) -> Iterator[tuple[str, lr_scheduler.LRScheduler]]:
    """Give the schedulers of PyTorch that a callback holds, and where."""
    for name, value in getattr(callback, "__dict__", {}).items():
        parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for place, part in [(name, value), *((f"{name}.{key}", part) for key, part in parts)]:
            if isinstance(part, lr_scheduler.LRScheduler):
                yield place, part


def attach_scheduler(scheduler: Any, optimizer: torch.optim.Optimizer) -> None:
    """Let a scheduler, and those that it is made of, set the rates of another optimizer."""
    scheduler.optimizer = optimizer
    if getattr(scheduler, "_step_count", 0) == 1:
        # Its first step would warn that this optimizer is not the one that it knows.
        scheduler._step_count = 2
    for part in getattr(scheduler, "_schedulers", ()):
        attach_scheduler(part, optimizer)


def to_arrays(value: Any) -> Any:
    """Make NumPy arrays of the tensors in nested dictionaries and lists."""
    if isinstance(value, torch.Tensor):
        # A copy: what is written down must not change while the training goes on.
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


def fill_momenta(optimizer: torch.optim.Optimizer) -> None:
    """Let momenta begin at zero, which is what they are after no step at all.

    The fused SGD makes them in the first step for all weights or none, and in half precision of an overflow.
    """
    for group in optimizer.param_groups:
        if group.get("fused") and group.get("momentum"):
            for weight in group["params"]:
                optimizer.state[weight]["momentum_buffer"] = torch.zeros_like(weight)


def lay_out_state(optimizer: torch.optim.Optimizer) -> None:
    """Give what the optimiser keeps of a weight that weight's order in memory, in which fused kernels walk."""
    fused = optimizer.defaults.get("fused")
    for weight, kept in optimizer.state.items():
        for name, value in kept.items():
            if not isinstance(value, torch.Tensor) or not value.ndim:
                continue
            if value.shape == weight.shape:
                kept[name] = torch.empty_like(weight, dtype=value.dtype).copy_(value)
            elif fused or name in SHAPED:
                # A fused kernel would write beyond it.
                raise ValueError(f"{name} has shape {tuple(value.shape)}, but its weight {tuple(weight.shape)}")


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
        return to_arrays({name: value for name, value in vars(callback).items() if name in _PATIENCE})
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
    scheduler.load_state_dict(_put_as(state, scheduler.state_dict()))


def _keeps_state(callback: Any) -> bool:
    return hasattr(callback, "state_dict") and hasattr(callback, "load_state_dict")


def _list_numbers(group: dict[str, Any]) -> dict[str, list[float]]:
    """Give the numbers among the rates of a group, each as a list, since the betas of Adam are two."""
    found = {}
    for name, value in group.items():
        plain = value.tolist() if isinstance(value, torch.Tensor | np.ndarray) else value
        parts = plain if isinstance(plain, list | tuple) else [plain]
        if parts and all(isinstance(part, Real) and not isinstance(part, bool) for part in parts):
            found[name] = [float(part) for part in parts]
    return found


def _put_as(value: Any, model: Any) -> Any:
    """Give a value that was written down the type of the one in whose place it comes."""
    if isinstance(model, torch.Tensor):
        return torch.as_tensor(value, dtype=model.dtype, device=model.device)
    if isinstance(model, Counter):
        return Counter(value)
    if isinstance(model, dict) and isinstance(value, dict):
        return {name: _put_as(part, model.get(name)) for name, part in value.items()}
    if isinstance(model, list | tuple) and isinstance(value, list | tuple) and len(model) == len(value):
        return type(model)(_put_as(part, other) for part, other in zip(value, model, strict=True))
    return value
