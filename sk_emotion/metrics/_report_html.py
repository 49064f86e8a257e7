"""A report as one self-contained page."""

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from .._reports import (
    Html,
    Scale,
    Section,
    escape,
    figure,
    notes,
    render_environment,
    render_fragment,
    render_page,
    render_parameters,
    table,
)
from ..utils._text import number
from ._caveats import render_caveats
from ._predictions import as_probabilities, find_codes
from ._report_faces import embed
from ._report_html_curves import render_calibration, render_precision_recall, render_roc, render_training
from ._report_text import describe_interval, describe_majority, describe_set, explain_difference, title_of

if TYPE_CHECKING:
    from ._report import EmotionReport

_TICKS = (0, 0.25, 0.5, 0.75, 1)
_SCALE = Scale()


def render_report(report: "EmotionReport", title: str) -> str:
    """Give the whole page."""
    sections = [
        Section("Scores", _render_scores(report) + render_caveats(report.caveats_) + notes(describe_majority(report))),
        Section("Equalised test set", _render_equalized(report)),
        Section("Classes", _render_classes(report)),
        Section("Confusions", _render_confusions(report)),
        Section("ROC curves", render_roc(report)),
        Section("Precision and recall", render_precision_recall(report)),
        Section("Calibration", render_calibration(report)),
        Section("Groups", _render_groups(report)),
        Section("Confident mistakes", _render_mistakes(report)),
        Section("Doubtful faces", _render_doubtful(report)),
        Section("Training", render_training(report)),
        Section("Class balance", _render_balance(report)),
        Section("Parameters", _render_parameters(report)),
        Section("Environment", render_environment(report.environment_)),
    ]
    name = "" if report.parameters_ is None else report.parameters_.get("", "") + ": "
    return render_page(title, name + describe_set(report), sections)


def render_summary(report: "EmotionReport") -> str:
    """Give scores, classes and confusions, for a notebook."""
    lead = f"<p>{escape(describe_set(report))}</p>"
    parts = _render_scores(report), render_caveats(report.caveats_), _render_classes(report), _render_confusions(report)
    return render_fragment(lead, *parts)


def _render_scores(report: "EmotionReport") -> Html:
    rows = []
    for name, row in report.scores_.iterrows():
        value, low, high = row
        strip = _SCALE.strip(_SCALE.interval(low, high), _SCALE.dot(value), ticks=_TICKS)
        rows.append([title_of(report, str(name)), strip, number(value), describe_interval(low, high)])
    header = ["score", _SCALE.axis("score", (0, 0.5, 1)), "value", _head_of_interval(report)]
    caption = "Each point is a score on this test set: 1 is best, and 0 is worst."
    if report.n_resamples_:
        caption += (
            f" The line is its {report.confidence_level_:.0%} confidence interval: had other "
            f"{'images' if report.n_groups_ is None else 'groups'} been drawn, the score would mostly lie in there. "
            "Two models whose intervals overlap widely may be equally good."
        )
    return figure(table("Scores", header, rows), caption)


def _render_equalized(report: "EmotionReport") -> str:
    other = report.equalized_
    if other is None:
        return ""
    rows = [
        [
            title_of(report, str(name)),
            *(f"{number(row['value'])} {describe_interval(row['low'], row['high'])}".strip() for row in (mine, theirs)),
        ]
        for (name, mine), (_, theirs) in zip(report.scores_.iterrows(), other.scores_.iterrows(), strict=True)
    ]
    header = ["score", f"untouched ({report.n_samples_} images)", f"equalised ({other.n_samples_})"]
    caption = "The same model on the test set as it is, and on one that shows each class equally often."
    return figure(table("Scores on both test sets", header, rows), f"{caption} {explain_difference(report)}".strip())


def _render_classes(report: "EmotionReport") -> Html:
    ranked = report.y_score_ is not None
    rows = []
    for name, row in report.to_frame().iterrows():
        low, high = row["f1_low"], row["f1_high"]
        strip = _SCALE.strip(_SCALE.bar(row["f1"]), _SCALE.interval(low, high), ticks=_TICKS)
        cells = [strip, number(row["f1"]), describe_interval(low, high), f"{row['support']:.0f}"]
        cells += [number(row["precision"]), number(row["recall"]), *([number(row["roc_auc"])] if ranked else [])]
        rows.append(
            [{"macro avg": "macro average", "weighted avg": "weighted average"}.get(str(name), str(name)), *cells]
        )
    header = ["class", _SCALE.axis("F1", (0, 0.5, 1)), "F1", _head_of_interval(report), "images", "precision", "recall"]
    header += ["ROC AUC"] if ranked else []
    kinds = [""] * len(report.classes_) + ["reference"] * 2
    caption = (
        "Bars are F1, which is high only where both precision (how many of the faces called so are so) and recall "
        "(how many of the faces that are so are called so) are high. The macro average counts every class alike, the "
        "weighted one every image."
    )
    return figure(table("Scores of each class", header, rows, row_kinds=kinds), caption)


def _render_confusions(report: "EmotionReport") -> Html:
    counts = report.confusion_matrix_.to_numpy()
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    names = [str(label) for label in report.classes_]
    rows = [
        [name, *(_shade(count, share) for count, share in zip(*cells, strict=True))]
        for name, *cells in zip(names, counts, shares, strict=True)
    ]
    kind = "full confusion many" if len(names) > 3 else "full confusion"
    caption = (
        "Rows are the true classes, columns the predicted ones. Each cell counts images, and below gives their share "
        "of the row, which also shades it. Right answers lie on the diagonal; the strongest cell off it is the "
        "commonest confusion."
    )
    return figure(table("Confusion matrix", ["true \\ predicted", *names], rows, kind=kind), caption)


def _shade(count: int, share: float) -> Html:
    return Html(f'<td style="--share: {share:.2f}"><b>{count}</b><span>{share:.0%}</span></td>')


def _render_groups(report: "EmotionReport") -> str:
    tables = []
    for column, part in report.per_group_.groupby("column", sort=False):
        rows = []
        for row in part.to_dict("records"):
            strip = _SCALE.strip(
                _SCALE.interval(row["accuracy_low"], row["accuracy_high"]), _SCALE.dot(row["accuracy"]), ticks=_TICKS
            )
            cells = [f"{row['images']}"]
            for score in ("accuracy", "f1_macro"):
                cells += [number(row[score]), describe_interval(row[f"{score}_low"], row[f"{score}_high"])]
            rows.append([str(row["value"]), strip, *cells])
        level = _head_of_interval(report)
        axis = _SCALE.axis("accuracy", (0, 0.5, 1))
        header = [str(column), axis, "images", "accuracy", level, "macro F1", level]
        tables.append(f"<h3>By {escape(str(column))}</h3>\n" + table(f"Scores by {column}", header, rows))
        n_left_out = report.left_out_.get(str(column), 0)
        tables.append(notes(f"{n_left_out} more with fewer images are left out." if n_left_out else ""))
    caption = (
        "Points are the accuracy of each part of the test set. A part that lies below the others, with intervals that "
        "do not meet, is served worse by this model. Macro F1 is that of the classes which the part shows, so that "
        "parts with other classes cannot be compared by it."
    )
    return figure("".join(tables), caption)


def _render_mistakes(report: "EmotionReport") -> Html:
    caption = (
        "Told wrongly, and with the highest confidence; the worst comes first. Look for faces whose label is wrong, "
        "for pictures that are no face, and for two classes that people confuse too."
    )
    return figure(_render_faces(report, report.mistakes_), caption)


def _render_doubtful(report: "EmotionReport") -> Html:
    caption = (
        "Here the two likeliest classes are nearest to each other, the nearest first, so that least would turn the "
        "answer, right or wrong. New training images like these teach the model most."
    )
    return figure(_render_faces(report, report.doubtful_), caption)


def _render_faces(report: "EmotionReport", rows: Any) -> str:
    if not report._thumbnails or not len(rows):
        return ""
    probabilities = as_probabilities(report.y_score_) if report.y_score_ is not None else None
    items = []
    for row in map(int, rows):
        true, predicted = str(report.y_true_[row]), str(report.y_pred_[row])
        sure = ""
        if probabilities is not None:
            code = find_codes(report.y_pred_[[row]], report.classes_)[0]
            sure = f" {probabilities[row, code]:.0%}"
        name = report._image_names.get(row, "")
        said = escape(f"Face {row}: true {true}, predicted {predicted}{sure}{name and f', {name}'}")
        told = f"<b>{escape(predicted)}</b>{sure}<br>" + ("right" if true == predicted else f"true: {escape(true)}")
        told += f'<span title="{escape(name)}">{escape(os.path.basename(name))}</span>' if name else ""
        items.append(f'<li><img alt="{said}" src="{embed(report._thumbnails[row])}">{told}</li>')
    return f'<ol class="gallery">{"".join(items)}</ol>'


def _render_balance(report: "EmotionReport") -> Html:
    counts = report.class_counts_
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
        "Training images of each class before over-sampling (filled) and after it (outlined). What lies between is "
        "changed copies, which are no new people."
    )
    return figure(table("Training images of each class", header, rows), caption)


def _render_parameters(report: "EmotionReport") -> Html:
    if report.parameters_ is None:
        return Html()
    caption = "Every parameter of the model, as Python writes it."
    return figure(render_parameters(report.parameters_), caption)


def _head_of_interval(report: "EmotionReport") -> str:
    return f"{report.confidence_level_:.0%} interval" if report.n_resamples_ else ""
