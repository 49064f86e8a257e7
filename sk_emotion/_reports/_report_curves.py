"""The curves of a report's page."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..utils._text import number
from ._charts import Lines, draw_bins, draw_lines
from ._report_summary import Calibration, Curve
from ._shell import Html, figure, panels, table

# Of fewer faces, the accuracy of a bin says little.
_FEW = 10

# What is drawn together: the title, and the end of the names of its columns.
_TRAINING = {"Loss": "loss", "Accuracy": "acc", "Macro F1": "f1_macro"}


def render_roc(curves: Sequence[Curve]) -> Html:
    """Draw the ROC curve of each class against the rest."""
    drawings = []
    for curve in curves:
        drawing = draw_lines(
            [Lines([0, 1], [0, 1], "chance"), Lines(curve.x, curve.y)],
            said=f"ROC curve of {curve.label}, area {number(curve.score)}",
            x_label="false alarms",
            y_label="found",
        )
        drawings.append((f"{curve.label}: {number(curve.score)}", drawing))
    caption = (
        "Each class against all others. Lowering the threshold finds more of its faces (upwards), at the price of "
        "false alarms among the others (to the right). The nearer the line comes to the upper left corner, the "
        "better; the dashed one is guessing. The area under it, which stands above each drawing, is the chance that a "
        "face of the class gets a higher score than another face."
    )
    return figure(panels(drawings), caption)


def render_precision_recall(curves: Sequence[Curve]) -> Html:
    """Draw the precision-recall curve of each class against the rest."""
    drawings = []
    for curve in curves:
        drawing = draw_lines(
            [Lines([0, 1], [curve.share, curve.share], "chance"), Lines(curve.x, curve.y)],
            said=f"Precision-recall curve of {curve.label}, average precision {number(curve.score)}",
            x_label="recall",
            y_label="precision",
        )
        drawings.append((f"{curve.label}: {number(curve.score)}", drawing))
    caption = (
        "Each class against all others, with its average precision above. Finding more of its faces (recall) costs "
        "precision: more of the faces that are called so are not. The nearer the line comes to the upper right "
        "corner, the better; the dashed one is guessing, which is the share of the class. A rare class looks worse "
        "here than in its ROC curve, and it is this that a user of the model meets."
    )
    return figure(panels(drawings), caption)


def render_calibration(bins: Calibration | None) -> Html:
    """Draw accuracy against confidence; return nothing if the scores are not probabilities."""
    if bins is None:
        return Html()
    edges = np.linspace(0, 1, len(bins.counts) + 1)
    drawing = draw_bins(
        edges,
        bins.accuracy,
        bins.confidence,
        bins.counts < _FEW,
        said=f"Accuracy against confidence, expected calibration error {bins.error:.3f}",
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
    tendency = "promises more than it keeps" if bins.surplus > 0 else "is better than it promises"
    caption = (
        f"Expected calibration error: {bins.error:.3f}. Faces are sorted by the probability of the predicted class; a "
        "bar is the share of them that was told rightly (outlined: of fewer than ten), and the level mark is what the "
        "probabilities promised, with the gap between. Of a model whose probabilities mean what they say, bars end at "
        f"the dashed line. The error is the mean gap over all faces, and on the whole this model {tendency}, by "
        f"{abs(bins.surplus):.3f}."
    )
    return figure(f"{drawing}<details><summary>The numbers</summary>{numbers}</details>", caption)


def render_training(epochs: list[dict[str, Any]] | None) -> Html:
    """Draw loss, scores and learning rate against epoch."""
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
        said = f"{title} against epoch, at last " + ", ".join(f"{line.y[-1]:.3g}" for line in lines)
        top = 1.0 if ending in ("acc", "f1_macro") else _round_up(max(np.nanmax(line.y) for line in lines))
        x_ticks = (1, (1 + len(numbers)) // 2, len(numbers)) if len(numbers) > 2 else (1, 2)
        drawing = draw_lines(
            lines, said=said, x_label="epoch", x_ticks=x_ticks, y_ticks=(0, top / 2, top), size=(300, 190)
        )
        drawings.append((title, drawing))
    validated = any(str(name).startswith("valid_") for name in history)
    caption = "Solid: the training images, changed at random and told by a net that still learns in the epoch."
    caption += (
        " Dashed: the validation images. Where the dashed loss turns upwards while the solid one falls, the net begins "
        "to learn its training images by heart; the turning point counts, not the distance of the lines."
        if validated
        else " Without validation images, these lines cannot show whether the net learns its training images by heart."
    )
    return figure(panels(drawings, "16rem"), caption)


def _round_up(value: float) -> float:
    """Give the next number of one or two digits, 1, 1.5, 2, 3, 4, 5, 6 or 8 times a power of ten."""
    if not value > 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * power >= value))
