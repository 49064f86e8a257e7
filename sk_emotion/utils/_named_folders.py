"""Folders that a model file, and not the user, chose to write to."""

import os
import warnings

FOLDERS: set[str] = set()
"""Those that the files which this process loaded name."""


def warn_of_folder(folder: str | os.PathLike[str], owner: str, category: type[Warning]) -> None:
    """Say once that a folder that is going to be written was named by a model file."""
    name = os.fsdecode(folder)
    if name in FOLDERS:
        FOLDERS.discard(name)
        warnings.warn(
            f"{owner}={name!r} comes from a model file, and is written to from now on. Set it to another folder, or to "
            "None, if that is not what you want.",
            category,
            stacklevel=3,
        )
