"""The learning rate: schedules, optimizers, and the rates that callbacks change."""

import functools
import inspect
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch.optim import lr_scheduler

from ..exceptions import ParameterError

_WARM_UP = 0.25


def one_cycle(n_steps: int) -> Callable[[int], float]:
    """Return the one-cycle schedule: linear warm-up, then cosine annealing to zero (Smith & Topin, 2019)."""
    n_warm_up = max(1, round(_WARM_UP * n_steps))

    def factor(step: int) -> float:
        if step < n_warm_up:
            return (step + 1) / n_warm_up
        return _cosine((step + 1 - n_warm_up) / max(1, n_steps - n_warm_up))

    return factor


def cosine(n_steps: int) -> Callable[[int], float]:
    """Return cosine annealing to zero (Loshchilov & Hutter, 2017)."""
    return lambda step: _cosine(step / n_steps)


def _cosine(progress: float) -> float:
    # A rate of zero would waste the last step.
    return max(1e-3, 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


SCHEDULES = {"onecycle": one_cycle, "cosine": cosine}
"""Functions that return a factor of the learning rate for each step, by name; they take the number of steps."""


def describe_optimizer(clf: Any) -> dict[str, Any]:
    """Return skorch's arguments for the optimizer, limited to those in its signature."""
    optimizer = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}.get(clf.optimizer, clf.optimizer)
    offered = {"lr": clf.learning_rate, "weight_decay": clf.weight_decay}
    if clf.optimizer == "sgd":
        offered |= {"momentum": clf.momentum, "nesterov": clf.momentum > 0}
    if isinstance(clf.optimizer, str):
        # One kernel for all weights.
        offered["fused"] = True
        optimizer = _without_compiler(optimizer)
    bound = optimizer.keywords if isinstance(optimizer, functools.partial) else {}
    if "lr" in bound:
        raise ParameterError(f"optimizer binds lr={bound['lr']!r}. Pass learning_rate={bound['lr']!r} instead.")
    try:
        taken = set(inspect.signature(optimizer).parameters) - set(bound)
    except (TypeError, ValueError):
        taken = set()
    arguments = {f"optimizer__{name}": value for name, value in offered.items() if name in taken}
    shares: dict[str, float] = getattr(clf.network_, "learning_rates", dict)()
    if shares:
        arguments["optimizer__param_groups"] = [
            (pattern, {"lr": share * clf.learning_rate}) for pattern, share in shares.items()
        ]
    return {"optimizer": optimizer, "lr": clf.learning_rate, **arguments}


def restore_rates(net: Any, state: dict[str, Any]) -> None:
    """Restore the rates of the optimizer, which schedulers read in ``on_train_begin``."""
    for group, rates in zip(net.optimizer_.param_groups, state["rates"], strict=True):
        group.update(cast_like(rates, group))


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
                group[name] = cast_like(value[0] if len(value) == 1 else value, group.get(name))


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


def check_schedules(net: Any) -> None:
    """Raise ParameterError if a callback has a scheduler in addition to our own schedule."""
    for name, callback in net.callbacks_ if net.schedule is not None else ():
        for _, scheduler in find_schedulers(callback) if name != "schedule" else ():
            if scheduler.optimizer is net.optimizer_:
                raise ParameterError(
                    f"schedule={net.schedule!r} and {type(scheduler).__name__} of the callback "
                    f"{type(callback).__name__} would both change the learning rate. Pass schedule=None to use "
                    "that of the callback."
                )


def cast_like(value: Any, model: Any) -> Any:
    """Convert a stored value to the type of the one that it replaces."""
    if isinstance(model, torch.Tensor):
        return torch.as_tensor(value, dtype=model.dtype, device=model.device)
    if isinstance(model, Counter):
        return Counter(value)
    if isinstance(model, dict) and isinstance(value, dict):
        return {name: cast_like(part, model.get(name)) for name, part in value.items()}
    if isinstance(model, list | tuple) and isinstance(value, list | tuple) and len(model) == len(value):
        return type(model)(cast_like(part, other) for part, other in zip(value, model, strict=True))
    return value


def _without_compiler(optimizer: type[torch.optim.Optimizer]) -> type[torch.optim.Optimizer]:
    """Return a PyTorch optimizer whose methods do not import the compiler: 140 MB, and seconds in each process.

    Their decorators import it only to exclude them from compilation (measured, PyTorch 2.15).
    """
    names = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")
    plain: dict[str, Any] = {name: inspect.unwrap(getattr(optimizer, name)) for name in names}
    plain["step"] = torch.no_grad()(inspect.unwrap(optimizer.step))
    return type(optimizer.__name__, (optimizer,), plain)


def _list_numbers(group: dict[str, Any]) -> dict[str, list[float]]:
    """Return the numeric options of a parameter group, each as a list, since Adam has two betas."""
    found = {}
    for name, value in group.items():
        plain = value.tolist() if isinstance(value, torch.Tensor | np.ndarray) else value
        parts = plain if isinstance(plain, list | tuple) else [plain]
        if parts and all(isinstance(part, Real) and not isinstance(part, bool) for part in parts):
            found[name] = [float(part) for part in parts]
    return found
