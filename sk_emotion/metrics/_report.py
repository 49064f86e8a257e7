"""Everything that is said of a classifier on a test set."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

from .._images._stored import as_indexable
from .._reports import describe_environment, describe_parameters
from .._reports._report_page import render_report, render_summary
from .._reports._report_summary import Curve, ReportDetails, ReportSummary
from .._reports._report_text import describe_report
from ..exceptions import DatasetWarning, LabelError
from ..leakage._overlap import resolve_groups
from ..utils._files import write_output
from ..utils._labels import check_labels
from ..utils._tensors import as_numpy
from ._caveats import describe_absent, describe_few, find_leaks
from ._predictions import (
    as_probabilities,
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
from ._report_curves import compute_calibration, compute_curves
from ._report_faces import (
    check_image_names,
    check_images,
    collect_faces,
    find_images,
    find_names,
    rank_doubtful,
    rank_mistakes,
    take_thumbnails,
)
from ._report_groups import check_metadata, score_groups
from ._report_model import find_class_counts, find_history
from ._report_plot import draw_report
from ._report_scores import append_averages, tabulate_confusions, tabulate_scores


class EmotionReport:
    """Scores of a classifier on a test set, with confidence intervals.

    Use :meth:`from_estimator` or :meth:`from_predictions`; then ``print`` it, :meth:`plot` it, write it as a page by
    :meth:`to_html`, or take its numbers from ``scores_``, ``per_class_``, ``per_group_``, ``confusion_matrix_`` or
    :meth:`to_frame`.

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
    metadata : DataFrame or mapping of array-like of shape (n_samples,), default=None
        What else is known of each image, such as ages or cameras: each value of each column is scored on its own.
        Numbers of more than ten values are cut into quarters.
    images : array-like of shape (n_samples, H, W) or (n_samples, H, W, 3), default=None
        The faces, of which the page shows those that were told worst. They are not kept, but for small copies of these.
    image_names : array-like of str of shape (n_samples,), default=None
        What the page calls these faces: the paths of their files, say.
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
    per_group_ : DataFrame
        One row per ``value`` of each ``column`` of `metadata`, and of the groups (in column ``"group"``): ``images``,
        ``accuracy``, ``accuracy_low``, ``accuracy_high``, ``f1_macro`` (over the classes that it shows),
        ``f1_macro_low`` and ``f1_macro_high``. Of each column, the 20 values with most images, and no value with fewer
        than 5. Intervals draw whole groups where there are any; those of one group draw its images.
    left_out_ : dict of str to int
        For each column, how many of its values have no row in ``per_group_``, if any.
    confusion_matrix_ : DataFrame of shape (n_classes, n_classes)
        Numbers of images; true classes in rows, predicted ones in columns.
    equalized_ : EmotionReport or None
        The report on the equalised test set, if that was asked for.
    n_samples_, n_groups_ : int
        Numbers of images, and of groups (None without).
    y_true_, y_pred_, y_score_ : ndarray
        What the scores were computed from; `y_score_` is None without scores.
    mistakes_, doubtful_ : ndarray of int
        Rows of the most confident mistakes, the worst first, and of the faces whose two highest scores lie closest
        together; at most 24 of each, none without `y_score`.
    parameters_ : dict of str to str, or None
        Every parameter of the estimator as text, its class as that of ``""``; None of predictions alone.
    history_ : list of dict, or None
        The training of the estimator, one entry per epoch, if it keeps it.
    class_counts_ : DataFrame or None
        One row per class of the training set: images ``before`` and ``after`` the sampler of the estimator, if it has
        one that knows (:class:`AugmentationOverSampler` does).
    caveats_ : list of str
        Sentences that say what makes the scores worth less than they seem, if anything does: images or groups that were
        trained on, classes without a test image, and classes with fewer than 20. Text and page show them, and
        :meth:`from_estimator` and :meth:`from_predictions` warn of them.
    environment_ : dict of str to str
        Time, machine and versions.
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
    >>> y_true, y_pred = ["fear"] * 20 + ["pain"] * 40, ["fear"] * 40 + ["pain"] * 20
    >>> report = EmotionReport.from_predictions(y_true, y_pred, n_resamples=0)
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
        metadata: Any = None,
        images: Any = None,
        image_names: ArrayLike | None = None,
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
        self.parameters_: dict[str, str] | None = None
        self.history_: list[dict[str, Any]] | None = None
        self.class_counts_: pd.DataFrame | None = None
        self.caveats_ = describe_absent(np.setdiff1d(self.classes_, self.y_true_)) + describe_few(
            self.y_true_, self.classes_
        )
        self.environment_ = describe_environment()
        self._compute(persons, check_metadata(metadata, self.n_samples_), check_random_state(random_state))
        self._thumbnails: dict[int, NDArray[np.uint8]] = {}
        if images is not None:
            faces = check_images(images, self.n_samples_)
            self._thumbnails = take_thumbnails(faces, np.union1d(self.mistakes_, self.doubtful_))
        names = check_image_names(image_names, self.n_samples_)
        self._image_names: dict[int, str] = {row: names[row] for row in self._thumbnails} if names else {}

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        groups: ArrayLike | str | None = None,
        metadata: Any = None,
        equalize: Any = None,
        pos_label: Any = None,
        X_train: Any = None,
        groups_train: ArrayLike | None = None,
        image_names: ArrayLike | None = None,
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
        groups : array-like of shape (n_samples,), "duplicates" or None, default=None
            Persons, say. The bootstrap then draws whole groups. ``"duplicates"`` makes groups of near copies, by
            :func:`find_duplicates`.
        metadata : DataFrame or mapping of array-like of shape (n_samples,), default=None
            As for the class.
        equalize : AugmentationOverSampler, other sampler, or bool, default=None
            Makes the classes of the test set equal, for the second report ``equalized_``; True is
            ``AugmentationOverSampler(random_state=0)``. The first report is always that of the images as they are.
        pos_label : label, default=None
            Of two classes, the one that is asked for; by default the last of ``estimator.classes_``.
        X_train : array, list or DataFrame of length n_train, default=None
            What the estimator was trained on, to be told whether test images are copies or near copies of it. Near
            copies are looked for among up to 40,000 pictures, and equal ones among more.
        groups_train : array-like of shape (n_train,), default=None
            Groups of the training, to be told whether they are tested again.
        image_names : array-like of str of shape (n_samples,), default=None
            What the page calls the faces that it shows; by default their paths, if X holds paths.
        n_resamples, confidence_level, random_state
            As for the class.

        Returns
        -------
        EmotionReport

        Raises
        ------
        LabelError
            If X, y and groups differ in length, y holds labels that the estimator does not know, or `groups_train` is
            given without groups of persons.

        Warns
        -----
        DatasetWarning
            Of what ``caveats_`` says.
        """
        X = as_indexable(as_numpy(X, "EmotionReport"))
        leaks = find_leaks(X, X_train, groups, groups_train)
        groups = resolve_groups(groups, X, "EmotionReport")
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
        answers = ask_both(classifier, faces)
        images = find_images(classifier, faces)
        names = find_names(X) if image_names is None else image_names
        report = cls(labels, *answers, groups=groups, metadata=metadata, images=images, image_names=names, **options)
        report.caveats_ = leaks + report.caveats_
        _warn(report)
        report.parameters_ = describe_parameters(estimator)
        report.history_ = find_history(classifier)
        report.class_counts_ = find_class_counts(classifier)
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
        metadata: Any = None,
        images: Any = None,
        image_names: ArrayLike | None = None,
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
        pos_label, groups, metadata, images, image_names, n_resamples, confidence_level, random_state
            As for the class.

        Returns
        -------
        EmotionReport

        Raises
        ------
        LabelError
            If labels, scores, classes and groups do not match.

        Warns
        -----
        DatasetWarning
            Of what ``caveats_`` says.
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
        report = cls(
            y_true,
            y_pred,
            y_score,
            classes=classes,
            pos_label=pos_label,
            groups=groups,
            metadata=metadata,
            images=images,
            image_names=image_names,
            n_resamples=n_resamples,
            confidence_level=confidence_level,
            random_state=random_state,
        )
        _warn(report)
        return report

    def to_frame(self) -> pd.DataFrame:
        """Give the table of classes, with the averages below it, as scikit-learn's ``classification_report`` does.

        Returns
        -------
        DataFrame
            The rows of ``per_class_``, then ``"macro avg"`` and ``"weighted avg"``.
        """
        return append_averages(self.per_class_, self.scores_, self.n_samples_)

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
        self.axes_ = draw_report(self._summarize(), self.y_true_, self.y_score_, axes)
        self.figure_ = self.axes_[0].figure
        return self

    def to_html(self, path: str | Path | None = None, *, title: str = "Emotion report") -> str:
        """Write a page with all of the report, which needs no network to be read.

        Parameters
        ----------
        path : str or Path, default=None
            File to write, in UTF-8, as a whole or not at all.
        title : str, default="Emotion report"
            Heading of the page: which model was judged on what, say.

        Returns
        -------
        str
            The page.

        Raises
        ------
        FileWriteError
            If the file cannot be written, because the disk is full, say. An earlier page is as it was.
        """
        page = render_report(self._summarize(), self._collect_details(), title)
        if path is not None:
            write_output(path, page.encode())
        return page

    def __str__(self) -> str:
        return describe_report(self._summarize())

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return render_summary(self._summarize())

    def _summarize(self) -> ReportSummary:
        return ReportSummary(
            n_samples=self.n_samples_,
            n_groups=self.n_groups_,
            n_resamples=self.n_resamples_,
            confidence_level=self.confidence_level_,
            classes=self.classes_,
            pos_label=self.pos_label_,
            scores=self.scores_,
            per_class=self.per_class_,
            averages=self.to_frame(),
            confusion_matrix=self.confusion_matrix_,
            per_group=self.per_group_,
            left_out=self.left_out_,
            has_scores=self.y_score_ is not None,
            caveats=self.caveats_,
            equalized=None if self.equalized_ is None else self.equalized_._summarize(),
        )

    def _collect_details(self) -> ReportDetails:
        roc: list[Curve] = []
        precision_recall: list[Curve] = []
        calibration = confidence = None
        if self.y_score_ is not None:
            roc, precision_recall = compute_curves(self.y_true_, self.y_score_, self.per_class_, self.pos_label_)
            calibration = compute_calibration(self.y_true_, self.y_score_, self.classes_)
            probabilities = as_probabilities(self.y_score_)
            if probabilities is not None:
                confidence = probabilities[np.arange(self.n_samples_), find_codes(self.y_pred_, self.classes_)]
        mistakes, doubtful = (
            collect_faces(rows, self._thumbnails, self._image_names, self.y_true_, self.y_pred_, confidence)
            for rows in (self.mistakes_, self.doubtful_)
        )
        return ReportDetails(
            roc=roc,
            precision_recall=precision_recall,
            calibration=calibration,
            mistakes=mistakes,
            doubtful=doubtful,
            history=self.history_,
            class_counts=self.class_counts_,
            parameters=self.parameters_,
            environment=self.environment_,
        )

    def _compute(
        self, groups: NDArray[Any] | None, metadata: dict[str, pd.Series], random_state: np.random.RandomState
    ) -> None:
        true, predicted = (find_codes(labels, self.classes_) for labels in (self.y_true_, self.y_pred_))
        positive = None if self.pos_label_ is None else int(np.flatnonzero(self.classes_ == self.pos_label_)[0])
        draws = (self.n_resamples_, self.confidence_level_, random_state)
        self.scores_, self.per_class_ = tabulate_scores(
            true, predicted, self.y_score_, self.classes_, positive, groups, *draws
        )
        self.confusion_matrix_ = tabulate_confusions(true, predicted, self.classes_)
        self.per_group_, self.left_out_ = score_groups(metadata, groups, true, predicted, len(self.classes_), *draws)
        self.mistakes_ = self.doubtful_ = np.empty(0, dtype=np.int64)
        if self.y_score_ is not None:
            probabilities = as_probabilities(self.y_score_)
            scores = self.y_score_ if probabilities is None else probabilities
            self.mistakes_, self.doubtful_ = rank_mistakes(scores, true, predicted), rank_doubtful(scores)


def _warn(report: EmotionReport) -> None:
    """Warn of all caveats at once, where a report was asked for."""
    if report.caveats_:
        warnings.warn(f"EmotionReport: {' '.join(report.caveats_)}", DatasetWarning, stacklevel=3)
