"""Everything that is said of a classifier on a test set."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

from ..exceptions import LabelError
from ..utils._labels import check_labels
from ._predictions import (
    ask_both,
    check_groups,
    check_predictions,
    check_resampling,
    check_scores,
    check_truth,
    choose_positive,
    equalize_images,
    find_codes,
    load_faces,
)
from ._report_text import describe_report
from ._resampling import draw_resamples, find_interval
from ._scoring import Scores, count_confusions, rank_images, score_predictions


class EmotionReport:
    """Scores of a classifier on a test set, with confidence intervals.

    Use :meth:`from_estimator` or :meth:`from_predictions`; then ``print`` it, :meth:`plot` it, or take its numbers from
    ``scores_``, ``per_class_``, ``confusion_matrix_`` or :meth:`to_frame`.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        True and predicted labels.
    y_score : array-like of shape (n_samples, n_classes), or (n_samples,) for two classes, default=None
        Probabilities or decision values; one column alone is that of the positive class. Without them, there is no ROC
        AUC.
    classes : array-like of shape (n_classes,), default=None
        Labels of the columns of `y_score`; by default those that occur in `y_true` and `y_pred`, sorted.
    pos_label : label, default=None
        Of two classes, the one that is asked for; by default the last one.
    groups : array-like of shape (n_samples,), default=None
        Persons, say. The bootstrap then draws whole groups.
    n_resamples : int, default=1000
        Resamples of the bootstrap; 0 gives no intervals.
    confidence_level : float, default=0.95
        Of the intervals.
    random_state : int, RandomState instance or None, default=0
        Seeds the bootstrap.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels.
    pos_label_ : label or None
        Of two classes, the positive one.
    scores_ : DataFrame
        One row per score, named as scikit-learn's scorers: ``accuracy``, ``balanced_accuracy``, ``f1_macro``,
        ``f1_weighted``; with `y_score`, ``roc_auc_ovr`` and ``average_precision_macro``. Of two classes also ``f1``,
        ``precision``, ``sensitivity`` and ``specificity``, and ``roc_auc`` and ``average_precision`` in place of the
        macro ones. Columns are ``value``, ``low`` and ``high``.
    per_class_ : DataFrame
        One row per class: ``precision``, ``recall``, ``f1``, ``f1_low``, ``f1_high``, ``support`` and, with `y_score`,
        ``roc_auc`` and ``average_precision`` of the class against the rest.
    confusion_matrix_ : DataFrame of shape (n_classes, n_classes)
        Numbers of images; true classes in rows, predicted ones in columns.
    equalized_ : EmotionReport or None
        The report on the equalised test set, if that was asked for.
    n_samples_, n_groups_ : int
        Numbers of images, and of groups (None without).
    y_true_, y_pred_, y_score_ : ndarray
        What the scores were computed from; `y_score_` is None without scores.
    figure_, axes_ : matplotlib Figure, ndarray of Axes
        After :meth:`plot`.

    See Also
    --------
    compare_classifiers : Several classifiers, cross-validated.
    find_operating_point : A threshold with a wanted specificity.

    Notes
    -----
    Scores are those of scikit-learn's functions, with ``zero_division=0``. Intervals are percentiles of the bootstrap
    [1]_ over images, or over whole groups [2]_, since images of one person resemble each other. They tell how far the
    score depends on the draw of this test set; not how far it depends on that of the training set, nor on the seed of
    the training.

    An equalised test set (`equalize` of :meth:`from_estimator`) shows each class equally often, by changed copies of
    the test images. Its own intervals draw an image together with its copies.

    References
    ----------
    .. [1] Efron, B., & Tibshirani, R. J. (1993). An introduction to the bootstrap. Chapman & Hall.
    .. [2] Field, C. A., & Welsh, A. H. (2007). Bootstrapping clustered data. Journal of the Royal Statistical Society
       B, 69, 369-390.

    Examples
    --------
    >>> from sk_emotion import EmotionReport
    >>> report = EmotionReport.from_predictions(["fear", "pain", "pain"], ["fear", "pain", "fear"], n_resamples=0)
    >>> report.scores_.loc["accuracy", "value"].round(3)
    np.float64(0.667)
    >>> report.per_class_["recall"].to_dict()
    {'fear': 1.0, 'pain': 0.5}
    """

    def __init__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        y_score: ArrayLike | None = None,
        *,
        classes: ArrayLike | None = None,
        pos_label: Any = None,
        groups: ArrayLike | None = None,
        n_resamples: int = 1000,
        confidence_level: float = 0.95,
        random_state: Any = 0,
    ):
        check_resampling(n_resamples, confidence_level)
        predicted = check_labels(y_pred, "EmotionReport", "y_pred")
        self.y_true_, self.classes_ = check_truth(y_true, "EmotionReport", predicted, classes=classes)
        self.y_pred_ = predicted
        self.n_samples_ = len(self.y_true_)
        check_predictions(self.y_true_, predicted, self.classes_)
        self.y_score_ = None
        if y_score is not None:
            self.y_score_ = check_scores(y_score, self.classes_, self.n_samples_, "EmotionReport", pos_label)
        self.pos_label_ = (
            choose_positive(self.classes_, pos_label, "EmotionReport") if len(self.classes_) == 2 else None
        )
        persons = check_groups(groups, self.n_samples_)
        self.n_groups_ = None if persons is None else len(np.unique(persons))
        self.n_resamples_ = int(n_resamples)
        self.confidence_level_ = float(confidence_level)
        self.equalized_: EmotionReport | None = None
        self._compute(persons, check_random_state(random_state))

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        groups: ArrayLike | None = None,
        equalize: Any = None,
        pos_label: Any = None,
        n_resamples: int = 1000,
        confidence_level: float = 0.95,
        random_state: Any = 0,
    ) -> "EmotionReport":
        """Judge a fitted classifier.

        Parameters
        ----------
        estimator : classifier
            Fitted. Without ``predict_proba`` and ``decision_function``, there is no ROC AUC.
        X : array, list or DataFrame of length n_samples
            Test images or paths, whatever the estimator takes. A FaceLoader at its beginning reads them once.
        y : array-like of shape (n_samples,)
            True labels.
        groups : array-like of shape (n_samples,), default=None
            Persons, say. The bootstrap then draws whole groups.
        equalize : AugmentationOverSampler, other sampler, or bool, default=None
            Makes the classes of the test set equal, for the second report ``equalized_``; True is
            ``AugmentationOverSampler(random_state=0)``. The first report is always that of the images as they are.
        pos_label : label, default=None
            Of two classes, the one that is asked for; by default the last of ``estimator.classes_``.
        n_resamples, confidence_level, random_state
            As for the class.

        Returns
        -------
        EmotionReport

        Raises
        ------
        LabelError
            If X, y and groups differ in length, or y holds labels that the estimator does not know.
        """
        classifier, faces = load_faces(estimator, X)
        labels = check_labels(y, "EmotionReport", "y")
        if len(labels) != len(faces):
            raise LabelError(
                f"EmotionReport: X has {len(faces)} images, but y has {len(labels)} labels. Give one label an image."
            )
        options = {
            "classes": classifier.classes_,
            "pos_label": pos_label,
            "n_resamples": n_resamples,
            "confidence_level": confidence_level,
            "random_state": random_state,
        }
        report = cls(labels, *ask_both(classifier, faces), groups=groups, **options)
        if not (equalize is None or equalize is False):
            copies, copied_labels, sources = equalize_images(equalize, faces, labels)
            # An image is drawn with its copies: they are no images of their own.
            units = sources if groups is None else np.asarray(groups)[sources]
            report.equalized_ = cls(copied_labels, *ask_both(classifier, copies), groups=units, **options)
        return report

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike | None = None,
        y_score: ArrayLike | None = None,
        *,
        classes: ArrayLike | None = None,
        pos_label: Any = None,
        groups: ArrayLike | None = None,
        n_resamples: int = 1000,
        confidence_level: float = 0.95,
        random_state: Any = 0,
    ) -> "EmotionReport":
        """Judge predictions.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels.
        y_pred : array-like of shape (n_samples,), default=None
            Predicted labels; by default those with the highest score in each row of `y_score`.
        y_score : array-like of shape (n_samples, n_classes), or (n_samples,) for two classes, default=None
            Probabilities or decision values. Without them, there is no ROC AUC.
        classes : array-like of shape (n_classes,), default=None
            Labels of the columns of `y_score`; by default those that occur in `y_true` and `y_pred`, sorted.
        pos_label, groups, n_resamples, confidence_level, random_state
            As for the class.

        Returns
        -------
        EmotionReport

        Raises
        ------
        LabelError
            If labels, scores, classes and groups do not match.
        """
        if y_pred is None:
            if y_score is None or np.ndim(y_score) != 2:
                raise ValueError(
                    "EmotionReport.from_predictions: give y_pred, or y_score with a column for each class: the highest "
                    "score then says what is predicted."
                )
            labels, known = check_truth(y_true, "EmotionReport", classes=classes)
            y_pred = known[check_scores(y_score, known, len(labels), "EmotionReport").argmax(axis=1)]
            classes = known
        return cls(
            y_true,
            y_pred,
            y_score,
            classes=classes,
            pos_label=pos_label,
            groups=groups,
            n_resamples=n_resamples,
            confidence_level=confidence_level,
            random_state=random_state,
        )

    def to_frame(self) -> pd.DataFrame:
        """Give the table of classes, with the averages below it, as scikit-learn's ``classification_report`` does.

        Returns
        -------
        DataFrame
            The rows of ``per_class_``, then ``"macro avg"`` and ``"weighted avg"``.
        """
        table = self.per_class_
        known = table.dropna(subset=["f1"])
        macro = known.mean()
        weighted = pd.Series({name: _average(column, known["support"]) for name, column in known.items()})
        averages = pd.DataFrame({"macro avg": macro, "weighted avg": weighted}).T
        averages["support"] = self.n_samples_
        # An average of ends of intervals is no end of an interval.
        averages[["f1_low", "f1_high"]] = np.nan
        for row, score in (("macro avg", "f1_macro"), ("weighted avg", "f1_weighted")):
            averages.loc[row, ["f1_low", "f1_high"]] = self.scores_.loc[score, ["low", "high"]].to_numpy()
        frame = pd.concat([table, averages])
        return frame.astype({"support": int})

    def plot(self, axes: Any = None) -> "EmotionReport":
        """Draw the confusion matrix, F1 of each class, and with scores the ROC and precision-recall curves.

        Parameters
        ----------
        axes : sequence of matplotlib Axes, default=None
            Where to draw: 4 with scores, 2 without. By default on a new figure.

        Returns
        -------
        self : EmotionReport
        """
        from ._report_plot import draw_report

        self.axes_ = draw_report(self, axes)
        self.figure_ = self.axes_[0].figure
        return self

    def __str__(self) -> str:
        return describe_report(self)

    def __repr__(self) -> str:
        return str(self)

    def _compute(self, groups: NDArray[Any] | None, random_state: np.random.RandomState) -> None:
        true, predicted = (find_codes(labels, self.classes_) for labels in (self.y_true_, self.y_pred_))
        n_classes = len(self.classes_)
        rankings = None if self.y_score_ is None else rank_images(true, self.y_score_)
        positive = None if self.pos_label_ is None else int(np.flatnonzero(self.classes_ == self.pos_label_)[0])

        def score(weight: NDArray[np.float64]) -> tuple[Scores, Scores]:
            return score_predictions(weight, true, predicted, rankings, n_classes, positive)

        each = np.ones((1, self.n_samples_))
        overall, per_class = score(each)
        drawn = [score(weight) for weight in draw_resamples(self.n_samples_, groups, self.n_resamples_, random_state)]

        def interval(part: int, name: str, value: NDArray[np.float64]) -> NDArray[np.float64]:
            draws = [np.full_like(value, np.nan), *(scores[part][name] for scores in drawn)]
            return find_interval(np.concatenate(draws), self.confidence_level_)

        rows = {name: [value[0], *interval(0, name, value)] for name, value in overall.items()}
        self.scores_ = pd.DataFrame(rows, index=["value", "low", "high"]).T
        columns = {name: value[0] for name, value in per_class.items()}
        low, high = interval(1, "f1", per_class["f1"])
        self.per_class_ = pd.DataFrame(columns, index=pd.Index(self.classes_, name="class")).astype({"support": int})
        self.per_class_.insert(3, "f1_low", low)
        self.per_class_.insert(4, "f1_high", high)
        self.confusion_matrix_ = pd.DataFrame(
            count_confusions(each, true, predicted, n_classes)[0].astype(int),
            index=pd.Index(self.classes_, name="true"),
            columns=pd.Index(self.classes_, name="predicted"),
        )


def _average(scores: pd.Series, support: pd.Series) -> float:
    """Average over the classes whose score is known, by their numbers of images; nan if none is."""
    known = scores.notna() & (support > 0)
    return float(np.average(scores[known], weights=support[known])) if known.any() else float("nan")
