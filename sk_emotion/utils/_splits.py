"""Splits that keep classes in proportion and groups together."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from ..exceptions import LabelError
from ._labels import check_same_length

Split = tuple[NDArray[Any], NDArray[Any]]
"""Row numbers of a training and a test set."""

# Larger than any increase in squared distance between shares.
_SCARCITY = 100.0


def count_classes(codes: NDArray[Any], groups: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return the number of samples of each class in each group, and the group of each sample."""
    names, members = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(names), codes.max() + 1))
    np.add.at(counts, (members, codes), 1)
    return counts, members


def assign_groups(
    counts: NDArray[Any], order: NDArray[Any], targets: NDArray[np.float64], *, even: bool = False
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Assign each group, in the given order, to the part that lacks its classes most; classes have equal weight.

    Of equal parts, the first one wins or, if `even`, the one with the fewest samples. Return the part of each group,
    and the share of each class in each part.
    """
    shares = counts / counts.sum(axis=0)
    assigned = np.empty(len(counts), dtype=np.intp)
    filled = np.zeros((len(targets), counts.shape[1]))
    sizes = np.zeros(len(targets))
    n_left = (counts > 0).sum(axis=0)
    for group in order:
        # Increase of the squared distance from the targets if the group is added to each part.
        growth = ((2 * (filled - targets[:, np.newaxis]) + shares[group]) * shares[group]).sum(axis=1)
        # If a class has as few groups left as parts lack it, each of these parts must get one.
        missing = filled == 0
        scarce = n_left <= missing.sum(axis=0)
        growth -= _SCARCITY * (missing & scarce & (shares[group] > 0)).sum(axis=1)
        nearest = np.flatnonzero(growth <= growth.min() + 1e-12) if even else np.array([growth.argmin()])
        part = nearest[sizes[nearest].argmin()]
        assigned[group] = part
        filled[part] += shares[group]
        sizes[part] += counts[group].sum()
        n_left -= shares[group] > 0
    return assigned, filled


def split_validation(
    codes: NDArray[np.int64],
    size: float,
    *,
    groups: Sequence[Any] | NDArray[Any] | None,
    random_state: Any,
    setting: str | None = None,
    remedy: str = "pass X_val and y_val",
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of training and validation images, stratified, with each group in one of the sets.

    `size` is a fraction or number of images; errors name the `setting` and a `remedy`.
    """
    rows = np.arange(len(codes))
    setting = f"validation_fraction={size}" if setting is None else setting
    if groups is not None:
        images, entries = ("X", len(codes), "images"), ("groups", len(groups), "entries")
        check_same_length(setting, images, entries, "one group per image")
    try:
        if groups is None:
            train, held_out = train_test_split(rows, test_size=size, stratify=codes, random_state=random_state)
        else:
            fraction = size if size < 1 else size / len(codes)
            # Hold out one of k folds, or all but one; a fold has at least one group.
            smaller = min(fraction, 1 - fraction)
            n_folds = min(max(2, round(1 / smaller)), len(np.unique(np.asarray(groups))))
            folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=random_state)
            with warnings.catch_warnings():
                # Classes with fewer samples than folds: only one fold is used.
                warnings.simplefilter("ignore", UserWarning)
                train, held_out = next(folds.split(rows, codes, groups))
            if fraction > 0.5:
                train, held_out = held_out, train
    except ValueError as error:
        raise LabelError(
            f"Cannot split {len(codes)} images of {len(np.unique(codes))} classes with {setting} ({error}). Add "
            f"images, or {remedy}."
        ) from error
    if len(np.unique(codes[train])) < len(np.unique(codes)):
        raise LabelError(
            f"{setting} leaves a class without training images, since it has too few groups. "
            f"{remedy[:1].upper()}{remedy[1:]}."
        )
    return np.sort(train), np.sort(held_out)
