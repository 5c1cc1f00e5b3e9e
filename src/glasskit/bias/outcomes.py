"""Which rows have the favourable label or prediction, and which belong to each facet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glasskit.bias import columns, faults, questions
from glasskit.bias.counts import Codes, Flags

if TYPE_CHECKING:
    import pandas as pd

    Series = pd.Series[Any]

_MOST_VALUES = 1000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """The label as codes (n,), which codes are favourable, and the value or threshold in words."""

    codes: Codes
    positive: Flags
    predicted: Flags | None
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One disfavoured facet: the codes of its rows. `relation` joins the facet's name and the words; `hint` says what the
    column holds when none of its rows is in this facet."""

    codes: tuple[int, ...]
    words: str
    relation: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """A facet's column as codes (n,) below n_codes, and the parts that are asked about."""

    name: str
    kind: questions.Kind
    codes: Codes
    n_codes: int
    parts: tuple[Part, ...]


def read(
    label: Series,
    predicted: Series | None,
    question: questions.Label,
    *,
    probability_threshold: float | None,
    compat: bool,
) -> Outcome:
    """The outcome of every row. Raises Unusable."""
    kind = columns.kind_of(label, question.positive, question.kind, compat=compat)
    scored = predicted is not None and probability_threshold is not None
    as_label = None if scored else predicted
    said: Flags | None
    if kind == "continuous":
        codes, positive, said, words = _above(label, as_label, question)
    else:
        codes, positive, said, words = _among(label, as_label, question)
    if predicted is not None and probability_threshold is not None:
        said = columns.above(columns.numbers(predicted), probability_threshold)
    if not question.every_value or kind == "continuous":
        codes, positive = positive[codes].astype(np.intp), np.array([False, True])
    return Outcome(codes=codes, positive=positive, predicted=said, words=words)


def _above(
    label: Series, predicted: Series | None, question: questions.Label
) -> tuple[Codes, Flags, Flags | None, str]:
    limit = columns.threshold(question.name, question.positive[0])
    values = columns.numbers(label)
    greatest, said = float(values.max()), None
    if predicted is not None:
        forecast = columns.numbers(predicted)
        greatest, said = max(greatest, float(forecast.max())), columns.above(forecast, limit)
    codes = columns.above(values, limit).astype(np.intp)
    return codes, np.array([False, True]), said, columns.interval_text([limit], greatest)


def _among(
    label: Series, predicted: Series | None, question: questions.Label
) -> tuple[Codes, Flags, Flags | None, str]:
    observed = columns.coded(label)
    forecast = None if predicted is None else _forecast(predicted, label, observed, question)
    for value in question.positive:
        places = [part.values for part in (observed, forecast) if part is not None]
        if all(columns.matching(value, values) is None for values in places):
            raise faults.Unusable(_never(question.name, value, observed.values))
    said = None if forecast is None else _favourable(forecast, question.positive)[forecast.codes]
    words = ",".join(str(value) for value in question.positive)
    return observed.codes, _favourable(observed, question.positive), said, words


def _forecast(
    predicted: Series, label: Series, observed: columns.Coded, question: questions.Label
) -> columns.Coded:
    """Predicted labels. Raises Unusable for what are scores, or values of another kind than the label's."""
    if columns.is_fractional(predicted) and not columns.is_fractional(label):
        raise faults.Unusable(
            f"column {predicted.name!r} holds numbers between the values of {question.name!r}; if they are scores, "
            "a probability threshold is needed"
        )
    forecast = columns.coded(predicted)
    known = (*observed.values, *question.positive)
    foreign = all(columns.matching(value, known) is None for value in forecast.values)
    if foreign and (len(observed.values) > 1 or not columns.are_alike(forecast.values, known)):
        raise faults.Unusable(
            f"column {predicted.name!r} holds {columns.shown(forecast.values)}, and column {question.name!r} "
            f"{columns.shown(observed.values)}: no value is the same"
        )
    return forecast


def _favourable(column: columns.Coded, positive: Sequence[object]) -> Flags:
    flags = np.zeros(len(column.values), np.bool_)
    for value in positive:
        at = columns.matching(value, column.values)
        if at is not None:
            flags[at] = True
    return flags


def _never(name: str, value: object, known: Sequence[object]) -> str:
    return f"column {name!r} never holds {value!r}; its values are {columns.shown(known)}"


def facet_rows(series: Series, facet: questions.Facet, *, compat: bool) -> Rows:
    """The rows of each disfavoured facet. A value that never occurs has no rows. Raises Unusable."""
    kind = columns.kind_of(series, facet.values, facet.kind, compat=compat)
    return _thresholds(series, facet) if kind == "continuous" else _categories(series, facet)


def _thresholds(series: Series, facet: questions.Facet) -> Rows:
    limits = [columns.threshold(facet.name, value) for value in facet.values]
    values, ends = columns.numbers(series), sorted(set(limits))
    greatest = float(values.max())
    codes = np.searchsorted(np.asarray(ends), values, side="left")
    asked = [[min(limits)]] if facet.together else [[limit] for limit in limits]
    parts = tuple(
        Part(
            codes=tuple(range(ends.index(least) + 1, len(ends) + 1)),
            words=columns.interval_text(ends if facet.together else [least], greatest),
            relation="in",
        )
        for (least,) in asked
    )
    return Rows(name=facet.name, kind="continuous", codes=codes, n_codes=len(ends) + 1, parts=parts)


def _categories(series: Series, facet: questions.Facet) -> Rows:
    column = columns.coded(series)
    if not facet.values and len(column.values) > _MOST_VALUES:
        raise faults.Unusable(
            f"column {facet.name!r} has {len(column.values):,} different values; name those that are asked about"
        )
    wanted = facet.values or column.values
    found = [columns.matching(value, column.values) for value in wanted]
    every = tuple(at for at in found if at is not None)
    place = np.full(len(column.values), len(every), np.intp)
    place[list(every)] = np.arange(len(every))
    if facet.together:
        parts = [Part(codes=tuple(range(len(every))), words=",".join(map(str, wanted)), relation="=")]
    else:
        parts = [
            Part(
                codes=() if at is None else (int(place[at]),),
                words=str(value),
                relation="=",
                hint=f"; its values are {columns.shown(column.values)}" if at is None else "",
            )
            for value, at in zip(wanted, found, strict=True)
        ]
    return Rows(
        name=facet.name,
        kind="categorical",
        codes=place[column.codes],
        n_codes=len(every) + 1,
        parts=tuple(parts),
    )
