"""Write faces to a Zarr array; an interrupted run can be resumed."""

import hashlib
import math
import os
import stat
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.base import BaseEstimator

from .._images._stored import as_indexable
from ..exceptions import DatasetError, ImageArrayError, ImageReadError, MissingDependencyError
from ..utils._arrays import as_numpy
from ._cache import Face, identify_file
from ._detect import warn_of_former
from ._faces import as_size, find_face_shape, find_ranges, list_cache_parameters, load_each, load_face
from ._sources import list_pictures, read_source, refuse_missing, report_unread

_KEY = "sk_emotion"

# Faces do not compress well: zstd saves 1 % of FER2013. So chunks are uncompressed, and of about this size.
_CHUNK_BYTES = 2**20

# Status of an image: not processed; face detected; no face detected; cannot be read, and is blank.
NOT_MADE, SEEN, UNSEEN, UNREAD = range(4)


class ZarrWriterMixin(BaseEstimator):
    """Mixin for :class:`FaceLoader` that writes faces to a Zarr array."""

    def to_zarr(self, X: Any, store: Any) -> Any:
        """Write the largest face of each image to a Zarr array once, for more images than fit into memory.

        Faces are computed and written in batches of some hundred. After an interruption (even ``kill -9``), the same
        call computes the missing faces only; when all are written, it just opens the array. `fit` is not required.

        Parameters
        ----------
        X : sequence of images
            Paths, bytes, file objects, PIL images or arrays.
        store : str, PathLike or zarr store
            A folder to create, for example ``"faces.zarr"``. It holds the arrays ``images`` and ``status``: 1 where a
            face was detected, 2 where none was, 3 for images that cannot be read. Its attribute ``unread`` maps the
            positions of these to the reasons.

        Returns
        -------
        zarr.Array of shape (n_samples, height, width) or (n_samples, height, width, 3)
            uint8, in uncompressed chunks of up to 1 MB. It supports the indexing of a memory-map, so that
            scikit-learn's splitters and searches accept it. Open it again with :func:`~sk_emotion.open_faces`; a plain
            array of ``zarr.open_array("faces.zarr/images")`` is accepted by scikit-learn only as a whole.

        Raises
        ------
        ImageReadError
            If an image cannot be read and ``on_error="raise"``. The faces before it are written: the same call
            continues with ``on_error="blank"``.
        FaceNotFoundError
            If no face is detected in an image and ``on_missing="raise"``. All faces are written by then.
        ImageArrayError
            If X is a numeric array.
        DatasetError
            If the store holds something else (faces of other images or parameters, links or pipes), or cannot be
            written.
        MissingDependencyError
            If zarr is not installed. Install it with ``pip install "sk-emotion[zarr]"``.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> from sk_emotion import FaceLoader, make_faces
        >>> faces = [Image.fromarray(face) for face in make_faces(6, random_state=0)[0]]
        >>> X = FaceLoader(image_size=32).to_zarr(faces, Path(tempfile.mkdtemp()) / "faces.zarr")
        >>> X.shape, X[:2].dtype
        ((6, 32, 32), dtype('uint8'))
        """
        self._validate_params()
        warn_of_former(self.detector, stacklevel=2)
        return _store_faces(self, X, store)


def _store_faces(loader: Any, X: Any, store: Any) -> Any:
    """Write the faces of images to a Zarr array, as :meth:`FaceLoader.to_zarr` does."""
    X = as_numpy(X, "FaceLoader")
    pictures = list_pictures(X)
    if pictures is None:
        raise ImageArrayError("FaceLoader.to_zarr: X is numeric, expected images: paths, bytes or PIL images.")
    identity = {
        "pictures": _identify_pictures(pictures, loader.channel_order),
        "image_size": list(as_size(loader.image_size)),
        "color": loader.color,
        "parameters of the detector, align, margin or on_missing": list(list_cache_parameters(loader)),
    }
    group = _open_store(store, (len(pictures), *find_face_shape(loader)), identity)
    tops = find_ranges(loader, pictures)

    def make(part: Any, start: int) -> list[Face | ImageReadError]:
        loaded = load_each(loader, part, partial(load_face, loader=loader, tops=tops))
        faces = [found if isinstance(found, ImageReadError) else found[0] for found in loaded]
        if loader.on_error == "raise":
            errors = {start + row: face for row, face in enumerate(faces) if isinstance(face, ImageReadError)}
            report_unread(errors, pictures, "raise")
        return faces

    status = _write_faces(group, pictures, make)
    unread = _read_unread(group)
    report_unread(unread, pictures, loader.on_error, stacklevel=4)
    if loader.detector is not None and loader.on_missing == "raise":
        refuse_missing(np.flatnonzero(status != SEEN).tolist(), unread, pictures)
    return as_indexable(group["images"])


def _open_store(store: Any, shape: tuple[int, ...], identity: dict[str, Any]) -> Any:
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


def _write_faces(
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
                group.attrs["unread"] = {str(index): why for index, why in {**_read_unread(group), **errors}.items()}
            # Written last, so that faces of an interrupted run are recomputed.
            group["status"][part] = status[part]
        except OSError as error:
            raise DatasetError(
                f"FaceLoader.to_zarr: {group.store} cannot be written ({error.strerror or error}). Free some "
                "space; the same call then computes the missing faces."
            ) from error
    return status


def _read_unread(group: Any) -> dict[int, str]:
    """Read the reasons why some images cannot be read."""
    unread: Any = group.attrs.get("unread", {})
    try:
        return {int(index): str(reason) for index, reason in unread.items()}
    except (AttributeError, ValueError) as error:
        raise _damaged(group.store, "its list of unreadable images") from error


def _identify_pictures(pictures: Sequence[Any], channel_order: str) -> str:
    """Compute an identifier of images: files by path, size and modification time, others by content."""
    digest = hashlib.sha256()
    for picture in pictures:
        if isinstance(picture, str | os.PathLike):
            try:
                identity = identify_file(picture)
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
