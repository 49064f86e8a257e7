"""A comparison as one self-contained page."""

from html import escape
from typing import TYPE_CHECKING

from ..utils._palette import pick_color
from ..utils._text import number
from ._comparison_plot import count_failures, spread
from ._comparison_result import title_of

if TYPE_CHECKING:
    from ._comparison_result import Comparison

_STYLE = """
:root { color-scheme: light dark; }
body { max-width: 64rem; margin: 2rem auto; padding: 0 1rem; line-height: 1.5;
       font-family: system-ui, sans-serif; color: light-dark(#1c1c1e, #ececf0);
       background: light-dark(#ffffff, #17181b); }
"""
_FRAGMENT_STYLE = """
.ske table { border-collapse: collapse; margin: 0 0 1.5rem; font-variant-numeric: tabular-nums; }
.ske th, .ske td { padding: .35rem .6rem; text-align: right; border-bottom: 1px solid #8884; white-space: nowrap; }
.ske th:first-child, .ske td:first-child { text-align: left; }
.ske td:first-child { white-space: normal; min-width: 8rem; max-width: 22rem; overflow-wrap: anywhere; }
.ske pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0 0 1rem; }
.ske tr.best td { font-weight: 600; }
.ske tr.reference td { opacity: .7; font-style: italic; }
.ske .wide { overflow-x: auto; }
.ske svg { width: 100%; max-width: 46rem; height: auto; }
.ske .failed { border-left: 4px solid #D55E00; padding-left: .6rem; }
.ske .note { opacity: .75; font-size: .9em; }
"""


def render_page(comparison: "Comparison") -> str:
    """Give the whole page."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Comparison of classifiers</title><style>{_STYLE}</style></head>\n<body>"
        f"<h1>Comparison of classifiers</h1>\n{render_fragment(comparison)}"
        f"{_render_errors(comparison)}<h2>Folds</h2>\n{_render_folds(comparison)}</body></html>\n"
    )


def render_fragment(comparison: "Comparison") -> str:
    """Give summary and plot, to be put into a page or notebook."""
    failures = "".join(f'<p class="failed">{escape(line)}</p>\n' for line in comparison.describe_failures())
    tests = "".join(f"<p>{escape(line.strip())}</p>" for line in comparison.describe_tests())
    return (
        f'<style>{_FRAGMENT_STYLE}</style><div class="ske"><p>{escape(comparison.describe_folds())}</p>\n'
        f"{_render_summary(comparison)}\n{failures}{_render_plot(comparison)}\n"
        f'<div class="note">{tests}</div></div>\n'
    )


def _render_summary(comparison: "Comparison") -> str:
    header, rows, references = comparison.table()
    body = [_render_row(row, "best" if row[0] == comparison.best_ and len(rows) > 1 else "") for row in rows] + [
        _render_row(row, "reference") for row in references
    ]
    return _render_table(header, body)


def _render_folds(comparison: "Comparison") -> str:
    frame = comparison.scores_
    header = [title_of(column) for column in frame.columns]
    body = []
    for values in frame.itertuples(index=False):
        cells = [number(value) if isinstance(value, float) else str(value) for value in values]
        body.append(_render_row(cells, ""))
    return f'<div class="ske">{_render_table(header, body)}</div>'


def _render_errors(comparison: "Comparison") -> str:
    """List every failure, with all that its error says."""
    if comparison.failures_.empty:
        return ""
    items = []
    for (name, error), failures in comparison.failures_.groupby(["estimator", "error"], sort=False):
        folds = ", ".join(map(str, failures["fold"]))
        where = f"{name}, fold{'s' if len(failures) > 1 else ''} {folds}"
        items.append(f"<dt>{escape(where)}</dt><dd><pre>{escape(str(error))}</pre></dd>\n")
    return f'<h2>Failures</h2>\n<dl class="ske">{"".join(items)}</dl>\n'


def _render_table(header: list[str], body: list[str]) -> str:
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n<tbody>' + "\n".join(body) + "</tbody></table></div>"
    )


def _render_row(cells: list[str], kind: str) -> str:
    attribute = f' class="{kind}"' if kind else ""
    return f"<tr{attribute}>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"


def _render_plot(comparison: "Comparison") -> str:
    """Draw the folds of the first metric as inline SVG, in the colours of the page's text."""
    metric = comparison.metrics_[0]
    frame = comparison.scores_
    means = {str(name): mean for name, mean in comparison.summary()[(metric, "mean")].items()}
    names = list(means)
    values = frame[metric].dropna()
    if values.empty:
        return ""
    chance = comparison.reference_[metric].get("chance") if metric in comparison.reference_ else None
    known = [*values, *([] if chance is None else [chance])]
    low, high = min(*known, 0.0), max(*known, 1.0)
    left, width, top, row_height = 215, 745, 14, 46
    bottom = top + row_height * len(names)

    def at(value: float) -> float:
        return left + (width - left - 20) * (value - low) / (high - low)

    marks = []
    for tick in range(6):
        value = low + (high - low) * tick / 5
        marks.append(f'<line x1="{at(value):.1f}" x2="{at(value):.1f}" y1="{top}" y2="{bottom}" stroke="#8884"/>')
        marks.append(
            f'<text x="{at(value):.1f}" y="{bottom + 18}" text-anchor="middle" fill="currentColor">{value:.1f}</text>'
        )
    if chance is not None:
        marks.append(
            f'<line x1="{at(chance):.1f}" x2="{at(chance):.1f}" y1="{top}" y2="{bottom}" stroke="currentColor" '
            f'stroke-dasharray="4 4" opacity=".6"><title>chance {chance:.3f}</title></line>'
        )
    for row, name in enumerate(names):
        y = top + row_height * (row + 0.5)
        color = pick_color(row)
        n_failed = count_failures(comparison, name)
        marks.append(
            f'<text x="{left - 12}" y="{y + (-2 if n_failed else 5):.1f}" text-anchor="end" fill="currentColor">'
            f"{escape(_shorten(name))}<title>{escape(name)}</title></text>"
        )
        if n_failed:
            marks.append(
                f'<text x="{left - 12}" y="{y + 14:.1f}" text-anchor="end" fill="currentColor" font-size="12">'
                f"failed in {n_failed} fold{'s' if n_failed > 1 else ''}</text>"
            )
        scores = frame.loc[frame["estimator"] == name, metric]
        radius, opacity = (5.5, 0.65) if len(scores) <= 15 else (4, 0.5)
        marks += [
            f'<circle cx="{at(score):.1f}" cy="{y + 11 * offset:.1f}" r="{radius}" fill="{color}" '
            f'fill-opacity="{opacity}"><title>fold {fold}: {score:.3f}</title></circle>'
            for fold, (score, offset) in enumerate(zip(scores, spread(len(scores)), strict=True))
            if score == score
        ]
        if means[name] == means[name]:
            mean = at(means[name])
            marks.append(
                f'<line x1="{mean:.1f}" x2="{mean:.1f}" y1="{y - 17:.1f}" y2="{y + 17:.1f}" stroke="{color}" '
                'stroke-width="3.5" stroke-linecap="round"/>'
            )
    title = f"{title_of(metric)}: one point per fold, a bar at the mean, chance dashed"
    marks.append(
        f'<text x="{(left + width) / 2}" y="{bottom + 40}" text-anchor="middle" fill="currentColor">'
        f"{escape(title)}</text>"
    )
    return (
        f'<svg viewBox="0 0 {width} {bottom + 50}" role="img" aria-label="{escape(title)}" font-size="14" '
        'font-family="system-ui, sans-serif">' + "".join(marks) + "</svg>"
    )


def _shorten(name: str, length: int = 24) -> str:
    return name if len(name) <= length else name[: length - 1] + "…"
