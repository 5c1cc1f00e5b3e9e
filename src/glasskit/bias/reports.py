"""A report on bias: as data, as Clarify's analysis.json, as a table and in plain words."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from glasskit.bias import definitions, estimates, statistics

_FEW_ROWS = 30
_FOUR_FIFTHS = 0.8
_COLUMNS = ("facet", "metric", "value", "low", "high", "remark")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One metric of one facet: a value, or an error that says why there is none. compat: the value is smclarify's."""

    metric: definitions.Metric
    value: float | None
    interval: estimates.Interval | None = None
    error: str = ""
    remark: str = ""
    compat: bool = False

    @property
    def differs(self) -> bool:
        """Whether the facets differ by more than chance explains: the interval leaves out the neutral value.

        Distances, which are never negative, always differ by chance; they are never counted here.
        """
        metric = self.metric
        if self.value is None or self.interval is None or metric.range[0] == metric.neutral:
            return False
        return not self.interval.holds(metric.neutral)

    @property
    def words(self) -> str:
        """What the value says of the facet."""
        if self.value is None or self.value == self.metric.neutral:
            return ""
        is_above = self.value > self.metric.neutral
        if self.compat and self.metric.turned:
            is_above = not is_above
        return self.metric.above if is_above else self.metric.below

    def to_json(self) -> dict[str, Any]:
        """As in analysis.json; an infinite value is the text Infinity or -Infinity, which JSON has no number for."""
        answer: dict[str, Any] = {
            "name": self.metric.name,
            "description": self.metric.description,
            "value": self.value,
        }
        if self.value is not None and math.isinf(self.value):
            answer["value"] = "Infinity" if self.value > 0 else "-Infinity"
        if self.error:
            answer["error"] = self.error
        return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class FacetResult:
    """One disfavoured facet against all other rows. words: its value, or the interval above its threshold."""

    name: str
    words: str
    relation: str
    kind: str
    favoured: statistics.Statistics
    disfavoured: statistics.Statistics
    results: tuple[Result, ...]

    @property
    def title(self) -> str:
        """`gender = female`, `age in (25, 75]`."""
        return f"{self.name} {self.relation} {self.words}"

    def result(self, metric: str) -> Result:
        """The result of that metric. Raises KeyError."""
        for result in self.results:
            if result.metric.name == metric:
                return result
        raise KeyError(metric)

    def sentences(self) -> Iterator[str]:
        """What the numbers say, in plain words."""
        d, a = self.disfavoured, self.favoured
        total = d.n_rows + a.n_rows
        opening = f"{self.title}: {d.n_rows:,} of {total:,} rows ({d.proportion:.0%})."
        if d.n_rows and a.n_rows:
            opening += _compared(
                "have the favourable label", d.label_distribution[0], a.label_distribution[0]
            )
            if d.performance:
                opening += _compared("are predicted it", d.performance["ppl"], a.performance["ppl"])
        yield opening
        if not d.n_rows or not a.n_rows:
            yield f"  No metric has a value: {self.results[0].error}."
            return
        if min(d.n_rows, a.n_rows) < _FEW_ROWS:
            yield f"  Fewer than {_FEW_ROWS} rows on one side: every number here is uncertain."
        for result in self.results:
            if result.differs:
                yield f"  {_figure(result)}: it {result.words}."
        yield from self._four_fifths()
        alike = [r.metric.name for r in self.results if r.interval and not r.differs and _signed(r)]
        if alike:
            yield f"  No difference beyond chance: {', '.join(alike)}."
        for result in self.results:
            if result.error:
                yield f"  {result.metric.name} has no value: {result.error}."

    def _four_fifths(self) -> Iterator[str]:
        for result in self.results:
            if result.metric.name == "DI" and result.value is not None and result.value < _FOUR_FIFTHS:
                yield (
                    f"  Its rate of favourable predictions is {result.value:.0%} of the others', under the "
                    "four fifths that US guidelines take for evidence of adverse impact."
                )

    def to_json(self, stage: definitions.Stage) -> dict[str, Any]:
        """As in analysis.json."""
        ordered = sorted(self.results, key=lambda result: result.metric.name)
        return {
            "value_or_threshold": self.words,
            "metrics": [result.to_json() for result in ordered if result.metric.stage == stage],
        }


def rows_in_words(n: int) -> str:
    """`1 row`, `1,000 rows`."""
    return f"{n:,} row" if n == 1 else f"{n:,} rows"


def _signed(result: Result) -> bool:
    return result.metric.range[0] != result.metric.neutral


def _compared(what: str, share: float, other: float) -> str:
    return f" {share:.1%} {what}, against {other:.1%} of the others."


def _figure(result: Result) -> str:
    shown = f"{result.metric.name} {_number(result.value)}"
    sure = result.interval
    if sure is None:
        return shown
    return f"{shown} ({sure.confidence:.0%} interval {_number(sure.low)} to {_number(sure.high)})"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The bias of one table. whole: the numbers of all rows together. n_dropped: rows left out for a missing value."""

    label: str
    label_words: str
    n_rows: int
    n_dropped: int
    facets: tuple[FacetResult, ...]
    whole: statistics.Statistics

    def __iter__(self) -> Iterator[FacetResult]:
        return iter(self.facets)

    def facet(self, name: str, words: object = None) -> FacetResult:
        """The result of that facet, and value if there are several. Raises KeyError."""
        for facet in self.facets:
            if facet.name == name and (words is None or str(words) == facet.words):
                return facet
        raise KeyError((name, words))

    def rows(self) -> list[dict[str, Any]]:
        """One mapping for each facet and metric, ready for a data frame."""
        return [
            {
                "facet": facet.name,
                "value_or_threshold": facet.words,
                "stage": result.metric.stage,
                "metric": result.metric.name,
                "value": result.value,
                "low": result.interval.low if result.interval else None,
                "high": result.interval.high if result.interval else None,
                "method": result.interval.method if result.interval else None,
                "error": result.error or None,
            }
            for facet in self.facets
            for result in facet.results
        ]

    def to_json(self) -> dict[str, Any]:
        """The bias part of Clarify's analysis.json; JSON-ready."""
        answer: dict[str, Any] = {"version": "1.0"}
        stages: tuple[definitions.Stage, ...] = ("pre_training", "post_training")
        for stage in stages:
            if any(r.metric.stage == stage for facet in self.facets for r in facet.results):
                answer[f"{stage}_bias_metrics"] = {
                    "label": self.label,
                    "facets": self._by_name(stage),
                    "label_value_or_threshold": self.label_words,
                }
        return answer

    def _by_name(self, stage: definitions.Stage) -> Mapping[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        for facet in self.facets:
            found.setdefault(facet.name, []).append(facet.to_json(stage))
        return found

    def performance(self) -> list[dict[str, Any]]:
        """The model's quality over all rows, as Clarify's model performance report lists it."""
        known = self.whole.performance
        return [
            {"name": one.title, "description": one.description, "value": known[one.name]}
            for one in statistics.PERFORMANCE
            if one.name in known
        ]

    def summary(self) -> str:
        """The report in plain words."""
        opening = [
            f"Favourable: {self.label} {self._relation()} {self.label_words}. {rows_in_words(self.n_rows).capitalize()}."
        ]
        if self.n_dropped:
            opening.append(f"Left out for a missing value: {rows_in_words(self.n_dropped)}.")
        return "\n".join(opening + [line for facet in self.facets for line in facet.sentences()])

    def _relation(self) -> str:
        return "in" if self.label_words.startswith("(") else "="

    def _lines(self) -> Iterator[tuple[str, ...]]:
        for facet in self.facets:
            for result in facet.results:
                sure = result.interval
                yield (
                    facet.title,
                    result.metric.name,
                    _number(result.value),
                    _number(sure.low if sure else None),
                    _number(sure.high if sure else None),
                    result.error or result.remark,
                )

    def table(self) -> str:
        """The report as a table of text."""
        lines = [_COLUMNS, *self._lines()]
        widths = [max(len(line[at]) for line in lines) for at in range(len(_COLUMNS))]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if 2 <= at <= 4 else cell.ljust(width)
                for at, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        )

    def __str__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        head = "".join(f"<th scope='col'>{name}</th>" for name in _COLUMNS)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in line) + "</tr>"
            for line in self._lines()
        )
        words = html.escape(self.summary())
        return f"<pre>{words}</pre><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
