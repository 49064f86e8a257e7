"""Files that are whole or not there."""

import errno
import os
import stat
import uuid
from pathlib import Path


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Write a file beside `path`, and rename it when it is on the disk: `path` holds the old content or all of the new.

    Raises
    ------
    OSError
        If it cannot be written; nothing is left behind then.
    """
    # Not mkstemp, whose files nobody else may read.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def open_regular(path: str | os.PathLike[str], flags: int = os.O_RDONLY) -> int:
    """Open a regular file, which may be new with ``os.O_CREAT``, without waiting or following a link.

    Returns
    -------
    int
        A descriptor, for ``open`` or ``os.fdopen``.

    Raises
    ------
    OSError
        If it cannot be opened, or is a link, a folder, a pipe, a socket or a device.
    """
    # Before it is opened, since a device may act on that; and after, since another may stand there by now.
    try:
        state = os.lstat(path)
    except FileNotFoundError:
        state = None
    _check_regular(path, state)
    # Windows has neither links without privileges nor pipes in folders, nor these flags.
    safe = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
    descriptor = os.open(path, flags | safe, 0o666)
    try:
        _check_regular(path, os.fstat(descriptor))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _check_regular(path: str | os.PathLike[str], state: os.stat_result | None) -> None:
    if state is not None and not stat.S_ISREG(state.st_mode):
        raise OSError(errno.EINVAL, "is no regular file", os.fspath(path))


def _sync_folder(folder: Path) -> None:
    """Put a new name on the disk too; Windows has no such thing."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
