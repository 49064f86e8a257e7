"""Open faces stored in a Zarr array."""

from typing import Any

import numpy as np

from .._images._stored import as_indexable
from ..exceptions import DatasetError, DatasetNotFoundError, MissingDependencyError
from ..preprocessing._store import NOT_MADE
from ..utils._text import withhold


def open_faces(store: Any) -> Any:
    """Open faces written by :meth:`FaceLoader.to_zarr`, or another Zarr array of images, without reading them.

    Parameters
    ----------
    store : str, PathLike, zarr store, zarr.Group or zarr.Array
        The store passed to ``to_zarr``, the array ``images`` in it, or another array.

    Returns
    -------
    zarr.Array of shape (n_samples, height, width) or (n_samples, height, width, 3)
        Read-only, unless a group or an array was passed. It supports the indexing of a memory-map (integers in any
        order, a mask or a slice), so that it can be passed to scikit-learn's functions and to those of this library.

    Raises
    ------
    DatasetNotFoundError
        If the store does not exist.
    DatasetError
        If it holds no array of images, or is incomplete, because ``to_zarr`` was interrupted.
    MissingDependencyError
        If zarr is not installed. Install it with ``pip install "sk-emotion[zarr]"``.

    See Also
    --------
    FaceLoader.to_zarr : Write faces to a Zarr array.
    load_face_shards : Load faces from tar files.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.model_selection import train_test_split
    >>> from sk_emotion import FaceLoader, make_faces, open_faces
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = FaceLoader(image_size=32).to_zarr(list(make_faces(8, random_state=0)[0]), folder / "faces.zarr")
    >>> X = open_faces(folder / "faces.zarr")
    >>> train, test = train_test_split(X, random_state=0)
    >>> X.shape, train.shape, test.shape
    ((8, 32, 32), (6, 32, 32), (2, 32, 32))
    """
    try:
        import zarr
    except ImportError as error:
        raise MissingDependencyError(
            'open_faces needs zarr, which is not installed. Install it: pip install "sk-emotion[zarr]".'
        ) from error
    opened, name = store, withhold(str(store), [str(store)])
    if not isinstance(store, zarr.Array | zarr.Group):
        try:
            opened = zarr.open(store, mode="r")
        except FileNotFoundError:
            raise DatasetNotFoundError(
                f"open_faces: the Zarr store {name} does not exist. Write it with FaceLoader().to_zarr."
            ) from None
        except ImportError as error:
            raise MissingDependencyError(f"open_faces: {name} needs a package that is missing: {error}") from error
        except (ValueError, TypeError, OSError) as error:
            why = withhold(f"{type(error).__name__}: {error}", [str(store)])
            raise DatasetError(f"open_faces: {name} cannot be opened ({why}).") from None
    if isinstance(opened, zarr.Group):
        opened = _find_images(opened, zarr)
    if opened.ndim < 2:
        raise DatasetError(
            f"open_faces: {name} has shape {opened.shape}, expected images as (n, H, W) or (n, H, W, 3)."
        )
    return as_indexable(opened)


def _find_images(group: Any, zarr: Any) -> Any:
    images, status = group.get("images"), group.get("status")
    if not isinstance(images, zarr.Array):
        raise DatasetError(
            f"open_faces: {group} has no array named images. Pass a store written by FaceLoader.to_zarr, or an array."
        )
    n_missing = 0 if status is None else int((np.asarray(status[:]) == NOT_MADE).sum())
    if n_missing:
        raise DatasetError(
            f"open_faces: {n_missing} of {images.shape[0]} faces are missing. Call FaceLoader.to_zarr "
            "again with the same photos."
        )
    return images
