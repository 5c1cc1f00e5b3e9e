"""The interaction heat map drawn: red cells raise, green cells lower; numbers say how much.

Shades grow with the square root of the value, because main effects on the diagonal would otherwise
drown every interaction; the legend is drawn with the same rule.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from glasskit.charts import axes
from glasskit.charts.svg import canvas, measure, palette

if TYPE_CHECKING:
    from glasskit.charts.interaction import HeatMap

_LABELS = 270.0
_HEADER = 150.0
_BESIDE = 130.0
"""Room to the right for the last slanted name."""
_SMALLEST_CELL, _LARGEST_CELL = 26.0, 60.0
_CELL_FOR_NUMBERS = 38.0
_LEGEND = 70.0
_STRONG, _INK_ON_COLOUR = 0.55, "#14181D"


def heat_map(
    chart: HeatMap,
    *,
    axis: axes.Axis | None = None,
    title: str = "Which features act together",
    width: float = 960.0,
) -> str:
    """The heat map as an SVG document."""
    axis = axis or axes.Axis()
    n_cells = max(1, len(chart.names))
    cell = min(_LARGEST_CELL, max(_SMALLEST_CELL, (width - _LABELS - _BESIDE) / n_cells))
    width = max(width, _LABELS + cell * n_cells + _BESIDE)
    body = [_labels(chart, cell)]
    for row in range(len(chart.names)):
        body += [_cell(chart, row, column, cell) for column in range(len(chart.names))]
    bottom = _HEADER + cell * n_cells
    body += [_outline(index, cell) for index in range(len(chart.names))]
    body.append(_legend(chart, axis, bottom + 24.0, width))
    return canvas.document(title, _description(chart), "".join(body), width=width, height=bottom + _LEGEND)


def _description(chart: HeatMap) -> str:
    pairs = [
        (abs(chart.values[row][column]), row, column)
        for row in range(len(chart.names))
        for column in range(row)
        if chart.values[row][column]
    ]
    strongest = "; ".join(
        f"{chart.labels[column]} with {chart.labels[row]}: {axes.signed(2 * chart.values[row][column])}"
        for _, row, column in sorted(pairs, reverse=True)[:5]
    )
    return f"Strongest interactions: {strongest or 'none'}. Main effects stand on the diagonal."


def _labels(chart: HeatMap, cell: float) -> str:
    parts = []
    for index, label in enumerate(chart.labels):
        middle = (index + 0.5) * cell
        parts.append(canvas.label(label, _LABELS - 10.0, _HEADER + middle, _LABELS - 20.0))
        x, y = _LABELS + middle + 3.0, _HEADER - 8.0
        head = canvas.text(
            measure.fitted(label, _HEADER * 1.2, canvas.SMALL_SIZE),
            x,
            y,
            font_size=canvas.SMALL_SIZE,
            transform=f"rotate(-45 {x:.1f} {y:.1f})",
        )
        parts.append(canvas.group(canvas.tooltip(label), head))
    return "".join(parts)


def _cell(chart: HeatMap, row: int, column: int, size: float) -> str:
    value = chart.values[row][column]
    x, y = _LABELS + column * size, _HEADER + row * size
    if row == column:
        tip = f"{chart.labels[row]}\nmain effect {axes.signed(value, 10)}"
    else:
        pair = f"{chart.labels[row]} with {chart.labels[column]}"
        tip = f"{pair}\n{axes.signed(value, 10)} here, {axes.signed(2 * value, 10)} as a pair"
    parts = [
        canvas.element(
            "rect",
            x=x,
            y=y,
            width=size,
            height=size,
            fill=_colour(value, chart.largest),
            stroke=canvas.GRID,
        ),
    ]
    if size >= _CELL_FOR_NUMBERS and abs(value) >= 0.005 * chart.largest:
        number = _number(value)
        ink = canvas.INK if _strength(value, chart.largest) < _STRONG else _INK_ON_COLOUR
        middle: dict[str, canvas.Attribute] = {
            "text_anchor": "middle",
            "font_size": canvas.SMALL_SIZE,
            "fill": ink,
        }
        parts.append(canvas.text(number, x + size / 2, y + size / 2 + 4.0, **middle))
    elif value < 0 and abs(value) >= 0.02 * chart.largest:
        inset = size * 0.25
        parts.append(canvas.line(x + inset, y + size - inset, x + size - inset, y + inset, stroke=canvas.INK))
    series = "raises" if value > 0 else "lowers" if value < 0 else "none"
    return canvas.mark(tip, *parts, series=series)


def _number(value: float) -> str:
    if 0.005 <= abs(value) < 1000:
        return axes.fixed(value, 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0)
    return f"{value:+.0e}".replace("-", "−", 1)


def _outline(index: int, size: float) -> str:
    """The frame of a cell on the diagonal."""
    x, y = _LABELS + index * size, _HEADER + index * size
    return canvas.element(
        "rect", x=x, y=y, width=size, height=size, fill="none", stroke=canvas.FAINT_INK, pointer_events="none"
    )


def _strength(value: float, largest: float) -> float:
    """0..1; what is beyond the largest value of a named feature has the full colour."""
    return math.sqrt(min(1.0, abs(value) / largest)) if largest else float(value != 0)


def _colour(value: float, largest: float) -> str:
    strength = _strength(value, largest)
    ramp = palette.STRENGTHS_RAISING if value > 0 else palette.STRENGTHS_LOWERING
    return ramp[round(strength * (palette.N_STRENGTHS - 1))]


def _legend(chart: HeatMap, axis: axes.Axis, y: float, width: float) -> str:
    n_steps, size = 21, 12.0
    parts = []
    for index in range(n_steps):
        value = (index / (n_steps - 1) * 2.0 - 1.0) * chart.largest
        parts.append(
            canvas.element(
                "rect",
                x=_LABELS + index * size,
                y=y,
                width=size + 0.2,
                height=12,
                fill=_colour(value, chart.largest),
            )
        )
    end = _LABELS + n_steps * size
    labels = ((_LABELS, -chart.largest), ((_LABELS + end) / 2, 0.0), (end, chart.largest))
    for x, at in labels:
        told = axes.signed(at, 3)
        parts.append(canvas.text(told, x, y + 28.0, text_anchor="middle", font_size=canvas.SMALL_SIZE))
    if any(abs(value) > chart.largest for values in chart.values for value in values):
        note = "other features together may go beyond"
        parts.append(canvas.small(note, end + 60.0, y + 28.0, text_anchor="start"))
    before, after = _LABELS - 10.0, end + 10.0
    lowers = canvas.note(f"(−) {axis.lowers}", before, y + 10.0, before - 8.0, text_anchor="end")
    raises = canvas.note(f"(+) {axis.raises}", after, y + 10.0, width - after - 8.0, text_anchor="start")
    parts += [canvas.key("lowers", lowers), canvas.key("raises", raises)]
    return canvas.group(*parts)
