"""Limit workers and memory."""

import os
from numbers import Integral
from typing import Any, Literal

import joblib
from joblib.parallel import get_active_backend

from ..exceptions import OutOfMemoryError, ParameterError

# Limits on threads or processes, so that a huge number does not bring the machine down.
_FEWEST_BOUND, _PER_CORE = 32, 4


def bound_jobs(n_jobs: int | None, n_tasks: int, *, require: Literal["sharedmem"] | None = None) -> int | None:
    """Return `n_jobs` for :class:`joblib.Parallel`, limited by the number of tasks and by :func:`most_jobs`.

    On a cluster, the number of workers is the limit.
    """
    backend, in_context = get_active_backend(require=require)
    wanted = in_context if n_jobs is None else n_jobs
    if wanted is None or wanted < 1 or type(backend).__module__ != "joblib._parallel_backends":
        return n_jobs
    return min(wanted, max(n_tasks, 1), most_jobs())


def most_jobs() -> int:
    """Return the maximum number of threads or processes."""
    return max(_FEWEST_BOUND, _PER_CORE * joblib.cpu_count())


def check_jobs(n_jobs: Any, owner: str) -> None:
    """Validate `n_jobs`."""
    if n_jobs is not None and (not isinstance(n_jobs, Integral) or isinstance(n_jobs, bool) or n_jobs == 0):
        raise ParameterError(
            f"{owner}: n_jobs={n_jobs!r}, expected an integer other than 0, or None. Pass -1 for all processor cores."
        )


def check_memory(n_bytes: float, what: str) -> None:
    """Raise if an operation needs more memory than the machine has."""
    available = _count_memory()
    if n_bytes > available:
        raise OutOfMemoryError(
            f"{what} needs {n_bytes / 2**30:,.0f} GiB of memory, but this machine has {available / 2**30:.1f} GiB. "
            "Choose a smaller size, or fewer images at a time."
        )


def _count_memory() -> float:
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):
        # Not available on Windows.
        return float("inf")
