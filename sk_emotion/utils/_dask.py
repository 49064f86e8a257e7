"""What goes to a Dask cluster by joblib, and what comes back: data once, no tasks of tasks, and warnings."""

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
    """Tell whether this thread computes a task of Dask's."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return False
    try:
        distributed.get_worker()
    except ValueError:
        return False
    return True


@contextmanager
def stay_here() -> Iterator[None]:
    """Compute in this thread what joblib would hand to a Dask cluster, whatever `n_jobs` says.

    Inside a task of Dask's joblib would make tasks again, and send them the data again; Dask knows no ``n_jobs=1``.
    """
    if _find_backend() is None:
        yield
        return
    with parallel_config("sequential"):
        yield


@contextmanager
def share_data(*parts: Any) -> Iterator[None]:
    """Hand the parts to a Dask cluster now; what joblib then sends refers to them. Without a cluster, do nothing.

    What a client scatters is lost with the last worker that holds it, and ``broadcast=True`` helps for seconds only:
    the scheduler drops copies that are not in use. A result of a task is made again, so each part becomes one.

    Raises
    ------
    TrainingError
        If, within the context, the cluster goes away, or a task has cost it several workers.
    """
    backend = _find_backend()
    if backend is None:
        yield
        return
    import dask
    import distributed

    # Where no worker comes, joblib's error says so; a copy for each worker would be waited for without end.
    backend.effective_n_jobs(-1)
    known = backend.data_futures
    new = {id(part): part for part in parts if part is not None and id(part) not in known}
    # Dask warns of large tasks, since they are a burden if there are many.
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 PiB"}):
        shared = {number: backend.client.submit(_Given(part), pure=False) for number, part in new.items()}
    known |= shared
    try:
        # Dask prefers workers that have the data, and would let the others wait.
        backend.client.replicate(list(shared.values()))
        with _heed_failures(backend):
            yield
    except (CancelledError, distributed.KilledWorker) as error:
        raise TrainingError(f"The Dask cluster gave up: {error} Its logs may tell more.") from error
    finally:
        for number in shared:
            del known[number]


def note_warnings(function: Callable[..., Any], *args: Any) -> tuple[Any, list[tuple[str, type[Warning], str, int]]]:
    """Call a function; in a task of Dask's, whose standard error is far away, note what it warns of."""
    if not in_dask_task():
        return function(*args), []
    with warnings.catch_warnings(record=True) as noted:
        result = function(*args)
    return result, [(str(each.message), each.category, each.filename, each.lineno) for each in noted]


def repeat_warnings(results: Iterable[tuple[Any, Any]]) -> Iterator[Any]:
    """Give the results of :func:`note_warnings`, and warn here of what was noted, of the same thing once."""
    seen: dict[Any, Any] = {}
    for result, noted in results:
        for message, category, filename, line in noted:
            warnings.warn_explicit(message, category, filename, line, registry=seen)
        yield result


@contextmanager
def _heed_failures(backend: Any) -> Iterator[None]:
    """Let joblib hear of a task that Dask has given up or canceled: it would wait without end (joblib 1.6)."""
    submit, retrieve = backend.submit, backend.retrieve_result_callback

    def submit_and_tell(function: Any, callback: Any) -> Any:
        def tell(done: Future[Any]) -> None:
            error = done.exception()
            if error is not None:
                callback(error)

        future = submit(function, callback)
        future.add_done_callback(tell)
        return future

    def retrieve_or_raise(outcome: Any) -> Any:
        if isinstance(outcome, BaseException):
            raise outcome
        return retrieve(outcome)

    backend.submit, backend.retrieve_result_callback = submit_and_tell, retrieve_or_raise
    try:
        yield
    finally:
        backend.submit, backend.retrieve_result_callback = submit, retrieve


class _Given:
    """A task whose result is known."""

    __name__ = "data"  # on Dask's dashboard

    def __init__(self, value: Any):
        self.value = value

    def __call__(self) -> Any:
        return self.value


def _find_backend() -> Any:
    """Give joblib's backend if it is Dask's."""
    backend, _ = get_active_backend()
    return backend if hasattr(backend, "data_futures") else None
