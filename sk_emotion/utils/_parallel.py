"""Limit workers and memory, survive forks, and run joblib tasks on a Dask cluster."""

import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager, nullcontext
from functools import wraps
from numbers import Integral
from typing import Any, Literal

import joblib
from joblib import parallel_config
from joblib.parallel import get_active_backend

from ..exceptions import OutOfMemoryError, ParameterError, TrainingError

# Limits on threads or processes, so that a huge number does not bring the machine down.
_FEWEST_BOUND, _PER_CORE = 32, 4


def bound_jobs(n_jobs: int | None, n_tasks: int, *, require: Literal["sharedmem"] | None = None) -> int | None:
    """Return `n_jobs`, limited by the number of tasks and by :func:`most_jobs`, or on a cluster by its workers."""
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
    try:
        available = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):
        # Not available on Windows.
        return
    if n_bytes > available:
        raise OutOfMemoryError(
            f"{what} needs {n_bytes / 2**30:,.0f} GiB of memory, but this machine has {available / 2**30:.1f} GiB. "
            "Choose a smaller size, or fewer images at a time."
        )


class ForkSafeLock:
    """Reentrant lock that is renewed in a forked process, where no thread would release the old one."""

    def __init__(self) -> None:
        self._renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: Any) -> None:
        self._lock.release()


def once_per_process(make: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a function to be called once per process and arguments; threads wait for its result.

    What a parent process made is kept in a forked one, since closing it there might wait for a missing thread.
    """
    lock, made = ForkSafeLock(), {}

    @wraps(make)
    def call(*args: Any) -> Any:
        key = (os.getpid(), *args)
        with lock:
            if key not in made:
                made[key] = make(*args)
            return made[key]

    return call


def open_session(data: bytes) -> Any:
    """Open a network that runs in the calling thread; nothing is printed.

    ONNX Runtime's own threads do not survive a fork, after which closing the session would wait for them forever.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # Errors are raised.
    options.log_severity_level = 4
    # Without a fallback, which would print the error.
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"], enable_fallback=0)


def in_dask_task() -> bool:
    """Return whether this thread runs a Dask task."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return False
    try:
        distributed.get_worker()
    except ValueError:
        return False
    return True


@contextmanager
def run_sequentially() -> Iterator[None]:
    """Run joblib tasks in this thread instead of on a Dask cluster, which ignores ``n_jobs=1`` and resends the data."""
    with nullcontext() if _find_backend() is None else parallel_config("sequential"):
        yield


@contextmanager
def share_data(*parts: Any) -> Iterator[None]:
    """Send data to a Dask cluster once, so that joblib's tasks refer to it. Without a cluster, do nothing.

    Scattered data is lost with the last worker that holds it. The result of a task is recomputed, so each part becomes
    a task.
    """
    backend = _find_backend()
    if backend is None:
        yield
        return
    import dask
    import distributed

    # Without workers, joblib raises an error here; waiting for replicas would never end.
    backend.effective_n_jobs(-1)
    known = backend.data_futures
    new = {id(part): part for part in parts if part is not None and id(part) not in known}
    # Dask warns about large tasks, which are only a problem if there are many.
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 PiB"}):
        shared = {number: backend.client.submit(_Given(part), pure=False) for number, part in new.items()}
    known |= shared
    try:
        # Dask prefers workers that have the data, and would leave the others idle.
        backend.client.replicate(list(shared.values()))
        with _report_failures(backend):
            yield
    except (CancelledError, distributed.KilledWorker) as error:
        raise TrainingError(f"The Dask cluster failed: {error} See its logs for details.") from error
    finally:
        for number in shared:
            del known[number]


def record_warnings(function: Callable[..., Any], *args: Any) -> tuple[Any, list[tuple[str, type[Warning], str, int]]]:
    """Call a function; in a Dask task, whose standard error is remote, record its warnings."""
    if not in_dask_task():
        return function(*args), []
    with warnings.catch_warnings(record=True) as noted:
        result = function(*args)
    return result, [(str(each.message), each.category, each.filename, each.lineno) for each in noted]


def repeat_warnings(results: Iterable[tuple[Any, Any]]) -> Iterator[Any]:
    """Yield the results of :func:`record_warnings`, and reissue the recorded warnings here, without duplicates."""
    seen: dict[Any, Any] = {}
    for result, noted in results:
        for message, category, filename, line in noted:
            warnings.warn_explicit(message, category, filename, line, registry=seen)
        yield result


@contextmanager
def _report_failures(backend: Any) -> Iterator[None]:
    """Report failed and canceled Dask tasks to joblib, which would otherwise wait forever (joblib 1.6)."""
    submit, retrieve = backend.submit, backend.retrieve_result_callback

    def submit_and_report(function: Any, callback: Any) -> Any:
        def report(done: Future[Any]) -> None:
            error = done.exception()
            if error is not None:
                callback(error)

        future = submit(function, callback)
        future.add_done_callback(report)
        return future

    def retrieve_or_raise(outcome: Any) -> Any:
        if isinstance(outcome, BaseException):
            raise outcome
        return retrieve(outcome)

    backend.submit, backend.retrieve_result_callback = submit_and_report, retrieve_or_raise
    try:
        yield
    finally:
        backend.submit, backend.retrieve_result_callback = submit, retrieve


class _Given:
    """Task with a known result."""

    __name__ = "data"  # on Dask's dashboard

    def __init__(self, value: Any):
        self.value = value

    def __call__(self) -> Any:
        return self.value


def _find_backend() -> Any:
    """Return joblib's backend if it is Dask's, else None."""
    backend, _ = get_active_backend()
    return backend if hasattr(backend, "data_futures") else None
