"""What all displays share that tell which part of a face decides."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import column_or_1d

from ..exceptions import LabelError
from ..metrics._predictions import find_codes
from ._faces import draw_face, lay_out, name_face, scale_to_unit


class AttributionDisplay:
    """Maps of what speaks for a class, laid over the faces."""

    def __init__(self, *, images: NDArray[Any], maps: NDArray[np.float64], targets: Any, confidence: Any = None):
        self.images = images
        self.maps = maps
        self.targets = targets
        self.confidence = confidence

    def plot(self, axes: Any = None, *, cmap: Any = "inferno", alpha: float = 0.7) -> Any:
        """Draw each face with its map over it.

        Parameters
        ----------
        axes : sequence of matplotlib Axes of length n_faces, default=None
            Where to draw; by default on a new figure.
        cmap : str or matplotlib Colormap, default="inferno"
            Colours of the map, from 0 to 1.
        alpha : float, default=0.7
            How far the map covers the face where it is strongest, from 0 to 1.

        Returns
        -------
        self : display
        """
        self.axes_ = lay_out(len(self.images), axes, type(self).__name__)
        self.figure_ = self.axes_[0].figure
        for row, (ax, image) in enumerate(zip(self.axes_, scale_to_unit(self.images), strict=True)):
            confidence = None if self.confidence is None else self.confidence[row]
            draw_face(ax, image, name_face(self.targets[row], confidence))
            # Where nothing speaks for the class, the face is seen as it is.
            ax.imshow(self.maps[row], cmap=cmap, vmin=0, vmax=1, alpha=alpha * self.maps[row])
        return self


def choose_targets(target: Any, predicted: NDArray[Any], classes: NDArray[Any], owner: str) -> NDArray[np.intp]:
    """Give the position of the class that is asked about for each face: the predicted one, if none is named."""
    if target is None:
        labels = predicted
    elif np.ndim(target) == 0:
        labels = np.full(len(predicted), target)
    else:
        labels = column_or_1d(target)
        if len(labels) != len(predicted):
            raise LabelError(
                f"{owner}: target has {len(labels)} labels for {len(predicted)} faces. Give one label, or one a face."
            )
    unknown = [label for label in np.unique(labels).tolist() if label not in classes.tolist()]
    if unknown:
        raise LabelError(f"{owner}: target holds {unknown}, expected some of the classes {classes.tolist()}.")
    return find_codes(labels, classes)


def scale_maps(raw: NDArray[Any]) -> NDArray[np.float64]:
    """Leave out what speaks against the class, and let the highest point of each map be 1."""
    maps = np.maximum(raw.astype(np.float64), 0)
    peaks = maps.max(axis=(1, 2), keepdims=True)
    # A map without anything that speaks for the class stays 0.
    return np.divide(maps, peaks, out=np.zeros_like(maps), where=peaks > 0)
