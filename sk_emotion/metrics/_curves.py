"""Curves of each class against the rest; scikit-learn's own are binary only."""

from abc import ABC, abstractmethod
from itertools import cycle
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from .._reports._charts import COLORS, finish_axes, literal, prepare_axes
from ..exceptions import LabelError
from ._predictions import check_scores, check_truth, choose_positive, load_faces, score_images

_GRID = 1001

# Longest class name, in characters, that fits in a legend beside the plot.
_LONGEST_NAME = 20


class BaseDisplay(ABC):
    """A plot whose axes range from 0 to 1."""

    _legend: ClassVar[dict[str, Any]]

    @abstractmethod
    def _draw(self, ax: Any) -> None:
        """Plot the labeled lines, and label the axes."""

    def plot(self, ax: Any = None) -> Self:
        """Plot the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on; by default those of a new figure.

        Returns
        -------
        self : display
        """
        (ax,) = prepare_axes(type(self).__name__, ax, (5.2, 5))
        self.ax_, self.figure_ = ax, ax.figure
        self._draw(ax)
        ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
        finish_axes(ax)
        ax.legend(fontsize="small", framealpha=0.85, edgecolor="none", **self._legend)
        return self


class _OneVsRestDisplay(BaseDisplay):
    """One-vs-rest curves: what the ROC and precision-recall displays share."""

    classes: list[Any]

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any, y: Any, *, pos_label: Any = None, ax: Any = None) -> Any:
        """Plot the curves of a classifier.

        Parameters
        ----------
        estimator : classifier
            Fitted classifier with ``predict_proba`` or ``decision_function``.
        X : array, list or DataFrame of length n_samples
            Images or paths, as the estimator expects them.
        y : array-like of shape (n_samples,)
            True labels.
        pos_label : label, default=None
            The positive class of a binary problem; by default the last of ``estimator.classes_``.
        ax : matplotlib Axes, default=None
            Axes to plot on; by default those of a new figure.

        Returns
        -------
        display
            The display, plotted.

        Raises
        ------
        LabelError
            If `y` contains labels that the estimator does not know, or only one class.
        """
        classifier, faces = load_faces(estimator, X)
        return cls.from_predictions(
            y, score_images(classifier, faces), classes=classifier.classes_, pos_label=pos_label, ax=ax
        )

    @classmethod
    def from_predictions(
        cls, y_true: Any, y_score: Any, *, classes: Any = None, pos_label: Any = None, ax: Any = None
    ) -> Any:
        """Plot the curves of predicted scores.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels.
        y_score : array-like of shape (n_samples, n_classes), or (n_samples,) for two classes
            Probabilities or decision values; a single column is that of the positive class.
        classes : array-like of shape (n_classes,), default=None
            Labels of the columns; by default the sorted labels of `y_true`.
        pos_label : label, default=None
            The positive class of a binary problem; by default the last one.
        ax : matplotlib Axes, default=None
            Axes to plot on; by default those of a new figure.

        Returns
        -------
        display
            The display, plotted.

        Raises
        ------
        LabelError
            If labels, classes and scores do not match, or `y_true` contains only one class.
        """
        labels, known = check_truth(y_true, cls.__name__, classes=classes)
        scores = check_scores(y_score, known, len(labels), cls.__name__, pos_label)
        drawn = known.tolist() if len(known) > 2 else [choose_positive(known, pos_label, cls.__name__)]
        # Classes without positive or negative samples have no curve.
        curves = {
            label: (labels == label, scores[:, column])
            for column, label in enumerate(known.tolist())
            if label in drawn and 0 < (labels == label).sum() < len(labels)
        }
        if not curves:
            raise LabelError(
                f"{cls.__name__}: y_true contains a single class, {labels[0]!s}; the curves need at least two."
            )
        return cls._from_curves(curves).plot(ax)

    @classmethod
    @abstractmethod
    def _from_curves(cls, curves: dict[Any, tuple[NDArray[np.bool_], NDArray[np.float64]]]) -> Any:
        """Compute the curve of each class."""


class MulticlassRocCurveDisplay(_OneVsRestDisplay):
    """ROC curves of each class against the rest, and their macro average.

    Use :meth:`from_estimator` or :meth:`from_predictions`. With two classes, only the curve of the positive class
    is shown.

    Parameters
    ----------
    fpr, tpr : dict of ndarray
        False and true positive rates of each class.
    roc_auc : dict of float
        Area under each curve.

    Attributes
    ----------
    classes : list
        Classes with a curve; a class without positive or negative samples has none.
    macro_roc_auc : float
        Mean area under the curves, as ``roc_auc_score(..., multi_class="ovr")``.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib lines
        One line per class.

    See Also
    --------
    MulticlassPrecisionRecallDisplay : More informative for rare classes.
    sklearn.metrics.RocCurveDisplay : For two classes.

    Notes
    -----
    The macro average is the mean true positive rate of all classes at each false positive rate [1]_.

    References
    ----------
    .. [1] Fawcett, T. (2006). An introduction to ROC analysis. Pattern Recognition Letters, 27, 861-874.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_emotion import MulticlassRocCurveDisplay
    >>> y = np.array(["anger", "fear", "pain"] * 10)
    >>> probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], size=30)
    >>> display = MulticlassRocCurveDisplay.from_predictions(y, probabilities)
    >>> sorted(display.roc_auc)
    ['anger', 'fear', 'pain']
    """

    _legend: ClassVar[dict[str, Any]] = {"loc": "lower right"}

    def __init__(self, *, fpr: dict[Any, Any], tpr: dict[Any, Any], roc_auc: dict[Any, float]):
        self.fpr = fpr
        self.tpr = tpr
        self.roc_auc = roc_auc
        self.classes = list(roc_auc)
        self.macro_roc_auc = float(np.mean(list(roc_auc.values())))

    @classmethod
    def _from_curves(cls, curves: Any) -> "MulticlassRocCurveDisplay":
        rates = {label: roc_curve(*curve)[:2] for label, curve in curves.items()}
        return cls(
            fpr={label: fpr for label, (fpr, _) in rates.items()},
            tpr={label: tpr for label, (_, tpr) in rates.items()},
            roc_auc={label: float(roc_auc_score(*curve)) for label, curve in curves.items()},
        )

    def _draw(self, ax: Any) -> None:
        self.lines_: list[Any] = []
        ax.plot([0, 1], [0, 1], color="0.6", linestyle="--", linewidth=1)
        for label, color in zip(self.classes, cycle(COLORS), strict=False):
            name = f"{literal(label)} (AUC {self.roc_auc[label]:.3f})"
            self.lines_ += ax.plot(self.fpr[label], self.tpr[label], color=color, label=name)
        if len(self.classes) > 1:
            grid = np.linspace(0, 1, _GRID)
            mean = np.mean([np.interp(grid, self.fpr[label], self.tpr[label]) for label in self.classes], axis=0)
            name = f"macro average (AUC {self.macro_roc_auc:.3f})"
            ax.plot(np.r_[0, grid], np.r_[0, mean], color="black", linewidth=2.5, label=name)
        ax.set(xlabel="false positive rate (1 - specificity)", ylabel="true positive rate (sensitivity)")


class MulticlassPrecisionRecallDisplay(_OneVsRestDisplay):
    """Precision-recall curves of each class against the rest.

    Use :meth:`from_estimator` or :meth:`from_predictions`. With two classes, only the curve of the positive class
    is shown.

    Parameters
    ----------
    precision, recall : dict of ndarray
        Points of the curve of each class.
    average_precision : dict of float
        Average precision of each class.
    prevalence : dict of float
        Share of each class in the labels, which is the precision of random guessing.

    Attributes
    ----------
    classes : list
        Classes with a curve; a class without positive or negative samples has none.
    macro_average_precision : float
        Mean average precision over the classes.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib lines
        One line per class.

    See Also
    --------
    MulticlassRocCurveDisplay : Does not depend on class frequencies.
    sklearn.metrics.PrecisionRecallDisplay : For two classes.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_emotion import MulticlassPrecisionRecallDisplay
    >>> y = np.array(["anger", "fear", "pain"] * 10)
    >>> probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], size=30)
    >>> display = MulticlassPrecisionRecallDisplay.from_predictions(y, probabilities)
    >>> sorted(display.average_precision)
    ['anger', 'fear', 'pain']
    """

    _legend: ClassVar[dict[str, Any]] = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}

    def __init__(
        self,
        *,
        precision: dict[Any, Any],
        recall: dict[Any, Any],
        average_precision: dict[Any, float],
        prevalence: dict[Any, float],
    ):
        self.precision = precision
        self.recall = recall
        self.average_precision = average_precision
        self.prevalence = prevalence
        self.classes = list(average_precision)
        self.macro_average_precision = float(np.mean(list(average_precision.values())))

    @classmethod
    def _from_curves(cls, curves: Any) -> "MulticlassPrecisionRecallDisplay":
        points = {label: precision_recall_curve(*curve)[:2] for label, curve in curves.items()}
        return cls(
            precision={label: precision for label, (precision, _) in points.items()},
            recall={label: recall for label, (_, recall) in points.items()},
            average_precision={label: float(average_precision_score(*curve)) for label, curve in curves.items()},
            prevalence={label: float(positive.mean()) for label, (positive, _) in curves.items()},
        )

    def _draw(self, ax: Any) -> None:
        self.lines_: list[Any] = []
        for label, color in zip(self.classes, cycle(COLORS), strict=False):
            name = f"{literal(label, _LONGEST_NAME)} (AP {self.average_precision[label]:.3f})"
            points = self.recall[label], self.precision[label]
            self.lines_ += ax.plot(*points, color=color, drawstyle="steps-post", label=name)
            # Precision of random guessing, in the color of the class.
            ax.axhline(self.prevalence[label], color=color, linewidth=0.8, linestyle=":")
        ax.plot([], [], color="0.4", linewidth=0.8, linestyle=":", label="guessing")
        ax.set(xlabel="recall", ylabel="precision")
