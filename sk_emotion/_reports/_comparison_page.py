"""The comparison of classifiers as one self-contained page."""

import pandas as pd

from ..utils._text import number
from ._charts import Scale
from ._comparison_plot import spread
from ._comparison_summary import ComparisonSummary, describe_mean, describe_p, title_of
from ._environment import render_environment, render_parameters
from ._shell import (
    Html,
    Section,
    escape,
    escape_lines,
    figure,
    notes,
    render_caveats,
    render_fragment,
    render_page,
    table,
)

_HEIGHT = 40


def render_comparison(summary: ComparisonSummary) -> str:
    """Render the whole page."""
    sections = [
        Section(
            "Summary",
            _render_summary(summary)
            + render_caveats(summary.caveats)
            + _render_plot(summary)
            + render_caveats(summary.failure_lines),
        ),
        Section("Differences", _render_differences(summary)),
        Section("Times", _render_times(summary)),
        Section("Folds", _render_folds(summary)),
        Section("Failures", _render_errors(summary)),
        Section("Parameters", _render_parameters(summary)),
        Section("Environment", render_environment(summary.environment)),
    ]
    return render_page("Comparison of classifiers", summary.folds, sections)


def render_overview(summary: ComparisonSummary) -> str:
    """Render summary, plot and tests for a notebook."""
    return render_fragment(
        f"<p>{escape(summary.folds)}</p>",
        _render_summary(summary),
        render_caveats(summary.caveats),
        render_caveats(summary.failure_lines),
        _render_plot(summary),
        notes(*summary.test_lines),
    )


def _render_summary(summary: ComparisonSummary) -> Html:
    header, rows, references = summary.table
    kinds = ["best" if row[0] == summary.best and len(rows) > 1 else "" for row in rows]
    caption = (
        "Mean ± standard deviation over the folds; the best mean of the first metric is bold. The last rows are "
        "baselines that ignore the images: random guessing, and always predicting the most frequent class."
    )
    return figure(
        table(
            "Summary",
            ["estimator", *header[1:]],
            [*rows, *references],
            row_kinds=[*kinds, *["reference"] * len(references)],
        ),
        caption,
    )


def _render_plot(summary: ComparisonSummary) -> Html:
    """Render the scores of the first metric in each fold, a row per estimator."""
    metric = summary.metrics[0]
    frame = summary.scores
    values = frame[metric].dropna()
    if values.empty:
        return Html()
    chance = float("nan")
    if metric in summary.reference and "chance" in summary.reference.index:
        chance = float(summary.reference[metric].to_dict()["chance"])
    known = [*values, *([chance] if chance == chance else [])]
    scale = Scale(min(*known, 0.0), max(*known, 1.0))
    ticks = [scale.low + (scale.high - scale.low) * part / 4 for part in range(5)]
    rows = []
    for name, mean in summary.means[(metric, "mean")].items():
        scores = frame.loc[frame["estimator"] == name, metric].to_list()
        n_failed = summary.count_failures(str(name))
        failed = f"<br><small>failed in {n_failed} fold{'s' if n_failed > 1 else ''}</small>" if n_failed else ""
        strip = scale.strip(
            scale.rule(chance, "chance", height=_HEIGHT), *_draw_folds(scale, scores, mean), ticks=ticks, height=_HEIGHT
        )
        rows.append([Html(escape(str(name)) + failed), strip, number(mean)])
    title = title_of(metric)
    axis = scale.axis(title, [ticks[0], ticks[2], ticks[4]], ".2g")
    dashed = ", and the dashed line is chance" if chance == chance else ""
    caption = f"{title}: each point is a fold, the vertical bar is the mean{dashed}."
    return figure(table(f"{title} of each fold", ["estimator", axis, "mean"], rows), caption)


def _draw_folds(scale: Scale, values: list[float], mean: float) -> list[str]:
    radius = 4.5 if len(values) <= 15 else 3.5
    middle = _HEIGHT / 2
    dots = [
        scale.dot(value, y=middle + 12 * offset, radius=radius, kind="dot faint")
        for value, offset in zip(values, spread(len(values)), strict=True)
    ]
    return [*dots, scale.rule(mean, "mean", inset=4, height=_HEIGHT)]


def _render_differences(summary: ComparisonSummary) -> str:
    """Render the differences between the best estimator and the others, fold by fold."""
    differences = summary.differences
    if differences.empty:
        return ""
    title, best = title_of(summary.metrics[0]), str(summary.best)
    most = float(differences.abs().to_numpy(na_value=0).max()) or 1.0
    scale = Scale(-most, most)
    rows = []
    for name, column in differences.items():
        values = column.dropna()
        strip = scale.strip(
            scale.rule(0, "chance", height=_HEIGHT),
            *_draw_folds(scale, values.to_list(), values.mean()),
            ticks=(-most, most),
            height=_HEIGHT,
        )
        ahead = f"{int((values > 0).sum())} of {len(values)}"
        rows.append([str(name), strip, f"{values.mean():+.3f}", ahead, _describe_p(summary, str(name))])
    axis = scale.axis("difference", (-most, 0, most), "+.2g")
    n_pairs = len(summary.tests)
    caption = (
        f"{title} of {best} minus that of each other estimator in the same fold: right of the dashed line, {best} is "
        f"better. p is the probability of a difference at least this large between equally good "
        f"estimators{_adjusted(n_pairs)}; above 0.05, the difference is not significant."
    )
    plot = figure(table(f"Differences in {title}", ["against", axis, "mean", "better in", "p"], rows), caption)
    folds = [[f"fold {fold}", *map(_signed, row)] for fold, *row in differences.itertuples()]
    each = table(f"Differences in {title}, fold by fold", ["fold", *map(str, differences.columns)], folds)
    each_caption = f"{title} of {best} minus that of the estimator in the column, fold by fold."
    return plot + figure(each, each_caption) + notes(*summary.test_lines)


def _describe_p(summary: ComparisonSummary, name: str) -> str:
    tests = summary.tests
    pair = tests[(tests["better"] == name) | (tests["other"] == name)]
    pair = pair[(pair["better"] == summary.best) | (pair["other"] == summary.best)]
    return number(float("nan")) if pair.empty else describe_p(pair["p_holm"].iloc[0])


def _adjusted(n_pairs: int) -> str:
    return f" (adjusted for the {n_pairs} compared pairs)" if n_pairs > 1 else ""


def _signed(value: float) -> str:
    return number(value) if value != value else f"{value:+.3f}"


def _render_times(summary: ComparisonSummary) -> Html:
    means = summary.means
    longest = float(means[("fit_time", "mean")].max())
    scale = Scale(0, longest if longest > 0 else 1.0)
    rows = []
    for name, row in means.iterrows():
        cells = [describe_mean(row[(time, "mean")], row[(time, "std")]) for time in ("fit_time", "score_time")]
        rows.append([str(name), scale.strip(scale.bar(row[("fit_time", "mean")]), ticks=(0, scale.high)), *cells])
    header = ["estimator", scale.axis("seconds", (0, scale.high), ".3g"), title_of("fit_time"), title_of("score_time")]
    caption = (
        "Bars show the mean seconds to fit one fold, including any tuning; the columns show mean ± standard deviation "
        "over the folds, for fitting and for predicting labels and probabilities of the test fold. Estimators that ran "
        "in parallel or on a busy machine take longer."
    )
    return figure(table("Times", header, rows), caption)


def _render_folds(summary: ComparisonSummary) -> Html:
    frame = summary.scores
    rows = [
        [number(value) if isinstance(value, float) else str(value) for value in values]
        for values in frame.itertuples(index=False)
    ]
    header = [title_of(column) for column in frame.columns]
    return figure(table("Scores of every fold", header, rows), "All scores from which the means were computed.")


def _render_errors(summary: ComparisonSummary) -> str:
    """List every failure with its full error message."""
    items = []
    failures: pd.DataFrame
    for (name, error), failures in summary.failures.groupby(["estimator", "error"], sort=False):
        folds = ", ".join(map(str, failures["fold"]))
        where = f"{name}, fold{'s' if len(failures) > 1 else ''} {folds}"
        items.append(f"<dt>{escape(where)}</dt><dd><pre>{escape_lines(str(error))}</pre></dd>\n")
    return f"<dl>{''.join(items)}</dl>\n" if items else ""


def _render_parameters(summary: ComparisonSummary) -> Html:
    tables = [
        f"<h3>{escape(name)}</h3>\n{render_parameters(parameters, name)}"
        for name, parameters in summary.parameters.items()
    ]
    caption = "All parameters, as Python prints them. With these and the same folds, the comparison can be reproduced."
    return figure("".join(tables), caption)
