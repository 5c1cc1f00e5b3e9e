"""Shades of a feature's value: dark blue is low, light amber is high, grey is not a number."""

from __future__ import annotations

from collections.abc import Sequence

from glasskit.charts.svg import canvas, measure, palette

PLAIN = palette.SHADES[0]
NONE = palette.UNKNOWN
_STEP = 8.0


def shade(level: float | None) -> str:
    """The colour of a level in 0..1."""
    if level is None:
        return NONE
    return palette.SHADES[min(palette.N_SHADES - 1, max(0, int(level * palette.N_SHADES)))]


def series(level: float | None) -> str:
    """The key of the legend that a level belongs to."""
    if level is None:
        return "none"
    return "low" if level < 1 / 3 else "middle" if level < 2 / 3 else "high"


def legend(x: float, y: float, *, prefix: str = "", room: float = 300.0) -> str:
    """What the shades mean, in four keys that can be switched off, from x."""
    parts = []
    if prefix:
        told = measure.fitted(f"{prefix}:", room, canvas.SMALL_SIZE)
        parts.append(canvas.small(told, x, y, text_anchor="start"))
        x += measure.text_width(told, canvas.SMALL_SIZE) + 10.0
    third = palette.N_SHADES // 3
    for name, start, text in (
        ("low", 0, "low value"),
        ("middle", third, "middle"),
        ("high", 2 * third, "high"),
    ):
        steps = [
            canvas.box(x + _STEP * at, y - 9.0, _STEP + 0.2, 10.0, fill=palette.SHADES[start + at])
            for at in range(third)
        ]
        x += _STEP * third + 5.0
        parts.append(canvas.key(name, *steps, canvas.small(text, x, y, text_anchor="start")))
        x += measure.text_width(text, canvas.SMALL_SIZE) + 12.0
    dot = canvas.element("circle", cx=x + 4.0, cy=y - 4.0, r=4, fill=NONE)
    parts.append(canvas.key("none", dot, canvas.small("no number", x + 13.0, y, text_anchor="start")))
    return canvas.group(*parts)


def listed(x: float, y: float, prefix: str, categories: Sequence[str], *, room: float) -> str:
    """The shade of each of a few categories, from x, within the room."""
    told = measure.fitted(f"{prefix}:", room * 0.35, canvas.SMALL_SIZE)
    parts = [canvas.small(told, x, y, text_anchor="start")]
    start = x + measure.text_width(told, canvas.SMALL_SIZE) + 6.0
    each = (room - (start - x)) / max(1, len(categories)) - 26.0
    x = start
    for index, category in enumerate(categories):
        text = measure.fitted(category, each, canvas.SMALL_SIZE)
        level = index / max(1, len(categories) - 1)
        dot = canvas.element("circle", cx=x + 6.0, cy=y - 4.0, r=5, fill=shade(level))
        parts.append(canvas.key(f"at-{index}", dot, canvas.small(text, x + 15.0, y, text_anchor="start")))
        x += 26.0 + measure.text_width(text, canvas.SMALL_SIZE)
    return canvas.group(*parts)
