"""Report of a classifier's performance on a test set."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from .._images._stored import as_indexable
from .._reports import name_estimator, show_estimator
from .._reports._report_page import render_report, render_summary
from .._reports._report_text import describe_report
from ..leakage._groups import resolve_groups
from ..preprocessing._pipelines import find_last_step
from ..utils._arrays import as_numpy
from ..utils._files import write_output
from ..utils._labels import check_labels, check_same_length
from ._caveats import find_leaks, find_seen_images
from ._predictions import (
    equalize_images,
    find_class_counts,
    load_faces,
    predict_with_scores,
)
from ._report_base import BaseReport, draw_report, find_images, find_names, warn_of_caveats


class EmotionReport(BaseReport):
    """Scores of a classifier on a test set, with confidence intervals.

    Use :meth:`from_estimator` or :meth:`from_predictions`. Then ``print`` the report, :meth:`plot` it, write an HTML
    page with :meth:`to_html`, or access the numbers in ``scores``, ``per_class``, ``per_group``,
    ``confusion_matrix`` or :meth:`to_frame`.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        True and predicted labels.
    y_score : array-like of shape (n_samples, n_classes), or (n_samples,) for two classes, default=None
        Probabilities or decision values; a single column is that of the positive class. Without them, ROC AUC and
        average precision are not computed.
    classes : array-like of shape (n_classes,), default=None
        Labels of the columns of `y_score`; by default the sorted labels of `y_true` and `y_pred`.
    pos_label : label, default=None
        The positive class of a binary problem; by default the last one.
    groups : array-like of shape (n_samples,), default=None
        Groups, such as persons, that the bootstrap draws as a whole.
    metadata : DataFrame or mapping of array-like of shape (n_samples,), default=None
        Attributes of the images, such as ages or cameras: each value of each column is scored separately. Numeric
        columns with more than ten values are cut into quarters.
    images : array-like of shape (n_samples, H, W) or (n_samples, H, W, 3), default=None
        The faces. The page shows the most confident mistakes and the least certain predictions; the report keeps only
        thumbnails of these.
    image_names : array-like of str of shape (n_samples,), default=None
        Names of the faces on the page, such as the paths of their files.
    n_resamples : int, default=1000
        Number of bootstrap resamples; 0 for no intervals.
    confidence_level : float, default=0.95
        Confidence level of the intervals.
    random_state : int, RandomState instance or None, default=None
        Controls the bootstrap.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        The class labels.
    pos_label : label or None
        The positive class of a binary problem, otherwise None.
    scores : DataFrame
        One row per score, named as scikit-learn's scorers: ``accuracy``, ``balanced_accuracy``, ``f1_macro``,
        ``f1_weighted``; with `y_score`, ``roc_auc_ovr`` and ``average_precision_macro``. Binary problems add ``f1``,
        ``precision``, ``sensitivity`` and ``specificity``, and have ``roc_auc`` and ``average_precision`` instead of
        the macro averages. Columns are ``value``, ``low`` and ``high``.
    per_class : DataFrame
        One row per class: ``precision``, ``recall``, ``f1``, ``f1_low``, ``f1_high``, ``support`` and, with `y_score`,
        ``roc_auc`` and ``average_precision`` of the class against the rest.
    per_group : DataFrame
        One row per ``value`` of each ``column`` of `metadata`, and of the groups (in column ``"group"``): ``images``,
        ``accuracy``, ``accuracy_low``, ``accuracy_high``, ``f1_macro`` (over the classes present), ``f1_macro_low``
        and ``f1_macro_high``. Each column is limited to the 20 values with most images, and values with fewer than 5
        images are omitted. The bootstrap draws whole groups, if given, and images within a single group.
    left_out : dict of str to int
        Number of values without a row in ``per_group``, for each column with such values.
    confusion_matrix : DataFrame of shape (n_classes, n_classes)
        Number of images; true classes in rows, predicted classes in columns.
    equalized : EmotionReport or None
        The report on the equalized test set, if requested.
    n_samples, n_groups : int
        Number of images, and of groups (None without groups).
    y_true, y_pred, y_score : ndarray
        True labels, predicted labels, and scores (None if not passed).
    mistakes, doubtful : ndarray of int
        Rows of the most confident mistakes, in descending order of confidence, and of the predictions with the smallest
        margin between the two highest scores; at most 24 of each, empty without `y_score`.
    estimator_html : str or None
        scikit-learn's HTML view of the estimator with its parameters; None for :meth:`from_predictions`.
    history : list of dict, or None
        Training history of the estimator, one entry per epoch, if available.
    class_counts : DataFrame or None
        One row per class of the training set: number of images ``before`` and ``after`` over-sampling, if the sampler
        of the estimator records it as :class:`AugmentationOverSampler` does.
    caveats : list of str
        Sentences about what limits the validity of the scores: test images or groups that are also in the training set,
        images that the file of the model names as trained or validated on (see :func:`save_model`), classes without
        test images, and classes with fewer than 20. Text and page show them, and :meth:`from_estimator` and
        :meth:`from_predictions` issue them as a warning.
    environment : dict of str to str
        Time, platform and package versions.
    figure, axes : matplotlib Figure, ndarray of Axes
        After :meth:`plot`.

    See Also
    --------
    compare_classifiers : Cross-validate several classifiers.
    find_operating_point : Find a threshold for a minimum specificity.

    Notes
    -----
    Scores equal those of scikit-learn's functions with ``zero_division=0``. Intervals are bootstrap percentiles [1]_
    over images, or over whole groups [2]_, since images of one person are not independent. They reflect the sampling
    of the test set, but not that of the training set, nor the random seed of the training.

    In an equalized test set (`equalize` of :meth:`from_estimator`), all classes have the same number of images thanks
    to augmented copies. Its bootstrap draws an image together with its copies.

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
    >>> report.scores.loc["accuracy", "value"].round(3)
    np.float64(0.667)
    >>> report.per_class["recall"].to_dict()
    {'fear': 1.0, 'pain': 0.5}
    """

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
        photos: Any = None,
        image_names: ArrayLike | None = None,
        display_estimator: Any = None,
        n_resamples: int = 1000,
        confidence_level: float = 0.95,
        random_state: Any = None,
    ) -> "EmotionReport":
        """Evaluate a fitted classifier.

        Parameters
        ----------
        estimator : classifier
            Fitted classifier. ROC AUC needs ``predict_proba`` or ``decision_function``.
        X : array, list or DataFrame of length n_samples
            Test images or paths, as the estimator expects them. If its first step is a FaceLoader, they are loaded
            once.
        y : array-like of shape (n_samples,)
            True labels.
        groups : array-like of shape (n_samples,), "duplicates" or None, default=None
            Groups, such as persons, that the bootstrap draws as a whole. ``"duplicates"`` groups near copies with
            :func:`find_duplicates`.
        metadata : DataFrame or mapping of array-like of shape (n_samples,), default=None
            As for the class.
        equalize : AugmentationOverSampler, other sampler, or bool, default=None
            Sampler that equalizes the classes of the test set for the additional report ``equalized``; True for
            ``AugmentationOverSampler(random_state=0)``. The main report always uses the original images.
        pos_label : label, default=None
            The positive class of a binary problem; by default the last of ``estimator.classes_``.
        X_train : array, list or DataFrame of length n_train, default=None
            Training images or paths, to detect test images that are copies or near copies of them. Near copies are
            searched for among up to 40,000 images; beyond that, only exact copies are.
        groups_train : array-like of shape (n_train,), default=None
            Groups of the training images, to detect groups that are also in the test set.
        photos : list, array or DataFrame of length n_samples, default=None
            Photos that the faces in `X` were cropped from; by default `X`. The file of a model says which images it was
            trained on: these are known by their pixels, so that a face that was cropped from one is not.
        image_names : array-like of str of shape (n_samples,), default=None
            Names of the faces on the page; by default the paths in `photos`, if it contains paths.
        display_estimator : estimator, default=None
            Estimator whose parameters, training history and class balance the page shows, for example the whole
            pipeline if `X` contains the faces that its FaceLoader returned; by default `estimator`.
        n_resamples, confidence_level, random_state
            As for the class.

        Returns
        -------
        EmotionReport

        Raises
        ------
        LabelError
            If `X`, `y` and `groups` have different lengths, `y` contains labels that the estimator does not know, or
            `groups_train` is passed without an array of `groups`.

        Warns
        -----
        DatasetWarning
            If ``caveats`` is not empty.
        """
        X = as_indexable(as_numpy(X, "EmotionReport"))
        leaks = find_leaks(X, X_train, groups, groups_train)
        groups = resolve_groups(groups, X, "EmotionReport")
        classifier, faces = load_faces(estimator, X)
        labels = check_labels(y, "EmotionReport", "y")
        images, given = ("X", len(faces), "images"), ("y", len(labels), "labels")
        check_same_length("EmotionReport", images, given, "one label per image")
        photos = X if photos is None else as_indexable(as_numpy(photos, "EmotionReport"))
        given = "photos", len(photos), "photos"
        check_same_length("EmotionReport", images, given, "one photo per image")
        options = {
            "classes": classifier.classes_,
            "pos_label": pos_label,
            "n_resamples": n_resamples,
            "confidence_level": confidence_level,
            "random_state": random_state,
        }
        answers = predict_with_scores(classifier, faces)
        images = find_images(classifier, faces)
        names = find_names(photos) if image_names is None else image_names
        report = cls(labels, *answers, groups=groups, metadata=metadata, images=images, image_names=names, **options)
        report.caveats = leaks + find_seen_images(estimator, photos) + report.caveats
        warn_of_caveats(report)
        shown = estimator if display_estimator is None else display_estimator
        report.estimator_html, report._estimator_name = show_estimator(shown), name_estimator(shown)
        report.history = getattr(find_last_step(shown), "history_", None) or None
        report.class_counts = find_class_counts(shown)
        if not (equalize is None or equalize is False):
            copies, copied_labels, sources = equalize_images(equalize, faces, labels)
            # The bootstrap draws an image together with its copies, which are not independent.
            units = sources if groups is None else np.asarray(groups)[sources]
            report.equalized = cls(copied_labels, *predict_with_scores(classifier, copies), groups=units, **options)
        return report

    def to_frame(self) -> pd.DataFrame:
        """Return the scores of each class and their averages, like scikit-learn's ``classification_report``.

        Returns
        -------
        DataFrame
            The rows of ``per_class``, then ``"macro avg"`` and ``"weighted avg"``.
        """
        return self._summarize().averages

    def plot(self, axes: Any = None) -> "EmotionReport":
        """Plot the confusion matrix, F1 of each class and, with scores, the ROC and precision-recall curves.

        Parameters
        ----------
        axes : sequence of matplotlib Axes, default=None
            Axes to plot on: 4 with scores, 2 without; by default those of a new figure.

        Returns
        -------
        self : EmotionReport
        """
        self.axes = draw_report(self._summarize(), self.y_true, self.y_score, axes)
        self.figure = self.axes[0].figure
        return self

    def to_html(self, path: str | Path | None = None, *, title: str = "Emotion report") -> str:
        """Render the report as a self-contained HTML page.

        Parameters
        ----------
        path : str or Path, default=None
            File to write, encoded as UTF-8. The write is atomic.
        title : str, default="Emotion report"
            Heading of the page.

        Returns
        -------
        str
            The HTML of the page.

        Raises
        ------
        FileWriteError
            If the file cannot be written, for example because the disk is full. An existing file stays unchanged.
        """
        page = render_report(self._summarize(), title, **self._collect_details())
        if path is not None:
            write_output(path, page.encode())
        return page

    def __str__(self) -> str:
        return describe_report(self._summarize())

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return render_summary(self._summarize())
