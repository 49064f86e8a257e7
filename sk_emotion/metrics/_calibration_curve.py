"""Reliability diagrams of any number of classes; scikit-learn's are binary only."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._reports._axes import finish_axes, literal
from .._reports._palette import COLORS
from ..exceptions import LabelError
from ._calibration import bin_confidences, expected_calibration_error
from ._predictions import as_probabilities, check_scores, check_truth, choose_positive, load_faces


class MulticlassCalibrationDisplay:
    """Whether probabilities mean what they say: accuracy against confidence.

    Use :meth:`from_estimator` or :meth:`from_predictions`. Faces are sorted into bins by their confidence, which is
    the probability of the predicted label [1]_. Below the dashed line, a classifier is surer than it is right. Of two
    classes, the bins are those of the positive one's probability, as in
    :class:`sklearn.calibration.CalibrationDisplay`.

    Parameters
    ----------
    prob_pred : ndarray of shape (n_bins,)
        Mean confidence in each bin; NaN where it holds no face.
    prob_true : ndarray of shape (n_bins,)
        Share of the faces in each bin that were told rightly, or that are of the positive class.
    counts : ndarray of int of shape (n_bins,)
        Number of faces in each bin.
    expected_calibration_error : float
        As :func:`sk_emotion.metrics.expected_calibration_error` gives it for as many bins. Of two classes too, it is
        that of the predicted label.
    pos_label : label, default=None
        The positive one of two classes; None for more.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    line_ : matplotlib line
        Accuracy against confidence.
    bars_ : matplotlib BarContainer
        Share of the faces in each bin.

    See Also
    --------
    sk_emotion.metrics.expected_calibration_error : The distance as one number.
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
        """Draw the diagram of a classifier.

        Parameters
        ----------
        estimator : classifier
            Fitted, with ``predict_proba``.
        X : array, list or DataFrame of length n_samples
            Images or paths, whatever the estimator takes.
        y : array-like of shape (n_samples,)
            True labels.
        n_bins : int, default=15
            Number of bins of equal width.
        pos_label : label, default=None
            Of two classes, the one whose probability is judged; by default the last of ``estimator.classes_``.
        ax : matplotlib Axes, default=None
            Where to draw; by default on a new figure.

        Returns
        -------
        MulticlassCalibrationDisplay

        Raises
        ------
        LabelError
            If the labels are not those of the estimator.
        TypeError
            If the estimator gives no probabilities.
        """
        classifier, faces = load_faces(estimator, X)
        if not hasattr(classifier, "predict_proba"):
            raise TypeError(
                f"{cls.__name__}: {type(estimator).__name__} has no predict_proba, and only probabilities can be "
                "calibrated. Use a classifier that has, such as make_hog_svm(probability=True)."
            )
        return cls.from_predictions(
            y,
            classifier.predict_proba(faces),
            classes=classifier.classes_,
            n_bins=n_bins,
            pos_label=pos_label,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls, y_true: Any, y_proba: Any, *, classes: Any = None, n_bins: int = 15, pos_label: Any = None, ax: Any = None
    ) -> "MulticlassCalibrationDisplay":
        """Draw the diagram of probabilities.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels.
        y_proba : array-like of shape (n_samples, n_classes), or (n_samples,) for two classes
            Probabilities; one column alone is that of the positive class.
        classes : array-like of shape (n_classes,), default=None
            Labels of the columns; by default those that occur in `y_true`, sorted.
        n_bins : int, default=15
            Number of bins of equal width.
        pos_label : label, default=None
            Of two classes, the one whose probability is judged; by default the last one.
        ax : matplotlib Axes, default=None
            Where to draw; by default on a new figure.

        Returns
        -------
        MulticlassCalibrationDisplay

        Raises
        ------
        LabelError
            If labels, classes and probabilities do not match, or `y_proba` holds no probabilities.
        ValueError
            If `n_bins` is no number of bins.
        """
        owner = cls.__name__
        if not isinstance(n_bins, Integral) or isinstance(n_bins, bool) or n_bins < 1:
            raise ValueError(f"{owner}: n_bins={n_bins!r}, expected a whole number of at least 1.")
        labels, known = check_truth(y_true, owner, classes=classes)
        positive = choose_positive(known, pos_label, owner) if len(known) == 2 else None
        scores = check_scores(y_proba, known, len(labels), owner, positive)
        probabilities = as_probabilities(scores)
        if probabilities is None:
            raise LabelError(
                f"{owner}: y_proba holds values from {scores.min():g} to {scores.max():g}, whose rows do not all sum "
                "to 1, expected probabilities. Give what predict_proba returns, not decision values."
            )
        if positive is None:
            confidence = probabilities.max(axis=1)
            right = known[probabilities.argmax(axis=1)] == labels
        else:
            confidence = probabilities[:, np.flatnonzero(known == positive)[0]]
            right = labels == positive
        bins = bin_confidences(confidence, right, int(n_bins))
        return cls(
            prob_pred=bins.confidence,
            prob_true=bins.accuracy,
            counts=bins.counts,
            expected_calibration_error=expected_calibration_error(labels, probabilities, classes=known, n_bins=n_bins),
            pos_label=positive,
        ).plot(ax)

    def plot(self, ax: Any = None) -> "MulticlassCalibrationDisplay":
        """Draw the diagram.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default on a new figure.

        Returns
        -------
        self : MulticlassCalibrationDisplay
        """
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots(figsize=(5.2, 5), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        filled = self.counts > 0
        confidence, accuracy = self.prob_pred[filled], self.prob_true[filled]
        centers = (np.arange(len(self.counts)) + 0.5) / len(self.counts)
        # Shares of the faces fit on the axis of accuracy: both run from 0 to 1.
        self.bars_ = ax.bar(
            centers,
            self.counts / self.counts.sum(),
            width=0.9 / len(self.counts),
            color="0.85",
            label="share of the faces",
        )
        ax.plot([0, 1], [0, 1], color="0.6", linestyle="--", linewidth=1, label="perfectly calibrated")
        ax.vlines(confidence, accuracy, confidence, color=COLORS[1], linewidth=1.5, label="gap")
        # A bin of few faces has a small point: it tells little.
        ax.scatter(
            confidence, accuracy, s=12 + 150 * self.counts[filled] / self.counts.max(), color=COLORS[0], zorder=3
        )
        name = "all classes" if self.pos_label is None else literal(self.pos_label)
        (self.line_,) = ax.plot(
            confidence,
            accuracy,
            color=COLORS[0],
            marker="o",
            markersize=3,
            linewidth=1,
            label=f"{name} (ECE {self.expected_calibration_error:.3f})",
        )
        if self.pos_label is None:
            ax.set(xlabel="confidence (probability of the predicted label)", ylabel="accuracy")
        else:
            ax.set(xlabel=f"predicted probability of {name}", ylabel=f"share of {name}")
        ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
        finish_axes(ax, loc="best")
        return self
