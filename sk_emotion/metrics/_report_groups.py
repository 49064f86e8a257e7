"""Scores of parts of a test set: of each person, or of each value of a column that is known of the images."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..exceptions import LabelError
from ._resampling import find_interval
from ._scoring import mean_known, score_classes

# A numeric column with more values is cut into quarters.
_MOST_NUMBERS = 10

# Values of a column that are shown, and images that one must have: of fewer, a score says nothing.
_MOST_VALUES, _LEAST_IMAGES = 20, 5

GROUPS = "group"
"""Name of the column of persons."""

_MISSING = "missing"

_COLUMNS = [
    "column", "value", "images", "accuracy", "accuracy_low", "accuracy_high", "f1_macro", "f1_macro_low",
    "f1_macro_high",
]  # fmt: skip


def check_metadata(metadata: Any, n_samples: int) -> dict[str, pd.Series]:
    """Give the columns by name, each as long as the images are many."""
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping | pd.DataFrame):
        raise TypeError(
            f"EmotionReport: metadata is a {type(metadata).__name__}, expected a DataFrame or a mapping of columns, as "
            'in metadata={"camera": cameras}.'
        )
    columns = {str(name): pd.Series(np.asarray(values)) for name, values in metadata.items()}
    for name, values in columns.items():
        if len(values) != n_samples:
            raise LabelError(
                f"EmotionReport: there are {n_samples} labels, but column {name!r} of metadata has {len(values)} "
                "entries. Give one an image."
            )
    return columns


def score_groups(
    metadata: Mapping[str, pd.Series],
    persons: NDArray[Any] | None,
    true: NDArray[Any],
    predicted: NDArray[Any],
    n_classes: int,
    n_resamples: int,
    confidence_level: float,
    random_state: np.random.RandomState,
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Score each value of each column, and each person.

    Returns
    -------
    per_group : DataFrame
    left_out : dict of str to int
        For each column, how many of its values have no row.
    """
    cells = true * n_classes + predicted
    rows, left_out = [], {}
    columns = metadata if persons is None else {**metadata, GROUPS: pd.Series(persons)}
    for column, values in columns.items():
        # A column of metadata that has their name is taken for the persons themselves.
        of_persons = persons is not None and column == GROUPS
        named = _name_values(values, binned=not of_persons)
        counts = named.value_counts()
        # A stable sort, for values with as many images.
        most = counts[counts >= _LEAST_IMAGES].sort_values(ascending=False, kind="stable")[:_MOST_VALUES]
        left_out[column] = int((counts > 0).sum()) - len(most)
        # Persons have no order of their own.
        shown = list(most.index) if of_persons else [value for value in counts.index if value in most.index]
        for value in shown:
            inside = np.asarray(named) == value
            # Of one person alone, nothing but images can be drawn.
            units = None if persons is None or of_persons else persons[inside]
            drawn = _draw_confusions(cells[inside], units, n_classes, n_resamples, random_state)
            rows.append([column, value, int(inside.sum()), *_score(cells[inside], drawn, n_classes, confidence_level)])
    return pd.DataFrame(rows, columns=_COLUMNS), {column: n for column, n in left_out.items() if n}


def _name_values(values: pd.Series, binned: bool) -> "pd.Categorical[Any]":
    """Name the value of each image, as categories in their order; numbers may be cut into quarters."""
    known = values.dropna()
    numeric = pd.api.types.is_numeric_dtype(known) and not pd.api.types.is_bool_dtype(known)
    if binned and numeric and known.nunique() > _MOST_NUMBERS:
        quarters = pd.qcut(known, 4, labels=False, duplicates="drop")
        ends = known.groupby(quarters).agg(["min", "max"])
        titles = {quarter: f"{low:.6g} to {high:.6g}" for quarter, low, high in ends.itertuples()}
        names, order = quarters.map(titles), list(titles.values())
    else:
        names = known.map(str)
        try:
            order = [str(value) for value in sorted(known.unique())]
        except TypeError:
            # Values of several types have no order of their own.
            order = sorted(names.unique())
    names = names.reindex(values.index, fill_value=_MISSING)
    return pd.Categorical(names, list(dict.fromkeys([*order, _MISSING])))


def _draw_confusions(
    cells: NDArray[Any],
    units: NDArray[Any] | None,
    n_classes: int,
    n_resamples: int,
    random_state: np.random.RandomState,
) -> NDArray[np.float64]:
    """Give the confusion matrices of resamples: to draw images is to draw cells of the matrix."""
    n_cells = n_classes**2
    if units is None:
        counts = np.bincount(cells, minlength=n_cells)
        drawn = random_state.multinomial(len(cells), counts / len(cells), size=n_resamples)
        return drawn.astype(np.float64)
    codes = np.unique(units, return_inverse=True)[1]
    n_units = int(codes.max()) + 1
    if n_units < 2:
        # One person says nothing of how much people differ.
        return np.empty((0, n_cells))
    each = np.bincount(codes * n_cells + cells, minlength=n_units * n_cells).reshape(n_units, n_cells)
    drawn = random_state.multinomial(n_units, np.full(n_units, 1 / n_units), size=n_resamples)
    return drawn.astype(np.float64) @ each


def _score(cells: NDArray[Any], drawn: NDArray[np.float64], n_classes: int, confidence_level: float) -> list[float]:
    """Give accuracy with both ends of its interval, then macro F1 over the classes that are there."""
    counts = np.bincount(cells, minlength=n_classes**2)
    confusions = np.vstack([counts, drawn]).reshape(-1, n_classes, n_classes)
    accuracy = np.trace(confusions, axis1=1, axis2=2) / confusions.sum(axis=(1, 2))
    scores = score_classes(confusions)
    f1 = mean_known(np.where(scores["support"] > 0, scores["f1"], np.nan))
    told = []
    for values in (accuracy, f1):
        ends = find_interval(values[1:], confidence_level) if len(drawn) else [np.nan, np.nan]
        told += [float(values[0]), *map(float, ends)]
    return told
