"""The report as headings, sentences, tables and charts, whatever it is written in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from glasskit import bias, charts
from glasskit.charts import summary
from glasskit.clarify import drawings, results
from glasskit.explain import explanations

_SWARM_ROWS = 500
_BARS = 20
_TEXTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """numeric: the columns of numbers, which stand to the right."""

    caption: str
    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A drawing, and what it shows in words."""

    svg: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    title: str
    sentences: tuple[str, ...] = ()
    parts: tuple[Table | Chart, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    title: str
    subtitle: str
    sections: tuple[Section, ...] = field(default=())


def paper(found: results.Results) -> Paper:
    """The report of an analysis."""
    n_rows, n_features = len(found.dataset.frame), len(found.dataset.features)
    return Paper(
        title=found.title,
        subtitle=f"{n_rows:,} rows, {n_features:,} features",
        sections=tuple(_sections(found)),
    )


def _sections(found: results.Results) -> Iterator[Section]:
    yield _summary(found)
    if found.bias is not None:
        yield from _bias(found.bias)
    if found.shap is not None:
        yield from _shap(found.shap, found)
    if found.texts is not None:
        yield from _texts(found.texts)
    if found.curves:
        explained = found.shap or found.texts
        labels = explained.labels if explained else ()
        yield Section(
            title="Partial dependence",
            sentences=(
                "The mean prediction over all rows when one feature is set to each of these values and the others stay "
                "as they are. The bars below show how many rows lie near each value. Where features depend on each "
                "other, some of these rows could not occur.",
            ),
            parts=tuple(
                Chart(svg=drawings.curve(curve, labels), text=drawings.curve_in_words(curve))
                for curve in found.curves
            ),
        )


def _summary(found: results.Results) -> Section:
    rows = [
        ("Rows", f"{len(found.dataset.frame):,}"),
        ("Features", ", ".join(found.dataset.features)),
        ("Label", found.dataset.label or "none"),
        ("Records the model was asked about", f"{found.n_records:,} in {found.n_requests:,} requests"),
    ]
    if found.shap is not None:
        rows += [
            ("How SHAP values were found", found.shap.found.account),
            ("Records sent to the model for SHAP values", f"{found.n_shap_records:,}"),
            ("The model's trees", found.trees),
            ("Baseline", found.shap.baseline_account),
        ]
    if found.texts is not None:
        rows.append(("How SHAP values were found", found.texts.account))
    table = Table(caption="What was analysed", names=("", ""), rows=tuple(rows))
    return Section(title="Summary", parts=(table,))


# --- bias


def _bias(report: bias.Report) -> Iterator[Section]:
    stages = (
        ("pre_training", "Bias of the dataset", "Measured on the observed labels, before any model."),
        ("post_training", "Bias of the predictions", "Measured on the labels that the model predicts."),
    )
    dropped = (_dropped(report.n_dropped),) if report.n_dropped else ()
    for stage, title, about in stages:
        parts = [part for facet in report.facets for part in _facet(facet, stage)]
        if parts:
            favourable = f"Favourable: {report.label} {_relation(report.label_words)} {report.label_words}."
            yield Section(title=title, sentences=(about, favourable, *dropped), parts=tuple(parts))
    performance = report.performance()
    if performance:
        rows = tuple((one["name"], f"{one['value']:.4f}", one["description"]) for one in performance)
        table = Table(caption="All rows", names=("Measure", "Value", "Meaning"), rows=rows, numeric=(1,))
        yield Section(title="Quality of the predictions", parts=(table,))


def _dropped(n: int) -> str:
    return f"{n:,} rows without a value were left out." if n > 1 else "1 row without a value was left out."


def _relation(words: str) -> str:
    return "in" if words.startswith("(") else "="


def _facet(facet: bias.FacetResult, stage: str) -> Iterator[Table | Chart]:
    shown = [result for result in facet.results if result.metric.stage == stage]
    if not shown:
        return
    yield Table(
        caption=f"{facet.title}: {facet.disfavoured.n_rows:,} rows, against {facet.favoured.n_rows:,} others",
        names=("Metric", "Meaning", "Value", "Neutral", "What it says"),
        rows=tuple(
            (
                result.metric.name,
                result.metric.title,
                "" if result.value is None else f"{result.value:.4f}".replace("inf", "∞"),
                f"{result.metric.neutral:g}",
                _says(result),
            )
            for result in shown
        ),
        numeric=(2, 3),
    )
    drawn = [result for result in shown if result.value is not None and np.isfinite(result.value)]
    if drawn:
        words = "; ".join(f"{result.metric.name} {result.value:.3f}" for result in drawn)
        yield Chart(svg=drawings.metrics(drawn, facet.title), text=f"Bias metrics of {facet.title}: {words}.")


def _says(result: bias.Result) -> str:
    """What the value says of the group, or why there is none."""
    return f"This group {result.words}." if result.words else result.error


# --- SHAP


def _shap(shap: results.Shap, found: results.Results) -> Iterator[Section]:
    overall = shap.found.overall(shap.aggregation)
    for k, label in enumerate(shap.labels):
        ranked = sorted(shap.kept, key=lambda at: -abs(overall[at, k]))
        rows = tuple((shap.features[at], f"{overall[at, k]:.6g}") for at in ranked)
        name = {"mean_abs": "Mean |SHAP value|", "median": "Median SHAP value", "mean_sq": "Mean SHAP value²"}
        table = Table(
            caption="Global SHAP values", names=("Feature", name[shap.aggregation]), rows=rows, numeric=(1,)
        )
        yield Section(
            title=f"Feature importance: {label}" if len(shap.labels) > 1 else "Feature importance",
            sentences=(
                f"Each row's SHAP values and the expected value {shap.found.expected[k]:.6g} add up to the model's score.",
                shap.found.account,
            ),
            parts=(*_charts(shap, k, found), table),
        )


def _charts(shap: results.Shap, k: int, found: results.Results) -> Iterator[Chart]:
    kept = list(shap.kept)
    frame = found.dataset.inputs.iloc[:, kept]
    explanation = explanations.Explanation(
        values=np.ascontiguousarray(shap.found.values[:, kept, k]),
        base_values=np.full(len(frame), shap.found.expected[k]),
        data=frame.to_numpy(dtype=object),
        feature_names=tuple(shap.features[at] for at in kept),
        link="identity",
    )
    axis = charts.Axis(lowers="lowers the score", raises="raises the score")
    bars = summary.bar(explanation, max_features=_BARS)
    strongest = ", ".join(f"{bar.label} {bar.mean_absolute:.4g}" for bar in bars.bars[:5])
    yield Chart(
        svg=charts.svg.bar(bars, axis=axis), text=f"Mean absolute SHAP values, strongest first: {strongest}."
    )
    some = _rows(explanation, _SWARM_ROWS)
    swarm = summary.beeswarm(some, max_features=_BARS)
    yield Chart(
        svg=charts.svg.beeswarm(swarm, axis=axis),
        text=f"SHAP values of {len(some):,} rows, a dot for each row and feature.",
    )


def _texts(found: results.Texts) -> Iterator[Section]:
    for k, label in enumerate(found.labels):
        tokens = tuple((token, f"{value:.6g}") for token, value in found.top(k).items())
        others = tuple(
            (name, f"{value:.6g}") for name, value in found.to_json()[label]["global_shap_values"].items()
        )
        parts: list[Table | Chart] = [
            Table(
                caption="What matters most in the texts",
                names=("Piece", "Mean |SHAP value| where it stands"),
                rows=tokens,
                numeric=(1,),
            )
        ]
        if others:
            parts.append(
                Table(
                    caption="The other features",
                    names=("Feature", "Global SHAP value"),
                    rows=others,
                    numeric=(1,),
                )
            )
        parts += [
            Chart(
                svg=drawings.text(row, at, k),
                text=f"Row {number}: the text with each piece marked by its share.",
            )
            for at, kind in enumerate(found.kinds)
            for number, row in enumerate(found.rows[:_TEXTS], start=1)
            if kind == "free_text" and row.parts[at]
        ]
        yield Section(
            title=f"Words that matter: {label}" if len(found.labels) > 1 else "Words that matter",
            sentences=("The shares of a row's pieces and other features add up to its score.", found.account),
            parts=tuple(parts),
        )


def _rows(explanation: explanations.Explanation, most: int) -> explanations.Explanation:
    """Rows at even distances."""
    places = np.unique(np.linspace(0, len(explanation) - 1, min(most, len(explanation))).astype(int))
    return explanations.Explanation(
        values=explanation.values[places],
        base_values=explanation.base_values[places],
        data=explanation.data[places],
        feature_names=explanation.feature_names,
        link=explanation.link,
    )


def lines(table: Table) -> Sequence[Sequence[str]]:
    """The head of the table and its rows; a table without a head has rows alone."""
    return [table.names, *table.rows] if any(table.names) else list(table.rows)
