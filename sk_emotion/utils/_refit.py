"""Estimators that are fitted again while other threads predict."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])


def snapshot(estimator: Any) -> Any:
    """Return an estimator with the same attributes, which it keeps when `estimator` is fitted again."""
    same = object.__new__(type(estimator))
    # A copy in one step, between two of another thread's.
    same.__dict__ = vars(estimator).copy()
    return same


def fit_aside(fit: Method) -> Method:
    """Let a method that fits give the estimator all of its new attributes at once, when it ends, also by an error."""

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
    """Let a method use the attributes that the estimator has when it is called."""

    @wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return method(snapshot(self), *args, **kwargs)

    return call  # type: ignore[return-value]
