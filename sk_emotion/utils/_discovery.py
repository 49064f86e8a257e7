"""List the public estimators."""

import inspect

from sklearn.base import BaseEstimator


def all_estimators() -> list[tuple[str, type[BaseEstimator]]]:
    """Return all public estimators, as :func:`sklearn.utils.discovery.all_estimators` does.

    Returns
    -------
    list of tuple of (str, type)
        Name and class of each estimator, sorted by name. Network specs and augmentations have no ``fit``, and are not
        included.

    Examples
    --------
    >>> from sk_emotion.utils import all_estimators
    >>> [name for name, _ in all_estimators()][:3]
    ['AugmentationOverSampler', 'ConsolidatedClassifier', 'EmotionClassifier']
    """
    import sk_emotion

    public = [(name, getattr(sk_emotion, name)) for name in sorted(dir(sk_emotion))]
    return [
        (name, value)
        for name, value in public
        if inspect.isclass(value) and issubclass(value, BaseEstimator) and hasattr(value, "fit")
    ]
