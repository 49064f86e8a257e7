"""Fill in default and new parameters."""

from collections.abc import Callable
from typing import Any


def put_defaults(
    estimator: Any, params: dict[str, Any], defaults: dict[str, tuple[str | None, Callable[[], Any]]]
) -> dict[str, Any]:
    """Add default objects to `params`, so that nested names such as ``network__width`` can be set.

    `defaults` maps each parameter to the placeholder of its default and a function that creates the default.
    """
    for name, (placeholder, make) in defaults.items():
        value = params.get(name, getattr(estimator, name))
        stands_for_default = value is None if placeholder is None else isinstance(value, str) and value == placeholder
        if stands_for_default and any(key.startswith(name + "__") for key in params):
            params = {**params, name: make()}
    return params


def add_new_parameters(estimator: Any, state: dict[str, Any]) -> dict[str, Any]:
    """Add parameters that are newer than a pickled state, with their defaults."""
    return {**type(estimator)().get_params(deep=False), **state}
