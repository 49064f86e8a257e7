"""How the axes of every curve look."""

from typing import Any


def finish_axes(ax: Any, **legend: Any) -> None:
    """Give a drawn curve a faint grid, two spines and a legend; `legend` says where it stands."""
    ax.grid(color="0.93")
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(fontsize="small", framealpha=0.85, edgecolor="none", **legend)
