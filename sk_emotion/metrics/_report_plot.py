"""A report as one figure."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._reports._axes import literal
from .._reports._palette import COLORS
from .._reports._report_summary import ReportSummary
from ._confusion import ConfusionMatrixDisplay
from ._curves import MulticlassPrecisionRecallDisplay, MulticlassRocCurveDisplay


def draw_report(summary: ReportSummary, y_true: NDArray[Any], y_score: NDArray[np.float64] | None, axes: Any) -> Any:
    """Plot the confusion matrix, F1 of each class and, with scores, both curves; return the axes."""
    ranked = y_score is not None
    n_panels = 4 if ranked else 2
    if axes is None:
        import matplotlib.pyplot as plt

        rows = 2 if ranked else 1
        _, axes = plt.subplots(rows, 2, figsize=(12, 5 * rows), layout="constrained")
    axes = np.ravel(axes)
    if len(axes) != n_panels:
        raise ValueError(f"EmotionReport.plot: got {len(axes)} axes, expected {n_panels}.")
    _draw_confusions(summary, axes[0])
    _draw_f1(summary, axes[1])
    if ranked and summary.per_class["roc_auc"].isna().all():
        for ax in axes[2:]:
            ax.text(0.5, 0.5, "The curves need at least two classes.", ha="center", va="center")
            ax.set_axis_off()
    elif ranked:
        options = {"classes": summary.classes, "pos_label": summary.pos_label}
        for display, ax in ((MulticlassRocCurveDisplay, axes[2]), (MulticlassPrecisionRecallDisplay, axes[3])):
            display.from_predictions(y_true, y_score, ax=ax, **options)
        subject = "each class against the rest" if summary.pos_label is None else literal(summary.pos_label, 40)
        axes[2].set_title(f"ROC: {subject}")
        axes[3].set_title(f"Precision and recall: {subject}")
    return axes


def _draw_confusions(summary: ReportSummary, ax: Any) -> None:
    display = ConfusionMatrixDisplay(summary.confusion_matrix.to_numpy(), display_labels=summary.classes)
    # Fill the panel.
    display.plot(ax=ax, im_kw={"aspect": "auto"})


def _draw_f1(summary: ReportSummary, ax: Any) -> None:
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
    names = [literal(label) for label in summary.classes]
    ax.set_yticks(positions, [f"{name} ({n:.0f})" for name, n in zip(names, table["support"], strict=True)])
    ax.invert_yaxis()
    level = f" with {summary.confidence_level:.0%} intervals" if summary.n_resamples else ""
    ax.set(xlim=(0, 1), xlabel=f"F1{level}; dashed: macro F1 {macro:.3f}", title="F1 of each class (images)")
    ax.grid(axis="x", color="0.93")
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
