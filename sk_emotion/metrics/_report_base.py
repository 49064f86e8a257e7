"""The computations of a report, and the summaries that it hands to renderers."""

import math
import os
import warnings
from dataclasses import fields
from numbers import Real
from typing import Any, Self

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import confusion_matrix
from sklearn.utils import check_random_state

from .._images._stored import as_indexable, is_stored
from .._images._validation import learn_pixel_range
from .._reports import describe_environment, draw_svg
from .._reports._charts import literal, prepare_axes
from .._reports._report_page import Calibration, Face, draw_confusions, draw_f1
from .._reports._report_text import ReportSummary
from ..exceptions import DatasetWarning, ImageArrayError
from ..preprocessing._sources import list_pictures
from ..utils._labels import check_labels, check_same_length
from ..utils._text import number
from ._calibration import MulticlassCalibrationDisplay, bin_confidences
from ._caveats import describe_absent, describe_few
from ._curves import MulticlassPrecisionRecallDisplay, MulticlassRocCurveDisplay
from ._predictions import (
    as_probabilities,
    check_groups,
    check_predictions,
    check_resampling,
    check_scores,
    check_truth,
    choose_positive,
    find_codes,
)
from ._scoring import append_averages, check_metadata, score_groups, tabulate_scores
from ._training_curves import TrainingCurves

# Number of faces per gallery, and their longer side in pixels.
_MOST_FACES, _SIDE = 24, 96

# In characters; longer names of a legend have a single column.
_LONGEST_NAME = 28

_CURVES: dict[Any, tuple[str, str]] = {
    MulticlassRocCurveDisplay: ("roc_auc", "ROC curve"),
    MulticlassPrecisionRecallDisplay: ("average_precision", "Precision-recall curve"),
}
"""Score and title of each display of curves."""


class BaseReport:
    """Computations and summaries of :class:`EmotionReport`, which documents parameters and attributes."""

    def __init__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        y_score: ArrayLike | None = None,
        *,
        classes: ArrayLike | None = None,
        pos_label: Any = None,
        groups: ArrayLike | None = None,
        metadata: Any = None,
        images: Any = None,
        image_names: ArrayLike | None = None,
        n_resamples: int = 1000,
        confidence_level: float = 0.95,
        random_state: Any = None,
    ):
        check_resampling(n_resamples, confidence_level)
        predicted = check_labels(y_pred, "EmotionReport", "y_pred")
        self.y_true, self.classes = check_truth(y_true, "EmotionReport", predicted, classes=classes)
        self.y_pred = predicted
        self.n_samples = len(self.y_true)
        check_predictions(self.y_true, predicted, self.classes)
        self.y_score = None
        if y_score is not None:
            self.y_score = check_scores(y_score, self.classes, self.n_samples, "EmotionReport", pos_label)
        self.pos_label = choose_positive(self.classes, pos_label, "EmotionReport") if len(self.classes) == 2 else None
        units = check_groups(groups, self.n_samples)
        self.n_groups = None if units is None else len(np.unique(units))
        self.n_resamples = int(n_resamples)
        self.confidence_level = float(confidence_level)
        self.equalized: BaseReport | None = None
        self.estimator_html: str | None = None
        self._estimator_name = ""
        self.history: list[dict[str, Any]] | None = None
        self.class_counts: pd.DataFrame | None = None
        self.caveats = describe_absent(np.setdiff1d(self.classes, self.y_true)) + describe_few(
            self.y_true, self.classes
        )
        self.environment = describe_environment()
        self._compute(units, check_metadata(metadata, self.n_samples), check_random_state(random_state))
        self._thumbnails: dict[int, NDArray[np.uint8]] = {}
        if images is not None:
            faces = check_images(images, self.n_samples)
            self._thumbnails = take_thumbnails(faces, np.union1d(self.mistakes, self.doubtful))
        names = check_image_names(image_names, self.n_samples)
        self._image_names: dict[int, str] = {row: names[row] for row in self._thumbnails} if names else {}

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike | None = None,
        y_score: ArrayLike | None = None,
        *,
        classes: ArrayLike | None = None,
        pos_label: Any = None,
        groups: ArrayLike | None = None,
        metadata: Any = None,
        images: Any = None,
        image_names: ArrayLike | None = None,
        n_resamples: int = 1000,
        confidence_level: float = 0.95,
        random_state: Any = None,
    ) -> Self:
        """Evaluate predictions.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels.
        y_pred : array-like of shape (n_samples,), default=None
            Predicted labels; by default those of the highest score in each row of `y_score`.
        y_score : array-like of shape (n_samples, n_classes), or (n_samples,) for two classes, default=None
            Probabilities or decision values. Without them, ROC AUC and average precision are not computed.
        classes : array-like of shape (n_classes,), default=None
            Labels of the columns of `y_score`; by default the sorted labels of `y_true` and `y_pred`.
        pos_label, groups, metadata, images, image_names, n_resamples, confidence_level, random_state
            As for the class.

        Returns
        -------
        EmotionReport

        Raises
        ------
        LabelError
            If labels, scores, classes or groups do not match.

        Warns
        -----
        DatasetWarning
            If ``caveats`` is not empty.
        """
        if y_pred is None:
            if y_score is None or np.ndim(y_score) != 2:
                raise ValueError(
                    "EmotionReport.from_predictions: pass y_pred, or y_score with a column for each class, whose "
                    "highest score is then predicted."
                )
            labels, known = check_truth(y_true, "EmotionReport", classes=classes)
            y_pred = known[check_scores(y_score, known, len(labels), "EmotionReport").argmax(axis=1)]
            classes = known
        report = cls(
            y_true,
            y_pred,
            y_score,
            classes=classes,
            pos_label=pos_label,
            groups=groups,
            metadata=metadata,
            images=images,
            image_names=image_names,
            n_resamples=n_resamples,
            confidence_level=confidence_level,
            random_state=random_state,
        )
        warn_of_caveats(report)
        return report

    def _compute(
        self, groups: NDArray[Any] | None, metadata: dict[str, pd.Series], random_state: np.random.RandomState
    ) -> None:
        true, predicted = (find_codes(labels, self.classes) for labels in (self.y_true, self.y_pred))
        positive = None if self.pos_label is None else int(np.flatnonzero(self.classes == self.pos_label)[0])
        draws = (self.n_resamples, self.confidence_level, random_state)
        self.scores, self.per_class = tabulate_scores(
            true, predicted, self.y_score, self.classes, positive, groups, *draws
        )
        rows, columns = (pd.Index(self.classes, name=name) for name in ("true", "predicted"))
        counts = confusion_matrix(true, predicted, labels=range(len(self.classes)))
        self.confusion_matrix = pd.DataFrame(counts, index=rows, columns=columns)
        self.per_group, self.left_out = score_groups(metadata, groups, true, predicted, len(self.classes), *draws)
        self.mistakes = self.doubtful = np.empty(0, dtype=np.int64)
        # Decision values are no probabilities.
        self._probabilities = None if self.y_score is None else as_probabilities(self.y_score)
        if self.y_score is not None:
            scores = self.y_score if self._probabilities is None else self._probabilities
            self.mistakes, self.doubtful = rank_mistakes(scores, true, predicted), rank_doubtful(scores)

    def _summarize(self) -> ReportSummary:
        names = {field.name for field in fields(ReportSummary)} - {"averages", "equalized"}
        return ReportSummary(
            **{name: getattr(self, name) for name in names},
            averages=append_averages(self.per_class, self.scores, self.n_samples),
            equalized=None if self.equalized is None else self.equalized._summarize(),
        )

    def _collect_details(self) -> dict[str, Any]:
        """Return what only the full page shows, as keyword arguments of its renderer."""
        calibration, bins = self._calibrate()
        charts = {
            "roc": self._draw_curves(MulticlassRocCurveDisplay),
            "precision_recall": self._draw_curves(MulticlassPrecisionRecallDisplay),
            "calibration": calibration,
            "training": _draw_training(self.history) if self.history else Markup(),
        }
        return {
            "charts": charts,
            "bins": bins,
            "faces": {name: self._collect_faces(getattr(self, name)) for name in ("mistakes", "doubtful")},
            "is_validated": any(name.startswith("valid_") for epoch in self.history or () for name in epoch),
            "class_counts": self.class_counts,
            "estimator": None if self.estimator_html is None else Markup(self.estimator_html),
            "estimator_name": self._estimator_name,
            "environment": self.environment,
        }

    def _collect_faces(self, rows: NDArray[np.int64]) -> list[Face]:
        """Collect the faces of some rows for a gallery; return an empty list without thumbnails."""
        codes, probabilities = find_codes(self.y_pred, self.classes), self._probabilities
        return [
            Face(
                row=row,
                true=str(self.y_true[row]),
                predicted=str(self.y_pred[row]),
                confidence=None if probabilities is None else float(probabilities[row, codes[row]]),
                name=self._image_names.get(row, ""),
                image=self._thumbnails[row],
            )
            for row in map(int, rows)
            if self._thumbnails
        ]

    def _draw_curves(self, display: Any) -> Markup:
        """Draw the curves of a display, with the legend below; nothing without scores or with a single class."""
        if self.y_score is None or self.per_class["roc_auc"].isna().all():
            return Markup()
        score, title = _CURVES[display]

        def draw(ax: Any) -> None:
            display.from_predictions(self.y_true, self.y_score, classes=self.classes, pos_label=self.pos_label, ax=ax)
            lines = ax.get_legend_handles_labels()
            ax.get_legend().remove()
            n_columns = 2 if max(map(len, lines[1])) <= _LONGEST_NAME else 1
            ax.figure.legend(*lines, loc="outside lower center", ncols=n_columns, frameon=False, fontsize="small")

        shown = self.per_class if self.pos_label is None else self.per_class.loc[[self.pos_label]]
        scores = [f"{label}: {number(value)}" for label, value in shown[score].dropna().items()]
        return draw_svg(draw, title=f"{title} of {', '.join(map(str, shown.index))}", description=", ".join(scores))

    def _calibrate(self) -> tuple[Markup, Calibration | None]:
        """Draw accuracy against confidence; nothing if the scores are not probabilities."""
        if self._probabilities is None:
            return Markup(), None
        correct = self._probabilities.argmax(axis=1) == find_codes(self.y_true, self.classes)
        bins = bin_confidences(self._probabilities.max(axis=1), correct)
        display = MulticlassCalibrationDisplay(
            prob_pred=bins.confidence,
            prob_true=bins.accuracy,
            counts=bins.counts,
            expected_calibration_error=bins.error,
        )
        description = f"Expected calibration error {bins.error:.3f}"
        return draw_svg(display.plot, title="Accuracy against confidence", description=description), bins


def warn_of_caveats(report: BaseReport) -> None:
    """Issue all caveats as a single warning at the caller's line."""
    if report.caveats:
        warnings.warn(f"EmotionReport: {' '.join(report.caveats)}", DatasetWarning, stacklevel=3)


def _draw_training(history: list[dict[str, Any]]) -> Markup:
    """Draw the training history."""
    last = ", ".join(f"{name} {value:.3g}" for name, value in history[-1].items() if isinstance(value, Real))
    return draw_svg(
        TrainingCurves(history).plot,
        title=f"Training curves over {len(history)} epochs",
        description=f"Last epoch: {last}",
        size=(5, 4.6),
        shape=(2, 2),
    )


def draw_report(summary: ReportSummary, y_true: NDArray[Any], y_score: NDArray[np.float64] | None, axes: Any) -> Any:
    """Plot the confusion matrix, F1 of each class and, with scores, both curves; return the axes."""
    ranked = y_score is not None
    rows = 2 if ranked else 1
    axes = prepare_axes("EmotionReport", axes, (12, 5 * rows), (rows, 2))
    draw_confusions(summary, axes[0])
    draw_f1(summary, axes[1])
    if ranked and summary.per_class["roc_auc"].isna().all():
        for ax in axes[2:]:
            ax.text(0.5, 0.5, "The curves need at least two classes.", ha="center", va="center")
            ax.set_axis_off()
    elif ranked:
        subject = "each class against the rest" if summary.pos_label is None else literal(summary.pos_label, 40)
        for (display, (_, title)), ax in zip(_CURVES.items(), axes[2:], strict=True):
            display.from_predictions(y_true, y_score, classes=summary.classes, pos_label=summary.pos_label, ax=ax)
            ax.set_title(f"{title.removesuffix(' curve')}: {subject}")
    return axes


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
    labels, faces = ("y_true", n_samples, "labels"), ("images", shape[0], "faces")
    check_same_length("EmotionReport", labels, faces, "one image per label", ImageArrayError)
    return images


def check_image_names(names: Any, n_samples: int) -> list[str]:
    """Check that there is one name per image; return an empty list without names."""
    if names is None:
        return []
    texts = [os.fsdecode(name) if isinstance(name, os.PathLike | bytes) else str(name) for name in names]
    labels, given = ("y_true", n_samples, "labels"), ("image_names", len(texts), "names")
    check_same_length("EmotionReport", labels, given, "one per image")
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
