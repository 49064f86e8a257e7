"""Load the face of one image: decode it, detect the face, crop and resize it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..exceptions import ImageReadError
from ._decode import REDUCING_GAP, Decoded, decode, scale_to_uint8
from ._detect import DETECTORS, N_LANDMARKS, detect_faces

SMALLEST_PICTURE = 16
"""Images with a side below this many pixels are not cropped."""

# Decode at no less than this multiple of the target size, so that the resizing filter has enough pixels to average.
_OVERSIZE = 4

# Box and landmarks without a face.
_NOTHING = np.full(4, np.nan), np.full((N_LANDMARKS, 2), np.nan)

# Pillow's grayscale weights (ITU-R 601-2).
_LUMA = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True, eq=False)
class LoadedFaces:
    """Faces loaded from images, with where they are.

    Returned by :meth:`FaceLoader.load` and :func:`read_faces`.

    Attributes
    ----------
    images : array-like of shape (n_samples, height, width) or (n_samples, height, width, 3)
        The faces.
    boxes : ndarray of shape (n_samples, 4)
        Box of the face in each image, ``(x, y, width, height)`` in pixels of the upright image; NaN without a face.
    landmarks : ndarray of shape (n_samples, 5, 2)
        ``(x, y)`` of both eyes, the nose and both corners of the mouth, those on the left of the image first, in pixels
        of the upright image; NaN where unknown.
    found : ndarray of bool of shape (n_samples,) or None
        Whether a face was detected; None without a detector.
    unread : dict of int to str
        Positions of the images that cannot be read, which are all-zero in `images`, and the reasons.
    """

    images: Any
    boxes: NDArray[np.float64]
    landmarks: NDArray[np.float64]
    found: NDArray[np.bool_] | None
    unread: dict[int, str]


class Face(NamedTuple):
    """The face of one image; without a detected face, box and landmarks are NaN."""

    image: NDArray[Any]
    box: NDArray[np.float64]
    landmarks: NDArray[np.float64]

    @property
    def found(self) -> bool:
        return not np.isnan(self.box[0])


def load_face(source: Any, loader: Any, tops: Mapping[str, float] = MappingProxyType({})) -> Face:
    """Load the face of an image, or raise an ImageReadError.

    Parameters
    ----------
    source : image
    loader : FaceLoader
    tops : dict of str to float, default={}
        As for :func:`decode`.
    """
    if isinstance(source, np.ndarray):
        source = as_rgb(source, loader.channel_order)
    decoded = decode(
        source,
        min_side=_find_min_side(loader),
        gray=not loader.color and not _needs_color(loader.detector),
        tops=tops,
        max_pixels=loader.max_pixels,
        max_file_size=loader.max_file_size,
    )
    box, landmarks = _find_face(decoded.picture, loader.detector)
    image = np.asarray(_crop(decoded.picture.convert("RGB" if loader.color else "L"), box, loader))
    return _place(Face(image, box, landmarks), decoded)


def load_standardized_face(image: NDArray[Any], loader: Any, pixel_range: tuple[float, float]) -> Face:
    """Load the face of an image of standardized floats, channel by channel."""
    image = as_rgb(image, loader.channel_order)
    low, high = pixel_range
    box, landmarks = _find_face(Image.fromarray(scale_to_uint8(image - low, (high - low) or 1.0)), loader.detector)
    crops = [np.asarray(_crop(channel, box, loader)) for channel in _split_floats(image, loader.color)]
    return Face(np.stack(crops * (3 // len(crops)), axis=-1) if loader.color else crops[0], box, landmarks)


def collect_faces(loaded: Sequence[Face | ImageReadError], blank: NDArray[Any], detector: Any) -> LoadedFaces:
    """Stack faces; an image that cannot be read becomes `blank`."""
    nothing = Face(blank, *_NOTHING)
    faces = [nothing if isinstance(face, ImageReadError) else face for face in loaded]
    return LoadedFaces(
        np.stack([face.image for face in faces]),
        np.stack([face.box for face in faces]),
        np.stack([face.landmarks for face in faces]),
        None if detector is None else np.array([face.found for face in faces]),
        {index: str(face) for index, face in enumerate(loaded) if isinstance(face, ImageReadError)},
    )


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


def _split_floats(image: NDArray[Any], color: bool) -> list[Image.Image]:
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


def as_rgb(pixels: NDArray[Any], channel_order: str) -> NDArray[Any]:
    """Return an array (H, W, 3) or (H, W, 4) in RGB order; a grayscale one as is."""
    if channel_order == "rgb" or pixels.ndim != 3 or pixels.shape[-1] not in (3, 4):
        return pixels
    return pixels[..., [2, 1, 0, 3][: pixels.shape[-1]]]


def _find_min_side(loader: Any) -> int | None:
    """Return the smallest side at which to decode; None for full size, in which a callable returns its boxes."""
    if loader.detector is not None and not isinstance(loader.detector, str):
        return None
    smallest, least = 1.0, 0
    if loader.detector is not None:
        smallest, least = DETECTORS[loader.detector].smallest_face, DETECTORS[loader.detector].min_side
    wanted = int(np.ceil(max(_OVERSIZE, 1 / smallest) * max(as_size(loader.image_size))))
    return max(wanted, least)


def _needs_color(detector: Any) -> bool:
    return DETECTORS[detector].color if isinstance(detector, str) else detector is not None


def _find_face(picture: Image.Image, detector: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return box and landmarks of the first detected face; NaN without one."""
    if detector is not None:
        boxes, _, landmarks = detect_faces(picture, detector)
        if len(boxes):
            return boxes[0], landmarks[0]
    return _NOTHING


def _place(face: Face, decoded: Decoded) -> Face:
    """Convert box and landmarks from pixels of the decoded image to those of the upright image."""
    left, top, right, bottom = decoded.part
    start = np.array([left, top])
    scale = np.array([right - left, bottom - top]) / decoded.picture.size
    box = np.r_[start + scale * face.box[:2], scale * face.box[2:]]
    return Face(face.image, box, start + scale * face.landmarks)


def _crop(picture: Image.Image, box: NDArray[np.float64], loader: Any) -> Image.Image:
    size = as_size(loader.image_size)
    if not np.isnan(box[0]):
        return crop_face(picture, box, size, loader.margin)
    return (squeeze if loader.on_missing == "full" else crop_center)(picture, size)


def _shift_inside(start: float, length: float, limit: float) -> float:
    """Move an interval into [0, limit]."""
    return min(max(start, 0.0), limit - length)
