"""Files of pictures: which are read, and which are refused before anything in them is decoded."""

import io
import os
import stat
import threading
import warnings
from typing import Any

from PIL import Image, UnidentifiedImageError

from ..exceptions import ImageReadError
from ._cost import check_parts, check_pixels

# What cameras, phones, the web and data sets of faces use. Left out: EPS, which Pillow gives to Ghostscript to run;
# what is hardly ever a photo (icons, fonts, textures); and JPEG 2000, whose decoder has had many holes.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF")
"""Formats that are read, by Pillow's names; MPO, of stereo cameras, is JPEG to it."""

# Registered by pillow-heif, if at all: whoever does so wants the photos of an iPhone.
_PLUGIN_FORMATS = ("HEIF",)

MAX_FILE_SIZE = 100_000_000

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def read_file(path: Any, max_size: int | None) -> bytes:
    """Read a regular file of at most `max_size` bytes; nothing else is opened, waited for or read.

    Raises
    ------
    ImageReadError
        Saying what is wrong, as the end of a sentence that names the file.
    """
    try:
        # Before it is opened, since a device may act on that; and after, since another may stand there by now.
        check_regular(os.stat(path).st_mode)
        with open(path, "rb", opener=_open_at_once) as file:
            state = os.fstat(file.fileno())
            check_regular(state.st_mode)
            check_size(state.st_size, max_size)
            # No more than was checked, should it grow.
            return file.read(state.st_size)
    except ImageReadError:
        raise
    except (FileNotFoundError, NotADirectoryError):
        words = "does not exist"
    except (OSError, ValueError, MemoryError) as error:
        words = f"cannot be opened ({type(error).__name__}: {getattr(error, 'strerror', None) or error})"
    # Not from these errors, which repeat the path, however long.
    raise ImageReadError(words)


def check_regular(mode: int) -> None:
    """Refuse what is no regular file, by its ``st_mode``."""
    if not stat.S_ISREG(mode):
        raise ImageReadError(f"is {_KINDS.get(stat.S_IFMT(mode), 'a special file')}, expected a file")


def check_size(size: int, max_size: int | None) -> None:
    """Refuse too many bytes."""
    if max_size is not None and size > max_size:
        raise ImageReadError(f"is too large ({size:,} bytes, max_file_size={max_size:,})")


def open_picture(data: bytes, max_pixels: int | None) -> Image.Image:
    """Open a picture without decoding it.

    Raises
    ------
    ImageReadError
        If it is in no format that is taken, or would take too much time or memory. Pillow raises other errors.
    """
    if not data:
        raise ImageReadError("is empty")
    check_parts(data)
    formats = taken_formats()
    try:
        image = Image.open(io.BytesIO(data), formats=formats)
    except UnidentifiedImageError as error:
        raise ImageReadError(
            f"is not a picture in a format that is taken ({', '.join(formats)}), or its beginning is damaged"
        ) from error
    check_pixels(image.size, max_pixels)
    return image


def taken_formats() -> list[str]:
    """List the formats of FORMATS that the installed Pillow reads, and those of plug-ins that are registered."""
    Image.init()
    return [name for name in FORMATS + _PLUGIN_FORMATS if name in Image.OPEN]


class _QuietPillow:
    """Pillow's warnings are not shown: it warns of what it can mend, and what it cannot mend is an error.

    Threads share the filter that the first of them sets and the last takes away: ``warnings.catch_warnings`` in each
    would leave the filters of one thread to another.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entered = 0
        self._caught = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if not self._entered:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._entered += 1

    def __exit__(self, *_: Any) -> None:
        with self._lock:
            self._entered -= 1
            if not self._entered:
                self._caught.__exit__(None, None, None)


quiet_pillow = _QuietPillow()


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
