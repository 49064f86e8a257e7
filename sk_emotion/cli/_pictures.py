"""Photos named on the command line: files, folders, patterns or standard input."""

import glob
import io
import os
import sys
from pathlib import Path
from typing import NamedTuple

STANDARD_INPUT = "-"


class Picture(NamedTuple):
    """A photo and its name.

    Attributes
    ----------
    name : str
    source : str or bytes
        Path, or content of the file.
    """

    name: str
    source: str | bytes


def list_pictures(arguments: list[str]) -> list[Picture]:
    """List photos from paths, folders, patterns and ``-`` for standard input."""
    from ..exceptions import DatasetNotFoundError
    from ..preprocessing._sources import explain_text, show_path

    pictures: list[Picture] = []
    for argument in arguments:
        if argument == STANDARD_INPUT:
            pictures += _read_standard_input()
        elif os.path.isdir(argument):
            pictures += [Picture(path, path) for path in _walk(argument)]
        elif glob.has_magic(argument) and not os.path.exists(argument) and explain_text(argument) is None:
            # A quoted pattern, or one on Windows, whose shells do not expand patterns.
            matches = sorted(path for path in glob.glob(argument, recursive=True) if os.path.isfile(path))
            if not matches:
                raise DatasetNotFoundError(f"no file matches '{show_path(argument)}'.")
            pictures += [Picture(path, path) for path in matches]
        else:
            pictures.append(Picture(show_path(argument), argument))
    if not pictures:
        raise DatasetNotFoundError(f"there are no files in {', '.join(map(repr, arguments))}.")
    return pictures


def _walk(folder: str) -> list[str]:
    """List the files in a folder and its subfolders, except hidden and system files."""
    from ..datasets._folder import is_hidden

    return sorted(
        str(Path(where) / name) for where, _, names in os.walk(folder) for name in names if not is_hidden(name)
    )


def _read_standard_input() -> list[Picture]:
    """Read an image from standard input, or else paths separated by newlines or null characters."""
    from PIL import Image, UnidentifiedImageError

    from ..exceptions import DatasetNotFoundError, ImageReadError
    from ..preprocessing._open import quiet_pillow
    from ..preprocessing._sources import explain_text, show_path

    data = sys.stdin.buffer.read()
    try:
        with quiet_pillow, Image.open(io.BytesIO(data)):
            return [Picture(STANDARD_INPUT, data)]
    except UnidentifiedImageError:
        pass
    except Exception:
        # The image is damaged or too large: decoding it raises the error.
        return [Picture(STANDARD_INPUT, data)]
    text = os.fsdecode(data)
    if "base64" in (explain_text(text) or ""):
        raise ImageReadError("standard input holds base64, expected an image or paths. Decode it: base64 --decode.")
    paths = text.split("\0") if "\0" in text else text.splitlines()
    pictures = [Picture(show_path(path), path) for path in paths if path.strip()]
    if not pictures:
        raise DatasetNotFoundError("standard input is empty. Pipe an image into it, or paths, one per line.")
    return pictures
