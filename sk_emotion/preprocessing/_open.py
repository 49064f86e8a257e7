"""Files of pictures: which are read, and which are refused before anything in them is decoded."""

import io
import itertools
import os
import re
import stat
import struct
import threading
import warnings
from collections.abc import Iterator
from typing import Any

from PIL import Image, UnidentifiedImageError

from ..exceptions import ImageReadError

# What cameras, phones, the web and data sets of faces use. Left out: EPS, which Pillow gives to Ghostscript to run;
# what is hardly ever a photo (icons, fonts, textures); and JPEG 2000, whose decoder has had many holes.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF")
"""Formats that are read, by Pillow's names; MPO, of stereo cameras, is JPEG to it."""

# Registered by pillow-heif, if at all: whoever does so wants the photos of an iPhone.
_PLUGIN_FORMATS = ("HEIF",)

MAX_PIXELS = 120_000_000
"""Enough for a phone of 108 megapixels."""

MAX_FILE_SIZE = 100_000_000

# Each scan of a JPEG passes over all its pixels: a megabyte of empty ones takes minutes. Progressive photos have ten.
_MAX_SCANS = 100

# Pillow takes 20 microseconds and 250 bytes for each strip or tile of a TIFF, needed or not.
_MAX_STRIPS = 100_000
_STRIP_TAGS = (273, 279, 324, 325)

_JPEG_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9

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


def check_pixels(image: Image.Image, max_pixels: int | None) -> None:
    """Refuse a picture of too many pixels, by its header."""
    if max_pixels is not None and image.width * image.height > max_pixels:
        raise ImageReadError(f"is too large ({image.width:,} x {image.height:,} pixels, max_pixels={max_pixels:,})")


def open_picture(data: bytes, max_pixels: int | None) -> Image.Image:
    """Open a picture without decoding it.

    Raises
    ------
    ImageReadError
        If it is in no format that is taken, or would take too much time or memory. Pillow raises other errors.
    """
    if not data:
        raise ImageReadError("is empty")
    _check_parts(data)
    formats = taken_formats()
    try:
        image = Image.open(io.BytesIO(data), formats=formats)
    except UnidentifiedImageError as error:
        raise ImageReadError(
            f"is not a picture in a format that is taken ({', '.join(formats)}), or its beginning is damaged"
        ) from error
    check_pixels(image, max_pixels)
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


def _check_parts(data: bytes) -> None:
    """Refuse a file with so many parts that going through them takes minutes."""
    # Counting bytes is quick; they may stand in what follows the picture, such as the film of a motion photo.
    if data.startswith(b"\xff\xd8") and data.count(b"\xff\xda") > _MAX_SCANS:
        markers = itertools.takewhile(lambda marker: marker != _END_OF_IMAGE, _list_jpeg_markers(data))
        scans = sum(marker == _START_OF_SCAN for marker in markers)
        if scans > _MAX_SCANS:
            raise ImageReadError(f"has {scans:,} scans, expected at most {_MAX_SCANS} in a JPEG")
    elif data.startswith((b"II", b"MM")):
        strips = _count_tiff_strips(data)
        if strips > _MAX_STRIPS:
            raise ImageReadError(f"has {strips:,} strips or tiles, expected at most {_MAX_STRIPS:,} in a TIFF")


def _list_jpeg_markers(data: bytes) -> Iterator[int]:
    """Give the markers of a JPEG in their order, past the start of the image."""
    position = 2
    while found := _JPEG_MARKER.search(data, position):
        yield data[found.start() + 1]
        # What is in a segment is no marker; what a scan holds, the search passes over.
        position = found.end() + int.from_bytes(data[found.end() : found.end() + 2])


def _count_tiff_strips(data: bytes) -> int:
    """Read from the first directory of a TIFF into how many strips or tiles its pixels are cut."""
    order, big = "<" if data.startswith(b"II") else ">", data[2:3] == b"\x2b"
    # Formats of an offset, of the number of entries, and of an entry; where the offset stands, and an entry's length.
    offset, number, entry, at, length = ("Q", "Q", "HHQ", 8, 20) if big else ("L", "H", "HHL", 4, 12)
    strips = 0
    try:
        (start,) = struct.unpack_from(order + offset, data, at)
        (entries,) = struct.unpack_from(order + number, data, start)
        start += struct.calcsize(order + number)
        for index in range(entries):
            tag, _, count = struct.unpack_from(order + entry, data, start + index * length)
            if tag in _STRIP_TAGS:
                strips = max(strips, count)
    except struct.error:
        # The directory is cut off, as Pillow will see.
        pass
    return strips
