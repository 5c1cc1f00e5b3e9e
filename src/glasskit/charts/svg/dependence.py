"""The dependence chart drawn: value to the right, contribution up, dark for low and light for high."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from glasskit.charts import axes
from glasskit.charts.svg import canvas, measure, shades

if TYPE_CHECKING:
    from glasskit.charts.dependence import Cell, Dependence, Point

_LEFT, _TOP, _BOTTOM, _MISSING = 96.0, 24.0, 84.0, 70.0
_HEIGHT, _RADIUS = 470.0, 3.2
_LARGEST_CELL = 9.0
_MOST_CATEGORIES_LABELLED = 30


def dependence(
    chart: Dependence, *, axis: axes.Axis | None = None, title: str = "", width: float = 760.0
) -> str:
    """The dependence chart as an SVG document."""
    axis = axis or axes.Axis()
    marks: tuple[Point | Cell, ...] = (*chart.points, *chart.cells)
    has_missing = any(mark.x is None for mark in marks)
    right = width - 24.0 - (_MISSING if has_missing else 0.0)
    known = [mark.x for mark in marks if mark.x is not None] or [0.0]
    across = axes.scale(known, left=_LEFT, right=right, padding=0.04)
    if chart.categories:
        across = axes.Scale(low=-0.6, high=len(chart.categories) - 0.4, left=_LEFT, right=right)
    floor = _HEIGHT - _BOTTOM
    heights = axes.scale([mark.contribution for mark in marks] + [0.0], left=floor, right=_TOP)
    body = [_frame(chart, axis, across, heights, floor)]
    if has_missing:
        middle = right + _MISSING / 2
        body.append(canvas.line(right + 6.0, _TOP, right + 6.0, floor, stroke_dasharray="2 3"))
        body.append(canvas.small("missing", middle, floor + 18.0))
    most = max((cell.n_rows for cell in chart.cells), default=1)
    for cell in chart.cells:
        x = right + _MISSING / 2 if cell.x is None else across.x(cell.x)
        body.append(_cell(chart, cell, x, heights.x(cell.contribution), most))
    for point in chart.points:
        x = right + _MISSING / 2 if point.x is None else across.x(point.x)
        spread = 0.0 if point.x is not None and not chart.categories else _jitter(point.row, chart, across)
        body.append(_point(chart, point, x + spread, heights.x(point.contribution)))
    if chart.colour_name is not None:
        body.append(_legend(chart, width))
    height = _HEIGHT
    if chart.cells:
        note = f"{chart.n_rows:,} rows, counted: the larger a square, the more rows are near it."
        body.append(canvas.paragraph(note, _LEFT, _HEIGHT + 6.0, right - _LEFT))
        height += 38.0
    described = _description(chart)
    return canvas.document(
        title or f"What {chart.label} does", described, "".join(body), width=width, height=height
    )


def _legend(chart: Dependence, width: float) -> str:
    y = _HEIGHT - 16.0
    if not chart.colour_categories:
        return shades.legend(24.0, y, prefix=chart.colour_label, room=260.0)
    return shades.listed(24.0, y, chart.colour_label, chart.colour_categories, room=width - 48.0)


def _description(chart: Dependence) -> str:
    marks: tuple[Point | Cell, ...] = (*chart.points, *chart.cells)
    values = [mark.contribution for mark in marks]
    coloured = f", coloured by {chart.colour_label}" if chart.colour_name else ""
    return (
        f"{chart.n_rows:,} rows{coloured}. Contributions of {chart.label} from {axes.signed(min(values))} "
        f"to {axes.signed(max(values))}."
    )


def _jitter(row: int, chart: Dependence, across: axes.Scale) -> float:
    """A steady sideways place for a row, so that dots of one category do not hide each other."""
    room = (across.right - across.left) / max(2, len(chart.categories) + 1) * 0.5
    return (row * 0.6180339887 % 1.0 - 0.5) * min(room, 44.0)


def _frame(chart: Dependence, axis: axes.Axis, across: axes.Scale, heights: axes.Scale, floor: float) -> str:
    parts = []
    for tick in axes.linear_ticks(heights.low, heights.high, n_most=6):
        y = heights.x(tick.at)
        parts.append(
            canvas.line(_LEFT, y, across.right, y, stroke=canvas.FAINT_INK if not tick.at else canvas.GRID)
        )
        parts.append(canvas.small(tick.text, _LEFT - 8.0, y + 4.0, text_anchor="end"))
    for at, text in _marks(chart, across):
        parts.append(canvas.line(across.x(at), floor, across.x(at), floor + 5.0, stroke=canvas.FAINT_INK))
        parts.append(canvas.small(text, across.x(at), floor + 18.0))
    middle = (_TOP + floor) / 2
    for text, y, anchor in ((f"{axis.raises} →", _TOP, "end"), (f"← {axis.lowers}", floor, "start")):
        turned = f"rotate(-90 22 {y:g})"
        told = measure.fitted(text, (floor - _TOP) / 2 - 8.0, canvas.SMALL_SIZE)
        side = canvas.text(told, 22.0, y, text_anchor=anchor, transform=turned, font_size=canvas.SMALL_SIZE)
        parts.append(canvas.group(canvas.tooltip(text), side))
    turned = f"rotate(-90 42 {middle:g})"
    parts.append(canvas.small("SHAP value", 42.0, middle, transform=turned))
    name = measure.fitted(chart.label, across.right - _LEFT, canvas.SMALL_SIZE, weight=600)
    parts.append(
        canvas.small(name, (_LEFT + across.right) / 2, floor + 40.0, font_weight=600, fill=canvas.INK)
    )
    return canvas.group(*parts)


def _marks(chart: Dependence, across: axes.Scale) -> Sequence[tuple[float, str]]:
    if not chart.categories:
        ticks = axes.linear_ticks(across.low, across.high, n_most=8)
        return [(tick.at, f"{tick.at:,.6g}".replace("-", "−")) for tick in ticks]
    if len(chart.categories) > _MOST_CATEGORIES_LABELLED:
        return []
    room = (across.right - across.left) / len(chart.categories)
    return [
        (float(at), measure.fitted(text, room, canvas.SMALL_SIZE)) for at, text in enumerate(chart.categories)
    ]


def _point(chart: Dependence, point: Point, x: float, y: float) -> str:
    tip = f"{chart.label} = {point.value_text}\n{axes.signed(point.contribution, 10)} (row {point.row})"
    if chart.colour_name is not None:
        tip += f"\n{chart.colour_label} = {point.colour_text}"
    circle = canvas.element(
        "circle",
        cx=x,
        cy=y,
        r=_RADIUS,
        fill=shades.shade(point.level) if chart.colour_name is not None else shades.PLAIN,
        stroke=canvas.BACKGROUND,
        stroke_width=0.5,
    )
    return canvas.mark(tip, circle, series=_series(chart, point.level))


def _cell(chart: Dependence, cell: Cell, x: float, y: float, most: int) -> str:
    size = max(1.6, _LARGEST_CELL * math.sqrt(cell.n_rows / most))
    tip = f"{chart.label} about {chart.place_text(cell.x)}\nabout {axes.signed(cell.contribution)}: {cell.n_rows:,} rows"
    fill = shades.shade(cell.level) if chart.colour_name is not None else shades.PLAIN
    square = canvas.box(x - size / 2, y - size / 2, size, size, fill=fill)
    return canvas.mark(tip, square, series=_series(chart, cell.level))


def _series(chart: Dependence, level: float | None) -> str:
    if chart.colour_name is None:
        return ""
    if chart.colour_categories and level is not None:
        return f"at-{round(level * (len(chart.colour_categories) - 1))}"
    return shades.series(level)
