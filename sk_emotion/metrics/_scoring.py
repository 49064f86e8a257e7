"""Bootstrap, and scores of weighted predictions for many sets of weights at once.

With unit weights, they equal scikit-learn's functions of the same names; with the counts of a bootstrap resample, they
are the scores of that resample.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Scores = dict[str, NDArray[np.float64]]

# Weights per chunk (resamples times images): few enough to fit in the processor's cache.
_CHUNK = 60_000


class Ranking(NamedTuple):
    """Images sorted by the score of a class, the highest first.

    Tied images pass a threshold together, so each image of the class stores where its ties begin and end, among all
    images and among those of the class.

    Attributes
    ----------
    order : ndarray of int of shape (n_samples,)
    positive : ndarray of int of shape (n_positive,)
        Positions of the images of the class in the sorted order.
    starts, ends : ndarray of int of shape (n_positive,)
        Number of images with a higher score than each image of the class, and with at least its score.
    hit_starts, hit_ends : ndarray of int of shape (n_positive,)
        Number of those that belong to the class.
    """

    order: NDArray[np.int64]
    positive: NDArray[np.int64]
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
    """Compute overall and per-class scores.

    Parameters
    ----------
    weight : ndarray of shape (n_resamples, n_samples)
    true, predicted : ndarray of int of shape (n_samples,)
        Codes of the classes.
    rankings : list of Ranking or None
        One per class; None without scores.
    n_classes : int
    positive : int or None
        Code of the positive class in a binary problem.

    Returns
    -------
    overall : dict of ndarray of shape (n_resamples,)
    per_class : dict of ndarray of shape (n_resamples, n_classes)
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
    """Compute the confusion matrices.

    Parameters
    ----------
    weight : ndarray of shape (n_resamples, n_samples)
    true, predicted : ndarray of int of shape (n_samples,)
        Codes of the classes.
    n_classes : int

    Returns
    -------
    ndarray of shape (n_resamples, n_classes, n_classes)
        True classes in rows.
    """
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
    """Sort the images by the score of each class.

    Parameters
    ----------
    true : ndarray of int of shape (n_samples,)
        Codes of the classes.
    score : ndarray of shape (n_samples, n_classes)
        Higher for images that more likely belong to the class.
    """
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
    """Compute ROC AUC and average precision of each class against the rest.

    Parameters
    ----------
    weight : ndarray of shape (n_resamples, n_samples)
    rankings : list of Ranking
        One per class.

    Returns
    -------
    dict of ndarray of shape (n_resamples, n_classes)
        ``"roc_auc"`` and ``"average_precision"``; NaN where the class or the rest is
        missing.
    """
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

    Yields
    ------
    ndarray of shape (n, n_samples)
        How often each image was drawn, in chunks with `n_resamples` rows in total.
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
    """Compute the percentile interval.

    Parameters
    ----------
    values : ndarray of shape (n_resamples, ...)
        NaN where a resample lacks a class.
    confidence_level : float

    Returns
    -------
    ndarray of shape (2, ...)
        NaN where all resamples are NaN.
    """
    ends = np.full((2, *values.shape[1:]), np.nan)
    known = ~np.isnan(values).all(axis=0)
    tail = (1 - confidence_level) / 2
    if known.any():
        ends[:, known] = np.nanquantile(values[:, known], [tail, 1 - tail], axis=0)
    return ends
