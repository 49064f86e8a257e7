"""Curves and calibration of a report."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from .._reports._report_summary import Calibration, Curve
from ._calibration import bin_confidences
from ._predictions import as_probabilities, find_codes


def compute_curves(
    y_true: NDArray[Any], y_score: NDArray[np.float64], per_class: pd.DataFrame, pos_label: Any
) -> tuple[list[Curve], list[Curve]]:
    """Compute the ROC and precision-recall curves of each class, or of the positive one of two.

    Classes without positive or without negative samples are skipped.
    """
    areas, averages = (per_class[name].to_dict() for name in ("roc_auc", "average_precision"))
    roc, precision_recall = [], []
    for label, score in zip(per_class.index, y_score.T, strict=True):
        positive = y_true == label
        share = float(np.mean(positive))
        if (pos_label is not None and label != pos_label) or not 0 < share < 1:
            continue
        false_positive_rate, true_positive_rate, _ = roc_curve(positive, score)
        precision, recall, _ = precision_recall_curve(positive, score)
        roc.append(Curve(label, false_positive_rate, true_positive_rate, areas[label], share))
        precision_recall.append(Curve(label, recall[::-1], precision[::-1], averages[label], share))
    return roc, precision_recall


def compute_calibration(
    y_true: NDArray[Any], y_score: NDArray[np.float64], classes: NDArray[Any]
) -> Calibration | None:
    """Compare accuracy with confidence; return None if the scores are not probabilities."""
    probabilities = as_probabilities(y_score)
    if probabilities is None:
        return None
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == find_codes(y_true, classes)
    bins = bin_confidences(confidence, correct)
    return Calibration(*bins, error=bins.mean_gap(), surplus=float(np.mean(confidence) - np.mean(correct)))
