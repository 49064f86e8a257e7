"""The learning rate: schedules over the steps of a training, and the schedulers of callbacks."""

import math
from collections.abc import Callable, Iterator
from typing import Any

from torch.optim import Optimizer, lr_scheduler

from ..exceptions import ParameterError

# Share of the steps in which the one-cycle schedule warms up.
_WARM_UP = 0.25

# Share of the last steps over which weights are averaged, and the minimum number of these steps.
_AVERAGED, _MIN_AVERAGED = 0.05, 2


def one_cycle(n_steps: int) -> Callable[[int], float]:
    """Return the one-cycle schedule: linear warm-up, then cosine annealing to zero (Smith & Topin, 2019)."""
    n_warm_up = max(1, round(_WARM_UP * n_steps))

    def factor(step: int) -> float:
        if step < n_warm_up:
            return (step + 1) / n_warm_up
        return _anneal((step + 1 - n_warm_up) / max(1, n_steps - n_warm_up))

    return factor


def cosine(n_steps: int) -> Callable[[int], float]:
    """Return cosine annealing to zero (Loshchilov & Hutter, 2017)."""
    return lambda step: _anneal(step / n_steps)


def _anneal(progress: float) -> float:
    # A rate of zero would waste the last step.
    return max(1e-3, 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


def choose_decay(ema: float | str | None, schedule: str | None, n_steps: int) -> float | None:
    """Return the decay per step of the moving average of weights; None does not average."""
    if not isinstance(ema, str):
        return ema
    # With a constant learning rate, training may go on in the next call.
    horizon = 0.0 if schedule is None else _AVERAGED * n_steps
    return 1 - 1 / horizon if horizon >= _MIN_AVERAGED else None


SCHEDULES = {"onecycle": one_cycle, "cosine": cosine}
"""Functions of the number of steps, which return a factor of the learning rate for each step."""


def find_schedulers(callback: Any) -> Iterator[tuple[str, lr_scheduler.LRScheduler]]:
    """Yield the PyTorch schedulers that a callback holds, with the name of their attribute."""
    for name, value in getattr(callback, "__dict__", {}).items():
        parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for place, part in [(name, value), *((f"{name}.{key}", part) for key, part in parts)]:
            if isinstance(part, lr_scheduler.LRScheduler):
                yield place, part


def attach_scheduler(scheduler: Any, optimizer: Optimizer) -> None:
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
