"""The numbers of a report: scores of the test set and of its subsets, and the confusion matrix."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..utils._labels import check_same_length
from ._scoring import (
    Scores,
    average_classes,
    count_confusions,
    draw_resamples,
    find_interval,
    mean_known,
    rank_images,
    score_classes,
    score_predictions,
)

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


def tabulate_scores(
    true: NDArray[Any],
    predicted: NDArray[Any],
    y_score: NDArray[np.float64] | None,
    classes: NDArray[Any],
    positive: int | None,
    units: NDArray[Any] | None,
    n_resamples: int,
    confidence_level: float,
    random_state: np.random.RandomState,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compute overall and per-class scores with bootstrap intervals; `units` are resampled as a whole."""
    rankings = None if y_score is None else rank_images(true, y_score)

    def score(weight: NDArray[np.float64]) -> tuple[Scores, Scores]:
        return score_predictions(weight, true, predicted, rankings, len(classes), positive)

    overall, per_class = score(np.ones((1, len(true))))
    drawn = [score(weight) for weight in draw_resamples(len(true), units, n_resamples, random_state)]

    def interval(part: int, name: str, value: NDArray[np.float64]) -> NDArray[np.float64]:
        draws = [np.full_like(value, np.nan), *(scores[part][name] for scores in drawn)]
        return find_interval(np.concatenate(draws), confidence_level)

    rows = {name: [value[0], *interval(0, name, value)] for name, value in overall.items()}
    columns = {name: value[0] for name, value in per_class.items()}
    low, high = interval(1, "f1", per_class["f1"])
    table = pd.DataFrame(columns, index=pd.Index(classes, name="class")).astype({"support": int})
    table.insert(3, "f1_low", low)
    table.insert(4, "f1_high", high)
    return pd.DataFrame(rows, index=["value", "low", "high"]).T, table


def tabulate_confusions(true: NDArray[Any], predicted: NDArray[Any], classes: NDArray[Any]) -> pd.DataFrame:
    """Compute the confusion matrix, with true classes in rows."""
    counts = count_confusions(np.ones((1, len(true))), true, predicted, len(classes))[0]
    return pd.DataFrame(
        counts.astype(int), index=pd.Index(classes, name="true"), columns=pd.Index(classes, name="predicted")
    )


def append_averages(per_class: pd.DataFrame, scores: pd.DataFrame, n_samples: int) -> pd.DataFrame:
    """Append the averages over the classes to their table."""
    known = per_class.dropna(subset=["f1"])
    macro = known.mean()
    weighted = pd.Series({name: _average(column, known["support"]) for name, column in known.items()})
    averages = pd.DataFrame({"macro avg": macro, "weighted avg": weighted}).T
    averages["support"] = n_samples
    # The mean of interval bounds is not the bound of an interval.
    averages[["f1_low", "f1_high"]] = np.nan
    for row, score in (("macro avg", "f1_macro"), ("weighted avg", "f1_weighted")):
        averages.loc[row, ["f1_low", "f1_high"]] = scores.loc[score, ["low", "high"]].to_numpy()
    return pd.concat([per_class, averages]).astype({"support": int})


def _average(scores: pd.Series, support: pd.Series) -> float:
    """Average over the classes with a score, weighted by support; NaN without any."""
    known = scores.notna() & (support > 0)
    return float(np.average(scores[known], weights=support[known])) if known.any() else float("nan")


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
        labels, entries = ("y_true", n_samples, "labels"), (f"column {name!r} of metadata", len(values), "entries")
        check_same_length("EmotionReport", labels, entries, "one entry per image")
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
            draws = (n_classes, n_resamples, confidence_level, random_state)
            rows.append([column, value, int(inside.sum()), *_score(true[inside], predicted[inside], units, *draws)])
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


def _score(
    true: NDArray[Any],
    predicted: NDArray[Any],
    units: NDArray[Any] | None,
    n_classes: int,
    n_resamples: int,
    confidence_level: float,
    random_state: np.random.RandomState,
) -> list[float]:
    """Return accuracy and macro F1 over the classes present, each with the bounds of its interval."""
    weights = [np.ones((1, len(true))), *draw_resamples(len(true), units, n_resamples, random_state)]
    confusions = np.concatenate([count_confusions(weight, true, predicted, n_classes) for weight in weights])
    scores = score_classes(confusions)
    f1 = mean_known(np.where(scores["support"] > 0, scores["f1"], np.nan))
    result = []
    for values in (average_classes(confusions, scores)["accuracy"], f1):
        result += [float(values[0]), *map(float, find_interval(values[1:], confidence_level))]
    return result
