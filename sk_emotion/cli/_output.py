"""What a command says: results on standard output, progress on standard error."""

import json
import math
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

import typer

# In characters.
_BAR_LENGTH = 12

# A terminal with fewer columns has no room for bars beside names.
_NARROW = 60

# As a shell sees a program that a closed pipe has ended.
_EXIT_BROKEN_PIPE = 141

# What stands for a sign that a terminal of few signs lacks.
_PLAIN_SIGNS = str.maketrans({"─": "-", "━": "=", "\N{EN DASH}": "-", "±": "+/-", "…": "..."})


def open_streams() -> None:
    """Open what the shell has closed, so that no file takes its place, and let no sign be an error."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # A result that is written to a closed output is an error, a message is not.
            flags = os.O_WRONLY if name == "stderr" else os.O_RDONLY
            setattr(sys, name, os.fdopen(os.open(os.devnull, flags), mode))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A name or sign that the terminal cannot show must not cost the result.
            stream.reconfigure(errors="backslashreplace")


def settle_streams() -> None:
    """Give up what cannot be written any more: at its end, Python would try again and print a traceback."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)
                stream.flush()


def on_one_line(kind: str, message: str) -> str:
    """Write an error or a warning on one line, in which no sign is obeyed by a terminal."""
    from ..utils._text import printable

    return f"{kind}: {printable(' '.join(message.split()))}"


def complain(line: str) -> None:
    """Print a line on standard error; who has closed that, or filled its disk, still wants the result."""
    with suppress(OSError, ValueError):
        print(_adapt(line, sys.stderr), file=sys.stderr, flush=True)


def show(text: str) -> None:
    """Print a result on standard output.

    Raises
    ------
    FileWriteError
        If it cannot be written.
    """
    from ..exceptions import FileWriteError

    try:
        sys.stdout.write(f"{_adapt(text, sys.stdout)}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads, as head does, has enough.
        raise typer.Exit(_EXIT_BROKEN_PIPE) from None
    except OSError as error:
        raise FileWriteError(
            f"the result cannot be printed: standard output cannot be written ({error.strerror}). Send it to a file on "
            "a disk with space, or to /dev/null."
        ) from error


def _adapt(text: str, stream: TextIO) -> str:
    """Replace signs that a terminal lacks."""
    return text if _can_show(text, stream) else text.translate(_PLAIN_SIGNS)


def _can_show(text: str, stream: TextIO) -> bool:
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


class Progress:
    """Lines and bars on standard error; nothing if quiet, no bars where that is no terminal."""

    def __init__(self, quiet: bool):
        self.quiet = quiet

    def say(self, line: str) -> None:
        """Print a line."""
        if not self.quiet:
            from ..utils._text import printable

            complain(printable(line))

    def warn(self, line: str) -> None:
        """Print what must be known, however quiet."""
        complain(on_one_line("Warning", line))

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


def save_figure(draw: Callable[[], Any], path: Path) -> None:
    """Write the Matplotlib figure that a function draws, as a whole or not at all."""
    import io

    import matplotlib

    from ..utils._files import write_output

    matplotlib.use("Agg")
    file = io.BytesIO()
    with warnings.catch_warnings():
        # A font may lack letters of a name; a box stands in their place.
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        draw().savefig(file, format=path.suffix[1:].lower(), dpi=120)
    write_output(path, file.getbuffer())


def print_json(value: Any) -> None:
    """Print JSON; what is not a number becomes null, since JSON knows no nan."""
    show(_dump(value, indent=2))


def print_json_line(value: Any) -> None:
    """Print JSON on one line, for programs that read line by line."""
    show(_dump(value, indent=None))


def print_csv(table: Any) -> None:
    """Print a DataFrame as CSV, a line for each row, in which nothing is a formula."""
    from ..utils._text import harmless

    safe = table.map(lambda cell: harmless(cell) if isinstance(cell, str | bytes) else cell)
    show(safe.rename(columns=harmless).to_csv(index=False, lineterminator="\n").removesuffix("\n"))


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
    from rich.console import Console

    from ..utils._text import align, number, printable

    plain = [[number(cell) if column == share else cell for column, cell in enumerate(row)] for row in rows]
    console = Console()
    if not sys.stdout.isatty() or console.width < _NARROW:
        for line in align([header, *plain], words=set(range(len(header))) - {share}):
            show(line.rstrip())
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column, name in enumerate(header):
        table.add_column(name, overflow="fold", no_wrap=column == share)
    for row, texts in zip(rows, plain, strict=True):
        # Text, since file names and labels may hold what rich takes for markup.
        cells = [Text(_adapt(printable(text), sys.stdout)) for text in texts]
        if row[share] == row[share]:
            filled = round(row[share] * _BAR_LENGTH)
            full, rest = (_adapt("━", sys.stdout), "━") if _can_show("━", sys.stdout) else ("=", " ")
            cells[share].append(f" {full * filled}", "green")
            cells[share].append(rest * (_BAR_LENGTH - filled), "bright_black")
        table.add_row(*cells)
    with console.capture() as capture:
        console.print(table)
    show(capture.get().removesuffix("\n"))


def _dump(value: Any, indent: int | None) -> str:
    """Write JSON in which no sign is obeyed by a terminal: escapes of JSON keep every value as it is."""
    plain = _as_plain(value)
    text = json.dumps(plain, indent=indent, ensure_ascii=False, allow_nan=False, default=str)
    # Ends of lines in strings are escaped already.
    text = re.sub(r"[^\n -~]", lambda found: _escape_in_json(found[0]), text)
    return text if _can_show(text, sys.stdout) else json.dumps(plain, indent=indent, allow_nan=False, default=str)


def _escape_in_json(character: str) -> str:
    from ..utils._text import printable

    return character if printable(character) == character else json.dumps(character)[1:-1]


def _as_plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(_as_plain(key)): _as_plain(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return os.fsdecode(value)
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
    from ..prediction._predict_faces import name_source
    from ..utils._text import abridge

    told = [f"{name_source(sources[index], index)} {reason}" for index, reason in unread.items()]
    return f"{len(told)} of {len(sources)} pictures cannot be read and are left out: {abridge(told)}."
