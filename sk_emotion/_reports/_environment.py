"""In what surroundings numbers came about, and with which parameters."""

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
    """Name time, machine and versions."""
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
    """Write every parameter of an estimator and of its parts as Python would; its class is that of ``""``."""
    params = _collect_parameters(estimator)
    made_of = {name for name, value in params.items() if hasattr(value, "get_params")}
    # The steps are listed by name, each with its parameters.
    shown = {name: value for name, value in params.items() if not _lists_steps(value)}
    told = {"": _name(estimator)}
    with sklearn.config_context(print_changed_only=False):
        for name in sorted(shown):
            told[name] = type(shown[name]).__name__ if name in made_of else repr(shown[name])
    if hasattr(estimator, "best_params_"):
        told["chosen by the search"] = repr(estimator.best_params_)
    return told


def _collect_parameters(estimator: Any) -> dict[str, Any]:
    """Give all parameters; those of a frozen estimator too, which gives none of what it holds."""
    params = estimator.get_params(deep=True) if hasattr(estimator, "get_params") else {}
    frozen = {name: value.estimator for name, value in params.items() if isinstance(value, FrozenEstimator)}
    for name, value in frozen.items():
        inner = {"estimator": value, **{f"estimator__{key}": item for key, item in _collect_parameters(value).items()}}
        params |= {f"{name}__{key}": item for key, item in inner.items()}
    return params


def render_environment(environment: Mapping[str, str]) -> Html:
    """Make a table of :func:`describe_environment`."""
    rows = [[name, value] for name, value in environment.items()]
    caption = "What computed these numbers. Another version or machine may give slightly other ones."
    return figure(table("Environment", ["what", "value"], rows, kind="text"), caption)


def render_parameters(parameters: Mapping[str, str], name: str = "") -> Html:
    """Make a table of :func:`describe_parameters`."""
    label = f"Parameters of {name}" if name else "Parameters"
    rows = [[parameter or "(class)", escape_lines(value)] for parameter, value in parameters.items()]
    return table(label, ["parameter", "value"], rows, kind="text")


def _name(estimator: Any) -> str:
    """Name the class of an estimator, and of what it holds."""
    name = type(estimator).__name__
    if hasattr(estimator, "steps"):
        return f"{name} of {', '.join(type(step).__name__ for _, step in estimator.steps)}"
    inner = getattr(estimator, "estimator", None)
    return f"{name} over {_name(inner)}" if hasattr(inner, "get_params") else name


def _lists_steps(value: Any) -> bool:
    return isinstance(value, list) and any(
        isinstance(part, tuple) and hasattr(part[-1], "get_params") for part in value
    )
