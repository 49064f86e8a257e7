"""Curves of each class against the rest; scikit-learn's own are binary only."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from .._reports._axes import finish_axes, literal
from .._reports._palette import pick_color
from ..exceptions import LabelError
from ._predictions import check_scores, check_truth, choose_positive, load_faces, score_images

_GRID = 1001

# Letters of a name that fit in a legend beside the curves.
_BESIDE = 20


class _OneVsRestDisplay(ABC):
    """What both displays share: who is against whom, and how the axes look."""

    _labels: ClassVar[tuple[str, str]]
    classes: list[Any]

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any, y: Any, *, pos_label: Any = None, ax: Any = None) -> Any:
        """Draw the curves of a classifier.

        Parameters
        ----------
        estimator : classifier
            Fitted, with ``predict_proba`` or ``decision_function``.
        X : array, list or DataFrame of length n_samples
            Images or paths, whatever the estimator takes.
        y : array-like of shape (n_samples,)
            True labels.
        pos_label : label, default=None
            Of two classes, the one whose curve is drawn; by default the last of ``estimator.classes_``.
        ax : matplotlib Axes, default=None
            Where to draw; by default on a new figure.

        Returns
        -------
        display
            Drawn.

        Raises
        ------
        LabelError
            If the labels are not those of the estimator, or each class and its rest do not occur.
        """
        classifier, faces = load_faces(estimator, X)
        return cls.from_predictions(
            y, score_images(classifier, faces), classes=classifier.classes_, pos_label=pos_label, ax=ax
        )

    @classmethod
    def from_predictions(
        cls, y_true: Any, y_score: Any, *, classes: Any = None, pos_label: Any = None, ax: Any = None
    ) -> Any:
        """Draw the curves of scores.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels.
        y_score : array-like of shape (n_samples, n_classes), or (n_samples,) for two classes
            Probabilities or decision values; one column alone is that of the positive class.
        classes : array-like of shape (n_classes,), default=None
            Labels of the columns; by default those that occur in `y_true`, sorted.
        pos_label : label, default=None
            Of two classes, the one whose curve is drawn; by default the last one.
        ax : matplotlib Axes, default=None
            Where to draw; by default on a new figure.

        Returns
        -------
        display
            Drawn.

        Raises
        ------
        LabelError
            If labels, classes and scores do not match, or no class occurs beside another.
        """
        labels, known = check_truth(y_true, cls.__name__, classes=classes)
        scores = check_scores(y_score, known, len(labels), cls.__name__, pos_label)
        drawn = list(known) if len(known) > 2 else [choose_positive(known, pos_label, cls.__name__)]
        columns = {label: scores[:, column] for column, label in enumerate(known.tolist())}
        # A class that does not occur has no curve.
        curves = {
            label: (labels == label, columns[label])
            for label in np.asarray(drawn).tolist()
            if 0 < (labels == label).sum() < len(labels)
        }
        if not curves:
            raise LabelError(f"{cls.__name__}: y_true holds one class alone: {labels[0]!s}. A curve needs two.")
        return cls._from_curves(curves).plot(ax)

    @classmethod
    @abstractmethod
    def _from_curves(cls, curves: dict[Any, tuple[NDArray[np.bool_], NDArray[np.float64]]]) -> Any:
        """Compute the curve of each class."""

    @abstractmethod
    def _draw(self, ax: Any) -> None:
        """Draw lines with labels."""

    @abstractmethod
    def _place_legend(self) -> dict[str, Any]:
        """Say where the legend covers no curve."""

    def plot(self, ax: Any = None) -> Any:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default on a new figure.

        Returns
        -------
        self : display
        """
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots(figsize=(5.2, 5), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        self.lines_: list[Any] = []
        self._draw(ax)
        ax.set(xlabel=self._labels[0], ylabel=self._labels[1], xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
        finish_axes(ax, **self._place_legend())
        return self


class MulticlassRocCurveDisplay(_OneVsRestDisplay):
    """ROC curves of each class against the rest, and their macro average.

    Use :meth:`from_estimator` or :meth:`from_predictions`. Of two classes, it draws the curve of the positive one.

    Parameters
    ----------
    fpr, tpr : dict of ndarray
        False and true positive rates of each class.
    roc_auc : dict of float
        Area under each curve.

    Attributes
    ----------
    classes : list
        The classes that have a curve.
    macro_roc_auc : float
        Mean of the areas, as ``roc_auc_score(..., multi_class="ovr")``.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib lines
        One for each class.

    See Also
    --------
    MulticlassPrecisionRecallDisplay : What matters more for rare classes.
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

    _labels = ("false positive rate (1 - specificity)", "true positive rate (sensitivity)")

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
        ax.plot([0, 1], [0, 1], color="0.6", linestyle="--", linewidth=1)
        for position, label in enumerate(self.classes):
            name = f"{literal(label)} (AUC {self.roc_auc[label]:.3f})"
            self.lines_ += ax.plot(self.fpr[label], self.tpr[label], color=pick_color(position), label=name)
        if len(self.classes) > 1:
            grid = np.linspace(0, 1, _GRID)
            mean = np.mean([np.interp(grid, self.fpr[label], self.tpr[label]) for label in self.classes], axis=0)
            name = f"macro average (AUC {self.macro_roc_auc:.3f})"
            ax.plot(np.r_[0, grid], np.r_[0, mean], color="black", linewidth=2.5, label=name)

    def _place_legend(self) -> dict[str, Any]:
        return {"loc": "lower right"}


class MulticlassPrecisionRecallDisplay(_OneVsRestDisplay):
    """Precision against recall of each class against the rest.

    Use :meth:`from_estimator` or :meth:`from_predictions`. Of two classes, it draws the curve of the positive one.

    Parameters
    ----------
    precision, recall : dict of ndarray
        Of each class.
    average_precision : dict of float
        Of each class.
    prevalence : dict of float
        Share of each class in the labels: the precision of guessing.

    Attributes
    ----------
    classes : list
        The classes that have a curve.
    macro_average_precision : float
        Mean over the classes.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib lines
        One for each class.

    See Also
    --------
    MulticlassRocCurveDisplay : What does not depend on how frequent a class is.
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

    _labels = ("recall", "precision")

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
        for position, label in enumerate(self.classes):
            name = f"{literal(label, _BESIDE)} (AP {self.average_precision[label]:.3f})"
            self.lines_ += ax.plot(
                self.recall[label],
                self.precision[label],
                color=pick_color(position),
                drawstyle="steps-post",
                label=name,
            )
            # What guessing would reach, in the colour of its class.
            ax.axhline(self.prevalence[label], color=pick_color(position), linewidth=0.8, linestyle=":")
        ax.plot([], [], color="0.4", linewidth=0.8, linestyle=":", label="guessing")

    def _place_legend(self) -> dict[str, Any]:
        return {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}
