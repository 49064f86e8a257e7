"""Faces written to a Zarr array once, chunk by chunk, so that a run that was broken off goes on."""

import hashlib
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import joblib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..exceptions import DatasetError, ImageReadError, MissingDependencyError
from ._cache import Face
from ._sources import read_source

_KEY = "sk_emotion"

# Faces do not shrink by compression: of FER2013, zstd leaves 99 %. So chunks are raw, and of about this size.
_CHUNK_BYTES = 2**20

NOT_MADE, SEEN, UNSEEN, UNREAD = range(4)
"""What is known of a picture: nothing yet; a detector saw its face; none did; it cannot be read, and is blank."""


class FaceStore(NamedTuple):
    """A group with the faces, what is known of each picture, and why some cannot be read."""

    group: Any
    images: Any
    status: Any

    def unread(self) -> dict[int, str]:
        return {int(index): reason for index, reason in self.group.attrs.get("unread", {}).items()}


def open_store(store: Any, shape: tuple[int, ...], identity: dict[str, Any]) -> FaceStore:
    """Open the store of a run that was broken off or had finished, or begin a new one.

    Parameters
    ----------
    store : str, PathLike or zarr store
    shape : tuple of int
        Of all faces, ``(n, height, width)`` or ``(n, height, width, 3)``.
    identity : dict
        Plain values that tell these faces from others.

    Raises
    ------
    MissingDependencyError
        If zarr is not installed.
    DatasetError
        If there is something else already.
    """
    try:
        import zarr
    except ImportError as error:
        raise MissingDependencyError(
            'FaceLoader.to_zarr needs zarr, which is not installed. Install it: pip install "sk-emotion[zarr]".'
        ) from error

    try:
        group = zarr.open_group(store, mode="a")
        # None, too, is what a run leaves that was killed before it began.
        if _KEY not in group.attrs and not any(True for _ in group.keys()):  # noqa: SIM118 - a group is no dict
            group.attrs[_KEY] = identity
    except (ValueError, OSError) as error:
        told = f"{type(error).__name__}: {error}"
        raise DatasetError(f"FaceLoader.to_zarr: {store} cannot be opened ({told}). Choose another store.") from error
    there: Any = group.attrs.get(_KEY, {})
    other = [name for name, value in identity.items() if there.get(name) != value]
    if other:
        raise DatasetError(
            f"FaceLoader.to_zarr: {store} holds faces of other {' and '.join(other)}, or none of to_zarr. Choose "
            "another store, or delete it."
        )
    rows = max(1, 2 ** int(np.log2(max(1, _CHUNK_BYTES / np.prod(shape[1:])))))
    chunks = (min(rows, shape[0]), *shape[1:])
    arrays = {"images": (shape, chunks), "status": (shape[:1], chunks[:1])}
    for name, (whole, part) in arrays.items():
        if name not in group:
            group.create_array(name, shape=whole, chunks=part, dtype="uint8", compressors=None)
    return FaceStore(group, group["images"], group["status"])


def write_faces(
    store: FaceStore, pictures: Sequence[Any], make: Callable[[Sequence[Any], int], list[Face | ImageReadError]]
) -> NDArray[np.uint8]:
    """Write the faces that are not there yet; give what is known of each picture.

    Parameters
    ----------
    store : FaceStore
    pictures : sequence
    make : callable
        Makes the faces of some pictures, of which it is told the index of the first, or an error in place of each.
    """
    status = np.asarray(store.status[:])
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
                faces[row] = face[0]
                status[start + row] = SEEN if face[1] else UNSEEN
        store.images[part] = faces
        if errors:
            store.group.attrs["unread"] = {str(index): why for index, why in {**store.unread(), **errors}.items()}
        # The last to be written: what is killed before it is made again.
        store.status[part] = status[part]
    return status


def identify_pictures(pictures: Sequence[Any], channel_order: str) -> str:
    """Give a name to pictures: files by path, size and modification time, others by content."""
    digest = hashlib.sha256()
    for picture in getattr(pictures, "files", pictures):
        if isinstance(picture, str | os.PathLike):
            path = os.path.abspath(os.fsdecode(picture))
            try:
                state = os.stat(path)
                told = f"{path}\0{state.st_size}\0{state.st_mtime_ns}"
            except (OSError, ValueError):
                told = f"{path}\0"
        else:
            told = _hash_content(picture, channel_order)
        digest.update(os.fsencode(told) + b"\0")
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
