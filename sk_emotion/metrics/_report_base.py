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
        self.y_true_, self.classes_ = check_truth(y_true, "EmotionReport", predicted, classes=classes)
        self.y_pred_ = predicted
        self.n_samples_ = len(self.y_true_)
        check_predictions(self.y_true_, predicted, self.classes_)
        self.y_score_ = None
        if y_score is not None:
            self.y_score_ = check_scores(y_score, self.classes_, self.n_samples_, "EmotionReport", pos_label)
        self.pos_label_ = (
            choose_positive(self.classes_, pos_label, "EmotionReport") if len(self.classes_) == 2 else None
        )
        units = check_groups(groups, self.n_samples_)
        self.n_groups_ = None if units is None else len(np.unique(units))
        self.n_resamples_ = int(n_resamples)
        self.confidence_level_ = float(confidence_level)
        self.equalized_: BaseReport | None = None
        self.parameters_: dict[str, str] | None = None
        self.history_: list[dict[str, Any]] | None = None
        self.class_counts_: pd.DataFrame | None = None
        self.caveats_ = describe_absent(np.setdiff1d(self.classes_, self.y_true_)) + describe_few(
            self.y_true_, self.classes_
        )
        self.environment_ = describe_environment()
        self._compute(units, check_metadata(metadata, self.n_samples_), check_random_state(random_state))
        self._thumbnails: dict[int, NDArray[np.uint8]] = {}
        if images is not None:
            faces = check_images(images, self.n_samples_)
            self._thumbnails = take_thumbnails(faces, np.union1d(self.mistakes_, self.doubtful_))
        names = check_image_names(image_names, self.n_samples_)
        self._image_names: dict[int, str] = {row: names[row] for row in self._thumbnails} if names else {}

    def _compute(
        self, groups: NDArray[Any] | None, metadata: dict[str, pd.Series], random_state: np.random.RandomState
    ) -> None:
        true, predicted = (find_codes(labels, self.classes_) for labels in (self.y_true_, self.y_pred_))
        positive = None if self.pos_label_ is None else int(np.flatnonzero(self.classes_ == self.pos_label_)[0])
        draws = (self.n_resamples_, self.confidence_level_, random_state)
        self.scores_, self.per_class_ = tabulate_scores(
            true, predicted, self.y_score_, self.classes_, positive, groups, *draws
        )
        self.confusion_matrix_ = tabulate_confusions(true, predicted, self.classes_)
        self.per_group_, self.left_out_ = score_groups(metadata, groups, true, predicted, len(self.classes_), *draws)
        self.mistakes_ = self.doubtful_ = np.empty(0, dtype=np.int64)
        if self.y_score_ is not None:
            probabilities = as_probabilities(self.y_score_)
            scores = self.y_score_ if probabilities is None else probabilities
            self.mistakes_, self.doubtful_ = rank_mistakes(scores, true, predicted), rank_doubtful(scores)

    def _summarize(self) -> ReportSummary:
        return ReportSummary(
            n_samples=self.n_samples_,
            n_groups=self.n_groups_,
            n_resamples=self.n_resamples_,
            confidence_level=self.confidence_level_,
            classes=self.classes_,
            pos_label=self.pos_label_,
            scores=self.scores_,
            per_class=self.per_class_,
            averages=append_averages(self.per_class_, self.scores_, self.n_samples_),
            confusion_matrix=self.confusion_matrix_,
            per_group=self.per_group_,
            left_out=self.left_out_,
            has_scores=self.y_score_ is not None,
            caveats=self.caveats_,
            equalized=None if self.equalized_ is None else self.equalized_._summarize(),
        )

    def _collect_details(self) -> ReportDetails:
        roc: list[Curve] = []
        precision_recall: list[Curve] = []
        calibration = confidence = None
        if self.y_score_ is not None:
            roc, precision_recall = compute_curves(self.y_true_, self.y_score_, self.per_class_, self.pos_label_)
            calibration = compute_calibration(self.y_true_, self.y_score_, self.classes_)
            probabilities = as_probabilities(self.y_score_)
            if probabilities is not None:
                confidence = probabilities[np.arange(self.n_samples_), find_codes(self.y_pred_, self.classes_)]
        mistakes, doubtful = (
            collect_faces(rows, self._thumbnails, self._image_names, self.y_true_, self.y_pred_, confidence)
            for rows in (self.mistakes_, self.doubtful_)
        )
        return ReportDetails(
            roc=roc,
            precision_recall=precision_recall,
            calibration=calibration,
            mistakes=mistakes,
            doubtful=doubtful,
            history=self.history_,
            class_counts=self.class_counts_,
            parameters=self.parameters_,
            environment=self.environment_,
        )
