"""Displays of the regions that a classifier uses: what they share, and maps by occlusion."""

from itertools import product
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import column_or_1d

from ..metrics._predictions import check_scores, find_codes, predict_with_scores, score_images
from ..utils._labels import check_known, check_same_length
from ._face_grid import draw_faces, name_faces, read_images


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
        titles = name_faces(self.targets, self.confidence)
        self.axes_ = draw_faces(self.images, titles, axes, type(self).__name__)
        self.figure_ = self.axes_[0].figure
        for ax, attribution in zip(self.axes_, self.maps, strict=True):
            # Transparent where the map is 0.
            ax.imshow(attribution, cmap=cmap, vmin=0, vmax=1, alpha=alpha * attribution)
        return self


class OcclusionDisplay(AttributionDisplay):
    """Occlusion maps: how far the score of a class drops when parts of a face are covered [1]_.

    Use :meth:`from_estimator`. It accepts any classifier, which predicts about fifty copies of each face.

    Parameters
    ----------
    images : ndarray of shape (n_faces, H, W) or (n_faces, H, W, 3)
        Faces as the classifier receives them.
    maps : ndarray of float64 of shape (n_faces, H, W)
        From 0 to 1, the largest drop of each face; all 0 if no patch makes the score drop.
    targets : ndarray of shape (n_faces,)
        Class that each map explains.
    confidence : ndarray of float of shape (n_faces,), default=None
        Probability of the target class; None if the scores are decision values.
    drops : ndarray of float64 of shape (n_faces, H, W), default=None
        Mean drop of the score over the patches that cover each pixel; negative where the score rises.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_faces,)
        After :meth:`plot`.
    figure_ : matplotlib Figure
        After :meth:`plot`.

    See Also
    --------
    GradCAMDisplay : Faster maps, for networks.

    Notes
    -----
    A patch has the mean color of the face. Covered faces differ from all training faces, and a classifier may respond
    to that: a drop is a hint, not the contribution of the patch to the decision. An SVM with an RBF kernel, such as
    that of :func:`make_hog_svm`, is less confident about anything that differs from its training faces. Its score may
    drop most where all training faces look the same, which is not informative.

    References
    ----------
    .. [1] Zeiler, M. D., & Fergus, R. (2014). Visualizing and understanding convolutional networks. ECCV.

    Examples
    --------
    >>> from sk_emotion import OcclusionDisplay, make_faces, make_hog_svm
    >>> X, y, groups = make_faces(60, emotions=["happiness", "pain"], random_state=0)
    >>> clf = make_hog_svm().fit(X, y)
    >>> OcclusionDisplay.from_estimator(clf, X[:2], target="pain").maps.shape
    (2, 48, 48)
    """

    def __init__(
        self,
        *,
        images: NDArray[Any],
        maps: NDArray[np.float64],
        targets: Any,
        confidence: Any = None,
        drops: NDArray[np.float64] | None = None,
    ):
        super().__init__(images=images, maps=maps, targets=targets, confidence=confidence)
        self.drops = drops

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        target: Any = None,
        patch_size: float = 0.25,
        stride: float = 0.125,
        image_shape: Any = None,
        axes: Any = None,
    ) -> "OcclusionDisplay":
        """Plot the regions that a classifier uses.

        Parameters
        ----------
        estimator : classifier
            Fitted classifier with ``predict_proba`` or ``decision_function``.
        X : array, list or DataFrame of length n_faces
            Images or paths, as the estimator takes them.
        target : label, or array-like of shape (n_faces,), default=None
            Class to explain, one for all faces or one per face; by default the predicted class.
        patch_size : float, default=0.25
            Height and width of the patch, as a fraction of those of the face.
        stride : float, default=0.125
            Step between patches, as a fraction of the height and width of the face. Half the stride takes four times as
            long.
        image_shape : tuple of int, default=None
            ``(height, width)`` or ``(height, width, 3)`` of flattened images; by default that of the estimator, or a
            square.
        axes : sequence of matplotlib Axes, default=None
            Axes to plot on, one per face; by default on a new figure.

        Returns
        -------
        OcclusionDisplay

        Raises
        ------
        TypeError
            If the classifier has neither ``predict_proba`` nor ``decision_function``.
        LabelError
            If `target` is not a class of the estimator.
        ValueError
            If `patch_size` or `stride` is not between 0 and 1.
        """
        owner = cls.__name__
        for name, share in (("patch_size", patch_size), ("stride", stride)):
            if not isinstance(share, Real) or not 0 < float(share) < 1:
                raise ValueError(f"{owner}: {name}={share!r}, expected a fraction of the face between 0 and 1.")
        classifier, faces, images = read_images(estimator, X, image_shape)
        predicted, scores = predict_with_scores(classifier, faces)
        if scores is None:
            raise TypeError(
                f"{owner}: {type(estimator).__name__} has neither predict_proba nor decision_function. Use a "
                "classifier that has one of them, such as make_hog_svm(probability=True)."
            )
        classes = classifier.classes_
        scores = check_scores(scores, classes, len(images), owner)
        codes = choose_targets(target, predicted, classes, owner)
        own = scores[np.arange(len(images)), codes]
        patches = _lay_patches(images.shape[1:3], patch_size, stride)
        form = np.shape(faces)[1:]
        drops = np.empty(images.shape[:3])
        for row, image in enumerate(images):
            copies = _cover(image, patches).reshape(len(patches), *form)
            answers = check_scores(score_images(classifier, copies), classes, len(patches), owner)
            drops[row] = _average_patches(own[row] - answers[:, codes[row]], patches, image.shape[:2])
        confidence = own if hasattr(classifier, "predict_proba") else None
        return cls(
            images=images, maps=scale_maps(drops), targets=classes[codes], confidence=confidence, drops=drops
        ).plot(axes)


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


def _lay_patches(size: tuple[int, ...], patch_size: float, stride: float) -> list[tuple[slice, ...]]:
    """Return patches that cover the face from edge to edge."""
    spans = []
    for length in size:
        extent, step = (max(1, round(share * length)) for share in (patch_size, stride))
        # The last patch always ends at the edge.
        starts = np.unique([*range(0, length - extent, step), length - extent])
        spans.append([slice(int(start), int(start) + extent) for start in starts])
    return list(product(*spans))


def _cover(image: NDArray[Any], patches: list[tuple[slice, ...]]) -> NDArray[Any]:
    """Return a copy of a face per patch, with the patch set to the mean of the face."""
    copies = np.repeat(image[np.newaxis], len(patches), axis=0)
    mean = image.mean(axis=(0, 1))
    for copy, patch in zip(copies, patches, strict=True):
        copy[patch] = mean.round() if image.dtype == np.uint8 else mean
    return copies


def _average_patches(
    drops: NDArray[np.float64], patches: list[tuple[slice, ...]], size: tuple[int, ...]
) -> NDArray[np.float64]:
    """Return, for each pixel, the mean drop of the patches that cover it."""
    total, count = np.zeros(size), np.zeros(size)
    for drop, patch in zip(drops, patches, strict=True):
        total[patch] += drop
        count[patch] += 1
    # If the stride exceeds the patch size, no patch covers some pixels.
    return np.divide(total, count, out=np.zeros(size), where=count > 0)
