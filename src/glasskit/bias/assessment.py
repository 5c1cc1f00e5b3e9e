"""Assesses a table for bias: the questions' columns in, a report out."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glasskit.bias import (
    catalogue,
    columns,
    counts,
    definitions,
    estimates,
    faults,
    neighbours,
    outcomes,
    questions,
    reports,
    resampling,
    statistics,
)

if TYPE_CHECKING:
    import pandas as pd


def assess(
    table: Any,
    *,
    label: questions.Label,
    facets: questions.Facet | Sequence[questions.Facet],
    predicted: str | None = None,
    probability_threshold: float | None = None,
    group: str | None = None,
    features: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    options: questions.Options | None = None,
) -> reports.Report:
    """Measures bias in a table (a mapping of columns, a data frame, a PyArrow table).

    predicted: the column of predicted labels, or of scores if probability_threshold (exclusive) is given; without it
    only the metrics of the data are computed. group: the column within whose values CDDL and CDDPL compare. features:
    the numeric columns in which the flip test looks for neighbours; all other numeric ones by default. metrics: short
    names; all by default. Raises Unusable naming the column and row that cannot be used.
    """
    asked = options or questions.Options()
    wanted = [facets] if isinstance(facets, questions.Facet) else list(facets)
    stages: tuple[definitions.Stage, ...] = (
        ("pre_training", "post_training") if predicted else ("pre_training",)
    )
    table_of = catalogue.chosen(metrics, stages)
    _check(wanted, table_of, predicted, probability_threshold)
    names = [label.name, *(facet.name for facet in wanted), *filter(None, (predicted, group))]
    frame = columns.read(table, names)
    kept = columns.complete(frame, asked.missing)
    subject = _Subject(
        outcome=outcomes.read(
            kept[label.name],
            kept[predicted] if predicted else None,
            label,
            probability_threshold=probability_threshold,
            compat=asked.compat,
        ),
        group=columns.coded(kept[group]) if group else None,
        features=_Features(table, features, [label.name, *filter(None, [predicted])], kept.index.to_numpy()),
        metrics=table_of,
        options=asked,
    )
    return reports.Report(
        label=label.name,
        label_words=subject.outcome.words,
        n_rows=len(kept),
        n_dropped=len(frame) - len(kept),
        facets=tuple(part for facet in wanted for part in subject.parts(kept[facet.name], facet)),
        whole=statistics.describe(subject.whole(), len(kept)),
    )


def _check(
    facets: Sequence[questions.Facet],
    metrics: Sequence[definitions.Metric],
    predicted: str | None,
    probability_threshold: float | None,
) -> None:
    if not facets:
        raise faults.Unusable("no facet is named")
    if probability_threshold is not None and not predicted:
        raise faults.Unusable("a probability threshold needs a column of predictions")
    needing = [metric.name for metric in metrics if metric.stage == "post_training"]
    if needing and not predicted:
        raise faults.Unusable(f"{needing[0]} needs a column of predictions")


@dataclass(frozen=True, slots=True, eq=False)
class _Features:
    """The numeric columns of the kept rows, read only when the flip test asks."""

    table: Any
    named: Sequence[str] | None
    excluded: Sequence[str]
    rows: np.ndarray

    def matrix(self, facet: str) -> tuple[np.ndarray, str]:
        """(n, n_features) and what a reader should know. Raises Undefined."""
        import pandas as pd

        left_out = {*self.excluded, facet}
        names = [name for name in self.named or columns.names_of(self.table) if name not in left_out]
        frame = columns.read(self.table, names) if names else pd.DataFrame()
        numeric = [name for name in names if pd.api.types.is_numeric_dtype(frame[name].dtype)]
        others = [name for name in names if name not in numeric]
        if self.named is not None and others:
            raise faults.Undefined(f"feature {others[0]!r} is not numeric")
        if not numeric:
            raise faults.Undefined("numeric features are needed to find neighbours")
        values = frame[numeric].to_numpy(dtype=np.float64)[self.rows]
        gaps = np.argwhere(~np.isfinite(values))
        if len(gaps):
            row, column = gaps[0]
            raise faults.Undefined(f"feature {numeric[column]!r} has no value in row {self.rows[row] + 1}")
        return values, f"without {', '.join(others)}, which are not numeric" if others else ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Subject:
    """One table under assessment."""

    outcome: outcomes.Outcome
    group: columns.Coded | None
    features: _Features
    metrics: Sequence[definitions.Metric]
    options: questions.Options

    def parts(self, column: pd.Series[Any], facet: questions.Facet) -> list[reports.FacetResult]:
        """A result for each disfavoured facet of the column."""
        rows = outcomes.facet_rows(column, facet, compat=self.options.compat)
        table = self._tabulate(rows.codes, rows.n_codes)
        return [self._part(rows, part, table) for part in rows.parts]

    def whole(self) -> counts.Side:
        """All rows."""
        table = self._tabulate(np.zeros(len(self.outcome.codes), np.intp), 1)
        return counts.Side(cells=table[0], positive=self.outcome.positive)

    def _tabulate(self, codes: counts.Codes, n_codes: int) -> np.ndarray:
        n_groups = len(self.group.values) if self.group else 1
        return counts.tabulate(
            codes,
            self.outcome.codes,
            sizes=(n_codes, n_groups, len(self.outcome.positive)),
            predicted=self.outcome.predicted,
            group=self.group.codes if self.group else None,
        )

    def _part(self, rows: outcomes.Rows, part: outcomes.Part, table: np.ndarray) -> reports.FacetResult:
        of_d = table[list(part.codes)].sum(axis=0)
        positive = self.outcome.positive
        split = counts.Split(
            a=counts.Side(cells=table.sum(axis=0) - of_d, positive=positive),
            d=counts.Side(cells=of_d, positive=positive),
            grouped=self.group is not None,
            compat=self.options.compat,
        )
        split, remarks = self._with_flips(split, rows, part)
        n_rows = len(rows.codes)
        return reports.FacetResult(
            name=rows.name,
            words=part.words,
            relation=part.relation,
            kind=rows.kind,
            favoured=statistics.describe(split.a, n_rows),
            disfavoured=statistics.describe(split.d, n_rows),
            results=tuple(self._results(split, rows, part, remarks)),
        )

    def _with_flips(
        self, split: counts.Split, rows: outcomes.Rows, part: outcomes.Part
    ) -> tuple[counts.Split, dict[str, str]]:
        """The split with the flip test's neighbours; else why there are none."""
        predicted = self.outcome.predicted
        if predicted is None or all(metric.name != "FT" for metric in self.metrics):
            return split, {}
        try:
            matrix, remark = self.features.matrix(rows.name)
            member = np.isin(rows.codes, part.codes)
            most = self.options.flip_rows
            flips = neighbours.flips(matrix, member, predicted, rows=most, seed=self.options.seed)
        except faults.Undefined as exc:
            return split, {"FT": str(exc)}
        if most is not None and max(split.a.n, split.d.n) > most:
            remark = "; ".join(
                filter(None, [remark, f"at most {most:,} rows of each facet, drawn at random"])
            )
        return dataclasses.replace(split, flips=flips), {"FT": remark}

    def _results(
        self, split: counts.Split, rows: outcomes.Rows, part: outcomes.Part, remarks: dict[str, str]
    ) -> list[reports.Result]:
        refusal = self._refusal(split, f"{rows.name} {part.relation} {part.words}", part.hint)
        found: dict[str, estimates.Estimate] = {}
        errors: dict[str, str] = {}
        for metric in self.metrics:
            try:
                if refusal:
                    raise faults.Undefined(refusal)
                found[metric.name] = self._checked(metric, split)
            except faults.Undefined as exc:
                reason = remarks.get(metric.name) if metric.name == "FT" and split.flips is None else ""
                errors[metric.name] = refusal or reason or str(exc)
        sure = self._intervals(split, found)
        return [
            reports.Result(
                metric=metric,
                value=float(found[metric.name].value) if metric.name in found else None,
                interval=sure.get(metric.name),
                error=errors.get(metric.name, ""),
                remark=remarks.get(metric.name, "") if metric.name in found else "",
                compat=split.compat,
            )
            for metric in self.metrics
        ]

    def _refusal(self, split: counts.Split, facet: str, hint: str) -> str:
        """Why no metric is computed at all, if so."""
        least = self.options.minimum_rows
        for n, others in ((int(split.d.n), False), (int(split.a.n), True)):
            whose = f"other than {facet}" if others else f"with {facet}"
            if not n:
                return f"there is no row {whose}{hint}"
            if n < least:
                return f"only {reports.rows_in_words(n)} {whose}; at least {least:,} are needed"
        return ""

    def _checked(self, metric: definitions.Metric, split: counts.Split) -> estimates.Estimate:
        """The estimate. Raises Undefined, also where too few rows stand below a line."""
        estimate, least = metric(split), self.options.minimum_rows
        fewest = min((int(count) for count in estimate.denominators), default=least)
        if least > 1 and fewest < least:
            raise faults.Undefined(
                f"a ratio of only {reports.rows_in_words(fewest)}; at least {least:,} are needed"
            )
        return estimate

    def _intervals(
        self, split: counts.Split, found: dict[str, estimates.Estimate]
    ) -> dict[str, estimates.Interval]:
        ways, confidence = self.options.interval, self.options.confidence
        if ways == "none":
            return {}
        by_formula = {
            name: estimate.interval(confidence)
            for name, estimate in found.items()
            if ways != "bootstrap" or isinstance(estimate, estimates.Contrast)
        }
        sure = {name: interval for name, interval in by_formula.items() if interval is not None}
        rest = [metric for metric in self.metrics if metric.name in found and metric.name not in sure]
        if ways == "formula" or not rest:
            return sure
        return sure | resampling.intervals(
            rest,
            split,
            replicates=self.options.replicates,
            seed=self.options.seed,
            confidence=confidence,
        )
