"""Scores of a test set and of its subsets, with bootstrap intervals.

Predictions are scored with many sets of weights at once: with unit weights, scores equal those of scikit-learn; with
the counts of a bootstrap resample, they are the scores of that resample.
"""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..utils._labels import check_same_length

Scores = dict[str, NDArray[np.float64]]

# Weights per chunk (resamples times images): few enough to fit in the processor's cache.
_CHUNK = 60_000

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
    """Score each value of each column, and each group; also return the number of values left out of each column."""

    def score(inside: NDArray[np.bool_], units: NDArray[Any] | None) -> Iterator[float]:
        """Yield accuracy and macro F1 over the classes present, each with the bounds of its interval."""
        n_inside = int(inside.sum())
        weights = chain([np.ones((1, n_inside))], draw_resamples(n_inside, units, n_resamples, random_state))
        labels = (true[inside], predicted[inside], n_classes)
        confusions = np.concatenate([count_confusions(weight, *labels) for weight in weights])
        scores = score_classes(confusions)
        f1 = mean_known(np.where(scores["support"] > 0, scores["f1"], np.nan))
        for values in (average_classes(confusions, scores)["accuracy"], f1):
            yield from map(float, (values[0], *find_interval(values[1:], confidence_level)))

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
            rows.append([column, value, int(inside.sum()), *score(inside, units)])
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


class Ranking(NamedTuple):
    """Images sorted by the score of a class, the highest first.

    Tied images pass a threshold together, so each image of the class stores where its ties begin and end: the number of
    images with a higher score (`starts`) and with at least its score (`ends`), and of those that belong to the class.
    """

    order: NDArray[np.int64]
    positive: NDArray[np.int64]
    """Positions of the images of the class in the sorted order."""
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    hit_starts: NDArray[np.int64]
    hit_ends: NDArray[np.int64]


def score_predictions(
    weight: NDArray[np.float64],
    true: NDArray[Any],
    predicted: NDArray[Any],
    rankings: list[Ranking] | None,
    n_classes: int,
    positive: int | None,
) -> tuple[Scores, Scores]:
    """Compute overall scores (n_resamples,) and those of each class (n_resamples, n_classes).

    Each row of `weight` is a resample; labels and the `positive` class of a binary problem are codes.
    """
    confusions = count_confusions(weight, true, predicted, n_classes)
    per_class = score_classes(confusions)
    overall = average_classes(confusions, per_class)
    if rankings is not None:
        per_class |= score_rankings(weight, rankings)
    if positive is not None:
        overall |= {name: per_class[name][:, positive] for name in ("f1", "precision")}
        recall = per_class["recall"]
        overall |= {"sensitivity": recall[:, positive], "specificity": recall[:, 1 - positive]}
        if rankings is not None:
            overall |= {name: per_class[name][:, positive] for name in ("roc_auc", "average_precision")}
    elif rankings is not None:
        overall["roc_auc_ovr"] = mean_known(per_class["roc_auc"])
        overall["average_precision_macro"] = mean_known(per_class["average_precision"])
    return overall, per_class


def count_confusions(
    weight: NDArray[np.float64], true: NDArray[Any], predicted: NDArray[Any], n_classes: int
) -> NDArray[np.float64]:
    """Compute a confusion matrix for each row of weights, with true classes in rows."""
    cell = true * n_classes + predicted
    counts = [np.bincount(cell, weights=row, minlength=n_classes**2) for row in weight]
    return np.array(counts, dtype=np.float64).reshape(-1, n_classes, n_classes)


def score_classes(confusions: NDArray[np.float64]) -> Scores:
    """Score each class; values have shape (n_resamples, n_classes), NaN for a class neither true nor predicted."""
    hits = np.diagonal(confusions, axis1=1, axis2=2)
    support, predicted = confusions.sum(axis=2), confusions.sum(axis=1)
    absent = (support == 0) & (predicted == 0)
    return {
        "precision": np.where(absent, np.nan, _divide(hits, predicted)),
        "recall": np.where(absent, np.nan, _divide(hits, support)),
        "f1": np.where(absent, np.nan, _divide(2 * hits, support + predicted)),
        "support": support,
    }


def average_classes(confusions: NDArray[np.float64], scores: Scores) -> Scores:
    """Average the scores over the classes; values have shape (n_resamples,)."""
    support = scores["support"]
    total = support.sum(axis=1)
    hits = np.trace(confusions, axis1=1, axis2=2)
    return {
        "accuracy": hits / total,
        "balanced_accuracy": mean_known(np.where(support > 0, scores["recall"], np.nan)),
        "f1_macro": mean_known(scores["f1"]),
        "f1_weighted": np.nansum(scores["f1"] * support, axis=1) / total,
    }


def rank_images(true: NDArray[Any], score: NDArray[np.float64]) -> list[Ranking]:
    """Sort the images by the score of each class; `true` contains codes of the columns."""
    rankings = []
    for code, column in enumerate(score.T):
        order = np.argsort(-column, kind="stable")
        falling = -column[order]
        positive = np.flatnonzero(true[order] == code)
        mine = falling[positive]
        bounds = [np.searchsorted(scores, mine, side) for scores in (falling, mine) for side in ("left", "right")]
        rankings.append(Ranking(order, positive, *bounds))
    return rankings


def score_rankings(weight: NDArray[np.float64], rankings: list[Ranking]) -> Scores:
    """Compute ROC AUC and average precision of each class against the rest; NaN where either is missing."""
    areas, precisions = zip(*(_score_ranking(weight, ranking) for ranking in rankings), strict=True)
    return {"roc_auc": np.stack(areas, axis=1), "average_precision": np.stack(precisions, axis=1)}


def _score_ranking(weight: Any, ranking: Ranking) -> tuple[Any, Any]:
    sorted_weight = weight[:, ranking.order]
    passed = _sum_up(sorted_weight)
    # Both areas are sums over the images of the class only, a small part of all.
    positive = sorted_weight[:, ranking.positive]
    hits = _sum_up(positive)
    n_positive = hits[:, -1]
    n_negative = passed[:, -1] - n_positive
    passed_at_end, hits_at_end = passed[:, ranking.ends], hits[:, ranking.hit_ends]
    higher = passed[:, ranking.starts] - hits[:, ranking.hit_starts]
    with np.errstate(invalid="ignore", divide="ignore"):
        # Correctly ordered pairs of a positive and a negative image; ties count half.
        below = n_negative[:, np.newaxis] - (higher + passed_at_end - hits_at_end) / 2
        area = np.einsum("ij,ij->i", positive, below) / (n_positive * n_negative)
        precision = _divide(hits_at_end, passed_at_end)
        average_precision = np.einsum("ij,ij->i", positive, precision) / n_positive
    return area, np.where(n_negative > 0, average_precision, np.nan)


def _sum_up(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the cumulative sums of each row, starting at 0."""
    sums = np.zeros((len(weight), weight.shape[1] + 1))
    np.cumsum(weight, axis=1, out=sums[:, 1:])
    return sums


def mean_known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average each row, ignoring NaN; NaN if all values are."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0).sum(axis=1) / known.sum(axis=1)


def _divide(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide with 0 / 0 = 0, as with ``zero_division=0`` in scikit-learn."""
    return np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)


def draw_resamples(
    n_samples: int, groups: NDArray[Any] | None, n_resamples: int, random_state: np.random.RandomState
) -> Iterator[NDArray[np.float64]]:
    """Draw images, or whole groups of them, with replacement.

    Chunks of resamples count how often each image was drawn, in `n_resamples` rows in total.
    """
    units = np.arange(n_samples) if groups is None else np.unique(groups, return_inverse=True)[1]
    n_units = int(units.max()) + 1
    if n_units < 2:
        # A single group shows no variation between groups.
        return
    rows = max(1, _CHUNK // n_samples)
    for start in range(0, n_resamples, rows):
        counts = [
            np.bincount(random_state.randint(n_units, size=n_units), minlength=n_units)
            for _ in range(min(rows, n_resamples - start))
        ]
        yield np.array(counts, dtype=np.float64)[:, units]


def find_interval(values: NDArray[np.float64], confidence_level: float) -> NDArray[np.float64]:
    """Compute the percentile interval over the first axis, without NaN; NaN where all values are."""
    ends = np.full((2, *values.shape[1:]), np.nan)
    known = ~np.isnan(values).all(axis=0)
    tail = (1 - confidence_level) / 2
    if known.any():
        ends[:, known] = np.nanquantile(values[:, known], [tail, 1 - tail], axis=0)
    return ends
