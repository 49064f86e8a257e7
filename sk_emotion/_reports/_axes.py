"""How the axes of every curve look, and the names in every plot."""

from typing import Any

from ..utils._text import printable

# In characters; longer names would leave no room for what is drawn.
_LONGEST, _TAIL = 24, 8


def literal(name: Any, longest: int = _LONGEST) -> str:
    """Write a name such that Matplotlib shows it on one line, letter by letter, and a legend does not leave it out."""
    text = printable(name)
    if not text.strip():
        # Nothing would be seen of it.
        text = repr(text)
    if len(text) > longest:
        text = f"{text[: longest - _TAIL - 1]}\N{HORIZONTAL ELLIPSIS}{text[-_TAIL:]}"
    # A pair of dollar signs would be set as mathematics.
    text = text.replace("$", r"\$")
    # What begins with an underscore is left out of legends.
    return f" {text}" if text.startswith("_") else text


def finish_axes(ax: Any, **legend: Any) -> None:
    """Give a drawn curve a faint grid, two spines and a legend; `legend` says where it stands."""
    ax.grid(color="0.93")
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(fontsize="small", framealpha=0.85, edgecolor="none", **legend)
