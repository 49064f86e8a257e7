"""Expected calibration error, and reliability diagrams for any number of classes; scikit-learn's are binary only."""

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d

from .._reports._charts import COLORS, literal
from .._reports._report_page import Calibration
from ..exceptions import LabelError
from ._curves import BaseDisplay
from ._predictions import as_probabilities, check_scores, check_truth, choose_positive, load_faces


def expected_calibration_error(y_true: Any, y_proba: Any, *, classes: Any = None, n_bins: int = 15) -> float:
    """Compute the expected calibration error of predicted probabilities.

    Samples are binned by the probability of the predicted class; in each bin, the mean probability is compared with the
    accuracy [1]_.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.
    y_proba : array-like of shape (n_samples, n_classes)
        Predicted probabilities.
    classes : array-like of shape (n_classes,), default=None
        Labels of the columns; by default the sorted labels of `y_true`.
    n_bins : int, default=15
        Number of bins of equal width.

    Returns
    -------
    float
        Mean absolute difference between confidence and accuracy, weighted by bin size, from 0 (best) to 1.

    Raises
    ------
    ValueError
        If `y_true` and `y_proba` have different lengths, or the columns do not match the classes.

    References
    ----------
    .. [1] Guo, C., Pleiss, G., Sun, Y., & Weinberger, K. Q. (2017). On calibration of modern neural networks. ICML.

    Examples
    --------
    >>> from sk_emotion.metrics import expected_calibration_error
    >>> round(expected_calibration_error(["pain", "sadness"], [[0.8, 0.2], [0.2, 0.8]]), 3)
    0.2
    """
    labels, probabilities = column_or_1d(y_true), check_array(y_proba)
    check_consistent_length(labels, probabilities)
    classes = np.unique(labels) if classes is None else np.asarray(classes)
    if len(classes) != probabilities.shape[1]:
        raise ValueError(
            f"expected_calibration_error: y_proba has {probabilities.shape[1]} columns for {len(classes)} classes: "
            f"{classes.tolist()}. Pass classes=model.classes_."
        )
    correct = classes[probabilities.argmax(axis=1)] == labels
    return bin_confidences(probabilities.max(axis=1), correct, n_bins).error


def bin_confidences(confidence: NDArray[np.float64], correct: NDArray[np.bool_], n_bins: int = 15) -> Calibration:
    """Bin samples by confidence and compute the accuracy of each bin."""
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    counts = np.bincount(bins, minlength=n_bins)
    with np.errstate(invalid="ignore"):
        means = [np.bincount(bins, weights=values, minlength=n_bins) / counts for values in (confidence, correct)]
    return Calibration(counts, *means)


class MulticlassCalibrationDisplay(BaseDisplay):
    """Reliability diagram: accuracy against confidence.

    Use :meth:`from_estimator` or :meth:`from_predictions`. Samples are binned by confidence, the probability of the
    predicted label [1]_. Points below the dashed line mean that the classifier is overconfident. With two classes, the
    bins are those of the probability of the positive class, as in :class:`sklearn.calibration.CalibrationDisplay`.

    Parameters
    ----------
    prob_pred : ndarray of shape (n_bins,)
        Mean confidence in each bin; NaN in empty bins.
    prob_true : ndarray of shape (n_bins,)
        Accuracy in each bin or, with two classes, share of the positive class; NaN in empty bins.
    counts : ndarray of int of shape (n_bins,)
        Number of samples in each bin.
    expected_calibration_error : float
        Result of :func:`sk_emotion.metrics.expected_calibration_error` for the same number of bins. It refers to the
        predicted label, also with two classes.
    pos_label : label, default=None
        The positive class; None with more than two classes.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    line_ : matplotlib line
        Accuracy against confidence.
    bars_ : matplotlib BarContainer
        Share of the samples in each bin.

    See Also
    --------
    sk_emotion.metrics.expected_calibration_error : The calibration error as one number.
    sklearn.calibration.CalibrationDisplay : For two classes.

    References
    ----------
    .. [1] Guo, C., Pleiss, G., Sun, Y., & Weinberger, K. Q. (2017). On calibration of modern neural networks. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_emotion import MulticlassCalibrationDisplay
    >>> y = np.array(["anger", "fear", "pain"] * 10)
    >>> probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], size=30)
    >>> display = MulticlassCalibrationDisplay.from_predictions(y, probabilities, n_bins=5)
    >>> int(display.counts.sum())
    30
    """

    _legend: ClassVar[dict[str, Any]] = {"loc": "best"}

    def __init__(
        self,
        *,
        prob_pred: NDArray[np.float64],
        prob_true: NDArray[np.float64],
        counts: NDArray[np.int64],
        expected_calibration_error: float,
        pos_label: Any = None,
    ):
        self.prob_pred = prob_pred
        self.prob_true = prob_true
        self.counts = counts
        self.expected_calibration_error = expected_calibration_error
        self.pos_label = pos_label

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any, *, n_bins: int = 15, pos_label: Any = None, ax: Any = None
    ) -> "MulticlassCalibrationDisplay":
        """Plot the reliability diagram of a classifier.

        Parameters
        ----------
        estimator : classifier
            Fitted classifier with ``predict_proba``.
        X : array, list or DataFrame of length n_samples
            Images or paths, as the estimator expects them.
        y : array-like of shape (n_samples,)
            True labels.
        n_bins : int, default=15
            Number of bins of equal width.
        pos_label : label, default=None
            The positive class of a binary problem; by default the last of ``estimator.classes_``.
        ax : matplotlib Axes, default=None
            Axes to plot on; by default those of a new figure.

        Returns
        -------
        MulticlassCalibrationDisplay

        Raises
        ------
        LabelError
            If `y` contains labels that the estimator does not know.
        TypeError
            If the estimator has no ``predict_proba``.
        """
        classifier, faces = load_faces(estimator, X)
        if not hasattr(classifier, "predict_proba"):
            raise TypeError(
                f"{cls.__name__}: {type(estimator).__name__} has no predict_proba. Use a classifier with "
                "predict_proba, such as make_hog_svm(probability=True)."
            )
        scores, classes = classifier.predict_proba(faces), classifier.classes_
        return cls.from_predictions(y, scores, classes=classes, n_bins=n_bins, pos_label=pos_label, ax=ax)

    @classmethod
    def from_predictions(
        cls, y_true: Any, y_proba: Any, *, classes: Any = None, n_bins: int = 15, pos_label: Any = None, ax: Any = None
    ) -> "MulticlassCalibrationDisplay":
        """Plot the reliability diagram of predicted probabilities.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels.
        y_proba : array-like of shape (n_samples, n_classes), or (n_samples,) for two classes
            Predicted probabilities; a single column is that of the positive class.
        classes : array-like of shape (n_classes,), default=None
            Labels of the columns; by default the sorted labels of `y_true`.
        n_bins : int, default=15
            Number of bins of equal width.
        pos_label : label, default=None
            The positive class of a binary problem; by default the last one.
        ax : matplotlib Axes, default=None
            Axes to plot on; by default those of a new figure.

        Returns
        -------
        MulticlassCalibrationDisplay

        Raises
        ------
        LabelError
            If labels, classes and probabilities do not match, or `y_proba` does not contain probabilities.
        ValueError
            If `n_bins` is not a positive integer.
        """
        owner = cls.__name__
        if not isinstance(n_bins, Integral) or isinstance(n_bins, bool) or n_bins < 1:
            raise ValueError(f"{owner}: n_bins={n_bins!r}, expected an integer of at least 1.")
        labels, known = check_truth(y_true, owner, classes=classes)
        positive = choose_positive(known, pos_label, owner) if len(known) == 2 else None
        scores = check_scores(y_proba, known, len(labels), owner, positive)
        probabilities = as_probabilities(scores)
        if probabilities is None:
            raise LabelError(
                f"{owner}: y_proba has values from {scores.min():g} to {scores.max():g} and rows that do not sum to 1; "
                "expected probabilities. Pass the output of predict_proba, not decision values."
            )
        if positive is None:
            confidence = probabilities.max(axis=1)
            correct = known[probabilities.argmax(axis=1)] == labels
        else:
            confidence = probabilities[:, np.flatnonzero(known == positive)[0]]
            correct = labels == positive
        bins = bin_confidences(confidence, correct, int(n_bins))
        return cls(
            prob_pred=bins.confidence,
            prob_true=bins.accuracy,
            counts=bins.counts,
            expected_calibration_error=expected_calibration_error(labels, probabilities, classes=known, n_bins=n_bins),
            pos_label=positive,
        ).plot(ax)

    def _draw(self, ax: Any) -> None:
        filled = self.counts > 0
        confidence, accuracy = self.prob_pred[filled], self.prob_true[filled]
        centers = (np.arange(len(self.counts)) + 0.5) / len(self.counts)
        shares, width = self.counts / self.counts.sum(), 0.9 / len(self.counts)
        # Both the shares and the accuracy range from 0 to 1.
        self.bars_ = ax.bar(centers, shares, width=width, color="0.85", label="share of samples")
        ax.plot([0, 1], [0, 1], color="0.6", linestyle="--", linewidth=1, label="perfectly calibrated")
        ax.vlines(confidence, accuracy, confidence, color=COLORS[1], linewidth=1.5, label="gap")
        # Points scale with the size of their bin: few samples say little.
        sizes = 12 + 150 * self.counts[filled] / self.counts.max()
        ax.scatter(confidence, accuracy, s=sizes, color=COLORS[0], zorder=3)
        name = "all classes" if self.pos_label is None else literal(self.pos_label)
        line = {"color": COLORS[0], "marker": "o", "markersize": 3, "linewidth": 1}
        label = f"{name} (ECE {self.expected_calibration_error:.3f})"
        (self.line_,) = ax.plot(confidence, accuracy, label=label, **line)
        if self.pos_label is None:
            ax.set(xlabel="confidence (probability of the predicted label)", ylabel="accuracy")
        else:
            ax.set(xlabel=f"predicted probability of {name}", ylabel=f"share of {name}")
