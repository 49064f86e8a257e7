"""Files that are whole or not there."""

import errno
import os
import shutil
import stat
import uuid
from contextlib import suppress
from pathlib import Path

from ..exceptions import FileWriteError


def write_output(path: str | os.PathLike[str], content: bytes | memoryview) -> None:
    """Write the file that the user named, as a whole or not at all.

    A link stays a link, and the file that it leads to is written; a pipe or a device is written to, not replaced.

    Raises
    ------
    FileWriteError
        If it cannot be written, because the disk is full, say; a file of this name is as it was then.
    FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError
        If the folder is not there, or is closed to the user, or `path` is a folder.
    """
    target = Path(os.path.realpath(path))
    try:
        if target.exists() and not target.is_file():
            with target.open("wb") as file:
                file.write(content)
        else:
            write_whole(target, content)
    except OSError as error:
        if type(error) is not OSError:
            # An error of a kind of its own names a temporary file, which nobody knows.
            raise type(error)(error.errno, error.strerror, os.fspath(path)) from error
        raise FileWriteError(
            f"{os.fspath(path)!r} cannot be written ({error.strerror or error}). Free space on the disk, or choose "
            "another folder; a file of this name that was there before is as it was."
        ) from error


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Write a file beside `path`, and rename it when it is on the disk: `path` holds the old content or all of the new.

    Whatever stands at `path`, a link too, is replaced, never followed.

    Raises
    ------
    OSError
        If it cannot be written; nothing is left behind then.
    """
    # Not mkstemp, whose files nobody else may read. No part of the name, which may be as long as a name can be.
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if path.is_file() and not path.is_symlink():
            # Some file systems know no permissions.
            with suppress(OSError):
                shutil.copymode(path, temporary)
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
