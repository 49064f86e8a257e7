"""Splits by class and group: training, validation and test set, and folds."""

import warnings
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, check_cv
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils.validation import _num_samples

from .._images._stored import as_indexable
from ..exceptions import DatasetWarning, LabelError
from ..leakage._groups import resolve_groups
from ..utils._labels import check_labels, check_lengths
from ..utils._splits import Split, assign_groups, count_classes, split_validation

_PARTS = ("training", "validation", "test")

# Greedy assignment depends on the order of the groups, so the best of several orders is kept.
_MAX_ORDERS = 30
_MAX_ASSIGNMENTS = 20_000

# Maximum number of draws for a repeat that differs from earlier ones and trains with every class.
_N_TRIES = 20


def train_val_test_split(
    X: Any,
    y: ArrayLike,
    *,
    groups: ArrayLike | str | None = None,
    val_size: float = 0.2,
    test_size: float = 0.2,
    stratify: bool = True,
    return_indices: bool = False,
    random_state: Any = None,
) -> list[Any]:
    """Split images and labels into a training, a validation and a test set.

    Parameters
    ----------
    X : list, array or DataFrame of length n_samples
        Images or paths. The parts of a memory-mapped or Zarr array are loaded into memory.
    y : array-like of shape (n_samples,)
        Labels.
    groups : array-like of shape (n_samples,), "duplicates" or None, default=None
        For example persons: a group is always in a single set. ``"duplicates"`` groups near duplicates by
        :func:`find_duplicates`, which can also merge them with persons. The sizes are then met as closely as
        whole groups allow.
    val_size, test_size : float or int, default=0.2
        Fraction of all samples (a float between 0 and 1) or number of samples (an int). With ``test_size=0``, the
        test set is empty, and the validation set is that of the `validation_fraction` of an EmotionClassifier: with
        groups, one of ``round(1 / val_size)`` folds.
    stratify : bool, default=True
        Whether to keep the proportion of each class, with at least one sample of it in each set.
    return_indices : bool, default=False
        Whether to append the row indices of the three sets, for example to split `groups` in the same way.
    random_state : int, RandomState instance or None, default=None
        Seeds the shuffle. Pass an int for reproducible splits.

    Returns
    -------
    list
        ``X_train, X_val, X_test, y_train, y_val, y_test``, in the order of
        :func:`sklearn.model_selection.train_test_split`; with `return_indices`, followed by
        ``train, val, test``, three integer arrays. The rows of each set are shuffled.

    Raises
    ------
    LabelError
        If X, y and groups differ in length, a size is out of range, or there are too few samples of a class or too
        few groups for the sets.

    Warns
    -----
    DatasetWarning
        If the validation or test set lacks a class because it occurs in too few groups.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_emotion import train_val_test_split
    >>> X, y = np.arange(20), np.repeat(["happiness", "pain"], 10)
    >>> X_train, X_val, X_test, y_train, y_val, y_test = train_val_test_split(X, y, random_state=0)
    >>> len(X_train), len(X_val), len(X_test)
    (12, 4, 4)
    """
    X, labels, group_labels = check_data(X, y, groups, "train_val_test_split")
    n_samples = len(labels)
    fractions = _check_sizes(n_samples, val_size, test_size)
    rng = check_random_state(random_state)
    classes, codes = np.unique(labels if stratify else np.full(n_samples, "any"), return_inverse=True)
    if not test_size:
        setting = f"train_val_test_split(val_size={val_size}, test_size=0)"
        remedy = "use a different val_size or more groups"
        _, held_out = split_validation(
            codes, val_size, groups=group_labels, random_state=rng, setting=setting, remedy=remedy
        )
        parts = np.isin(np.arange(n_samples), held_out).astype(int)
    elif group_labels is None:
        parts = _split_samples(codes, classes, fractions, stratify, rng)
    else:
        parts = _split_groups(codes, group_labels, fractions, rng)
    if group_labels is not None:
        _report_absent(codes, classes, parts, group_labels, _PARTS if test_size else _PARTS[:2])
    indices = [rng.permutation(np.flatnonzero(parts == part)) for part in range(3)]
    split = [_safe_indexing(X, rows) for rows in indices] + [_safe_indexing(y, rows) for rows in indices]
    return split + indices if return_indices else split


def draw_folds(
    X: Any, y: ArrayLike, *, groups: ArrayLike | str | None = None, cv: Any = 5, random_state: Any = None
) -> list[Split]:
    """Draw the folds of a comparison, for use as the `cv` of any function of scikit-learn.

    Parameters
    ----------
    X : list, array or DataFrame of length n_samples
        Images or paths.
    y : array-like of shape (n_samples,)
        Labels.
    groups : array-like of shape (n_samples,), "duplicates" or None, default=None
        For example persons, or near-duplicates: a group is never in both the training and the test set.
    cv : int, splitter or iterable of (train, test), default=5
        As for :func:`compare_classifiers`: an int means stratified folds, of whole groups with `groups`.
    random_state : int, RandomState instance or None, default=None
        Seeds the folds of an integer `cv` and the order of the training sets.

    Returns
    -------
    list of (train, test)
        Row numbers of each fold, the smallest training set first. The order of a training set is random and
        stratified, so that every leading part of it has the classes in proportion, as a learning curve needs.

    Raises
    ------
    LabelError
        If X, y and groups differ in length, or there are too few samples of a class or groups for the folds.

    See Also
    --------
    compare_classifiers : Compare classifiers on such folds.
    sklearn.model_selection.LearningCurveDisplay : Plot the score against the number of training images.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import LearningCurveDisplay
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sk_emotion import draw_folds
    >>> X, y = load_iris(return_X_y=True)
    >>> folds = draw_folds(X, y, cv=3, random_state=0)
    >>> display = LearningCurveDisplay.from_estimator(GaussianNB(), X, y, cv=folds, train_sizes=[30, 60, 100])
    >>> display.test_scores.shape
    (3, 3)
    """
    X, labels, group_labels = check_data(X, y, groups, "draw_folds")
    rng = check_random_state(random_state)
    splits, _ = draw_splits(X, labels, group_labels, cv, random_state=random_state, owner="draw_folds")
    # scikit-learn derives the sizes of a learning curve from the first fold, so later ones must not be smaller.
    splits = sorted(splits, key=lambda split: len(split[0]))
    return [(_spread_classes(train, labels, rng), test) for train, test in splits]


def _check_sizes(n_samples: int, val_size: float, test_size: float) -> NDArray[np.float64]:
    """Convert both sizes to the fractions of training, validation and test set."""
    shares = []
    for name, size in (("val_size", val_size), ("test_size", test_size)):
        whole = isinstance(size, Integral) and not isinstance(size, bool)
        in_range = isinstance(size, Real) and not isinstance(size, bool) and 0 <= size < (n_samples if whole else 1)
        if not in_range or (size == 0 and name == "val_size"):
            raise LabelError(
                f"train_val_test_split: {name}={size!r} is out of range for {n_samples} samples. "
                "Expected a fraction between 0 and 1, or a number of samples."
            )
        shares.append(size / n_samples if whole else float(size))
    if sum(shares) >= 1:
        raise LabelError(
            f"train_val_test_split: val_size={val_size!r} and test_size={test_size!r} leave no training "
            f"samples out of {n_samples}. Use smaller sizes."
        )
    return np.array([1 - sum(shares), *shares])


def _split_samples(
    codes: NDArray[Any], classes: NDArray[Any], fractions: NDArray[Any], stratify: bool, rng: Any
) -> NDArray[Any]:
    """Assign each sample to a set, keeping the proportion of each class."""
    counts = np.bincount(codes, minlength=len(classes))
    if counts.min() < 3:
        smallest = classes[counts.argmin()]
        what = f"class {smallest!s} has {counts.min()} sample(s)" if stratify else f"there are {counts.min()} samples"
        remedy = " Add samples, drop the class, or use stratify=False." if stratify else ""
        raise LabelError(f"train_val_test_split: {what}, too few for three sets.{remedy}")
    sizes = [_allocate(counts, fraction) for fraction in fractions[1:]]
    parts = np.zeros(len(codes), dtype=int)
    for code, (count, n_val, n_test) in enumerate(zip(counts, *sizes, strict=True)):
        # Keep at least one training sample of each class.
        while n_val + n_test >= count:
            n_val, n_test = (n_val - 1, n_test) if n_val > n_test else (n_val, n_test - 1)
        rows = rng.permutation(np.flatnonzero(codes == code))
        parts[rows[:n_val]] = 1
        parts[rows[n_val : n_val + n_test]] = 2
    return parts


def _allocate(counts: NDArray[Any], fraction: float) -> NDArray[Any]:
    """Allocate samples by largest remainder, at least one of each class."""
    quota = counts * fraction
    # 1e-9 because products such as 0.2 * 15 can round to slightly below an integer.
    allotted = np.maximum(np.floor(quota + 1e-9).astype(int), 1)
    missing = round(quota.sum()) - allotted.sum()
    if missing > 0:
        allotted[np.argsort(allotted - quota, kind="stable")[:missing]] += 1
    return allotted


def _split_groups(codes: NDArray[Any], groups: NDArray[Any], fractions: NDArray[Any], rng: Any) -> NDArray[Any]:
    """Assign each group to the set that lacks its classes most, in the best of several orders."""
    counts, members = count_classes(codes, groups)
    if len(counts) < 3:
        raise LabelError(
            f"train_val_test_split: groups contains {len(counts)} group(s), but three sets need at least three. "
            "Use more groups, or omit groups."
        )
    largest = (counts / counts.sum(axis=0)).max(axis=1)
    n_orders = int(np.clip(_MAX_ASSIGNMENTS // len(counts), 1, _MAX_ORDERS))
    best, least = np.empty(0, dtype=int), np.inf
    for _ in range(n_orders):
        order = rng.permutation(len(counts))
        order = order[np.argsort(-largest[order], kind="stable")]
        assigned, filled = assign_groups(counts, order, fractions)
        # A class without training samples costs most, then one without validation or test samples.
        absent = filled <= 0
        empty = np.bincount(assigned, minlength=3) == 0
        cost = 1e6 * (absent[0].sum() + empty.sum()) + 1e3 * absent[1:].sum()
        cost += float(((filled - fractions[:, np.newaxis]) ** 2).sum())
        if cost < least:
            best, least = assigned, cost
    return best[members]


def _report_absent(
    codes: NDArray[Any], classes: NDArray[Any], parts: NDArray[Any], groups: NDArray[Any], names: Sequence[str]
) -> None:
    for part, part_name in enumerate(names):
        present = np.bincount(codes[parts == part], minlength=len(classes)) > 0
        if present.all():
            continue
        code = int(present.argmin())
        message = (
            f"train_val_test_split: the {part_name} set has no sample of class {classes[code]!s}, which occurs in "
            f"{len(np.unique(groups[codes == code]))} group(s)."
        )
        if part == 0 or not present.any():
            raise LabelError(message + " Change the sizes or add groups.")
        warnings.warn(message, DatasetWarning, stacklevel=3)


def _spread_classes(train: NDArray[Any], labels: NDArray[Any], rng: np.random.RandomState) -> NDArray[Any]:
    """Shuffle rows such that every leading part is stratified."""
    rows = rng.permutation(train)
    classes = pd.Series(rows).groupby(labels[rows])
    return rows[np.argsort((classes.cumcount() + 0.5) / classes.transform("size"), kind="stable")]


def check_data(X: Any, y: Any, groups: Any, owner: str) -> tuple[Any, NDArray[Any], NDArray[Any] | None]:
    """Return samples that can be indexed, their labels and their groups; with "duplicates", find near-duplicates."""
    X = as_indexable(X)
    groups = resolve_groups(groups, X, owner)
    labels = check_labels(y, owner)
    check_lengths(owner, _num_samples(X), len(labels), groups)
    return X, labels, None if groups is None else check_labels(groups, owner, "groups")


def draw_splits(
    X: Any, y: NDArray[Any], groups: NDArray[Any] | None, cv: Any, *, n_repeats: int = 1, random_state: Any, owner: str
) -> tuple[list[Split], int]:
    """Draw and check the folds; return them and the number of repeats."""
    cv = 5 if cv is None else cv
    if isinstance(cv, Integral):
        splits = _repeat_folds(y, groups, int(cv), n_repeats, check_random_state(random_state), owner)
    elif n_repeats != 1:
        raise ValueError(
            f"{owner}: n_repeats={n_repeats} with cv={cv!r}, but only an integer cv can be repeated. Pass "
            f"an int, or cv=RepeatedStratifiedKFold(n_splits=5, n_repeats={n_repeats})."
        )
    else:
        rows = np.arange(len(y))
        # Parts can be masks or row numbers; NumPy makes an empty list an array of floats.
        splits = [
            (rows[train], rows[test] if len(test) else rows[:0])
            for train, test in check_cv(cv, y, classifier=True).split(X, y, groups)
        ]
        n_repeats = getattr(cv, "n_repeats", 1)
        if not isinstance(n_repeats, Integral) or len(splits) % n_repeats:
            n_repeats = 1
    for fold, (train, test) in enumerate(splits):
        absent = np.setdiff1d(y, y[train])
        if len(absent) or not len(test):
            what = f"trains without class {absent[0]!s}" if len(absent) else "has an empty test set"
            raise LabelError(f"{owner}: fold {fold} {what}. Use a smaller cv, or more groups per class.")
    return splits, n_repeats


def _repeat_folds(
    y: NDArray[Any], groups: NDArray[Any] | None, n_splits: int, n_repeats: int, rng: np.random.RandomState, owner: str
) -> list[Split]:
    """Draw stratified folds that differ in each repeat."""
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
    splitter = StratifiedKFold if groups is None else StratifiedGroupKFold
    once = splitter(n_splits, shuffle=True, random_state=rng)
    splits = list(once.split(y, y, groups))
    # Test sets identify folds, whatever their order.
    seen = {frozenset(test.tobytes() for _, test in splits)}
    for repeat in range(1, n_repeats):
        for _ in range(_N_TRIES):
            folds = list(once.split(y, y)) if groups is None else _assign_groups(y, groups, n_splits, rng)
            key = frozenset(test.tobytes() for _, test in folds)
            if key not in seen and all(np.isin(y, y[train]).all() for train, _ in folds):
                break
        else:
            raise LabelError(
                f"{owner}: n_repeats={n_repeats}, but only {repeat} different split(s) into {n_splits} folds found in "
                f"{_N_TRIES} draws. Use fewer repeats or a smaller cv."
            )
        seen.add(key)
        splits += folds
    return splits


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
