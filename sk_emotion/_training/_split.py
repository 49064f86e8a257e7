"""The inner validation split."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from ..exceptions import LabelError


def split_validation(
    codes: NDArray[np.int64], fraction: float, *, groups: Sequence[Any] | NDArray[Any] | None, random_state: Any
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of training and validation images, stratified, with each group in one of the sets.

    Raises
    ------
    LabelError
        If a class has too few images or groups to be in both sets.
    """
    rows = np.arange(len(codes))
    if groups is not None and len(groups) != len(codes):
        raise LabelError(f"{len(codes)} images, but groups has {len(groups)} entries. Pass one group per image.")
    try:
        if groups is None:
            train, held_out = train_test_split(rows, test_size=fraction, stratify=codes, random_state=random_state)
        else:
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
            f"Cannot split {len(codes)} images of {len(np.unique(codes))} classes with validation_fraction={fraction} "
            f"({error}). Add images, or pass X_val and y_val."
        ) from error
    if len(np.unique(codes[train])) < len(np.unique(codes)):
        raise LabelError(
            f"validation_fraction={fraction} leaves a class without training images, since it has too few groups. "
            "Pass X_val and y_val."
        )
    return np.sort(train), np.sort(held_out)
