"""Charts: colors, axes and labels that all share, and Matplotlib figures as SVG in the colors of a page."""

import hashlib
import io
import math
import re
from collections.abc import Callable
from threading import Lock
from typing import Any
from xml.etree import ElementTree

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ..utils._text import printable

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F", "#F0E442")
"""The color-blind-safe palette of Okabe and Ito, with gray instead of black."""

# In characters; longer names would leave no room for the plot.
_LONGEST, _TAIL = 24, 8

# Matplotlib's settings are global: only one thread may change them at a time.
_SETTINGS = Lock()

# Text stays text, which can be selected and found, and IDs depend on the content only.
_STYLE = {"svg.fonttype": "none", "svg.hashsalt": "sk_emotion", "figure.facecolor": "none", "axes.facecolor": "none"}

# Colors that style sheets adapt to dark mode.
_VARIABLES = {COLORS[0].lower(): "var(--accent)", COLORS[1].lower(): "var(--second)", COLORS[5].lower(): "var(--sky)"}

_REFERENCE = re.compile(r"(url\(#|^#)([\w-]+)")


def literal(name: Any, longest: int = _LONGEST) -> str:
    """Escape a name so that Matplotlib shows it verbatim on one line, and legends include it."""
    text = printable(name)
    if not text.strip():
        # Blank names would be invisible.
        text = repr(text)
    if len(text) > longest:
        text = f"{text[: longest - _TAIL - 1]}\N{HORIZONTAL ELLIPSIS}{text[-_TAIL:]}"
    # A pair of dollar signs delimits math text.
    text = text.replace("$", r"\$")
    # Legends omit labels that start with an underscore.
    return f" {text}" if text.startswith("_") else text


def finish_axes(ax: Any, axis: str = "both", color: str = "0.93") -> None:
    """Add a grid behind the plot, and hide two spines."""
    ax.grid(axis=axis, color=color)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def prepare_axes(
    owner: str, axes: Any, size: tuple[float, float], shape: tuple[int, int] = (1, 1)
) -> NDArray[np.object_]:
    """Return the axes to plot on in one dimension: those that were passed, or those of a new figure."""
    if axes is None:
        import matplotlib.pyplot as plt

        _, axes = plt.subplots(*shape, figsize=size, layout="constrained")
    axes = np.ravel(axes)
    if len(axes) != math.prod(shape):
        raise ValueError(f"{owner}.plot: got {len(axes)} axes, expected {math.prod(shape)}.")
    return axes


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
    drawing always gives the same bytes. Screen readers say title and description in place of the figure.
    """
    from matplotlib import style
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    file = io.StringIO()
    with _SETTINGS, style.context(["default", _STYLE]):
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
