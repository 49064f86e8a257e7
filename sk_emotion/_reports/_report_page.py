"""A report as a page, and what its text and page show."""

import base64
import io
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray
from sklearn.metrics import ConfusionMatrixDisplay

from ..utils._text import number
from ._charts import COLORS, draw_svg, finish_axes, literal
from ._pages import load_macros, render_fragment, render_page
from ._report_text import ReportSummary, describe_majority, describe_set, explain_difference, title_of

# More or longer names would overlap below the confusion matrix.
_MAX_HORIZONTAL_NAMES, _MAX_HORIZONTAL_LETTERS = 3, 14


class Face(NamedTuple):
    """A face of a gallery, with its prediction."""

    row: int
    true: str
    predicted: str
    confidence: float | None
    """Probability of the predicted class; None without probabilities."""
    name: str
    image: NDArray[np.uint8]

    @property
    def file(self) -> str:
        """Name without folders."""
        return os.path.basename(self.name)

    @property
    def source(self) -> str:
        """The image as a data URI."""
        from PIL import Image

        file = io.BytesIO()
        Image.fromarray(self.image).save(file, "JPEG", quality=90)
        return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


class Calibration(NamedTuple):
    """Accuracy against confidence, in bins of equal width from 0 to 1."""

    counts: NDArray[np.int64]
    confidence: NDArray[np.float64]
    """Mean probability of the predicted class; NaN in an empty bin, as is the accuracy."""
    accuracy: NDArray[np.float64]

    @property
    def error(self) -> float:
        """Expected calibration error."""
        return float(np.nansum(self.counts * np.abs(self.confidence - self.accuracy)) / self.counts.sum())

    @property
    def surplus(self) -> float:
        """Mean confidence minus accuracy of all samples."""
        return float(np.nansum(self.counts * (self.confidence - self.accuracy)) / self.counts.sum())


def render_report(
    summary: ReportSummary,
    title: str,
    *,
    charts: Mapping[str, Markup],
    bins: Calibration | None,
    faces: Mapping[str, list[Face]],
    is_validated: bool,
    class_counts: pd.DataFrame | None,
    estimator: Markup | None,
    estimator_name: str,
    environment: Mapping[str, str],
) -> str:
    """Render the page; charts and galleries are empty without the data that they need."""
    macros, shared = load_macros("report.html.jinja"), load_macros("macros.html.jinja")
    sections = {
        "Scores": _render_scores(summary) + shared.notes([describe_majority(summary)]),
        "Equalized test set": macros.equalized(summary, title_of, explain_difference(summary)),
        "Classes": macros.classes(summary, _draw_classes(summary)),
        "Confusions": macros.confusions(summary),
        "ROC curves": macros.roc(charts["roc"]),
        "Precision and recall": macros.precision_recall(charts["precision_recall"]),
        "Calibration": macros.calibration(bins, charts["calibration"]),
        "Groups": macros.groups(summary),
        "Confident mistakes": macros.gallery(faces["mistakes"], "mistakes"),
        "Doubtful faces": macros.gallery(faces["doubtful"], "doubtful"),
        "Training": macros.training(charts["training"], is_validated),
        "Class balance": macros.balance(class_counts),
        "Parameters": shared.views({"": estimator} if estimator else {}),
        "Environment": shared.environment(environment),
    }
    name = f"{estimator_name}: " if estimator_name else ""
    return render_page(title, name + describe_set(summary), sections)


def render_summary(summary: ReportSummary) -> str:
    """Render scores, classes and confusion matrix for a notebook."""
    macros = load_macros("report.html.jinja")
    classes = macros.classes(summary, _draw_classes(summary))
    return render_fragment(describe_set(summary), _render_scores(summary), classes, macros.confusions(summary))


def _render_scores(summary: ReportSummary) -> Any:
    scores = load_macros("report.html.jinja").scores(summary, title_of)
    return scores + load_macros("macros.html.jinja").caveats(summary.caveats)


def _draw_classes(summary: ReportSummary) -> Markup:
    f1 = summary.per_class["f1"]
    return draw_svg(
        lambda ax: draw_f1(summary, ax),
        title="F1 of each class",
        description=", ".join(f"{label}: {number(value)}" for label, value in f1.items()),
        size=(4.5, 0.9 + 0.32 * len(f1)),
    )


def draw_f1(summary: ReportSummary, ax: Any) -> None:
    """Plot F1 of each class with its interval, and macro F1 as a line."""
    table = summary.per_class
    positions = np.arange(len(table))
    f1 = table["f1"].to_numpy()
    ax.barh(positions, f1, color=COLORS[0], alpha=0.75, height=0.6)
    if summary.n_resamples:
        # A percentile interval need not contain the score.
        lengths = np.clip([f1 - table["f1_low"], table["f1_high"] - f1], 0, None)
        ax.errorbar(f1, positions, xerr=lengths, fmt="none", ecolor="0.25", capsize=3)
    macro = summary.scores["value"].to_dict()["f1_macro"]
    ax.axvline(macro, color=COLORS[1], linestyle="--", linewidth=1.2)
    ax.set_yticks(positions, [f"{literal(name)} ({n:.0f})" for name, n in table["support"].items()])
    ax.invert_yaxis()
    level = f" with {summary.confidence_level:.0%} intervals" if summary.n_resamples else ""
    ax.set(xlim=(0, 1), xlabel=f"F1{level}; dashed: macro F1 {macro:.3f}", title="F1 of each class (images)")
    finish_axes(ax, "x")


def draw_confusions(summary: ReportSummary, ax: Any) -> None:
    """Plot counts and shares of the true class with scikit-learn's display, colored by share."""
    counts = summary.confusion_matrix.to_numpy()
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    names = [literal(label) for label in summary.classes]
    display = ConfusionMatrixDisplay(shares, display_labels=names)
    # Fill the panel.
    options = {"vmin": 0, "vmax": 1, "aspect": "auto"}
    display.plot(ax=ax, cmap="Blues", values_format=".0%", colorbar=False, im_kw=options, text_kw={"fontsize": 8})
    for count, text in zip(counts.flat, display.text_.flat, strict=True):
        text.set_text(f"{count}\n{text.get_text()}")
    if len(names) > _MAX_HORIZONTAL_NAMES or max(map(len, names)) > _MAX_HORIZONTAL_LETTERS:
        for name in ax.get_xticklabels():
            name.set(rotation=35, ha="right", rotation_mode="anchor")
    ax.set(xlabel="predicted", ylabel="true", title="Images, and share of the true class")
