"""Several classifiers, judged on the same folds."""

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn import config_context
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import (
    StratifiedGroupKFold,
    StratifiedKFold,
    TunedThresholdClassifierCV,
    check_cv,
    cross_validate,
)
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils._metadata_requests import get_routing_for_object
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _num_samples

from ..exceptions import LabelError, TrainingError
from ..utils._labels import check_labels
from ._comparison_result import Comparison
from ._progress import collect_folds

__all__ = ["Comparison", "compare_classifiers"]

# Random guessing is scored this many times, since one guess over a small fold is noise.
_N_GUESSES = 10


def compare_classifiers(
    estimators: Mapping[str, Any] | Sequence[Any],
    X: Any,
    y: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    cv: Any = 5,
    scoring: Any = None,
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
    groups : array-like of shape (n_samples,), default=None
        Persons, say: a group is never in training and test set at once. They reach the splitters of nested searches
        too; a search, calibration or threshold with an integer `cv` gets a StratifiedGroupKFold of as many folds.
    cv : int, splitter or iterable of (train, test), default=5
        An int means shuffled ``StratifiedGroupKFold`` with `groups`, shuffled ``StratifiedKFold`` without. The
        splits are drawn once, and all estimators get the same ones.
    scoring : str, callable, list or dict, default=None
        As in :func:`sklearn.model_selection.cross_validate`. By default macro-F1, accuracy and the area under the
        ROC curve: for more than two classes the mean of each class against the rest, over the classes in the fold.
    n_jobs : int, default=None
        Folds fitted at once. None means 1 unless in a :obj:`joblib.parallel_config` context.
    random_state : int, RandomState instance or None, default=0
        Seeds the folds of an integer `cv`.
    verbose : int, default=0
        1 shows progress on standard error: a bar in a terminal, else a line for each estimator.

    Returns
    -------
    Comparison
        The scores of each fold; ``print`` it, or use ``to_frame``, ``summary``, ``plot`` or ``to_html``.

    Raises
    ------
    LabelError
        If X, y and groups differ in length, y holds one class, a class or the groups are too few for the folds, or
        a training set lacks a class.
    TrainingError
        If an estimator fails in a fold; the message names it.

    See Also
    --------
    sklearn.model_selection.cross_validate : One estimator.

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
    named = _name_estimators(estimators)
    labels, group_labels = _check_labels(X, y, groups)
    splits = _draw_splits(X, labels, group_labels, cv, random_state)
    metrics = _default_scoring(labels) if scoring is None else scoring
    # Groups reach nested searches by metadata routing alone.
    with config_context(enable_metadata_routing=True):
        prepared = {name: _prepare(estimator, group_labels, splits) for name, estimator in named.items()}
        tasks = [(name, fold) for name in prepared for fold in range(len(splits))]
        results = Parallel(n_jobs=n_jobs, return_as="generator")(
            delayed(_score_fold)(name, prepared[name], X, labels, group_labels, splits[fold], fold, metrics)
            for name, fold in tasks
        )
        rows = collect_folds(results, len(splits), list(prepared), verbose)
        reference = _score_references(labels, splits, metrics)
    return Comparison(pd.DataFrame(rows), reference, n_classes=len(np.unique(labels)))


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
    n_samples = _num_samples(X)
    if len(labels) != n_samples:
        raise LabelError(
            f"compare_classifiers: X has {n_samples} samples, but y has {len(labels)} labels. Give one label a sample."
        )
    if groups is not None and len(groups) != n_samples:
        raise LabelError(
            f"compare_classifiers: X has {n_samples} samples, but groups has {len(groups)} entries. "
            "Give one group a sample."
        )
    try:
        check_classification_targets(labels)
        classes = np.unique(labels)
    except (TypeError, ValueError) as error:
        raise LabelError(f"compare_classifiers: y holds no class labels ({error}).") from error
    if len(classes) < 2:
        found = f"one class: {classes[0]!s}" if len(classes) else "no label"
        raise LabelError(f"compare_classifiers needs at least two classes, but y holds {found}.")
    return labels, None if groups is None else check_labels(groups, "compare_classifiers", "groups")


def _draw_splits(
    X: Any, y: NDArray[Any], groups: NDArray[Any] | None, cv: Any, random_state: Any
) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Draw the folds once, and see to it that each can be learned."""
    classes, counts = np.unique(y, return_counts=True)
    cv = 5 if cv is None else cv
    if isinstance(cv, Integral):
        if int(cv) < 2:
            raise LabelError(f"compare_classifiers: cv={cv} folds, expected at least 2.")
        cv = int(cv)
        if counts.min() < cv:
            raise LabelError(
                f"compare_classifiers: class {classes[counts.argmin()]!s} has {counts.min()} sample(s), fewer than "
                f"the {cv} folds. Use a smaller cv, or add samples."
            )
        if groups is not None and len(np.unique(groups)) < cv:
            raise LabelError(
                f"compare_classifiers: groups holds {len(np.unique(groups))} group(s), fewer than the {cv} folds. "
                "Use a smaller cv."
            )
        splitter = StratifiedKFold if groups is None else StratifiedGroupKFold
        cv = splitter(cv, shuffle=True, random_state=random_state)
    splits = [(_as_rows(train), _as_rows(test)) for train, test in check_cv(cv, y, classifier=True).split(X, y, groups)]
    for fold, (train, test) in enumerate(splits):
        absent = np.setdiff1d(classes, np.unique(y[train]))
        if len(absent) or not len(test):
            what = f"trains without class {absent[0]!s}" if len(absent) else "has an empty test set"
            raise LabelError(
                f"compare_classifiers: fold {fold} {what}. Use a smaller cv, or groups in which each class occurs "
                "more often."
            )
    return splits


def _as_rows(part: Any) -> NDArray[Any]:
    """Make row numbers of a mask."""
    rows = np.asarray(part)
    return np.flatnonzero(rows) if rows.dtype == bool else rows


def _default_scoring(y: NDArray[Any]) -> dict[str, Any]:
    auc = {"roc_auc": "roc_auc"} if len(np.unique(y)) == 2 else {}
    auc = auc or {"roc_auc_ovr": _score_roc_auc_ovr}  # type: ignore[dict-item]
    return {"f1_macro": "f1_macro", "accuracy": "accuracy", **auc}


def _score_roc_auc_ovr(estimator: Any, X: Any, y: Any) -> float:
    """Score as ``"roc_auc_ovr"`` does, over the classes in y: a person need not show every emotion."""
    method = estimator.predict_proba if hasattr(estimator, "predict_proba") else estimator.decision_function
    scores = method(X)
    areas = [
        roc_auc_score(y == label, scores[:, column])
        for column, label in enumerate(estimator.classes_)
        if 0 < np.sum(y == label) < len(y)
    ]
    return float(np.mean(areas)) if areas else float("nan")


def _prepare(
    estimator: BaseEstimator, groups: NDArray[Any] | None, splits: Sequence[tuple[NDArray[Any], NDArray[Any]]]
) -> BaseEstimator:
    """Clone, and make every nested search and calibration split by groups."""
    estimator = clone(estimator)
    if groups is None:
        return estimator
    fewest = min(len(np.unique(groups[train])) for train, _ in splits)
    for part in [estimator, *estimator.get_params(deep=True).values()]:
        if isinstance(part, BaseSearchCV):
            part.cv = _split_by_groups(part.cv)
        elif isinstance(part, CalibratedClassifierCV | TunedThresholdClassifierCV):
            if getattr(part, "ensemble", True) is False:
                # scikit-learn hands no groups on to the splits of a calibration without an ensemble.
                continue
            # Inside a search they see half of the groups at least.
            part.cv = _split_by_groups(part.cv, at_most=max(2, fewest // 2))
        if hasattr(part, "set_fit_request") and not isinstance(part, type):
            request = get_routing_for_object(part)
            requests = getattr(getattr(request, "fit", None), "requests", {})
            # An estimator that could take groups, but was not told to, goes without.
            if "groups" in requests and requests["groups"] is None:
                part.set_fit_request(groups=False)
    return estimator


def _split_by_groups(cv: Any, at_most: int | None = None) -> Any:
    """Let a number of stratified folds mean as many folds of whole groups; leave other splitters as they are."""
    if cv is not None and not isinstance(cv, Integral):
        return cv
    n_splits = 5 if cv is None else int(cv)
    return StratifiedGroupKFold(min(n_splits, at_most or n_splits))


def _score_fold(
    name: str, estimator: Any, X: Any, y: Any, groups: Any, split: tuple[Any, Any], fold: int, scoring: Any
) -> dict[str, Any]:
    takes_groups = groups is not None and get_routing_for_object(estimator).consumes("fit", ["groups"])
    params = {"groups": groups} if takes_groups else None
    try:
        scores = cross_validate(estimator, X, y, cv=[split], scoring=scoring, params=params, error_score="raise")
    except Exception as error:
        raise TrainingError(
            f"compare_classifiers: {name!r} failed in fold {fold} ({type(error).__name__}: {error})"
        ) from error
    metrics = {key.removeprefix("test_"): values[0] for key, values in scores.items() if key.startswith("test_")}
    if isinstance(scoring, str):
        metrics = {scoring: metrics["score"]}
    times = {"fit_time": scores["fit_time"][0], "score_time": scores["score_time"][0]}
    sizes = {"n_train": len(split[0]), "n_test": len(split[1])}
    return {"estimator": name, "fold": fold, **metrics, **times, **sizes}


def _score_references(y: NDArray[Any], splits: Any, scoring: Any) -> pd.DataFrame:
    """Score the majority class and random guessing on the same folds."""
    pixels = np.zeros((len(y), 1))
    majority = [DummyClassifier(strategy="most_frequent")]
    guesses = [DummyClassifier(strategy="uniform", random_state=seed) for seed in range(_N_GUESSES)]
    means = {}
    for name, dummies in (("chance", guesses), ("majority class", majority)):
        try:
            folds = [
                _score_fold(name, dummy, pixels, y, None, split, fold, scoring)
                for dummy in dummies
                for fold, split in enumerate(splits)
            ]
        except TrainingError:
            # A scorer of the user's own need not work on a dummy.
            continue
        means[name] = pd.DataFrame(folds).drop(columns=["estimator", "fold", "n_train", "n_test"]).mean()
    return pd.DataFrame(means).T
