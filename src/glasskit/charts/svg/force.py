"""The force chart drawn: red pushes right, hatched green pushes left, and they meet at the prediction."""

from __future__ import annotations

from collections.abc import Sequence

from glasskit.charts import axes
from glasskit.charts.force import Force
from glasskit.charts.svg import canvas
from glasskit.charts.waterfall import Step

_TOP, _BAR, _SIDE = 92.0, 34.0, 40.0
_LABEL_ROW, _N_LABEL_ROWS = 17.0, 4
_HATCH = "glasskit-lowers"


def force(
    chart: Force,
    *,
    axis: axes.Axis | None = None,
    title: str = "What pushed the prediction",
    width: float = 960.0,
) -> str:
    """The force chart as an SVG document."""
    axis = axis or axes.Axis()
    whole = chart.chart
    raised = sum(step.contribution for step in chart.raising)
    lowered = sum(-step.contribution for step in chart.lowering)
    reach = [whole.margin - raised, whole.margin + lowered, whole.base_margin]
    on = axes.scale(reach, left=_SIDE, right=width - _SIDE, padding=0.03)
    body = [canvas.hatch(_HATCH, canvas.LOWERS), _ruler(chart, axis, on)]
    body += _segments(chart.raising, whole.margin, on, canvas.RAISES)
    body += _segments(chart.lowering, whole.margin, on, f"url(#{_HATCH})")
    body.append(_marker(whole.prediction_text + " predicted", on.x(whole.margin), 40.0, on, bold=True))
    body.append(_marker(whole.baseline_text + " baseline", on.x(whole.base_margin), 60.0, on, bold=False))
    height = _TOP + _BAR + 74.0 + _LABEL_ROW * _N_LABEL_ROWS + 34.0
    body.append(_legend(axis, width / 2, height - 12.0))
    return canvas.document(title, _description(chart), "".join(body), width=width, height=height)


def _description(chart: Force) -> str:
    def listed(steps: Sequence[Step]) -> str:
        return "; ".join(f"{_named(step)}: {axes.signed(step.contribution)}" for step in steps) or "nothing"

    return (
        f"{chart.chart.baseline_text} baseline, {chart.chart.prediction_text} predicted. "
        f"Raising: {listed(chart.raising)}. Lowering: {listed(chart.lowering)}."
    )


def _named(step: Step) -> str:
    return f"{step.label} = {step.value_text}" if step.value_text else step.label


def _segments(steps: Sequence[Step], meeting: float, on: axes.Scale, fill: str) -> list[str]:
    """Arrows away from the meeting point, each pointing to it, with labels below in rows that do not overlap."""
    drawn, labels, at = list[str](), list[str](), meeting
    taken = [(0.0, 0.0)] * _N_LABEL_ROWS
    free = [False] * _N_LABEL_ROWS
    for step in steps:
        outer, inner = on.x(at - step.contribution), on.x(at)
        path = canvas.element(
            "path",
            d=canvas.arrow(outer, inner, _TOP, _BAR, tip=9.0),
            fill=fill,
            stroke=canvas.BACKGROUND,
            stroke_width=1,
        )
        tip = f"{_named(step)}\n{axes.signed(step.contribution)} ({step.effect_text})\n{step.description}"
        drawn.append(canvas.group(canvas.tooltip(tip.strip()), path))
        labels += _label(step, (outer + inner) / 2, on, taken, free)
        at -= step.contribution
    return [*drawn, *labels]


def _label(
    step: Step, middle: float, on: axes.Scale, taken: list[tuple[float, float]], used: list[bool]
) -> list[str]:
    """A label under its segment, in the first row with room on this side; none if every row is full."""
    text = canvas.shortened(_named(step), 240.0, canvas.SMALL_SIZE)
    half = canvas.text_width(text, canvas.SMALL_SIZE) / 2
    centre = min(max(middle, on.left + half - 20.0), on.right - half + 20.0)
    raises = step.contribution > 0
    for row in range(_N_LABEL_ROWS):
        left, right = taken[row]
        edge = centre + half if raises else centre - half
        if not used[row] or (edge < left - 6.0 if raises else edge > right + 6.0):
            taken[row], used[row] = (centre - half, centre + half), True
            y = _TOP + _BAR + 66.0 + row * _LABEL_ROW
            halo: dict[str, canvas.Attribute] = {
                "stroke": canvas.BACKGROUND,
                "stroke_width": 4,
                "paint_order": "stroke",
            }
            return [
                canvas.line(middle, _TOP + _BAR + 34.0, middle, y - 11.0),
                canvas.small(text, centre, y, fill=canvas.INK, **halo),
            ]
    return []


def _ruler(chart: Force, axis: axes.Axis, on: axes.Scale) -> str:
    floor = _TOP + _BAR
    parts = [canvas.line(on.left, floor + 12.0, on.right, floor + 12.0, stroke=canvas.FAINT_INK)]
    for tick in axes.ticks(on, link=chart.chart.link, link_scale=chart.chart.link_scale):
        parts.append(
            canvas.line(on.x(tick.at), floor + 8.0, on.x(tick.at), floor + 16.0, stroke=canvas.FAINT_INK)
        )
        parts.append(canvas.small(tick.text, on.x(tick.at), floor + 30.0))
    if axis.label:
        parts.append(
            canvas.small(axis.label, (on.left + on.right) / 2, 14.0, font_weight=600, fill=canvas.INK)
        )
    return canvas.group(*parts)


def _marker(text: str, x: float, y: float, on: axes.Scale, *, bold: bool) -> str:
    anchor = "start" if x < on.left + 80.0 else "end" if x > on.right - 80.0 else "middle"
    line = canvas.line(x, y + 5.0, x, _TOP + _BAR + 12.0, stroke=canvas.INK if bold else canvas.FAINT_INK)
    return canvas.group(line, canvas.text(text, x, y, text_anchor=anchor, font_weight=700 if bold else 400))


def _legend(axis: axes.Axis, middle: float, y: float) -> str:
    return canvas.group(
        canvas.small(axis.raises, middle - 42.0, y, text_anchor="end"),
        canvas.element(
            "path", d=canvas.arrow(middle - 36.0, middle - 8.0, y - 10.0, 12.0), fill=canvas.RAISES
        ),
        canvas.element(
            "path", d=canvas.arrow(middle + 36.0, middle + 8.0, y - 10.0, 12.0), fill=f"url(#{_HATCH})"
        ),
        canvas.small(axis.lowers, middle + 42.0, y, text_anchor="start"),
    )
