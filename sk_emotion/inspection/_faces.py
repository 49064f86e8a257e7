"""Faces as the estimator sees them, and as they are drawn."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._images._validation import learn_pixel_range, validate_images
from .._reports._axes import literal
from ..metrics._predictions import load_faces
from ..preprocessing import FaceLoader

_MAX_COLUMNS = 8


def read_images(estimator: Any, X: Any, image_shape: Any = None) -> tuple[Any, Any, NDArray[Any]]:
    """Read pictures once; give the classifier behind the FaceLoader, what it takes, and the same as images."""
    classifier, faces = load_faces(estimator, X)
    shape = _find_image_shape(classifier) if image_shape is None else image_shape
    return classifier, faces, as_images(faces, shape)


def as_images(faces: Any, image_shape: Any = None) -> NDArray[Any]:
    """Give arrays, also flattened ones, as images of shape (n, H, W) or (n, H, W, 3)."""
    return validate_images(FaceLoader(image_shape=image_shape), faces, reset=True)


def scale_to_unit(images: NDArray[Any]) -> NDArray[np.float64]:
    """Bring pixels to [0, 1], all images by the same measure."""
    low, high = learn_pixel_range(images)
    return np.clip((images.astype(np.float64) - low) / (high - low), 0, 1)


def lay_out(n_faces: int, axes: Any, owner: str, title_lines: int = 1) -> NDArray[Any]:
    """Give an empty cell for each face: on the axes that are given, or on a new figure."""
    if axes is None:
        import matplotlib.pyplot as plt

        n_rows = -(-n_faces // _MAX_COLUMNS)
        n_columns = -(-n_faces // n_rows)
        size = (1.45 * n_columns, (1.5 + 0.15 * title_lines) * n_rows)
        _, grid = plt.subplots(n_rows, n_columns, figsize=size, squeeze=False, layout="constrained")
        for spare in grid.flat[n_faces:]:
            spare.remove()
        axes = grid.flat[:n_faces]
    cells = np.ravel(axes)
    if len(cells) != n_faces:
        raise ValueError(f"{owner}.plot: {len(cells)} axes, expected {n_faces}: one for each face.")
    return cells


def draw_face(ax: Any, image: NDArray[np.float64], title: str = "") -> None:
    """Draw an image with pixels in [0, 1]; names in its title are those of :func:`literal`."""
    ax.imshow(image, cmap="gray", vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[])
    ax.set_title(title, fontsize=8, pad=3)


def name_face(label: Any, confidence: float | None) -> str:
    """Write a label for the title of a face, with its probability, where there is one."""
    return literal(label) if confidence is None else f"{literal(label)} {confidence:.0%}"


def _find_image_shape(classifier: Any) -> Any:
    """Give the image shape that the first part which knows one was fitted on."""
    classifier = getattr(classifier, "best_estimator_", classifier)
    parts = [part for _, part in getattr(classifier, "steps", [(None, classifier)])]
    return next((part.image_shape_ for part in parts if hasattr(part, "image_shape_")), None)
