"""Work on the workers of a Dask cluster."""

import logging
import platform
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from importlib import metadata
from typing import Any

from ._output import Progress

# In seconds.
_PATIENCE = 5

# Where these differ, scores may, or what is sent cannot be read.
_PACKAGES = ("sk-emotion", "torch", "scikit-learn", "numpy", "joblib", "dask", "cloudpickle")


@contextmanager
def connect(address: str | None, progress: Progress) -> Iterator[Any]:
    """Give a client of the scheduler at this address, whose workers are ready; None without an address.

    Raises
    ------
    MissingDependencyError
        If Dask is not installed.
    ConnectionError
        If there is no scheduler, it has too few workers, or sk_emotion is not installed on one.
    """
    if address is None:
        yield None
        return
    client = _connect(address)
    try:
        _check_workers(client, address, progress)
        yield client
    finally:
        client.close()


def compute_on(client: Any) -> Any:
    """Give the context in which joblib computes on the workers of the client; without one, here."""
    if client is None:
        return nullcontext()
    from joblib import parallel_config

    return parallel_config("dask", client=client)


def _connect(address: str) -> Any:
    try:
        from distributed import Client
        from distributed.comm import get_address_host_port
        from distributed.versions import VersionMismatchWarning
    except ImportError as error:
        from ..exceptions import MissingDependencyError

        raise MissingDependencyError(
            '--cluster needs Dask, which is not installed. Install it: pip install "sk-emotion[cluster]".'
        ) from error
    # What goes wrong is said once, by the command.
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    try:
        # A client that cannot read its address would not end.
        get_address_host_port(address)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VersionMismatchWarning)
            return Client(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConnectionError(
            f"--cluster: no Dask scheduler answers at {address!r} ({error}). Expected an address such as "
            "tcp://192.168.0.1:8786, as `dask scheduler` prints it."
        ) from error


def _check_workers(client: Any, address: str, progress: Progress) -> None:
    n_threads = client.nthreads()
    if not n_threads:
        raise ConnectionError(
            f"--cluster: the scheduler at {address!r} has no workers. Start one for each GPU, or each core: "
            f"dask worker {address} --nthreads 1"
        )
    n_folds = sum(n_threads.values())
    if n_folds == 1:
        raise ConnectionError(
            f"--cluster: the scheduler at {address!r} has one worker of one thread, with which joblib computes here. "
            "Start another worker, or this one with --nthreads 2."
        )
    progress.say(f"Cluster: {len(n_threads)} worker(s), {n_folds} folds at once.")
    try:
        versions = client.run(read_versions)
    except Exception as error:
        # Dask wraps what a worker cannot read in an error of no kind.
        raise ConnectionError(
            f"--cluster: a worker of {address!r} cannot use sk_emotion ({error}). Install the same version on all."
        ) from error
    for line in describe_differences(read_versions(), versions):
        progress.warn(line)


def read_versions() -> dict[str, str]:
    """Name the versions of what computes here."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "none"
    return versions


def describe_differences(here: Mapping[str, str], there: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Say of each package, in a line, on how many workers it has another version than here."""
    lines = []
    for package, version in here.items():
        others = [versions[package] for versions in there.values() if versions[package] != version]
        if others:
            told = ", ".join(sorted(set(others)))
            lines.append(f"{package} is {told} on {len(others)} of {len(there)} workers, {version} here.")
    return lines
