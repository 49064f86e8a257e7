"""Pages and fragments rendered from the templates of this folder, and the descriptions of estimators in them."""

import os
import platform
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from sklearn.dummy import DummyClassifier
from sklearn.utils import estimator_html_repr

from ..utils._text import number, printable

# The script of a view copies names of parameters and guesses the theme. Pages run no scripts: its buttons go with it,
# and the style sheet of pages sets the colors.
_SCRIPTS = re.compile(r"<script.*?</script>|<style.*?</style>|<button.*?</button>|</?body>", re.DOTALL)
_IDS = re.compile(r"\bsk-(?:container|estimator)-id-[\w-]+")


@cache
def load_macros(name: str) -> Any:
    """Return the macros of a template, which render the sections of a page."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        extensions=["jinja2.ext.do"],
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        # Escape control characters of text, and put it on one line.
        finalize=lambda value: value if isinstance(value, Markup) else printable(value),
    )
    environment.filters["number"] = number
    return environment.get_template(name).module


def render_page(heading: str, lead: str, sections: Mapping[str, Markup]) -> str:
    """Render a page with a heading, a table of contents, and all sections that are not empty."""
    shown = [(re.sub(r"\W+", "-", title.lower()), title, body) for title, body in sections.items() if body.strip()]
    has_views = any("sk-top-container" in body for _, _, body in shown)
    return str(load_macros("page.html.jinja").page(heading, lead, shown, find_estimator_style() if has_views else ""))


def render_fragment(lead: str, *parts: Markup) -> str:
    """Render the HTML that a notebook shows."""
    return str(load_macros("page.html.jinja").fragment(lead, Markup().join(parts)))


def describe_environment() -> dict[str, str]:
    """Return time, platform and package versions."""
    from sk_emotion import __version__

    versions = {"sk_emotion": __version__}
    for package in ("torch", "scikit-learn", "imbalanced-learn", "skorch", "numpy"):
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


def name_estimator(estimator: Any) -> str:
    """Return the class name of an estimator, with those of its steps or inner estimator."""
    name = type(estimator).__name__
    if hasattr(estimator, "steps"):
        return f"{name} of {', '.join(type(step).__name__ for _, step in estimator.steps)}"
    inner = getattr(estimator, "estimator", None)
    return f"{name} over {name_estimator(inner)}" if hasattr(inner, "get_params") else name


def show_estimator(estimator: Any) -> Markup:
    """Return scikit-learn's HTML view of an estimator, without its script and style sheet."""
    view = _SCRIPTS.sub("", estimator_html_repr(estimator))
    # scikit-learn numbers the views of a process, but the same result should always give the same page.
    numbers = count(1)
    seen: dict[str, str] = {}
    return Markup(_IDS.sub(lambda found: seen.setdefault(found[0], f"sk-id-{next(numbers)}"), view))


@cache
def find_estimator_style() -> Markup:
    """Return the style sheet of scikit-learn's views, without its comments."""
    style = re.findall(r"<style.*?>(.*?)</style>", estimator_html_repr(DummyClassifier()), re.DOTALL)
    return Markup(re.sub(r"/\*.*?\*/\s*|^\s+", "", "\n".join(style), flags=re.DOTALL | re.MULTILINE))
