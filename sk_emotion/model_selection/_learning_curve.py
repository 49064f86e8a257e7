"""Plot score against number of training images."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context, model_selection
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state
from sklearn.utils._metadata_requests import get_routing_for_object
from sklearn.utils.validation import _num_samples

from .._images._stored import as_indexable
from .._reports._axes import finish_axes
from .._reports._comparison_summary import title_of
from .._reports._palette import COLORS
from ..leakage._groups import resolve_groups
from ..preprocessing import FaceLoader
from ..utils._labels import check_labels, check_lengths
from ..utils._resources import bound_jobs, check_jobs
from ._comparison_folds import draw_splits, keep_groups_together

# More sizes than this would run into one another below the axis.
_MAX_TICKS = 8


class LearningCurveDisplay(model_selection.LearningCurveDisplay):
    """Learning curve: score of a classifier against the number of training images.

    The parameters and attributes are those of scikit-learn's display. If the test score still rises at the largest
    size, more images would help; if it is flat, a different model may. The folds are those of
    :func:`compare_classifiers`: an integer `cv` with `groups` keeps each person in a single fold.

    Use :meth:`from_estimator` to create one.

    Parameters
    ----------
    train_sizes : ndarray of int of shape (n_sizes,)
        Numbers of training images.
    train_scores, test_scores : ndarray of shape (n_sizes, n_folds)
        Scores on the training images and on the held-out images.
    score_name : str, default=None
        Name of the score.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_, fill_between_, errorbar_ : list or None
        Artists of both curves.

    See Also
    --------
    sklearn.model_selection.LearningCurveDisplay : The same display with other defaults.
    TrainingCurves : Plot score against epoch.
    compare_classifiers : Compare several classifiers on all images.

    Notes
    -----
    Each training set contains the smaller ones. Even small sets contain nearly all persons, so the curve shows the
    effect of more images of these persons, not of more persons.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sk_emotion import LearningCurveDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> display = LearningCurveDisplay.from_estimator(GaussianNB(), X, y, train_sizes=[30, 60, 120])
    >>> display.test_scores.shape
    (3, 5)
    """

    def plot(
        self,
        ax: Any = None,
        *,
        negate_score: bool = False,
        score_name: str | None = None,
        score_type: str = "both",
        std_display_style: str | None = "fill_between",
        line_kw: dict[str, Any] | None = None,
        fill_between_kw: dict[str, Any] | None = None,
        errorbar_kw: dict[str, Any] | None = None,
    ) -> "LearningCurveDisplay":
        """Plot the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on; by default a new figure is created.
        negate_score : bool, default=False
            Whether to plot the negative of the scores, for ``"neg_..."`` scorers.
        score_name : str, default=None
            Label of the y axis; by default the score name of the display.
        score_type : {"test", "train", "both"}, default="both"
            Curves to plot.
        std_display_style : {"fill_between", "errorbar"} or None, default="fill_between"
            Style of the standard deviation over the folds.
        line_kw, fill_between_kw, errorbar_kw : dict, default=None
            Passed to ``Axes.plot``, ``Axes.fill_between`` and ``Axes.errorbar``.

        Returns
        -------
        self : LearningCurveDisplay
        """
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots(figsize=(5.6, 4.2), layout="constrained")
        # Each curve has the same color with and without the other.
        ax.set_prop_cycle(color=COLORS[1:] if score_type == "test" else COLORS)
        super().plot(
            ax=ax,
            negate_score=negate_score,
            score_name=score_name,
            score_type=score_type,
            std_display_style=std_display_style,
            line_kw={"marker": "o", "markersize": 4, **(line_kw or {})},
            fill_between_kw={"alpha": 0.15, "linewidth": 0, **(fill_between_kw or {})},
            errorbar_kw={"marker": "o", "markersize": 4, "capsize": 3, **(errorbar_kw or {})},
        )
        ax.set_xlabel("training images")
        if len(self.train_sizes) <= _MAX_TICKS:
            ax.set_xticks(self.train_sizes, [f"{size:,}" for size in self.train_sizes])
            ax.set_xticks([], minor=True)
        finish_axes(ax)
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        groups: Any = None,
        train_sizes: Any = (0.1, 0.2, 0.4, 0.7, 1.0),
        cv: Any = 5,
        scoring: Any = "f1_macro",
        exploit_incremental_learning: bool = False,
        n_jobs: int | None = None,
        pre_dispatch: int | str = "all",
        verbose: int = 0,
        shuffle: bool = True,
        random_state: Any = 0,
        error_score: Any = np.nan,
        fit_params: dict[str, Any] | None = None,
        ax: Any = None,
        negate_score: bool = False,
        score_name: str | None = None,
        score_type: str = "both",
        std_display_style: str | None = "fill_between",
        line_kw: dict[str, Any] | None = None,
        fill_between_kw: dict[str, Any] | None = None,
        errorbar_kw: dict[str, Any] | None = None,
    ) -> "LearningCurveDisplay":
        """Train a classifier on increasing numbers of images, and plot its scores.

        Parameters
        ----------
        estimator : classifier
            It is cloned before fitting. A FaceLoader as the first step of a pipeline reads the photos once for all
            fits; inside a search, set its `cache`.
        X : array, list or DataFrame of length n_samples
            Images or paths, as the estimator expects them.
        y : array-like of shape (n_samples,)
            Labels.
        groups : array-like of shape (n_samples,), "duplicates" or None, default=None
            For example persons, or near duplicates: a group is never in both the training and the test set. Groups
            are passed to nested searches, as in :func:`compare_classifiers`.
        train_sizes : array-like of shape (n_sizes,), default=(0.1, 0.2, 0.4, 0.7, 1.0)
            Fractions (floats) of the smallest training set of the folds, or numbers of images (integers).
        cv : int, splitter or iterable, default=5
            Folds. An integer means stratified folds, of whole groups with `groups`.
        scoring : str or callable, default="f1_macro"
            As in :func:`sklearn.model_selection.learning_curve`.
        exploit_incremental_learning : bool, default=False
            Whether to train on larger sets by calling ``partial_fit`` with the added images.
        n_jobs : int, default=None
            Number of fits to run in parallel. None means 1 unless in a :obj:`joblib.parallel_config` context.
        pre_dispatch, verbose
            As in scikit-learn.
        shuffle : bool, default=True
            Whether training sets grow in a random, stratified order. Needed for images sorted by class, as those of a
            folder are, where the smallest sets would contain a single class.
        random_state : int, RandomState instance or None, default=0
            Seeds the folds of an integer `cv` and the order.
        error_score : "raise" or float, default=np.nan
            Score of a fit that fails; with a float, a warning is issued.
        fit_params : dict, default=None
            Passed to ``fit`` of the parts of the estimator that request them by ``set_fit_request``.
        ax, negate_score, score_name, score_type, std_display_style, line_kw, fill_between_kw, errorbar_kw
            See :meth:`plot`.

        Returns
        -------
        LearningCurveDisplay

        Raises
        ------
        LabelError
            If X, y and groups differ in length, or the folds cannot be drawn.
        ValueError
            If there are fewer than two sizes or a size is out of range.
        """
        if np.size(train_sizes) < 2:
            raise ValueError(f"{cls.__name__}: train_sizes={train_sizes!r}, expected at least two sizes.")
        check_jobs(n_jobs, cls.__name__)
        X = as_indexable(X)
        groups = resolve_groups(groups, X, cls.__name__)
        labels = check_labels(y, cls.__name__)
        check_lengths(cls.__name__, _num_samples(X), len(labels), groups)
        persons = None if groups is None else check_labels(groups, cls.__name__, "groups")
        rng = check_random_state(random_state)
        splits = _draw_splits(cls.__name__, X, labels, persons, cv, random_state)
        if shuffle:
            splits = [(_spread_classes(train, labels, rng), test) for train, test in splits]
        estimator, faces = _read_once(estimator, X)
        # Groups reach nested searches only through metadata routing.
        with config_context(enable_metadata_routing=True):
            prepared = keep_groups_together(estimator, persons, splits)
            if persons is not None and get_routing_for_object(prepared).consumes("fit", ["groups"]):
                fit_params = {**(fit_params or {}), "groups": persons}
            return super().from_estimator(
                prepared,
                faces,
                labels,
                train_sizes=np.asarray(train_sizes),
                cv=splits,
                scoring=scoring,
                exploit_incremental_learning=exploit_incremental_learning,
                n_jobs=bound_jobs(n_jobs, len(splits) * np.size(train_sizes)),
                pre_dispatch=pre_dispatch,
                verbose=verbose,
                error_score=error_score,
                fit_params=fit_params,
                ax=ax,
                negate_score=negate_score,
                score_name=_name_score(scoring) if score_name is None else score_name,
                score_type=score_type,
                std_display_style=std_display_style,
                line_kw=line_kw,
                fill_between_kw=fill_between_kw,
                errorbar_kw=errorbar_kw,
            )


def _draw_splits(
    owner: str, X: Any, labels: NDArray[Any], groups: NDArray[Any] | None, cv: Any, random_state: Any
) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Draw the folds, sorted by the size of their training sets."""
    splits, _ = draw_splits(X, labels, groups, cv, random_state=random_state, owner=owner)
    # scikit-learn derives the sizes from the first fold, so later ones must not be smaller.
    return sorted(splits, key=lambda split: len(split[0]))


def _spread_classes(train: NDArray[Any], labels: NDArray[Any], rng: np.random.RandomState) -> NDArray[Any]:
    """Shuffle rows such that every leading part is stratified."""
    rows = rng.permutation(train)
    places = np.empty(len(rows))
    for label in np.unique(labels[rows]):
        members = np.flatnonzero(labels[rows] == label)
        places[members] = (np.arange(len(members)) + 0.5) / len(members)
    return rows[np.argsort(places, kind="stable")]


def _read_once(estimator: Any, X: Any) -> tuple[Any, Any]:
    """Apply the FaceLoader at the head of a pipeline once, which is safe because it learns nothing from images."""
    if not isinstance(estimator, Pipeline) or not isinstance(estimator.steps[0][1], FaceLoader):
        return estimator, X
    return estimator[1:], clone(estimator.steps[0][1]).fit_transform(X)


def _name_score(scoring: Any) -> str | None:
    """Return the title of a score, or None to let scikit-learn name it, for example if negated."""
    if isinstance(scoring, str):
        return None if scoring.startswith("neg_") else title_of(scoring)
    return getattr(scoring, "__name__", "score") if callable(scoring) else None
