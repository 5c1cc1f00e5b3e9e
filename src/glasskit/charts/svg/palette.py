"""The colours of charts, by day and by night.

Red raises and green lowers, always. The two are about as light as each other, and some readers see no
red or green: so nothing is told by them alone, but also by a direction, a sign, a dash or a hatching.
Shades of a value go from dark blue to light amber, which every eye and every printer tells apart.
"""

from __future__ import annotations

import re
from typing import Literal

Theme = Literal["light", "dark"]

RAISES = "#FF5733"
LOWERS = "#69AE35"
INK = "#1F2933"
FAINT_INK = "#52606D"
GRID = "#E4E7EB"
BACKGROUND = "#FFFFFF"
COHORTS = ("#1F3B73", "#F2B134", "#3E8E7E", "#B85C9E", "#7B8794", "#A0522D")
UNKNOWN = "#9AA5B1"
N_SHADES = 12
N_STRENGTHS = 16


def _mixed(low: str, high: str, share: float) -> str:
    parts = ((int(low[at : at + 2], 16), int(high[at : at + 2], 16)) for at in (1, 3, 5))
    return "#" + "".join(f"{round(one + (other - one) * share):02X}" for one, other in parts)


def _ramp(low: str, high: str, n_steps: int) -> tuple[str, ...]:
    return tuple(_mixed(low, high, step / (n_steps - 1)) for step in range(n_steps))


SHADES = _ramp("#1F3B73", "#F2B134", N_SHADES)
"""Dark blue is a low value, amber a high one."""
STRENGTHS_RAISING = _ramp("#FFFDFC", RAISES, N_STRENGTHS)
STRENGTHS_LOWERING = _ramp("#FCFEFB", LOWERS, N_STRENGTHS)

_NIGHT = "#14191F"
DARK = {
    RAISES: "#FF6A4A",
    LOWERS: "#7CC544",
    INK: "#E8EDF2",
    FAINT_INK: "#A9B5C1",
    GRID: "#333D48",
    BACKGROUND: _NIGHT,
    **dict(zip(COHORTS[1:], ("#F2B134", "#54B5A2", "#D98AC2", "#8D99A6", "#C97F55"), strict=True)),
    **dict(zip(SHADES, _ramp("#5B8DEF", "#FFD166", N_SHADES), strict=True)),
    **dict(zip(STRENGTHS_RAISING[:-1], _ramp("#1C1A1D", "#FF6A4A", N_STRENGTHS)[:-1], strict=True)),
    **dict(zip(STRENGTHS_LOWERING[:-1], _ramp("#171D1B", "#7CC544", N_STRENGTHS)[:-1], strict=True)),
}
"""Each colour of the light theme, by night; one that is not here stays as it is."""

_PAINTED = re.compile(r'(?<= )(fill|stroke)="(#[0-9A-F]{6})"')


def painted(drawing: str, theme: Theme) -> str:
    """The drawing in a theme. Only attributes are changed: a quote in a text is escaped."""
    if theme == "light":
        return drawing
    if theme != "dark":
        raise ValueError(f"the theme is {theme!r}, but must be 'light' or 'dark'")
    return _PAINTED.sub(lambda found: f'{found[1]}="{DARK.get(found[2], found[2])}"', drawing)


def night_sheet(selector: str) -> str:
    """CSS rules that put the dark theme on a drawing inside an element, whatever its attributes say."""
    rules = (
        f'{selector} [{part}="{day}"]{{{part}:{night}}}'
        for day, night in DARK.items()
        for part in ("fill", "stroke")
        if day != night
    )
    return "".join(rules)
