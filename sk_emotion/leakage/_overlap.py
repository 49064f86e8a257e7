"""Find images and groups that occur on both sides of a split."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._images._stored import as_indexable, is_stored
from ..exceptions import LabelError
from ..preprocessing._sources import list_pictures
from ..utils._tensors import as_numpy
from ._duplicates import find_duplicates, group_thumbnails, number_equal
from ._thumbnails import SIZE, read_thumbnails, thumbnails_of_array

# All pairs of 28,000 faces take 7 seconds on one core, and time grows quadratically: above this number, only equal
# images are found.
_MOST_COMPARED = 40_000

# Fewer bits than the default of find_duplicates: of 900 generated faces, some pairs of different people match within
# 12 bits, none within 8, where four fifths of FER2013's copies are found. Here, a false alarm costs more than a miss.
_MAX_DISTANCE = 8

# Smaller images may look similar by chance, and short rows of numbers may be equal by chance.
_LEAST_SIDE = 16


def resolve_groups(groups: Any, images: Any, owner: str) -> Any:
    """Replace "duplicates" by groups of near-duplicates, or of equal rows; return other groups as they are.

    Raises
    ------
    LabelError
        If `groups` is another string.
    """
    if not isinstance(groups, str):
        return groups
    if groups != "duplicates":
        raise LabelError(f"{owner}: groups={groups!r}, expected one group per sample, 'duplicates' or None.")
    rows = _as_array(images)
    equal_rows = number_copies(rows) if isinstance(rows, np.ndarray) and rows.ndim == 2 else None
    return find_duplicates(images) if equal_rows is None else equal_rows


def number_copies(*collections: Any, n_jobs: int | None = None) -> NDArray[np.int64] | None:
    """Number the images of several collections, one after the other, so that copies share a number.

    For images (files or arrays), near-duplicates are found as in :func:`find_duplicates`, except for some tight
    crops; among more than 40,000 images, images below 16 pixels, and rows of 256 numbers or more, only equal ones.
    Images that cannot be read have no copies.

    Returns
    -------
    ndarray of shape (n,), dtype=int64; or None
        None if a collection contains something else, or the collections cannot be compared with each other.
    """
    parts = [_make_looks(X, n_jobs) for X in collections]
    looks = [look for part in parts if part is not None for look in part]
    known = np.array([isinstance(look, np.ndarray) for look in looks], dtype=bool)
    seen = [look for look, is_known in zip(looks, known, strict=True) if is_known]
    if any(part is None for part in parts) or len({(look.shape, look.dtype) for look in seen}) != 1:
        return None
    numbers = len(looks) + np.arange(len(looks))
    numbers[known] = number_thumbnails(np.array(seen))
    return numbers


def number_thumbnails(rows: NDArray[Any]) -> NDArray[np.int64]:
    """Number thumbnails so that copies share a number; of many thumbnails, and of other rows, only equal ones do."""
    compared = rows.shape[1:] == (SIZE, SIZE) and len(rows) <= _MOST_COMPARED
    return group_thumbnails(rows, _MAX_DISTANCE) if compared else number_equal(rows)


def find_shared(labels: NDArray[Any], train: NDArray[Any], test: NDArray[Any]) -> NDArray[Any]:
    """Return the rows of the test set whose label occurs in the training set."""
    return test[np.isin(labels[test], labels[train])]


def _as_array(X: Any) -> Any:
    """Return a numeric table, or rows on disk, as an array; anything else as is."""
    X = as_indexable(as_numpy(X, "groups"))
    is_numeric = isinstance(X, pd.DataFrame) and all(dtype.kind in "biuf" for dtype in X.dtypes)
    if is_stored(X) and not _contains_images(X):
        return np.asarray(X)
    return X.to_numpy() if is_numeric else X


def _contains_images(X: Any) -> bool:
    return X.ndim in (3, 4) and min(X.shape[1:3]) >= _LEAST_SIDE


def _make_looks(X: Any, n_jobs: int | None) -> Any:
    """Return a thumbnail per image (or an error), or the rows of X; None if X contains anything else."""
    X = _as_array(X)
    if (isinstance(X, np.ndarray) or is_stored(X)) and X.dtype.kind in "biuf":
        if _contains_images(X):
            return thumbnails_of_array(X)
        rows = X.reshape(len(X), -1)
        return rows if X.ndim > 2 or rows.shape[1] >= _LEAST_SIDE**2 else None
    pictures = list_pictures(X)
    return None if pictures is None else read_thumbnails(pictures, n_jobs)
