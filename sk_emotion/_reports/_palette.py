"""The colors of all plots."""

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F", "#F0E442")
"""The color-blind-safe palette of Okabe and Ito, with gray instead of black."""


def pick_color(position: int) -> str:
    """Return the color at a position, cycling through the palette."""
    return COLORS[position % len(COLORS)]
