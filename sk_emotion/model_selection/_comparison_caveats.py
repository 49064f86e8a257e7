"""What makes the scores of a comparison worth less than they seem."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..leakage._overlap import number_copies
from ..metrics._caveats import describe_absent_in_folds, describe_copies, describe_few, describe_groups
from ._comparison_folds import Split


def list_caveats(
    X: Any,
    y: NDArray[Any],
    groups: NDArray[Any] | None,
    splits: Sequence[Split],
    cv: Any,
    *,
    by_copies: bool,
    n_jobs: int | None,
) -> list[str]:
    """Look for leaks between training and test sets, for folds without a class, and for classes of few faces.

    `by_copies` says that the groups are copies.
    """
    tested = np.unique(np.concatenate([test for _, test in splits]))
    heeds_groups = cv is None or isinstance(cv, Integral)
    splitter = "" if heeds_groups else ", and a cv that keeps groups together, such as StratifiedGroupKFold"
    caveats = []
    if groups is not None and not by_copies:
        caveats += describe_groups(
            groups, splits, "Give a cv that keeps groups together, such as StratifiedGroupKFold."
        )
    copies = groups if by_copies else number_copies(X, n_jobs=n_jobs)
    if copies is not None:
        wanted = "'duplicates'" if groups is None or by_copies else "find_duplicates(X, groups=groups)"
        caveats += describe_copies(copies, splits, f"Pass groups={wanted}{splitter}.")
    return caveats + describe_absent_in_folds(y, splits) + describe_few(y[tested], np.unique(y))
