"""Display of faces, also with their predictions."""

import warnings
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._images._validation import learn_pixel_range, validate_images
from .._reports._charts import COLORS, literal
from ..exceptions import DatasetWarning
from ..metrics._predictions import as_probabilities, check_scores, find_codes, load_faces, predict_with_scores
from ..preprocessing import FaceLoader
from ..preprocessing._sources import list_pictures
from ..utils._labels import check_known, check_labels, check_same_length

_ORDERS = ("given", "mistakes", "doubtful")

_MAX_COLUMNS = 8

# Size at which photos are plotted without an estimator.
_PLOTTED_SIZE = 96


class FaceGridDisplay:
    """Grid of faces with predicted labels and probabilities; misclassified ones are marked with a frame and a cross.

    Use :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    images : ndarray of shape (n_faces, H, W) or (n_faces, H, W, 3)
        Faces.
    y_pred : array-like of shape (n_faces,)
        Predicted labels.
    y_true : array-like of shape (n_faces,), default=None
        True labels. If None, no face is marked.
    confidence : array-like of float of shape (n_faces,), default=None
        Probability of each predicted label.
    indices : array-like of int of shape (n_faces,), default=None
        Position of each face in X.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_faces,)
        After :meth:`plot`.
    figure_ : matplotlib Figure
        After :meth:`plot`.

    See Also
    --------
    GradCAMDisplay : Regions that a network uses.
    EmotionReport : Scores of a classifier.

    Examples
    --------
    >>> from sk_emotion import FaceGridDisplay, make_faces, make_hog_svm
    >>> X, y, groups = make_faces(60, emotions=["happiness", "pain"], random_state=0)
    >>> clf = make_hog_svm().fit(X[:40], y[:40])
    >>> display = FaceGridDisplay.from_estimator(clf, X[40:], y[40:], n_faces=8, order="doubtful")
    >>> display.images.shape
    (8, 48, 48)
    """

    def __init__(
        self, *, images: NDArray[Any], y_pred: Any, y_true: Any = None, confidence: Any = None, indices: Any = None
    ):
        self.images = images
        self.y_pred = y_pred
        self.y_true = y_true
        self.confidence = confidence
        self.indices = indices

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        n_faces: int = 24,
        order: str = "given",
        image_shape: Any = None,
        axes: Any = None,
    ) -> "FaceGridDisplay":
        """Plot faces with the predictions of a classifier.

        Parameters
        ----------
        estimator : classifier
            Fitted classifier. Without ``predict_proba``, no probability is shown.
        X : array, list or DataFrame of length n_samples
            Images or paths, as the estimator takes them. They are plotted as its FaceLoader returns them.
        y : array-like of shape (n_samples,), default=None
            True labels.
        n_faces : int, default=24
            Maximum number of faces.
        order : {"given", "mistakes", "doubtful"}, default="given"
            Faces to plot: the first ones; misclassified ones first, most confident first; or those with the smallest
            difference between the two highest scores.
        image_shape : tuple of int, default=None
            ``(height, width)`` or ``(height, width, 3)`` of flattened images; by default that of the estimator, or a
            square.
        axes : sequence of matplotlib Axes, default=None
            Axes to plot on, one per face; by default on a new figure.

        Returns
        -------
        FaceGridDisplay

        Raises
        ------
        LabelError
            If X and y have different lengths.
        ValueError
            If `n_faces` or `order` is invalid, or `order` needs labels or scores that are missing.
        """
        owner = cls.__name__
        _check_choice(owner, n_faces, order, y)
        classifier, faces, images = read_images(estimator, X, image_shape)
        predicted, scores = predict_with_scores(classifier, faces)
        chosen, labels = cls._choose(y, predicted, scores, classifier.classes_, n_faces, order)
        if not hasattr(classifier, "predict_proba"):
            # Decision values can be mistaken for probabilities.
            labels["confidence"] = None
        return cls(images=images[chosen], indices=chosen, **labels).plot(axes)

    @classmethod
    def from_predictions(
        cls,
        X: Any,
        y_true: Any,
        y_pred: Any,
        y_score: Any = None,
        *,
        classes: Any = None,
        n_faces: int = 24,
        order: str = "given",
        image_shape: Any = None,
        axes: Any = None,
    ) -> "FaceGridDisplay":
        """Plot faces with given predictions.

        Parameters
        ----------
        X : list, array or DataFrame of length n_samples
            Images, flattened images, or paths, of which only the plotted ones are read.
        y_true : array-like of shape (n_samples,), or None
            True labels.
        y_pred : array-like of shape (n_samples,)
            Predicted labels.
        y_score : array-like of shape (n_samples, n_classes), or (n_samples,) for two classes, default=None
            Probabilities, which are shown, or decision values, which only determine the order. A single column is
            that of the last class.
        classes : array-like of shape (n_classes,), default=None
            Labels of the columns of `y_score`; by default the sorted labels of `y_true` and `y_pred`.
        n_faces, order, image_shape, axes
            As for :meth:`from_estimator`.

        Returns
        -------
        FaceGridDisplay

        Raises
        ------
        LabelError
            If images, labels, scores and classes are inconsistent.
        ValueError
            If `n_faces` or `order` is invalid, or `order` needs labels or scores that are missing.
        """
        owner = cls.__name__
        _check_choice(owner, n_faces, order, y_true)
        pictures = list_pictures(X)
        images = as_images(X, image_shape) if pictures is None else pictures
        predicted = check_labels(y_pred, owner, "y_pred")
        given = ("X", len(images), "faces"), ("y_pred", len(predicted), "labels")
        check_same_length(owner, *given, "one label per face")
        if classes is None:
            classes = np.unique(predicted if y_true is None else np.concatenate([predicted, np.asarray(y_true)]))
        chosen, labels = cls._choose(y_true, predicted, y_score, np.asarray(classes), n_faces, order)
        if pictures is None:
            shown = images[chosen]
        else:
            loader = FaceLoader(image_size=_PLOTTED_SIZE, color=True, detector=None)
            with warnings.catch_warnings():
                # Photos are plotted without looking for their faces.
                warnings.simplefilter("ignore", DatasetWarning)
                shown = loader.fit_transform([pictures[row] for row in chosen])
        return cls(images=shown, indices=chosen, **labels).plot(axes)

    def plot(self, axes: Any = None) -> "FaceGridDisplay":
        """Plot the faces.

        Parameters
        ----------
        axes : sequence of matplotlib Axes of length n_faces, default=None
            Axes to plot on; by default on a new figure.

        Returns
        -------
        self : FaceGridDisplay
        """
        titles = name_faces(self.y_pred, self.confidence)
        true = self.y_pred if self.y_true is None else self.y_true
        wrong = [row for row, label in enumerate(self.y_pred) if label != true[row]]
        for row in wrong:
            titles[row] += f"\ntrue: {literal(true[row])}"
        title_lines = 1 if self.y_true is None else 2
        self.axes_ = draw_faces(self.images, titles, axes, type(self).__name__, title_lines)
        self.figure_ = self.axes_[0].figure
        for ax in self.axes_[wrong]:
            # A frame and a cross, so that color is not the only cue.
            for spine in ax.spines.values():
                spine.set(color=COLORS[1], linewidth=3)
            ax.text(
                0.97, 0.97, "\N{MULTIPLICATION X}", transform=ax.transAxes, ha="right", va="top", color="white",
                fontsize=9, bbox={"facecolor": COLORS[1], "edgecolor": "none", "pad": 1.5},
            )  # fmt: skip
        return self

    @classmethod
    def _choose(
        cls, y_true: Any, predicted: NDArray[Any], scores: Any, classes: NDArray[Any], n_faces: int, order: str
    ) -> tuple[NDArray[np.intp], dict[str, Any]]:
        """Choose faces; return their positions, labels and confidence."""
        owner, n_samples = cls.__name__, len(predicted)
        true = None
        if y_true is not None:
            true = check_labels(y_true, owner)
            check_same_length(owner, ("X", n_samples, "faces"), ("y", len(true), "labels"), "one label per face")
        confidence, margin = None, np.zeros(n_samples)
        if scores is not None:
            confidence, margin = _judge_scores(predicted, scores, classes, owner)
        elif order == "doubtful":
            raise ValueError(f'{owner}: order="doubtful" needs scores. Pass them, or use another order.')
        # A stable sort keeps the order of ties.
        ranks = {
            "given": lambda: np.arange(n_samples),
            "mistakes": lambda: np.lexsort((-margin, np.asarray(true == predicted))),
            "doubtful": lambda: np.argsort(np.abs(margin), kind="stable"),
        }
        chosen = ranks[order]()[:n_faces]
        known = {"y_pred": predicted, "y_true": true, "confidence": confidence}
        return chosen, {name: None if value is None else value[chosen] for name, value in known.items()}


def _check_choice(owner: str, n_faces: Any, order: Any, y_true: Any) -> None:
    if not isinstance(n_faces, Integral) or isinstance(n_faces, bool) or n_faces < 1:
        raise ValueError(f"{owner}: n_faces={n_faces!r}, expected an integer of at least 1.")
    if order not in _ORDERS:
        raise ValueError(f"{owner}: order={order!r}, expected one of {', '.join(map(repr, _ORDERS))}.")
    if order == "mistakes" and y_true is None:
        raise ValueError(f'{owner}: order="mistakes" needs the true labels. Pass them, or use another order.')


def _judge_scores(
    predicted: NDArray[Any], y_score: Any, classes: NDArray[Any], owner: str
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64]]:
    """Return the probability of each predicted label (None for decision values) and its margin over the next label."""
    check_known(owner, "y_pred", predicted, classes)
    scores = check_scores(y_score, classes, len(predicted), owner)
    probabilities = as_probabilities(scores)
    rows, codes = np.arange(len(predicted)), find_codes(predicted, classes)
    others = scores.copy()
    others[rows, codes] = -np.inf
    confidence = None if probabilities is None else probabilities[rows, codes]
    return confidence, scores[rows, codes] - others.max(axis=1)


def read_images(estimator: Any, X: Any, image_shape: Any = None) -> tuple[Any, Any, NDArray[Any]]:
    """Load images once; return the classifier after the FaceLoader, its input, and the input as images."""
    classifier, faces = load_faces(estimator, X)
    if image_shape is None:
        steps = getattr(getattr(classifier, "best_estimator_", classifier), "steps", [(None, classifier)])
        image_shape = next((step.image_shape_ for _, step in steps if hasattr(step, "image_shape_")), None)
    return classifier, faces, as_images(faces, image_shape)


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


def name_faces(labels: Any, confidence: Any) -> list[str]:
    """Return the title of each face: its label and, if known, its probability."""
    shares = [""] * len(labels) if confidence is None else [f" {share:.0%}" for share in confidence]
    return [f"{literal(label)}{share}" for label, share in zip(labels, shares, strict=True)]
