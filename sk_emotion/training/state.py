"""Where a training stands between two epochs: all that the next epoch depends on."""

from typing import Any

import numpy as np
import torch
from skorch.callbacks import EarlyStopping, LRScheduler

# What optimisers keep of a weight has its shape.
SHAPED = ("momentum_buffer", "exp_avg", "exp_avg_sq", "max_exp_avg_sq")

# What EarlyStopping knows of the epochs so far.
_PATIENCE = ("misses_", "dynamic_threshold_", "best_epoch_", "best_model_weights_")


def capture_state(net: Any) -> dict[str, Any]:
    """Write down where `net` stands, as NumPy arrays and plain types.

    Weights, averaged weights, the optimiser and its rates, the position in the schedule, all random states, the history
    (without its batches), and what callbacks know: those that have ``state_dict`` and ``load_state_dict`` are asked.
    """
    groups = net.optimizer_.state_dict()["param_groups"]
    return {
        **net.to_arrays(),
        "rates": [{name: value for name, value in group.items() if name != "params"} for group in groups],
        "history": [{**epoch, "batches": []} for epoch in net.history],
        "random": _capture_random(net),
        "scaler": None if net.scaler is None else net.scaler.state_dict(),
        "callbacks": {name: _capture_callback(callback) for name, callback in net.callbacks_},
    }


def restore_state(net: Any, state: dict[str, Any]) -> None:
    """Put `net` back to where :func:`capture_state` saw it; its callbacks have been told that a training begins."""
    net.load_arrays(state)
    for group, rates in zip(net.optimizer_.param_groups, state["rates"], strict=True):
        group.update(rates)
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
        return None if callback.lr_scheduler_ is None else callback.lr_scheduler_.state_dict()
    if isinstance(callback, EarlyStopping):
        return to_arrays({name: value for name, value in vars(callback).items() if name in _PATIENCE})
    return to_arrays(callback.state_dict()) if _keeps_state(callback) else None


def _restore_callback(callback: Any, state: Any) -> None:
    if state is None:
        return
    if isinstance(callback, LRScheduler):
        callback.lr_scheduler_.load_state_dict(state)
    elif isinstance(callback, EarlyStopping):
        vars(callback).update(to_tensors(state))
    elif _keeps_state(callback):
        callback.load_state_dict(to_tensors(state))


def _keeps_state(callback: Any) -> bool:
    return hasattr(callback, "state_dict") and hasattr(callback, "load_state_dict")
