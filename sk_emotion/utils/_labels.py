"""The one check of labels."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import column_or_1d

from ..exceptions import LabelError


def check_labels(y: Any, owner: str, name: str = "y") -> NDArray[Any]:
    """Give labels as an array of shape (n_samples,); refuse missing ones."""
    labels = column_or_1d(y, warn=True) if hasattr(y, "shape") else column_or_1d(np.asarray(y), warn=True)
    missing = np.flatnonzero(pd.isna(labels))
    if len(missing):
        raise LabelError(
            f"{owner}: Input {name} contains NaN or None in {len(missing)} of {len(labels)} places, first in "
            f"{name}[{missing[0]}]. Drop these samples."
        )
    if labels.dtype.kind == "f":
        assert_all_finite(labels, input_name=name)
    return labels


def check_lengths(owner: str, n_samples: int, n_labels: int, groups: Any) -> None:
    """Refuse labels or groups that are not one a sample."""
    if n_labels != n_samples:
        raise LabelError(f"{owner}: X has {n_samples} samples, but y has {n_labels} labels. Give one label a sample.")
    if groups is not None and len(groups) != n_samples:
        raise LabelError(
            f"{owner}: X has {n_samples} samples, but groups has {len(groups)} entries. Give one group a sample."
        )
