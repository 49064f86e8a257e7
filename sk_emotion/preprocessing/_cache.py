"""Cache faces in a folder, so that a search decodes each photo once."""

import contextlib
import hashlib
import inspect
import math
import os
import stat
import warnings
from collections.abc import Callable, Iterable
from typing import IO, Any, NamedTuple

import joblib
import numpy as np
from numpy.typing import NDArray

from ..exceptions import DatasetWarning, ImageReadError
from ..utils._files import lock_file, open_regular
from ._detect import N_LANDMARKS

# Part of every key: increment it when the same parameters yield other pixels, or when the layout of entries changes.
_FORMAT = 6

# Seconds to wait for the lock of another worker; that of a killed worker is released at once.
_PATIENCE = 5.0

_DIGEST_SIZE = hashlib.sha256().digest_size
# Box and landmarks.
_PLACES = 8 * (4 + 2 * N_LANDMARKS)


class Face(NamedTuple):
    """The face of one image; without a detected face, box and landmarks are NaN."""

    image: NDArray[Any]
    box: NDArray[np.float64]
    landmarks: NDArray[np.float64]

    @property
    def found(self) -> bool:
        return not np.isnan(self.box[0])


class FaceCache:
    """Cache of faces, keyed by path, size and modification time of the file and by the loader's parameters.

    Threads and processes may share a folder: an entry is locked while it is written. It holds the pixels, the box and
    landmarks of the face, and a digest of all and of its name, so that a partial entry, or that of another face, is
    invalid. Links, pipes, devices and folders are never used as entries, followed or waited for.

    Parameters
    ----------
    folder : str, PathLike or None
        Created on the first write, with 256 subfolders. None disables the cache.
    shape : tuple of int
        Shape of a face.
    parameters : tuple
        Everything else that the pixels depend on; compared by ``repr``.
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
        """Return the faces of images from the cache, or compute them and cache those of files.

        Parameters
        ----------
        sources : iterable of images
        make : callable
            Returns the face of one image, or raises an ImageReadError, which is then returned in its place.
        """
        faces = [(source, self._load_face(source, make, wait=False)) for source in sources]
        # None means that another worker was computing the face: it is ready by now, or soon.
        return [face or self._load_face(source, make, wait=True) for source, face in faces]

    def _load_face(self, source: Any, make: Callable[[Any], Face], wait: bool) -> Any:
        """Return a face or an error; None if another worker is computing the face and `wait` is False."""
        entry = self._locate(source)
        try:
            if entry is None:
                return make(source)
            # Compute the face if its entry cannot be read.
            with contextlib.suppress(OSError, ValueError), open(open_regular(entry), "rb") as file:
                kept = self._read(file, entry)
                if kept is not None:
                    return kept
            return self._make(source, make, entry, wait) if self.writable else make(source)
        except ImageReadError as error:
            return error

    def _locate(self, source: Any) -> str | None:
        """Return the path of the entry of a file; None for what is not cached."""
        if self.folder is None or not isinstance(source, str | os.PathLike):
            return None
        try:
            state = os.stat(source)
        except (OSError, ValueError):
            return None
        # os.fsdecode yields the same key for a str and a Path.
        key = f"{os.path.abspath(os.fsdecode(source))}\0{state.st_size}\0{state.st_mtime_ns}\0{self.parameters}"
        name = hashlib.sha256(os.fsencode(key)).hexdigest()
        return os.path.join(self.folder, name[:2], f"{name[2:]}.face")

    def _read(self, file: IO[bytes], entry: str) -> Face | None:
        """Read an entry; None if it is incomplete, or that of another face."""
        size = math.prod(self.shape)
        kept = file.read(size + _PLACES + _DIGEST_SIZE + 1)
        content, digest = kept[: size + _PLACES], kept[size + _PLACES :]
        if digest != _digest(entry, content):
            return None
        places = np.frombuffer(content, "<f8", offset=size)
        return Face(
            np.frombuffer(content, np.uint8, size).reshape(self.shape), places[:4], places[4:].reshape(N_LANDMARKS, 2)
        )

    def _make(self, source: Any, make: Callable[[Any], Face], entry: str, wait: bool) -> Face | None:
        """Compute a face and cache it, unless another worker does."""
        try:
            if not self._prepare_folder(entry):
                return make(source)
            file = open(open_regular(entry, os.O_RDWR | os.O_CREAT), "r+b", buffering=0)  # noqa: SIM115 - closed below
        except (OSError, ValueError) as error:
            self._stop_writing(error)
            return make(source)
        with file:
            if not lock_file(file, self.patience if wait else 0.0):
                if not wait:
                    return None
                # A worker that hangs at one entry may hang at others: wait no more.
                self.patience = 0.0
                return make(source)
            # The worker that had the lock before may have written the face.
            file.seek(0)
            kept = self._read(file, entry)
            if kept is not None:
                return kept
            try:
                face = make(source)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(entry)
                raise
            places = np.r_[face.box, face.landmarks.ravel()].astype("<f8")
            content = face.image.tobytes() + places.tobytes()
            rest = content + _digest(entry, content)
            try:
                file.seek(0)
                file.truncate(0)
                # A disk that fills up accepts a part; the next write raises the error.
                while rest:
                    rest = rest[file.write(rest) :]
            except OSError as error:
                # A partial entry wastes space.
                with contextlib.suppress(OSError):
                    os.unlink(entry)
                self._stop_writing(error)
            return face

    def _prepare_folder(self, entry: str) -> bool:
        """Create the folder of an entry, and remove any link or special file in its place; False if that fails."""
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
            # Writing to a hard link would change the file under both names.
            os.unlink(entry)
        return True

    def _stop_writing(self, error: Exception) -> None:
        """Stop writing, and warn."""
        self.writable = False
        reason = str(error)
        # The system's messages, such as "File exists", do not help here.
        if self.folder and os.path.lexists(self.folder) and not os.path.isdir(self.folder):
            reason = "it is a broken link" if not os.path.exists(self.folder) else "it is not a folder"
        warnings.warn(
            f"FaceLoader: cache={self.folder!r} cannot be written ({reason}). Photos that are not in it are decoded "
            "each time. Free some space, or pass another folder.",
            DatasetWarning,
            stacklevel=2,
        )


def _digest(entry: str, content: bytes) -> bytes:
    """Compute a digest of the content and the entry's name, which identifies its face."""
    return hashlib.sha256(os.fsencode(os.path.basename(entry)) + content).digest()


def name_detector(detector: str | Callable[..., Any] | None) -> str | None:
    """Return a key for a detector: module and name of a function, and the content of other objects."""
    if not callable(detector):
        return detector
    if inspect.isroutine(detector) and not inspect.ismethod(detector):
        return f"{detector.__module__}.{detector.__qualname__}"
    return f"{type(detector).__module__}.{type(detector).__qualname__}:{joblib.hash(detector)}"
