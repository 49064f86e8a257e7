"""What is inside a pipeline, a search, or another wrapper."""

from typing import Any

from sklearn.frozen import FrozenEstimator


def find_last_step(estimator: Any) -> Any:
    """Give the classifier that a pipeline ends in, or that a search, threshold or frozen estimator holds."""
    while True:
        if hasattr(estimator, "steps"):
            estimator = estimator.steps[-1][1]
        elif isinstance(estimator, FrozenEstimator):
            estimator = estimator.estimator
        elif inner := [name for name in ("best_estimator_", "estimator_") if hasattr(estimator, name)]:
            estimator = getattr(estimator, inner[0])
        else:
            return estimator


def split_loader(estimator: Any) -> tuple[Any, Any]:
    """Part a fitted pipeline into the FaceLoader that it begins with, and the rest.

    Pictures can then be decoded once for several predictions. A search is its best pipeline. Of an estimator that
    begins otherwise, the loader is None and the rest is all of it.
    """
    pipeline = getattr(estimator, "best_estimator_", estimator)
    steps = getattr(pipeline, "steps", [])
    # Its attribute tells a FaceLoader, without an import of what lies above.
    if len(steps) > 1 and hasattr(steps[0][1], "face_found_"):
        return steps[0][1], pipeline[1:]
    return None, estimator
