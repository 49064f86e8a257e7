"""Faces kept in a folder, so that a search decodes a photo once."""

import contextlib
import hashlib
import inspect
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

# Part of every key: raised when the same parameters begin to give other pixels.
_FORMAT = 1


class FaceCache:
    """Faces by path, size and modification time of their file, and by the parameters that made them.

    Parameters
    ----------
    folder : str, PathLike or None
        Made on the first write. None keeps nothing. Its entries are spread over 256 subfolders.
    parameters : tuple
        Whatever else the pixels depend on; its ``repr`` counts.
    """

    def __init__(self, folder: str | os.PathLike[str] | None, parameters: tuple[Any, ...]) -> None:
        self.folder = None if folder is None else Path(folder)
        self.parameters = parameters

    def locate(self, source: Any) -> Path | None:
        """Find where the face of a file is kept; None for what is not to be kept."""
        if self.folder is None or not isinstance(source, str | os.PathLike):
            return None
        try:
            state = os.stat(source)
        except (OSError, ValueError):
            return None
        # os.fspath gives a file one key, whether a str or a Path names it.
        key = (_FORMAT, os.path.abspath(os.fspath(source)), state.st_size, state.st_mtime_ns, self.parameters)
        name = hashlib.sha256(repr(key).encode(errors="surrogateescape")).hexdigest()
        return self.folder / name[:2] / f"{name[2:]}.npz"

    def read(self, entry: Path | None) -> tuple[NDArray[np.uint8], bool] | None:
        """Read a face and whether a detector saw it; None if it is not kept or its entry is damaged."""
        if entry is None:
            return None
        # NumPy raises nearly anything on a damaged file; decoding the picture again mends it.
        with contextlib.suppress(Exception), entry.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            return kept["face"], bool(kept["found"])
        return None

    def write(self, entry: Path | None, face: NDArray[np.uint8], found: bool) -> None:
        """Keep a face. A reader sees the whole entry or none, whatever happens meanwhile."""
        if entry is None:
            return
        entry.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=entry.parent, suffix=".tmp")
        try:
            with os.fdopen(descriptor, "wb") as file:
                np.savez(file, face=face, found=np.array(found))
            os.replace(temporary, entry)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


def name_detector(detector: str | Callable[..., Any] | None) -> str | None:
    """Name a detector in the key of a face: a function by module and name, any other object by its content too."""
    if not callable(detector):
        return detector
    if inspect.isroutine(detector) and not inspect.ismethod(detector):
        return f"{detector.__module__}.{detector.__qualname__}"
    return f"{type(detector).__module__}.{type(detector).__qualname__}:{joblib.hash(detector)}"
