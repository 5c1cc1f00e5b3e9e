"""The waterfall drawn: baseline at the bottom, prediction at the top, red raises, green lowers.

Positions are margins, so equal contributions have equal lengths and the bars add up; the tick
labels say the prediction. Bars are arrows: their direction shows without colour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glasskit.charts import axes
from glasskit.charts.svg import canvas, measure

if TYPE_CHECKING:
    from glasskit.charts.waterfall import Step, Waterfall

_ROW = 32.0
_BAR = 20.0
_TOP = 58.0
_BOTTOM = 98.0
_FEWEST, _MOST, _SHARE = 130.0, 400.0, 0.42
_VALUES = 96.0
_GAP = 14.0
_UNIT = {"logistic": "log-odds", "exp": "log"}
_PER_LINK = {"logistic": "Prediction (%)", "identity": "Prediction"}


def waterfall(
    chart: Waterfall,
    *,
    axis: axes.Axis | None = None,
    title: str = "From baseline to prediction",
    width: float = 960.0,
) -> str:
    """The waterfall as an SVG document."""
    axis = axis or axes.Axis()
    margins = [chart.base_margin, chart.margin]
    margins += [step.end_margin for step in chart.steps]
    longest = max((measure.text_width(_named(step), weight=600) for step in chart.steps), default=0.0)
    on = axes.scale(
        margins, left=min(_MOST, width * _SHARE, max(_FEWEST, longest + 20.0)) + _GAP, right=width - _VALUES
    )
    floor = _TOP + _ROW * len(chart.steps)
    body = [
        _axis(chart, axis, on, floor),
        canvas.small(_UNIT.get(chart.link, "SHAP value"), width - _GAP, _TOP - 20.0, text_anchor="end"),
        _marker(chart.baseline_text + " baseline", on.x(chart.base_margin), on, above=False, floor=floor),
        _marker(chart.prediction_text + " predicted", on.x(chart.margin), on, above=True, floor=floor),
    ]
    decimals = axes.decimals_for(max((abs(step.contribution) for step in chart.steps), default=0.0))
    for index, step in enumerate(reversed(chart.steps)):
        top = _TOP + _ROW * index
        effect = axes.fixed(step.contribution, decimals)
        is_first = index == len(chart.steps) - 1
        body.append(_row(step, on, top, effect=effect, width=width, is_first=is_first))
    return canvas.document(title, _description(chart), "".join(body), width=width, height=floor + _BOTTOM)


def _description(chart: Waterfall) -> str:
    steps = "; ".join(f"{_named(step)}: {axes.signed(step.contribution)}" for step in reversed(chart.steps))
    return f"{chart.baseline_text} baseline, {chart.prediction_text} predicted. {steps}."


def _named(step: Step) -> str:
    return f"{step.label} = {step.value_text}" if step.value_text else step.label


def _axis(chart: Waterfall, axis: axes.Axis, on: axes.Scale, floor: float) -> str:
    parts = [canvas.line(on.left, floor + 26.0, on.right, floor + 26.0, stroke=canvas.FAINT_INK)]
    for tick in axes.ticks(on, link=chart.link, link_scale=chart.link_scale):
        x = on.x(tick.at)
        parts.append(canvas.line(x, _TOP - 6.0, x, floor + 26.0))
        parts.append(canvas.small(tick.text, x, floor + 42.0))
    label = axis.label or _PER_LINK.get(chart.link, "Prediction")
    middle, width = (on.left + on.right) / 2, on.right + _VALUES
    parts.append(canvas.caption(label, middle, floor + 62.0, width))
    parts.append(_legend(axis, middle, floor + 84.0, width))
    return canvas.group(*parts)


def _legend(axis: axes.Axis, middle: float, y: float, width: float) -> str:
    return canvas.group(
        canvas.key(
            "lowers",
            canvas.note(axis.lowers, middle - 42.0, y, middle - 50.0, text_anchor="end"),
            canvas.element(
                "path", d=canvas.arrow(middle - 10.0, middle - 36.0, y - 9.0, 11.0), fill=canvas.LOWERS
            ),
        ),
        canvas.key(
            "raises",
            canvas.element(
                "path", d=canvas.arrow(middle + 10.0, middle + 36.0, y - 9.0, 11.0), fill=canvas.RAISES
            ),
            canvas.note(axis.raises, middle + 42.0, y, width - middle - 50.0, text_anchor="start"),
        ),
    )


def _marker(label: str, x: float, on: axes.Scale, *, above: bool, floor: float) -> str:
    """A dotted line through the chart with its text at one end, kept inside the plot."""
    half = measure.text_width(label, weight=600) / 2
    anchor = "start" if x < on.left + half else "end" if x > on.right - half else "middle"
    y_text = _TOP - 20.0 if above else floor + 18.0
    at = min(max(x, on.left), on.right)
    return canvas.group(
        canvas.line(
            x, _TOP - 12.0, x, floor + 4.0, stroke=canvas.FAINT_INK, stroke_dasharray="2 3", stroke_width=1.2
        ),
        canvas.text(label, at, y_text, text_anchor=anchor, font_weight=600),
    )


def _row(step: Step, on: axes.Scale, top: float, *, effect: str, width: float, is_first: bool) -> str:
    middle = top + _ROW / 2
    start, end = on.x(step.start_margin), on.x(step.end_margin)
    right = on.left - _GAP
    parts = [canvas.label(step.label, right, middle, right - 8.0, given=step.value_text)]
    if not is_first:
        parts.append(
            canvas.line(start, middle + _BAR / 2, start, middle + _ROW - _BAR / 2, stroke=canvas.FAINT_INK)
        )
    if step.contribution:
        colour = canvas.RAISES if step.raises else canvas.LOWERS
        parts.append(canvas.element("path", d=canvas.arrow(start, end, middle - _BAR / 2, _BAR), fill=colour))
    parts.append(canvas.text(effect, width - _GAP, middle + 4.5, text_anchor="end"))
    series = "raises" if step.raises else "lowers" if step.contribution else "none"
    return canvas.mark(_tip(step), *parts, series=series)


def _tip(step: Step) -> str:
    lines = [_named(step), f"{axes.signed(step.contribution, 10)} ({step.effect_text})", step.description]
    return "\n".join(text for text in lines if text)
