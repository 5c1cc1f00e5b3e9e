"""The decision chart drawn: lines from the baseline at the bottom to the predictions at the top.

Rows that end above the baseline are red and whole, rows that end below are green and dashed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glasskit.charts import axes
from glasskit.charts.svg import canvas, measure

if TYPE_CHECKING:
    from glasskit.charts.decision import Decision, Path

_LABELS, _TOP, _ROW, _BOTTOM, _MARGIN = 300.0, 66.0, 30.0, 92.0, 24.0


def decision(
    chart: Decision,
    *,
    axis: axes.Axis | None = None,
    title: str = "From baseline to predictions",
    width: float = 960.0,
) -> str:
    """The decision chart as an SVG document."""
    axis = axis or axes.Axis()
    margins = [margin for path in chart.paths for margin in path.margins]
    on = axes.scale([*margins, chart.base_margin], left=_LABELS + 14.0, right=width - _MARGIN)
    floor = _TOP + _ROW * len(chart.names)
    body = [_frame(chart, axis, on, floor)]
    for path in sorted(chart.paths, key=lambda path: path.is_marked):
        body.append(_path(chart, path, on, floor))
    marked = "  ·  ".join(f"row {path.row}: {path.prediction_text}" for path in chart.paths if path.is_marked)
    if len(chart.paths) < chart.n_rows:
        note = f"{len(chart.paths):,} of {chart.n_rows:,} rows are drawn"
        body.append(canvas.small(note, _LABELS, floor + 18.0, text_anchor="end"))
    if marked:
        told = measure.fitted(marked, width - 40.0, weight=600)
        body.append(canvas.text(told, width / 2, floor + _BOTTOM, text_anchor="middle", font_weight=600))
    height = floor + _BOTTOM + (20.0 if marked else 0.0)
    return canvas.document(title, _description(chart), "".join(body), width=width, height=height)


def _description(chart: Decision) -> str:
    above = sum(path.margins[-1] > chart.base_margin for path in chart.paths)
    marked = "; ".join(f"row {path.row}: {path.prediction_text}" for path in chart.paths if path.is_marked)
    told = (
        f"{len(chart.paths):,} of {chart.n_rows:,} rows; {above:,} end above the baseline. Features from the "
        f"most important down: {', '.join(reversed(chart.labels))}."
    )
    return f"{told} Marked: {marked}." if marked else told


def _frame(chart: Decision, axis: axes.Axis, on: axes.Scale, floor: float) -> str:
    parts = []
    for tick in axes.ticks(on, link=chart.link, link_scale=chart.link_scale):
        parts.append(canvas.line(on.x(tick.at), _TOP, on.x(tick.at), floor))
        parts.append(canvas.small(tick.text, on.x(tick.at), _TOP - 24.0))
        parts.append(canvas.small(tick.text, on.x(tick.at), floor + 18.0))
    for index, label in enumerate(chart.labels):
        y = floor - _ROW * (index + 0.5)
        parts.append(
            canvas.line(on.left, floor - _ROW * index, on.right, floor - _ROW * index, stroke_dasharray="1 3")
        )
        parts.append(canvas.label(label, _LABELS, y, _LABELS - 14.0))
    middle, base = (on.left + on.right) / 2, on.x(chart.base_margin)
    parts.append(canvas.line(base, _TOP, base, floor, stroke=canvas.FAINT_INK, stroke_dasharray="2 3"))
    label = axis.label or ("Prediction (%)" if chart.link == "logistic" else "Prediction")
    width = on.right + _MARGIN
    parts.append(canvas.caption(label, middle, _TOP - 48.0, width))
    parts.append(_legend(axis, min(max(middle, 230.0), width - 260.0), floor + 52.0, width))
    return canvas.group(*parts)


def _legend(axis: axes.Axis, middle: float, y: float, width: float) -> str:
    told = f"to the right {axis.raises}, to the left {axis.lowers}"
    below, above = "ends below the baseline", "ends above the baseline"
    return canvas.group(
        canvas.key(
            "below",
            canvas.line(
                middle - 214.0,
                y - 4.0,
                middle - 180.0,
                y - 4.0,
                stroke=canvas.LOWERS,
                stroke_width=2,
                stroke_dasharray="6 3",
            ),
            canvas.small(below, middle - 174.0, y, text_anchor="start"),
        ),
        canvas.key(
            "above",
            canvas.line(middle + 20.0, y - 4.0, middle + 54.0, y - 4.0, stroke=canvas.RAISES, stroke_width=2),
            canvas.small(above, middle + 60.0, y, text_anchor="start"),
        ),
        canvas.note(told, middle, y + 22.0, 2 * min(middle, width - middle) - 12.0),
    )


def _path(chart: Decision, path: Path, on: axes.Scale, floor: float) -> str:
    raised = path.margins[-1] > chart.base_margin
    points = [(on.x(margin), floor - _ROW * index) for index, margin in enumerate(path.margins)]
    drawn = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    crowd = min(1.0, max(0.25, 12.0 / len(chart.paths)))
    line = canvas.element(
        "path",
        d=drawn,
        fill="none",
        stroke=canvas.RAISES if raised else canvas.LOWERS,
        stroke_width=3.0 if path.is_marked else 1.3,
        stroke_opacity=1.0 if path.is_marked else crowd,
        stroke_linejoin="round",
        **({} if raised else {"stroke_dasharray": "6 3"}),
    )
    tip, series = f"row {path.row}\n{path.prediction_text} predicted", "above" if raised else "below"
    if not path.is_marked:
        return canvas.mark(tip, line, series=series)
    x, y = points[-1]
    number = canvas.small(str(path.row), x, y - 8.0, fill=canvas.INK, font_weight=600)
    dot = canvas.element("circle", cx=x, cy=y, r=4, fill=canvas.INK)
    return canvas.mark(tip, line, dot, number, series=series)
