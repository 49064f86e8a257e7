"""Curves of a report page."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..utils._text import number
from ._charts import Lines, draw_bins, draw_lines
from ._report_summary import Calibration, Curve
from ._shell import Html, figure, panels, table

# The accuracy of bins with fewer samples is unreliable.
_FEW = 10

# Chart titles, and the suffixes of the columns that each shows.
_TRAINING = {"Loss": "loss", "Accuracy": "acc", "Macro F1": "f1_macro"}


def render_roc(curves: Sequence[Curve]) -> Html:
    """Render the ROC curves."""
    drawings = [
        _draw(curve, (0, 1), f"ROC curve of {curve.label}, area", "false positive rate", "true positive rate")
        for curve in curves
    ]
    caption = (
        "Each class against the rest. A lower threshold finds more faces of the class (up) but also raises more false "
        "alarms (right). The closer the curve is to the upper left corner, the better; the dashed line is random "
        "guessing. The area under the curve, shown above each chart, is the probability that a face of the class "
        "scores higher than another face."
    )
    return figure(panels(drawings), caption)


def render_precision_recall(curves: Sequence[Curve]) -> Html:
    """Render the precision-recall curves."""
    drawings = [
        _draw(
            curve,
            (curve.share, curve.share),
            f"Precision-recall curve of {curve.label}, average precision",
            "recall",
            "precision",
        )
        for curve in curves
    ]
    caption = (
        "Each class against the rest, with its average precision above the chart. Finding more faces of the class "
        "(recall) lowers precision: more predictions of the class are wrong. The closer the curve is to the upper "
        "right corner, the better; the dashed line is random guessing, whose precision is the share of the class. Rare "
        "classes look worse here than in their ROC curves, which is closer to what users experience."
    )
    return figure(panels(drawings), caption)


def _draw(curve: Curve, chance: tuple[float, float], label: str, x_label: str, y_label: str) -> tuple[str, Html]:
    """Return the title and the chart of a curve, with the line of random guessing."""
    lines = [Lines([0, 1], list(chance), "chance"), Lines(curve.x, curve.y)]
    score = number(curve.score)
    return f"{curve.label}: {score}", draw_lines(lines, label=f"{label} {score}", x_label=x_label, y_label=y_label)


def render_calibration(bins: Calibration | None) -> Html:
    """Render the reliability diagram; return nothing if the scores are not probabilities."""
    if bins is None:
        return Html()
    edges = np.linspace(0, 1, len(bins.counts) + 1)
    drawing = draw_bins(
        edges,
        bins.accuracy,
        bins.confidence,
        bins.counts < _FEW,
        label=f"Accuracy against confidence, expected calibration error {bins.error:.3f}",
        x_label="confidence",
        y_label="accuracy",
    )
    filled = np.flatnonzero(bins.counts)
    rows = [
        [
            f"{edges[place]:.2f} to {edges[place + 1]:.2f}",
            f"{bins.counts[place]}",
            number(bins.confidence[place]),
            number(bins.accuracy[place]),
        ]
        for place in filled
    ]
    numbers = table("Accuracy against confidence", ["confidence", "images", "mean confidence", "accuracy"], rows)
    tendency = "overconfident" if bins.surplus > 0 else "underconfident"
    caption = (
        f"Expected calibration error: {bins.error:.3f}. Faces are binned by the probability of the predicted class. "
        "Bars are the accuracy in each bin (outlined: fewer than ten faces), horizontal marks the mean probability, "
        "and vertical lines the gap between them. For a perfectly calibrated model, bars end at the dashed line. The "
        f"error is the mean gap over all faces; overall, this model is {tendency} by {abs(bins.surplus):.3f}."
    )
    return figure(f"{drawing}<details><summary>Show the numbers</summary>{numbers}</details>", caption)


def render_training(epochs: list[dict[str, Any]] | None) -> Html:
    """Render loss, scores and learning rate over epochs."""
    if not epochs:
        return Html()
    history = pd.DataFrame(epochs)
    numbers = list(range(1, len(history) + 1))
    drawings = []
    for title, ending in [*_TRAINING.items(), ("Learning rate", "")]:
        names = [("lr", "line")] if not ending else [(f"train_{ending}", "line"), (f"valid_{ending}", "line second")]
        lines = [Lines(numbers, history[name].astype(float).tolist(), kind) for name, kind in names if name in history]
        if not lines:
            continue
        label = f"{title} over epochs, finally " + ", ".join(f"{line.y[-1]:.3g}" for line in lines)
        top = 1.0 if ending in ("acc", "f1_macro") else _round_up(max(np.nanmax(line.y) for line in lines))
        x_ticks = (1, (1 + len(numbers)) // 2, len(numbers)) if len(numbers) > 2 else (1, 2)
        drawing = draw_lines(
            lines, label=label, x_label="epoch", x_ticks=x_ticks, y_ticks=(0, top / 2, top), size=(300, 190)
        )
        drawings.append((title, drawing))
    validated = any(str(name).startswith("valid_") for name in history)
    caption = "Solid: training images, augmented at random and scored while the network is still learning."
    caption += (
        " Dashed: validation images. Where the dashed loss starts to rise while the solid one keeps falling, the "
        "network overfits; look at the turning point, not at the distance between the lines."
        if validated
        else " Without validation images, these curves cannot reveal overfitting."
    )
    return figure(panels(drawings, "16rem"), caption)


def _round_up(value: float) -> float:
    """Round up to 1, 1.5, 2, 3, 4, 5, 6 or 8 times a power of ten."""
    if not value > 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * power >= value))
