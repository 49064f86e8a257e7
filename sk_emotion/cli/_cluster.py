"""Computation on the workers of a Dask cluster."""

import logging
import platform
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from importlib import metadata
from typing import Any

from ._output import Progress

# In seconds.
_TIMEOUT = 5

# Different versions of these may change scores or break serialization.
_PACKAGES = ("sk-emotion", "torch", "scikit-learn", "numpy", "joblib", "dask", "cloudpickle")


@contextmanager
def connect(address: str | None, progress: Progress) -> Iterator[Any]:
    """Connect to the Dask scheduler at an address and yield a client; yield None if the address is None.

    Raises
    ------
    MissingDependencyError
        If Dask is not installed.
    ConnectionError
        If there is no scheduler, it has too few workers, or sk_emotion is not installed on one of them.
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
    """Return a context manager in which joblib uses the workers of a client; without a client, it does nothing."""
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
    # The command reports errors itself.
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    try:
        # A client with an invalid address would never return.
        get_address_host_port(address)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VersionMismatchWarning)
            return Client(address, timeout=_TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConnectionError(
            f"--cluster: no Dask scheduler answers at {address!r} ({error}). Pass the address that `dask scheduler` "
            "prints, such as tcp://192.168.0.1:8786."
        ) from error


def _check_workers(client: Any, address: str, progress: Progress) -> None:
    n_threads = client.nthreads()
    if not n_threads:
        raise ConnectionError(
            f"--cluster: the scheduler at {address!r} has no workers. Start one per GPU or core: "
            f"dask worker {address} --nthreads 1"
        )
    n_folds = sum(n_threads.values())
    if n_folds == 1:
        raise ConnectionError(
            f"--cluster: the scheduler at {address!r} has a single worker with one thread, which joblib does not use. "
            "Start another worker, or start this one with --nthreads 2."
        )
    progress.say(f"Cluster: {len(n_threads)} worker(s), {n_folds} folds in parallel.")
    try:
        versions = client.run(read_versions)
    except Exception as error:
        # Dask raises a bare Exception for what a worker cannot deserialize.
        raise ConnectionError(
            f"--cluster: a worker of {address!r} cannot use sk_emotion ({error}). Install the same version everywhere."
        ) from error
    for line in describe_differences(read_versions(), versions):
        progress.warn(line)


def read_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that affect results."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "none"
    return versions


def describe_differences(here: Mapping[str, str], there: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Describe, one line per package, on how many workers its version differs from the local one."""
    lines = []
    for package, version in here.items():
        others = [versions[package] for versions in there.values() if versions[package] != version]
        if others:
            found = ", ".join(sorted(set(others)))
            lines.append(f"{package} is {found} on {len(others)} of {len(there)} workers, {version} here.")
    return lines
