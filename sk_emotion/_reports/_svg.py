"""Matplotlib figures as SVG for pages, in the colors of the surrounding text."""

import hashlib
import io
import re
from collections.abc import Callable
from threading import Lock
from typing import Any
from xml.etree import ElementTree

from markupsafe import Markup

from ..utils._text import printable
from ._axes import COLORS

# Matplotlib's settings are global: only one thread may change them at a time.
_SETTINGS = Lock()

# Settings of Matplotlib's backend, which do not affect a drawing.
_NOT_STYLE = (
    "backend",
    "date.epoch",
    "docstring",
    "figure.max",
    "interactive",
    "savefig.dir",
    "tk",
    "toolbar",
    "webagg",
)

# Colors that style sheets adapt to dark mode.
_VARIABLES = {COLORS[0].lower(): "var(--accent)", COLORS[1].lower(): "var(--second)", COLORS[5].lower(): "var(--sky)"}

_REFERENCE = re.compile(r"(url\(#|^#)([\w-]+)")


def draw_svg(
    draw: Callable[[Any], Any],
    *,
    title: str,
    description: str = "",
    size: tuple[float, float] = (4.5, 4.3),
    shape: tuple[int, int] = (1, 1),
) -> Markup:
    """Draw a figure with Matplotlib's default style, and return it as SVG to embed in HTML.

    Black and gray become shades of ``currentColor``, so that the figure is readable in light and dark mode. The same
    drawing always gives the same bytes.

    Parameters
    ----------
    draw : callable
        Draws on the axes that it receives, of the given `shape`.
    title, description : str
        What screen readers say in place of the figure.
    size : tuple of float, default=(4.5, 4.3)
        Width and height in inches.
    shape : tuple of int, default=(1, 1)
        Number of rows and columns of axes.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    settings = {name: value for name, value in matplotlib.rcParamsDefault.items() if not name.startswith(_NOT_STYLE)}
    # Text stays text, which can be selected and found, and IDs depend on the content only.
    settings |= {
        "svg.fonttype": "none",
        "svg.hashsalt": "sk_emotion",
        "figure.facecolor": "none",
        "axes.facecolor": "none",
    }
    file = io.StringIO()
    with _SETTINGS, matplotlib.rc_context(settings):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.subplots(*shape))
        # Unlike savefig, it draws once.
        FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None})
    return _embed(file.getvalue(), printable(title), printable(description))


def _embed(text: str, title: str, description: str) -> Markup:
    """Turn an SVG file into an element of a page."""
    prefix = f"svg-{hashlib.sha256((text + title).encode()).hexdigest()[:10]}"
    root = ElementTree.fromstring(text)
    # Its style sheet would apply to the whole page.
    for parent in [*root.iter()]:
        for child in [*parent]:
            if child.tag.endswith(("}metadata", "}style")):
                parent.remove(child)
    values = [value for element in root.iter() for value in element.attrib.values()]
    used = {found[2] for value in values if (found := _REFERENCE.search(value))}
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        element.tail = None
        if element.tag != "text":
            element.text = None
        attributes = {name.rpartition("}")[2]: value for name, value in element.attrib.items()}
        if attributes.get("id") not in used:
            attributes.pop("id", None)
        element.attrib = {name: _convert(name, value, prefix) for name, value in attributes.items()}
    root.attrib = {
        "class": "chart",
        "viewBox": root.attrib["viewBox"],
        "role": "img",
        "aria-labelledby": f"{prefix}-title" + (f" {prefix}-description" if description else ""),
        "style": "fill: currentColor; stroke-linejoin: round; stroke-linecap: butt",
    }
    for position, (tag, name, line) in enumerate((("title", "title", title), ("desc", "description", description))):
        if line:
            label = ElementTree.Element(tag, {"id": f"{prefix}-{name}"})
            label.text = line
            root.insert(position, label)
    return Markup(ElementTree.tostring(root, encoding="unicode") + "\n")


def _convert(name: str, value: str, prefix: str) -> str:
    """Convert an attribute: unique IDs, colors of the page, its font, and coordinates of two digits."""
    if name == "id":
        return f"{prefix}-{value}"
    if name == "style":
        return "; ".join(_recolor(part.strip()) for part in value.split(";") if part.strip())
    if name in ("d", "transform", "x", "y", "width", "height"):
        return " ".join(re.sub(r"(\.\d\d)\d+", r"\1", value).split())
    return _REFERENCE.sub(rf"\g<1>{prefix}-\g<2>", value)


def _recolor(declaration: str) -> str:
    name, _, value = (part.strip() for part in declaration.partition(":"))
    if name == "font":
        # Keep style, weight and size.
        return f"font: {re.split(r'(?<=px)', value)[0]} system-ui, sans-serif"
    if name in ("fill", "stroke"):
        value = _VARIABLES.get(value, value)
        gray = re.fullmatch(r"#(..)\1\1", value)
        if gray:
            share = 1 - int(gray[1], 16) / 255
            value = "currentColor" if share == 1 else f"color-mix(in srgb, currentColor {share:.0%}, transparent)"
    return f"{name}: {value}"
