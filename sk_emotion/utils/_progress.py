"""A bar that shows how far something is, and how long it will take."""

import sys
from typing import Any


def make_progress() -> Any:
    """Make rich's progress on standard error; None where that is no terminal."""
    if not sys.stderr.isatty():
        return None
    from rich import progress
    from rich.console import Console

    return progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TextColumn("left:"),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
