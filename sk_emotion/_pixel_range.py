"""The range of the pixels of a set of images: learned in `fit`, compared with later."""

import math
from typing import Any

import numpy as np

from ._stored_images import iterate_blocks
from .exceptions import ImageArrayError

# How far resizing may overstep [0, 1] or [0, 255].
_OVERSHOOT = 0.5

# A standardised batch this many times beyond the fitted range is on another scale, not an outlier.
_PLAINLY_ANOTHER_SCALE = 10.0

# Of pixels to fit on: float32, in which images are computed with, has to hold ten times as much and its differences.
_LARGEST_PIXEL = 1e36


def learn_pixel_range(images: Any, name: str = "images") -> tuple[float, float]:
    """Tell the range of the pixels: (0, 255), (0, 1), or the smallest and largest value of standardised floats.

    Raises
    ------
    ImageArrayError
        If a pixel is not finite, or too large to be computed with.
    """
    if images.dtype == np.uint8:
        return (0.0, 255.0)
    low, high = _find_extremes(images, name)
    if low >= 0 and high <= 1 + _OVERSHOOT:
        return (0.0, 1.0)
    if low >= 0 and high <= 255:
        return (0.0, 255.0)
    if max(-low, high) > _LARGEST_PIXEL:
        raise ImageArrayError(
            f"{name}: X has pixels from {low:g} to {high:g}, more than can be computed with. Bring X to 0 to 255, or "
            "to 0 to 1."
        )
    # A range that is divided by cannot be empty.
    return (low, high if high > low else low + 1)


def check_pixel_range(images: Any, fitted: tuple[float, float], name: str) -> None:
    """Refuse a batch that is not finite, or plainly on another scale than the images of `fit`."""
    if images.dtype == np.uint8 and fitted == (0.0, 255.0):
        return
    low, high = _find_extremes(images, name)
    if fitted in ((0.0, 1.0), (0.0, 255.0)):
        wrong = low < -_OVERSHOOT or high > fitted[1] + _OVERSHOOT
        # Images from 0 to 255 may be black, but their pixels are not all fractions of 1.
        wrong = wrong or (fitted[1] == 255 and high <= 1 and not _all_whole(images))
    else:
        wrong = max(-low, high) > _PLAINLY_ANOTHER_SCALE * max(abs(fitted[0]), abs(fitted[1]))
        # Those of 8 bits are black to what was fitted on 16; of other types, small numbers may be a dark image.
        wrong = wrong or (images.dtype == np.uint8 and fitted[1] > _PLAINLY_ANOTHER_SCALE * 255)
    if wrong:
        raise ImageArrayError(
            f"{name}: X has pixels from {low:g} to {high:g}, but was fitted on pixels from {fitted[0]:g} to "
            f"{fitted[1]:g}. Bring X to the scale of the training images."
        )


def _find_extremes(images: Any, name: str) -> tuple[float, float]:
    """Find the smallest and the largest pixel, and refuse NaN and infinity, in one pass."""
    low, high, start, bad, seen_nan = math.inf, -math.inf, 0, [], False
    with np.errstate(all="ignore"):
        for block in iterate_blocks(images):
            # Both are NaN if any pixel is.
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
            f"first in X[{bad[0]}]. Drop these images, or mend their pixels."
        )
    return low, high


def _all_whole(images: Any) -> bool:
    return all(bool(np.all(block == np.floor(block))) for block in iterate_blocks(images))
