"""Learning-rate schedules, as functions from the step to a factor of the learning rate."""

import math
from collections.abc import Callable

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
