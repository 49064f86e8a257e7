"""Scores of subsets of a test set: each group, and each value of a metadata column."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..exceptions import LabelError
from ._resampling import find_interval
from ._scoring import mean_known, score_classes

# Numeric columns with more distinct values are cut into quarters.
_MOST_NUMBERS = 10

# Maximum number of values shown per column, and minimum number of images of each.
_MOST_VALUES, _LEAST_IMAGES = 20, 5

GROUPS = "group"
"""Column name of the groups."""

_MISSING = "missing"

_COLUMNS = [
    "column", "value", "images", "accuracy", "accuracy_low", "accuracy_high", "f1_macro", "f1_macro_low",
    "f1_macro_high",
]  # fmt: skip


def check_metadata(metadata: Any, n_samples: int) -> dict[str, pd.Series]:
    """Return metadata columns by name; check that each has one entry per image."""
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
                f"EmotionReport: y_true has {n_samples} labels, but column {name!r} of metadata has {len(values)} "
                "entries. Pass one entry per image."
            )
    return columns


def score_groups(
    metadata: Mapping[str, pd.Series],
    groups: NDArray[Any] | None,
    true: NDArray[Any],
    predicted: NDArray[Any],
    n_classes: int,
    n_resamples: int,
    confidence_level: float,
    random_state: np.random.RandomState,
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Score each value of each column, and each group.

    Returns
    -------
    per_group : DataFrame
    left_out : dict of str to int
        Number of values without a row, for each column.
    """
    cells = true * n_classes + predicted
    rows, left_out = [], {}
    columns = metadata if groups is None else {**metadata, GROUPS: pd.Series(groups)}
    for column, values in columns.items():
        # A metadata column of the same name is overridden by the groups.
        is_group = groups is not None and column == GROUPS
        named = _name_values(values, binned=not is_group)
        counts = named.value_counts()
        # A stable sort keeps the order of values with the same number of images.
        most = counts[counts >= _LEAST_IMAGES].sort_values(ascending=False, kind="stable")[:_MOST_VALUES]
        left_out[column] = int((counts > 0).sum()) - len(most)
        # Groups have no natural order.
        shown = list(most.index) if is_group else [value for value in counts.index if value in most.index]
        for value in shown:
            inside = np.asarray(named) == value
            # Within a single group, only images can be resampled.
            units = None if groups is None or is_group else groups[inside]
            drawn = _draw_confusions(cells[inside], units, n_classes, n_resamples, random_state)
            rows.append([column, value, int(inside.sum()), *_score(cells[inside], drawn, n_classes, confidence_level)])
    return pd.DataFrame(rows, columns=_COLUMNS), {column: n for column, n in left_out.items() if n}


def _name_values(values: pd.Series, binned: bool) -> "pd.Categorical[Any]":
    """Convert values to ordered categories; numbers may be cut into quarters."""
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
            # Values of mixed types have no natural order.
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
    """Draw bootstrap confusion matrices: resampling images is resampling cells of the matrix."""
    n_cells = n_classes**2
    if units is None:
        counts = np.bincount(cells, minlength=n_cells)
        drawn = random_state.multinomial(len(cells), counts / len(cells), size=n_resamples)
        return drawn.astype(np.float64)
    codes = np.unique(units, return_inverse=True)[1]
    n_units = int(codes.max()) + 1
    if n_units < 2:
        # A single group shows no variation between groups.
        return np.empty((0, n_cells))
    each = np.bincount(codes * n_cells + cells, minlength=n_units * n_cells).reshape(n_units, n_cells)
    drawn = random_state.multinomial(n_units, np.full(n_units, 1 / n_units), size=n_resamples)
    return drawn.astype(np.float64) @ each


def _score(cells: NDArray[Any], drawn: NDArray[np.float64], n_classes: int, confidence_level: float) -> list[float]:
    """Return accuracy and macro F1 over the classes present, each with the bounds of its interval."""
    counts = np.bincount(cells, minlength=n_classes**2)
    confusions = np.vstack([counts, drawn]).reshape(-1, n_classes, n_classes)
    accuracy = np.trace(confusions, axis1=1, axis2=2) / confusions.sum(axis=(1, 2))
    scores = score_classes(confusions)
    f1 = mean_known(np.where(scores["support"] > 0, scores["f1"], np.nan))
    result = []
    for values in (accuracy, f1):
        ends = find_interval(values[1:], confidence_level) if len(drawn) else [np.nan, np.nan]
        result += [float(values[0]), *map(float, ends)]
    return result
