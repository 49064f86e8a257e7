"""Warn about output folders that come from a model file rather than from the user."""

import os
import warnings

FOLDERS: set[str] = set()
"""Folders named in the model files that this process has loaded."""


def warn_of_folder(folder: str | os.PathLike[str], owner: str, category: type[Warning]) -> None:
    """Warn once that a folder to be written was named by a model file."""
    name = os.fsdecode(folder)
    if name in FOLDERS:
        FOLDERS.discard(name)
        warnings.warn(
            f"{owner}={name!r} comes from a model file, and will be written to. Set it to another folder or to "
            "None to prevent this.",
            category,
            stacklevel=3,
        )
