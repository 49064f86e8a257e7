"""Detect faces with one of two pretrained detectors or one of the user, and crop them."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..utils._parallel import ForkSafeLock
from ._decode import REDUCING_GAP

# Measured on 450 web photos of faces, and on the same photos upside down, in which every box is a false positive: the
# votes below find a face in 269, with 36 false positives; scikit-image's own grouping has 60 for the same 269.
_LONG_SIDE = 160
_WINDOW = 24
_SCALE_FACTOR = 1.1
_STEP_RATIO = 1.2
_MIN_VOTES = 6
_OVERLAP = 0.5

# Of 899 photos at 320 pixels, it finds a face in 830, and in 19 of them upside down a false positive.
_MTCNN_LONG_SIDE = 320
_MTCNN_SMALLEST = 20
_MTCNN_THRESHOLDS = [0.6, 0.7, 0.9]

# One image at a time: PyTorch parallelizes over the cores, and two thread pools would compete for them.
_MTCNN = ForkSafeLock()

# Images with a side below this many pixels are not cropped.
_SMALLEST_PICTURE = 16

# Images up to this side, in pixels, are taken to be cropped faces.
_LARGEST_CROP = 64

# Thresholds on the standard deviation, in gray levels, of the means of 4 x 4 blocks of an image. Below the first, there
# is no face. Up to the second, there is none if noise alone explains it: the fraction of the pixels' standard deviation
# that remains in means of that many pixels, at most a third. Of 32,298 images of FER2013, 14 are uniform by this
# criterion: the 12 black ones, a gray one and a page of text. At a fifth, a tenth and a twentieth of their brightness
# or contrast, 0.02, 0.3 and 8 % of the others are; of gray images of 24 x 24 pixels or more with noise of a standard
# deviation of up to 15, all are.
_BLANK, _NOISE = 1.0, 4.0


N_LANDMARKS = 5
"""Landmarks of a face: the eye on the left of the image, the other one, the nose, and both corners of the mouth."""


class Detections(NamedTuple):
    """Faces detected in an image, in pixels: boxes ``(x, y, width, height)`` of shape (n_faces, 4), and landmarks.

    The landmarks are ``(x, y)``, of shape (n_faces, 5, 2), or NaN where unknown.
    """

    boxes: NDArray[np.float64]
    landmarks: NDArray[np.float64]


class Detector(NamedTuple):
    """A pretrained detector of a PIL image in mode ``"L"`` or ``"RGB"``, and the images it needs.

    `smallest_face` is the side of the smallest detectable face, as a fraction of the longer side of the image;
    `min_side` that to which larger images may be reduced for it, in pixels.
    """

    detect: Callable[[Image.Image], Detections]
    smallest_face: float
    min_side: int


def detect_faces(picture: Image.Image, detector: str | Callable[..., Any]) -> Detections:
    """Detect the faces in an image with a pretrained detector or a callable, as FaceLoader documents it.

    Boxes are inside the image, the largest first. For ``"lbp"``, the most confident is first, since its largest box is
    more often a false positive.
    """
    if isinstance(detector, str):
        found = DETECTORS[detector].detect(picture)
    else:
        found = _without_landmarks(_as_boxes(detector(np.array(picture.convert("RGB"))), detector))
    start, end = (np.clip(corners, 0, picture.size) for corners in _find_corners(found.boxes))
    boxes = np.c_[start, end - start]
    order = np.argsort(-found.boxes[:, 2:].prod(axis=1), kind="stable")
    order = np.arange(len(boxes)) if detector == "lbp" else order
    order = order[(boxes[order, 2:] >= 1).all(axis=1)]
    return Detections(boxes[order], found.landmarks[order])


def detect_mtcnn(picture: Image.Image) -> Detections:
    """Detect faces with the cascaded networks of Zhang et al. in facenet-pytorch.

    Images are resized to 320 pixels on the longer side, so that the time does not depend on their size.
    """
    if max(picture.size) <= _LARGEST_CROP:
        whole = np.array([[0.0, 0.0, *picture.size]])
        return _without_landmarks(whole[: 0 if is_uniform(picture) else 1])
    nothing = _without_landmarks(np.empty((0, 4)))
    small, scale = _resize(picture.convert("RGB"), _MTCNN_LONG_SIDE)
    if min(small.size) < _MTCNN_SMALLEST:
        return nothing
    with _MTCNN:
        find = _load_mtcnn().detect
        try:
            corners, _, landmarks = find(small, landmarks=True)
        except (IndexError, RuntimeError) as error:
            from ..utils._device import is_out_of_memory

            if is_out_of_memory(error):
                raise
            # Raised if all candidates lie outside the image.
            return nothing
    if corners is None:
        return nothing
    corners = np.asarray(corners, dtype=float)
    boxes = np.c_[corners[:, :2], corners[:, 2:] - corners[:, :2]]
    return Detections(boxes / scale, np.asarray(landmarks, dtype=float) / scale)


def is_uniform(picture: Image.Image) -> bool:
    """Return whether an image is a single color, apart from sensor noise or compression artifacts."""
    gray = picture.convert("L")
    coarse, fine = (float(np.std(np.asarray(image))) for image in (gray.resize((4, 4), Image.Resampling.BOX), gray))
    # Means of noise vary by half as much again by chance.
    share = min(1.6 * (16 / (gray.width * gray.height)) ** 0.5, 1 / 3)
    return coarse < max(_BLANK, min(share * fine, _NOISE))


@lru_cache(maxsize=1)
def _load_mtcnn() -> Any:
    import torch

    from ..utils._device import import_torchvision, use_one_thread_after_fork

    import_torchvision()
    from facenet_pytorch import MTCNN

    use_one_thread_after_fork()
    # It initializes weights at random before loading them; keep the state of the global generator.
    with torch.random.fork_rng(devices=[]):
        return MTCNN(keep_all=True, min_face_size=_MTCNN_SMALLEST, thresholds=_MTCNN_THRESHOLDS, device="cpu")


def detect_lbp(picture: Image.Image) -> Detections:
    """Detect frontal, upright faces with scikit-image's cascade of local binary patterns.

    It is applied to the image and its mirror image, at 160 pixels on the longer side. Each detected window is a vote;
    windows that overlap by half vote together, and 6 votes make a face.
    """
    small, scale = _resize(picture.convert("L"), _LONG_SIDE)
    if min(*small.size, *picture.size) < _WINDOW:
        return _without_landmarks(np.empty((0, 4)))
    gray = np.asarray(small)
    mirrored = _slide_windows(np.ascontiguousarray(gray[:, ::-1]))
    mirrored[:, 0] = small.width - mirrored[:, 0] - mirrored[:, 2]
    return _without_landmarks(_count_votes(np.r_[_slide_windows(gray), mirrored]) / scale)


DETECTORS = {
    "mtcnn": Detector(detect_mtcnn, _MTCNN_SMALLEST / _MTCNN_LONG_SIDE, _MTCNN_LONG_SIDE),
    "lbp": Detector(detect_lbp, _WINDOW / _LONG_SIDE, 0),
}


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


def _resize(picture: Image.Image, long_side: int) -> tuple[Image.Image, float]:
    """Resize the longer side of an image to `long_side` pixels; return the image and the scale factor."""
    scale = long_side / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=REDUCING_GAP), scale


@lru_cache(maxsize=1)
def _load_cascade() -> Any:
    from skimage.data import lbp_frontal_face_cascade_filename
    from skimage.feature import Cascade

    return Cascade(lbp_frontal_face_cascade_filename())


def _slide_windows(gray: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return every window that passes the cascade, ungrouped."""
    side = min(gray.shape)
    windows = _load_cascade().detect_multi_scale(
        img=gray,
        scale_factor=_SCALE_FACTOR,
        step_ratio=_STEP_RATIO,
        min_size=(_WINDOW, _WINDOW),
        max_size=(side, side),
        min_neighbor_number=0,
        # Overlaps never exceed 1, so that no windows are merged: the votes are counted here.
        intersection_score_threshold=2.0,
    )
    return np.array([(w["c"], w["r"], w["width"], w["height"]) for w in windows], dtype=float).reshape(-1, 4)


def _count_votes(windows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Merge overlapping windows into faces, starting with the window that overlaps the most others."""
    faces = []
    while len(windows) >= _MIN_VOTES:
        voters = _intersection_over_union(windows) > _OVERLAP
        chosen = voters[voters.sum(axis=1).argmax()]
        if chosen.sum() < _MIN_VOTES:
            break
        faces.append(windows[chosen].mean(axis=0))
        windows = windows[~chosen]
    return np.array(faces).reshape(-1, 4)


def _intersection_over_union(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    start, end = _find_corners(boxes)
    sides = np.minimum(end[:, None], end) - np.maximum(start[:, None], start)
    intersection = np.clip(sides, 0, None).prod(axis=-1)
    area = boxes[:, 2] * boxes[:, 3]
    return intersection / (area[:, None] + area - intersection)


def _find_corners(boxes: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return ``(left, top)`` and ``(right, bottom)`` of boxes."""
    return boxes[:, :2], boxes[:, :2] + boxes[:, 2:]


def _without_landmarks(boxes: NDArray[np.float64]) -> Detections:
    return Detections(boxes, np.full((len(boxes), N_LANDMARKS, 2), np.nan))


def _as_boxes(found: Any, detector: Callable[..., Any]) -> NDArray[np.float64]:
    if found is None or len(found) == 0:
        return np.empty((0, 4))
    boxes = np.asarray(found, dtype=float)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not np.isfinite(boxes).all():
        raise ValueError(
            f"FaceLoader: detector={detector!r} returned an array of shape {boxes.shape}, expected finite boxes of "
            "shape (n_faces, 4) as (x, y, width, height), or None."
        )
    return boxes
