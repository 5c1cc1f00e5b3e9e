"""A text with each piece marked by what it did to the prediction, as data."""

from __future__ import annotations

import dataclasses

import numpy as np

from glasskit.charts import checks, shown, svg, tables
from glasskit.charts.svg import texts as drawing
from glasskit.explain import words
from glasskit.explain.texts import Explained


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """text[start:end] and its contribution, strength: |contribution| as a share of the largest."""

    start: int
    end: int
    text: str
    contribution: float
    error: float
    strength: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Highlighted(shown.Shown):
    """A text and its pieces in their order; base value and contributions add up to the prediction."""

    text: str
    pieces: tuple[Piece, ...]
    base_margin: float
    margin: float
    baseline_text: str
    prediction_text: str

    def drawn(self, look: shown.Look) -> str:
        """The text, red and underlined where it raised, green and dashed where it lowered."""
        return svg.highlighted(self, **look.asked())

    def figure(self, look: shown.Look) -> str:
        """The text as text: it can be read, searched and copied."""
        return drawing.markup(self, look.axis)

    def table(self) -> tables.Table:
        """A row per piece."""
        return tables.Table(
            headings=("Piece", "Offset", "SHAP value", "Standard error"),
            rows=[(piece.text, piece.start, piece.contribution, piece.error) for piece in self.pieces],
            caption=f"From {self.baseline_text} for nothing of the text to {self.prediction_text} for all of it.",
        )


def highlighted(explained: Explained) -> Highlighted:
    """The marked text of an explanation of one output."""
    checks.require_rows(explained.explanation, "marked text")
    one = explained.explanation.row(0)
    largest = max(map(abs, one.values), default=0.0) or 1.0
    errors = np.asarray(explained.errors)[0].tolist()
    return Highlighted(
        text=explained.text,
        pieces=tuple(
            Piece(
                start=span.start,
                end=span.end,
                text=explained.text[span.start : span.end],
                contribution=value,
                error=error,
                strength=abs(value) / largest,
            )
            for span, value, error in zip(explained.spans, one.values, errors, strict=True)
        ),
        base_margin=one.base_value,
        margin=one.margin,
        baseline_text=words.amount(one, one.baseline),
        prediction_text=words.amount(one, one.prediction),
    )
