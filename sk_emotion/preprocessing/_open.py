"""Open image files, and reject unsupported or dangerous ones before decoding."""

import io
import os
import stat
import threading
import warnings
from typing import Any

from PIL import Image, UnidentifiedImageError

from ..exceptions import ImageReadError
from ._cost import check_parts, check_pixels

# Formats of cameras, phones, the web and face data sets. Excluded: EPS, which Pillow runs through Ghostscript; formats
# that are hardly ever photos (icons, fonts, textures); and JPEG 2000, whose decoder has had many vulnerabilities.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF")
"""Supported formats, by Pillow's names; MPO, of stereo cameras, counts as JPEG."""

# Registered by pillow-heif, for the photos of iPhones.
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
    """Read a regular file of at most `max_size` bytes; never open, wait for or read anything else.

    Raises
    ------
    ImageReadError
        The message is the end of a sentence that names the file.
    """
    try:
        # Check before opening, since opening a device may have side effects, and after, since the file may have been
        # replaced.
        check_regular(os.stat(path).st_mode)
        with open(path, "rb", opener=_open_at_once) as file:
            state = os.fstat(file.fileno())
            check_regular(state.st_mode)
            check_size(state.st_size, max_size)
            # Read no more than was checked, in case the file grows.
            return file.read(state.st_size)
    except ImageReadError:
        raise
    except (FileNotFoundError, NotADirectoryError):
        words = "does not exist"
    except (OSError, ValueError, MemoryError) as error:
        words = f"cannot be opened ({type(error).__name__}: {getattr(error, 'strerror', None) or error})"
    # Do not chain these errors, which repeat the path, however long.
    raise ImageReadError(words)


def check_regular(mode: int) -> None:
    """Reject anything but a regular file, by its ``st_mode``."""
    if not stat.S_ISREG(mode):
        raise ImageReadError(f"is {_KINDS.get(stat.S_IFMT(mode), 'a special file')}, expected a file")


def check_size(size: int, max_size: int | None) -> None:
    """Reject too many bytes."""
    if max_size is not None and size > max_size:
        raise ImageReadError(f"is too large ({size:,} bytes, max_file_size={max_size:,})")


def open_picture(data: bytes, max_pixels: int | None) -> Image.Image:
    """Open an image without decoding it.

    Raises
    ------
    ImageReadError
        If the format is not supported, or decoding would take too much time or memory. Pillow raises other errors.
    """
    if not data:
        raise ImageReadError("is empty")
    check_parts(data)
    formats = list_formats()
    try:
        image = Image.open(io.BytesIO(data), formats=formats)
    except UnidentifiedImageError as error:
        raise ImageReadError(
            f"is not an image in a supported format ({', '.join(formats)}), or its header is damaged"
        ) from error
    check_pixels(image.size, max_pixels)
    return image


def list_formats() -> list[str]:
    """List the supported formats that the installed Pillow reads, including those of registered plug-ins."""
    Image.init()
    return [name for name in FORMATS + _PLUGIN_FORMATS if name in Image.OPEN]


class _QuietPillow:
    """Context manager that hides Pillow's warnings: they concern what it can repair; anything else is an error.

    Threads share the filter, which the first one sets and the last one removes: ``warnings.catch_warnings`` in each
    thread would restore the filters of another.
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
