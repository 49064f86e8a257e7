"""Splits inside an estimator, of whole groups as those around it."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import StratifiedGroupKFold, TunedThresholdClassifierCV
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils._metadata_requests import get_routing_for_object


def keep_groups_together(
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
