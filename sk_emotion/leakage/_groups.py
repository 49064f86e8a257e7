"""Groups of images that belong together, and groups that occur on both sides of a split."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from .._images._stored import as_indexable, is_stored
from ..exceptions import DatasetError, LabelError
from ..preprocessing._sources import list_pictures
from ..utils._arrays import as_numpy
from ..utils._text import name_some
from ._duplicates import find_duplicates, number_looks
from ._thumbnails import read_thumbnails, thumbnails_of_array

# All pairs of 28,000 faces take 7 seconds on one core, and time grows quadratically: above this number, only equal
# images are found.
_MOST_COMPARED = 40_000

# Fewer bits than the default of find_duplicates: of 900 generated faces, some pairs of different people match within
# 12 bits, none within 8, where four fifths of FER2013's copies are found. Here, a false alarm costs more than a miss.
_MAX_DISTANCE = 8

# Smaller images may look similar by chance, and short rows of numbers may be equal by chance.
_LEAST_SIDE = 16


def extract_groups(
    names: Sequence[str], groups: str | re.Pattern[str] | Mapping[str, Any] | None
) -> NDArray[Any] | None:
    """Extract the group of each image from its name, with ``/`` between folders.

    `groups` maps paths or file names to groups, or is a regular expression, whose group named ``person``, or else first
    group, or else match is used.
    """
    if groups is None:
        return None
    if isinstance(groups, Mapping):
        what = "the mapping"
        found = [groups.get(name, groups.get(name.rsplit("/", 1)[-1])) for name in names]
    else:
        what = f"the pattern {groups!r}"
        try:
            pattern = re.compile(groups)
        except re.error as error:
            raise DatasetError(
                f"load_face_folder: groups={groups!r} is not a valid regular expression ({error}). "
                "Pass one, a mapping, 'duplicates' or None."
            ) from error
        part: str | int = "person" if "person" in pattern.groupindex else min(pattern.groups, 1)
        matches = map(pattern.search, names)
        found = [match[part] if match else None for match in matches]
    without = [name for name, group in zip(names, found, strict=True) if group is None]
    if without:
        raise DatasetError(
            f"load_face_folder: groups: {what} has no group for {len(without)} of {len(names)} photos: "
            f"{name_some(without)}. Add them, or pass groups='duplicates' or None."
        )
    return np.array(found)


def find_label_conflicts(y: ArrayLike, duplicates: ArrayLike) -> list[NDArray[np.intp]]:
    """Find images that have a duplicate with another label.

    Parameters
    ----------
    y : array-like of shape (n,)
        Labels.
    duplicates : array-like of int of shape (n,)
        Groups of duplicates, as :func:`find_duplicates` returns them.

    Returns
    -------
    list of ndarray of int
        Rows of each group of duplicates with different labels.

    Examples
    --------
    >>> from sk_emotion.leakage import find_label_conflicts
    >>> [rows.tolist() for rows in find_label_conflicts(["joy", "joy", "fear", "fear"], [0, 1, 1, 2])]
    [[1, 2]]
    """
    copies = np.asarray(duplicates)
    n_labels = pd.Series(np.asarray(y)).groupby(copies).nunique(dropna=False)
    return [np.flatnonzero(copies == group) for group in n_labels.index[n_labels > 1]]


def describe_label_conflicts(names: Sequence[str], conflicts: Sequence[NDArray[np.intp]]) -> list[str]:
    """Describe the result of :func:`find_label_conflicts` in a list with one sentence; empty without conflicts."""
    if not conflicts:
        return []
    listed = "; ".join(" and ".join(repr(str(names[row])) for row in rows) for rows in conflicts)
    return [
        f"{sum(map(len, conflicts))} photos are near-duplicates of photos with another label: {listed}. "
        "Check them: one of the labels may be wrong."
    ]


def resolve_groups(groups: Any, images: Any, owner: str) -> Any:
    """Replace "duplicates" by groups of near-duplicates, or of equal rows; return other groups as they are."""
    if not isinstance(groups, str):
        return groups
    if groups != "duplicates":
        raise LabelError(f"{owner}: groups={groups!r}, expected one group per sample, 'duplicates' or None.")
    rows = _as_array(images)
    equal_rows = number_copies(rows) if isinstance(rows, np.ndarray) and rows.ndim == 2 else None
    return find_duplicates(images) if equal_rows is None else equal_rows


def number_copies(*collections: Any, n_jobs: int | None = None) -> NDArray[np.int64] | None:
    """Number the images of several collections, one after the other, so that copies share a number.

    Among small images and rows of numbers, only equal ones are copies. None if collections cannot be compared.
    """
    parts = [_make_looks(X, n_jobs) for X in collections]
    looks = [look for part in parts if part is not None for look in part]
    forms = {(look.shape, look.dtype) for look in looks if isinstance(look, np.ndarray)}
    comparable = all(part is not None for part in parts) and len(forms) == 1
    return number_looks(looks, _MAX_DISTANCE, _MOST_COMPARED) if comparable else None


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
