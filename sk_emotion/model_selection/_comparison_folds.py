"""Draw the folds of a comparison, and adapt the splitters inside its estimators."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, TunedThresholdClassifierCV, check_cv
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import check_random_state
from sklearn.utils._metadata_requests import get_routing_for_object
from sklearn.utils.validation import _num_samples

from .._images._stored import as_indexable
from ..exceptions import LabelError
from ..leakage._groups import resolve_groups
from ..utils._labels import check_labels, check_lengths
from ..utils._splits import assign_groups, count_classes

Split = tuple[NDArray[Any], NDArray[Any]]

# Maximum number of draws for a repeat that differs from earlier ones and trains with every class.
_N_TRIES = 20


def check_data(X: Any, y: Any, groups: Any, owner: str) -> tuple[Any, NDArray[Any], NDArray[Any] | None]:
    """Return samples that can be indexed, their labels and their groups; with "duplicates", find near-duplicates."""
    X = as_indexable(X)
    groups = resolve_groups(groups, X, owner)
    labels = check_labels(y, owner)
    check_lengths(owner, _num_samples(X), len(labels), groups)
    return X, labels, None if groups is None else check_labels(groups, owner, "groups")


def draw_splits(
    X: Any,
    y: NDArray[Any],
    groups: NDArray[Any] | None,
    cv: Any,
    *,
    n_repeats: int = 1,
    random_state: Any,
    owner: str,
) -> tuple[list[Split], int]:
    """Draw and check the folds; return them and the number of repeats.

    Error messages begin with the name of the public `owner`.
    """
    cv = 5 if cv is None else cv
    if isinstance(cv, Integral):
        _check_number(y, groups, int(cv), owner)
        splits = _repeat_folds(y, groups, int(cv), n_repeats, check_random_state(random_state), owner)
    elif n_repeats != 1:
        raise ValueError(
            f"{owner}: n_repeats={n_repeats} with cv={cv!r}, but only an integer cv can be repeated. Pass "
            f"an int, or cv=RepeatedStratifiedKFold(n_splits=5, n_repeats={n_repeats})."
        )
    else:
        drawn = check_cv(cv, y, classifier=True).split(X, y, groups)
        splits = [(_as_rows(train), _as_rows(test)) for train, test in drawn]
        n_repeats = getattr(cv, "n_repeats", 1)
        if not isinstance(n_repeats, Integral) or len(splits) % n_repeats:
            n_repeats = 1
    _check_splits(y, splits, owner)
    return splits, n_repeats


def _check_number(y: NDArray[Any], groups: NDArray[Any] | None, n_splits: int, owner: str) -> None:
    if n_splits < 2:
        raise LabelError(f"{owner}: cv={n_splits}, expected at least 2 folds.")
    classes, counts = np.unique(y, return_counts=True)
    if counts.min() < n_splits:
        raise LabelError(
            f"{owner}: class {classes[counts.argmin()]!s} has {counts.min()} sample(s), fewer than "
            f"the {n_splits} folds. Add samples, drop the class, or use a smaller cv of at least 2."
        )
    if groups is not None and len(np.unique(groups)) < n_splits:
        raise LabelError(
            f"{owner}: groups contains {len(np.unique(groups))} group(s), fewer than the {n_splits} folds. "
            "Use a smaller cv."
        )


def _check_splits(y: NDArray[Any], splits: Sequence[Split], owner: str) -> None:
    for fold, (train, test) in enumerate(splits):
        absent = np.setdiff1d(y, y[train])
        if len(absent) or not len(test):
            what = f"trains without class {absent[0]!s}" if len(absent) else "has an empty test set"
            raise LabelError(f"{owner}: fold {fold} {what}. Use a smaller cv, or more groups per class.")


def _as_rows(part: Any) -> NDArray[Any]:
    """Convert a mask to row numbers."""
    rows = np.asarray(part)
    return np.flatnonzero(rows) if rows.dtype == bool else rows


def _repeat_folds(
    y: NDArray[Any],
    groups: NDArray[Any] | None,
    n_splits: int,
    n_repeats: int,
    rng: np.random.RandomState,
    owner: str,
) -> list[Split]:
    """Draw stratified folds that differ in each repeat."""
    splitter = StratifiedKFold if groups is None else StratifiedGroupKFold
    once = splitter(n_splits, shuffle=True, random_state=rng)
    splits = list(once.split(y, y, groups))
    seen = {_identify(splits)}
    for repeat in range(1, n_repeats):
        for _ in range(_N_TRIES):
            folds = list(once.split(y, y)) if groups is None else _assign_groups(y, groups, n_splits, rng)
            learnable = all(not len(np.setdiff1d(y, y[train])) for train, _ in folds)
            if learnable and _identify(folds) not in seen:
                break
        else:
            raise LabelError(
                f"{owner}: n_repeats={n_repeats}, but only {repeat} different split(s) into {n_splits} folds found in "
                f"{_N_TRIES} draws. Use fewer repeats or a smaller cv."
            )
        seen.add(_identify(folds))
        splits += folds
    return splits


def _identify(folds: Sequence[Split]) -> frozenset[bytes]:
    """Return a hashable key of the folds, independent of their order."""
    return frozenset(test.tobytes() for _, test in folds)


def _assign_groups(y: NDArray[Any], groups: NDArray[Any], n_splits: int, rng: np.random.RandomState) -> list[Split]:
    """Assign whole groups to stratified folds, in a random order.

    StratifiedGroupKFold only shuffles groups whose class counts have the same standard deviation. Persons with many
    photos each rarely do, so every seed would yield the same folds.
    """
    counts, members = count_classes(np.unique(y, return_inverse=True)[1], groups)
    # Roughly from large and one-sided groups to small ones, which can balance them, as in StratifiedGroupKFold.
    # Groups with equal counts of every class tie and are shuffled.
    noise = rng.uniform(0.5, 1.5, len(counts))
    order = np.lexsort((noise, -counts.std(axis=1) * noise))
    folds = assign_groups(counts, order, np.full(n_splits, 1 / n_splits), even=True)[0][members]
    return [(np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)) for fold in range(n_splits)]


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
            request = get_routing_for_object(part)
            requests = getattr(getattr(request, "fit", None), "requests", {})
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
