"""Crop faces from images, and align them by their landmarks."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ._decode import REDUCING_GAP

# Images with a side below this many pixels are not cropped.
_SMALLEST_PICTURE = 16

# Where CenterFace sees the landmarks of an upright face, from the center of its box, in units of the square root of its
# area: means of 218 web photos, made symmetric.
_USUAL_LANDMARKS = np.array([(-0.2, -0.135), (0.2, -0.135), (0, 0.093), (-0.17, 0.275), (0.17, 0.275)])


def crop_center(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Crop the largest centered part with the aspect ratio of `size`, (height, width), and resize it."""
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

    The box is inside the image, the margin a fraction of its side, added on each side. A crop that exceeds the image is
    shifted into it, and shrunk if necessary.
    """
    height, width = size
    x, y, box_width, box_height = box
    # Detectors differ more in the height of their boxes than in the area.
    scale = (box_width * box_height / (width * height)) ** 0.5 * (1 + 2 * margin)
    scale = min(scale, picture.width / width, picture.height / height)
    crop_width, crop_height = width * scale, height * scale
    left = min(max(x + (box_width - crop_width) / 2, 0.0), picture.width - crop_width)
    top = min(max(y + (box_height - crop_height) / 2, 0.0), picture.height - crop_height)
    return squeeze(picture, size, (left, top, left + crop_width, top + crop_height))


def squeeze(
    picture: Image.Image, size: tuple[int, int], box: tuple[float, float, float, float] | None = None
) -> Image.Image:
    """Resize a box of the image, or all of it, to `size`, (height, width).

    Pillow's bilinear filter is antialiased and, unlike the sharper Lanczos filter, never leaves the range of the pixels
    nor produces halos around edges, which would affect HOG features.
    """
    if min(picture.size) < _SMALLEST_PICTURE:
        box = None
    elif box is not None:
        # Rounding may put a corner slightly outside, which Pillow rejects.
        left, top, right, bottom = box
        box = (max(0.0, left), max(0.0, top), min(picture.width, right), min(picture.height, bottom))
    return picture.resize((size[1], size[0]), Image.Resampling.BILINEAR, box=box, reducing_gap=REDUCING_GAP)


def align_face(
    picture: Image.Image,
    box: NDArray[np.float64],
    landmarks: NDArray[np.float64],
    size: tuple[int, int],
    margin: float,
) -> Image.Image:
    """Crop a face like :func:`crop_face`, but turned and scaled so that its landmarks are where they usually are.

    A similarity transform is fitted by least squares. Pixels outside the image repeat its edge.
    """
    from skimage.transform import AffineTransform, SimilarityTransform, warp

    height, width = size
    usual = np.array([width, height]) / 2 + _USUAL_LANDMARKS * (width * height) ** 0.5 / (1 + 2 * margin)
    to_picture = SimilarityTransform.from_estimate(usual, landmarks)
    if not to_picture or not 0 < to_picture.scale < np.inf:
        return crop_face(picture, box, size, margin)
    # The part of the image that is needed, reduced to the scale of the result, so that all of its pixels count.
    corners = to_picture(np.array([[0, 0], [width, 0], [0, height], [width, height]], dtype=float))
    start = np.floor(np.clip(corners.min(axis=0) - to_picture.scale, 0, picture.size))
    end = np.ceil(np.clip(corners.max(axis=0) + to_picture.scale, 0, picture.size))
    if (end - start < 1).any():
        return crop_face(picture, box, size, margin)
    across, down = (max(1, round(side / max(to_picture.scale, 1))) for side in end - start)
    part = squeeze(picture, (down, across), (*start, *end))
    to_part = AffineTransform(scale=(across, down) / (end - start), translation=-start * (across, down) / (end - start))
    # Coordinates are those of edges above, and of the centers of pixels in scikit-image.
    to_edges, to_centers = (AffineTransform(translation=(shift, shift)) for shift in (0.5, -0.5))
    aligned = warp(
        np.asarray(part),
        to_edges + to_picture + to_part + to_centers,
        output_shape=size,
        mode="edge",
        preserve_range=True,
    )
    return Image.fromarray(np.rint(aligned).astype(np.uint8))
