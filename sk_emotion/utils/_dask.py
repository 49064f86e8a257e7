"""Send work to a Dask cluster by joblib: data only once, no nested tasks, and warnings brought back."""

import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from typing import Any

from joblib import parallel_config
from joblib.parallel import get_active_backend

from ..exceptions import TrainingError


def in_dask_task() -> bool:
    """Check whether this thread runs a Dask task."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return False
    try:
        distributed.get_worker()
    except ValueError:
        return False
    return True


@contextmanager
def bypass_dask() -> Iterator[None]:
    """Run joblib sequentially in this thread instead of on a Dask cluster.

    Inside a Dask task, joblib would submit further tasks and send the data again, even with ``n_jobs=1``.
    """
    if _get_dask_backend() is None:
        yield
        return
    with parallel_config("sequential"):
        yield


@contextmanager
def share_data(*parts: Any) -> Iterator[None]:
    """Send the parts to a Dask cluster once, so that joblib's tasks refer to them; do nothing without a cluster.

    Scattered data is lost with the last worker that holds it, even with ``broadcast=True``, because the scheduler
    drops unused copies. The result of a task is recomputed when it is lost, so each part becomes a task.

    Raises
    ------
    TrainingError
        If the cluster shuts down within the context, or a task has killed several workers.
    """
    backend = _get_dask_backend()
    if backend is None:
        yield
        return
    import dask
    import distributed

    # Raises joblib's error if there are no workers; replicate would wait forever.
    backend.effective_n_jobs(-1)
    known = backend.data_futures
    new = {id(part): part for part in parts if part is not None and id(part) not in known}
    # Dask warns about large tasks, which are slow only if there are many.
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 PiB"}):
        shared = {number: backend.client.submit(_Constant(part), pure=False) for number, part in new.items()}
    known |= shared
    try:
        # Dask prefers workers that hold the data; without copies the others would stay idle.
        backend.client.replicate(list(shared.values()))
        with _raise_task_failures(backend):
            yield
    except (CancelledError, distributed.KilledWorker) as error:
        raise TrainingError(f"The Dask cluster gave up: {error} See its logs for details.") from error
    finally:
        for number in shared:
            del known[number]


def capture_warnings(function: Callable[..., Any], *args: Any) -> tuple[Any, list[tuple[str, type[Warning], str, int]]]:
    """Call a function and, inside a Dask task, return its warnings, which would only reach the worker's log."""
    if not in_dask_task():
        return function(*args), []
    with warnings.catch_warnings(record=True) as caught:
        result = function(*args)
    return result, [(str(each.message), each.category, each.filename, each.lineno) for each in caught]


def reissue_warnings(results: Iterable[tuple[Any, Any]]) -> Iterator[Any]:
    """Yield the results of :func:`capture_warnings`, and issue each distinct warning once."""
    seen: dict[Any, Any] = {}
    for result, caught in results:
        for message, category, filename, line in caught:
            warnings.warn_explicit(message, category, filename, line, registry=seen)
        yield result


@contextmanager
def _raise_task_failures(backend: Any) -> Iterator[None]:
    """Raise the error of a task that Dask aborts; joblib 1.6 would wait forever."""
    submit, retrieve = backend.submit, backend.retrieve_result_callback

    def submit_with_error_callback(function: Any, callback: Any) -> Any:
        def report_error(done: Future[Any]) -> None:
            error = done.exception()
            if error is not None:
                callback(error)

        future = submit(function, callback)
        future.add_done_callback(report_error)
        return future

    def retrieve_or_raise(outcome: Any) -> Any:
        if isinstance(outcome, BaseException):
            raise outcome
        return retrieve(outcome)

    backend.submit, backend.retrieve_result_callback = submit_with_error_callback, retrieve_or_raise
    try:
        yield
    finally:
        backend.submit, backend.retrieve_result_callback = submit, retrieve


class _Constant:
    """A task that returns a given value."""

    __name__ = "data"  # on Dask's dashboard

    def __init__(self, value: Any):
        self.value = value

    def __call__(self) -> Any:
        return self.value


def _get_dask_backend() -> Any:
    """Return joblib's active backend if it is Dask, else None."""
    backend, _ = get_active_backend()
    return backend if hasattr(backend, "data_futures") else None
