"""The force chart drawn: red pushes right, hatched green pushes left, and they meet at the prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from glasskit.charts import axes
from glasskit.charts.svg import canvas, measure

if TYPE_CHECKING:
    from glasskit.charts.force import Force
    from glasskit.charts.waterfall import Step

_TOP, _BAR, _SIDE = 92.0, 34.0, 40.0
_LABELS_TOP = _TOP + _BAR + 66.0
_LABEL_ROW, _MOST_LABEL_ROWS, _WIDEST_LABEL = 17.0, 7, 420.0


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
    body = [canvas.lowering(), _ruler(chart, axis, on)]
    body += _segments(chart.raising, whole.margin, on, canvas.RAISES)
    body += _segments(chart.lowering, whole.margin, on, canvas.LOWERING)
    body.append(_marker(whole.prediction_text + " predicted", on.x(whole.margin), 40.0, on, bold=True))
    body.append(_marker(whole.baseline_text + " baseline", on.x(whole.base_margin), 60.0, on, bold=False))
    rows = _labels(chart, on)
    body += [label for row in rows for label in row]
    height = _LABELS_TOP + _LABEL_ROW * max(1, len(rows)) + 34.0
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
    """Arrows away from the meeting point, each pointing to it."""
    drawn, at = list[str](), meeting
    for step in steps:
        path = canvas.element(
            "path",
            d=canvas.arrow(on.x(at - step.contribution), on.x(at), _TOP, _BAR, tip=9.0),
            fill=fill,
            stroke=canvas.BACKGROUND,
            stroke_width=1,
        )
        tip = f"{_named(step)}\n{axes.signed(step.contribution, 10)} ({step.effect_text})\n{step.description}"
        series = "raises" if step.contribution > 0 else "lowers"
        drawn.append(canvas.mark(tip, path, series=series))
        at -= step.contribution
    return drawn


def _middles(steps: Sequence[Step], meeting: float, on: axes.Scale) -> list[tuple[Step, float]]:
    """Each step with the middle of its segment."""
    placed, at = list[tuple["Step", float]](), meeting
    for step in steps:
        placed.append((step, (on.x(at - step.contribution) + on.x(at)) / 2))
        at -= step.contribution
    return placed


def _labels(chart: Force, on: axes.Scale) -> list[list[str]]:
    """Labels under their segments, in rows where none touches another, the strongest first.

    What finds no room in the last row has no label; its tooltip and the description have its name.
    """
    placed = [
        *_middles(chart.raising, chart.chart.margin, on),
        *_middles(chart.lowering, chart.chart.margin, on),
    ]
    rows: list[list[str]] = []
    taken: list[list[tuple[float, float]]] = []
    for step, middle in sorted(placed, key=lambda one: -abs(one[0].contribution)):
        text = measure.fitted(_named(step), _WIDEST_LABEL, canvas.SMALL_SIZE)
        half = measure.text_width(text, canvas.SMALL_SIZE) / 2
        centre = min(max(middle, on.left + half - 20.0), on.right - half + 20.0)
        left, right = min(centre - half, middle) - 8.0, max(centre + half, middle) + 8.0
        row = next(
            (at for at, ends in enumerate(taken) if all(right < start or end < left for start, end in ends)),
            len(rows),
        )
        if row == _MOST_LABEL_ROWS:
            continue
        if row == len(rows):
            rows.append([])
            taken.append([])
        for above in taken[: row + 1]:
            above.append((left, right) if above is taken[row] else (middle - 2.0, middle + 2.0))
        rows[row].append(_label(step, text, middle, centre, _LABELS_TOP + row * _LABEL_ROW))
    return rows


def _label(step: Step, text: str, middle: float, centre: float, y: float) -> str:
    return canvas.group(
        canvas.tooltip(_named(step)),
        canvas.line(middle, _TOP + _BAR + 34.0, middle, y - 11.0),
        canvas.small(text, centre, y, fill=canvas.INK),
    )


def _ruler(chart: Force, axis: axes.Axis, on: axes.Scale) -> str:
    floor = _TOP + _BAR
    parts = [canvas.line(on.left, floor + 12.0, on.right, floor + 12.0, stroke=canvas.FAINT_INK)]
    for tick in axes.ticks(on, link=chart.chart.link, link_scale=chart.chart.link_scale):
        parts.append(
            canvas.line(on.x(tick.at), floor + 8.0, on.x(tick.at), floor + 16.0, stroke=canvas.FAINT_INK)
        )
        parts.append(canvas.small(tick.text, on.x(tick.at), floor + 30.0))
    if axis.label:
        parts.append(canvas.caption(axis.label, (on.left + on.right) / 2, 14.0, on.right + _SIDE))
    return canvas.group(*parts)


def _marker(text: str, x: float, y: float, on: axes.Scale, *, bold: bool) -> str:
    half = measure.text_width(text, weight=700) / 2
    anchor = "start" if x < on.left + half else "end" if x > on.right - half else "middle"
    line = canvas.line(x, y + 5.0, x, _TOP + _BAR + 12.0, stroke=canvas.INK if bold else canvas.FAINT_INK)
    return canvas.group(line, canvas.text(text, x, y, text_anchor=anchor, font_weight=700 if bold else 400))


def _legend(axis: axes.Axis, middle: float, y: float) -> str:
    return canvas.group(
        canvas.key(
            "raises",
            canvas.note(axis.raises, middle - 42.0, y, middle - 50.0, text_anchor="end"),
            canvas.element(
                "path", d=canvas.arrow(middle - 36.0, middle - 8.0, y - 10.0, 12.0), fill=canvas.RAISES
            ),
        ),
        canvas.key(
            "lowers",
            canvas.element(
                "path", d=canvas.arrow(middle + 36.0, middle + 8.0, y - 10.0, 12.0), fill=canvas.LOWERING
            ),
            canvas.note(axis.lowers, middle + 42.0, y, middle - 50.0, text_anchor="start"),
        ),
    )
