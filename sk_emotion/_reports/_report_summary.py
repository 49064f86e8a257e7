"""What the text and the page of an EmotionReport show, as plain values."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class ReportSummary:
    """Scores and tables of a report. Fields have the meaning of the attributes of EmotionReport."""

    n_samples: int
    n_groups: int | None
    n_resamples: int
    confidence_level: float
    classes: NDArray[Any]
    pos_label: Any
    scores: pd.DataFrame
    per_class: pd.DataFrame
    averages: pd.DataFrame
    """``per_class`` with the averages below it."""
    confusion_matrix: pd.DataFrame
    per_group: pd.DataFrame
    left_out: dict[str, int]
    has_scores: bool
    """Whether ``y_score`` was passed."""
    caveats: list[str]
    equalized: "ReportSummary | None"


class Curve(NamedTuple):
    """A curve of one class against the rest."""

    label: Any
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    score: float
    """Area under the curve, or average precision."""
    share: float
    """Share of the samples that belong to the class."""


class Calibration(NamedTuple):
    """Accuracy against confidence, in bins of equal width from 0 to 1."""

    counts: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    error: float
    """Expected calibration error."""
    surplus: float
    """Mean confidence minus accuracy."""


class Face(NamedTuple):
    """A face of a gallery, with its prediction."""

    row: int
    true: str
    predicted: str
    confidence: float | None
    """Probability of the predicted class; None without probabilities."""
    name: str
    image: NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class ReportDetails:
    """What only the full page shows."""

    roc: list[Curve]
    precision_recall: list[Curve]
    calibration: Calibration | None
    mistakes: list[Face]
    doubtful: list[Face]
    history: list[dict[str, Any]] | None
    class_counts: pd.DataFrame | None
    parameters: dict[str, str] | None
    environment: dict[str, str]
