"""The numbers of a report: scores, confusion matrix, curves and calibration."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from .._reports._report_summary import Calibration, Curve
from ._calibration import bin_confidences
from ._predictions import as_probabilities, find_codes
from ._resampling import draw_resamples, find_interval
from ._scoring import Scores, count_confusions, rank_images, score_predictions


def tabulate_scores(
    true: NDArray[Any],
    predicted: NDArray[Any],
    y_score: NDArray[np.float64] | None,
    classes: NDArray[Any],
    positive: int | None,
    units: NDArray[Any] | None,
    n_resamples: int,
    confidence_level: float,
    random_state: np.random.RandomState,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compute overall and per-class scores with bootstrap intervals; `units` are resampled as a whole."""
    rankings = None if y_score is None else rank_images(true, y_score)

    def score(weight: NDArray[np.float64]) -> tuple[Scores, Scores]:
        return score_predictions(weight, true, predicted, rankings, len(classes), positive)

    overall, per_class = score(np.ones((1, len(true))))
    drawn = [score(weight) for weight in draw_resamples(len(true), units, n_resamples, random_state)]

    def interval(part: int, name: str, value: NDArray[np.float64]) -> NDArray[np.float64]:
        draws = [np.full_like(value, np.nan), *(scores[part][name] for scores in drawn)]
        return find_interval(np.concatenate(draws), confidence_level)

    rows = {name: [value[0], *interval(0, name, value)] for name, value in overall.items()}
    columns = {name: value[0] for name, value in per_class.items()}
    low, high = interval(1, "f1", per_class["f1"])
    table = pd.DataFrame(columns, index=pd.Index(classes, name="class")).astype({"support": int})
    table.insert(3, "f1_low", low)
    table.insert(4, "f1_high", high)
    return pd.DataFrame(rows, index=["value", "low", "high"]).T, table


def tabulate_confusions(true: NDArray[Any], predicted: NDArray[Any], classes: NDArray[Any]) -> pd.DataFrame:
    """Compute the confusion matrix, with true classes in rows."""
    counts = count_confusions(np.ones((1, len(true))), true, predicted, len(classes))[0]
    return pd.DataFrame(
        counts.astype(int), index=pd.Index(classes, name="true"), columns=pd.Index(classes, name="predicted")
    )


def append_averages(per_class: pd.DataFrame, scores: pd.DataFrame, n_samples: int) -> pd.DataFrame:
    """Append the averages over the classes to their table."""
    known = per_class.dropna(subset=["f1"])
    macro = known.mean()
    weighted = pd.Series({name: _average(column, known["support"]) for name, column in known.items()})
    averages = pd.DataFrame({"macro avg": macro, "weighted avg": weighted}).T
    averages["support"] = n_samples
    # The mean of interval bounds is not the bound of an interval.
    averages[["f1_low", "f1_high"]] = np.nan
    for row, score in (("macro avg", "f1_macro"), ("weighted avg", "f1_weighted")):
        averages.loc[row, ["f1_low", "f1_high"]] = scores.loc[score, ["low", "high"]].to_numpy()
    return pd.concat([per_class, averages]).astype({"support": int})


def _average(scores: pd.Series, support: pd.Series) -> float:
    """Average over the classes with a score, weighted by support; NaN without any."""
    known = scores.notna() & (support > 0)
    return float(np.average(scores[known], weights=support[known])) if known.any() else float("nan")


def compute_curves(
    y_true: NDArray[Any], y_score: NDArray[np.float64], per_class: pd.DataFrame, pos_label: Any
) -> tuple[list[Curve], list[Curve]]:
    """Compute the ROC and precision-recall curves of each class, or of the positive class of a binary problem.

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
