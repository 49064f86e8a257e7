"""Format tables, numbers and names as text."""

import math
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

NOTHING = "\N{EN DASH}"

# Control and format characters (such as text direction and zero width), surrogates, line separators.
_UNPRINTABLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}

# Undecodable bytes of a file name, as kept by os.fsdecode.
_RAW_BYTES = re.compile("[\udc80-\udcff]+")

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)

# Characters that begin a formula in a spreadsheet, including full-width forms.
_FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")

# Encoded images and URLs in place of a name are shortened: a face in a log is a leak.
_PICTURE = re.compile(r"data:\S+|[A-Za-z0-9+/]{61,}={0,2}|[A-Za-z0-9_-]{61,}={0,2}")
_ADDRESS = re.compile(r"(data:|[A-Za-z][\w+.-]+:/)")
_LONGEST, _SHOWN = 60, 40


def printable(value: Any) -> str:
    """Return text on one line, with characters escaped that control a terminal, are invisible, or are invalid in UTF-8.

    Undecodable bytes become ``\\xff``, control characters ``\\x1b`` or ``\\n``, zero-width characters ``\\u200b``.
    Other text is unchanged, including backslashes, which separate folders on Windows.
    """
    text = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
    if text.isprintable():
        return text
    return "".join(map(_escape, _RAW_BYTES.sub(_decode, text)))


def _decode(found: re.Match[str]) -> str:
    return found[0].encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _escape(character: str) -> str:
    if unicodedata.category(character) not in _UNPRINTABLE:
        return character
    return character.encode("unicode_escape").decode("ascii")


def harmless(cell: Any) -> str:
    """Return a CSV cell, prefixed with an apostrophe if a spreadsheet would read it as a formula."""
    text = printable(cell)
    if text.lstrip().startswith(_FORMULA) and not _NUMBER.fullmatch(text.strip()):
        return f"'{text}"
    return text


def withhold(text: str, sources: Iterable[str] = ()) -> str:
    """Shorten data URIs and base64 of more than 60 characters anywhere in a text.

    Of `sources`, URLs and base64 with line breaks are shortened, too; other URLs are kept, since messages contain
    links to the documentation.
    """
    for source in sources:
        joined = "".join(source.split())
        if len(source) > _LONGEST and (_ADDRESS.match(source) or (_PICTURE.fullmatch(joined) and _is_encoded(joined))):
            for form in (source, str(Path(source)), repr(source)[1:-1], printable(source)):
                text = text.replace(form, _cut(form))
    return _PICTURE.sub(lambda found: _cut(found[0]) if _is_encoded(found[0]) else found[0], text)


def _cut(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_SHOWN]}\N{HORIZONTAL ELLIPSIS} ({len(text)} characters)"


def _is_encoded(text: str) -> bool:
    """Return whether a text is base64 rather than a path or words: it mixes its alphabet, and has few slashes."""
    kinds = ("[a-z]", "[A-Z]", "[0-9]", "[A-Za-z0-9+_-]{30}")
    return text.startswith("data:") or all(re.search(kind, text) for kind in kinds)


def align(rows: list[list[str]], *, words: Collection[int] = (0,)) -> list[str]:
    """Pad columns: columns of words are left-aligned (by default the first), numbers right-aligned."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "   ".join(
            cell.ljust(width) if column in words else cell.rjust(width) for column, (cell, width) in enumerate(pairs)
        )
        for pairs in (list(zip(row, widths, strict=True)) for row in rows)
    ]


def abridge(names: Sequence[str], most: int = 3) -> str:
    """Join the first few names, and the number of further ones."""
    more = len(names) - most
    return ", ".join(map(printable, names[:most])) + (f" and {more} more" if more > 0 else "")


def number(value: float) -> str:
    """Format a score with three decimals; nan as a dash."""
    return NOTHING if math.isnan(value) else f"{value:.3f}"
