"""A report as text for a terminal."""

import textwrap
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..utils._text import align, number, printable

if TYPE_CHECKING:
    from ._report import EmotionReport

_WIDTH = 100

# With fewer, the bootstrap finds intervals that are too narrow.
_FEW = 10

# Of a column with more values, the worst and the best are shown.
_MOST_ROWS = 8

_TITLES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "f1_macro": "macro F1",
    "f1_weighted": "weighted F1",
    "roc_auc_ovr": "ROC AUC (one vs rest, macro)",
    "average_precision_macro": "average precision (macro)",
    "f1": "F1",
    "precision": "precision",
    "sensitivity": "sensitivity (recall)",
    "specificity": "specificity",
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
}


def describe_report(report: "EmotionReport") -> str:
    """Write all of a report."""
    parts = [describe_set(report), "", *_table_of_scores(report)]
    parts += ["", describe_majority(report)]
    for caveat in report.caveats_:
        parts += ["", *textwrap.wrap(printable(caveat), _WIDTH)]
    why = explain_difference(report)
    if why:
        parts += ["", *textwrap.wrap(printable(why), _WIDTH), "", "The untouched test set, class by class:"]
    parts += ["", *_table_of_classes(report), "", *_table_of_confusions(report), *_describe_groups(report)]
    return "\n".join(map(printable, parts))


def explain_difference(report: "EmotionReport") -> str:
    """Say why the scores on the equalised set differ from those on the untouched one; nothing without one."""
    equalized = report.equalized_
    if equalized is None:
        return ""
    label: Any = report.pos_label_
    if label is None:
        support = report.per_class_["support"]
        label = support[support > 0].idxmin()
    n_copies = equalized.n_samples_ - report.n_samples_
    if not n_copies:
        return "Both are the same: the classes of this test set are equal as they are."
    shares = [part.per_class_["support"][label] / part.n_samples_ for part in (report, equalized)]
    if shares[0] == shares[1]:
        return ""
    copies = (
        f"what differs there comes from the {n_copies} copies. They are no new people, and a model that was trained on "
        "augmented copies of one class may know the class by the traces of the change."
        if n_copies > 0
        else "what differs there comes from the images that were left out."
    )
    return (
        f"Why they differ: {label} is {shares[0]:.0%} of the untouched images and {shares[1]:.0%} of the equalised "
        "ones, and accuracy, precision and F1 depend on that share. Balanced accuracy and ROC AUC do not: " + copies
    )


def describe_set(report: "EmotionReport") -> str:
    """Say in a line what was judged, and how the intervals came about."""
    groups = "" if report.n_groups_ is None else f" in {report.n_groups_} groups"
    if report.n_groups_ == 1:
        return f"{report.n_samples_} images of one group, which gives no intervals, {len(report.classes_)} classes"
    size = f"{report.n_samples_} images{groups}, {len(report.classes_)} classes"
    if not report.n_resamples_:
        return size
    unit = "images" if report.n_groups_ is None else "groups"
    n_units = report.n_samples_ if report.n_groups_ is None else report.n_groups_
    rough = f"; of {n_units} {unit}, they are rough" if n_units < _FEW else ""
    return (
        f"{size}; {report.confidence_level_:.0%} confidence intervals by bootstrap of {unit} "
        f"({report.n_resamples_} resamples){rough}"
    )


def describe_majority(report: "EmotionReport") -> str:
    """Say what is reached without looking at the images."""
    support = report.per_class_["support"]
    share = support.max() / report.n_samples_
    n_classes = (support > 0).sum()
    return (
        f"Always answering {support.idxmax()!s} would give accuracy {share:.3f}, balanced accuracy {1 / n_classes:.3f} "
        f"and macro F1 {2 * share / (1 + share) / n_classes:.3f}."
    )


def _table_of_scores(report: "EmotionReport") -> list[str]:
    parts = [report] if report.equalized_ is None else [report, report.equalized_]
    rows = [["", "untouched test set", "equalised test set"]] if len(parts) == 2 else []
    rows += [
        [title_of(report, str(name)), *(_cell(part, *part.scores_.loc[name]) for part in parts)]
        for name in report.scores_.index
    ]
    return align(rows)


def _table_of_classes(report: "EmotionReport") -> list[str]:
    ranked = ["roc_auc"] if report.y_score_ is not None else []
    rows = [["", "precision", "recall", "F1", *(_TITLES[name] for name in ranked), "images"]]
    for name, row in report.to_frame().iterrows():
        f1 = _cell(report, row["f1"], row["f1_low"], row["f1_high"])
        cells = [number(row["precision"]), number(row["recall"]), f1, *(number(row[score]) for score in ranked)]
        rows.append([_name_row(name), *cells, f"{row['support']:.0f}"])
    lines = align(rows)
    return [*lines[:-2], "─" * max(map(len, lines)), *lines[-2:]]


def title_of(report: "EmotionReport", score: str) -> str:
    """Name a score for people."""
    return _TITLES[score] + (f" ({report.pos_label_})" if score in ("f1", "precision") else "")


def describe_interval(low: float, high: float) -> str:
    """Write an interval; nothing if it is unknown."""
    return "" if low != low or high != high else f"[{number(low)}, {number(high)}]"


def _cell(report: "EmotionReport", value: float, low: float, high: float) -> str:
    """Write a score with its interval."""
    return number(value) + (f" [{number(low)}, {number(high)}]" if report.n_resamples_ else "")


def _describe_groups(report: "EmotionReport") -> list[str]:
    """Give the accuracy of the parts of the test set: each value of a column, and the ends alone of many."""
    lines = []
    for column, part in report.per_group_.groupby("column", sort=False):
        n_more = report.left_out_.get(str(column), 0)
        if len(part) > _MOST_ROWS:
            part = part.sort_values("accuracy", kind="stable")
            n_more += len(part) - _MOST_ROWS
            part = pd.concat([part[: _MOST_ROWS // 2], part[-_MOST_ROWS // 2 :]])
        rows = [[str(column), "accuracy", "macro F1", "images"]]
        for row in part.to_dict("records"):
            scores = [
                _cell(report, row[name], row[f"{name}_low"], row[f"{name}_high"]) for name in ("accuracy", "f1_macro")
            ]
            rows.append([str(row["value"]), *scores, str(row["images"])])
        lines += ["", *align(rows), *([f"and {n_more} more"] if n_more else [])]
    return lines


def _name_row(name: Any) -> str:
    return {"macro avg": "macro average", "weighted avg": "weighted average"}.get(str(name), str(name))


def _table_of_confusions(report: "EmotionReport") -> list[str]:
    table = report.confusion_matrix_
    header = ["true \\ predicted", *(str(label) for label in table.columns)]
    return align(
        [header, *([str(label), *map(str, row)] for label, row in zip(table.index, table.to_numpy(), strict=True))]
    )
