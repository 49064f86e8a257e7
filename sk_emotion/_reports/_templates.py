"""Pages and fragments rendered from the templates of this folder."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ..utils._text import number, printable
from ._environment import find_estimator_style

_FOLDER = Path(__file__).parent / "templates"


@cache
def load_macros(name: str) -> Any:
    """Return the macros of a template, which render the sections of a page."""
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        extensions=["jinja2.ext.do"],
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=_escape_controls,
    )
    environment.filters |= {"number": number, "lines": _escape_lines}
    environment.globals |= {"interval": _describe_interval, "interval_cells": _list_interval}
    return environment.get_template(name).module


def render_page(heading: str, lead: str, sections: Mapping[str, Markup]) -> str:
    """Render a page with a heading, a table of contents, and all sections that are not empty."""
    shown = [(re.sub(r"\W+", "-", title.lower()), title, body) for title, body in sections.items() if body.strip()]
    styles = [_read_style(name) for name in ("page.css", "fragment.css")]
    if any("sk-top-container" in body for _, _, body in shown):
        styles.insert(0, find_estimator_style())
    return str(load_macros("page.html.jinja").page(heading, lead, shown, Markup("\n".join(styles))))


def render_fragment(*parts: Markup) -> str:
    """Render the HTML that a notebook shows."""
    return str(load_macros("page.html.jinja").fragment(Markup().join(parts), Markup(_read_style("fragment.css"))))


def _describe_interval(low: float, high: float) -> str:
    """Format an interval; return nothing for NaN."""
    return "" if low != low or high != high else f"[{number(low)}, {number(high)}]"


def _list_interval(summary: Any, low: float, high: float) -> list[str]:
    """Return the cell of an interval; nothing if there are no intervals."""
    return [_describe_interval(low, high)] if summary.n_resamples else []


@cache
def _read_style(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _escape_controls(value: Any) -> Any:
    """Escape control characters of text, and put it on one line."""
    return value if isinstance(value, Markup) else printable(value)


def _escape_lines(text: str) -> Markup:
    """Escape each line of a text, and keep its line breaks."""
    return Markup("\n").join(printable(line) for line in str(text).splitlines())
