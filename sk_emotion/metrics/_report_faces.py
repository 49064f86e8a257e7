"""The faces that a report shows, and their thumbnails."""

import math
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._images._stored import as_indexable, is_stored
from .._images._validation import learn_pixel_range
from .._reports._report_summary import Face
from ..exceptions import ImageArrayError, LabelError
from ..preprocessing._sources import list_pictures

# Number of faces per gallery, and their longer side in pixels.
_MOST_FACES, _SIDE = 24, 96


def rank_mistakes(scores: NDArray[np.float64], true: NDArray[Any], predicted: NDArray[Any]) -> NDArray[np.int64]:
    """Return the misclassified rows with the highest scores, in descending order."""
    confidence = scores[np.arange(len(true)), predicted]
    wrong = np.flatnonzero(true != predicted)
    return wrong[np.argsort(-confidence[wrong], kind="stable")][:_MOST_FACES]


def rank_doubtful(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the rows with the smallest margin between the two highest scores, in ascending order."""
    highest = np.sort(scores, axis=1)[:, -2:]
    return np.argsort(highest[:, 1] - highest[:, 0], kind="stable")[:_MOST_FACES]


def check_images(images: Any, n_samples: int) -> NDArray[Any]:
    """Check that there is one image per label."""
    images = as_indexable(images)
    if isinstance(images, np.ndarray) or not is_stored(images):
        images = np.asarray(images)
    shape = images.shape
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[-1] not in (1, 3)):
        raise ImageArrayError(
            f"EmotionReport: images has shape {shape}, expected (n, H, W) or (n, H, W, 3). Reshape flattened images, "
            "as in images.reshape(-1, 48, 48)."
        )
    if shape[0] != n_samples:
        raise ImageArrayError(
            f"EmotionReport: y_true has {n_samples} labels, but images has {shape[0]} faces. Pass one image per label."
        )
    return images


def check_image_names(names: Any, n_samples: int) -> list[str]:
    """Check that there is one name per image; return an empty list without names."""
    if names is None:
        return []
    texts = [os.fsdecode(name) if isinstance(name, os.PathLike | bytes) else str(name) for name in names]
    if len(texts) != n_samples:
        raise LabelError(
            f"EmotionReport: y_true has {n_samples} labels, but image_names has {len(texts)} names. Pass one per image."
        )
    return texts


def find_names(X: Any) -> list[str] | None:
    """Return the paths of images as their names; None if `X` does not contain paths."""
    # Numeric arrays may be larger than memory: do not touch them.
    are_numbers = getattr(getattr(X, "dtype", None), "kind", "O") in "biuf"
    pictures = None if are_numbers else list_pictures(X)
    if pictures is None or not all(isinstance(picture, str | os.PathLike) for picture in pictures):
        return None
    return [os.fspath(picture) for picture in pictures]


def find_images(estimator: Any, faces: Any) -> Any:
    """Return the input of an estimator as an array of images; None if it is not images but, say, features."""
    if not (isinstance(faces, np.ndarray) or is_stored(faces)) or faces.dtype.kind not in "uif":
        return None
    if faces.ndim > 2:
        return faces if faces.ndim == 3 or faces.shape[-1] in (1, 3) else None
    inner = getattr(estimator, "best_estimator_", estimator)
    for step in [step for _, step in getattr(inner, "steps", [])] or [inner]:
        shape = getattr(step, "image_shape_", None)
        if shape is not None and faces.ndim == 2 and math.prod(shape) == faces.shape[1]:
            return faces.reshape(-1, *shape)
    return None


def take_thumbnails(images: NDArray[Any], rows: NDArray[np.int64]) -> dict[int, NDArray[np.uint8]]:
    """Make uint8 thumbnails of some rows."""
    from PIL import Image

    low, high = learn_pixel_range(images)
    small = {}
    for row in rows:
        face = images[row] if images.dtype == np.uint8 else (images[row] - low) / (high - low) * 255
        picture = Image.fromarray(np.clip(face, 0, 255).round().astype(np.uint8).squeeze())
        picture.thumbnail((_SIDE, _SIDE))
        small[int(row)] = np.asarray(picture)
    return small


def collect_faces(
    rows: NDArray[np.int64],
    thumbnails: dict[int, NDArray[np.uint8]],
    names: dict[int, str],
    y_true: NDArray[Any],
    y_pred: NDArray[Any],
    confidence: NDArray[np.float64] | None,
) -> list[Face]:
    """Collect the faces of some rows for a gallery; return an empty list without thumbnails."""
    return [
        Face(
            row=row,
            true=str(y_true[row]),
            predicted=str(y_pred[row]),
            confidence=None if confidence is None else float(confidence[row]),
            name=names.get(row, ""),
            image=thumbnails[row],
        )
        for row in map(int, rows)
        if thumbnails
    ]
