"""Learn the pixel range of images in `fit`, and check it later."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exceptions import ImageArrayError
from ._stored import iterate_blocks

# Upper ends of the pixel ranges of floats, and of integers of 8, 12, 16 and 32 bits.
_FLOAT_TOPS = (1.0, 255.0)
_WHOLE_TOPS = (255.0, 4095.0, 65535.0, 2.0**32 - 1)

# How far resizing and sharpening may exceed a range of floats, relative to it. Pixels outside are clipped.
_BELOW = 0.125
_ABOVE = {1.0: 0.5, 255.0: 0.125}

# Floats above 1.5 that stay below this may be scaled otherwise, or be a nearly black image in [0, 255].
_LEAST_BRIGHT = 8.0
# The same for floats that are partly negative: standardized ones exceed 8.
_LEAST_BRIGHT_OF_SIGNED = 32.0

# A standardized batch that exceeds the fitted range by this factor is on another scale, not an outlier.
_PLAINLY_ANOTHER_SCALE = 10.0

# Limit on pixels in fit: computations in float32 must be able to hold ten times as much, and differences.
_LARGEST_PIXEL = 1e36


def find_top(values: Any, least: float = 0.0) -> float | None:
    """Find the smallest range of pixels, from 0 to at least `least`, that holds all values.

    All code decides by this function, whether an image is an element of a list, part of a batch or a file. The top is 1
    or 255 for floats, which may exceed it slightly, as resizing and sharpening do; 255, 4095, 65535 or 2**32 - 1 for
    integers. None if the values are not pixels: standardized, not finite, or too large.
    """
    low, high = float(values.min()), float(values.max())
    # Sharpened integers may exceed [0, 255] as floats do.
    if values.dtype.kind in "iu" and (low >= 0 or least > 255):
        return next((top for top in _WHOLE_TOPS if top >= least and low >= 0 and high <= top), None)
    return _find_float_top(values, low, high, least)


def learn_pixel_range(images: Any, name: str = "images", *, whole: bool = False) -> tuple[float, float]:
    """Return the range of the pixels: (0, 255), (0, 1), or the minimum and maximum of standardized floats.

    Integers that were converted to floats (`whole`) never count as a slightly exceeded (0, 255).
    """
    if images.dtype == np.uint8:
        return (0.0, 255.0)
    low, high = _find_extremes(images, name)
    if images.dtype.kind in "iu":
        top = next((top for top in _WHOLE_TOPS if low >= 0 and high <= top), None)
    else:
        top = None if whole else _find_float_top(images, low, high)
    if top is not None:
        return (0.0, top)
    if max(-low, high) > _LARGEST_PIXEL:
        raise ImageArrayError(
            f"{name}: X has pixels from {low:g} to {high:g}, which are too large. Scale X to 0 to 255, or to 0 to 1."
        )
    # The range is a divisor, so it must not be empty.
    return (low, high if high > low else low + 1)


def check_pixel_range(images: Any, fitted: tuple[float, float], name: str, *, whole: bool = False) -> None:
    """Reject a batch that is not finite, or clearly on another scale than the images of `fit`."""
    if images.dtype == np.uint8 and fitted == (0.0, 255.0):
        return
    low, high = _find_extremes(images, name)
    if is_clipped(fitted):
        if whole or images.dtype.kind in "iu":
            wrong = low < 0 or high > fitted[1]
        elif fitted[1] == 1:
            wrong = not _is_within(low, high, 1.0)
        else:
            # Black images fit any scale.
            wrong = (low, high) != (0, 0) and _find_float_top(images, low, high) != 255
    else:
        wrong = max(-low, high) > _PLAINLY_ANOTHER_SCALE * max(abs(fitted[0]), abs(fitted[1]))
        # 8-bit images are black for an estimator fitted on 16 bits; small numbers of other dtypes may be a dark image.
        wrong = wrong or (images.dtype == np.uint8 and fitted[1] > _PLAINLY_ANOTHER_SCALE * 255)
        # Floats in [0, 1] are not 16-bit pixels.
        wrong = wrong or (fitted[0] >= 0 and fitted[1] > 255 and not whole and high > 0 and _is_within(low, high, 1.0))
    if wrong:
        raise ImageArrayError(
            f"{name}: X has pixels from {low:g} to {high:g}, but was fitted on pixels from {fitted[0]:g} to "
            f"{fitted[1]:g}. Scale X to the range of the training images."
        )


def is_clipped(pixel_range: tuple[float, float]) -> bool:
    """Return whether floats outside this range are clipped; the range of standardized floats is open."""
    return pixel_range[0] == 0 and pixel_range[1] in _FLOAT_TOPS


def clip_pixels(images: NDArray[Any], pixel_range: tuple[float, float]) -> NDArray[Any]:
    """Clip floats to (0, 1) or (0, 255), so that they equal the same images as uint8."""
    return np.clip(images, *pixel_range) if images.dtype != np.uint8 and is_clipped(pixel_range) else images


def _find_float_top(values: Any, low: float, high: float, least: float = 0.0) -> float | None:
    # Clearly negative relative to the maximum means standardized: -2 to 2 is not a dark image in [0, 255].
    is_signed = low < -high / 4
    # Among images in [0, 1], they may be dark.
    if least <= 1 and _is_within(low, high, 1.0) and (least == 1 or not is_signed):
        return 1.0
    if is_signed or not _is_within(low, high, 255.0):
        return None
    bright = high >= (_LEAST_BRIGHT if low >= 0 else _LEAST_BRIGHT_OF_SIGNED)
    return 255.0 if least > 1 or bright or _all_whole(values) else None


def _is_within(low: float, high: float, top: float) -> bool:
    """Return whether floats exceed a range by no more than resizing and sharpening do."""
    return low >= -_BELOW * top and high <= (1 + _ABOVE[top]) * top


def _find_extremes(images: Any, name: str) -> tuple[float, float]:
    """Return the minimum and maximum pixel, and reject NaN and infinity, in one pass."""
    low, high, start, bad, seen_nan = math.inf, -math.inf, 0, [], False
    with np.errstate(all="ignore"):
        for block in iterate_blocks(images):
            # Both are NaN if any pixel is NaN.
            smallest, largest = float(block.min()), float(block.max())
            if math.isfinite(smallest) and math.isfinite(largest):
                low, high = min(low, smallest), max(high, largest)
            else:
                seen_nan = seen_nan or math.isnan(smallest)
                bad += (start + np.flatnonzero(~np.isfinite(block.reshape(len(block), -1)).all(axis=1))).tolist()
            start += len(block)
    if bad:
        raise ImageArrayError(
            f"{name}: Input X contains {'NaN' if seen_nan else 'infinity'} in {len(bad)} of {len(images)} images, "
            f"first in X[{bad[0]}]. Drop these images, or correct their pixels."
        )
    return low, high


def _all_whole(images: Any) -> bool:
    return all(bool(np.all(block == np.floor(block))) for block in iterate_blocks(images))
