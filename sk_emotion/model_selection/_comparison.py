"""Several classifiers, judged on the same folds."""

import warnings
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from joblib.parallel import get_active_backend
from numpy.typing import ArrayLike, NDArray
from sklearn import config_context
from sklearn.base import is_classifier
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import check_scoring
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _num_samples

from .._images._stored import as_indexable
from .._reports import describe_parameters
from ..exceptions import DatasetWarning, LabelError
from ..leakage._overlap import resolve_groups
from ..utils._dask import record_warnings, repeat_warnings, run_sequentially, share_data
from ..utils._labels import check_labels, check_lengths
from ..utils._resources import bound_jobs, check_jobs
from ._comparison_caveats import list_caveats
from ._comparison_folds import draw_splits
from ._comparison_result import Comparison
from ._comparison_scores import default_scoring, gather_scores, score_fold, score_references
from ._nested_groups import keep_groups_together
from ._progress import collect_folds

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
    random_state: Any = 0,
    verbose: int = 0,
) -> Comparison:
    """Cross-validate several classifiers on the same folds.

    Parameters
    ----------
    estimators : dict, or list or tuple of estimators or of (name, estimator)
        What to compare: classifiers, pipelines, or searches, which are tuned again inside each fold. They are cloned,
        never fitted in place.
    X : list, array or DataFrame of length n_samples
        Images or paths, whatever the estimators take.
    y : array-like of shape (n_samples,)
        Labels of two classes or more.
    groups : array-like of shape (n_samples,), "duplicates" or None, default=None
        Persons, say: a group is never in training and test set at once. ``"duplicates"`` makes groups of near copies,
        by :func:`find_duplicates`, which also joins copies with persons. They reach the splitters of nested searches
        too; a search, calibration or threshold with an integer `cv` gets a StratifiedGroupKFold of as many folds. The
        `validation_fraction` of an EmotionClassifier keeps them together if that asks for them, see its `fit`.
    cv : int, splitter or iterable of (train, test), default=5
        An int means shuffled ``StratifiedGroupKFold`` with `groups`, shuffled ``StratifiedKFold`` without. The
        splits are drawn once, and all estimators get the same ones.
    n_repeats : int, default=1
        How often an integer `cv` is repeated with other folds, as in
        :class:`~sklearn.model_selection.RepeatedStratifiedKFold`, which may be given as `cv` as well. With `groups`
        the repeats deal whole groups out in another order, so that each has folds of its own.
    scoring : str, callable, list or dict, default=None
        As in :func:`sklearn.model_selection.cross_validate`. By default macro-F1, accuracy and the area under the
        ROC curve: for more than two classes the mean of each class against the rest, over the classes in the fold.
        The first metric ranks and is tested.
    error_score : "raise" or float, default=np.nan
        What an estimator scores in a fold where its fit or scoring fails, as in
        :func:`sklearn.model_selection.cross_validate`; of several metrics, one may fail alone. With NaN it has no mean,
        since one over its other folds could not be compared, and is neither ranked nor tested. Failures are in
        ``failures_`` of the result, and are warned of once at the end. "raise" stops at the first.
    n_jobs : int, default=None
        Folds fitted at once. None means 1 unless in a :obj:`joblib.parallel_config` context; Dask and Ray take all
        workers of their cluster. A search among the estimators is then tuned by the worker that has the fold.
    random_state : int, RandomState instance or None, default=0
        Seeds the folds of an integer `cv`, and their repeats.
    verbose : int, default=0
        1 shows progress on standard error: a bar in a terminal, else a line for each estimator.

    Returns
    -------
    Comparison
        The scores of each fold; ``print`` it, or use ``to_frame``, ``summary``, ``plot`` or ``to_html``.

    Raises
    ------
    LabelError
        If X, y and groups differ in length, y holds one class, a class or the groups are too few for the folds or
        their repeats, or a training set lacks a class.
    TrainingError
        If every estimator fails in every fold or, with ``error_score="raise"``, one of them in one; the message
        names it.

    Warns
    -----
    DatasetWarning
        If an image is tested by a model that was trained on a copy of it or on its group, a fold has no test image of
        a class, or a class has fewer than 20 images in all; ``caveats_`` of the result keeps what is said. Near copies
        are looked for among up to 40,000 pictures (in 3 s of 7,000 faces, 30 s of 28,000, 7 s of 900 large photos, on
        one core), beyond that and among rows of 256 numbers or more only equal ones.
    FitFailedWarning
        If an estimator fails in a fold; the message names it.

    See Also
    --------
    sklearn.model_selection.cross_validate : One estimator.
    Comparison : What it gives, and how the differences are tested.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sk_emotion import compare_classifiers
    >>> X, y = load_iris(return_X_y=True)
    >>> result = compare_classifiers({"linear": LogisticRegression(max_iter=500), "Bayes": GaussianNB()}, X, y)
    >>> list(result.summary().index)
    ['linear', 'Bayes']
    """
    _check_parameters(n_repeats, error_score)
    check_jobs(n_jobs, "compare_classifiers")
    named = _name_estimators(estimators)
    X = as_indexable(X)
    with run_sequentially():
        labels, group_labels = _check_labels(X, y, resolve_groups(groups, X, "compare_classifiers"))
    splits, n_repeats = draw_splits(
        X, labels, group_labels, cv, n_repeats=n_repeats, random_state=random_state, owner="compare_classifiers"
    )
    with run_sequentially():
        caveats = list_caveats(X, labels, group_labels, splits, cv, by_copies=isinstance(groups, str), n_jobs=n_jobs)
    if caveats:
        warnings.warn(f"compare_classifiers: {' '.join(caveats)}", DatasetWarning, stacklevel=2)
    metrics = default_scoring(labels) if scoring is None else scoring
    # Groups reach nested searches by metadata routing alone.
    with config_context(enable_metadata_routing=True):
        prepared = {name: keep_groups_together(estimator, group_labels, splits) for name, estimator in named.items()}
        # A metric that does not exist is found out before anything is fitted.
        check_scoring(next(iter(prepared.values())), scoring=metrics)
        tasks = [
            delayed(record_warnings)(
                score_fold, name, estimator, X, labels, group_labels, split, fold, metrics, error_score
            )
            for name, estimator in prepared.items()
            for fold, split in enumerate(splits)
        ]
        # Ray and multiprocessing give all results at once.
        return_as = "generator" if get_active_backend()[0].supports_return_generator else "list"
        with share_data(X, labels, group_labels, *splits):
            results = Parallel(n_jobs=bound_jobs(n_jobs, len(tasks)), return_as=return_as)(tasks)
            rows = collect_folds(repeat_warnings(results), len(splits), list(prepared), verbose)
        scores, failures = gather_scores(rows, error_score)
        reference = score_references(labels, splits, metrics)
    n_classes = len(np.unique(labels))
    parameters = {name: describe_parameters(estimator) for name, estimator in prepared.items()}
    result = Comparison(
        scores,
        reference,
        n_classes=n_classes,
        n_repeats=n_repeats,
        failures=failures,
        parameters=parameters,
        caveats=caveats,
    )
    if len(failures):
        warnings.warn(
            f"compare_classifiers: {' '.join(result.describe_failures())} All errors are in failures_ of the result; "
            "error_score='raise' stops at the first one, with its traceback.",
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
    """Name each estimator; in a list, after its last step."""
    if isinstance(estimators, Mapping):
        named = dict(estimators)
    elif isinstance(estimators, list | tuple):
        names = [item[0] if isinstance(item, tuple) else _describe(item) for item in estimators]
        repeated = {name for name in names if names.count(name) > 1}
        seen: dict[str, int] = {}
        for position, name in enumerate(names):
            if name in repeated:
                seen[name] = seen.get(name, 0) + 1
                names[position] = f"{name}-{seen[name]}"
        values = [item[1] if isinstance(item, tuple) else item for item in estimators]
        named = dict(zip(names, values, strict=True))
    else:
        named = {_describe(estimators): estimators}
    if not named:
        raise TypeError("compare_classifiers: estimators is empty. Give at least one, as in {'SVM': make_hog_svm()}.")
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


def _check_labels(X: Any, y: Any, groups: Any) -> tuple[NDArray[Any], NDArray[Any] | None]:
    labels = check_labels(y, "compare_classifiers")
    check_lengths("compare_classifiers", _num_samples(X), len(labels), groups)
    try:
        check_classification_targets(labels)
        classes = np.unique(labels)
    except (TypeError, ValueError) as error:
        raise LabelError(f"compare_classifiers: y holds no class labels ({error}).") from error
    if len(classes) < 2:
        found = f"one class: {classes[0]!s}" if len(classes) else "no label"
        raise LabelError(f"compare_classifiers needs at least two classes, but y holds {found}.")
    return labels, None if groups is None else check_labels(groups, "compare_classifiers", "groups")
