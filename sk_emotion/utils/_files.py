"""Files that are whole or not there."""

import os
import uuid
import warnings
from pathlib import Path

FOLDERS_OF_FILES: set[str] = set()
"""Folders that model files of this process named as a place to write to."""


def warn_of_folder(folder: str | os.PathLike[str], owner: str, category: type[Warning]) -> None:
    """Say once that a model file, not the user, chose the folder that is going to be written."""
    name = os.fsdecode(folder)
    if name in FOLDERS_OF_FILES:
        FOLDERS_OF_FILES.discard(name)
        warnings.warn(
            f"{owner}={name!r} comes from a model file, and is written to now. Set another folder, or None, if that is "
            "not what you want.",
            category,
            stacklevel=3,
        )


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


def _sync_folder(folder: Path) -> None:
    """Put a new name on the disk too; Windows has no such thing."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
