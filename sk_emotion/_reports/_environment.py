"""The environment and the parameters that produced a result."""

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import sklearn
from sklearn.frozen import FrozenEstimator

from ._shell import Html, escape_lines, figure, table

_PACKAGES = ("torch", "scikit-learn", "imbalanced-learn", "skorch", "numpy")


def describe_environment() -> dict[str, str]:
    """Return time, platform and package versions."""
    from sk_emotion import __version__

    versions = {"sk_emotion": __version__}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "platform": f"{platform.platform()}, {os.cpu_count()} processor cores",
        "python": platform.python_version(),
        **versions,
    }


def describe_parameters(estimator: Any) -> dict[str, str]:
    """Return the repr of each parameter of an estimator and its nested estimators; its class is under ``""``."""
    params = _collect_parameters(estimator)
    nested = {name for name, value in params.items() if hasattr(value, "get_params")}
    # Steps have entries of their own.
    kept = {name: value for name, value in params.items() if not _lists_steps(value)}
    described = {"": _name(estimator)}
    with sklearn.config_context(print_changed_only=False):
        for name in sorted(kept):
            described[name] = type(kept[name]).__name__ if name in nested else repr(kept[name])
    if hasattr(estimator, "best_params_"):
        described["chosen by the search"] = repr(estimator.best_params_)
    return described


def _collect_parameters(estimator: Any) -> dict[str, Any]:
    """Return all parameters, including those of frozen estimators, which hide them."""
    params = estimator.get_params(deep=True) if hasattr(estimator, "get_params") else {}
    frozen = {name: value.estimator for name, value in params.items() if isinstance(value, FrozenEstimator)}
    for name, value in frozen.items():
        inner = {"estimator": value, **{f"estimator__{key}": item for key, item in _collect_parameters(value).items()}}
        params |= {f"{name}__{key}": item for key, item in inner.items()}
    return params


def render_environment(environment: Mapping[str, str]) -> Html:
    """Render the table of :func:`describe_environment`."""
    rows = [[name, value] for name, value in environment.items()]
    caption = "Where these numbers were computed. Other versions or machines may give slightly different results."
    return figure(table("Environment", ["name", "value"], rows, kind="text"), caption)


def render_parameters(parameters: Mapping[str, str], name: str = "") -> Html:
    """Render the table of :func:`describe_parameters`."""
    label = f"Parameters of {name}" if name else "Parameters"
    rows = [[parameter or "(class)", escape_lines(value)] for parameter, value in parameters.items()]
    return table(label, ["parameter", "value"], rows, kind="text")


def _name(estimator: Any) -> str:
    """Return the class name of an estimator, with those of its steps or inner estimator."""
    name = type(estimator).__name__
    if hasattr(estimator, "steps"):
        return f"{name} of {', '.join(type(step).__name__ for _, step in estimator.steps)}"
    inner = getattr(estimator, "estimator", None)
    return f"{name} over {_name(inner)}" if hasattr(inner, "get_params") else name


def _lists_steps(value: Any) -> bool:
    return isinstance(value, list) and any(
        isinstance(part, tuple) and hasattr(part[-1], "get_params") for part in value
    )
