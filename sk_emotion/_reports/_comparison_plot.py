"""The scores of each fold as points, one row of points per estimator."""

import textwrap
from typing import Any

from ..utils._text import printable
from ._axes import literal
from ._comparison_summary import ComparisonSummary, title_of
from ._palette import pick_color

_GOLDEN = 0.6180339887


def plot_folds(summary: ComparisonSummary, ax: Any, metric: str) -> Any:
    """Plot one point per fold, a bar at the mean, and a dashed line at chance."""
    means = summary.means[(metric, "mean")]
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=(6, 1.2 + 0.7 * len(means)), layout="constrained")
    for row, (name, mean) in enumerate(means.items()):
        values = summary.scores.loc[summary.scores["estimator"] == name, metric].to_numpy()
        color = pick_color(row)
        heights = [row + 0.22 * offset for offset in spread(len(values))]
        size, alpha = (42, 0.65) if len(values) <= 15 else (22, 0.5)
        ax.scatter(values, heights, s=size, color=color, alpha=alpha, linewidths=0, zorder=3)
        if mean == mean:
            ax.plot([mean] * 2, [row - 0.32, row + 0.32], color=color, linewidth=3, solid_capstyle="round", zorder=4)
            ax.annotate(f"{mean:.3f}", (mean, row - 0.36), ha="center", va="bottom", color=color, weight="bold")
    if "chance" in summary.reference.index:
        chance = summary.reference[metric].to_dict()["chance"]
        ax.axvline(chance, color="0.5", linestyle="--", linewidth=1, zorder=1)
        ax.annotate(
            "chance", (chance, 0.02), xycoords=("data", "axes fraction"), xytext=(4, 0), textcoords="offset points",
            color="0.4", fontsize="small",
        )  # fmt: skip
    ax.set_yticks(range(len(means)), [_label(summary, str(name)) for name in means.index])
    ax.set_ylim(len(means) - 0.45, -0.65)
    ax.set_xlabel(f"{literal(title_of(metric))}, one point per fold")
    ax.grid(axis="x", color="0.9", zorder=0)
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    return ax


def spread(n: int) -> list[float]:
    """Return an offset between -1 and 1 for each of n points, so that neighbors do not overlap."""
    if n <= 15:
        return [2 * (i + 0.5) / n - 1 for i in range(n)]
    # Multiples of the golden ratio fill the height evenly, where a line of points would look like a trend.
    return [2 * (i * _GOLDEN % 1) - 1 for i in range(n)]


def _label(summary: ComparisonSummary, name: str) -> str:
    """Wrap a long name, and add the number of failed folds."""
    lines = textwrap.wrap(printable(name), 26, max_lines=3, placeholder="…") or [name]
    lines = [literal(line, 26) for line in lines]
    n_failed = summary.count_failures(name)
    if n_failed:
        lines.append(f"(failed in {n_failed} fold{'s' if n_failed > 1 else ''})")
    return "\n".join(lines)
