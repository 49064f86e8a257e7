"""What a report shows, and its text for a terminal."""

import textwrap
from dataclasses import dataclass
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from ..utils._text import align, number, printable

_WIDTH = 100

# With fewer units, bootstrap intervals are too narrow.
_FEW = 10

# Columns with more values show only the lowest and highest accuracies.
_MOST_ROWS = 8

_TITLES = {
    "f1_macro": "macro F1",
    "f1_weighted": "weighted F1",
    "roc_auc_ovr": "ROC AUC (one vs rest, macro)",
    "average_precision_macro": "average precision (macro)",
    "f1": "F1",
    "sensitivity": "sensitivity (recall)",
    "roc_auc": "ROC AUC",
}


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
    caveats: list[str]
    equalized: "ReportSummary | None"

    @property
    def interval_titles(self) -> list[str]:
        """Title of a column of intervals; empty without intervals."""
        return [f"{self.confidence_level:.0%} interval"] if self.n_resamples else []

    def interval_cells(self, low: float, high: float) -> list[str]:
        """Cell of an interval, blank for NaN; empty without intervals."""
        text = "" if low != low or high != high else f"[{number(low)}, {number(high)}]"
        return [text] if self.n_resamples else []

    @property
    def has_scores(self) -> bool:
        """Whether ``y_score`` was passed."""
        return "roc_auc" in self.per_class

    @property
    def unit(self) -> str:
        """What the bootstrap draws."""
        return "images" if self.n_groups is None else "groups"


def describe_report(summary: ReportSummary) -> str:
    """Return the full text of a report."""
    parts = [describe_set(summary), "", *_table_of_scores(summary), "", describe_majority(summary)]
    for caveat in summary.caveats:
        parts += ["", *textwrap.wrap(printable(caveat), _WIDTH)]
    why = explain_difference(summary)
    if why:
        parts += ["", *textwrap.wrap(printable(why), _WIDTH), "", "The original test set, by class:"]
    parts += ["", *_table_of_classes(summary), "", *_table_of_confusions(summary), *_describe_groups(summary)]
    return "\n".join(map(printable, parts))


def explain_difference(summary: ReportSummary) -> str:
    """Explain why scores on the equalized and the original test set differ; return nothing without the former."""
    equalized = summary.equalized
    if equalized is None:
        return ""
    label: Any = summary.pos_label
    if label is None:
        support = summary.per_class["support"]
        label = support[support > 0].idxmin()
    n_copies = equalized.n_samples - summary.n_samples
    if not n_copies:
        return "Both test sets are the same: the classes are already balanced."
    shares = [part.per_class["support"][label] / part.n_samples for part in (summary, equalized)]
    if shares[0] == shares[1]:
        return ""
    copies = (
        f"differences in them come from the {n_copies} copies. Copies do not add new people, and a model trained on "
        "augmented copies of a class may recognize the class by traces of the augmentation."
        if n_copies > 0
        else "differences in them come from the images that were removed."
    )
    return (
        f"Why they differ: {label} is {shares[0]:.0%} of the original images and {shares[1]:.0%} of the equalized "
        "ones, and accuracy, precision and F1 depend on that share. Balanced accuracy and ROC AUC do not: " + copies
    )


def describe_set(summary: ReportSummary) -> str:
    """Describe the test set and the bootstrap in one line."""
    groups = "" if summary.n_groups is None else f" in {summary.n_groups} groups"
    if summary.n_groups == 1:
        return f"{summary.n_samples} images of one group (no confidence intervals), {len(summary.classes)} classes"
    size = f"{summary.n_samples} images{groups}, {len(summary.classes)} classes"
    if not summary.n_resamples:
        return size
    unit = summary.unit
    n_units = summary.n_samples if summary.n_groups is None else summary.n_groups
    rough = f"; approximate, with only {n_units} {unit}" if n_units < _FEW else ""
    return (
        f"{size}; {summary.confidence_level:.0%} confidence intervals by bootstrap of {unit} "
        f"({summary.n_resamples} resamples){rough}"
    )


def describe_majority(summary: ReportSummary) -> str:
    """Describe the scores of always predicting the most frequent class."""
    support = summary.per_class["support"]
    share = support.max() / summary.n_samples
    n_classes = (support > 0).sum()
    return (
        f"A model that always predicts {support.idxmax()!s} scores accuracy {share:.3f}, balanced accuracy "
        f"{1 / n_classes:.3f} and macro F1 {2 * share / (1 + share) / n_classes:.3f}."
    )


def _table_of_scores(summary: ReportSummary) -> list[str]:
    parts = [summary] if summary.equalized is None else [summary, summary.equalized]
    rows = [["", "original test set", "equalized test set"]] if len(parts) == 2 else []
    rows += [
        [title_of(summary, str(name)), *(_cell(part, *part.scores.loc[name]) for part in parts)]
        for name in summary.scores.index
    ]
    return align(rows)


def _table_of_classes(summary: ReportSummary) -> list[str]:
    ranked = ["roc_auc"] if summary.has_scores else []
    rows = [["", "precision", "recall", "F1", *(_TITLES[name] for name in ranked), "images"]]
    names = {"macro avg": "macro average", "weighted avg": "weighted average"}
    for name, row in summary.averages.iterrows():
        f1 = _cell(summary, row["f1"], row["f1_low"], row["f1_high"])
        cells = [number(row["precision"]), number(row["recall"]), f1, *(number(row[score]) for score in ranked)]
        rows.append([names.get(str(name), str(name)), *cells, f"{row['support']:.0f}"])
    lines = align(rows)
    return [*lines[:-2], "─" * max(map(len, lines)), *lines[-2:]]


def title_of(summary: ReportSummary, score: str) -> str:
    """Return the display name of a score."""
    name = _TITLES.get(score, score.replace("_", " "))
    return f"{name} ({summary.pos_label})" if score in ("f1", "precision") else name


def _cell(summary: ReportSummary, value: float, low: float, high: float) -> str:
    """Format a score with its interval."""
    return number(value) + (f" [{number(low)}, {number(high)}]" if summary.n_resamples else "")


def _describe_groups(summary: ReportSummary) -> list[str]:
    """Tabulate the scores of subsets of the test set."""
    lines = []
    for column, part in summary.per_group.groupby("column", sort=False):
        n_more = summary.left_out.get(str(column), 0)
        if len(part) > _MOST_ROWS:
            part = part.sort_values("accuracy", kind="stable")
            n_more += len(part) - _MOST_ROWS
            part = pd.concat([part[: _MOST_ROWS // 2], part[-_MOST_ROWS // 2 :]])
        rows = [[str(column), "accuracy", "macro F1", "images"]]
        for row in part.to_dict("records"):
            scores = [
                _cell(summary, row[name], row[f"{name}_low"], row[f"{name}_high"]) for name in ("accuracy", "f1_macro")
            ]
            rows.append([str(row["value"]), *scores, str(row["images"])])
        lines += ["", *align(rows), *([f"and {n_more} more"] if n_more else [])]
    return lines


def _table_of_confusions(summary: ReportSummary) -> list[str]:
    table = summary.confusion_matrix
    header = ["true \\ predicted", *(str(label) for label in table.columns)]
    return align(
        [header, *([str(label), *map(str, row)] for label, row in zip(table.index, table.to_numpy(), strict=True))]
    )
