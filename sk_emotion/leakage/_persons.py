"""Read from file names which photos belong together."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exceptions import DatasetError
from ..preprocessing._sources import name_some


def groups_from_names(
    names: Sequence[str], groups: str | re.Pattern[str] | Mapping[str, Any] | None
) -> NDArray[Any] | None:
    """Return the group of each photo.

    Parameters
    ----------
    names : sequence of str
        Paths relative to the data set, with ``/`` between folders.
    groups : str, compiled regular expression, mapping or None
        A regular expression, or a mapping from paths or file names to groups.

    Returns
    -------
    ndarray of shape (len(names),), or None

    Raises
    ------
    DatasetError
        If a name has no group, or if `groups` is not a regular expression.
    """
    if groups is None:
        return None
    found = [_look_up(name, groups) for name in names] if isinstance(groups, Mapping) else _match(names, groups)
    without = [name for name, group in zip(names, found, strict=True) if group is None]
    if without:
        what = "the mapping" if isinstance(groups, Mapping) else f"the pattern {groups!r}"
        raise DatasetError(
            f"load_face_folder: groups: {what} has no group for {len(without)} of {len(names)} photos: "
            f"{name_some(without)}. Add them, or pass groups='duplicates' or None."
        )
    return np.array(found)


def find_contradictions(labels: NDArray[Any], copies: NDArray[Any]) -> list[NDArray[np.intp]]:
    """Find photos that have a copy with another label; return the rows of each group of copies."""
    _, codes = np.unique(labels, return_inverse=True)
    distinct = np.unique(np.stack([copies, codes]), axis=1)
    groups, n_labels = np.unique(distinct[0], return_counts=True)
    return [np.flatnonzero(copies == group) for group in groups[n_labels > 1]]


def describe_contradictions(names: Sequence[str], contradictions: Sequence[NDArray[np.intp]]) -> list[str]:
    """Describe the result of :func:`find_contradictions` in a list with one sentence; empty if there is none."""
    if not contradictions:
        return []
    listed = "; ".join(" and ".join(repr(str(names[row])) for row in rows) for rows in contradictions)
    return [
        f"{sum(map(len, contradictions))} photos are near-duplicates of photos with another label: {listed}. "
        "Check them: one of the labels may be wrong."
    ]


def _look_up(name: str, groups: Mapping[str, Any]) -> Any:
    return groups.get(name, groups.get(name.rsplit("/", 1)[-1]))


def _match(names: Sequence[str], pattern: str | re.Pattern[str]) -> list[str | None]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise DatasetError(
            f"load_face_folder: groups={pattern!r} is not a valid regular expression ({error}). "
            "Pass one, a mapping, 'duplicates' or None."
        ) from error
    part: str | int = "person" if "person" in compiled.groupindex else min(compiled.groups, 1)
    matches = (compiled.search(name) for name in names)
    return [match[part] if match else None for match in matches]
