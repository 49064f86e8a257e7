"""Open faces stored in a Zarr array, and iterate in blocks over more images than fit into memory."""

import math
from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, validate_params
from sklearn.utils.validation import check_consistent_length

from .._images._stored import StoredImages, as_indexable, is_stored
from ..exceptions import DatasetError, DatasetNotFoundError, MissingDependencyError
from ..preprocessing._zarr import NOT_MADE
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
    iter_face_blocks : Iterate over them in random order.

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
    opened: Any = store
    name = withhold(str(store), [str(store)])
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
        images: Any = opened.get("images")
        status: Any = opened.get("status")
        if not isinstance(images, zarr.Array):
            raise DatasetError(
                f"open_faces: {opened} has no array named images. Pass a store written by FaceLoader.to_zarr, or an "
                "array."
            )
        if status is not None and (n_missing := int((np.asarray(status[:]) == NOT_MADE).sum())):
            raise DatasetError(
                f"open_faces: {n_missing} of {images.shape[0]} faces are missing. Call FaceLoader.to_zarr again with "
                "the same photos."
            )
        opened = images
    if opened.ndim < 2:
        raise DatasetError(
            f"open_faces: {name} has shape {opened.shape}, expected images as (n, H, W) or (n, H, W, 3)."
        )
    return as_indexable(opened)


@validate_params(
    {
        "X": "no_validation",
        "y": "no_validation",
        "block_size": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def iter_face_blocks(
    X: Any, y: Any, *, block_size: int = 8192, shuffle: bool = True, random_state: Any = None
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Iterate once over images in blocks, for estimators with ``partial_fit`` and images that exceed memory.

    Parameters
    ----------
    X : array-like of shape (n_samples, ...)
        Images in a memory-map or a Zarr array, or in memory.
    y : array-like of shape (n_samples,)
        Labels.
    block_size : int, default=8192
        Maximum number of images per block.
    shuffle : bool, default=True
        Whether to shuffle: all images of a memory-map; otherwise the chunks, and the images within a buffer of chunks
        of about 32 MB, since a chunk is read as a whole.
    random_state : int, RandomState instance or None, default=None
        Controls the order. Pass an int for the same order in each pass.

    Yields
    ------
    X : ndarray of shape (n_block, ...)
        Some of the images, in memory.
    y : ndarray of shape (n_block,)
        Their labels.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import SGDClassifier
    >>> from sk_emotion.datasets import iter_face_blocks, make_faces
    >>> X, y, _ = make_faces(40, emotions=["happiness", "pain"], random_state=0)
    >>> clf = SGDClassifier(random_state=0)
    >>> for faces, emotions in iter_face_blocks(X, y, block_size=16, random_state=0):
    ...     clf = clf.partial_fit(faces.reshape(len(faces), -1) / 255, emotions, classes=np.unique(y))
    """
    X = as_indexable(X)
    check_consistent_length(X, y)
    images: Any = StoredImages(X, X.shape[1:], X.dtype) if is_stored(X) else np.asarray(X)
    labels = np.asarray(y)
    order = np.arange(len(labels))
    if shuffle:
        generator = check_random_state(random_state)
        generator.shuffle(order)
        chunks = images.chunk_numbers() if isinstance(images, StoredImages) else None
        if chunks is not None:
            turn = generator.permutation(chunks[-1] + 1) // images.chunks_at_once
            order = order[np.argsort(turn[chunks[order]], kind="stable")]
    for rows in np.array_split(order, math.ceil(len(order) / block_size)):
        yield images[rows], labels[rows]
