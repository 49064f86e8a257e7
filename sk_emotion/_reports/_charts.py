"""Inline SVG charts in the colors of the surrounding text."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._shell import Html, escape

# Margins for ticks and labels, in units of the drawing.
_LEFT, _BOTTOM, _TOP, _RIGHT = 34, 32, 6, 8


class Scale(NamedTuple):
    """The range of values of a strip chart in a table cell.

    A strip fills the width of its cell with marks of fixed size, which stay legible on a phone. It repeats the numbers
    beside it and is therefore hidden from screen readers.
    """

    low: float = 0.0
    high: float = 1.0

    def at(self, value: float) -> float:
        """Return the position of a value in percent of the width."""
        return 100 * (value - self.low) / (self.high - self.low)

    def axis(self, name: str, ticks: Sequence[float], form: str = "g") -> Html:
        """Draw the tick labels for the column header."""
        texts = []
        for tick in ticks:
            place = self.at(tick)
            anchor = "start" if place < 1 else "end" if place > 99 else "middle"
            texts.append(f'<text x="{place:.1f}%" y="11" text-anchor="{anchor}">{tick:{form if tick else "g"}}</text>')
        label = escape(f"{name}, from {self.low:{form}} to {self.high:{form}}")
        return Html(f'<svg class="strip" height="14" role="img" aria-label="{label}">{"".join(texts)}</svg>')

    def strip(self, *marks: str, ticks: Sequence[float] = (), height: int = 22) -> Html:
        """Draw marks over grid lines at the ticks."""
        lines = "".join(self.rule(tick, "grid", height=height) for tick in ticks)
        return Html(f'<svg class="strip" height="{height}" aria-hidden="true">{lines}{"".join(marks)}</svg>')

    def rule(self, value: float, kind: str, *, inset: int = 0, height: int = 22) -> str:
        """Draw a vertical line; nothing for NaN."""
        if value != value:
            return ""
        x = f"{self.at(value):.2f}%"
        return f'<line class="{kind}" x1="{x}" x2="{x}" y1="{inset}" y2="{height - inset}"/>'

    def bar(self, value: float, kind: str = "bar", *, top: int = 6, height: int = 10) -> str:
        """Draw a bar from 0, or from the left end; nothing for NaN."""
        if value != value:
            return ""
        start = self.at(max(self.low, 0.0))
        return (
            f'<rect class="{kind}" x="{start:.2f}%" width="{max(self.at(value) - start, 0):.2f}%" y="{top}" '
            f'height="{height}" rx="1"/>'
        )

    def interval(self, low: float, high: float) -> str:
        """Draw an error bar; nothing for NaN."""
        if low != low or high != high:
            return ""
        left, right = f"{self.at(low):.2f}%", f"{self.at(high):.2f}%"
        ends = "".join(f'<line class="whisker" x1="{x}" x2="{x}" y1="7" y2="15"/>' for x in (left, right))
        return f'<line class="whisker" x1="{left}" x2="{right}" y1="11" y2="11"/>{ends}'

    def dot(self, value: float, *, y: float = 11, radius: float = 3.5, kind: str = "dot") -> str:
        """Draw a point; nothing for NaN."""
        return (
            "" if value != value else f'<circle class="{kind}" cx="{self.at(value):.2f}%" cy="{y:.1f}" r="{radius}"/>'
        )


class Lines(NamedTuple):
    """The points of a line, and its CSS class."""

    x: Sequence[float] | NDArray[np.float64]
    y: Sequence[float] | NDArray[np.float64]
    kind: str = "line"


def draw_lines(
    lines: Iterable[Lines],
    *,
    label: str,
    x_label: str,
    y_label: str = "",
    x_ticks: Sequence[float] = (0, 0.5, 1),
    y_ticks: Sequence[float] = (0, 0.5, 1),
    size: tuple[int, int] = (180, 168),
) -> Html:
    """Draw lines on axes that range from the first to the last tick.

    Parameters
    ----------
    lines : iterable of Lines
    label : str
        Label for screen readers.
    x_label, y_label : str
        Labels of the axes.
    x_ticks, y_ticks : sequence of float
        Positions of the tick labels.
    size : tuple of (int, int), default=(180, 168)
        Width and height, approximately in pixels.
    """
    frame = _Frame(size, x_ticks, y_ticks)
    marks = [frame.draw(x_label, y_label)]
    for line in lines:
        points = _thin([(frame.x(x), frame.y(y)) for x, y in zip(line.x, line.y, strict=True) if x == x and y == y])
        marks.append(f'<polyline class="{line.kind}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>')
        if len(points) < 12 and not line.kind.startswith("chance"):
            # A line through a single point is invisible.
            dot = line.kind.replace("line", "dot")
            marks += [f'<circle class="{dot}" cx="{x:.1f}" cy="{y:.1f}" r="2"/>' for x, y in points]
    return frame.wrap("".join(marks), label)


def draw_bins(
    edges: NDArray[np.float64],
    heights: NDArray[np.float64],
    targets: NDArray[np.float64],
    rough: NDArray[np.bool_],
    *,
    label: str,
    x_label: str,
    y_label: str,
) -> Html:
    """Draw a bar in each bin, outlined if `rough`, and the gap to its target height.

    Empty bins have a height of NaN.
    """
    ticks = (0, 0.25, 0.5, 0.75, 1)
    frame = _Frame((360, 300), ticks, ticks)
    marks = [frame.draw(x_label, y_label)]
    for left, right, height, target, is_rough in zip(edges[:-1], edges[1:], heights, targets, rough, strict=True):
        if height != height:
            continue
        start, end, top, aim = frame.x(left) + 1, frame.x(right) - 1, frame.y(height), frame.y(target)
        kind = "bar second" if is_rough else "bar"
        size = f'width="{end - start:.1f}" height="{frame.y(0) - top:.1f}"'
        gap = f"M{(start + end) / 2:.1f} {top:.1f}V{aim:.1f}M{start + 2:.1f} {aim:.1f}H{end - 2:.1f}"
        marks.append(f'<rect class="{kind}" x="{start:.1f}" y="{top:.1f}" {size}/><path class="gap" d="{gap}"/>')
    diagonal = f"{frame.x(0):.1f},{frame.y(0):.1f} {frame.x(1):.1f},{frame.y(1):.1f}"
    marks.append(f'<polyline class="chance" points="{diagonal}"/>')
    return frame.wrap("".join(marks), label)


class _Frame:
    """The coordinate system of a chart with axes."""

    def __init__(self, size: tuple[int, int], x_ticks: Sequence[float], y_ticks: Sequence[float]):
        self.width, self.height = size
        self.x_ticks, self.y_ticks = x_ticks, y_ticks

    def x(self, value: float) -> float:
        """Return the horizontal position of a value."""
        low, high = self.x_ticks[0], self.x_ticks[-1]
        return _LEFT + (self.width - _LEFT - _RIGHT) * (value - low) / (high - low or 1)

    def y(self, value: float) -> float:
        """Return the vertical position of a value."""
        low, high = self.y_ticks[0], self.y_ticks[-1]
        return self.height - _BOTTOM - (self.height - _BOTTOM - _TOP) * (value - low) / (high - low or 1)

    def draw(self, x_label: str, y_label: str) -> str:
        """Draw the grid, the ticks and the axis labels."""
        left, right, top, bottom = _LEFT, self.width - _RIGHT, _TOP, self.height - _BOTTOM
        marks = []
        for tick in self.y_ticks:
            y = self.y(tick)
            marks.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
            marks.append(f'<text x="{left - 5}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
        for tick in self.x_ticks:
            x = self.x(tick)
            marks.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>')
            marks.append(f'<text x="{x:.1f}" y="{bottom + 13}" text-anchor="middle">{tick:g}</text>')
        middle = (left + right) / 2
        marks.append(f'<text x="{middle:.1f}" y="{bottom + 27}" text-anchor="middle">{escape(x_label)}</text>')
        if y_label:
            marks.append(
                f'<text transform="translate(9 {(top + bottom) / 2:.1f}) rotate(-90)" text-anchor="middle">'
                f"{escape(y_label)}</text>"
            )
        return "".join(marks)

    def wrap(self, marks: str, label: str) -> Html:
        """Wrap marks in an SVG element."""
        return Html(
            f'<svg class="drawing" viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{escape(label)}">'
            f"{marks}</svg>"
        )


def _thin(points: list[tuple[float, float]], least: float = 1.0) -> list[tuple[float, float]]:
    """Drop points that are imperceptibly close to the last point kept."""
    kept: list[Any] = []
    for point in points:
        if not kept or abs(point[0] - kept[-1][0]) + abs(point[1] - kept[-1][1]) >= least:
            kept.append(point)
    return [*kept, points[-1]] if points and kept[-1] != points[-1] else kept
