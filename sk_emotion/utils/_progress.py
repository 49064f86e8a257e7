"""Show a progress bar."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any


@contextmanager
def show_progress(description: str, total: int) -> Iterator[Callable[..., None] | None]:
    """Show a progress bar in a terminal or notebook while the context is active.

    Parameters
    ----------
    description : str
        Text beside the bar.
    total : int
        Number of steps.

    Yields
    ------
    callable or None
        ``advance(steps=1, description=None)`` moves the bar, and may change its description. None if standard error is
        neither a terminal nor a notebook, where nothing is shown.

    Examples
    --------
    >>> from sk_emotion.utils import show_progress
    >>> with show_progress("Reading", total=2) as advance:
    ...     for _ in range(2):
    ...         if advance is not None:
    ...             advance()
    """
    if not (sys.stderr.isatty() or "IPython" in sys.modules):
        yield None
        return
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True)
    if not (sys.stderr.isatty() or console.is_jupyter):
        yield None
        return
    bars = progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TextColumn("left:"),
        progress.TimeRemainingColumn(),
        console=console,
        transient=True,
        # Otherwise, what is printed in the meantime would not reach a file.
        redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
    )
    bar = bars.add_task(description, total=total)
    handle: Any = None
    if console.is_jupyter:
        # Without rich's own display, which needs ipywidgets.
        from IPython.display import display

        handle = display(bars.make_tasks_table(bars.tasks), display_id=True)

    def advance(steps: int = 1, description: str | None = None) -> None:
        bars.update(bar, advance=steps, description=description)
        if handle is not None:
            handle.update(bars.make_tasks_table(bars.tasks))

    with nullcontext() if console.is_jupyter else bars:
        yield advance
