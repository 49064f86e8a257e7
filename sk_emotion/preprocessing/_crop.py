"""Crop images and resize them to the target size."""

from collections.abc import Iterable
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SMALLEST_PICTURE = 16
"""Images with a side below this many pixels are not cropped."""

REDUCING_GAP = 64.0
"""Reduction above which Pillow averages first: its filter takes 16 bytes per pixel of the longer side."""

# Pillow's grayscale weights (ITU-R 601-2).
_LUMA = np.array([0.299, 0.587, 0.114])


def crop_center(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Crop the largest centered part with the aspect ratio of `size`, (height, width), and resize it."""
    if min(picture.size) < SMALLEST_PICTURE:
        return squeeze(picture, size)
    height, width = size
    scale = min(picture.width / width, picture.height / height)
    crop_width, crop_height = width * scale, height * scale
    left, top = (picture.width - crop_width) / 2, (picture.height - crop_height) / 2
    if scale == 1:
        # Align to whole pixels, so that no interpolation occurs.
        left, top = left // 1, top // 1
    return squeeze(picture, size, (left, top, left + crop_width, top + crop_height))


def crop_face(picture: Image.Image, box: Iterable[float], size: tuple[int, int], margin: float) -> Image.Image:
    """Crop a face with a margin, in the aspect ratio of `size`, (height, width), and resize it.

    Parameters
    ----------
    picture : PIL.Image.Image
    box : (float, float, float, float)
        ``(x, y, width, height)`` of the face, inside the image.
    size : (int, int)
        Height and width of the result.
    margin : float
        Margin added on each side, as a fraction of the side of the box.

    Returns
    -------
    PIL.Image.Image
        A crop that exceeds the image is shifted into it, and shrunk if necessary.
    """
    if min(picture.size) < SMALLEST_PICTURE:
        return squeeze(picture, size)
    height, width = size
    x, y, box_width, box_height = box
    # Detectors differ more in the height of their boxes than in the area.
    scale = (box_width * box_height / (width * height)) ** 0.5 * (1 + 2 * margin)
    scale = min(scale, picture.width / width, picture.height / height)
    crop_width, crop_height = width * scale, height * scale
    left = _shift_inside(x + (box_width - crop_width) / 2, crop_width, picture.width)
    top = _shift_inside(y + (box_height - crop_height) / 2, crop_height, picture.height)
    return squeeze(picture, size, (left, top, left + crop_width, top + crop_height))


def squeeze(
    picture: Image.Image, size: tuple[int, int], box: tuple[float, float, float, float] | None = None
) -> Image.Image:
    """Resize a box of the image, or all of it, to `size`, (height, width).

    Pillow's bilinear filter is antialiased and, unlike the sharper Lanczos filter, never leaves the range of the pixels
    nor produces halos around edges, which would affect HOG features.
    """
    if box is not None:
        # Rounding may put a corner slightly outside, which Pillow rejects.
        left, top, right, bottom = box
        box = (max(0.0, left), max(0.0, top), min(picture.width, right), min(picture.height, bottom))
    return picture.resize((size[1], size[0]), Image.Resampling.BILINEAR, box=box, reducing_gap=REDUCING_GAP)


def split_floats(image: NDArray[Any], color: bool) -> list[Image.Image]:
    """Split a float image into channels, since Pillow resizes floats of one channel only."""
    if image.ndim == 3 and not color:
        image = image @ _LUMA
    channels = np.moveaxis(np.atleast_3d(image), -1, 0)
    return [Image.fromarray(np.float32(channel)) for channel in channels]


def as_size(image_size: Any) -> tuple[int, int]:
    """Return (height, width) of an `image_size`, which is an int or a pair."""
    sides = (image_size, image_size) if isinstance(image_size, Integral) else tuple(image_size)
    if len(sides) != 2 or not all(isinstance(side, Integral) and int(side) > 0 for side in sides):
        raise ValueError(f"FaceLoader: image_size={image_size!r}, expected an int such as 48, or (height, width).")
    return (int(sides[0]), int(sides[1]))


def _shift_inside(start: float, length: float, limit: float) -> float:
    """Move an interval into [0, limit]."""
    return min(max(start, 0.0), limit - length)
