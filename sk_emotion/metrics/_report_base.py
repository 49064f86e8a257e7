"""The computations of a report, and the summaries that it hands to renderers."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

from .._reports import describe_environment
from .._reports._report_summary import Curve, ReportDetails, ReportSummary
from ..utils._labels import check_labels
from ._caveats import describe_absent, describe_few
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
from ._report_faces import check_image_names, check_images, collect_faces, rank_doubtful, rank_mistakes, take_thumbnails
from ._report_groups import check_metadata, score_groups
from ._report_scores import (
    append_averages,
    compute_calibration,
    compute_curves,
    tabulate_confusions,
    tabulate_scores,
)


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
        random_state: Any = 0,
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
        self.parameters: dict[str, str] | None = None
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

    def _compute(
        self, groups: NDArray[Any] | None, metadata: dict[str, pd.Series], random_state: np.random.RandomState
    ) -> None:
        true, predicted = (find_codes(labels, self.classes) for labels in (self.y_true, self.y_pred))
        positive = None if self.pos_label is None else int(np.flatnonzero(self.classes == self.pos_label)[0])
        draws = (self.n_resamples, self.confidence_level, random_state)
        self.scores, self.per_class = tabulate_scores(
            true, predicted, self.y_score, self.classes, positive, groups, *draws
        )
        self.confusion_matrix = tabulate_confusions(true, predicted, self.classes)
        self.per_group, self.left_out = score_groups(metadata, groups, true, predicted, len(self.classes), *draws)
        self.mistakes = self.doubtful = np.empty(0, dtype=np.int64)
        if self.y_score is not None:
            probabilities = as_probabilities(self.y_score)
            scores = self.y_score if probabilities is None else probabilities
            self.mistakes, self.doubtful = rank_mistakes(scores, true, predicted), rank_doubtful(scores)

    def _summarize(self) -> ReportSummary:
        return ReportSummary(
            n_samples=self.n_samples,
            n_groups=self.n_groups,
            n_resamples=self.n_resamples,
            confidence_level=self.confidence_level,
            classes=self.classes,
            pos_label=self.pos_label,
            scores=self.scores,
            per_class=self.per_class,
            averages=append_averages(self.per_class, self.scores, self.n_samples),
            confusion_matrix=self.confusion_matrix,
            per_group=self.per_group,
            left_out=self.left_out,
            has_scores=self.y_score is not None,
            caveats=self.caveats,
            equalized=None if self.equalized is None else self.equalized._summarize(),
        )

    def _collect_details(self) -> ReportDetails:
        roc: list[Curve] = []
        precision_recall: list[Curve] = []
        calibration = confidence = None
        if self.y_score is not None:
            roc, precision_recall = compute_curves(self.y_true, self.y_score, self.per_class, self.pos_label)
            calibration = compute_calibration(self.y_true, self.y_score, self.classes)
            probabilities = as_probabilities(self.y_score)
            if probabilities is not None:
                confidence = probabilities[np.arange(self.n_samples), find_codes(self.y_pred, self.classes)]
        mistakes, doubtful = (
            collect_faces(rows, self._thumbnails, self._image_names, self.y_true, self.y_pred, confidence)
            for rows in (self.mistakes, self.doubtful)
        )
        return ReportDetails(
            roc=roc,
            precision_recall=precision_recall,
            calibration=calibration,
            mistakes=mistakes,
            doubtful=doubtful,
            history=self.history,
            class_counts=self.class_counts,
            parameters=self.parameters,
            environment=self.environment,
        )
