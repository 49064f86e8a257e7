"""Show a progress bar."""

import sys
from typing import Any


def make_progress() -> Any:
    """Return rich's progress bar on standard error; None if that is not a terminal."""
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
