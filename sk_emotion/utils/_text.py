"""Format tables, numbers, names and paths as text."""

import base64
import math
import os
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

NOTHING = "\N{EN DASH}"

# Control and format characters (such as text direction and zero width), surrogates, line separators.
_UNPRINTABLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}

# Bytes of a file name that are not UTF-8, as os.fsdecode keeps them.
_RAW_BYTES = re.compile("[\udc80-\udcff]+")

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)

# Characters that begin a formula in a spreadsheet, including full-width forms.
_FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")

# Encoded images and URLs in place of a name are shortened: a face in a log is a leak.
_PICTURE = re.compile(r"data:\S+|[A-Za-z0-9+/]{61,}={0,2}|[A-Za-z0-9_-]{61,}={0,2}")
_ADDRESS = re.compile(r"(data:|[A-Za-z][\w+.-]+:/)")
MOST_SHOWN = 60
"""Maximum length shown of a string that is not a path: a face in base64 must not end up in a log."""
_SHOWN = 40

# Maximum number of names shown.
_N_NAMED = 5

# Up to this length, a string that ends in a file suffix is shown in full.
_LONGEST_PATH = 255
_FILE_SUFFIX = re.compile(r"\.\w{1,5}$")

# Path("https://...") has one slash; a single letter is a drive of Windows.
_URL = re.compile(r"(?:blob:)?[a-z][a-z0-9+.-]+:/")

BEGINNING = re.compile(
    rb"\xff\xd8\xff[\xc0-\xfe]|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF.{4}WEBP|II\*\0|MM\0\*|.{4}ftyp(?:avi|hei|hev|mif|msf)"
    rb"|BM.{4}\0{4}.{4}[\x0c\x28\x34\x38\x40\x6c\x7c]\0{3}|P[1-6]\s+\d+\s+\d+\s",
    re.DOTALL,
)
"""Signatures of encoded images, long enough that no row of pixels matches."""
_BEGINNING_LENGTH = 24


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
    unprintable = unicodedata.category(character) in _UNPRINTABLE
    return character.encode("unicode_escape").decode("ascii") if unprintable else character


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
        is_picture = _PICTURE.fullmatch(joined) and _is_encoded(joined)
        if len(source) > MOST_SHOWN and (_ADDRESS.match(source) or is_picture):
            for form in (source, str(Path(source)), repr(source)[1:-1], printable(source)):
                text = text.replace(form, _cut(form))
    return _PICTURE.sub(lambda found: _cut(found[0]) if _is_encoded(found[0]) else found[0], text)


def _cut(text: str) -> str:
    return text if len(text) <= MOST_SHOWN else f"{text[:_SHOWN]}\N{HORIZONTAL ELLIPSIS} ({len(text)} characters)"


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


def show_path(path: str | os.PathLike[Any]) -> str:
    """Return a path for display: in full, unless it is a string too long for a path, such as a data URI or base64."""
    text = os.fsdecode(path)
    if len(text) <= MOST_SHOWN or os.path.lexists(text):
        return text
    is_path = len(text) <= _LONGEST_PATH and _FILE_SUFFIX.search(text) and explain_text(text) is None
    return text if is_path else f"{text[: MOST_SHOWN - 3]}..."


def name_some(names: Sequence[Any]) -> str:
    """Return the first few names, and how many more there are."""
    return abridge([quote_name(str(name)) for name in names], _N_NAMED)


def quote_name(name: Any, in_full: bool = False) -> str:
    """Quote a path, or the name of a class or column, shortened if it is no path; escape bytes that are not UTF-8."""
    if not isinstance(name, str | os.PathLike):
        return repr(name)
    text = os.fsdecode(name) if in_full else show_path(name)
    # The representation would show these bytes as surrogates.
    return repr(text) if text.isascii() or not _RAW_BYTES.search(text) else f"'{printable(text)}'"


def show_missing(path: str | os.PathLike[Any]) -> str:
    """Quote the path of a missing file or folder, in full if it may be one; for a URL, say what to do."""
    text = os.fsdecode(path)
    # Unlike the path of a photo, that of a folder has no suffix.
    is_name = len(text) <= _LONGEST_PATH and explain_text(text) is None and withhold(text) == text
    hint = ", a URL: download it first" if _URL.match(text.lower()) else ""
    return quote_name(path, in_full=is_name) + hint


def explain_text(text: str) -> str | None:
    """Describe a string that is not a path, as the end of a sentence; None if it may be a path."""
    beginning = text[:MOST_SHOWN].lstrip().lower()
    if beginning.startswith("data:"):
        return "is a data URI, expected a path or bytes: pass base64.b64decode(uri.partition(',')[2])"
    if beginning.startswith("file:"):
        return "is a file URL, expected a path: pass urllib.request.url2pathname(urllib.parse.urlsplit(url).path)"
    if _URL.match(beginning):
        return "is a URL, expected a path or bytes: download it first"
    if _is_base64(text):
        return "is an image in base64, expected a path or bytes: pass base64.b64decode(text)"
    return None


def _is_base64(text: str) -> bool:
    """Return whether a string is a base64-encoded image, by its beginning."""
    # The URL-safe alphabet has these two characters.
    beginning = re.sub(r"\s+", "", text[: 2 * MOST_SHOWN])[:MOST_SHOWN].replace("-", "+").replace("_", "/")
    try:
        data = base64.b64decode(beginning[: len(beginning) // 4 * 4], validate=True)
    except ValueError:
        return False
    return len(data) >= _BEGINNING_LENGTH and BEGINNING.match(data) is not None
