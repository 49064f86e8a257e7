"""Parameters and methods that several estimators share, and the list of estimators."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from ._arrays import as_numpy
from ._labels import check_scored_labels

Method = TypeVar("Method", bound=Callable[..., Any])


def put_defaults(
    estimator: Any, params: dict[str, Any], defaults: dict[str, tuple[str | None, Callable[[], Any]]]
) -> dict[str, Any]:
    """Add default objects to `params`, so that nested names can be set; `defaults` has a placeholder and a function."""
    for name, (placeholder, make) in defaults.items():
        value = params.get(name, getattr(estimator, name))
        stands_for_default = value is None if placeholder is None else isinstance(value, str) and value == placeholder
        if stands_for_default and any(key.startswith(name + "__") for key in params):
            params = {**params, name: make()}
    return params


def add_new_parameters(estimator: Any, state: dict[str, Any]) -> dict[str, Any]:
    """Add parameters that are newer than a pickled state, with their defaults."""
    return {**type(estimator)().get_params(deep=False), **state}


def snapshot(estimator: Any) -> Any:
    """Return a copy that keeps the current attributes when `estimator` is fitted again."""
    same = object.__new__(type(estimator))
    # dict.copy is atomic.
    same.__dict__ = vars(estimator).copy()
    return same


def fit_aside(fit: Method) -> Method:
    """Decorate a fit method to set all new attributes at once, when it ends or raises."""

    @wraps(fit)
    def fit_then_replace(self: Any, *args: Any, **kwargs: Any) -> Any:
        aside = snapshot(self)
        try:
            fit(aside, *args, **kwargs)
        finally:
            self.__dict__ = vars(aside)
        return self

    return fit_then_replace  # type: ignore[return-value]


def as_fitted(method: Method) -> Method:
    """Decorate a method to raise NotFittedError before `fit`, and to use the attributes at the time of the call."""

    @wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        fitted = snapshot(self)
        check_is_fitted(fitted)
        return method(fitted, *args, **kwargs)

    return call  # type: ignore[return-value]


class ClassifierOfLabels(ClassifierMixin):
    """Mixin for classifiers whose `score` checks labels, and uses the attributes at the time of the call."""

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy on the given samples and labels.

        Parameters
        ----------
        X : array-like
            Samples like those of `fit`.
        y : array-like of shape (n_samples,)
            True labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights.

        Returns
        -------
        float
            Accuracy, the share of samples classified correctly.

        Raises
        ------
        LabelError
            If y contains numbers and `classes_` names, or vice versa.

        Warns
        -----
        DatasetWarning
            If y contains synonyms of some of `classes_`, such as ``angry`` for ``anger``, which count as errors.
        """
        check_is_fitted(self)
        fitted, name = snapshot(self), type(self).__name__
        check_scored_labels(y, fitted.classes_, name)
        sample_weight = as_numpy(sample_weight, name, "sample_weight")
        return super(ClassifierOfLabels, fitted).score(X, as_numpy(y, name, "y"), sample_weight)


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
