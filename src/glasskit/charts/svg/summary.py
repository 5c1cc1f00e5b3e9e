"""Summaries drawn: mean |contribution| bars, and the beeswarm of every row."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from glasskit.charts import axes
from glasskit.charts.svg import canvas, palette, shades

if TYPE_CHECKING:
    from glasskit.charts.summary import Bar, BarChart, Beeswarm, Column, Dot, Swarm

_LABELS = 300.0
_TOP, _MARGIN = 20.0, 20.0
_BAR_ROW = 32.0
_BAR = 18.0
_SWARM_ROW = 40.0
_RADIUS = 2.6
_BOTTOM = 84.0
_THIRDS = (
    ("low", palette.SHADES[1]),
    ("middle", palette.SHADES[5]),
    ("high", palette.SHADES[10]),
    ("none", palette.UNKNOWN),
)


def bar(
    chart: BarChart,
    *,
    axis: axes.Axis | None = None,
    title: str = "What matters most",
    width: float = 960.0,
) -> str:
    """Mean |contribution| per feature; the green, hatched part of a bar lowered, the red part raised."""
    axis = axis or axes.Axis()
    largest = max((entry.mean_absolute for entry in chart.bars), default=0.0) or 1.0
    on = axes.Scale(low=0.0, high=largest, left=_LABELS + 14.0, right=width - 64.0 - _MARGIN)
    decimals = axes.decimals_for(largest)
    floor = _TOP + _BAR_ROW * len(chart.bars)
    label = f"Mean |SHAP value| over {chart.n_rows:,} row{'s' if chart.n_rows != 1 else ''}"
    body = [canvas.lowering(), _ruler(on, floor, label, signed=False)]
    body += [_bar(entry, on, _TOP + _BAR_ROW * index, decimals) for index, entry in enumerate(chart.bars)]
    body.append(_bar_legend(axis, on.left, floor + 66.0, width))
    described = "; ".join(f"{entry.label}: {entry.mean_absolute:.4g}" for entry in chart.bars)
    return canvas.document(title, described, "".join(body), width=width, height=floor + _BOTTOM)


def _bar_legend(axis: axes.Axis, left: float, y: float, width: float) -> str:
    x = max(24.0, min(left, width - 580.0))
    room = (width - x) / 2
    second = x + min(280.0, room)
    lowered = canvas.note(f"how much it {axis.lowers}", x + 28.0, y, second - x - 40.0, text_anchor="start")
    raised = canvas.note(
        f"how much it {axis.raises}", second + 28.0, y, width - second - 36.0, text_anchor="start"
    )
    return canvas.group(
        canvas.key("lowers", canvas.box(x, y - 10.0, 22.0, 12.0, fill=canvas.LOWERING), lowered),
        canvas.key("raises", canvas.box(second, y - 10.0, 22.0, 12.0, fill=canvas.RAISES), raised),
    )


def _bar(entry: Bar, on: axes.Scale, top: float, decimals: int) -> str:
    middle = _BAR_ROW / 2
    zero, split, end = (on.x(at) for at in (0.0, entry.mean_lowered, entry.mean_absolute))
    tip = (
        f"{entry.label}\nmean |SHAP| {entry.mean_absolute:.10g}\nlowered {entry.mean_lowered:.10g}, "
        f"raised {entry.mean_raised:.10g}\n{entry.description}"
    )
    parts = [canvas.label(entry.label, _LABELS, middle, _LABELS - 14.0)]
    for start, stop, fill, series in (
        (zero, split, canvas.LOWERING, "lowers"),
        (split, end, canvas.RAISES, "raises"),
    ):
        if stop > start:
            drawn = canvas.box(start, middle - _BAR / 2, stop - start, _BAR, fill=fill)
            parts.append(canvas.mark(tip, drawn, series=series))
    number = axes.fixed(entry.mean_absolute, decimals).lstrip("+")
    parts.append(canvas.small(number, end + 6.0, middle + 4.0, text_anchor="start"))
    balance = entry.mean_raised - entry.mean_lowered
    return canvas.row(top, entry.label, entry.mean_absolute, balance, *parts)


def beeswarm(
    chart: Beeswarm,
    *,
    axis: axes.Axis | None = None,
    title: str = "How each value moved the prediction",
    width: float = 960.0,
) -> str:
    """One dot per row and feature: its place is the contribution, its shade the feature's value.

    If the rows are counted, columns stand for them, as high as the square root of their number.
    """
    axis = axis or axes.Axis()
    places = [end for swarm in chart.swarms for end in (swarm.lowest, swarm.highest)] + [0.0]
    on = axes.scale(places, left=_LABELS + 14.0, right=width - _MARGIN)
    floor = _TOP + _SWARM_ROW * len(chart.swarms)
    label = f"SHAP value: left {axis.lowers}, right {axis.raises}"
    body = [_ruler(on, floor, label, signed=True)]
    body.append(canvas.line(on.x(0.0), _TOP, on.x(0.0), floor, stroke=canvas.FAINT_INK))
    body += [_swarm(swarm, on, _TOP + _SWARM_ROW * index) for index, swarm in enumerate(chart.swarms)]
    x = max(24.0, min(on.left, width - 470.0))
    body.append(shades.legend(x, floor + 66.0, prefix="Feature's value"))
    height = floor + _BOTTOM
    if chart.is_counted:
        note = (
            f"{chart.n_rows:,} rows, counted: a column's height is the square root of the number of rows there, "
            "stacked by whether the feature's value is low, middle or high."
        )
        body.append(canvas.paragraph(note, on.left, floor + 88.0, on.right - on.left))
        height += 38.0
    described = f"{chart.n_rows:,} rows; features by importance: " + "; ".join(
        f"{swarm.label}: mean |SHAP value| {swarm.mean_absolute:.4g}, from {axes.signed(swarm.lowest)} to "
        f"{axes.signed(swarm.highest)}"
        for swarm in chart.swarms
    )
    return canvas.document(title, described, "".join(body), width=width, height=height)


def _ruler(on: axes.Scale, floor: float, label: str, *, signed: bool) -> str:
    parts = []
    for tick in axes.linear_ticks(on.low, on.high, n_most=8):
        x = on.x(tick.at)
        parts.append(canvas.line(x, _TOP - 4.0, x, floor + 6.0))
        parts.append(canvas.small(tick.text if signed else tick.text.lstrip("+"), x, floor + 22.0))
    middle = (on.left + on.right) / 2
    parts.append(canvas.caption(label, middle, floor + 44.0, on.right + _MARGIN))
    return canvas.group(*parts)


def _swarm(swarm: Swarm, on: axes.Scale, top: float) -> str:
    middle = _SWARM_ROW / 2
    if swarm.columns:
        drawn = _columns(swarm, on, middle)
    else:
        heights = _heights([on.x(dot.contribution) for dot in swarm.dots])
        drawn = [
            _dot(dot, swarm.label, on.x(dot.contribution), middle + height)
            for dot, height in zip(swarm.dots, heights, strict=True)
        ]
    return canvas.row(
        top,
        swarm.label,
        swarm.mean_absolute,
        swarm.mean,
        canvas.line(on.left, middle, on.right, middle),
        canvas.label(swarm.label, _LABELS, middle, _LABELS - 14.0),
        *drawn,
    )


def _columns(swarm: Swarm, on: axes.Scale, middle: float) -> list[str]:
    most = max(column.n_rows for column in swarm.columns)
    drawn = []
    for column in swarm.columns:
        height = max(2.0, (_SWARM_ROW - 4.0) * math.sqrt(column.n_rows / most))
        drawn += _column(swarm, column, on, middle + height / 2, height)
    return drawn


def _column(swarm: Swarm, column: Column, on: axes.Scale, foot: float, height: float) -> list[str]:
    """The parts of a column, low values at its foot."""
    left, right = on.x(column.low), on.x(column.high)
    counts = (column.n_low, column.n_middle, column.n_high, column.n_none)
    drawn = []
    for (series, colour), count in zip(_THIRDS, counts, strict=True):
        if not count:
            continue
        part = height * count / column.n_rows
        foot -= part
        told = f"{count:,} of {column.n_rows:,} rows here" + (
            "" if series == "none" else f": {series} values"
        )
        tip = f"{swarm.label}\nfrom {column.low:.6g} to {column.high:.6g}\n{told}"
        rectangle = canvas.box(left, foot, max(1.0, right - left), part, fill=colour)
        drawn.append(canvas.mark(tip, rectangle, series=series))
    return drawn


def _dot(dot: Dot, label: str, x: float, y: float) -> str:
    given = f" = {dot.value_text}" if dot.value_text else ""
    tip = f"{label}{given}\n{dot.contribution:+.10g} (row {dot.row})"
    circle = canvas.element("circle", cx=x, cy=y, r=_RADIUS, fill=shades.shade(dot.level))
    return canvas.mark(tip, circle, series=shades.series(dot.level))


def _heights(places: list[float]) -> list[float]:
    """Vertical offsets so that dots at one place fan out evenly around the middle and stay in the row."""
    bins: dict[int, list[int]] = {}
    for index, place in enumerate(places):
        bins.setdefault(round(place / (_RADIUS * 1.5)), []).append(index)
    most = (_SWARM_ROW - 4.0) / 2 - _RADIUS
    crowd = max((len(members) for members in bins.values()), default=1)
    gap = min(_RADIUS * 1.6, 2 * most / crowd)
    heights = [0.0] * len(places)
    for members in bins.values():
        for rank, index in enumerate(members):
            side = 1 if rank % 2 else -1
            heights[index] = side * ((rank + 1) // 2) * gap
    return heights
