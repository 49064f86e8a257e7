"""Parameters that are not there yet."""

from collections.abc import Callable
from typing import Any


def put_defaults(
    estimator: Any, params: dict[str, Any], defaults: dict[str, tuple[str | None, Callable[[], Any]]]
) -> dict[str, Any]:
    """Put the object into `params` that a name such as ``network__width`` reaches into.

    `defaults` gives, for each parameter, the placeholder that stands for its default and what makes the default.
    """
    for name, (placeholder, make) in defaults.items():
        value = params.get(name, getattr(estimator, name))
        stands_for_default = value is None if placeholder is None else isinstance(value, str) and value == placeholder
        if stands_for_default and any(key.startswith(name + "__") for key in params):
            params = {**params, name: make()}
    return params


def add_new_parameters(estimator: Any, state: dict[str, Any]) -> dict[str, Any]:
    """Add to a state that an older version wrote the parameters that there are since, at their defaults."""
    return {**type(estimator)().get_params(deep=False), **state}
