"""Tables and numbers as text."""

import math


def align(rows: list[list[str]]) -> list[str]:
    """Pad columns: names to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "   ".join(cell.ljust(width) if not column else cell.rjust(width) for column, (cell, width) in enumerate(pairs))
        for pairs in (list(zip(row, widths, strict=True)) for row in rows)
    ]


def number(value: float) -> str:
    """Write a score with three digits; nan is a dash."""
    return "–" if math.isnan(value) else f"{value:.3f}"  # noqa: RUF001 - an en dash for "none"
