"""Look inside pipelines, searches and other meta-estimators."""

import copy
from collections.abc import Iterator
from typing import Any

from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV


def find_last_step(estimator: Any) -> Any:
    """Return the final classifier of a pipeline, search, threshold or frozen estimator."""
    *_, last = look_inside(estimator)
    return last


def look_inside(estimator: Any) -> Iterator[Any]:
    """Iterate over an estimator and the nested estimators that predict for it."""
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
    """Split a fitted estimator into its leading FaceLoader and the rest.

    Images can then be decoded once for several predictions. The loader is found in pipelines, searches, thresholds,
    calibrated and frozen estimators; if there is none, None and the estimator itself are returned.
    """
    if hasattr(estimator, "best_estimator_"):
        loader, rest = split_loader(estimator.best_estimator_)
        return (None, estimator) if loader is None else (loader, rest)
    # Recognize a FaceLoader by its attribute, without importing it.
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
        # All parts have the same loader, which learns nothing from the images.
        return parts[0][0], rest
    return None, estimator


def _split_inside(wrapper: Any, name: str) -> tuple[Any, Any]:
    """Split the estimator inside a wrapper; return the loader, and a copy of the wrapper around the rest."""
    loader, inner = split_loader(getattr(wrapper, name))
    rest = copy.copy(wrapper)
    setattr(rest, name, inner)
    return loader, rest


def transform_before_last(estimator: Any, X: Any) -> tuple[Any, Any]:
    """Apply all steps of a pipeline but the last; return the last step, and the features for it."""
    steps = getattr(estimator, "steps", [(None, estimator)])
    for _, step in steps[:-1]:
        # Samplers act in fit only.
        if hasattr(step, "transform"):
            X = step.transform(X)
    return steps[-1][1], X
