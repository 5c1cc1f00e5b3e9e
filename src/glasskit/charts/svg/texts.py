"""A marked text drawn, and as HTML."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from glasskit.charts import axes
from glasskit.charts.svg import canvas, measure, palette

if TYPE_CHECKING:
    from glasskit.charts.texts import Highlighted, Piece

_SIDE, _TOP, _LINE, _SIZE = 24.0, 86.0, 32.0, 15.0
_MOST_LINES = 400
_FAINT = 0.03
"""Below this share of the strongest contribution a piece tells its value, but has no colour or line."""
N_STRENGTHS = 8
"""Classes `s1` to `s8` of the style sheet say how strongly a piece is marked."""


def highlighted(
    chart: Highlighted,
    *,
    axis: axes.Axis | None = None,
    title: str = "What the words did",
    width: float = 960.0,
) -> str:
    """The marked text as an SVG document; what does not fit on 400 lines is left out, and it says so."""
    axis = axis or axes.Axis()
    body, y = [_header(chart, axis, width)], _TOP
    for lines, (x, text, piece) in _flowed(chart, width):
        if lines >= _MOST_LINES:
            body.append(canvas.small("The text goes on.", _SIDE, y + _LINE, text_anchor="start"))
            y += _LINE
            break
        y = _TOP + lines * _LINE
        body.append(_run(text, x, y, piece))
    return canvas.document(title, _description(chart), "".join(body), width=width, height=y + 40.0)


def markup(chart: Highlighted, axis: axes.Axis) -> str:
    """The marked text as HTML."""
    parts, at = list[str](), 0
    for piece in chart.pieces:
        parts.append(canvas.escape(chart.text[at : piece.start]))
        kind = _series(piece)
        is_seen = kind != "none" and piece.strength >= _FAINT
        classes = f"mark {kind} s{math.ceil(piece.strength * N_STRENGTHS)}" if is_seen else "mark"
        content = canvas.escape(piece.text)
        parts.append(
            f'<span class="{classes}" data-series="{kind}" title="{canvas.escape(_tip(piece))}">{content}</span>'
        )
        at = piece.end
    parts.append(canvas.escape(chart.text[at:]))
    told = f"{chart.prediction_text} predicted, {chart.baseline_text} with nothing of the text"
    keys = "".join(
        f'<span class="key" data-series="{kind}"><span class="mark-sample {kind} s5">{text}</span></span>'
        for kind, text in (("raises", canvas.escape(axis.raises)), ("lowers", canvas.escape(axis.lowers)))
    )
    return (
        f'<p class="legend"><strong>{canvas.escape(told)}</strong>{keys}</p>'
        f'<p class="text" dir="auto">{"".join(parts)}</p>'
    )


def _series(piece: Piece) -> str:
    return "raises" if piece.contribution > 0 else "lowers" if piece.contribution < 0 else "none"


def _tip(piece: Piece) -> str:
    error = f" ± {piece.error:.2g}" if piece.error > 1e-9 else ""
    return f"{measure.fitted(piece.text, 400.0)}\n{axes.signed(piece.contribution, 10)}{error}"


def _description(chart: Highlighted) -> str:
    ranked = sorted(chart.pieces, key=lambda piece: -abs(piece.contribution))[:20]
    strongest = "; ".join(f"{piece.text}: {axes.signed(piece.contribution)}" for piece in ranked)
    return (
        f"{chart.prediction_text} predicted, {chart.baseline_text} with nothing of the text. "
        f"Strongest pieces: {strongest}."
    )


def _header(chart: Highlighted, axis: axes.Axis, width: float) -> str:
    told = f"{chart.prediction_text} predicted, {chart.baseline_text} with nothing of the text"
    second = _SIDE + min(280.0, (width - 2 * _SIDE) / 2)
    return canvas.group(
        canvas.text(measure.fitted(told, width - 2 * _SIDE, weight=600), _SIDE, 24.0, font_weight=600),
        canvas.key(
            "raises",
            _underline(_SIDE, 46.0, 28.0, "raises"),
            canvas.note(axis.raises, _SIDE + 36.0, 46.0, second - _SIDE - 50.0, text_anchor="start"),
        ),
        canvas.key(
            "lowers",
            _underline(second, 46.0, 28.0, "lowers"),
            canvas.note(axis.lowers, second + 36.0, 46.0, width - second - 50.0, text_anchor="start"),
        ),
    )


def _underline(x: float, y: float, width: float, series: str) -> str:
    if series == "raises":
        return canvas.line(x, y + 5.0, x + width, y + 5.0, stroke=canvas.RAISES, stroke_width=2.5)
    return canvas.line(
        x, y + 5.0, x + width, y + 5.0, stroke=canvas.LOWERS, stroke_width=2.5, stroke_dasharray="4 3"
    )


def _run(text: str, x: float, y: float, piece: Piece | None) -> str:
    word = canvas.text(text, x, y, font_size=_SIZE, xml_space="preserve")
    if piece is None or not piece.contribution:
        return word
    width, series = measure.text_width(text, _SIZE), _series(piece)
    if piece.strength < _FAINT:
        return canvas.mark(_tip(piece), word, series=series)
    ramp = palette.STRENGTHS_RAISING if series == "raises" else palette.STRENGTHS_LOWERING
    ground = ramp[round(piece.strength * 0.6 * (palette.N_STRENGTHS - 1))]
    back = canvas.box(x - 1.0, y - 16.0, width + 2.0, 21.0, fill=ground)
    return canvas.mark(_tip(piece), back, _underline(x - 1.0, y, width + 2.0, series), word, series=series)


def _flowed(chart: Highlighted, width: float) -> Iterator[tuple[int, tuple[float, str, Piece | None]]]:
    """(line, (x, text, piece)) of every run of text, wrapped at white space."""
    line, x = 0, _SIDE
    for text, piece in _runs(chart):
        for word in re.findall(r"\n|[^\S\n]+|\S+", text):
            wide = measure.text_width(word, _SIZE)
            if word == "\n" or (x + wide > width - _SIDE and x > _SIDE and not word.isspace()):
                line, x = line + 1, _SIDE
            if word.isspace():
                x += wide if word != "\n" and x > _SIDE else 0.0
                continue
            for part in _parts(word, width - 2 * _SIDE):
                if x + measure.text_width(part, _SIZE) > width - _SIDE and x > _SIDE:
                    line, x = line + 1, _SIDE
                yield line, (x, part, piece)
                x += measure.text_width(part, _SIZE) + (0.6 if piece else 0.0)


def _runs(chart: Highlighted) -> Iterator[tuple[str, Piece | None]]:
    at = 0
    for piece in chart.pieces:
        yield chart.text[at : piece.start], None
        yield piece.text, piece
        at = piece.end
    yield chart.text[at:], None


def _parts(word: str, room: float) -> Iterator[str]:
    """A word cut where it is wider than a line."""
    start, wide = 0, 0.0
    for at, char in enumerate(word):
        wide += measure.text_width(char, _SIZE)
        if wide > room and at > start:
            yield word[start:at]
            start, wide = at, measure.text_width(char, _SIZE)
    yield word[start:]
