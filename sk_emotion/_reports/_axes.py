"""Colors, axes and labels shared by all plots."""

from typing import Any

from ..utils._text import printable

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F", "#F0E442")
"""The color-blind-safe palette of Okabe and Ito, with gray instead of black."""

# In characters; longer names would leave no room for the plot.
_LONGEST, _TAIL = 24, 8


def pick_color(position: int) -> str:
    """Return the color at a position, cycling through the palette."""
    return COLORS[position % len(COLORS)]


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


def finish_axes(ax: Any, **legend: Any) -> None:
    """Add a grid and a legend, and hide two spines; `legend` is passed to ``Axes.legend``."""
    ax.grid(color="0.93")
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(fontsize="small", framealpha=0.85, edgecolor="none", **legend)
