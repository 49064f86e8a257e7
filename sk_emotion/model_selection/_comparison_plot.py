"""The scores of each fold as points, one line of them per estimator."""

from typing import TYPE_CHECKING, Any

from ._comparison_result import title_of

if TYPE_CHECKING:
    from ._comparison_result import Comparison

# Okabe and Ito's palette, which colour-blind readers can tell apart.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def plot_folds(comparison: "Comparison", ax: Any, metric: str) -> Any:
    """Draw one point per fold, a bar at the mean, and dashed lines at chance."""
    if metric not in comparison.metrics_:
        raise ValueError(f"Comparison.plot: metric={metric!r}, expected one of {comparison.metrics_}.")
    names = list(comparison.scores_["estimator"].unique())
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=(6, 1.2 + 0.7 * len(names)), layout="constrained")
    for row, name in enumerate(names):
        values = comparison.scores_.loc[comparison.scores_["estimator"] == name, metric].to_numpy()
        color = COLORS[row % len(COLORS)]
        offsets = [0.22 * (2 * (i + 0.5) / len(values) - 1) for i in range(len(values))]
        ax.scatter(values, [row + offset for offset in offsets], s=42, color=color, alpha=0.65, linewidths=0, zorder=3)
        ax.plot([values.mean()] * 2, [row - 0.32, row + 0.32], color=color, linewidth=3, solid_capstyle="round")
        ax.annotate(
            f"{values.mean():.3f}", (values.mean(), row - 0.36), ha="center", va="bottom", color=color, weight="bold"
        )
    if "chance" in comparison.reference_.index:
        chance = comparison.reference_[metric].to_dict()["chance"]
        ax.axvline(chance, color="0.5", linestyle="--", linewidth=1, zorder=1)
        ax.annotate(
            "chance", (chance, 0.02), xycoords=("data", "axes fraction"), xytext=(4, 0), textcoords="offset points",
            color="0.4", fontsize="small",
        )  # fmt: skip
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.45, -0.65)
    ax.set_xlabel(f"{title_of(metric)}, one point per fold")
    ax.grid(axis="x", color="0.9", zorder=0)
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    return ax
