"""List the faces of images as a table."""

import warnings
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pandas as pd

from .._images._validation import find_shape
from ..exceptions import DatasetWarning, ImageArrayError, ParameterError
from ..utils._arrays import as_numpy
from ..utils._text import abridge
from ._face_loader import FaceLoader
from ._sources import list_once, list_pictures, name_picture, name_source

# Any size will do, since only the boxes are used: small crops take no time.
_CROP_SIZE = 16

_LANDMARKS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
_COORDINATES = [f"{name}_{axis}" for name in _LANDMARKS for axis in "xy"]


def detect_faces(
    X: Any,
    *,
    detector: str | Callable[..., Any] = "centerface",
    detection_size: int = 640,
    min_score: float = 0.5,
    min_face: float = 10,
    channel_order: Literal["rgb", "bgr"] = "rgb",
    n_jobs: int | None = None,
    progress: Callable[[int], Any] | None = None,
) -> pd.DataFrame:
    """Detect the faces in images.

    Parameters
    ----------
    X : sequence of images, or array-like of shape (n_samples, H, W) or (n_samples, H, W, 3)
        Paths, bytes, file objects, PIL images or arrays, as for :class:`FaceLoader`; also an iterator of them. Unlike
        there, the images of one array are searched for faces, too.
    detector, detection_size, min_score, min_face, channel_order, n_jobs
        As for :class:`FaceLoader`: `detector` is ``"centerface"`` or a callable; `detection_size` is the length in
        pixels of the longer side of the image that the network sees; faces below `min_score` (from 0 to 1) or
        `min_face` (in pixels of the image) are left out; `channel_order` is ``"bgr"`` for frames of OpenCV.
    progress : callable, default=None
        Called with the number of images searched since the last call.

    Returns
    -------
    DataFrame
        One row per face, none for an image without a face:

        - ``picture``: str, the path of the image, or ``"picture 0"``, etc.;
        - ``face``: int, its number in the image, from 0, the largest first;
        - ``x``, ``y``, ``width``, ``height``: float, its box in pixels of the upright image;
        - ``score``: float, the confidence of the detector from 0 to 1. NaN with a callable, and for an image of up to
          64 pixels a side, which is taken to be a face as a whole;
        - ``left_eye_x``, ``left_eye_y``, and the same for ``right_eye``, ``nose``, ``mouth_left`` and ``mouth_right``:
          float, its landmarks in pixels; left is the left of the image for an upright face. NaN where there is no
          score.

        ``attrs["unread"]`` maps the positions of images that cannot be read to the reasons.

    Raises
    ------
    ImageArrayError
        If `X` is one image: pass ``[image]``.
    ValueError
        If a parameter is out of range.

    Warns
    -----
    DatasetWarning
        If images cannot be read.

    See Also
    --------
    FaceLoader : Crop faces.
    predict_faces : Predict the emotion of each face.

    Examples
    --------
    >>> from skimage.data import astronaut
    >>> from sk_emotion import detect_faces
    >>> faces = detect_faces([astronaut()])
    >>> faces[["picture", "face", "x", "y", "width", "height", "score"]].round(2)  # doctest: +SKIP
         picture  face       x      y  width  height  score
    0  picture 0     0  180.04  57.91  90.66  118.01   0.91
    """
    if detector is None:
        raise ParameterError('detect_faces: detector=None, expected "centerface" or a callable.')
    X = as_numpy(list_once(X), "detect_faces")
    pictures = list_pictures(X)
    if pictures is None:
        shape = find_shape(X)
        if len(shape) == 2 or (len(shape) == 3 and shape[-1] <= 4):
            raise ImageArrayError(
                f"detect_faces: X has shape {shape}, expected images as a list, (n, H, W) or (n, H, W, 3). Pass [X] if "
                "it is one image, or X.reshape(n, H, W) if its rows are flattened images."
            )
        pictures = list(np.asarray(X))
    loader = FaceLoader(
        _CROP_SIZE,
        detector=detector,
        detection_size=detection_size,
        min_score=min_score,
        min_face=min_face,
        on_error="blank",
        channel_order=channel_order,
        n_jobs=n_jobs,
    )
    with warnings.catch_warnings():
        # The warning of the loader says that they are blank.
        warnings.simplefilter("ignore", DatasetWarning)
        loaded = loader.fit(pictures).load(pictures, faces="all", progress=progress)
    if loaded.unread:
        unread = abridge([f"{name_picture(pictures, index)} {reason}" for index, reason in loaded.unread.items()])
        warnings.warn(
            f"detect_faces: {len(loaded.unread)} of {len(pictures)} images cannot be read: {unread}.",
            DatasetWarning,
            stacklevel=2,
        )
    found = loaded.found
    positions = loaded.positions[found]
    points = loaded.landmarks[found].reshape(-1, len(_COORDINATES))
    table = pd.DataFrame(
        {
            "picture": np.array([name_source(pictures[position], position) for position in positions], dtype=object),
            "face": loaded.numbers[found],
            **dict(zip(("x", "y", "width", "height"), loaded.boxes[found].T, strict=True)),
            "score": loaded.scores[found],
            **dict(zip(_COORDINATES, points.T, strict=True)),
        }
    )
    table.attrs["unread"] = loaded.unread
    return table
