"""Charts of a bias report and of partial dependence, as stand-alone SVG."""

from __future__ import annotations

from collections.abc import Sequence

from glasskit import bias, charts
from glasskit.charts import axes, texts
from glasskit.charts.svg import canvas, measure
from glasskit.clarify import dependence, wordings
from glasskit.explain import words

_WIDTH = 960.0
_ROW = 26.0
_LABELS = 420.0
_DASHES = ("", "7 4", "2 3", "9 3 2 3")
_COLOURS = ("#1F5A96", "#B3280A", "#3D7314", "#6B3FA0")


def metrics(found: Sequence[bias.Result], title: str) -> str:
    """A bar from the neutral value to each metric's value."""
    values = [(result.value or 0.0) - result.metric.neutral for result in found]
    on = axes.scale([*values, 0.0], left=_LABELS, right=_WIDTH - 90.0)
    floor = 16.0 + _ROW * len(found)
    body = [canvas.line(on.x(0.0), 8.0, on.x(0.0), floor, stroke=canvas.INK)]
    for index, (result, value) in enumerate(zip(found, values, strict=True)):
        y = 16.0 + _ROW * index
        left, right = sorted((on.x(0.0), on.x(value)))
        name = measure.fitted(f"{result.metric.title} ({result.metric.name})", _LABELS - 16.0)
        body.append(canvas.text(name, _LABELS - 12.0, y + 13.0, text_anchor="end"))
        body.append(
            canvas.element(
                "rect", x=left, y=y + 2.0, width=max(1.0, right - left), height=_ROW - 10.0, fill=_COLOURS[0]
            )
        )
        body.append(canvas.text(f"{result.value:.3f}", _WIDTH - 8.0, y + 13.0, text_anchor="end"))
    body.append(canvas.small("distance from the value that shows no difference", on.x(0.0), floor + 18.0))
    described = "; ".join(f"{result.metric.name} {result.value:.3f}" for result in found)
    return canvas.document(
        f"Bias metrics of {title}", described, "".join(body), width=_WIDTH, height=floor + 30.0
    )


def curve(found: dependence.Curve, labels: Sequence[str]) -> str:
    """The mean prediction over the grid, and the distribution of the feature below it."""
    left, right, top, floor, ground = 80.0, _WIDTH - 24.0, 26.0, 250.0, 310.0
    n_points = len(found.values)
    places = _places(found, left, right)
    flat = found.predictions.ravel().tolist()
    on = axes.scale(flat, left=floor, right=top)
    body = [_rules(on, left, right)]
    tallest = max(float(found.distribution.max()), 1e-12)
    width = max(2.0, (right - left) / max(1, n_points) * 0.6)
    for x, share in zip(places, found.distribution.tolist(), strict=True):
        height = share / tallest * 36.0
        body.append(
            canvas.element(
                "rect", x=x - width / 2, y=ground - height, width=width, height=height, fill=canvas.GRID
            )
        )
    for k, means in enumerate(found.predictions.tolist()):
        body.append(_line(found, places, [on.x(mean) for mean in means], k))
        if len(labels) > 1:
            at = left + 150.0 * k
            body.append(canvas.line(at, 12.0, at + 26.0, 12.0, **_stroke(k)))
            body.append(
                canvas.text(measure.fitted(labels[k], 110.0), at + 32.0, 16.0, font_size=canvas.SMALL_SIZE)
            )
    body += _names(found, places, ground + 18.0)
    body.append(
        canvas.text(
            measure.fitted(found.name, 700.0), (left + right) / 2, ground + 42.0, text_anchor="middle"
        )
    )
    return canvas.document(
        f"Partial dependence on {found.name}",
        curve_in_words(found),
        "".join(body),
        width=_WIDTH,
        height=ground + 52.0,
    )


def text(row: wordings.Explained, at: int, output: int) -> str:
    """One row's free text, each piece marked by its share."""
    shares = [float(part.values[output]) for part in row.parts[at]]
    largest = max(map(abs, shares), default=0.0) or 1.0
    base, others = (
        float(row.base[output]),
        sum(
            float(part.values[output])
            for column, parts in enumerate(row.parts)
            for part in parts
            if column != at
        ),
    )
    pieces = tuple(
        texts.Piece(
            start=part.start,
            end=part.start + len(part.text),
            text=part.text,
            contribution=share,
            error=0.0,
            strength=abs(share) / largest,
        )
        for part, share in zip(row.parts[at], shares, strict=True)
    )
    chart = texts.Highlighted(
        text=str(row.row[at]),
        pieces=pieces,
        base_margin=base + others,
        margin=base + others + sum(shares),
        baseline_text=words.value(base + others),
        prediction_text=words.value(base + others + sum(shares)),
    )
    return charts.svg.highlighted(
        chart, axis=charts.Axis(lowers="lowers the score", raises="raises the score")
    )


def curve_in_words(found: dependence.Curve) -> str:
    """`The mean prediction is 0.2 at 18 and 0.4 at 90.`"""
    means = found.predictions[0].tolist()
    ends = [(words.value(found.values[at]), means[at]) for at in sorted({0, len(means) - 1})]
    told = " and ".join(f"{mean:.4g} at {value}" for value, mean in ends)
    return f"The mean prediction over {found.name} is {told}; least {min(means):.4g}, most {max(means):.4g}."


def _places(found: dependence.Curve, left: float, right: float) -> list[float]:
    if found.is_number and len(found.values) > 1:
        numbers = [float(value) for value in found.values]
        on = axes.Scale(low=numbers[0], high=numbers[-1], left=left + 20.0, right=right - 20.0)
        return [on.x(number) for number in numbers]
    step = (right - left) / max(1, len(found.values))
    return [left + step * (at + 0.5) for at in range(len(found.values))]


def _rules(on: axes.Scale, left: float, right: float) -> str:
    drawn = []
    for tick in axes.linear_ticks(on.low, on.high, n_most=6):
        y = on.x(tick.at)
        drawn.append(canvas.line(left, y, right, y))
        drawn.append(
            canvas.text(f"{tick.at:.4g}", left - 8.0, y + 4.0, text_anchor="end", font_size=canvas.SMALL_SIZE)
        )
    return "".join(drawn)


def _line(found: dependence.Curve, xs: Sequence[float], ys: Sequence[float], k: int) -> str:
    dots = "".join(
        canvas.element("circle", cx=x, cy=y, r=3.0, fill=_COLOURS[k % len(_COLOURS)])
        for x, y in zip(xs, ys, strict=True)
    )
    if not found.is_number:
        return dots
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))
    return canvas.element("polyline", points=points, fill="none", **_stroke(k)) + dots


def _stroke(k: int) -> dict[str, canvas.Attribute]:
    stroke: dict[str, canvas.Attribute] = {"stroke": _COLOURS[k % len(_COLOURS)], "stroke_width": 2.0}
    return stroke | ({"stroke_dasharray": _DASHES[k % len(_DASHES)]} if k % len(_DASHES) else {})


def _names(found: dependence.Curve, places: Sequence[float], y: float) -> list[str]:
    """The values of the grid, as many as have room."""
    every = max(1, -(-len(places) * 64 // int(_WIDTH)))
    return [
        canvas.small(measure.fitted(words.value(value), 90.0), x, y)
        for at, (value, x) in enumerate(zip(found.values, places, strict=True))
        if at % every == 0
    ]
