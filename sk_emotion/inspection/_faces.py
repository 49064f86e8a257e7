"""Loading and plotting of faces for the displays."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._images._validation import learn_pixel_range, validate_images
from .._reports._axes import literal
from ..metrics._predictions import load_faces
from ..preprocessing import FaceLoader

_MAX_COLUMNS = 8


def read_images(estimator: Any, X: Any, image_shape: Any = None) -> tuple[Any, Any, NDArray[Any]]:
    """Load images once; return the classifier after the FaceLoader, its input, and the input as images."""
    classifier, faces = load_faces(estimator, X)
    shape = _find_image_shape(classifier) if image_shape is None else image_shape
    return classifier, faces, as_images(faces, shape)


def as_images(faces: Any, image_shape: Any = None) -> NDArray[Any]:
    """Return arrays, possibly flattened, as images of shape (n, H, W) or (n, H, W, 3)."""
    return validate_images(FaceLoader(image_shape=image_shape), faces, reset=True)


def scale_to_unit(images: NDArray[Any]) -> NDArray[np.float64]:
    """Scale pixels to [0, 1], all images by the same factor."""
    low, high = learn_pixel_range(images)
    return np.clip((images.astype(np.float64) - low) / (high - low), 0, 1)


def lay_out(n_faces: int, axes: Any, owner: str, title_lines: int = 1) -> NDArray[Any]:
    """Return one empty Axes per face: those passed, or those of a new figure."""
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
        raise ValueError(f"{owner}.plot: got {len(cells)} axes, expected {n_faces}: one per face.")
    return cells


def draw_face(ax: Any, image: NDArray[np.float64], title: str = "") -> None:
    """Plot an image with pixels in [0, 1]; names in its title must be escaped by :func:`literal`."""
    ax.imshow(image, cmap="gray", vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[])
    ax.set_title(title, fontsize=8, pad=3)


def name_face(label: Any, confidence: float | None) -> str:
    """Return the title of a face: its label and, if known, its probability."""
    return literal(label) if confidence is None else f"{literal(label)} {confidence:.0%}"


def _find_image_shape(classifier: Any) -> Any:
    """Return the image shape of the first fitted step that has one."""
    classifier = getattr(classifier, "best_estimator_", classifier)
    parts = [part for _, part in getattr(classifier, "steps", [(None, classifier)])]
    return next((part.image_shape_ for part in parts if hasattr(part, "image_shape_")), None)
