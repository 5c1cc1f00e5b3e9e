"""The cohort comparison drawn: one bar per cohort and feature, told apart by shade and pattern."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glasskit.charts import axes
from glasskit.charts.svg import canvas, measure, palette

if TYPE_CHECKING:
    from glasskit.charts.cohorts import Cohorts, Comparison

_LABELS, _BAR, _GAP, _VALUES = 300.0, 13.0, 12.0, 130.0
_LINE = 20.0
_COLOURS = palette.COHORTS


def cohorts(
    chart: Cohorts,
    *,
    axis: axes.Axis | None = None,
    title: str = "What matters in each group",
    width: float = 960.0,
) -> str:
    """The comparison as an SVG document."""
    axis = axis or axes.Axis()
    largest = max((max(one.mean_absolute) for one in chart.comparisons), default=0.0) or 1.0
    on = axes.Scale(low=0.0, high=largest * 1.05, left=_LABELS + 14.0, right=width - _VALUES)
    top = 20.0 + _LINE * len(chart.cohorts)
    row = _BAR * len(chart.cohorts) + _GAP
    floor = top + row * len(chart.comparisons)
    body = [canvas.hatch(_hatch(index), _COLOURS[index]) for index in range(1, len(chart.cohorts), 2)]
    body += [_key(chart, index, width) for index in range(len(chart.cohorts))]
    body.append(_ruler(on, top, floor))
    decimals = axes.decimals_for(largest)
    for index, one in enumerate(chart.comparisons):
        content = _row(chart, one, on, decimals=decimals, axis=axis)
        size, balance = max(one.mean_absolute), sum(one.mean) / len(one.mean)
        body.append(canvas.row(top + row * index, one.label, size, balance, content))
    return canvas.document(title, _description(chart), "".join(body), width=width, height=floor + 54.0)


def _hatch(index: int) -> str:
    return f"cohort-{index}"


def _fill(index: int) -> str:
    return f"url(#hatch-{_hatch(index)})" if index % 2 else _COLOURS[index]


def _description(chart: Cohorts) -> str:
    groups = "; ".join(
        f"{one.name}: {one.n_rows:,} rows, {one.prediction_text} on average" for one in chart.cohorts
    )
    strongest = "; ".join(
        f"{one.label}: " + ", ".join(f"{value:.3g}" for value in one.mean_absolute)
        for one in chart.comparisons[:5]
    )
    return f"{groups}. Mean |SHAP value| in the same order: {strongest}."


def _key(chart: Cohorts, index: int, width: float) -> str:
    one, y = chart.cohorts[index], 24.0 + _LINE * index
    counted = f": {one.n_rows:,} row{'s' if one.n_rows > 1 else ''}, {one.prediction_text} on average"
    room = width - _LABELS - 60.0 - measure.text_width(counted)
    return canvas.key(
        f"cohort-{index}",
        canvas.tooltip(one.name),
        canvas.element("rect", x=_LABELS + 14.0, y=y - 11.0, width=26, height=12, fill=_fill(index)),
        canvas.text(measure.fitted(one.name, room) + counted, _LABELS + 48.0, y),
    )


def _ruler(on: axes.Scale, top: float, floor: float) -> str:
    parts = []
    for tick in axes.linear_ticks(on.low, on.high, n_most=7):
        parts.append(canvas.line(on.x(tick.at), top, on.x(tick.at), floor + 4.0))
        parts.append(canvas.small(tick.text.lstrip("+"), on.x(tick.at), floor + 20.0))
    parts.append(
        canvas.small(
            "Mean |SHAP value|", (on.left + on.right) / 2, floor + 40.0, font_weight=600, fill=canvas.INK
        )
    )
    return canvas.group(*parts)


def _row(chart: Cohorts, one: Comparison, on: axes.Scale, *, decimals: int, axis: axes.Axis) -> str:
    middle = (_BAR * len(chart.cohorts) + _GAP) / 2
    parts = [canvas.label(one.label, _LABELS, middle, _LABELS - 14.0)]
    for index, cohort in enumerate(chart.cohorts):
        y, value, mean = _GAP / 2 + _BAR * index, one.mean_absolute[index], one.mean[index]
        effect = axis.raises if mean > 0 else axis.lowers
        tip = (
            f"{one.label}, {cohort.name}\nmean |SHAP| {value:.10g}; on average {axes.signed(mean, 10)}: {effect}\n"
            f"{one.description}"
        )
        parts.append(
            canvas.mark(
                tip,
                canvas.element(
                    "rect",
                    x=on.left,
                    y=y,
                    width=max(0.0, on.x(value) - on.left),
                    height=_BAR - 2.0,
                    fill=_fill(index),
                ),
                canvas.small(
                    f"{axes.fixed(value, decimals).lstrip('+')}  ({axes.fixed(mean, decimals)})",
                    on.x(value) + 5.0,
                    y + _BAR - 3.5,
                    text_anchor="start",
                    font_size=10.5,
                ),
                series=f"cohort-{index}",
            )
        )
    return canvas.group(*parts)
