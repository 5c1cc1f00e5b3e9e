"""A counterfactual drawn: each feature's contribution before (hatched) and after (solid) the change.

Bars are arrows from the middle: to the right raises, to the left lowers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glasskit.charts import axes
from glasskit.charts.svg import canvas, measure

if TYPE_CHECKING:
    from glasskit.charts.counterfactual import Pair, SideBySide

_LABELS, _TOP, _ROW, _BAR, _VALUES = 380.0, 96.0, 46.0, 15.0, 120.0
_NAMES = {canvas.RAISES: "before-raises", canvas.LOWERS: "before-lowers"}


def counterfactual(
    chart: SideBySide,
    *,
    axis: axes.Axis | None = None,
    title: str = "Before and after the change",
    width: float = 960.0,
) -> str:
    """The two sides as an SVG document."""
    axis = axis or axes.Axis()
    values = [value for pair in chart.pairs for value in (pair.before, pair.after)]
    on = axes.scale([*values, 0.0], left=_LABELS + 16.0, right=width - _VALUES)
    floor = _TOP + _ROW * len(chart.pairs)
    decimals = axes.decimals_for(max(map(abs, values), default=0.0))
    body = [canvas.hatch(name, colour) for colour, name in _NAMES.items()]
    body += [_header(chart, on, width), _ruler(on, floor, axis)]
    for index, pair in enumerate(chart.pairs):
        body.append(_row(pair, on, _TOP + _ROW * index, decimals=decimals, width=width))
    return canvas.document(title, _description(chart), "".join(body), width=width, height=floor + 66.0)


def _description(chart: SideBySide) -> str:
    changed = "; ".join(
        f"{pair.label} from {pair.old_text or 'unknown'} to {pair.new_text or 'unknown'}"
        for pair in chart.pairs
        if pair.is_changed
    )
    moved = "; ".join(
        f"{pair.label}: {axes.signed(pair.before)} to {axes.signed(pair.after)}" for pair in chart.pairs
    )
    return (
        f"{chart.before_text} before, {chart.after_text} after. Changed: {changed or 'nothing'}. "
        f"Contributions: {moved}."
    )


def _header(chart: SideBySide, on: axes.Scale, width: float) -> str:
    middle = (on.left + on.right) / 2
    return canvas.group(
        canvas.text(
            f"{chart.before_text} before",
            middle - 26.0,
            34.0,
            text_anchor="end",
            font_size=18,
            font_weight=600,
        ),
        canvas.text("→", middle, 34.0, text_anchor="middle", font_size=18),
        canvas.text(f"{chart.after_text} after", middle + 26.0, 34.0, font_size=18, font_weight=600),
        canvas.key(
            "before",
            canvas.box(middle - 130.0, 52.0, 26.0, 12.0, fill=f"url(#hatch-{_NAMES[canvas.RAISES]})"),
            canvas.small("before (hatched)", middle - 98.0, 62.0, text_anchor="start"),
        ),
        canvas.key(
            "after",
            canvas.box(middle + 26.0, 52.0, 26.0, 12.0, fill=canvas.RAISES),
            canvas.small("after (solid)", middle + 58.0, 62.0, text_anchor="start"),
        ),
        canvas.small("before → after", width - 14.0, _TOP - 10.0, text_anchor="end"),
    )


def _ruler(on: axes.Scale, floor: float, axis: axes.Axis) -> str:
    parts = []
    for tick in axes.linear_ticks(on.low, on.high, n_most=6):
        x = on.x(tick.at)
        parts.append(
            canvas.line(x, _TOP - 4.0, x, floor + 4.0, stroke=canvas.GRID if tick.at else canvas.FAINT_INK)
        )
        parts.append(canvas.small(tick.text, x, floor + 20.0))
    label = f"SHAP value: left {axis.lowers}, right {axis.raises}"
    parts.append(canvas.caption(label, (on.left + on.right) / 2, floor + 44.0, on.right + _VALUES))
    return canvas.group(*parts)


def _row(pair: Pair, on: axes.Scale, top: float, *, decimals: int, width: float) -> str:
    middle = top + _ROW / 2
    told = f"{axes.fixed(pair.before, decimals)} → {axes.fixed(pair.after, decimals)}"
    parts = [
        _label(pair, middle),
        _bar(pair, on, middle - _BAR - 1.0, is_before=True),
        _bar(pair, on, middle + 1.0, is_before=False),
        canvas.text(told, width - 14.0, middle + 4.5, text_anchor="end", font_size=canvas.SMALL_SIZE),
        canvas.line(20.0, top, width - 14.0, top, stroke_dasharray="1 3"),
    ]
    return canvas.group(*parts)


def _label(pair: Pair, middle: float) -> str:
    if not pair.is_changed:
        return canvas.label(pair.label, _LABELS, middle, _LABELS - 14.0, given=pair.old_text)
    name = measure.fitted(pair.label, _LABELS - 30.0, weight=600)
    old, new = (
        measure.fitted(text or "unknown", 155.0, weight=600) for text in (pair.old_text, pair.new_text)
    )
    whole = f"{pair.label}: {pair.old_text or 'unknown'} → {pair.new_text or 'unknown'}"
    return canvas.group(
        canvas.tooltip(whole),
        canvas.text(name, _LABELS, middle - 4.0, text_anchor="end", font_weight=600),
        canvas.text(f"{old} → {new}", _LABELS, middle + 14.0, text_anchor="end", font_weight=600),
    )


def _bar(pair: Pair, on: axes.Scale, top: float, *, is_before: bool) -> str:
    value, when = (pair.before, "before") if is_before else (pair.after, "after")
    if not value:
        return ""
    colour = canvas.RAISES if value > 0 else canvas.LOWERS
    fill = f"url(#hatch-{_NAMES[colour]})" if is_before else colour
    path = canvas.arrow(on.x(0.0), on.x(value), top, _BAR)
    drawn = canvas.element("path", d=path, fill=fill, stroke=colour, stroke_width=1)
    tip = f"{pair.label}\n{when}: {axes.signed(value, 10)}\n{pair.description}"
    return canvas.mark(tip, drawn, series=when)
