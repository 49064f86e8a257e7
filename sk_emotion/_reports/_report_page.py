"""A report as a self-contained HTML page."""

import base64
import io
import os
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..utils._text import number
from ._charts import Scale
from ._environment import render_environment, render_parameters
from ._report_curves import render_calibration, render_precision_recall, render_roc, render_training
from ._report_summary import Face, ReportDetails, ReportSummary
from ._report_text import describe_interval, describe_majority, describe_set, explain_difference, title_of
from ._shell import Html, Section, escape, figure, notes, render_caveats, render_fragment, render_page, table

_TICKS = (0, 0.25, 0.5, 0.75, 1)
_SCALE = Scale()


def render_report(summary: ReportSummary, details: ReportDetails, title: str) -> str:
    """Render the page."""
    scores = _render_scores(summary) + render_caveats(summary.caveats)
    sections = [
        Section("Scores", scores + notes(describe_majority(summary))),
        Section("Equalized test set", _render_equalized(summary)),
        Section("Classes", _render_classes(summary)),
        Section("Confusions", _render_confusions(summary)),
        Section("ROC curves", render_roc(details.roc)),
        Section("Precision and recall", render_precision_recall(details.precision_recall)),
        Section("Calibration", render_calibration(details.calibration)),
        Section("Groups", _render_groups(summary)),
        Section("Confident mistakes", _render_mistakes(details.mistakes)),
        Section("Doubtful faces", _render_doubtful(details.doubtful)),
        Section("Training", render_training(details.history)),
        Section("Class balance", _render_balance(details.class_counts)),
        Section("Parameters", _render_parameters(details.parameters)),
        Section("Environment", render_environment(details.environment)),
    ]
    name = "" if details.parameters is None else details.parameters.get("", "") + ": "
    return render_page(title, name + describe_set(summary), sections)


def render_summary(summary: ReportSummary) -> str:
    """Render scores, classes and confusion matrix for a notebook."""
    lead = f"<p>{escape(describe_set(summary))}</p>"
    scores = _render_scores(summary) + render_caveats(summary.caveats)
    return render_fragment(lead, scores, _render_classes(summary), _render_confusions(summary))


def _render_scores(summary: ReportSummary) -> Html:
    rows = []
    for name, row in summary.scores.iterrows():
        value, low, high = row
        strip = _SCALE.strip(_SCALE.interval(low, high), _SCALE.dot(value), ticks=_TICKS)
        rows.append([title_of(summary, str(name)), strip, number(value), describe_interval(low, high)])
    header = ["score", _SCALE.axis("score", (0, 0.5, 1)), "value", _head_of_interval(summary)]
    caption = "Each point is a score on this test set, from 0 (worst) to 1 (best)."
    if summary.n_resamples:
        unit = "images" if summary.n_groups is None else "groups"
        caption += (
            f" The line is its {summary.confidence_level:.0%} confidence interval by bootstrap of {unit}. Two models "
            "whose intervals overlap widely may be equally good."
        )
    return figure(table("Scores", header, rows), caption)


def _render_equalized(summary: ReportSummary) -> str:
    other = summary.equalized
    if other is None:
        return ""
    rows = [
        [
            title_of(summary, str(name)),
            *(f"{number(row['value'])} {describe_interval(row['low'], row['high'])}".strip() for row in (mine, theirs)),
        ]
        for (name, mine), (_, theirs) in zip(summary.scores.iterrows(), other.scores.iterrows(), strict=True)
    ]
    header = ["score", f"original ({summary.n_samples} images)", f"equalized ({other.n_samples})"]
    caption = "The same model on the original test set, and on one with the same number of images per class."
    return figure(table("Scores on both test sets", header, rows), f"{caption} {explain_difference(summary)}".strip())


def _render_classes(summary: ReportSummary) -> Html:
    ranked = summary.has_scores
    rows = []
    for name, row in summary.averages.iterrows():
        low, high = row["f1_low"], row["f1_high"]
        strip = _SCALE.strip(_SCALE.bar(row["f1"]), _SCALE.interval(low, high), ticks=_TICKS)
        cells = [strip, number(row["f1"]), describe_interval(low, high), f"{row['support']:.0f}"]
        cells += [number(row["precision"]), number(row["recall"]), *([number(row["roc_auc"])] if ranked else [])]
        rows.append(
            [{"macro avg": "macro average", "weighted avg": "weighted average"}.get(str(name), str(name)), *cells]
        )
    header = ["class", _SCALE.axis("F1", (0, 0.5, 1)), "F1", _head_of_interval(summary), "images"]
    header += ["precision", "recall", *(["ROC AUC"] if ranked else [])]
    kinds = [""] * len(summary.classes) + ["reference"] * 2
    caption = (
        "Bars are F1, which is high only if both precision (share of predictions of this class that are correct) and "
        "recall (share of faces of this class that are found) are high. The macro average weights all classes equally, "
        "the weighted average all images."
    )
    return figure(table("Scores of each class", header, rows, row_kinds=kinds), caption)


def _render_confusions(summary: ReportSummary) -> Html:
    counts = summary.confusion_matrix.to_numpy()
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    names = [str(label) for label in summary.classes]
    rows = [
        [name, *(_shade(count, share) for count, share in zip(*cells, strict=True))]
        for name, *cells in zip(names, counts, shares, strict=True)
    ]
    kind = "full confusion many" if len(names) > 3 else "full confusion"
    caption = (
        "Rows are true classes, columns predicted classes. Cells show the number of images and their share of the row, "
        "which also sets the shade. Correct predictions lie on the diagonal; the darkest cell off it is the most "
        "common confusion."
    )
    return figure(table("Confusion matrix", ["true \\ predicted", *names], rows, kind=kind), caption)


def _shade(count: int, share: float) -> Html:
    return Html(f'<td style="--share: {share:.2f}"><b>{count}</b><span>{share:.0%}</span></td>')


def _render_groups(summary: ReportSummary) -> str:
    tables = []
    for column, part in summary.per_group.groupby("column", sort=False):
        rows = []
        for row in part.to_dict("records"):
            strip = _SCALE.strip(
                _SCALE.interval(row["accuracy_low"], row["accuracy_high"]), _SCALE.dot(row["accuracy"]), ticks=_TICKS
            )
            cells = [f"{row['images']}"]
            for score in ("accuracy", "f1_macro"):
                cells += [number(row[score]), describe_interval(row[f"{score}_low"], row[f"{score}_high"])]
            rows.append([str(row["value"]), strip, *cells])
        level = _head_of_interval(summary)
        axis = _SCALE.axis("accuracy", (0, 0.5, 1))
        header = [str(column), axis, "images", "accuracy", level, "macro F1", level]
        tables.append(f"<h3>By {escape(str(column))}</h3>\n" + table(f"Scores by {column}", header, rows))
        n_left_out = summary.left_out.get(str(column), 0)
        tables.append(notes(f"{n_left_out} more with fewer images are not shown." if n_left_out else ""))
    caption = (
        "Points are the accuracy in each subset of the test set. If a subset scores lower than the others and the "
        "intervals do not overlap, the model performs worse on it. Macro F1 covers only the classes present in a "
        "subset: do not use it to compare subsets with different classes."
    )
    return figure("".join(tables), caption)


def _render_mistakes(faces: Sequence[Face]) -> Html:
    caption = (
        "Misclassified faces, in descending order of confidence. Look for wrong labels, for images without a face, and "
        "for classes that people confuse as well."
    )
    return figure(_render_faces(faces), caption)


def _render_doubtful(faces: Sequence[Face]) -> Html:
    caption = (
        "Faces with the smallest margin between the two most likely classes, smallest first, whether the prediction is "
        "correct or not. New training images like these are the most informative."
    )
    return figure(_render_faces(faces), caption)


def _render_faces(faces: Sequence[Face]) -> str:
    items = []
    for face in faces:
        confidence = "" if face.confidence is None else f" {face.confidence:.0%}"
        name = f", {face.name}" if face.name else ""
        alt = escape(f"Face {face.row}: true {face.true}, predicted {face.predicted}{confidence}{name}")
        label = "correct" if face.true == face.predicted else f"true: {escape(face.true)}"
        text = f"<b>{escape(face.predicted)}</b>{confidence}<br>{label}"
        if face.name:
            text += f'<span title="{escape(face.name)}">{escape(os.path.basename(face.name))}</span>'
        items.append(f'<li><img alt="{alt}" src="{_embed(face.image)}">{text}</li>')
    return f'<ol class="gallery">{"".join(items)}</ol>' if items else ""


def _embed(image: NDArray[np.uint8]) -> str:
    """Encode an image as a data URI."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=90)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def _render_balance(counts: pd.DataFrame | None) -> Html:
    if counts is None:
        return Html()
    most = float(counts.to_numpy().max())
    scale = Scale(0, most)
    rows = []
    for name, row in counts.iterrows():
        strip = scale.strip(scale.bar(row["after"], "bar second"), scale.bar(row["before"]))
        rows.append([str(name), strip, f"{row['before']}", f"{row['after']}"])
    header = ["class", scale.axis("images", (0, most), ".0f"), "before", "after"]
    caption = (
        "Training images per class before (filled) and after over-sampling (outlined). The difference is augmented "
        "copies, which do not add new people."
    )
    return figure(table("Training images of each class", header, rows), caption)


def _render_parameters(parameters: dict[str, str] | None) -> Html:
    if parameters is None:
        return Html()
    caption = "All parameters of the model, as Python prints them."
    return figure(render_parameters(parameters), caption)


def _head_of_interval(summary: ReportSummary) -> str:
    return f"{summary.confidence_level:.0%} interval" if summary.n_resamples else ""
