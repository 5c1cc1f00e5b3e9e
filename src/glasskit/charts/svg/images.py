"""A tinted image drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glasskit.charts import axes
from glasskit.charts.svg import canvas, measure

if TYPE_CHECKING:
    from glasskit.charts.images import Area, Overlay

_SIDE, _TOP, _LARGEST = 24.0, 48.0, 560.0
_TINT = 0.7


def overlay(
    chart: Overlay,
    *,
    axis: axes.Axis | None = None,
    title: str = "What the areas of the image did",
    width: float = 640.0,
) -> str:
    """The tinted image as an SVG document, the image inside it."""
    axis = axis or axes.Axis()
    zoom = min((width - 2 * _SIDE) / chart.width, _LARGEST / chart.height)
    left = (width - chart.width * zoom) / 2
    picture = canvas.element(
        "image",
        href=f"data:image/png;base64,{chart.image_png}",
        width=chart.width,
        height=chart.height,
        preserveAspectRatio="none",
    )
    areas = "".join(_area(area) for area in chart.areas)
    placed = canvas.element(
        "g", picture + areas + _box(chart, zoom), transform=f"translate({left:g} {_TOP:g}) scale({zoom:.6g})"
    )
    floor = _TOP + chart.height * zoom
    told = f"{chart.prediction_text} predicted, {chart.baseline_text} with nothing of the image"
    head = canvas.text(measure.fitted(told, width - 2 * _SIDE, weight=600), _SIDE, 28.0, font_weight=600)
    body = canvas.lowering() + head + placed + _legend(axis, width / 2, floor + 26.0)
    return canvas.document(title, _description(chart), body, width=width, height=floor + 44.0)


def _description(chart: Overlay) -> str:
    ranked = sorted(chart.areas, key=lambda area: -abs(area.contribution))[:10]
    strongest = "; ".join(f"area {area.number}: {axes.signed(area.contribution)}" for area in ranked)
    return (
        f"{chart.prediction_text} predicted, {chart.baseline_text} with nothing of the image; "
        f"{len(chart.areas)} areas. Strongest: {strongest}."
    )


def _area(area: Area) -> str:
    series = "raises" if area.contribution > 0 else "lowers" if area.contribution < 0 else "none"
    error = f" ± {area.error:.2g}" if area.error > 1e-9 else ""
    tip = f"area {area.number}, {area.share * 100:.1f} % of the image\n{axes.signed(area.contribution, 10)}{error}"
    path = canvas.element(
        "path",
        d=area.outline,
        fill=canvas.RAISES if area.contribution > 0 else canvas.LOWERING,
        fill_opacity=area.strength * _TINT,
        shape_rendering="crispEdges",
    )
    return canvas.mark(tip, path, series=series)


def _box(chart: Overlay, zoom: float) -> str:
    if chart.box is None:
        return ""
    left, top, right, bottom = chart.box
    return "".join(
        canvas.box(
            left, top, right - left, bottom - top, fill="none", stroke=colour, stroke_width=wide / zoom
        )
        for colour, wide in (("#000000", 4.0), ("#FFFF00", 2.0))
    )


def _legend(axis: axes.Axis, middle: float, y: float) -> str:
    return canvas.group(
        canvas.key(
            "lowers",
            canvas.note(axis.lowers, middle - 46.0, y, middle - 54.0, text_anchor="end"),
            canvas.box(middle - 38.0, y - 10.0, 26.0, 12.0, fill=canvas.LOWERING),
        ),
        canvas.key(
            "raises",
            canvas.box(middle + 12.0, y - 10.0, 26.0, 12.0, fill=canvas.RAISES),
            canvas.note(axis.raises, middle + 46.0, y, middle - 54.0, text_anchor="start"),
        ),
    )
