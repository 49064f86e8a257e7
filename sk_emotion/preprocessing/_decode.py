"""Picture to pixels: whatever holds a picture becomes 8-bit gray or RGB, upright and opaque."""

import contextlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .._images._pixel_range import find_top
from ..exceptions import ImageReadError
from ..utils._locks import ForkSafeLock
from ._cost import MAX_PIXELS, check_cost, check_pixels, find_decoded_size, find_turn
from ._open import MAX_FILE_SIZE, open_picture, quiet_pillow
from ._sources import read_source

# One picture above this is decoded at a time: Pillow takes up to 16 bytes a pixel for a WEBP, at 18 megapixels 290 MB.
_LARGE_PIXELS = 2**21
_large_picture = ForkSafeLock()

# Of values that are scaled at a time.
_PART = 2**20


def decode_picture(
    source: Any,
    *,
    min_side: int | None = None,
    gray: bool = False,
    tops: Mapping[str, float] = MappingProxyType({}),
    cut_padding: bool = True,
    max_pixels: int | None = MAX_PIXELS,
    max_file_size: int | None = MAX_FILE_SIZE,
) -> Image.Image:
    """Decode a picture.

    Parameters
    ----------
    source : str, PathLike, bytes, file object, PIL.Image.Image or ndarray of shape (H, W), (H, W, 1), (H, W, 3) or \
            (H, W, 4)
        The content of a file counts, not its name. Of an animation, the first frame is taken.
    min_side : int, default=None
        A picture at least twice this on both sides is given at a fraction of its size, each pixel the mean of those
        that it stands for. A JPEG file is decoded that way, at a fraction of the time.
    gray : bool, default=False
        Whether colors are of no use, so that those of a JPEG file need not be decoded.
    tops : dict of str to float, default={}
        By type, the range of the pixels of arrays and PIL images that are not of 8 bits, as :func:`find_tops` finds it.
    cut_padding : bool, default=True
        Whether the last pixels of a JPEG at a fraction of its size, which are partly padding, are made to be picture.
    max_pixels, max_file_size : int or None
        More pixels of a file, bytes or a PIL image, or more bytes, are an error before anything is decoded.

    Returns
    -------
    PIL.Image.Image
        In mode ``"L"`` or ``"RGB"``, turned upright as its EXIF orientation tells, composited on white.

    Raises
    ------
    ImageReadError
        Saying what is wrong, as the end of a sentence that names the picture.
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
            return _shrink(_as_opaque(_turn_upright(source.copy()), tops), min_side)
    except ImageReadError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageReadError(f"is too large ({error})") from error
    except MemoryError as error:
        # Damaged headers ask for more than there ever is, too.
        raise ImageReadError("needs more memory than there is") from error
    except Exception as error:
        # On damaged files, Pillow's decoders raise nearly anything.
        what = "is damaged" if encoded else "cannot be decoded"
        what = "is truncated" if "truncated" in str(error).lower() else what
        raise ImageReadError(f"{what} ({type(error).__name__}: {error})") from error


def find_tops(
    pictures: Iterable[Any], least: Mapping[str, float] = MappingProxyType({}), max_pixels: int | None = MAX_PIXELS
) -> dict[str, float]:
    """Find one range for all pictures that are floats, and one for all whole numbers of more than 8 bits.

    A dark frame beside a bright one then stays dark. Files are pictures by themselves, and are not looked at.

    Parameters
    ----------
    pictures : iterable
        Arrays and PIL images count.
    least : dict of str to float, default={}
        Ranges that are known already, for some types.
    max_pixels : int or None
        A PIL image of more is not looked at.

    Returns
    -------
    dict of str to float
        What becomes white, by the name of each type that is there.
    """
    found: dict[str, float] = {}
    whole: set[str] = set()
    for picture in pictures:
        values = _find_deep_values(picture, max_pixels)
        if values is None:
            continue
        name = values.dtype.name
        if values.dtype.kind in "iu":
            whole.add(name)
        found[name] = max(found.get(name, 0.0), find_top(values) or 0.0, least.get(name, 0.0))
    tops: dict[str, float] = {}
    for names in (whole, found.keys() - whole):
        top = max((found[name] for name in names), default=0.0)
        tops |= dict.fromkeys(names, top)
    return tops


def to_uint8(values: NDArray[Any], tops: Mapping[str, float] = MappingProxyType({})) -> NDArray[np.uint8]:
    """Bring the values of one picture to 0 to 255.

    Parameters
    ----------
    values : ndarray
        Whole numbers up to 255, 4095, 65535 or 2**32 - 1, or floats up to 1 or 255: the smallest range that holds them
        all is taken to be theirs. Floats may overstep it a little, and are clipped.
    tops : dict of str to float, default={}
        The least range of values, by type, which is that of other pictures beside this one.

    Returns
    -------
    ndarray of uint8

    Raises
    ------
    ImageReadError
        If the values are no pixels: not numbers, not finite, negative, or floats above 255.
    """
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
    """Scale values from 0 to `top` to whole numbers from 0 to 255, and clip what oversteps them."""
    scaled = np.empty(values.size, dtype=np.uint8)
    flat = values.reshape(-1)
    # Part by part, since floats take many times as much memory.
    for start in range(0, values.size, _PART):
        part = flat[start : start + _PART]
        if top != 255 or values.dtype.kind not in "iu":
            # Half precision has no whole numbers above 2048, and NumPy would compute in it.
            part = part.astype(np.float32) if part.dtype.itemsize < 4 else part
            part = np.rint(part * (255.0 / top))
        scaled[start : start + _PART] = np.clip(part, 0, 255)
    return scaled.reshape(values.shape)


def _find_deep_values(picture: Any, max_pixels: int | None) -> NDArray[Any] | None:
    """Give the values of an array or PIL image that is not of 8 bits; None of any other picture."""
    if isinstance(picture, Image.Image) and _is_deep(picture):
        # What is wrong with it, its decoding tells.
        with contextlib.suppress(Exception), quiet_pillow:
            _check_image(picture, max_pixels)
            picture = np.asarray(picture)
    if not isinstance(picture, np.ndarray) or not picture.size:
        return None
    values = _as_numbers(picture)
    return values if values.dtype.kind in "biuf" and values.dtype != np.uint8 else None


def _as_numbers(values: NDArray[Any]) -> NDArray[Any]:
    """Find the type of numbers that are held as objects."""
    if values.dtype == object:
        with contextlib.suppress(ValueError):
            return np.asarray(values.tolist())
    return values


def _is_deep(image: Image.Image) -> bool:
    return image.mode.startswith("I") or image.mode == "F"


def _decode(data: bytes, min_side: int | None, gray: bool, cut_padding: bool, max_pixels: int | None) -> Image.Image:
    with open_picture(data, max_pixels) as image:
        size = find_decoded_size(image, data)
        check_pixels(size, max_pixels, "pixels as they are coded")
        n_pixels = size[0] * size[1]
        drafted = image.draft("L" if gray else None, (min_side, min_side) if min_side else None)
        check_cost(image, data, size, max_pixels, min_side)
        # The coefficients of a progressive JPEG are kept until its last scan, whatever its pixels are reduced to.
        if drafted and not image.info.get("progressive"):
            n_pixels = image.width * image.height
        with _large_picture if n_pixels > _LARGE_PIXELS else contextlib.nullcontext():
            whole = _cut_padding(image, drafted[1]) if drafted and cut_padding else image
            return _shrink(_as_opaque(_turn_upright(whole)), min_side)


def _check_image(image: Image.Image, max_pixels: int | None) -> None:
    """Refuse a PIL image of too many pixels, by its file if it is not decoded yet."""
    file = getattr(image, "fp", None) if getattr(image, "tile", None) else None
    data = b""
    if file is not None and image.format in ("TIFF", "AVIF"):
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


def _cut_padding(image: Image.Image, box: tuple[float, float, float, float]) -> Image.Image:
    """Take the part of a JPEG decoded at a fraction that is picture: the last pixels are partly padding."""
    width, height = int(box[2]), int(box[3])
    if (width, height) == box[2:]:
        return image
    return image.resize((width, height), Image.Resampling.BILINEAR, box)


def _turn_upright(image: Image.Image) -> Image.Image:
    image.load()
    # Pillow's exif_transpose would also write the EXIF data anew.
    turn = find_turn(image)
    return image if turn is None else image.transpose(turn)


def _shrink(image: Image.Image, min_side: int | None) -> Image.Image:
    """Average squares of pixels, as many as leave `min_side`; the edge loses the rest, evenly, so the middle stays."""
    factor = min(image.size) // min_side if min_side else 1
    if factor < 2:
        return image
    left, top = (image.width % factor) // 2, (image.height % factor) // 2
    right, bottom = left + image.width // factor * factor, top + image.height // factor * factor
    return image.reduce(factor, (left, top, right, bottom))


def _as_opaque(image: Image.Image, tops: Mapping[str, float] = MappingProxyType({})) -> Image.Image:
    if image.mode in ("L", "RGB") and "transparency" not in image.info:
        return image
    if _is_deep(image):
        return Image.fromarray(to_uint8(np.asarray(image), tops))
    if image.has_transparency_data:
        # White is what a picture from the web was drawn to stand on.
        picture = image if image.mode == "RGBA" else image.convert("RGBA")
        opaque = Image.new("RGB", picture.size, "white")
        opaque.paste(picture, mask=picture)
        return opaque
    return image.convert("L" if image.mode == "1" else "RGB")
