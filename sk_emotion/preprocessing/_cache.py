"""Faces kept in a folder, so that a search decodes a photo once."""

import contextlib
import hashlib
import inspect
import math
import os
import warnings
import zlib
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import joblib
import numpy as np
from numpy.typing import NDArray

from ..exceptions import DatasetWarning, ImageReadError
from ..utils._file_lock import lock_file

# Part of every key: raised when the same parameters begin to give other pixels, or an entry gets another layout.
_FORMAT = 4

# The lock of a killed worker is lifted at once; after so many seconds, one that hangs is waited for no longer.
_PATIENCE = 60.0

Face: TypeAlias = tuple[NDArray[np.uint8], bool]


class FaceCache:
    """Faces by path, size and modification time of their file, and by the parameters that made them.

    Threads and processes may share a folder. An entry is locked by whoever makes it. It holds the pixels, a byte that
    tells whether a detector saw the face, and a checksum, so that half an entry is as good as none.

    Parameters
    ----------
    folder : str, PathLike or None
        Made on the first write. None keeps nothing. Its entries are spread over 256 subfolders.
    shape : tuple of int
        Shape of a face.
    parameters : tuple
        Whatever else the pixels depend on; its ``repr`` counts.
    """

    def __init__(
        self, folder: str | os.PathLike[str] | None, shape: tuple[int, ...], parameters: tuple[Any, ...]
    ) -> None:
        self.folder = None if folder is None else os.fsdecode(folder)
        self.shape = shape
        self.parameters = repr((_FORMAT, shape, parameters))
        self.writable = True

    def load(self, sources: Iterable[Any], make: Callable[[Any], Face]) -> list[Face | ImageReadError]:
        """Read the faces of pictures, or make them and keep those of files.

        Parameters
        ----------
        sources : iterable of pictures
        make : callable
            Makes the face of one of them, or raises an ImageReadError, which then stands in its place.
        """
        faces = [(source, self._load_face(source, make, wait=False)) for source in sources]
        # None is what another worker was making: it is ready by now, or soon.
        return [face or self._load_face(source, make, wait=True) for source, face in faces]

    def _load_face(self, source: Any, make: Callable[[Any], Face], wait: bool) -> Any:
        """Give a face or an error; None if another worker is making the face, and it is not to be waited for."""
        entry = self._locate(source)
        try:
            if entry is None:
                return make(source)
            with contextlib.suppress(OSError), open(entry, "rb", buffering=0) as file:
                kept = self._parse(file.read())
                if kept is not None:
                    return kept
            return self._make(source, make, entry, wait) if self.writable else make(source)
        except ImageReadError as error:
            return error

    def _locate(self, source: Any) -> str | None:
        """Find where the face of a file is kept; None for what is not to be kept."""
        if self.folder is None or not isinstance(source, str | os.PathLike):
            return None
        try:
            state = os.stat(source)
        except (OSError, ValueError):
            return None
        # os.fsdecode gives a file one key, whether a str or a Path names it.
        key = f"{os.path.abspath(os.fsdecode(source))}\0{state.st_size}\0{state.st_mtime_ns}\0{self.parameters}"
        name = hashlib.sha256(os.fsencode(key)).hexdigest()
        return os.path.join(self.folder, name[:2], f"{name[2:]}.face")

    def _parse(self, entry: bytes) -> Face | None:
        """Take an entry apart; None if it is not whole."""
        content, checksum = entry[:-4], entry[-4:]
        if len(content) != math.prod(self.shape) + 1 or zlib.crc32(content) != int.from_bytes(checksum):
            return None
        return np.frombuffer(content, np.uint8)[:-1].reshape(self.shape), bool(content[-1])

    def _make(self, source: Any, make: Callable[[Any], Face], entry: str, wait: bool) -> Face | None:
        """Make a face and keep it, if no one else is at it."""
        try:
            os.makedirs(os.path.dirname(entry), exist_ok=True)
            file = open(entry, "a+b", buffering=0)  # noqa: SIM115 - closed below, where errors are others
        except OSError as error:
            self._give_up(error)
            return make(source)
        with file:
            if not lock_file(file, _PATIENCE if wait else 0.0):
                return make(source) if wait else None
            # Whoever had the lock before may have made the face.
            file.seek(0)
            kept = self._parse(file.read())
            if kept is not None:
                return kept
            try:
                face, found = make(source)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(entry)
                raise
            content = face.tobytes() + bytes([found])
            rest = content + zlib.crc32(content).to_bytes(4)
            try:
                file.truncate(0)
                # A disk that fills up takes a part; the next write says what is wrong.
                while rest:
                    rest = rest[file.write(rest) :]
            except OSError as error:
                self._give_up(error)
            return face, found

    def _give_up(self, error: OSError) -> None:
        """Write no more, and say so."""
        self.writable = False
        warnings.warn(
            f"FaceLoader: cache={self.folder!r} cannot be written ({error}). Photos that it lacks are decoded each "
            "time. Make room in it, or pass another folder.",
            DatasetWarning,
            stacklevel=2,
        )


def name_detector(detector: str | Callable[..., Any] | None) -> str | None:
    """Name a detector in the key of a face: a function by module and name, any other object by its content too."""
    if not callable(detector):
        return detector
    if inspect.isroutine(detector) and not inspect.ismethod(detector):
        return f"{detector.__module__}.{detector.__qualname__}"
    return f"{type(detector).__module__}.{type(detector).__qualname__}:{joblib.hash(detector)}"
