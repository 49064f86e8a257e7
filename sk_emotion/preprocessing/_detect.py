"""Find the faces of an image with CenterFace or a detector of the user."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ._centerface import N_LANDMARKS, Detections, find_with_centerface

FORMER_DETECTORS = ("mtcnn", "lbp")
"""Names of detectors of earlier versions, in place of which CenterFace is used."""

# Images of up to this side, in pixels, are taken to be cropped faces.
_LARGEST_CROP = 64

# Thresholds on the standard deviation, in gray levels, of the means of 4 x 4 blocks of an image. Below the first, there
# is no face. Up to the second, there is none if noise alone explains it: the fraction of the pixels' standard deviation
# that remains in means of that many pixels, at most a third. Of 32,298 images of FER2013, 14 are uniform by this
# criterion: the 12 black ones, a gray one and a page of text. At a fifth, a tenth and a twentieth of their brightness
# or contrast, 0.02, 0.3 and 8 % of the others are; of gray images of 24 x 24 pixels or more with noise of a standard
# deviation of up to 15, all are.
_BLANK, _NOISE = 1.0, 4.0


def looks_for_faces(detector: Any, is_cropped: bool) -> bool:
    """Return whether a detector looks at an image, of which `is_cropped` says that it is in a batch of faces."""
    return callable(detector) or (detector is not None and not is_cropped)


def find_faces(picture: Image.Image, loader: Any, *, is_cropped: bool = False, scale: float = 1.0) -> Detections:
    """Find the faces of an image in mode ``"L"`` or ``"RGB"`` as a FaceLoader does, the largest first.

    Boxes are inside the image. `is_cropped` says that the image is a face already, `scale` how many pixels of the
    original one of its pixels is.
    """
    if loader.detector is None:
        return _without_scores(np.empty((0, 4)))
    if callable(loader.detector):
        found = _without_scores(_ask(loader.detector, picture))
        smallest = 0.0
    elif not looks_for_faces(loader.detector, is_cropped) or max(picture.size) <= _LARGEST_CROP:
        whole = np.array([[0.0, 0.0, *picture.size]])
        return _without_scores(whole[: 0 if is_uniform(picture) else 1])
    else:
        found = find_with_centerface(picture, loader.detection_size, loader.min_score)
        smallest = loader.min_face / scale
    corners = found.boxes[:, :2], found.boxes[:, :2] + found.boxes[:, 2:]
    start, end = (np.clip(corner, 0, picture.size) for corner in corners)
    boxes = np.c_[start, end - start]
    order = np.argsort(-boxes[:, 2:].prod(axis=1), kind="stable")
    order = order[(boxes[order, 2:] >= 1).all(axis=1) & (boxes[order, 2:].prod(axis=1) >= smallest**2)]
    return Detections(boxes[order], found.scores[order], found.landmarks[order])


def warn_of_former(detector: Any, stacklevel: int) -> bool:
    """Warn if a detector is one of an earlier version; return whether it is."""
    is_former = isinstance(detector, str) and detector in FORMER_DETECTORS
    if is_former:
        warnings.warn(
            f'FaceLoader: detector="{detector}" was removed; CenterFace is used, whose crops differ slightly. Pass '
            'detector="centerface", and train models again if accuracy matters.',
            FutureWarning,
            stacklevel=stacklevel + 1,
        )
    return is_former


def is_uniform(picture: Image.Image) -> bool:
    """Return whether an image is a single color, apart from sensor noise or compression artifacts."""
    gray = picture.convert("L")
    coarse = float(np.std(np.asarray(gray.resize((4, 4), Image.Resampling.BOX))))
    if not _BLANK <= coarse < _NOISE:
        return coarse < _BLANK
    # Means of noise vary by half as much again by chance.
    share = min(1.6 * (16 / (gray.width * gray.height)) ** 0.5, 1 / 3)
    return coarse < share * float(np.std(np.asarray(gray)))


def _ask(detector: Callable[..., Any], picture: Image.Image) -> NDArray[np.float64]:
    """Return the boxes that a detector of the user finds."""
    found = detector(np.array(picture.convert("RGB")))
    try:
        boxes = np.asarray([] if found is None else found, dtype=float)
    except (TypeError, ValueError):
        boxes = np.empty(())
    if boxes.ndim and not boxes.size:
        return np.empty((0, 4))
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not np.isfinite(boxes).all():
        raise ValueError(
            f"FaceLoader: detector={detector!r} returned {found!r:.200}, expected finite boxes of shape (n_faces, 4) "
            "as (x, y, width, height), or None."
        )
    return boxes


def _without_scores(boxes: NDArray[np.float64]) -> Detections:
    return Detections(boxes, np.full(len(boxes), np.nan), np.full((len(boxes), N_LANDMARKS, 2), np.nan))
