"""What is inside a pipeline, a search, or another wrapper."""

import copy
from collections.abc import Iterator
from typing import Any

from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV


def find_last_step(estimator: Any) -> Any:
    """Give the classifier that a pipeline ends in, or that a search, threshold or frozen estimator holds."""
    *_, last = look_inside(estimator)
    return last


def look_inside(estimator: Any) -> Iterator[Any]:
    """Give an estimator, and one after the other what each holds that answers for it."""
    while estimator is not None:
        yield estimator
        if hasattr(estimator, "steps"):
            estimator = estimator.steps[-1][1]
        elif isinstance(estimator, FrozenEstimator):
            estimator = estimator.estimator
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif isinstance(estimator, FixedThresholdClassifier | TunedThresholdClassifierCV):
            estimator = getattr(estimator, "estimator_", estimator.estimator)
        else:
            estimator = None


def split_loader(estimator: Any) -> tuple[Any, Any]:
    """Part a fitted estimator into the FaceLoader that it begins with, and the rest.

    Pictures can then be decoded once for several predictions. The loader is found in pipelines, searches, thresholds,
    calibrations and frozen estimators; without one, it is None, and the rest is all of the estimator.
    """
    if hasattr(estimator, "best_estimator_"):
        loader, rest = split_loader(estimator.best_estimator_)
        return (None, estimator) if loader is None else (loader, rest)
    # Its attribute tells a FaceLoader, without an import of what lies above.
    if len(getattr(estimator, "steps", [])) > 1 and hasattr(estimator.steps[0][1], "face_found_"):
        return estimator.steps[0][1], estimator[1:]
    if isinstance(estimator, FrozenEstimator):
        loader, rest = split_loader(estimator.estimator)
        return loader, FrozenEstimator(rest)
    if isinstance(estimator, FixedThresholdClassifier | TunedThresholdClassifierCV):
        return _split_inside(estimator, "estimator_")
    if isinstance(estimator, CalibratedClassifierCV):
        parts = [_split_inside(part, "estimator") for part in estimator.calibrated_classifiers_]
        rest = copy.copy(estimator)
        rest.calibrated_classifiers_ = [part for _, part in parts]
        # All parts have the same loader, which learns nothing of pictures.
        return parts[0][0], rest
    return None, estimator


def _split_inside(wrapper: Any, name: str) -> tuple[Any, Any]:
    """Part what a wrapper holds; give the loader, and a copy of the wrapper around the rest."""
    loader, inner = split_loader(getattr(wrapper, name))
    rest = copy.copy(wrapper)
    setattr(rest, name, inner)
    return loader, rest


def transform_by_all_but_last(estimator: Any, X: Any) -> tuple[Any, Any]:
    """Let a pipeline do its work once for all that is asked of its last step; give that step, and features for it."""
    steps = getattr(estimator, "steps", [(None, estimator)])
    for _, step in steps[:-1]:
        # A sampler acts while fitting alone.
        if hasattr(step, "transform"):
            X = step.transform(X)
    return steps[-1][1], X
