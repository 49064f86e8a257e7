"""What a command says: results on standard output, progress on standard error."""

import json
import math
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer

# In characters.
_BAR_LENGTH = 12


class Progress:
    """Lines and bars on standard error; nothing if quiet, no bars where that is no terminal."""

    def __init__(self, quiet: bool):
        self.quiet = quiet

    def say(self, line: str) -> None:
        """Print a line."""
        if not self.quiet:
            typer.echo(line, err=True)

    def warn(self, line: str) -> None:
        """Print what must be known, however quiet."""
        typer.echo(f"Warning: {line}", err=True)

    @contextmanager
    def track(self, description: str, total: int) -> Iterator[Callable[..., None]]:
        """Show a bar; the context gives a function that moves it on by so many steps, and may describe them anew."""
        from ..utils._progress import make_progress

        bars = None if self.quiet else make_progress()
        if bars is None:
            self.say(f"{description} ...")
            yield lambda steps=1, description=None: None
            return
        with bars:
            bar = bars.add_task(description, total=total)

            def advance(steps: int = 1, description: str | None = None) -> None:
                bars.update(bar, advance=steps, description=description)

            yield advance


@contextmanager
def told_in_the_result() -> Iterator[None]:
    """Leave out warnings of what a result says itself, where it is printed or written."""
    from ..exceptions import DatasetWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DatasetWarning)
        yield


def print_json(value: Any) -> None:
    """Print JSON; what is not a number becomes null, since JSON knows no nan."""
    typer.echo(json.dumps(_as_plain(value), indent=2, ensure_ascii=False))


def print_json_line(value: Any) -> None:
    """Print JSON on one line, for programs that read line by line."""
    typer.echo(json.dumps(_as_plain(value), ensure_ascii=False))


def print_table(header: list[str], rows: list[list[Any]], *, share: int) -> None:
    """Print a table: for people with bars in the column of shares, for programs and files as plain text.

    Parameters
    ----------
    header : list of str
    rows : list of list
        Text, but floats in the column of shares.
    share : int
        Which column holds shares from 0 to 1, or nan.
    """
    from ..utils._text import align, number

    plain = [[number(cell) if column == share else cell for column, cell in enumerate(row)] for row in rows]
    if not sys.stdout.isatty():
        for line in align([header, *plain], words=set(range(len(header))) - {share}):
            typer.echo(line.rstrip())
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column, name in enumerate(header):
        table.add_column(name, overflow="fold", no_wrap=column == share)
    for row, texts in zip(rows, plain, strict=True):
        # Text, since file names and labels may hold what rich takes for markup.
        cells = [Text(text) for text in texts]
        if row[share] == row[share]:
            filled = round(row[share] * _BAR_LENGTH)
            cells[share].append(f" {'━' * filled}", "green")
            cells[share].append("━" * (_BAR_LENGTH - filled), "bright_black")
        table.add_row(*cells)
    Console().print(table)


def _as_plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _as_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _as_plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def describe_classes(labels: Any) -> str:
    """Count each class."""
    from collections import Counter

    counts = Counter(str(label) for label in labels)
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def describe_unread(sources: Any, unread: dict[int, str]) -> str:
    """Name pictures that cannot be read, in one line."""
    from ..prediction import name_source
    from ..utils._text import abridge

    told = [f"{name_source(sources[index], index)} {reason}" for index, reason in unread.items()]
    return f"{len(told)} of {len(sources)} pictures cannot be read and are left out: {abridge(told)}."
