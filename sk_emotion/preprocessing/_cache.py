"""Cache faces on disk, one file per image."""

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
from ._centerface import N_LANDMARKS

# Part of every key: increment it when the same parameters yield other pixels, or when the layout of entries changes.
_FORMAT = 7

# Seconds to wait for the lock of another worker; that of a killed worker is released at once.
_PATIENCE = 5.0

_DIGEST_SIZE = hashlib.sha256().digest_size
# An entry holds the number of its faces in as many bytes; larger numbers are damage.
_COUNT_BYTES, _MOST_FACES = 4, 10_000
# Box, score, landmarks and number of faces, in float64.
_PLACES = 8 * (4 + 1 + 2 * N_LANDMARKS + 1)


class Face(NamedTuple):
    """A face, and the number of faces in its image; without a detected face, box, score and landmarks are NaN.

    `side` is the shorter side of an image in which no face was looked for; the cache does not keep it.
    """

    image: NDArray[Any]
    box: NDArray[np.float64]
    score: float
    landmarks: NDArray[np.float64]
    n_faces: int = 0
    side: float = 0.0

    @property
    def found(self) -> bool:
        return not np.isnan(self.box[0])


class FaceCache:
    """Cache of faces, keyed by path, size and modification time of the file and by the loader's parameters.

    Threads and processes may share a folder: an entry is locked while it is written. It holds the faces of one image,
    their places, and a digest of all and of its name, so that a partial entry, or that of another image, is invalid.
    Links, pipes, devices and folders are never used as entries, followed or waited for. The folder is created
    on the first write, with 256 subfolders; None disables the cache.
    """

    def __init__(
        self, folder: str | os.PathLike[str] | None, shape: tuple[int, ...], parameters: tuple[Any, ...]
    ) -> None:
        self.folder = None if folder is None else os.fsdecode(folder)
        self.shape = shape
        self.parameters = repr((_FORMAT, shape, parameters))
        self.writable = True
        self.patience = _PATIENCE

    def load(self, sources: Iterable[Any], make: Callable[[Any], list[Face]]) -> list[list[Face] | ImageReadError]:
        """Return the faces of images from the cache, or compute them and cache those of files.

        `make` returns the faces of one image, or raises an ImageReadError, which is then returned in their place.
        """
        faces = [(source, self._load_face(source, make, wait=False)) for source in sources]
        # None means that another worker was computing the faces: they are ready by now, or soon.
        return [face or self._load_face(source, make, wait=True) for source, face in faces]

    def _load_face(self, source: Any, make: Callable[[Any], list[Face]], wait: bool) -> Any:
        """Return the faces of an image or an error; None if another worker is computing them and `wait` is False."""
        entry = self._locate(source)
        try:
            if entry is None:
                return make(source)
            # Compute the faces if their entry cannot be read.
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
            key = f"{identify_file(source)}\0{self.parameters}"
        except (OSError, ValueError):
            return None
        name = hashlib.sha256(os.fsencode(key)).hexdigest()
        return os.path.join(self.folder, name[:2], f"{name[2:]}.face")

    def _read(self, file: IO[bytes], entry: str) -> list[Face] | None:
        """Read an entry; None if it is incomplete, or that of another image."""
        count = file.read(_COUNT_BYTES)
        n_faces, size = int.from_bytes(count), math.prod(self.shape)
        if not 1 <= n_faces <= _MOST_FACES:
            return None
        length = n_faces * (size + _PLACES)
        kept = file.read(length + _DIGEST_SIZE + 1)
        content, digest = kept[:length], kept[length:]
        if digest != _digest(entry, count + content):
            return None
        images = np.frombuffer(content, np.uint8, n_faces * size).reshape(n_faces, *self.shape)
        places = np.frombuffer(content, "<f8", offset=n_faces * size).reshape(n_faces, -1)
        return [
            Face(image, place[:4], place[4], place[5:-1].reshape(N_LANDMARKS, 2), int(place[-1]))
            for image, place in zip(images, places, strict=True)
        ]

    def _make(self, source: Any, make: Callable[[Any], list[Face]], entry: str, wait: bool) -> list[Face] | None:
        """Compute the faces of an image and cache them, unless another worker does."""
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
            # The worker that had the lock before may have written the faces.
            file.seek(0)
            kept = self._read(file, entry)
            if kept is not None:
                return kept
            try:
                faces = make(source)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(entry)
                raise
            places = [np.r_[face.box, face.score, face.landmarks.ravel(), face.n_faces] for face in faces]
            content = len(faces).to_bytes(_COUNT_BYTES) + np.array([face.image for face in faces]).tobytes()
            content += np.array(places, dtype="<f8").tobytes()
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
            return faces

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
    """Compute a digest of the content and the entry's name, which identifies its image."""
    return hashlib.sha256(os.fsencode(os.path.basename(entry)) + content).digest()


def name_detector(detector: str | Callable[..., Any] | None) -> str | None:
    """Return a key for a detector: module and name of a function, and the content of other objects."""
    if not callable(detector):
        return detector
    if inspect.isroutine(detector) and not inspect.ismethod(detector):
        return f"{detector.__module__}.{detector.__qualname__}"
    kind = type(detector)
    # joblib pickles objects to hash them, and a worker process cannot import the classes of a script or notebook.
    content = vars(detector) if kind.__module__ == "__main__" and hasattr(detector, "__dict__") else detector
    return f"{kind.__module__}.{kind.__qualname__}:{joblib.hash(content)}"


def identify_file(path: str | os.PathLike[str]) -> str:
    state = os.stat(path)
    # os.fsdecode yields the same for a str and a Path.
    return f"{os.path.abspath(os.fsdecode(path))}\0{state.st_size}\0{state.st_mtime_ns}"
