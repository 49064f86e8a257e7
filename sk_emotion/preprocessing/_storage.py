"""Keep faces on disk: in a cache of one file per face, or in a Zarr array, whose writing can be resumed."""

import contextlib
import hashlib
import inspect
import math
import os
import stat
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import joblib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..exceptions import DatasetError, DatasetWarning, ImageReadError, MissingDependencyError
from ..utils._files import lock_file, open_regular
from ._detect import N_LANDMARKS
from ._sources import read_source

# Part of every key: increment it when the same parameters yield other pixels, or when the layout of entries changes.
_FORMAT = 6

# Seconds to wait for the lock of another worker; that of a killed worker is released at once.
_PATIENCE = 5.0

_DIGEST_SIZE = hashlib.sha256().digest_size
# Box and landmarks.
_PLACES = 8 * (4 + 2 * N_LANDMARKS)

_KEY = "sk_emotion"

# Faces do not compress well: zstd saves 1 % of FER2013. So chunks are uncompressed, and of about this size.
_CHUNK_BYTES = 2**20

NOT_MADE, SEEN, UNSEEN, UNREAD = range(4)
"""Status of an image: not processed; face detected; no face detected; cannot be read, and is blank."""


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
    invalid. Links, pipes, devices and folders are never used as entries, followed or waited for. The folder is created
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

    def load(self, sources: Iterable[Any], make: Callable[[Any], Face]) -> list[Face | ImageReadError]:
        """Return the faces of images from the cache, or compute them and cache those of files.

        `make` returns the face of one image, or raises an ImageReadError, which is then returned in its place.
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
            key = f"{_identify_file(source)}\0{self.parameters}"
        except (OSError, ValueError):
            return None
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


def read_unread(group: Any) -> dict[int, str]:
    """Read the reasons why some images cannot be read."""
    unread: Any = group.attrs.get("unread", {})
    try:
        return {int(index): str(reason) for index, reason in unread.items()}
    except (AttributeError, ValueError) as error:
        raise _damaged(group.store, "its list of unreadable images") from error


def open_store(store: Any, shape: tuple[int, ...], identity: dict[str, Any]) -> Any:
    """Open the Zarr group of an interrupted or finished run, or create one, for faces of one shape and identity.

    Its arrays are ``images`` and ``status``. Raise a DatasetError if it holds something else, or a part of it is
    damaged, a link, a pipe or a device.
    """
    try:
        import zarr
    except ImportError as error:
        raise MissingDependencyError(
            'FaceLoader.to_zarr needs zarr, which is not installed. Install it: pip install "sk-emotion[zarr]".'
        ) from error

    _check_files(store)
    try:
        group = zarr.open_group(store, mode="a")
        # A run that was killed before it began leaves no key, too.
        if _KEY not in group.attrs and not any(True for _ in group.keys()):  # noqa: SIM118 - a group is no dict
            group.attrs[_KEY] = identity
    except (ValueError, TypeError, KeyError, OSError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise DatasetError(f"FaceLoader.to_zarr: {store} cannot be opened ({reason}). Choose another store.") from error
    found: Any = group.attrs.get(_KEY)
    found = found if isinstance(found, dict) else {}
    other = [name for name, value in identity.items() if found.get(name) != value]
    if other:
        raise DatasetError(
            f"FaceLoader.to_zarr: {store} was not written by to_zarr, or with other {' and '.join(other)}. Choose "
            "another store, or delete it."
        )
    rows = max(1, 2 ** int(np.log2(max(1, _CHUNK_BYTES / np.prod(shape[1:])))))
    chunks = (min(rows, shape[0]), *shape[1:])
    arrays = {"images": (shape, chunks), "status": (shape[:1], chunks[:1])}
    for name, (whole, part) in arrays.items():
        try:
            if name not in group:
                group.create_array(name, shape=whole, chunks=part, dtype="uint8", compressors=None)
            array: Any = group[name]
            # Other codecs may run code, and other chunks hold other faces.
            plain = not (array.compressors or array.filters or array.shards) and array.metadata.zarr_format == 3
            if not plain or (array.shape, array.chunks, array.dtype) != (whole, part, np.uint8):
                raise ValueError("It has another kind, shape or dtype.")
        except (AttributeError, ValueError, TypeError, KeyError, OSError) as error:
            raise _damaged(store, f"its array {name!r}") from error
    return group


def _check_files(store: Any) -> None:
    """Reject a folder that contains anything but folders and regular files: links and pipes lead elsewhere."""
    root = _find_folder(store)
    for folder, folders, files in os.walk(root) if root and os.path.isdir(root) else ():
        for name in folders + files:
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
                raise _damaged(store, f"{os.path.relpath(path, root)!r}, a link, a pipe or a device,")


def _find_folder(store: Any) -> str | None:
    """Return the folder of a store; None if it is not on disk."""
    root = store if isinstance(store, str | os.PathLike) else getattr(store, "root", None)
    return os.fsdecode(root) if isinstance(root, str | os.PathLike) else None


def _damaged(store: Any, what: str) -> DatasetError:
    return DatasetError(
        f"FaceLoader.to_zarr: {what} in {store} was not written by to_zarr. Delete the store, or choose another."
    )


def _find_status(group: Any, images: Any) -> NDArray[np.uint8]:
    """Read the status of each image; faces of missing or incomplete chunks count as not processed."""
    try:
        status = np.asarray(group["status"][:])
        if status.max(initial=0) > UNREAD:
            raise ValueError("It has an unknown status.")
    except (ValueError, OSError) as error:
        raise _damaged(group.store, "its array 'status'") from error
    root, rows = _find_folder(group.store), images.chunks[0]
    for number, start in enumerate(range(0, len(status), rows)) if root else ():
        path = Path(root or "", images.path, images.metadata.encode_chunk_key((number, *[0] * (images.ndim - 1))))
        # Zarr does not write chunks of zeros.
        if not path.exists() and (status[start : start + rows] == UNREAD).all():
            continue
        if not path.exists() or path.stat().st_size != math.prod(images.chunks):
            status[start : start + rows] = NOT_MADE
    return status


def write_faces(
    group: Any, pictures: Sequence[Any], make: Callable[[Sequence[Any], int], list[Face | ImageReadError]]
) -> NDArray[np.uint8]:
    """Write the missing faces, which `make` makes of some images, from the given index on; return all statuses."""
    images = group["images"]
    status = _find_status(group, images)
    for start in range(0, len(pictures), images.chunks[0]):
        part = slice(start, min(start + images.chunks[0], len(pictures)))
        if status[part].all():
            continue
        made = make(pictures[part], start)
        faces = np.zeros((len(made), *images.shape[1:]), dtype=np.uint8)
        errors = {}
        for row, face in enumerate(made):
            if isinstance(face, ImageReadError):
                status[start + row] = UNREAD
                errors[start + row] = str(face)
            else:
                faces[row] = face.image
                status[start + row] = SEEN if face.found else UNSEEN
        try:
            images[part] = faces
            if errors:
                group.attrs["unread"] = {str(index): why for index, why in {**read_unread(group), **errors}.items()}
            # Written last, so that faces of an interrupted run are recomputed.
            group["status"][part] = status[part]
        except OSError as error:
            raise DatasetError(
                f"FaceLoader.to_zarr: {group.store} cannot be written ({error.strerror or error}). Free some "
                "space; the same call then computes the missing faces."
            ) from error
    return status


def _identify_file(path: str | os.PathLike[str]) -> str:
    state = os.stat(path)
    # os.fsdecode yields the same for a str and a Path.
    return f"{os.path.abspath(os.fsdecode(path))}\0{state.st_size}\0{state.st_mtime_ns}"


def identify_pictures(pictures: Sequence[Any], channel_order: str) -> str:
    """Compute an identifier of images: files by path, size and modification time, others by content."""
    digest = hashlib.sha256()
    for picture in pictures:
        if isinstance(picture, str | os.PathLike):
            try:
                identity = _identify_file(picture)
            except (OSError, ValueError):
                identity = f"{os.path.abspath(os.fsdecode(picture))}\0"
        elif isinstance(picture, bytes | np.ndarray | Image.Image):
            is_swapped = isinstance(picture, np.ndarray) and picture.ndim == 3 and channel_order != "rgb"
            identity = joblib.hash(picture) + (f"\0{channel_order}" if is_swapped else "")
        else:
            try:
                identity = joblib.hash(read_source(picture, None))
            except ImageReadError as error:
                identity = str(error)
        digest.update(os.fsencode(identity) + b"\0")
    return digest.hexdigest()
