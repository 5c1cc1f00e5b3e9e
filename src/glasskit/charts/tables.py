"""The data of a chart as a table: what a reader without the picture reads, and who wants the exact numbers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from glasskit.charts.svg.canvas import escape

MOST_ROWS = 2000

Cell = str | float | int | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of cells under headings; a number is shown as exactly as it is held, None as nothing."""

    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""

    def html(self) -> str:
        """The table as HTML, at most 2,000 rows of it; a number's cell carries it in `data-number`."""
        head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in self.headings)
        body = "".join(_row(row) for row in self.rows[:MOST_ROWS])
        told = self.caption
        if len(self.rows) > MOST_ROWS:
            told = f"{told} The first {MOST_ROWS:,} of {len(self.rows):,} rows.".strip()
        caption = f"<caption>{escape(told)}</caption>" if told else ""
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _row(row: Sequence[Cell]) -> str:
    first, *others = row
    return f'<tr><th scope="row">{escape(_text(first))}</th>{"".join(map(_cell, others))}</tr>'


def _cell(cell: Cell) -> str:
    if isinstance(cell, int | float) and not isinstance(cell, bool) and math.isfinite(cell):
        return f'<td class="n" data-number="{float(cell)!r}">{escape(_text(cell))}</td>'
    return f"<td>{escape(_text(cell))}</td>"


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return exact(cell)
    return f"{cell:,}".replace("-", "−") if isinstance(cell, int) else cell


def exact(number: float) -> str:
    """A number with up to ten significant digits.

    >>> exact(0.1 + 0.2), exact(-3.0), exact(float("nan"))
    ('0.3', '−3', 'missing')
    """
    return "missing" if math.isnan(number) else f"{number:.10g}".replace("-", "−").replace("inf", "∞")
