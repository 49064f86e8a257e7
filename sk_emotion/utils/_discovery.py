"""List the public estimators, for the common checks."""

import inspect
from typing import Any

from sklearn.base import BaseEstimator


def all_estimators() -> list[BaseEstimator]:
    """Return an instance of each public estimator, with default parameters and ``random_state=0``.

    Returns
    -------
    list of estimators
        Sorted by name. Network specs and augmentations have no ``fit``, and are not included.

    Examples
    --------
    >>> from sk_emotion.utils import all_estimators
    >>> [type(estimator).__name__ for estimator in all_estimators()]
    ['AugmentationOverSampler', 'EmotionClassifier', 'FaceLoader', 'HOGTransformer', 'LeastSquaresSVC']
    """
    import sk_emotion

    public = [getattr(sk_emotion, name) for name in sorted(dir(sk_emotion))]
    return [_make(value) for value in public if _is_estimator(value)]


def _is_estimator(value: Any) -> bool:
    return inspect.isclass(value) and issubclass(value, BaseEstimator) and hasattr(value, "fit")


def _make(estimator: type[BaseEstimator]) -> BaseEstimator:
    takes_seed = "random_state" in inspect.signature(estimator).parameters
    return estimator(random_state=0) if takes_seed else estimator()
