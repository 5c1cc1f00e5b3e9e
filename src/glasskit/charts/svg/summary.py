"""Summaries drawn: mean |contribution| bars, and the beeswarm of every row."""

from __future__ import annotations

from glasskit.charts import axes
from glasskit.charts.summary import Bar, BarChart, Beeswarm, Dot, Swarm
from glasskit.charts.svg import canvas, shades

_LABELS = 300.0
_TOP = 20.0
_BAR_ROW = 28.0
_BAR = 18.0
_SWARM_ROW = 40.0
_RADIUS = 2.6
_BOTTOM = 62.0


def bar(
    chart: BarChart,
    *,
    axis: axes.Axis | None = None,
    title: str = "What matters most",
    width: float = 960.0,
) -> str:
    """Mean |contribution| per feature; the green part of a bar lowered, the red part raised."""
    axis = axis or axes.Axis()
    largest = max((entry.mean_absolute for entry in chart.bars), default=0.0) or 1.0
    on = axes.Scale(low=0.0, high=largest * 1.12, left=_LABELS + 14.0, right=width - 20.0)
    decimals = axes.decimals_for(largest)
    floor = _TOP + _BAR_ROW * len(chart.bars)
    label = f"Mean |SHAP value| over {chart.n_rows:,} rows: green {axis.lowers}, red {axis.raises}"
    body = [_ruler(on, floor, label, signed=False)]
    body += [_bar(entry, on, _TOP + _BAR_ROW * index, decimals) for index, entry in enumerate(chart.bars)]
    described = "; ".join(f"{entry.label}: {entry.mean_absolute:.4g}" for entry in chart.bars)
    return canvas.document(title, described, "".join(body), width=width, height=floor + _BOTTOM)


def beeswarm(
    chart: Beeswarm,
    *,
    axis: axes.Axis | None = None,
    title: str = "How each value moved the prediction",
    width: float = 960.0,
) -> str:
    """One dot per row and feature: its place is the contribution, its shade the feature's value."""
    axis = axis or axes.Axis()
    places = [dot.contribution for swarm in chart.swarms for dot in swarm.dots] + [0.0]
    on = axes.scale(places, left=_LABELS + 14.0, right=width - 20.0)
    floor = _TOP + _SWARM_ROW * len(chart.swarms)
    label = f"SHAP value: left {axis.lowers}, right {axis.raises}"
    body = [_ruler(on, floor, label, signed=True)]
    body.append(canvas.line(on.x(0.0), _TOP, on.x(0.0), floor, stroke=canvas.FAINT_INK))
    body += [_swarm(swarm, on, _TOP + _SWARM_ROW * index) for index, swarm in enumerate(chart.swarms)]
    body.append(shades.legend(floor + 44.0))
    described = f"{chart.n_rows:,} rows; features by importance: " + ", ".join(
        swarm.label for swarm in chart.swarms
    )
    return canvas.document(title, described, "".join(body), width=width, height=floor + _BOTTOM)


def _ruler(on: axes.Scale, floor: float, label: str, *, signed: bool) -> str:
    parts = []
    for tick in axes.linear_ticks(on.low, on.high, n_most=8):
        x = on.x(tick.at)
        parts.append(canvas.line(x, _TOP - 4.0, x, floor + 6.0))
        text = tick.text if signed else tick.text.lstrip("+")
        parts.append(canvas.small(text, x, floor + 22.0))
    parts.append(
        canvas.small(label, (on.left + on.right) / 2, floor + 44.0, font_weight=600, fill=canvas.INK)
    )
    return canvas.group(*parts)


def _name(label: str, middle: float) -> str:
    return canvas.text(canvas.shortened(label, _LABELS), _LABELS, middle + 4.5, text_anchor="end")


def _bar(entry: Bar, on: axes.Scale, top: float, decimals: int) -> str:
    middle = top + _BAR_ROW / 2
    zero, split, end = (on.x(at) for at in (0.0, entry.mean_lowered, entry.mean_absolute))
    parts = [
        canvas.tooltip(
            f"{entry.label}\nmean |SHAP| {entry.mean_absolute:.4g}: lowered {entry.mean_lowered:.4g}, "
            f"raised {entry.mean_raised:.4g}\n{entry.description}".strip()
        ),
        _name(entry.label, middle),
    ]
    for start, stop, colour in ((zero, split, canvas.LOWERS), (split, end, canvas.RAISES)):
        if stop > start:
            parts.append(
                canvas.element(
                    "rect", x=start, y=middle - _BAR / 2, width=stop - start, height=_BAR, fill=colour
                )
            )
    parts.append(
        canvas.small(f"{entry.mean_absolute:.{decimals}f}", end + 6.0, middle + 4.0, text_anchor="start")
    )
    return canvas.group(*parts)


def _swarm(swarm: Swarm, on: axes.Scale, top: float) -> str:
    middle = top + _SWARM_ROW / 2
    row = canvas.group(
        canvas.tooltip(f"{swarm.label}\n{swarm.description}".strip()), _name(swarm.label, middle)
    )
    heights = _heights([on.x(dot.contribution) for dot in swarm.dots])
    dots = [
        _dot(dot, swarm.label, on.x(dot.contribution), middle + height)
        for dot, height in zip(swarm.dots, heights, strict=True)
    ]
    return canvas.group(canvas.line(on.left, middle, on.right, middle), row, *dots)


def _dot(dot: Dot, label: str, x: float, y: float) -> str:
    given = f" = {dot.value_text}" if dot.value_text else ""
    tip = canvas.tooltip(f"{label}{given}\n{axes.signed(dot.contribution)} (row {dot.row})")
    return canvas.element(
        "circle", tip, cx=x, cy=y, r=_RADIUS, fill=shades.shade(dot.level), fill_opacity=0.9
    )


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
