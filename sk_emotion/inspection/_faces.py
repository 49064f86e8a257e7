"""Faces, and maps of where a classifier looks, as the displays plot them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import column_or_1d

from .._images._validation import learn_pixel_range, validate_images
from .._reports._axes import literal
from ..metrics._predictions import find_codes, load_faces
from ..preprocessing import FaceLoader
from ..utils._labels import check_known, check_same_length

_MAX_COLUMNS = 8


def read_images(estimator: Any, X: Any, image_shape: Any = None) -> tuple[Any, Any, NDArray[Any]]:
    """Load images once; return the classifier after the FaceLoader, its input, and the input as images."""
    classifier, faces = load_faces(estimator, X)
    shape = _find_image_shape(classifier) if image_shape is None else image_shape
    return classifier, faces, as_images(faces, shape)


def as_images(faces: Any, image_shape: Any = None) -> NDArray[Any]:
    """Return arrays, possibly flattened, as images of shape (n, H, W) or (n, H, W, 3)."""
    return validate_images(FaceLoader(image_shape=image_shape), faces, reset=True)


def draw_faces(images: NDArray[Any], titles: list[str], axes: Any, owner: str, title_lines: int = 1) -> NDArray[Any]:
    """Plot each image on one Axes, of a new figure by default; names in titles must be escaped by :func:`literal`."""
    if axes is None:
        import matplotlib.pyplot as plt

        n_rows = -(-len(images) // _MAX_COLUMNS)
        n_columns = -(-len(images) // n_rows)
        size = (1.45 * n_columns, (1.5 + 0.15 * title_lines) * n_rows)
        _, grid = plt.subplots(n_rows, n_columns, figsize=size, squeeze=False, layout="constrained")
        for spare in grid.flat[len(images) :]:
            spare.remove()
        axes = grid.flat[: len(images)]
    cells = np.ravel(axes)
    if len(cells) != len(images):
        raise ValueError(f"{owner}.plot: got {len(cells)} axes, expected {len(images)}: one per face.")
    # All pixels are scaled to [0, 1] by the same factor.
    low, high = learn_pixel_range(images)
    for ax, image, title in zip(cells, images.astype(np.float64), titles, strict=True):
        ax.imshow(np.clip((image - low) / (high - low), 0, 1), cmap="gray", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
        ax.set_title(title, fontsize=8, pad=3)
    return cells


def name_face(label: Any, confidence: float | None) -> str:
    """Return the title of a face: its label and, if known, its probability."""
    return literal(label) if confidence is None else f"{literal(label)} {confidence:.0%}"


class AttributionDisplay:
    """Attribution maps overlaid on faces."""

    def __init__(self, *, images: NDArray[Any], maps: NDArray[np.float64], targets: Any, confidence: Any = None):
        self.images = images
        self.maps = maps
        self.targets = targets
        self.confidence = confidence

    def plot(self, axes: Any = None, *, cmap: Any = "inferno", alpha: float = 0.7) -> Any:
        """Plot each face overlaid with its map.

        Parameters
        ----------
        axes : sequence of matplotlib Axes of length n_faces, default=None
            Axes to plot on; by default on a new figure.
        cmap : str or matplotlib Colormap, default="inferno"
            Colormap of values from 0 to 1.
        alpha : float, default=0.7
            Opacity of the map at its maximum, from 0 to 1.

        Returns
        -------
        self : display
        """
        confidences = [None] * len(self.images) if self.confidence is None else self.confidence
        titles = [name_face(*named) for named in zip(self.targets, confidences, strict=True)]
        self.axes_ = draw_faces(self.images, titles, axes, type(self).__name__)
        self.figure_ = self.axes_[0].figure
        for ax, attribution in zip(self.axes_, self.maps, strict=True):
            # Transparent where the map is 0.
            ax.imshow(attribution, cmap=cmap, vmin=0, vmax=1, alpha=alpha * attribution)
        return self


def choose_targets(target: Any, predicted: NDArray[Any], classes: NDArray[Any], owner: str) -> NDArray[np.intp]:
    """Return the index of the target class of each face, by default the predicted class."""
    if target is None:
        labels = predicted
    elif np.ndim(target) == 0:
        labels = np.full(len(predicted), target)
    else:
        labels = column_or_1d(target)
        given = ("X", len(predicted), "faces"), ("target", len(labels), "labels")
        check_same_length(owner, *given, "one label, or one per face")
    check_known(owner, "target", labels, classes)
    return find_codes(labels, classes)


def scale_maps(raw: NDArray[Any]) -> NDArray[np.float64]:
    """Set negative values to 0, and scale the maximum of each map to 1."""
    maps = np.maximum(raw.astype(np.float64), 0)
    peaks = maps.max(axis=(1, 2), keepdims=True)
    # A map without positive values stays 0.
    return np.divide(maps, peaks, out=np.zeros_like(maps), where=peaks > 0)


def _find_image_shape(classifier: Any) -> Any:
    """Return the image shape of the first fitted step that has one."""
    classifier = getattr(classifier, "best_estimator_", classifier)
    parts = [part for _, part in getattr(classifier, "steps", [(None, classifier)])]
    return next((part.image_shape_ for part in parts if hasattr(part, "image_shape_")), None)
