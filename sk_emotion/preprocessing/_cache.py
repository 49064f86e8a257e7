"""Faces kept in a folder, so that a search decodes a photo once."""

import contextlib
import hashlib
import inspect
import math
import os
import stat
import warnings
from collections.abc import Callable, Iterable
from typing import IO, Any, TypeAlias

import joblib
import numpy as np
from numpy.typing import NDArray

from ..exceptions import DatasetWarning, ImageReadError
from ..utils._file_lock import lock_file
from ..utils._files import open_regular

# Part of every key: raised when the same parameters begin to give other pixels, or an entry gets another layout.
_FORMAT = 5

# The lock of a killed worker is lifted at once; after so many seconds, no worker is waited for any longer.
_PATIENCE = 5.0

_DIGEST_SIZE = hashlib.sha256().digest_size

Face: TypeAlias = tuple[NDArray[np.uint8], bool]


class FaceCache:
    """Faces by path, size and modification time of their file, and by the parameters that made them.

    Threads and processes may share a folder. An entry is locked by whoever makes it. It holds the pixels, a byte that
    tells whether a detector saw the face, and a digest of these and its name, so that half an entry, or that of another
    face, is as good as none. Links, pipes, devices and folders are no entries, and are never followed or waited for.

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
        self.patience = _PATIENCE

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
            # What cannot be read is made.
            with contextlib.suppress(OSError, ValueError), open(open_regular(entry), "rb") as file:
                kept = self._read(file, entry)
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

    def _read(self, file: IO[bytes], entry: str) -> Face | None:
        """Read an entry; None if it is not whole, or that of another face."""
        size = math.prod(self.shape) + 1
        kept = file.read(size + _DIGEST_SIZE + 1)
        content, digest = kept[:size], kept[size:]
        if digest != _digest(entry, content):
            return None
        return np.frombuffer(content, np.uint8)[:-1].reshape(self.shape), bool(content[-1])

    def _make(self, source: Any, make: Callable[[Any], Face], entry: str, wait: bool) -> Face | None:
        """Make a face and keep it, if no one else is at it."""
        try:
            if not self._make_room(entry):
                return make(source)
            file = open(open_regular(entry, os.O_RDWR | os.O_CREAT), "r+b", buffering=0)  # noqa: SIM115 - closed below
        except (OSError, ValueError) as error:
            self._give_up(error)
            return make(source)
        with file:
            if not lock_file(file, self.patience if wait else 0.0):
                if not wait:
                    return None
                # Who hangs at one entry may hang at others.
                self.patience = 0.0
                return make(source)
            # Whoever had the lock before may have made the face.
            file.seek(0)
            kept = self._read(file, entry)
            if kept is not None:
                return kept
            try:
                face, found = make(source)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(entry)
                raise
            content = face.tobytes() + bytes([found])
            rest = content + _digest(entry, content)
            try:
                file.seek(0)
                file.truncate(0)
                # A disk that fills up takes a part; the next write says what is wrong.
                while rest:
                    rest = rest[file.write(rest) :]
            except OSError as error:
                # A part of an entry takes room that others need.
                with contextlib.suppress(OSError):
                    os.unlink(entry)
                self._give_up(error)
            return face, found

    def _make_room(self, entry: str) -> bool:
        """Make the folder of an entry, and take away what is in its place but no file of its own; False if it stays."""
        if not self.folder:
            raise FileNotFoundError("its name is empty")
        subfolder = os.path.dirname(entry)
        os.makedirs(subfolder, exist_ok=True)
        if not stat.S_ISDIR(os.lstat(subfolder).st_mode):
            return False
        try:
            state = os.lstat(entry)
        except FileNotFoundError:
            return True
        if stat.S_ISDIR(state.st_mode):
            return False
        if not stat.S_ISREG(state.st_mode) or state.st_nlink > 1:
            # A file with two names would be written under both.
            os.unlink(entry)
        return True

    def _give_up(self, error: Exception) -> None:
        """Write no more, and say so."""
        self.writable = False
        reason = str(error)
        # What the system says of these, such as "File exists", is no help.
        if self.folder and os.path.lexists(self.folder) and not os.path.isdir(self.folder):
            reason = "it is a link to nothing" if not os.path.exists(self.folder) else "it is no folder"
        warnings.warn(
            f"FaceLoader: cache={self.folder!r} cannot be written ({reason}). Photos that it lacks are decoded each "
            "time. Make room in it, or pass another folder.",
            DatasetWarning,
            stacklevel=2,
        )


def _digest(entry: str, content: bytes) -> bytes:
    """Bind content to the name of an entry, which the key of its face gives."""
    return hashlib.sha256(os.fsencode(os.path.basename(entry)) + content).digest()


def name_detector(detector: str | Callable[..., Any] | None) -> str | None:
    """Name a detector in the key of a face: a function by module and name, any other object by its content too."""
    if not callable(detector):
        return detector
    if inspect.isroutine(detector) and not inspect.ismethod(detector):
        return f"{detector.__module__}.{detector.__qualname__}"
    return f"{type(detector).__module__}.{type(detector).__qualname__}:{joblib.hash(detector)}"
