"""Which pictures the user means: files, folders, patterns, or what comes on standard input."""

import glob
import io
import os
import sys
from pathlib import Path
from typing import NamedTuple

STANDARD_INPUT = "-"


class Picture(NamedTuple):
    """A picture, and how to call it.

    Attributes
    ----------
    name : str
    source : str or bytes
        Its path, or what is in the file.
    """

    name: str
    source: str | bytes


def list_pictures(arguments: list[str]) -> list[Picture]:
    """List the files that are named, lie in the folders named, match the patterns, or come on standard input."""
    from ..exceptions import DatasetNotFoundError
    from ..utils._text import printable

    pictures: list[Picture] = []
    for argument in arguments:
        if argument == STANDARD_INPUT:
            pictures += _read_standard_input()
        elif os.path.isdir(argument):
            pictures += [Picture(path, path) for path in _walk(argument)]
        elif glob.has_magic(argument) and not os.path.exists(argument):
            # Quoted, or on Windows, where the shell leaves patterns to the command.
            matches = sorted(path for path in glob.glob(argument, recursive=True) if os.path.isfile(path))
            if not matches:
                raise DatasetNotFoundError(f"no file matches '{printable(argument)}'.")
            pictures += [Picture(path, path) for path in matches]
        else:
            pictures.append(Picture(argument, argument))
    if not pictures:
        raise DatasetNotFoundError(f"there are no files in {', '.join(map(repr, arguments))}.")
    return pictures


def _walk(folder: str) -> list[str]:
    """List the files in a folder and its sub-folders; hidden ones, and those of systems, not."""
    from ..datasets._folder import is_hidden

    return sorted(
        str(Path(where) / name) for where, _, names in os.walk(folder) for name in names if not is_hidden(name)
    )


def _read_standard_input() -> list[Picture]:
    """Take standard input for a picture if it is one, and else for paths, one a line or with zeros between them."""
    from PIL import Image, UnidentifiedImageError

    from ..exceptions import DatasetNotFoundError
    from ..preprocessing._open import quiet_pillow

    data = sys.stdin.buffer.read()
    try:
        with quiet_pillow, Image.open(io.BytesIO(data)):
            return [Picture(STANDARD_INPUT, data)]
    except UnidentifiedImageError:
        pass
    except Exception:
        # A picture that is damaged or too large: whoever decodes it says so.
        return [Picture(STANDARD_INPUT, data)]
    text = os.fsdecode(data)
    paths = text.split("\0") if "\0" in text else text.splitlines()
    pictures = [Picture(path, path) for path in paths if path.strip()]
    if not pictures:
        raise DatasetNotFoundError("standard input is empty. Pipe a picture into it, or paths, one a line.")
    return pictures
