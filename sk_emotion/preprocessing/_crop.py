"""Picture to crop: which part of a picture is kept, and how it becomes an image of the wanted size."""

from collections.abc import Iterable
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SMALLEST_PICTURE = 16
"""Side, in pixels, below which an image is no photo: the whole of it is kept."""

REDUCING_GAP = 64.0
"""A side that shrinks more than this is averaged first: Pillow's filter takes 16 bytes a pixel of the longer side."""

# Pillow's weights for gray, those of ITU-R 601-2.
_LUMA = np.array([0.299, 0.587, 0.114])


def crop_center(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Take the largest centered part of the aspect ratio of `size`, (height, width), and resize it."""
    if min(picture.size) < SMALLEST_PICTURE:
        return squeeze(picture, size)
    height, width = size
    scale = min(picture.width / width, picture.height / height)
    crop_width, crop_height = width * scale, height * scale
    left, top = (picture.width - crop_width) / 2, (picture.height - crop_height) / 2
    if scale == 1:
        # From a whole pixel on, so that the pixels are kept.
        left, top = left // 1, top // 1
    return squeeze(picture, size, (left, top, left + crop_width, top + crop_height))


def crop_face(picture: Image.Image, box: Iterable[float], size: tuple[int, int], margin: float) -> Image.Image:
    """Take a face with a margin around it, in the aspect ratio of `size`, (height, width), and resize it.

    Parameters
    ----------
    picture : PIL.Image.Image
    box : (float, float, float, float)
        ``(x, y, width, height)`` of the face, inside the picture.
    size : (int, int)
        Height and width of the result.
    margin : float
        Share of the side of the box that is added on each side.

    Returns
    -------
    PIL.Image.Image
        A crop that would reach out of the picture is shifted into it, and is no larger than it.
    """
    if min(picture.size) < SMALLEST_PICTURE:
        return squeeze(picture, size)
    height, width = size
    x, y, box_width, box_height = box
    # Detectors differ in how tall their boxes are, less so in how much they cover.
    scale = (box_width * box_height / (width * height)) ** 0.5 * (1 + 2 * margin)
    scale = min(scale, picture.width / width, picture.height / height)
    crop_width, crop_height = width * scale, height * scale
    left = _shift_inside(x + (box_width - crop_width) / 2, crop_width, picture.width)
    top = _shift_inside(y + (box_height - crop_height) / 2, crop_height, picture.height)
    return squeeze(picture, size, (left, top, left + crop_width, top + crop_height))


def squeeze(
    picture: Image.Image, size: tuple[int, int], box: tuple[float, float, float, float] | None = None
) -> Image.Image:
    """Resize a box of the picture, or all of it, to `size`, (height, width).

    Pillow's bilinear filter is antialiased and, unlike the sharper Lanczos, never leaves the range of the pixels nor
    draws halos around edges, which HOG would take for edges.
    """
    if box is not None:
        # Sums of floats may end a hair outside, which Pillow refuses.
        left, top, right, bottom = box
        box = (max(0.0, left), max(0.0, top), min(picture.width, right), min(picture.height, bottom))
    return picture.resize((size[1], size[0]), Image.Resampling.BILINEAR, box=box, reducing_gap=REDUCING_GAP)


def split_floats(image: NDArray[Any], color: bool) -> list[Image.Image]:
    """Split a float image into what Pillow can resize, which has floats of one channel only."""
    if image.ndim == 3 and not color:
        image = image @ _LUMA
    channels = np.moveaxis(np.atleast_3d(image), -1, 0)
    return [Image.fromarray(np.float32(channel)) for channel in channels]


def as_size(image_size: Any) -> tuple[int, int]:
    """Give height and width of an `image_size` that is one number or both."""
    sides = (image_size, image_size) if isinstance(image_size, Integral) else tuple(image_size)
    if len(sides) != 2 or not all(isinstance(side, Integral) and int(side) > 0 for side in sides):
        raise ValueError(f"FaceLoader: image_size={image_size!r}, expected pixels: 48 or (height, width).")
    return (int(sides[0]), int(sides[1]))


def _shift_inside(start: float, length: float, limit: float) -> float:
    """Move an interval into [0, limit]."""
    return min(max(start, 0.0), limit - length)
