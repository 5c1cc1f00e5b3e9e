"""Shades of a feature's value: dark blue is low, light amber is high, grey is not a number."""

from __future__ import annotations

from collections.abc import Sequence

from glasskit.charts.svg import canvas

PLAIN = "#1F3B73"
NONE = "#9AA5B1"
_LOW, _HIGH = (31, 59, 115), (242, 177, 52)
_STEPS = 12


def shade(level: float | None) -> str:
    """The colour of a level in 0..1."""
    if level is None:
        return NONE
    red, green, blue = (round(low + (high - low) * level) for low, high in zip(_LOW, _HIGH, strict=True))
    return f"#{red:02X}{green:02X}{blue:02X}"


def legend(y: float, *, prefix: str = "") -> str:
    """What the shades mean, from the left edge."""
    x = 64.0 if not prefix else 40.0 + canvas.text_width(f"{prefix}: low", canvas.SMALL_SIZE)
    steps = [
        canvas.element(
            "rect", x=x + 6.0 + index * 8.0, y=y - 9.0, width=8.2, height=10, fill=shade(index / (_STEPS - 1))
        )
        for index in range(_STEPS)
    ]
    low = f"{prefix}: low" if prefix else "low value"
    return canvas.group(
        canvas.small(low, x, y, text_anchor="end"),
        *steps,
        canvas.small("high", x + 108.0, y, text_anchor="start"),
        canvas.element("circle", cx=x + 150.0, cy=y - 4.0, r=4, fill=NONE),
        canvas.small("a category", x + 158.0, y, text_anchor="start"),
    )


def listed(y: float, prefix: str, categories: Sequence[str]) -> str:
    """The shade of each of a few categories."""
    x = 40.0 + canvas.text_width(f"{prefix}:", canvas.SMALL_SIZE)
    parts = [canvas.small(f"{prefix}:", x, y, text_anchor="end")]
    for index, category in enumerate(categories):
        text = canvas.clipped(category, 110.0, canvas.SMALL_SIZE)
        level = index / max(1, len(categories) - 1)
        parts.append(canvas.element("circle", cx=x + 14.0, cy=y - 4.0, r=5, fill=shade(level)))
        parts.append(canvas.small(text, x + 23.0, y, text_anchor="start"))
        x += 26.0 + canvas.text_width(text, canvas.SMALL_SIZE)
    return canvas.group(*parts)
