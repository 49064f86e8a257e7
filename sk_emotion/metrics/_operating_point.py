"""The choice of a threshold: as sensitive as a wanted specificity allows, or the other way round."""

from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import make_scorer, recall_score, roc_curve

from ..exceptions import LabelError
from ..utils._labels import check_labels
from ._predictions import check_scores, choose_positive


class OperatingPoint(NamedTuple):
    """A threshold and what it brings, as :func:`find_operating_point` returns it.

    Attributes
    ----------
    threshold : float
        An image is positive if its score is at least this.
    sensitivity : float
        Share of the positive images that are found (recall, true positive rate).
    specificity : float
        Share of the negative images that are left alone (true negative rate).

    Examples
    --------
    >>> from sk_emotion import OperatingPoint
    >>> OperatingPoint(threshold=0.7, sensitivity=0.8, specificity=0.9).sensitivity
    0.8
    """

    threshold: float
    sensitivity: float
    specificity: float


def find_operating_point(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    specificity: float | None = None,
    sensitivity: float | None = None,
    pos_label: Any = None,
) -> OperatingPoint:
    """Find the threshold with the highest sensitivity at a wanted specificity, or the other way round.

    Choose it on a validation set, and judge it on a test set: on the images that it was chosen on, it looks better than
    it is.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels of two classes.
    y_score : array-like of shape (n_samples,)
        Scores of the positive class: ``clf.predict_proba(X)[:, 1]``, or decision values.
    specificity : float, default=None
        The least specificity that is wanted, from 0 to 1.
    sensitivity : float, default=None
        The least sensitivity that is wanted, from 0 to 1. Give exactly one of the two.
    pos_label : label, default=None
        The positive class; by default the last of both, sorted.

    Returns
    -------
    OperatingPoint
        ``(threshold, sensitivity, specificity)``. The threshold lies half-way between two scores.

    Raises
    ------
    LabelError
        If the labels are not of two classes, or do not match the scores.
    ValueError
        If not exactly one wish is given, or it is out of range.

    See Also
    --------
    make_sensitivity_scorer : The same wish for :class:`sklearn.model_selection.TunedThresholdClassifierCV`.
    sklearn.model_selection.FixedThresholdClassifier : A classifier with this threshold.

    Examples
    --------
    >>> from sk_emotion import find_operating_point
    >>> point = find_operating_point([0, 0, 0, 0, 1, 1], [0.1, 0.2, 0.3, 0.8, 0.6, 0.9], specificity=0.75)
    >>> point.sensitivity, point.specificity, round(point.threshold, 2)
    (1.0, 0.75, 0.45)
    """
    owner = "find_operating_point"
    wishes = {"specificity": specificity, "sensitivity": sensitivity}
    given = {name: wish for name, wish in wishes.items() if wish is not None}
    if len(given) != 1:
        raise ValueError(f"{owner}: {len(given)} wishes, expected one: specificity=0.9, say, or sensitivity=0.9.")
    for name, wish in given.items():
        _check_share(owner, name, wish)
    labels = check_labels(y_true, owner, "y_true")
    classes = np.unique(labels)
    if len(classes) != 2:
        raise LabelError(
            f"{owner}: y_true holds {len(classes)} class(es), expected two, with images of both. Of more, make two: "
            'consolidate_emotions(y, positive="pain").'
        )
    if np.ndim(y_score) != 1:
        raise LabelError(
            f"{owner}: y_score has shape {np.shape(y_score)}, expected one score a sample: that of the positive class, "
            "as in clf.predict_proba(X)[:, 1]."
        )
    score = check_scores(y_score, classes, len(labels), owner)[:, 1]
    positive = labels == choose_positive(classes, pos_label, owner)
    false_positive_rate, true_positive_rate, thresholds = roc_curve(positive, score, drop_intermediate=False)
    # Rounded, since 1 - 0.9 is a hair below 0.1 in floating point.
    points = list(zip(true_positive_rate, (1 - false_positive_rate).round(12), strict=True))
    # Of equally good points the one that is better in the other rate.
    ranks = [
        (spec >= specificity, sens, spec) if sensitivity is None else (sens >= sensitivity, spec, sens)
        for sens, spec in points
    ]
    best = max(range(len(points)), key=ranks.__getitem__)
    return OperatingPoint(
        threshold=_between(thresholds, best), sensitivity=float(points[best][0]), specificity=float(points[best][1])
    )


def _between(thresholds: Any, position: int) -> float:
    """Lie half-way to the next lower score; the first threshold, infinity, lies just above the highest."""
    lower = thresholds[position + 1] if position + 1 < len(thresholds) else thresholds[position]
    if np.isinf(thresholds[position]):
        return float(np.nextafter(lower, np.inf))
    middle = float((thresholds[position] + lower) / 2)
    # Neighbouring floats have nothing between them.
    return middle if lower < middle else float(thresholds[position])


def make_sensitivity_scorer(specificity: float = 0.9, *, pos_label: Any = 1) -> Any:
    """Make a scorer: the sensitivity, if the specificity is as wanted.

    Parameters
    ----------
    specificity : float, default=0.9
        The least specificity that is wanted, from 0 to 1.
    pos_label : label, default=1
        The positive class.

    Returns
    -------
    scorer
        ``scorer(estimator, X, y)`` gives the sensitivity of its predictions; with less specificity than wanted, how
        much is missing, as a number below -1. With it, ``TunedThresholdClassifierCV(model, scoring=scorer)`` finds the
        most sensitive of the thresholds that are specific enough in its folds, as an average over them.

    See Also
    --------
    find_operating_point : The same wish on a validation set.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import TunedThresholdClassifierCV
    >>> from sk_emotion import make_sensitivity_scorer
    >>> X, y = make_classification(random_state=0)
    >>> model = TunedThresholdClassifierCV(LogisticRegression(), scoring=make_sensitivity_scorer(specificity=0.9))
    >>> model.fit(X, y).predict(X[:3]).shape
    (3,)
    """
    _check_share("make_sensitivity_scorer", "specificity", specificity)
    return make_scorer(score_sensitivity, specificity=specificity, pos_label=pos_label)


def score_sensitivity(y_true: Any, y_pred: Any, *, specificity: float, pos_label: Any) -> float:
    """Give the sensitivity of predictions, or how much of the wanted specificity is missing, below -1."""
    actual, predicted = np.asarray(y_true) == pos_label, np.asarray(y_pred) == pos_label
    reached = recall_score(~actual, ~predicted, zero_division=1.0)
    if reached < specificity:
        # So far below, that in a mean over folds no sensitivity makes good for it.
        return float(reached - specificity - 1)
    return float(recall_score(actual, predicted, zero_division=0.0))


def _check_share(owner: str, name: str, wish: Any) -> None:
    if not isinstance(wish, Real) or isinstance(wish, bool) or not 0 <= float(wish) <= 1:
        raise ValueError(f"{owner}: {name}={wish!r}, expected a share from 0 to 1.")
