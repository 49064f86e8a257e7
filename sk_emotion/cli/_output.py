"""Output of the commands: results on standard output, progress on standard error."""

import io
import json
import math
import os
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, TextIO

import typer

from ..exceptions import DatasetWarning, FileWriteError
from ..utils import align, harmless, number, printable, show_progress, write_output

# In characters.
_BAR_LENGTH = 12

# Terminals with fewer columns get no bars beside names.
_NARROW = 60

# 128 + SIGPIPE, as shells report a program ended by a closed pipe.
_EXIT_BROKEN_PIPE = 141

# ASCII replacements for characters that the terminal cannot encode.
_ASCII_REPLACEMENTS = str.maketrans({"─": "-", "━": "=", "\N{EN DASH}": "-", "±": "+/-", "…": "..."})


def open_streams() -> None:
    """Reopen streams that the shell closed, and escape characters that cannot be encoded."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # Writing to a closed stdout is an error, writing to a closed stderr is not.
            flags = os.O_WRONLY if name == "stderr" else os.O_RDONLY
            setattr(sys, name, os.fdopen(os.open(os.devnull, flags), mode))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A character that the terminal cannot encode must not lose the result.
            stream.reconfigure(errors="backslashreplace")


def flush_streams() -> None:
    """Flush the streams and discard what cannot be written, which would raise at exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)
                stream.flush()


def format_message(kind: str, message: str) -> str:
    """Format an error or warning as one line without control characters."""
    return f"{kind}: {printable(' '.join(message.split()))}"


def print_message(line: str) -> None:
    """Print a line on standard error; ignore errors of writing, so that the result is not lost."""
    with suppress(OSError, ValueError):
        print(_adapt(line, sys.stderr), file=sys.stderr, flush=True)


def show(text: str) -> None:
    """Print a result on standard output."""
    try:
        sys.stdout.write(f"{_adapt(text, sys.stdout)}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader, such as head, has closed the pipe.
        raise typer.Exit(_EXIT_BROKEN_PIPE) from None
    except OSError as error:
        raise FileWriteError(
            f"the result cannot be written to standard output ({error.strerror}). Redirect it to a file on a disk with "
            "free space, or to /dev/null."
        ) from error


def _adapt(text: str, stream: TextIO) -> str:
    """Replace characters that the stream cannot encode."""
    return text if _can_encode(text, stream) else text.translate(_ASCII_REPLACEMENTS)


def _can_encode(text: str, stream: TextIO) -> bool:
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


class Progress:
    """Lines and progress bars on standard error; nothing if quiet, no bars if it is not a terminal."""

    def __init__(self, quiet: bool):
        self.quiet = quiet
        self._warned: set[str] = set()

    def say(self, line: str) -> None:
        """Print a line."""
        if not self.quiet:
            print_message(printable(line))

    def warn(self, line: str) -> None:
        """Print a warning, even if quiet."""
        print_message(format_message("Warning", line))

    @contextmanager
    def relay(self, owner: str) -> Iterator[None]:
        """Print the warnings of a function, without its name, when the context is left; each only once."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", DatasetWarning)
            try:
                yield
            finally:
                for line in dict.fromkeys(str(warning.message).removeprefix(f"{owner}: ") for warning in caught):
                    if line not in self._warned:
                        self._warned.add(line)
                        self.warn(line)

    @contextmanager
    def track(self, description: str, total: int) -> Iterator[Callable[..., None]]:
        """Show a progress bar; yield a function that advances it and may change its description."""
        with nullcontext() if self.quiet else show_progress(description, total) as advance:
            if advance is None:
                self.say(f"{description} ...")
                yield lambda steps=1, description=None: None
            else:
                yield advance


@contextmanager
def ignore_dataset_warnings() -> Iterator[None]:
    """Ignore dataset warnings, which results repeat among their caveats."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DatasetWarning)
        yield


def save_figure(draw: Callable[[], Any], path: Path) -> None:
    """Write the Matplotlib figure that a function returns, atomically."""
    import matplotlib

    matplotlib.use("Agg")
    file = io.BytesIO()
    with warnings.catch_warnings():
        # The font may lack glyphs of a name; Matplotlib draws boxes instead.
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        draw().savefig(file, format=path.suffix[1:].lower(), dpi=120)
    write_output(path, file.getbuffer())


def print_json(value: Any, indent: int | None = 2) -> None:
    """Print JSON, on one line without indent; NaN becomes null, since JSON has no NaN, and controls are escaped."""
    plain = _as_plain(value)
    text = json.dumps(plain, indent=indent, ensure_ascii=False, allow_nan=False, default=str)
    # Newlines in strings are already escaped.
    text = re.sub(r"[^\n -~]", lambda found: _escape_in_json(found[0]), text)
    show(text if _can_encode(text, sys.stdout) else json.dumps(plain, indent=indent, allow_nan=False, default=str))


def _escape_in_json(character: str) -> str:
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


def print_csv(table: Any, *, header: bool = True) -> None:
    """Print a DataFrame as CSV, with cells escaped that spreadsheets would run as formulas."""
    safe = table.map(lambda cell: harmless(cell) if isinstance(cell, str | bytes) else cell)
    text = safe.rename(columns=harmless).to_csv(index=False, header=header, lineterminator="\n")
    show(text.removesuffix("\n"))


def print_table(header: list[str], rows: list[list[Any]], *, share: int) -> None:
    """Print a table, on a terminal with a bar in the column `share`, whose cells are floats from 0 to 1, or NaN."""
    from rich.console import Console

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
        # Text, since rich would parse markup in file names and labels.
        cells = [Text(_adapt(printable(text), sys.stdout)) for text in texts]
        if row[share] == row[share]:
            filled = round(row[share] * _BAR_LENGTH)
            full, rest = (_adapt("━", sys.stdout), "━") if _can_encode("━", sys.stdout) else ("=", " ")
            cells[share].append(f" {full * filled}", "green")
            cells[share].append(rest * (_BAR_LENGTH - filled), "bright_black")
        table.add_row(*cells)
    with console.capture() as capture:
        console.print(table)
    show(capture.get().removesuffix("\n"))


def describe_classes(labels: Any) -> str:
    """List the classes with their numbers of samples."""
    counts = Counter(str(label) for label in labels)
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
