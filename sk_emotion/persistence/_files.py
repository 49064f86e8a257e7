"""Open model files, show what is in them, and check where they are to be written."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from ..exceptions import ModelFileError, ModelNotFoundError
from ..utils._text import show_missing


def escape(text: object, most: int | None = None) -> str:
    """Return text from a file on one line, with control characters escaped, cut off at `most` characters."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in str(text)[:most])[:most]


def open_model(path: str | os.PathLike[str], owner: str) -> BinaryIO:
    """Open a regular file for reading; raise a ModelFileError that begins with `owner` if there is none."""
    place = f"{owner}: {escape(os.fsdecode(path))}"
    file = None
    # Do not wait for the writer of a pipe.
    no_wait = getattr(os, "O_NONBLOCK", 0)
    try:
        file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | no_wait))  # noqa: SIM115 - the caller
    except IsADirectoryError as error:
        raise ModelFileError(f"{place} is a folder. Pass the path of a file.") from error
    except (OSError, ValueError) as error:
        # A path with a null character raises ValueError.
        number = getattr(error, "errno", None)
        if number in (errno.ENXIO, errno.ELOOP, errno.ENODEV):
            raise ModelFileError(f"{place} is not a regular file ({os.strerror(number)}).") from error
        if number not in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, None):
            raise
    if file is None:
        # Not chained: the original error quotes the whole path, which may be encoded data.
        raise ModelNotFoundError(f"{owner}: there is no file {escape(show_missing(path))}. Check the path.")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise ModelFileError(f"{place} is not a regular file.")
    return file


def first_line(error: Exception) -> str:
    """Return the first line of a message of ONNX, cut off."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return escape(lines[0], 150)


def check_target(path: str | os.PathLike[str], owner: str) -> Path:
    """Return the path of a file to be written; raise a ModelFileError that begins with `owner` if there can be none."""
    path = Path(path)
    if path.is_dir():
        raise ModelFileError(f"{owner}: {escape(path)} is a folder. Pass the path of a file.")
    if not path.parent.is_dir():
        raise ModelNotFoundError(f"{owner}: the folder {escape(path.parent)} does not exist. Create it first.")
    return path
