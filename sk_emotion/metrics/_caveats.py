"""Caveats of scores: leakage, missing classes and small classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import _num_samples

from ..exceptions import LabelError, SkEmotionError
from ..leakage._groups import find_shared, number_copies
from ..leakage._training_images import find_seen
from ..utils._labels import check_labels
from ..utils._splits import Split
from ..utils._text import abridge

# A recall of 0.8 on 20 faces has a standard error of 0.09.
_FEW = 20

# Classes named in a caveat.
_NAMED = 5


def find_leaks(X: Any, X_train: Any, groups: Any, groups_train: Any) -> list[str]:
    """Describe which test images or groups are also in the training set."""
    caveats = []
    if groups_train is not None:
        if groups is None or isinstance(groups, str):
            raise LabelError(
                f"EmotionReport: groups_train was passed, but groups={groups!r}. Pass the groups of the test images."
            )
        parts = [check_labels(part, "EmotionReport", "groups") for part in (groups_train, groups)]
        remedy = "Split by groups, as train_val_test_split(X, y, groups=...) does."
        caveats += describe_groups(np.concatenate(parts), [_number_rows(*map(len, parts))], remedy)
    copies = None if X_train is None else number_copies(X_train, X)
    if copies is not None:
        n_train = _num_samples(X_train)
        remedy = "Split by groups='duplicates', as in train_val_test_split."
        caveats += describe_copies(copies, [_number_rows(n_train, len(copies) - n_train)], remedy, first_test=n_train)
    return caveats


def find_seen_images(estimator: Any, images: Any) -> list[str]:
    """Describe how many test images the estimator was trained or validated on, as far as its file says."""
    try:
        seen = find_seen(estimator, images, "EmotionReport")
    except SkEmotionError:
        # They are features rather than images.
        return []
    if seen is None:
        return []
    caveats, of_all = [], f"of {seen.n_images} images"
    if seen.trained:
        by = [
            f"{'' if count == seen.trained else f'{count} of them '}in the training of {name}"
            for name, count in seen.by_pretrained
            if count
        ]
        caveats.append(
            f"{seen.trained} {of_all} were trained on{f' ({abridge(by)})' if by else ''}, so scores are too high for "
            "new images. Evaluate on images that the model has not seen."
        )
    if seen.validated:
        caveats.append(
            f"{seen.validated} {of_all} were used to validate the model: choices were made by their scores, which may "
            "be slightly too high for new images."
        )
    if seen.similar:
        caveats.append(
            f"{seen.similar} {of_all} are possible copies of images that the model was trained or validated on: they "
            "look the same, in another size or file format, for example. Copies make scores too high: leave them out."
        )
    return caveats


def _number_rows(n_train: int, n_test: int) -> Split:
    """Return the row numbers of a training set followed by a test set."""
    return np.arange(n_train), np.arange(n_train, n_train + n_test)


def describe_copies(copies: NDArray[Any], splits: Sequence[Split], remedy: str, *, first_test: int = 0) -> list[str]:
    """Describe how many test images have a copy in the training set.

    Test images are numbered from row `first_test`.
    """
    shared = [find_shared(copies, train, test) for train, test in splits]
    n_shared = _count_distinct(shared)
    if not n_shared:
        return []
    (train, _), rows = next((split, rows) for split, rows in zip(splits, shared, strict=True) if len(rows))
    twin = train[np.flatnonzero(copies[train] == copies[rows[0]])[0]]
    return [
        f"{n_shared} of {_count_distinct([test for _, test in splits])} test images have a copy or near copy in the "
        f"training set (test image {rows[0] - first_test} matches training image {twin}, for example), so scores are "
        f"too high. {remedy}"
    ]


def describe_groups(groups: NDArray[Any], splits: Sequence[Split], remedy: str) -> list[str]:
    """Describe how many groups are in both the training and the test set."""
    shared = np.unique(np.concatenate([groups[find_shared(groups, train, test)] for train, test in splits]))
    if not len(shared):
        return []
    n_groups = _count_distinct([groups[test] for _, test in splits])
    return [
        f"{len(shared)} of {n_groups} groups ({shared[0]!s}, for example) are in both the training and the test set, "
        f"so scores are too high for new groups. {remedy}"
    ]


def describe_few(labels: NDArray[Any], classes: NDArray[Any]) -> list[str]:
    """Describe which classes have too few faces for reliable scores."""
    counts = [int(np.sum(labels == name)) for name in classes]
    few = [f"{name} ({count})" for name, count in zip(classes, counts, strict=True) if 0 < count < _FEW]
    if not few:
        return []
    names = abridge(few, _NAMED)
    return [f"Fewer than {_FEW} test faces: {names}. Scores based on so few faces are unreliable."]


def describe_absent(absent: NDArray[Any]) -> list[str]:
    """Describe which classes the test set lacks, and how scores treat them."""
    if not len(absent):
        return []
    names = abridge([str(name) for name in absent], _NAMED)
    return [
        f"No test face of {names}: macro F1 counts a missing class as 0 if it is predicted; other averages over "
        "classes exclude it."
    ]


def describe_absent_in_folds(y: NDArray[Any], splits: Sequence[Split]) -> list[str]:
    """Describe how many folds lack a class in their test set, and how scores treat it."""
    absent = [np.setdiff1d(y, y[test]) for _, test in splits]
    lacking = [fold for fold, names in enumerate(absent) if len(names)]
    if not lacking:
        return []
    first = abridge([str(name) for name in absent[lacking[0]]], _NAMED)
    return [
        f"{len(lacking)} of {len(splits)} folds have no test face of a class (fold {lacking[0]} lacks {first}): "
        "macro F1 counts a missing class as 0 if it is predicted, and the default ROC AUC excludes it. Reduce cv to "
        "avoid such folds."
    ]


def _count_distinct(parts: Sequence[NDArray[Any]]) -> int:
    return len(np.unique(np.concatenate(parts)))
