"""Cross-validate several classifiers on the same folds."""

import warnings
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from joblib.parallel import get_active_backend
from numpy.typing import ArrayLike, NDArray
from sklearn import config_context
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import check_scoring
from sklearn.model_selection import StratifiedGroupKFold, TunedThresholdClassifierCV
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils._metadata_requests import get_routing_for_object
from sklearn.utils.parallel import Parallel, delayed

from .._reports import show_estimator
from ..exceptions import DatasetWarning, LabelError
from ..leakage._groups import number_copies
from ..metrics._caveats import describe_absent_in_folds, describe_copies, describe_few, describe_groups
from ..utils._labels import check_classes
from ..utils._parallel import bound_jobs, check_jobs, record_warnings, repeat_warnings, run_sequentially, share_data
from ..utils._splits import Split
from ._comparison_result import Comparison
from ._comparison_scores import collect_folds, default_scoring, gather_scores, score_fold, score_references
from ._split import check_data, draw_splits

__all__ = ["Comparison", "compare_classifiers"]


def compare_classifiers(
    estimators: Mapping[str, Any] | Sequence[Any],
    X: Any,
    y: ArrayLike,
    *,
    groups: ArrayLike | str | None = None,
    cv: Any = 5,
    n_repeats: int = 1,
    scoring: Any = None,
    error_score: Any = np.nan,
    n_jobs: int | None = None,
    random_state: Any = None,
    verbose: int = 0,
) -> Comparison:
    """Cross-validate several classifiers on the same folds.

    Parameters
    ----------
    estimators : dict, or list or tuple of estimators or of (name, estimator)
        Classifiers, pipelines, or searches, which are tuned again inside each fold. They are cloned before fitting.
    X : list, array or DataFrame of length n_samples
        Images or paths, as the estimators expect them.
    y : array-like of shape (n_samples,)
        Labels of at least two classes.
    groups : array-like of shape (n_samples,), "duplicates" or None, default=None
        For example persons: a group is never in both the training and the test set. ``"duplicates"`` groups
        near-duplicates by :func:`find_duplicates`, which can also merge them with persons. Groups are passed to the
        splitters of nested searches too; a search, calibration or threshold tuning with an integer `cv` uses a
        StratifiedGroupKFold with as many folds. The `validation_fraction` of an EmotionClassifier respects groups if
        its `fit` requests them.
    cv : int, splitter or iterable of (train, test), default=5
        An int means a shuffled ``StratifiedGroupKFold`` with `groups`, and a shuffled ``StratifiedKFold`` without.
        The splits are drawn once and shared by all estimators.
    n_repeats : int, default=1
        Number of times an integer `cv` is repeated with different folds, as in
        :class:`~sklearn.model_selection.RepeatedStratifiedKFold`, which can also be passed as `cv`. With `groups`,
        each repeat assigns whole groups to folds in a different order.
    scoring : str, callable, list or dict, default=None
        As in :func:`sklearn.model_selection.cross_validate`. By default macro F1, accuracy and the area under the
        ROC curve; for more than two classes, the latter is averaged one-vs-rest over the classes in the fold. The
        first metric is used for ranking and testing.
    error_score : "raise" or float, default=np.nan
        Score of an estimator in a fold where fitting or scoring fails, as in
        :func:`sklearn.model_selection.cross_validate`; one of several metrics can fail alone. With NaN, the estimator
        has no mean, since a mean over the other folds would not be comparable, and is neither ranked nor tested.
        Failures are listed in ``failures`` of the result and reported in one warning at the end. "raise" stops at the
        first failure.
    n_jobs : int, default=None
        Number of folds to fit in parallel. None means 1 unless in a :obj:`joblib.parallel_config` context; Dask and
        Ray use all workers of their cluster. A search runs entirely in the worker of its fold.
    random_state : int, RandomState instance or None, default=None
        Seeds the folds of an integer `cv` and their repeats.
    verbose : int, default=0
        1 shows progress on standard error: a bar in a terminal, otherwise one line per estimator.

    Returns
    -------
    Comparison
        The scores of each fold; see ``to_frame``, ``summary``, ``plot`` and ``to_html``.

    Raises
    ------
    LabelError
        If X, y and groups differ in length, y contains only one class, there are too few samples of a class or too
        few groups for the folds or their repeats, or a training set lacks a class.
    TrainingError
        If every estimator fails in every fold or, with ``error_score="raise"``, if any estimator fails.

    Warns
    -----
    DatasetWarning
        If a copy of a test image or its group is in the training set, a fold has no test image of a class, or a class
        has fewer than 20 images in total; also in ``caveats`` of the result. Near-duplicates are searched among up to
        40,000 images (on one core, 3 s for 7,000 faces, 30 s for 28,000, 7 s for 900 large photos); beyond that, and
        among rows of at least 256 values, only exact duplicates.
    FitFailedWarning
        If an estimator fails in a fold; the message names it.

    See Also
    --------
    sklearn.model_selection.cross_validate : Cross-validate one estimator.
    Comparison : The result, and how differences are tested.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sk_emotion import compare_classifiers
    >>> X, y = load_iris(return_X_y=True)
    >>> models = {"linear": LogisticRegression(max_iter=500), "Bayes": GaussianNB()}
    >>> result = compare_classifiers(models, X, y, random_state=0)
    >>> list(result.summary().index)
    ['linear', 'Bayes']
    """
    _check_parameters(n_repeats, error_score)
    check_jobs(n_jobs, "compare_classifiers")
    named = _name_estimators(estimators)
    with run_sequentially():
        X, labels, group_labels = check_data(X, y, groups, "compare_classifiers")
    _check_classes(labels)
    splits, n_repeats = draw_splits(
        X, labels, group_labels, cv, n_repeats=n_repeats, random_state=random_state, owner="compare_classifiers"
    )
    with run_sequentially():
        caveats = _list_caveats(X, labels, group_labels, splits, cv, by_copies=isinstance(groups, str), n_jobs=n_jobs)
    if caveats:
        warnings.warn(f"compare_classifiers: {' '.join(caveats)}", DatasetWarning, stacklevel=2)
    metrics = default_scoring(labels) if scoring is None else scoring
    # Groups reach nested searches only through metadata routing.
    with config_context(enable_metadata_routing=True):
        prepared = {name: keep_groups_together(estimator, group_labels, splits) for name, estimator in named.items()}
        # Reject unknown metrics before fitting.
        check_scoring(next(iter(prepared.values())), scoring=metrics)
        tasks = [
            delayed(record_warnings)(
                score_fold, name, estimator, X, labels, group_labels, split, fold, metrics, error_score
            )
            for name, estimator in prepared.items()
            for fold, split in enumerate(splits)
        ]
        # Ray and multiprocessing cannot return a generator.
        return_as = "generator" if get_active_backend()[0].supports_return_generator else "list"
        with share_data(X, labels, group_labels, *splits):
            results = Parallel(n_jobs=bound_jobs(n_jobs, len(tasks)), return_as=return_as)(tasks)
            rows = collect_folds(repeat_warnings(results), len(splits), list(prepared), verbose)
        scores, failures = gather_scores(rows, error_score)
        reference = score_references(labels, splits, metrics)
    result = Comparison(
        scores,
        reference,
        n_classes=len(np.unique(labels)),
        n_repeats=n_repeats,
        failures=failures,
        estimators_html={name: str(show_estimator(estimator)) for name, estimator in prepared.items()},
        caveats=caveats,
    )
    if len(failures):
        warnings.warn(
            f"compare_classifiers: {' '.join(result.describe_failures())} See the failures of the result for all "
            "errors, or pass error_score='raise' to stop at the first one.",
            FitFailedWarning,
            stacklevel=2,
        )
    return result


def _check_parameters(n_repeats: Any, error_score: Any) -> None:
    if not isinstance(n_repeats, Integral) or isinstance(n_repeats, bool) or n_repeats < 1:
        raise ValueError(f"compare_classifiers: n_repeats={n_repeats!r}, expected an integer of at least 1.")
    if error_score != "raise" and (not isinstance(error_score, Real) or isinstance(error_score, bool)):
        raise ValueError(
            f"compare_classifiers: error_score={error_score!r}, expected 'raise' or a number, such as np.nan."
        )


def _name_estimators(estimators: Any) -> dict[str, Any]:
    """Return a dict of named estimators; those of a list are named after their last step."""
    if isinstance(estimators, Mapping):
        named = dict(estimators)
    else:
        items = estimators if isinstance(estimators, list | tuple) else [estimators]
        pairs = [item if isinstance(item, tuple) else (_describe(item), item) for item in items]
        names = [name for name, _ in pairs]
        named = {
            f"{name}-{names[: place + 1].count(name)}" if names.count(name) > 1 else name: estimator
            for place, (name, estimator) in enumerate(pairs)
        }
    if not named:
        raise TypeError("compare_classifiers: estimators is empty. Pass at least one, as in {'SVM': make_hog_svm()}.")
    for name, estimator in named.items():
        if not hasattr(estimator, "fit") or isinstance(estimator, type) or not is_classifier(estimator):
            raise TypeError(f"compare_classifiers: {name!r} is {estimator!r}, expected a classifier.")
    return {str(name): estimator for name, estimator in named.items()}


def _describe(estimator: Any) -> str:
    if isinstance(estimator, Pipeline):
        return _describe(estimator.steps[-1][1])
    if isinstance(estimator, BaseSearchCV):
        return f"{_describe(estimator.estimator)}, tuned"
    return type(estimator).__name__


def _check_classes(labels: NDArray[Any]) -> None:
    check_classes(labels, "compare_classifiers")
    classes = np.unique(labels)
    if len(classes) < 2:
        found = f"only one class: {classes[0]!s}" if len(classes) else "no labels"
        raise LabelError(f"compare_classifiers needs at least two classes; y contains {found}.")


def _list_caveats(
    X: Any,
    y: NDArray[Any],
    groups: NDArray[Any] | None,
    splits: Sequence[Split],
    cv: Any,
    *,
    by_copies: bool,
    n_jobs: int | None,
) -> list[str]:
    """Return sentences about leaks between training and test sets, folds without a class, and small classes.

    With `by_copies`, the groups are duplicates.
    """
    tested = np.unique(np.concatenate([test for _, test in splits]))
    keeps_groups = cv is None or isinstance(cv, Integral)
    splitter = "" if keeps_groups else ", and a cv that keeps groups together, such as StratifiedGroupKFold"
    caveats = []
    if groups is not None and not by_copies:
        caveats += describe_groups(
            groups, splits, "Pass a cv that keeps groups together, such as StratifiedGroupKFold."
        )
    copies = groups if by_copies else number_copies(X, n_jobs=n_jobs)
    if copies is not None:
        value = "'duplicates'" if groups is None or by_copies else "find_duplicates(X, groups=groups)"
        caveats += describe_copies(copies, splits, f"Pass groups={value}{splitter}.")
    return caveats + describe_absent_in_folds(y, splits) + describe_few(y[tested], np.unique(y))


def keep_groups_together(
    estimator: BaseEstimator, groups: NDArray[Any] | None, splits: Sequence[Split]
) -> BaseEstimator:
    """Clone an estimator, and make every nested search and calibration split by groups."""
    estimator = clone(estimator)
    if groups is None:
        return estimator
    fewest = min(len(np.unique(groups[train])) for train, _ in splits)
    for part in [estimator, *estimator.get_params(deep=True).values()]:
        if isinstance(part, BaseSearchCV):
            part.cv = _split_by_groups(part.cv)
        elif isinstance(part, CalibratedClassifierCV | TunedThresholdClassifierCV):
            if getattr(part, "ensemble", True) is False:
                # scikit-learn does not pass groups to the splitter of a calibration without an ensemble.
                continue
            # Inside a search, at least half of the groups are left.
            part.cv = _split_by_groups(part.cv, at_most=max(2, fewest // 2))
        if hasattr(part, "set_fit_request") and not isinstance(part, type):
            requests = getattr(getattr(get_routing_for_object(part), "fit", None), "requests", {})
            # An estimator that accepts groups without requesting them gets none.
            if "groups" in requests and requests["groups"] is None:
                part.set_fit_request(groups=False)
    return estimator


def _split_by_groups(cv: Any, at_most: int | None = None) -> Any:
    """Replace an integer cv by a StratifiedGroupKFold; return other splitters unchanged."""
    if cv is not None and not isinstance(cv, Integral):
        return cv
    n_splits = 5 if cv is None else int(cv)
    return StratifiedGroupKFold(min(n_splits, at_most or n_splits))
