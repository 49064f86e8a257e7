"""The colours of every picture."""

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F", "#F0E442")
"""Okabe and Ito's palette, which colour-blind readers can tell apart, with a grey for its black."""


def pick_color(position: int) -> str:
    """Give the colour of the line or bar at this position, going round."""
    return COLORS[position % len(COLORS)]
