"""Choice of a decision threshold by sensitivity or specificity."""

from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import make_scorer, recall_score, roc_curve

from ..exceptions import LabelError
from ..utils._labels import check_labels
from ._predictions import check_scores, choose_positive


class OperatingPoint(NamedTuple):
    """Decision threshold with its sensitivity and specificity, as returned by :func:`find_operating_point`.

    Attributes
    ----------
    threshold : float
        A sample is positive if its score is at least the threshold.
    sensitivity : float
        Share of positive samples classified as positive (recall, true positive rate).
    specificity : float
        Share of negative samples classified as negative (true negative rate).

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
    """Find the threshold with the highest sensitivity at a minimum specificity, or vice versa.

    Choose the threshold on a validation set and evaluate it on a test set: scores on the data used to choose it are
    optimistic.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Binary labels.
    y_score : array-like of shape (n_samples,)
        Scores of the positive class: ``clf.predict_proba(X)[:, 1]``, or decision values.
    specificity : float, default=None
        Minimum specificity, from 0 to 1.
    sensitivity : float, default=None
        Minimum sensitivity, from 0 to 1. Pass exactly one of `specificity` and `sensitivity`.
    pos_label : label, default=None
        The positive class; by default the last of the sorted labels.

    Returns
    -------
    OperatingPoint
        ``(threshold, sensitivity, specificity)``. The threshold lies midway between two scores.

    Raises
    ------
    LabelError
        If `y_true` does not contain exactly two classes, or does not match the scores.
    ValueError
        If not exactly one of `specificity` and `sensitivity` is passed, or it is out of range.

    See Also
    --------
    make_sensitivity_scorer : The same criterion for :class:`sklearn.model_selection.TunedThresholdClassifierCV`.
    sklearn.model_selection.FixedThresholdClassifier : A classifier with this threshold.

    Examples
    --------
    >>> from sk_emotion import find_operating_point
    >>> point = find_operating_point([0, 0, 0, 0, 1, 1], [0.1, 0.2, 0.3, 0.8, 0.6, 0.9], specificity=0.75)
    >>> point.sensitivity, point.specificity, round(point.threshold, 2)
    (1.0, 0.75, 0.45)
    """
    owner = "find_operating_point"
    options = {"specificity": specificity, "sensitivity": sensitivity}
    targets = {name: value for name, value in options.items() if value is not None}
    if len(targets) != 1:
        raise ValueError(f"{owner}: pass exactly one of specificity and sensitivity; got {len(targets)}.")
    for name, value in targets.items():
        _check_share(owner, name, value)
    labels = check_labels(y_true, owner, "y_true")
    classes = np.unique(labels)
    if len(classes) != 2:
        raise LabelError(
            f"{owner}: y_true contains {len(classes)} class(es), expected two. Merge more than two classes with "
            'consolidate_emotions(y, positive="pain").'
        )
    if np.ndim(y_score) != 1:
        raise LabelError(
            f"{owner}: y_score has shape {np.shape(y_score)}, expected one score per sample, that of the positive "
            "class, as in clf.predict_proba(X)[:, 1]."
        )
    score = check_scores(y_score, classes, len(labels), owner)[:, 1]
    positive = labels == choose_positive(classes, pos_label, owner)
    false_positive_rate, true_positive_rate, thresholds = roc_curve(positive, score, drop_intermediate=False)
    # Rounded, since 1 - 0.9 is slightly less than 0.1 in floating point.
    points = list(zip(true_positive_rate, (1 - false_positive_rate).round(12), strict=True))
    # Break ties by the other rate.
    ranks = [
        (spec >= specificity, sens, spec) if sensitivity is None else (sens >= sensitivity, spec, sens)
        for sens, spec in points
    ]
    best = max(range(len(points)), key=ranks.__getitem__)
    return OperatingPoint(
        threshold=_find_midpoint(thresholds, best),
        sensitivity=float(points[best][0]),
        specificity=float(points[best][1]),
    )


def _find_midpoint(thresholds: Any, position: int) -> float:
    """Return the midpoint to the next lower score; for the infinite first threshold, the float above that score."""
    lower = thresholds[position + 1] if position + 1 < len(thresholds) else thresholds[position]
    if np.isinf(thresholds[position]):
        return float(np.nextafter(lower, np.inf))
    middle = float((thresholds[position] + lower) / 2)
    # Adjacent floats have no midpoint.
    return middle if lower < middle else float(thresholds[position])


def make_sensitivity_scorer(specificity: float = 0.9, *, pos_label: Any = 1) -> Any:
    """Make a scorer that returns the sensitivity at a minimum specificity.

    Parameters
    ----------
    specificity : float, default=0.9
        Minimum specificity, from 0 to 1.
    pos_label : label, default=1
        The positive class.

    Returns
    -------
    scorer
        ``scorer(estimator, X, y)`` returns the sensitivity of the predictions or, if their specificity is too low, the
        shortfall as a number below -1. ``TunedThresholdClassifierCV(model, scoring=scorer)`` thus finds the most
        sensitive threshold that is specific enough, averaged over its folds.

    See Also
    --------
    find_operating_point : The same criterion on a validation set.

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
    """Return the sensitivity, or the shortfall in specificity as a number below -1."""
    actual, predicted = np.asarray(y_true) == pos_label, np.asarray(y_pred) == pos_label
    reached = recall_score(~actual, ~predicted, zero_division=1.0)
    if reached < specificity:
        # Low enough that no sensitivity of another fold can compensate for it in a mean.
        return float(reached - specificity - 1)
    return float(recall_score(actual, predicted, zero_division=0.0))


def _check_share(owner: str, name: str, value: Any) -> None:
    if not isinstance(value, Real) or isinstance(value, bool) or not 0 <= float(value) <= 1:
        raise ValueError(f"{owner}: {name}={value!r}, expected a number from 0 to 1.")
