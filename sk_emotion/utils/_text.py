"""Tables and numbers as text."""

import math
from collections.abc import Collection, Sequence

NOTHING = "\N{EN DASH}"


def align(rows: list[list[str]], *, words: Collection[int] = (0,)) -> list[str]:
    """Pad columns: those of words to the left, by default the first, and numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "   ".join(
            cell.ljust(width) if column in words else cell.rjust(width) for column, (cell, width) in enumerate(pairs)
        )
        for pairs in (list(zip(row, widths, strict=True)) for row in rows)
    ]


def abridge(names: Sequence[str], most: int = 3) -> str:
    """Name the first few of many, and say how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def number(value: float) -> str:
    """Write a score with three digits; nan is a dash."""
    return NOTHING if math.isnan(value) else f"{value:.3f}"
