"""A comparison of classifiers: what it shows, its plot and its page."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import pandas as pd
from markupsafe import Markup

from ..utils._text import number, printable
from ._charts import COLORS, draw_svg, finish_axes, literal, prepare_axes
from ._pages import load_macros, render_fragment, render_page

_TITLES = {
    "f1_macro": "macro F1",
    "roc_auc": "ROC AUC",
    "roc_auc_ovr": "ROC AUC (one vs rest)",
    "fit_time": "fit (s)",
    "score_time": "predict (s)",
    "n_train": "training images",
    "n_test": "test images",
}


@dataclass(frozen=True)
class ComparisonSummary:
    """Scores of several classifiers on the same folds. Frames have the meaning of the attributes of Comparison."""

    metrics: Sequence[str]
    best: str | None
    scores: pd.DataFrame
    means: pd.DataFrame
    """One row per estimator; columns are pairs of a metric or time, and ``"mean"`` or ``"std"``."""
    reference: pd.DataFrame
    failures: pd.DataFrame
    differences: pd.DataFrame
    """First metric of the best estimator minus that of each other one: folds in rows, estimators in columns."""
    tests: pd.DataFrame
    table: tuple[list[str], list[list[str]], list[list[str]]]
    """The means as text: header, rows of the estimators, rows of the reference."""
    folds: str
    failure_lines: Sequence[str]
    test_lines: Sequence[str]
    caveats: Sequence[str]
    estimators: Mapping[str, str]
    """HTML view of each estimator."""
    environment: Mapping[str, str]


def title_of(metric: str) -> str:
    """Return the title of a metric in tables and plots."""
    return _TITLES.get(metric, metric.replace("_", " "))


def describe_p(p: float) -> str:
    """Format a p-value with three digits."""
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def describe_mean(mean: float, std: float) -> str:
    """Format a mean and its standard deviation over the folds."""
    return number(mean) if math.isnan(std) else f"{number(mean)} ± {std:.3f}"


def render_comparison(summary: ComparisonSummary) -> str:
    """Render the whole page."""
    macros, shared = load_macros("comparison.html.jinja"), load_macros("macros.html.jinja")
    views = {name: Markup(view) for name, view in summary.estimators.items()}
    sections = {
        "Summary": _render_summary(summary) + shared.caveats(summary.failure_lines),
        "Differences": macros.differences(summary, _draw_differences(summary), title_of(summary.metrics[0]), _find_p),
        "Times": macros.times(summary, title_of, describe_mean),
        "Folds": macros.folds(summary, title_of),
        "Failures": macros.failures(summary),
        "Parameters": shared.views(views),
        "Environment": shared.environment(summary.environment),
    }
    return render_page("Comparison of classifiers", summary.folds, sections)


def render_overview(summary: ComparisonSummary) -> str:
    """Render summary, plot and tests for a notebook."""
    shared = load_macros("macros.html.jinja")
    failures, tests = shared.caveats(summary.failure_lines), shared.notes(summary.test_lines)
    return render_fragment(summary.folds, _render_summary(summary), failures, tests)


def _render_summary(summary: ComparisonSummary) -> Any:
    macros, shared = load_macros("comparison.html.jinja"), load_macros("macros.html.jinja")
    plot = macros.scores(_draw_scores(summary), title_of(summary.metrics[0]), "chance" in summary.reference.index)
    return macros.summary(summary) + shared.caveats(summary.caveats) + plot


def _find_p(summary: ComparisonSummary, name: str) -> str:
    """Return the p-value of the best estimator against another one."""
    pair = summary.tests[(summary.tests[["better", "other"]].isin([name, summary.best])).all(axis=1)]
    return number(float("nan")) if pair.empty else describe_p(pair["p_holm"].iloc[0])


def plot_folds(summary: ComparisonSummary, ax: Any, metric: str) -> Any:
    """Plot one point per fold, a bar at the mean, and a dashed line at chance."""
    scores, means = summary.scores, summary.means[(metric, "mean")]
    rows = [(str(name), scores.loc[scores["estimator"] == name, metric], mean) for name, mean in means.items()]
    (ax,) = prepare_axes("Comparison", ax, (6, 1.2 + 0.7 * len(means)))
    _draw_rows(summary, ax, rows, f"{literal(title_of(metric))}, one point per fold", ".3f")
    if "chance" in summary.reference.index:
        chance = summary.reference[metric].to_dict()["chance"]
        ax.axvline(chance, color="0.5", linestyle="--", linewidth=1, zorder=1)
        ax.annotate(
            "chance", (chance, 0.02), xycoords=("data", "axes fraction"), xytext=(4, 0), textcoords="offset points",
            color="0.4", fontsize="small",
        )  # fmt: skip
    return ax


def _draw_rows(summary: ComparisonSummary, ax: Any, rows: list[tuple[str, Any, float]], title: str, form: str) -> None:
    """Draw the scores of each estimator, given with its name and their mean, in a row, and a bar at the mean."""
    for row, ((_, values, mean), color) in enumerate(zip(rows, cycle(COLORS), strict=False)):
        heights = [row + 0.22 * offset for offset in _spread(len(values))]
        size, alpha = (42, 0.65) if len(values) <= 15 else (22, 0.5)
        ax.scatter(values, heights, s=size, color=color, alpha=alpha, linewidths=0, zorder=3)
        if mean == mean:
            ax.plot([mean] * 2, [row - 0.32, row + 0.32], color=color, linewidth=3, solid_capstyle="round", zorder=4)
            ax.annotate(f"{mean:{form}}", (mean, row - 0.36), ha="center", va="bottom", color=color, weight="bold")
    ax.set_yticks(range(len(rows)), [_label(summary, name) for name, _, _ in rows])
    ax.set_ylim(len(rows) - 0.45, -0.65)
    ax.set_xlabel(title)
    finish_axes(ax, "x", "0.9")
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)


def _draw_scores(summary: ComparisonSummary) -> Markup:
    """Draw the first metric in each fold; nothing without any score."""
    metric = summary.metrics[0]
    if summary.scores[metric].isna().all():
        return Markup()
    means = summary.means[(metric, "mean")]
    return draw_svg(
        lambda ax: plot_folds(summary, ax, metric),
        title=f"{title_of(metric)} of each fold",
        description=", ".join(f"{name}: mean {number(mean)}" for name, mean in means.items()),
        size=(4.5, 0.9 + 0.65 * len(means)),
    )


def _draw_differences(summary: ComparisonSummary) -> Markup:
    """Draw how much better the best estimator is than each other one, fold by fold."""
    rows = [(str(name), column.dropna(), column.mean()) for name, column in summary.differences.items()]
    if not rows:
        return Markup()

    def draw(ax: Any) -> None:
        _draw_rows(summary, ax, rows, "difference, one point per fold", "+.3f")
        ax.axvline(0, color="0.5", linestyle="--", linewidth=1, zorder=1)

    return draw_svg(
        draw,
        title=f"Differences in {title_of(summary.metrics[0])}",
        description=", ".join(f"against {name}: mean {mean:+.3f}" for name, _, mean in rows),
        size=(4.5, 0.9 + 0.65 * len(rows)),
    )


def _spread(n: int) -> list[float]:
    """Return an offset between -1 and 1 for each of n points, so that neighbors do not overlap."""
    if n <= 15:
        return [2 * (i + 0.5) / n - 1 for i in range(n)]
    # Multiples of the golden ratio fill the height evenly, where a line of points would look like a trend.
    return [2 * (i * 0.6180339887 % 1) - 1 for i in range(n)]


def _label(summary: ComparisonSummary, name: str) -> str:
    """Wrap a long name, and add the number of failed folds."""
    lines = textwrap.wrap(printable(name), 26, max_lines=3, placeholder="…") or [name]
    lines = [literal(line, 26) for line in lines]
    n_failed = (summary.failures["estimator"] == name).sum()
    if n_failed:
        lines.append(f"(failed in {n_failed} fold{'s' if n_failed > 1 else ''})")
    return "\n".join(lines)
