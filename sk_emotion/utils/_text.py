"""Tables, numbers and names as text."""

import math
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

NOTHING = "\N{EN DASH}"

# Controls, formats such as those that turn the direction of writing or have no width, surrogates, ends of lines.
_UNPRINTABLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}

# Bytes of a file name that are no text, as os.fsdecode keeps them.
_RAW_BYTES = re.compile("[\udc80-\udcff]+")

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)

# What a spreadsheet takes for the beginning of a formula, also in East Asian forms.
_FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")

# A picture in the place of a name, and an address; of both, so much is shown: a face in a log is a leak.
_PICTURE = re.compile(r"data:\S+|[A-Za-z0-9+/]{61,}={0,2}|[A-Za-z0-9_-]{61,}={0,2}")
_ADDRESS = re.compile(r"(data:|[A-Za-z][\w+.-]+:/)")
_LONGEST, _SHOWN = 60, 40


def printable(value: Any) -> str:
    """Write text on one line, and escape what a terminal obeys, nobody sees, or UTF-8 lacks.

    Bytes that are no text become ``\\xff``, controls ``\\x1b`` or ``\\n``, and what has no width ``\\u200b``. Other
    text stays as it is; so does a backslash, which separates folders on Windows.
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
    """Write a cell of CSV with an apostrophe before what a spreadsheet would take for a formula."""
    text = printable(cell)
    if text.lstrip().startswith(_FORMULA) and not _NUMBER.fullmatch(text.strip()):
        return f"'{text}"
    return text


def withhold(text: str, sources: Iterable[str] = ()) -> str:
    """Shorten data URIs and base64 of more than 60 characters wherever they stand in a text.

    So are, of `sources`, URLs and what has ends of lines in it, as ``base64`` writes; other URLs stay, since messages
    name pages of documentation.
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
    """Tell base64 from paths and words: it mixes its alphabet, and has few slashes."""
    kinds = ("[a-z]", "[A-Z]", "[0-9]", "[A-Za-z0-9+_-]{30}")
    return text.startswith("data:") or all(re.search(kind, text) for kind in kinds)


def align(rows: list[list[str]], *, words: Collection[int] = (0,)) -> list[str]:
    """Pad columns: those of words to the left, by default the first, and numbers to the right."""
    rows = [[printable(cell) for cell in row] for row in rows]
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
    return ", ".join(map(printable, names[:most])) + (f" and {more} more" if more > 0 else "")


def number(value: float) -> str:
    """Write a score with three digits; nan is a dash."""
    return NOTHING if math.isnan(value) else f"{value:.3f}"
