"""Where the face is: two detectors that others trained, or whatever detector the user brings."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..utils._locks import ForkSafeLock, compute_alone_after_fork
from ..utils._torchvision import import_torchvision
from ._crop import REDUCING_GAP

# Measured on 450 web photos of faces, and on the same photos upside down, in which every box is a mistake: the votes
# below see a face in 269 and make 36 mistakes; scikit-image's own grouping makes 60 for the same 269.
_LONG_SIDE = 160
_WINDOW = 24
_SCALE_FACTOR = 1.1
_STEP_RATIO = 1.2
_MIN_VOTES = 6
_OVERLAP = 0.5

MTCNN_LONG_SIDE = 320
"""Longer side, in pixels, at which MTCNN looks at a picture."""

# On the 899 photos at 320 pixels: a face in 830, and in 19 of them upside down where there is none.
_MTCNN_SMALLEST = 20
_MTCNN_THRESHOLDS = [0.6, 0.7, 0.9]

# One picture at a time: PyTorch spreads it over the cores, and two teams of threads would wait for each other.
_MTCNN = ForkSafeLock()

SMALLEST_FACE = {"lbp": _WINDOW / _LONG_SIDE, "mtcnn": _MTCNN_SMALLEST / MTCNN_LONG_SIDE}
"""Side of the smallest face that a detector sees, as a share of the picture's longer side."""

LARGEST_CROP = 64
"""Side, in pixels, up to which a picture is taken for a face that somebody has cropped, not for a photo."""

# Standard deviations, in gray levels, of the means over 4 x 4 parts of a picture. Below the first there is no face. Up
# to the second there is none if noise alone makes as much: the share of the pixels' standard deviation that is left in
# means over so many pixels, at most a third. Of 32,298 images of FER2013, 14 are uniform by this: the 12 black ones, a
# gray one and a page of text. Of the others at a fifth, a tenth and a twentieth of their brightness or contrast, 0.02,
# 0.3 and 8 % are; of images of 24 x 24 gray pixels or more with noise of a deviation of up to 15, all.
_BLANK, _NOISE = 1.0, 4.0


def detect_faces(picture: Image.Image, detector: str | Callable[..., Any]) -> NDArray[np.float64]:
    """Find the faces in a picture.

    Parameters
    ----------
    picture : PIL.Image.Image
        In mode ``"L"`` or ``"RGB"``.
    detector : {"mtcnn", "lbp"} or callable
        A callable takes a uint8 array of shape (H, W, 3) and returns boxes of shape (n_faces, 4), or None.

    Returns
    -------
    ndarray of shape (n_faces, 4)
        ``(x, y, width, height)`` in pixels, inside the picture. The largest is first; but the surest of the cascade,
        whose largest is more often a mistake.

    Raises
    ------
    ValueError
        If the callable returns anything but boxes.
    """
    if callable(detector):
        boxes = _largest_first(_as_boxes(detector(np.array(picture.convert("RGB"))), detector))
    elif detector == "mtcnn":
        boxes = _largest_first(detect_mtcnn(picture))
    else:
        boxes = detect_lbp(picture)
    corners = np.clip(np.c_[boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 0, [picture.width, picture.height] * 2)
    boxes = np.c_[corners[:, :2], corners[:, 2:] - corners[:, :2]]
    return boxes[(boxes[:, 2:] >= 1).all(axis=1)]


def detect_mtcnn(picture: Image.Image) -> NDArray[np.float64]:
    """Find faces with the cascade of three networks of Zhang et al., as facenet-pytorch brings it.

    Parameters
    ----------
    picture : PIL.Image.Image

    Returns
    -------
    ndarray of shape (n_faces, 4)
        ``(x, y, width, height)`` in pixels. A picture of up to 64 pixels is a face already, and its box is all of it,
        unless it is uniform, but for noise.

    Notes
    -----
    It looks at 320 pixels on the longer side, so that a face takes as long in any picture.

    References
    ----------
    .. [1] Zhang, K., Zhang, Z., Li, Z., & Qiao, Y. (2016). Joint face detection and alignment using multitask cascaded
       convolutional networks. IEEE Signal Processing Letters.
    """
    if max(picture.size) <= LARGEST_CROP:
        return np.empty((0, 4)) if is_uniform(picture) else np.array([[0.0, 0.0, *picture.size]])
    small, scale = _resize(picture.convert("RGB"), MTCNN_LONG_SIDE)
    if min(small.size) < _MTCNN_SMALLEST:
        return np.empty((0, 4))
    with _MTCNN:
        find = _load_mtcnn().detect
        try:
            corners, _ = find(small)
        except (IndexError, RuntimeError) as error:
            from ..utils._device import is_out_of_memory

            if is_out_of_memory(error):
                raise
            # So it ends where all its candidates lie outside the picture.
            corners = None
    if corners is None:
        return np.empty((0, 4))
    corners = np.asarray(corners, dtype=float)
    return np.c_[corners[:, :2], corners[:, 2:] - corners[:, :2]] / scale


def is_uniform(picture: Image.Image) -> bool:
    """Tell whether a picture shows nothing: one gray or color, but for noise of a sensor or of compression."""
    gray = picture.convert("L")
    coarse, fine = (float(np.std(np.asarray(image))) for image in (gray.resize((4, 4), Image.Resampling.BOX), gray))
    # By chance, the means of noise differ by half as much again.
    share = min(1.6 * (16 / (gray.width * gray.height)) ** 0.5, 1 / 3)
    return coarse < max(_BLANK, min(share * fine, _NOISE))


@lru_cache(maxsize=1)
def _load_mtcnn() -> Any:
    import torch

    import_torchvision()
    from facenet_pytorch import MTCNN

    compute_alone_after_fork()
    # It draws weights before it reads them; what the user draws stays as it is.
    with torch.random.fork_rng(devices=[]):
        return MTCNN(keep_all=True, min_face_size=_MTCNN_SMALLEST, thresholds=_MTCNN_THRESHOLDS, device="cpu")


def detect_lbp(picture: Image.Image) -> NDArray[np.float64]:
    """Find frontal, upright faces with scikit-image's cascade of local binary patterns.

    Parameters
    ----------
    picture : PIL.Image.Image

    Returns
    -------
    ndarray of shape (n_faces, 4)
        ``(x, y, width, height)`` in pixels, the surest first.

    Notes
    -----
    The cascade [1]_ looks at the picture and at its mirror image, at 160 pixels on the longer side. Each window that
    it takes for a face is a vote; windows that overlap by half vote together, and 6 votes make a face.

    References
    ----------
    .. [1] Liao, S., Zhu, X., Lei, Z., Zhang, L., & Li, S. Z. (2007). Learning multi-scale block local binary patterns
       for face recognition. International Conference on Biometrics.
    """
    small, scale = _resize(picture.convert("L"), _LONG_SIDE)
    if min(*small.size, *picture.size) < _WINDOW:
        return np.empty((0, 4))
    gray = np.asarray(small)
    mirrored = _slide_windows(np.ascontiguousarray(gray[:, ::-1]))
    mirrored[:, 0] = small.width - mirrored[:, 0] - mirrored[:, 2]
    return _count_votes(np.r_[_slide_windows(gray), mirrored]) / scale


def _resize(picture: Image.Image, long_side: int) -> tuple[Image.Image, float]:
    """Bring the longer side of a picture to `long_side` pixels; give the picture, and its size as a share of before."""
    scale = long_side / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=REDUCING_GAP), scale


@lru_cache(maxsize=1)
def _load_cascade() -> Any:
    from skimage.data import lbp_frontal_face_cascade_filename
    from skimage.feature import Cascade

    return Cascade(lbp_frontal_face_cascade_filename())


def _slide_windows(gray: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Collect every window that passes the cascade, ungrouped."""
    side = min(gray.shape)
    windows = _load_cascade().detect_multi_scale(
        img=gray,
        scale_factor=_SCALE_FACTOR,
        step_ratio=_STEP_RATIO,
        min_size=(_WINDOW, _WINDOW),
        max_size=(side, side),
        min_neighbor_number=0,
        # No two windows overlap by more than all, so that none are merged: the votes are counted here.
        intersection_score_threshold=2.0,
    )
    return np.array([(w["c"], w["r"], w["width"], w["height"]) for w in windows], dtype=float).reshape(-1, 4)


def _count_votes(windows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Merge overlapping windows into faces, beginning with the window that most others overlap."""
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
    start, end = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    sides = np.minimum(end[:, None], end) - np.maximum(start[:, None], start)
    intersection = np.clip(sides, 0, None).prod(axis=-1)
    area = boxes[:, 2] * boxes[:, 3]
    return intersection / (area[:, None] + area - intersection)


def _largest_first(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return boxes[np.argsort(-boxes[:, 2] * boxes[:, 3], kind="stable")]


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
