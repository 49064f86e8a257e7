"""Base class of the displays of attribution maps."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import column_or_1d

from ..exceptions import LabelError
from ..metrics._predictions import find_codes
from ._faces import draw_face, lay_out, name_face, scale_to_unit


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
        self.axes_ = lay_out(len(self.images), axes, type(self).__name__)
        self.figure_ = self.axes_[0].figure
        for row, (ax, image) in enumerate(zip(self.axes_, scale_to_unit(self.images), strict=True)):
            confidence = None if self.confidence is None else self.confidence[row]
            draw_face(ax, image, name_face(self.targets[row], confidence))
            # Transparent where the map is 0.
            ax.imshow(self.maps[row], cmap=cmap, vmin=0, vmax=1, alpha=alpha * self.maps[row])
        return self


def choose_targets(target: Any, predicted: NDArray[Any], classes: NDArray[Any], owner: str) -> NDArray[np.intp]:
    """Return the index of the target class of each face, by default the predicted class."""
    if target is None:
        labels = predicted
    elif np.ndim(target) == 0:
        labels = np.full(len(predicted), target)
    else:
        labels = column_or_1d(target)
        if len(labels) != len(predicted):
            raise LabelError(
                f"{owner}: target has {len(labels)} labels for {len(predicted)} faces. Pass one label, or one per face."
            )
    unknown = [label for label in np.unique(labels).tolist() if label not in classes.tolist()]
    if unknown:
        raise LabelError(f"{owner}: target contains {unknown}, expected classes from {classes.tolist()}.")
    return find_codes(labels, classes)


def scale_maps(raw: NDArray[Any]) -> NDArray[np.float64]:
    """Set negative values to 0, and scale the maximum of each map to 1."""
    maps = np.maximum(raw.astype(np.float64), 0)
    peaks = maps.max(axis=(1, 2), keepdims=True)
    # A map without positive values stays 0.
    return np.divide(maps, peaks, out=np.zeros_like(maps), where=peaks > 0)
