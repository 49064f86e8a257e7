"""Iterate in blocks over more images than fit into memory."""

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
        Images in a memory-map, a Zarr array or tar files (``data`` of :func:`load_face_shards`), or in memory.
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
