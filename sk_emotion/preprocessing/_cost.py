"""Estimate from its headers what decoding an image costs, which can far exceed what its file size suggests."""

import contextlib
import itertools
import math
import re
import struct
from collections.abc import Iterator
from typing import Any

from PIL import Image
from PIL.ExifTags import Base

from ..exceptions import ImageReadError

MAX_PIXELS = 120_000_000
"""Default of ``max_pixels``; enough for a phone camera of 108 megapixels."""

# A pixel that takes more bytes counts as several, so that an image takes at most 290 MB unless more pixels are allowed.
_BYTES_PER_PIXEL = 2.4

# Measured, by Pillow's mode: the decoded pixels, and their copies on the way to opaque 8-bit pixels.
_BYTES_BY_MODE = {"1": 2, "L": 1, "P": 6, "RGB": 4, "RGBA": 8, "RGBX": 8, "CMYK": 8, "YCbCr": 8}
_BYTES_BY_MODE |= {"LA": 12, "PA": 12, "LAB": 12, "I": 12, "F": 12}
_BYTES_OF_OTHER_MODES = 16

# Twice the canvas of an animation, and two copies.
_BYTES_BY_FORMAT = {"WEBP": 16, "HEIF": 24, "AVIF": 16}

# Costs in time, not memory, in bytes per pixel. Pillow decodes a run-length encoded BMP in Python, at up to 200 ns per
# pixel; PNG filters take up to 30 ns per pixel, and four times as much for 16-bit color.
_COST_OF_RUN_LENGTHS = 60
_COST_OF_FILTERS = 1.5

# Pillow keeps two pointers per row, and decoders up to two rows of eight bytes per pixel.
_BYTES_PER_LINE = 16

# Each scan of a JPEG visits all pixels: a megabyte of empty scans takes minutes. Progressive photos have about ten.
_MAX_SCANS = 100
_SCANS_OF_LARGEST = 10

# Pillow concatenates EXIF segments one by one, so that 150,000 take 7 s. Photos have about ten segments.
_MAX_SEGMENTS = 3000

# Pillow spends 20 microseconds and 250 bytes on each strip or tile of a TIFF, whether needed or not, and 30 on each
# tag, of which photos have a few hundred at most.
_MAX_STRIPS, _MAX_TAGS = 100_000, 10_000
_STRIP_TAGS = {Base.StripOffsets, Base.StripByteCounts, Base.TileOffsets, Base.TileByteCounts}
_SIZE_TAGS = {Base.ImageWidth, Base.ImageLength, Base.BitsPerSample, Base.Compression, Base.SamplesPerPixel}
_SIZE_TAGS |= {Base.RowsPerStrip, Base.TileWidth, Base.TileLength, *_STRIP_TAGS}
_INTEGER_TYPES, _JPEG_COMPRESSIONS = {3, 4, 16}, {6, 7}

# Pillow removes each comment of a plain PPM, P1 to P3, by copying the rest: 1,000,000 take 20 s.
_MAX_COMMENTS = 10_000

# AV1 data is a sequence of units (OBUs); an image has a handful.
_MAX_OBUS = 10_000
_SEQUENCE_HEADER = 1

# Boxes of ISO files that contain other boxes, and the number of bytes before these.
_CONTAINERS = {b"meta": 4, b"moov": 0, b"trak": 0, b"mdia": 0, b"minf": 0, b"stbl": 0}

_JPEG_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9


def check_parts(data: bytes) -> None:
    """Reject a file with so many parts that parsing them takes minutes."""
    if data.startswith(b"\xff\xd8"):
        segments = itertools.takewhile(lambda marker: marker != _START_OF_SCAN, _list_jpeg_markers(data))
        if sum(1 for _ in itertools.islice(segments, _MAX_SEGMENTS + 1)) > _MAX_SEGMENTS:
            raise ImageReadError(f"has too many segments, expected at most {_MAX_SEGMENTS:,} in a JPEG")
        _check_number(_count_scans(data), _MAX_SCANS, "scans", "JPEG")
    elif data.startswith((b"II", b"MM")):
        tags = _list_tiff_tags(data)
        _check_number(len(tags), _MAX_TAGS, "tags", "TIFF")
        strips = max((count for tag, _, count in tags if tag in _STRIP_TAGS), default=0)
        _check_number(strips, _MAX_STRIPS, "strips or tiles", "TIFF")
        # Before 13.0, Pillow used the last of several sizes, unlike libtiff; and it does not read all types.
        sizes = {tag: kind for tag, kind, _ in tags if tag in _SIZE_TAGS}
        if len(sizes) < sum(tag in _SIZE_TAGS for tag, *_ in tags) or not _INTEGER_TYPES.issuperset(sizes.values()):
            raise ImageReadError("has several sizes, or some of an unexpected type, in a TIFF")
    elif data.startswith((b"P1", b"P2", b"P3")):
        _check_number(data.count(b"#"), _MAX_COMMENTS, "comments", "PPM")


def _check_number(number: int, most: int, what: str, file_format: str) -> None:
    if number > most:
        raise ImageReadError(f"has {number:,} {what}, expected at most {most:,} in a {file_format}")


def find_decoded_size(image: Any, data: bytes) -> tuple[int, int]:
    """Return the width and height that are decoded, which may exceed those of the image."""
    if image.format == "TIFF" and image.tile and (sides := _find_tile(image)):
        # Tiles at the edges are decoded in full.
        return math.ceil(image.width / sides[0]) * sides[0], math.ceil(image.height / sides[1]) * sides[1]
    if image.format == "AVIF":
        return max([image.size, *[size for _, size in _list_av1_headers(data)]], key=math.prod)
    return image.size


def check_pixels(size: tuple[int, int], max_pixels: int | None, what: str = "pixels") -> None:
    if max_pixels is not None and math.prod(size) > max_pixels:
        raise ImageReadError(f"is too large ({size[0]:,} x {size[1]:,} {what}, max_pixels={max_pixels:,})")


def check_cost(image: Any, data: bytes, size: tuple[int, int], max_pixels: int | None, min_side: int | None) -> None:
    """Reject an opened image, possibly in draft mode, that takes too much memory or time to decode.

    Its `size` is that before draft mode. A `max_pixels` below the default does not lower the limit on the cost.
    """
    if max_pixels is None:
        return
    limit = max(max_pixels, MAX_PIXELS)
    n_pixels = math.prod(size)
    # An image that is not shrunk is copied, and so is one that is rotated. Reading EXIF data that follows the pixels
    # would make Pillow decode a PNG.
    is_copied = min_side is not None and min(image.size) < 2 * min_side
    is_turned = (image.format != "PNG" or "exif" in image.info) and find_turn(image) is not None
    copies = (1 if image.mode in ("1", "L", "P") else 4) * (is_copied + is_turned)
    cost = (_find_bytes_per_pixel(image, data) + copies) * math.prod(image.size) + _BYTES_PER_LINE * sum(image.size)
    scans = 1
    if image.format in ("JPEG", "MPO"):
        scans = _count_scans(data)
        if image.info.get("progressive") or scans > 1:
            cost += _find_coefficient_bytes(image) * n_pixels
    elif image.format == "TIFF" and (compression := _find_number(image, Base.Compression, 1)) != 1:
        # libtiff allocates a tile or strip in addition to the image.
        strip = image.width, min(_find_number(image, Base.RowsPerStrip) or image.height, image.height)
        bits = _find_number(image, Base.BitsPerSample, 1) * _find_number(image, Base.SamplesPerPixel, 1)
        cost += math.prod(_find_tile(image) or strip) * math.ceil(bits / 8)
        scans = _count_tiff_scans(image, data) if compression in _JPEG_COMPRESSIONS else 1
    visited = n_pixels * scans / _SCANS_OF_LARGEST
    counted = math.ceil(max(cost / _BYTES_PER_PIXEL, visited))
    if counted > limit:
        scanned = f" in {scans:,} scans" if visited > limit else ""
        raise ImageReadError(
            f"is too large ({size[0]:,} x {size[1]:,} pixels of this kind of {image.format}{scanned} count as "
            f"{counted:,}, expected at most {limit:,}; raise max_pixels to read it)"
        )


# Transpositions that rotate an image upright, by EXIF orientation.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def find_turn(image: Image.Image) -> Image.Transpose | None:
    """Return the transposition that rotates an image upright; None if it already is."""
    # Images with broken EXIF data are still readable, and Pillow raises all kinds of exceptions on them.
    try:
        return _UPRIGHT.get(image.getexif().get(Base.Orientation, 1))
    except Exception:
        return None


def _find_bytes_per_pixel(image: Any, data: bytes) -> float:
    codec = image.tile[0][0] if image.tile else ""
    if codec == "bmp_rle":
        return _COST_OF_RUN_LENGTHS
    if image.format == "AVIF" and any(profile for profile, _ in _list_av1_headers(data)):
        # Only these profiles have more than 10 bits, or color in full resolution.
        return 24
    if image.format in _BYTES_BY_FORMAT:
        return _BYTES_BY_FORMAT[image.format]
    if "transparency" in image.info:
        return 12 if image.mode == "RGB" else 10
    needed: float = _BYTES_BY_MODE.get(image.mode, _BYTES_OF_OTHER_MODES)
    if codec in ("ppm", "ppm_plain"):
        # Two copies as Python bytes.
        needed += 2 * (4 if image.mode == "I" else len(image.getbands()))
    if codec == "zip" and image.mode in ("RGB", "RGBA"):
        # 16-bit pixels have a raw mode that differs from the image mode.
        needed += _COST_OF_FILTERS * (1 if image.tile[0][3] == image.mode else 4)
    # LZMA in a TIFF is slow.
    return 2 * needed if image.info.get("compression") == "lzma" else needed


def _list_jpeg_markers(data: bytes) -> Iterator[int]:
    """Iterate over the markers of a JPEG after the start of the image."""
    position = 2
    while found := _JPEG_MARKER.search(data, position):
        yield data[found.start() + 1]
        # Skip the content of a segment; the search skips the data of a scan.
        position = found.end() + int.from_bytes(data[found.end() : found.end() + 2])


def _count_scans(data: bytes) -> int:
    # Counting bytes is fast, but they may also occur after the image, for example in the video of a motion photo.
    if data.count(b"\xff\xda") < 2:
        return 1
    markers = itertools.takewhile(lambda marker: marker != _END_OF_IMAGE, _list_jpeg_markers(data))
    return sum(marker == _START_OF_SCAN for marker in markers)


def _find_coefficient_bytes(image: Any) -> float:
    """Return the bytes per pixel of a JPEG's coefficients, which are all kept to the end if there are several scans."""
    sampling = [(across, down) for _, across, down, *_ in image.layer]
    most = max(across for across, _ in sampling) * max(down for _, down in sampling)
    return 2 * sum(across * down for across, down in sampling) / max(most, 1)


def _list_tiff_tags(data: bytes) -> list[tuple[int, int, int]]:
    """List tag, type and count of each entry in the first directory of a TIFF."""
    order, big = "<" if data.startswith(b"II") else ">", b"\x2b" in data[2:4]
    # Formats of an offset, of the number of entries and of an entry, and position of the offset.
    offset, number, entry, at = ("Q", "Q", "HHQ8s", 8) if big else ("L", "H", "HHL4s", 4)
    try:
        (start,) = struct.unpack_from(order + offset, data, at)
        (entries,) = struct.unpack_from(order + number, data, start)
    except struct.error:
        # The directory is truncated; Pillow raises an error.
        return []
    start, size = start + struct.calcsize(order + number), struct.calcsize(order + entry)
    end = start + min(entries, max(len(data) - start, 0) // size) * size
    return [(tag, kind, count) for tag, kind, count, _ in struct.iter_unpack(order + entry, data[start:end])]


def _find_number(image: Any, tag: int, default: int = 0) -> int:
    """Return the value of a tag of a TIFF, or the largest of its values."""
    value = image.tag_v2.get(tag, default)
    return max(value) if isinstance(value, tuple) else value


def _find_tile(image: Any) -> tuple[int, int] | None:
    """Return the width and height of the tiles of a TIFF; None if it has strips."""
    width, height = _find_number(image, Base.TileWidth), _find_number(image, Base.TileLength)
    return (width, height) if width and height else None


def _count_tiff_scans(image: Any, data: bytes) -> int:
    """Count the scans of the JPEG data in a TIFF."""
    scans = data.count(b"\xff\xda")
    tags = image.tag_v2
    offsets = tags.get(Base.TileOffsets) or tags.get(Base.StripOffsets) or ()
    sizes = tags.get(Base.TileByteCounts) or tags.get(Base.StripByteCounts) or ()
    parts = sorted(zip(offsets, sizes, strict=False))
    apart = all(start + size <= after for (start, size), (after, _) in itertools.pairwise(parts))
    if apart and len(offsets) == len(sizes) > 0:
        return math.ceil(scans / len(parts))
    # Any part may hold all of them, but libtiff raises an error for more than this.
    return min(scans, _MAX_SCANS)


def _list_av1_headers(data: bytes) -> list[tuple[int, tuple[int, int]]]:
    """Return profile and (width, height) of the images in an AVIF, from the coded data rather than its boxes."""
    headers = []
    obus = (obu for item in _list_av1_items(data) for obu in _list_obus(item))
    for number, (kind, content) in enumerate(obus):
        if number == _MAX_OBUS:
            raise ImageReadError(f"has more than {_MAX_OBUS:,} units, expected fewer in an AVIF")
        # The decoder raises an error if a header is truncated.
        with contextlib.suppress(IndexError):
            if kind == _SEQUENCE_HEADER:
                headers.append(_read_sequence_header(content[:1024]))
    return headers


def _find_boxes(data: bytes, start: int, end: int, depth: int = 0) -> Iterator[tuple[bytes, int]]:
    """Iterate over name and start of the content of the boxes of an ISO file, including nested ones."""
    while start + 8 <= end:
        size, name = struct.unpack_from(">L4s", data, start)
        content = start + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, content)
            content += 8
        stop = end if size == 0 else min(start + size, end)
        if stop < content:
            return
        yield name, content
        if name in _CONTAINERS and depth < len(_CONTAINERS):
            yield from _find_boxes(data, content + _CONTAINERS[name], stop, depth + 1)
        start = stop


def _list_av1_items(data: bytes) -> Iterator[memoryview]:
    """Iterate over possible coded images: all items of a still image, and the start of each track."""
    view = memoryview(data)
    boxes = list(_find_boxes(data, 0, len(data)))
    inner = next((content for name, content in boxes if name == b"idat"), 0)
    for name, content in boxes:
        # The decoder raises an error for a truncated box.
        with contextlib.suppress(struct.error, IndexError):
            if name == b"iloc":
                yield from _list_items(view, content, inner)
            elif name in (b"stco", b"co64"):
                count, first = struct.unpack_from(">LL" if name == b"stco" else ">LQ", data, content + 4)
                yield view[first:] if count else view[:0]


def _list_items(data: memoryview, start: int, inner: int) -> Iterator[memoryview]:
    """Assemble the items that an ``iloc`` box locates."""
    version = data[start]
    take = _Bits(data, start + 4).take
    offset_bits, length_bits, base_bits, index_bits = (8 * take(4) for _ in range(4))
    # Repeated parts could expand to far more than the file, and empty ones take time.
    left = 4 * len(data)
    for _ in range(take(32 if version == 2 else 16)):
        take(32 if version == 2 else 16)
        inside = take(16) & 1 if version in (1, 2) else 0
        take(16)
        base = take(base_bits) + (inner if inside else 0)
        parts = []
        for _ in range(take(16)):
            take(index_bits if version in (1, 2) else 0)
            offset, length = base + take(offset_bits), take(length_bits)
            parts.append(data[offset : offset + length] if length else data[offset:])
            left -= max(len(parts[-1]), 16)
            if left < 0:
                raise ImageReadError("has parts that overlap")
        yield parts[0] if len(parts) == 1 else memoryview(b"".join(parts))


def _list_obus(item: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Iterate over type and content of the units (OBUs) of AV1 data."""
    position = 0
    while position < len(item):
        kind, extended, sized = item[position] >> 3 & 15, item[position] & 4, item[position] & 2
        position += 2 if extended else 1
        size = len(item) - position
        if sized:
            size = 0
            for shift in range(0, 56, 7):
                if position >= len(item):
                    return
                byte = item[position]
                position += 1
                size |= (byte & 127) << shift
                if byte < 128:
                    break
        yield kind, item[position : position + size]
        position += size


def _read_sequence_header(header: memoryview) -> tuple[int, tuple[int, int]]:
    take = _Bits(header).take
    profile, _, reduced = take(3), take(1), take(1)
    if reduced:
        take(5)
    else:
        decoder_model, delay_bits = 0, 0
        if take(1):
            # Timing information.
            take(64)
            if take(1):
                take(next(zeros for zeros in itertools.count() if take(1)))
            decoder_model = take(1)
            if decoder_model:
                delay_bits = take(5) + 1
                take(32 + 5 + 5)
        initial_delays = take(1)
        for _ in range(take(5) + 1):
            take(12)
            if take(5) > 7:
                take(1)
            if decoder_model and take(1):
                take(2 * delay_bits + 1)
            if initial_delays and take(1):
                take(4)
    across, down = take(4) + 1, take(4) + 1
    return profile, (take(across) + 1, take(down) + 1)


class _Bits:
    """Reader of big-endian integers of any number of bits, which raises an IndexError at the end of the data."""

    def __init__(self, data: memoryview, start: int = 0) -> None:
        self._data = data
        self._position = 8 * start

    def take(self, count: int) -> int:
        start, end = self._position, self._position + count
        if end > 8 * len(self._data):
            raise IndexError("the data is truncated")
        self._position = end
        return int.from_bytes(self._data[start // 8 : -(-end // 8)]) >> -end % 8 & ((1 << count) - 1)
