"""The curves of a report's page."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_curve, roc_curve

from .._reports import Html, Lines, draw_bins, draw_lines, figure, panels, table
from ..utils._text import number
from ._calibration import bin_confidences
from ._predictions import as_probabilities, find_codes

if TYPE_CHECKING:
    from ._report import EmotionReport

# Of fewer faces, the accuracy of a bin says little.
_FEW = 10

# What is drawn together: the title, and the end of the names of its columns.
_TRAINING = {"Loss": "loss", "Accuracy": "acc", "Macro F1": "f1_macro"}


def render_roc(report: "EmotionReport") -> Html:
    """Draw the ROC curve of each class against the rest."""
    drawings = []
    for label, right, score in _ask_each(report):
        false_alarms, found, _ = roc_curve(right, score)
        area = report.per_class_["roc_auc"].to_dict()[label]
        drawing = draw_lines(
            [Lines([0, 1], [0, 1], "chance"), Lines(false_alarms, found)],
            said=f"ROC curve of {label}, area {number(area)}",
            x_label="false alarms",
            y_label="found",
        )
        drawings.append((f"{label}: {number(area)}", drawing))
    caption = (
        "Each class against all others. Lowering the threshold finds more of its faces (upwards), at the price of "
        "false alarms among the others (to the right). The nearer the line comes to the upper left corner, the "
        "better; the dashed one is guessing. The area under it, which stands above each drawing, is the chance that a "
        "face of the class gets a higher score than another face."
    )
    return figure(panels(drawings), caption)


def render_precision_recall(report: "EmotionReport") -> Html:
    """Draw the precision-recall curve of each class against the rest."""
    drawings = []
    for label, right, score in _ask_each(report):
        precision, recall, _ = precision_recall_curve(right, score)
        average = report.per_class_["average_precision"].to_dict()[label]
        share = float(np.mean(right))
        drawing = draw_lines(
            [Lines([0, 1], [share, share], "chance"), Lines(recall[::-1], precision[::-1])],
            said=f"Precision-recall curve of {label}, average precision {number(average)}",
            x_label="recall",
            y_label="precision",
        )
        drawings.append((f"{label}: {number(average)}", drawing))
    caption = (
        "Each class against all others, with its average precision above. Finding more of its faces (recall) costs "
        "precision: more of the faces that are called so are not. The nearer the line comes to the upper right "
        "corner, the better; the dashed one is guessing, which is the share of the class. A rare class looks worse "
        "here than in its ROC curve, and it is this that a user of the model meets."
    )
    return figure(panels(drawings), caption)


def render_calibration(report: "EmotionReport") -> Html:
    """Draw accuracy against confidence; nothing for scores that are no probabilities."""
    probabilities = None if report.y_score_ is None else as_probabilities(report.y_score_)
    if probabilities is None:
        return Html()
    right = probabilities.argmax(axis=1) == find_codes(report.y_true_, report.classes_)
    bins = bin_confidences(probabilities.max(axis=1), right)
    edges = np.linspace(0, 1, len(bins.counts) + 1)
    error = bins.mean_gap()
    drawing = draw_bins(
        edges,
        bins.accuracy,
        bins.confidence,
        bins.counts < _FEW,
        said=f"Accuracy against confidence, expected calibration error {error:.3f}",
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
    surplus = float(np.mean(probabilities.max(axis=1)) - np.mean(right))
    tendency = "promises more than it keeps" if surplus > 0 else "is better than it promises"
    caption = (
        f"Expected calibration error: {error:.3f}. Faces are sorted by the probability of the predicted class; a bar "
        "is the share of them that was told rightly (outlined: of fewer than ten), and the level mark is what the "
        "probabilities promised, with the gap between. Of a model whose probabilities mean what they say, bars end at "
        f"the dashed line. The error is the mean gap over all faces, and on the whole this model {tendency}, by "
        f"{abs(surplus):.3f}."
    )
    return figure(f"{drawing}<details><summary>The numbers</summary>{numbers}</details>", caption)


def render_training(report: "EmotionReport") -> Html:
    """Draw loss, scores and learning rate against epoch."""
    if not report.history_:
        return Html()
    history = pd.DataFrame(report.history_)
    epochs = list(range(1, len(history) + 1))
    drawings = []
    for title, ending in [*_TRAINING.items(), ("Learning rate", "")]:
        names = [("lr", "line")] if not ending else [(f"train_{ending}", "line"), (f"valid_{ending}", "line second")]
        lines = [Lines(epochs, history[name].astype(float).tolist(), kind) for name, kind in names if name in history]
        if not lines:
            continue
        said = f"{title} against epoch, at last " + ", ".join(f"{line.y[-1]:.3g}" for line in lines)
        top = 1.0 if ending in ("acc", "f1_macro") else _round_up(max(np.nanmax(line.y) for line in lines))
        x_ticks = (1, (1 + len(epochs)) // 2, len(epochs)) if len(epochs) > 2 else (1, 2)
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


def _ask_each(report: "EmotionReport") -> list[tuple[Any, Any, Any]]:
    """Give each class, or the positive one of two, with who is of it and its scores; none without two sides."""
    if report.y_score_ is None:
        return []
    asked = [
        (label, report.y_true_ == label, report.y_score_[:, code])
        for code, label in enumerate(report.classes_)
        if report.pos_label_ is None or label == report.pos_label_
    ]
    return [each for each in asked if each[1].any() and not each[1].all()]


def _round_up(value: float) -> float:
    """Give the next number of one or two digits, 1, 1.5, 2, 3, 4, 5, 6 or 8 times a power of ten."""
    if not value > 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * power >= value))
