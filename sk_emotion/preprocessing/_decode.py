"""Decode images of any kind to upright, opaque 8-bit grayscale or RGB."""

import contextlib
import io
import threading
import warnings
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from .._images._pixel_range import find_top
from ..exceptions import ImageReadError
from ..utils._parallel import ForkSafeLock
from ._cost import MAX_PIXELS, check_cost, check_parts, check_pixels, find_decoded_size, find_turn
from ._sources import MAX_FILE_SIZE, read_source

# Formats of cameras, phones, the web and face data sets. Excluded: EPS, which Pillow runs through Ghostscript; formats
# that are hardly ever photos (icons, fonts, textures); and JPEG 2000, whose decoder has had many vulnerabilities.
# MPO, of stereo cameras, counts as JPEG; HEIF, of iPhones, is registered by pillow-heif.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF", "HEIF")

# Larger images are decoded one at a time: Pillow takes up to 16 bytes per pixel, 290 MB for an 18-megapixel WEBP.
_LARGE_PIXELS = 2**21
_large_image = ForkSafeLock()

# Transpositions that exchange width and height.
_SIDEWAYS = [Image.Transpose[name] for name in ("TRANSPOSE", "TRANSVERSE", "ROTATE_90", "ROTATE_270")]

REDUCING_GAP = 64.0
"""Reduction above which Pillow averages first: its filter takes 16 bytes per pixel of the longer side."""

# Number of values scaled at a time.
_PART = 2**20


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


class Decoded(NamedTuple):
    """A decoded image, and the part of the upright image that it shows: (left, top, right, bottom) in pixels."""

    picture: Image.Image
    part: tuple[float, float, float, float]


def decode_picture(source: Any, **options: Any) -> Image.Image:
    """Decode an image with the options of :func:`decode`, without the part of the image that it shows."""
    return decode(source, **options).picture


def read_size(source: Any) -> tuple[int, int]:
    """Return the sides of an image in ascending order, as its header states them, without decoding it."""
    if isinstance(source, np.ndarray):
        height, width = source.shape[:2]
    elif isinstance(source, Image.Image):
        width, height = source.size
    else:
        with quiet_pillow, _open_picture(read_source(source, MAX_FILE_SIZE), MAX_PIXELS) as image:
            width, height = image.size
    return min(width, height), max(width, height)


def decode(
    source: Any,
    *,
    min_side: int | None = None,
    gray: bool = False,
    tops: Mapping[str, float] = MappingProxyType({}),
    cut_padding: bool = True,
    max_pixels: int | None = MAX_PIXELS,
    max_file_size: int | None = MAX_FILE_SIZE,
) -> Decoded:
    """Decode an image to mode ``"L"`` or ``"RGB"``, upright by its EXIF orientation, composited on white.

    Of an animation, only the first frame. An image at least twice as large as `min_side` on both sides is reduced by an
    integer factor, averaging pixels, and a JPEG is decoded at that scale, which is much faster; `cut_padding` then
    crops its last pixels, which are partly padding. With `gray`, color channels of a JPEG need not be decoded. By
    dtype, `tops` are the ranges of arrays and PIL images of other than 8 bits, as found by :func:`find_tops`. An
    ImageReadError is the end of a sentence that names the image.
    """
    if isinstance(source, np.ndarray):
        return _shrink(_as_opaque(_from_array(source, tops)), min_side)
    encoded = not isinstance(source, Image.Image)
    if encoded:
        source = read_source(source, max_file_size)
    try:
        with quiet_pillow:
            if encoded:
                return _decode(source, min_side, gray, cut_padding, max_pixels)
            _check_image(source, max_pixels)
            upright, _ = _turn_upright(source.copy(), source.size)
            return _shrink(_as_opaque(upright, tops), min_side)
    except ImageReadError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageReadError(f"is too large ({error})") from error
    except MemoryError as error:
        # Damaged headers can ask for more memory than any machine has.
        raise ImageReadError("needs more memory than is available") from error
    except Exception as error:
        # Pillow's decoders raise all kinds of exceptions on damaged files.
        what = "is damaged" if encoded else "cannot be decoded"
        what = "is truncated" if "truncated" in str(error).lower() else what
        raise ImageReadError(f"{what} ({type(error).__name__}: {error})") from error


def find_tops(
    pictures: Iterable[Any], least: Mapping[str, float] = MappingProxyType({}), max_pixels: int | None = MAX_PIXELS
) -> dict[str, float]:
    """Find one pixel range for all float images, and one for all integer images of more than 8 bits, by dtype.

    A dark frame next to a bright one then stays dark. Files are scaled on their own, and are not read here; PIL images
    of more than `max_pixels` are ignored. `least` holds ranges that are already known.
    """
    tops: dict[bool, float] = {}
    names: dict[str, bool] = {}
    for picture in pictures:
        values = _find_deep_values(picture, max_pixels)
        if values is not None:
            name, whole = values.dtype.name, values.dtype.kind in "iu"
            names[name] = whole
            tops[whole] = max(tops.get(whole, 0.0), find_top(values) or 0.0, least.get(name, 0.0))
    return {name: tops[whole] for name, whole in names.items()}


def to_uint8(values: NDArray[Any], tops: Mapping[str, float] = MappingProxyType({})) -> NDArray[np.uint8]:
    """Scale the values of one image to 0 to 255, from the smallest range that holds them, at least that in `tops`."""
    values = _as_numbers(values)
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind not in "biuf":
        raise ImageReadError(f"holds {values.dtype} values, expected pixels")
    top = find_top(values, tops.get(values.dtype.name, 0.0))
    if top is None:
        low, high = float(values.min()), float(values.max())
        raise ImageReadError(f"has pixels from {low:g} to {high:g}, expected 0 to 1 or 0 to 255")
    return scale_to_uint8(values, top)


def scale_to_uint8(values: NDArray[Any], top: float) -> NDArray[np.uint8]:
    """Scale values in [0, `top`] to integers in [0, 255], and clip values outside."""
    scaled = np.empty(values.size, dtype=np.uint8)
    flat = values.reshape(-1)
    # In parts, since floats take several times the memory.
    for start in range(0, values.size, _PART):
        part = flat[start : start + _PART]
        if top != 255 or values.dtype.kind not in "iu":
            # float16 cannot represent all integers above 2048, and NumPy would compute in it.
            part = part.astype(np.float32) if part.dtype.itemsize < 4 else part
            part = np.rint(part * (255.0 / top))
        scaled[start : start + _PART] = np.clip(part, 0, 255)
    return scaled.reshape(values.shape)


def _find_deep_values(picture: Any, max_pixels: int | None) -> NDArray[Any] | None:
    """Return the values of an array or PIL image of other than 8 bits; None for any other image."""
    if isinstance(picture, Image.Image) and _is_deep(picture):
        # Errors are raised when it is decoded.
        with contextlib.suppress(Exception), quiet_pillow:
            _check_image(picture, max_pixels)
            picture = np.asarray(picture)
    if not isinstance(picture, np.ndarray) or not picture.size:
        return None
    values = _as_numbers(picture)
    return values if values.dtype.kind in "biuf" and values.dtype != np.uint8 else None


def _as_numbers(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype == object:
        with contextlib.suppress(ValueError):
            return np.asarray(values.tolist())
    return values


def _is_deep(image: Image.Image) -> bool:
    return image.mode.startswith("I") or image.mode == "F"


def _decode(data: bytes, min_side: int | None, gray: bool, cut_padding: bool, max_pixels: int | None) -> Decoded:
    with _open_picture(data, max_pixels) as image:
        whole = image.size
        size = find_decoded_size(image, data)
        check_pixels(size, max_pixels, "pixels as coded")
        n_pixels = size[0] * size[1]
        drafted = image.draft("L" if gray else None, (min_side, min_side) if min_side else None)
        check_cost(image, data, size, max_pixels, min_side)
        # The coefficients of a progressive JPEG are kept until its last scan, whatever the reduction.
        if drafted and not image.info.get("progressive"):
            n_pixels = image.width * image.height
        with _large_image if n_pixels > _LARGE_PIXELS else contextlib.nullcontext():
            cut: Image.Image = image
            if drafted and cut_padding:
                # The last pixels of a JPEG decoded at reduced scale are partly padding.
                box = drafted[1]
                inside = int(box[2]), int(box[3])
                cut = image if inside == box[2:] else image.resize(inside, Image.Resampling.BILINEAR, box)
            upright, whole = _turn_upright(cut, whole)
            return _shrink(_as_opaque(upright), min_side, whole)


def _open_picture(data: bytes, max_pixels: int | None) -> Image.Image:
    """Open an image without decoding it, unless decoding would take too much time or memory."""
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
    return [name for name in _FORMATS if name in Image.OPEN]


def _check_image(image: Image.Image, max_pixels: int | None) -> None:
    """Reject a PIL image with too many pixels, by its file if it is not decoded yet."""
    file = getattr(image, "fp", None) if getattr(image, "tile", None) else None
    data = b""
    if file is not None and image.format == "AVIF":
        position = file.tell()
        file.seek(0)
        data = file.read()
        file.seek(position)
    check_pixels(find_decoded_size(image, data), max_pixels)


def _from_array(array: NDArray[Any], tops: Mapping[str, float]) -> Image.Image:
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if 0 in array.shape or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[-1] not in (3, 4)):
        first = array.ndim == 3 and 0 not in array.shape and array.shape[0] in (1, 3, 4)
        hint = ": move the channels last, np.moveaxis(image, 0, -1)" if first else ""
        raise ImageReadError(f"has shape {array.shape}, expected (H, W), (H, W, 1), (H, W, 3) or (H, W, 4){hint}")
    return Image.fromarray(np.ascontiguousarray(to_uint8(array, tops)))


def _turn_upright(image: Image.Image, size: tuple[int, int]) -> tuple[Image.Image, tuple[int, int]]:
    """Rotate an image upright, and the width and height of the image that it was decoded from."""
    image.load()
    # Pillow's exif_transpose would also rewrite the EXIF data.
    turn = find_turn(image)
    if turn is None:
        return image, size
    return image.transpose(turn), size[::-1] if turn in _SIDEWAYS else size


def _shrink(image: Image.Image, min_side: int | None, size: tuple[int, int] | None = None) -> Decoded:
    """Average blocks of pixels, as large as `min_side` allows; the remainder is cropped evenly from both edges.

    `size` is the width and height of the upright image, by default those of `image`.
    """
    width, height = image.size if size is None else size
    factor = min(image.size) // min_side if min_side else 1
    if factor < 2:
        return Decoded(image, (0, 0, width, height))
    left, top = (image.width % factor) // 2, (image.height % factor) // 2
    right, bottom = left + image.width // factor * factor, top + image.height // factor * factor
    across, down = width / image.width, height / image.height
    part = (left * across, top * down, right * across, bottom * down)
    return Decoded(image.reduce(factor, (left, top, right, bottom)), part)


def _as_opaque(image: Image.Image, tops: Mapping[str, float] = MappingProxyType({})) -> Image.Image:
    if image.mode in ("L", "RGB") and "transparency" not in image.info:
        return image
    if _is_deep(image):
        return Image.fromarray(to_uint8(np.asarray(image), tops))
    if image.has_transparency_data:
        # White is the usual background on the web.
        picture = image if image.mode == "RGBA" else image.convert("RGBA")
        opaque = Image.new("RGB", picture.size, "white")
        opaque.paste(picture, mask=picture)
        return opaque
    return image.convert("L" if image.mode == "1" else "RGB")
