"""Write faces to a Zarr array, chunk by chunk, so that an interrupted run can be resumed."""

import hashlib
import math
import os
import stat
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .._images._stored import as_indexable
from ..exceptions import DatasetError, ImageArrayError, ImageReadError, MissingDependencyError
from ..utils._arrays import as_numpy
from ._cache import Face
from ._faces import as_size, find_face_shape, find_ranges, list_cache_parameters, load_each, load_face
from ._sources import list_pictures, read_source, refuse_missing, report_unread

_KEY = "sk_emotion"

# Faces do not compress well: zstd saves 1 % of FER2013. So chunks are uncompressed, and of about this size.
_CHUNK_BYTES = 2**20

NOT_MADE, SEEN, UNSEEN, UNREAD = range(4)
"""Status of an image: not processed; face detected; no face detected; cannot be read, and is blank."""


class FaceStore(NamedTuple):
    """Zarr group of the faces, the status of each image, and the reasons why some cannot be read."""

    group: Any
    images: Any
    status: Any

    def unread(self) -> dict[int, str]:
        unread: Any = self.group.attrs.get("unread", {})
        try:
            return {int(index): str(reason) for index, reason in unread.items()}
        except (AttributeError, ValueError) as error:
            raise _damaged(self.group.store, "its list of unreadable images") from error


def _open_store(store: Any, shape: tuple[int, ...], identity: dict[str, Any]) -> FaceStore:
    """Open the store of an interrupted or finished run, or create a new one.

    Parameters
    ----------
    store : str, PathLike or zarr store
    shape : tuple of int
        Shape of all faces, ``(n, height, width)`` or ``(n, height, width, 3)``.
    identity : dict
        Plain values that identify these faces.

    Raises
    ------
    MissingDependencyError
        If zarr is not installed.
    DatasetError
        If it already holds something else, or a part of it is damaged, a link, a pipe or a device.
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
            fits = plain and (array.shape, array.chunks, array.dtype) == (whole, part, np.uint8)
        except (AttributeError, ValueError, TypeError, KeyError, OSError) as error:
            raise _damaged(store, f"its array {name!r}") from error
        if not fits:
            raise _damaged(store, f"its array {name!r}")
    return FaceStore(group, group["images"], group["status"])


def _check_files(store: Any) -> None:
    """Reject a folder that contains anything but folders and regular files: links and pipes lead elsewhere."""
    root = _find_folder(store)
    for folder, folders, files in os.walk(root) if root and os.path.isdir(root) else ():
        for name, expected in [*((name, stat.S_ISDIR) for name in folders), *((name, stat.S_ISREG) for name in files)]:
            path = os.path.join(folder, name)
            if not expected(os.lstat(path).st_mode):
                raise _damaged(store, f"{os.path.relpath(path, root)!r}, a link, a pipe or a device,")


def _find_folder(store: Any) -> str | None:
    """Return the folder of a store; None if it is not on disk."""
    root = store if isinstance(store, str | os.PathLike) else getattr(store, "root", None)
    return os.fsdecode(root) if isinstance(root, str | os.PathLike) else None


def _damaged(store: Any, what: str) -> DatasetError:
    return DatasetError(
        f"FaceLoader.to_zarr: {what} in {store} was not written by to_zarr. Delete the store, or choose another."
    )


def _find_status(store: FaceStore) -> NDArray[np.uint8]:
    """Read the status of each image; faces of missing or incomplete chunks count as not processed."""
    try:
        status = np.asarray(store.status[:])
    except (ValueError, OSError) as error:
        raise _damaged(store.group.store, "its array 'status'") from error
    if status.max(initial=0) > UNREAD:
        raise _damaged(store.group.store, "its array 'status'")
    root, rows = _find_folder(store.group.store), store.images.chunks[0]
    for number, start in enumerate(range(0, len(status), rows)) if root else ():
        key = store.images.metadata.encode_chunk_key((number, *[0] * (store.images.ndim - 1)))
        path = Path(root or "", store.images.path, key)
        # Zarr does not write chunks of zeros.
        if not path.exists() and (status[start : start + rows] == UNREAD).all():
            continue
        if not path.exists() or path.stat().st_size != math.prod(store.images.chunks):
            status[start : start + rows] = NOT_MADE
    return status


def store_faces(loader: Any, X: Any, store: Any) -> Any:
    """Write the faces of images to a Zarr array, as :meth:`FaceLoader.to_zarr` does."""
    X = as_numpy(X, "FaceLoader")
    pictures = list_pictures(X)
    if pictures is None:
        raise ImageArrayError("FaceLoader.to_zarr: X is numeric, expected images: paths, bytes or PIL images.")
    identity = {
        "pictures": _identify_pictures(pictures, loader.channel_order),
        "image_size": list(as_size(loader.image_size)),
        "color": loader.color,
        "detector, margin or on_missing": list(list_cache_parameters(loader)),
    }
    opened = _open_store(store, (len(pictures), *find_face_shape(loader)), identity)
    tops = find_ranges(loader, pictures)

    def make(part: Any, start: int) -> list[Face | ImageReadError]:
        faces = load_each(loader, part, partial(load_face, loader=loader, tops=tops))
        if loader.on_error == "raise":
            errors = {start + row: face for row, face in enumerate(faces) if isinstance(face, ImageReadError)}
            report_unread(errors, pictures, "raise")
        return faces

    status = _write_faces(opened, pictures, make)
    unread = opened.unread()
    report_unread(unread, pictures, loader.on_error, stacklevel=4)
    if loader.detector is not None and loader.on_missing == "raise":
        refuse_missing(np.flatnonzero(status != SEEN).tolist(), unread, pictures)
    return as_indexable(opened.images)


def _write_faces(
    store: FaceStore, pictures: Sequence[Any], make: Callable[[Sequence[Any], int], list[Face | ImageReadError]]
) -> NDArray[np.uint8]:
    """Write the missing faces; return the status of each image.

    Parameters
    ----------
    store : FaceStore
    pictures : sequence
    make : callable
        Called with some images and the index of the first; returns a face or an error for each.
    """
    status = _find_status(store)
    for start in range(0, len(pictures), store.images.chunks[0]):
        part = slice(start, min(start + store.images.chunks[0], len(pictures)))
        if status[part].all():
            continue
        made = make(pictures[part], start)
        faces = np.zeros((len(made), *store.images.shape[1:]), dtype=np.uint8)
        errors = {}
        for row, face in enumerate(made):
            if isinstance(face, ImageReadError):
                status[start + row] = UNREAD
                errors[start + row] = str(face)
            else:
                faces[row] = face.image
                status[start + row] = SEEN if face.found else UNSEEN
        try:
            store.images[part] = faces
            if errors:
                store.group.attrs["unread"] = {str(index): why for index, why in {**store.unread(), **errors}.items()}
            # Written last, so that faces of an interrupted run are recomputed.
            store.status[part] = status[part]
        except OSError as error:
            raise DatasetError(
                f"FaceLoader.to_zarr: {store.group.store} cannot be written ({error.strerror or error}). Free some "
                "space; the same call then computes the missing faces."
            ) from error
    return status


def _identify_pictures(pictures: Sequence[Any], channel_order: str) -> str:
    """Compute an identifier of images: files by path, size and modification time, others by content."""
    digest = hashlib.sha256()
    for picture in pictures:
        if isinstance(picture, str | os.PathLike):
            path = os.path.abspath(os.fsdecode(picture))
            try:
                state = os.stat(path)
                identity = f"{path}\0{state.st_size}\0{state.st_mtime_ns}"
            except (OSError, ValueError):
                identity = f"{path}\0"
        else:
            identity = _hash_content(picture, channel_order)
        digest.update(os.fsencode(identity) + b"\0")
    return digest.hexdigest()


def _hash_content(picture: Any, channel_order: str) -> str:
    if isinstance(picture, np.ndarray) and picture.ndim == 3 and channel_order != "rgb":
        return f"{joblib.hash(picture)}\0{channel_order}"
    if isinstance(picture, bytes | np.ndarray | Image.Image):
        return joblib.hash(picture)
    try:
        return joblib.hash(read_source(picture, None))
    except ImageReadError as error:
        return str(error)
