"""Run joblib tasks on a Dask cluster: send data once, avoid nested tasks, and forward warnings."""

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
    """Run joblib tasks in this thread instead of on a Dask cluster, whatever `n_jobs` is.

    Inside a Dask task, joblib would create nested tasks and send them the data again; Dask ignores ``n_jobs=1``.
    """
    if _find_backend() is None:
        yield
        return
    with parallel_config("sequential"):
        yield


@contextmanager
def share_data(*parts: Any) -> Iterator[None]:
    """Send data to a Dask cluster once, so that joblib's tasks refer to it. Without a cluster, do nothing.

    Scattered data is lost with the last worker that holds it, and ``broadcast=True`` helps for seconds only: the
    scheduler drops unused copies. The result of a task is recomputed, so each part becomes a task.

    Raises
    ------
    TrainingError
        If, within the context, the cluster fails, or a task has killed several workers.
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
