"""Fit estimators again while other threads predict."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])


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
    """Decorate a method to use the attributes at the time of the call."""

    @wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return method(snapshot(self), *args, **kwargs)

    return call  # type: ignore[return-value]
