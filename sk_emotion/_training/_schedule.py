"""Learning-rate schedules as a factor of the learning rate against the step."""

import math
from collections.abc import Callable

_WARM_UP = 0.25


def one_cycle(n_steps: int) -> Callable[[int], float]:
    """Rise in a quarter of the steps, then fall to zero along a cosine (Smith & Topin, 2019)."""
    n_warm_up = max(1, round(_WARM_UP * n_steps))

    def factor(step: int) -> float:
        if step < n_warm_up:
            return (step + 1) / n_warm_up
        return _cosine((step + 1 - n_warm_up) / max(1, n_steps - n_warm_up))

    return factor


def cosine(n_steps: int) -> Callable[[int], float]:
    """Fall to zero along a cosine (Loshchilov & Hutter, 2017)."""
    return lambda step: _cosine(step / n_steps)


def _cosine(progress: float) -> float:
    # The last step keeps a trace of a rate: a step of zero would be wasted.
    return max(1e-3, 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


SCHEDULES = {"onecycle": one_cycle, "cosine": cosine}
