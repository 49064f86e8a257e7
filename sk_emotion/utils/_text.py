"""Tables and numbers as text."""

import math
from collections.abc import Collection

NOTHING = "–"  # noqa: RUF001 - an en dash


def align(rows: list[list[str]], *, words: Collection[int] = (0,)) -> list[str]:
    """Pad columns: those of words to the left, by default the first, and numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "   ".join(
            cell.ljust(width) if column in words else cell.rjust(width) for column, (cell, width) in enumerate(pairs)
        )
        for pairs in (list(zip(row, widths, strict=True)) for row in rows)
    ]


def number(value: float) -> str:
    """Write a score with three digits; nan is a dash."""
    return NOTHING if math.isnan(value) else f"{value:.3f}"
