"""SHAP values of rows that hold free text: the pieces of a text and the other features share the score.

Every piece of every free text is a player, and so is every other column. A missing piece is removed, or replaced by the
text of the baseline; a missing column takes the value of the baseline.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from glasskit.clarify import coding, config, faults
from glasskit.explain import games, pieces, sampling, texts, texts_segments

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Row = tuple[Any, ...]
Ask = Callable[[Sequence[Row]], Floats]
"""From rows of values to the model's scores, (n, K)."""

_WORDS = 2.0
"""A column whose texts have so many words on average is free text; one of fewer is a category."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """The share of one column, or of one piece of a text at `start`. values: (K,)"""

    text: str
    start: int
    values: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explained:
    """One row: for each column its parts, one for a column that is no free text. base: (K,)"""

    row: Row
    parts: tuple[tuple[Part, ...], ...]
    base: Floats
    method: sampling.Method
    largest_error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of every row. free: which columns are free text; baseline: what stands in for each column."""

    columns: coding.Coding
    free: tuple[bool, ...]
    baseline: Row
    text: config.Text
    shap: config.Shap


def is_free(values: pd.Series[Any]) -> bool:
    """Whether a column is free text."""
    known = [value for value in values.tolist() if isinstance(value, str)]
    return bool(known) and sum(len(value.split()) for value in known) / len(known) >= _WORDS


def explained(question: Question, row: Row, ask: Ask) -> Explained:
    """The shares of one row. Raises ModelFault, BadDataset."""
    spans = [_spans(question, value, free) for value, free in zip(row, question.free, strict=True)]
    names = [f"{column}:{at}" for column, found in enumerate(spans) for at in range(len(found))]
    if not names:
        return Explained(
            row=row, parts=tuple(() for _ in row), base=ask([row])[0], method="exact", largest_error=0.0
        )
    n_samples = question.shap.n_samples
    try:
        solved = pieces.solved(
            lambda kept: _worth(question, row, spans, kept, ask),
            names,
            method="kernel",
            n_samples=None if n_samples is None else max(n_samples, 2 * len(names)),
            seed=question.shap.seed,
            space="log-odds" if question.shap.use_logit else "prediction",
        )
    except games.BadPredictions as exc:
        raise faults.ModelFault(str(exc)) from exc
    values = solved.explanation.values.reshape(len(names), -1)
    return Explained(
        row=row,
        parts=tuple(_parts(row, spans, values)),
        base=np.atleast_1d(solved.explanation.base_values[0]),
        method=solved.method,
        largest_error=float(solved.errors.max(initial=0.0)),
    )


def _spans(question: Question, value: Any, free: bool) -> Sequence[texts_segments.Span]:
    """The pieces of a text; a column that is no free text is one piece."""
    if not free:
        return (texts_segments.Span(start=0, end=0),)
    if not isinstance(value, str):
        return ()
    found = texts_segments.segments(value, question.text.granularity, language=question.text.language)
    if len(found) > config.MOST_PIECES:
        raise faults.BadDataset(
            f"A text has {len(found):,} pieces, and at most {config.MOST_PIECES:,} can be explained; choose a coarser "
            "methods.shap.text_config.granularity."
        )
    return found


def _worth(
    question: Question,
    row: Row,
    spans: Sequence[Sequence[texts_segments.Span]],
    kept: games.Bools,
    ask: Ask,
) -> Floats:
    """The scores of the rows that coalitions stand for; equal rows are asked about once."""
    ends = np.cumsum([len(found) for found in spans])[:-1]
    rows = [
        tuple(
            _cell(question, at, value, found, part.tolist())
            for at, (value, found, part) in enumerate(zip(row, spans, np.split(one, ends), strict=True))
        )
        for one in kept
    ]
    different = list(dict.fromkeys(rows))
    scores = ask(different)
    place = {one: at for at, one in enumerate(different)}
    return scores[[place[one] for one in rows]]


def _cell(
    question: Question, at: int, value: Any, spans: Sequence[texts_segments.Span], kept: list[bool]
) -> Any:
    if question.free[at]:
        return texts.masked(value, spans, kept, str(question.baseline[at] or "")) if spans else value
    return value if kept[0] else question.baseline[at]


def _parts(
    row: Row, spans: Sequence[Sequence[texts_segments.Span]], values: Floats
) -> Iterator[tuple[Part, ...]]:
    start = 0
    for value, found in zip(row, spans, strict=True):
        shares = values[start : start + len(found)]
        start += len(found)
        yield tuple(
            Part(text=str(value)[span.start : span.end], start=span.start, values=share)
            for span, share in zip(found, shares, strict=True)
        )


def top(rows: Sequence[Explained], column: int, output: int, most: int) -> dict[str, float]:
    """The tokens of a column that matter most, by mean |share| each time they occur."""
    found: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        for part in row.parts[column]:
            found[part.text.casefold()].append(abs(float(part.values[output])))
    means = {token: float(np.mean(shares)) for token, shares in found.items()}
    ranked = sorted(means, key=lambda token: (-means[token], token))
    return {token: means[token] for token in ranked[:most]}
