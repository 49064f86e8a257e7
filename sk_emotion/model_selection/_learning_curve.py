"""Score against number of training images."""

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
from ..leakage._overlap import resolve_groups
from ..preprocessing import FaceLoader
from ..utils._labels import check_labels, check_lengths
from ..utils._resources import bound_jobs, check_jobs
from ._comparison_folds import draw_splits, keep_groups_together

# More sizes than this would run into one another below the axis.
_MAX_TICKS = 8


class LearningCurveDisplay(model_selection.LearningCurveDisplay):
    """Score of a classifier against the number of images that it is trained on.

    It takes the place of scikit-learn's, with the same parameters and attributes, and tells whether more images would
    help: a test score that still rises says so; one that is flat, far below the training score or near it, asks for
    another model. The folds are those of :func:`compare_classifiers`, so that an integer `cv` with `groups` keeps a
    person on one side.

    Use :meth:`from_estimator`.

    Parameters
    ----------
    train_sizes : ndarray of int of shape (n_sizes,)
        Numbers of training images.
    train_scores, test_scores : ndarray of shape (n_sizes, n_folds)
        Scores on the images of the training, and on those held out.
    score_name : str, default=None
        Name of the score.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_, fill_between_, errorbar_ : list or None
        What is drawn of both curves.

    See Also
    --------
    sklearn.model_selection.LearningCurveDisplay : With other defaults.
    TrainingCurves : Score against epoch.
    compare_classifiers : Several classifiers on all images.

    Notes
    -----
    A smaller training set is the beginning of a larger one. It holds images of nearly all persons: the curve tells
    what more images of such persons would bring, not what more persons would.

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
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default on a new figure.
        negate_score : bool, default=False
            Whether to draw a ``"neg_..."`` score as the error that it is.
        score_name : str, default=None
            Label of the axis; by default that of the display.
        score_type : {"test", "train", "both"}, default="both"
            Which curves to draw.
        std_display_style : {"fill_between", "errorbar"} or None, default="fill_between"
            How to show the standard deviation over the folds.
        line_kw, fill_between_kw, errorbar_kw : dict, default=None
            For ``Axes.plot``, ``Axes.fill_between`` and ``Axes.errorbar``.

        Returns
        -------
        self : LearningCurveDisplay
        """
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots(figsize=(5.6, 4.2), layout="constrained")
        # A curve keeps its colour whether or not the other is drawn beside it.
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
        """Train a classifier on more and more images, and draw its scores.

        Parameters
        ----------
        estimator : classifier
            It is cloned, never fitted in place. A FaceLoader at the head of a pipeline reads the pictures once for all
            trainings; inside a search, give it a `cache`.
        X : array, list or DataFrame of length n_samples
            Images or paths, whatever the estimator takes.
        y : array-like of shape (n_samples,)
            Labels.
        groups : array-like of shape (n_samples,), "duplicates" or None, default=None
            Persons, say, or near copies: a group is never in training and test set at once. They reach nested searches,
            as in :func:`compare_classifiers`.
        train_sizes : array-like of shape (n_sizes,), default=(0.1, 0.2, 0.4, 0.7, 1.0)
            Shares (floats) of the smallest training set of the folds, or numbers of images (integers).
        cv : int, splitter or iterable, default=5
            Folds. An integer means stratified folds, of whole groups if there are some.
        scoring : str or callable, default="f1_macro"
            As in :func:`sklearn.model_selection.learning_curve`.
        exploit_incremental_learning : bool, default=False
            Whether one training goes on by ``partial_fit`` with the images that a larger set adds.
        n_jobs : int, default=None
            Trainings at once. None means 1 unless in a :obj:`joblib.parallel_config` context.
        pre_dispatch, verbose
            As in scikit-learn.
        shuffle : bool, default=True
            Whether training sets grow in a random order in which each class keeps its share. Images sorted by class,
            as those of a folder are, need it: the beginning of these holds one class alone.
        random_state : int, RandomState instance or None, default=0
            Seeds the folds of an integer `cv`, and the order.
        error_score : "raise" or float, default=np.nan
            The score of a training that fails; a float warns of it.
        fit_params : dict, default=None
            Handed to ``fit``, for those parts of the estimator that ask for them by ``set_fit_request``.
        ax, negate_score, score_name, score_type, std_display_style, line_kw, fill_between_kw, errorbar_kw
            As for :meth:`plot`.

        Returns
        -------
        LearningCurveDisplay

        Raises
        ------
        LabelError
            If X, y and groups differ in length, or the folds cannot be made.
        ValueError
            If there are fewer than two sizes, or a size is out of range.
        """
        if np.size(train_sizes) < 2:
            raise ValueError(f"{cls.__name__}: train_sizes={train_sizes!r}, expected at least two sizes for a curve.")
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
        # As in a comparison, groups reach nested searches by metadata routing alone.
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
    """Draw the folds of a comparison, the one with the smallest training set first."""
    splits, _ = draw_splits(X, labels, groups, cv, random_state=random_state, owner=owner)
    # scikit-learn takes its sizes from the first fold, and a shorter one would be said to be as long.
    return sorted(splits, key=lambda split: len(split[0]))


def _spread_classes(train: NDArray[Any], labels: NDArray[Any], rng: np.random.RandomState) -> NDArray[Any]:
    """Put rows into a random order of which every beginning holds each class by its share."""
    rows = rng.permutation(train)
    places = np.empty(len(rows))
    for label in np.unique(labels[rows]):
        members = np.flatnonzero(labels[rows] == label)
        places[members] = (np.arange(len(members)) + 0.5) / len(members)
    return rows[np.argsort(places, kind="stable")]


def _read_once(estimator: Any, X: Any) -> tuple[Any, Any]:
    """Let the FaceLoader at the head of a pipeline do its work; it learns nothing of pictures."""
    if not isinstance(estimator, Pipeline) or not isinstance(estimator.steps[0][1], FaceLoader):
        return estimator, X
    return estimator[1:], clone(estimator.steps[0][1]).fit_transform(X)


def _name_score(scoring: Any) -> str | None:
    """Name a score as a comparison does; None leaves it to scikit-learn, which knows of negated ones."""
    if isinstance(scoring, str):
        return None if scoring.startswith("neg_") else title_of(scoring)
    return getattr(scoring, "__name__", "score") if callable(scoring) else None
