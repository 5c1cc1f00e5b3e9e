"""Whether a group fares worse than all others in a table: the metrics, and each of them in words."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from glasskit import bias
from glasskit.analyses import outputs, questions
from glasskit.bias import reports
from glasskit.data import named

_KINDS = (".json", ".html", ".csv", ".parquet")


def run(asked: questions.Bias, around: questions.Around) -> None:
    """Answers the question. Raises ValueError with a sentence when it cannot be answered."""
    outputs.require_kinds(asked.outputs, _KINDS)
    outputs.require_others(asked.outputs, (asked.data,))
    try:
        report = _report(asked)
    except bias.Unusable:
        if asked.data.suffix.lower() == ".csv":
            named.require_even(asked.data)
        raise
    for path in asked.outputs:
        _write(path, report, asked)
    if asked.as_json:
        around.say(json.dumps(report.to_json(), indent=1, ensure_ascii=False, allow_nan=False))
        return
    around.say(report.summary())
    around.say("")
    around.say(report.table())
    around.say("")
    for line in meanings(report):
        around.say(line)
    for path in asked.outputs:
        around.say(f"Written: {path}")


def _report(asked: questions.Bias) -> reports.Report:
    return bias.from_table(
        _table(asked.data),
        label=asked.label,
        positive=list(asked.positive),
        facets=list(asked.facets),
        predicted=asked.predicted,
        probability_threshold=asked.threshold,
        group=asked.group,
        metrics=list(asked.metrics) or None,
        options=bias.Options(
            confidence=asked.confidence,
            interval=asked.intervals,
            replicates=asked.replicates,
            seed=asked.seed,
            minimum_rows=asked.minimum_rows,
            missing=asked.missing,
            compat=asked.compat,
        ),
    )


def _table(path: Path) -> str | dict[str, list[Any]]:
    """What the library reads itself: CSV and Parquet by their path; JSON lines as columns."""
    if path.suffix.lower() != ".jsonl":
        named.columns(path)
        return str(path)
    return named.values(path)


def meanings(report: reports.Report) -> Iterator[str]:
    """Each metric once: what it compares, the values it may have, and what this one says of each facet."""
    found: dict[str, list[tuple[str, reports.Result]]] = {}
    for facet in report:
        for result in facet.results:
            found.setdefault(result.metric.name, []).append((facet.title, result))
    yield "What the metrics mean (d: the facet asked about, a: all others)"
    for results in found.values():
        metric = results[0][1].metric
        low, high = metric.range
        yield f"  {metric.description}: {metric.formula}"
        yield f"    From {low:g} to {high:g}; {metric.neutral:g} means no difference."
        for title, result in results:
            yield f"    {title}: {meaning(result)}"


def meaning(result: reports.Result) -> str:
    """One result in words.

    A difference within its interval's reach of the neutral value is said to be one that chance explains.
    """
    if result.value is None:
        return f"no value, because {result.error}."
    shown = f"{result.value:.3f}"
    if result.value == result.metric.neutral:
        return f"{shown}; there is no difference."
    if result.interval is None:
        return f"{shown}; {_it(result)}."
    sure = f"between {result.interval.low:.3f} and {result.interval.high:.3f} with {result.interval.confidence:.0%} confidence"
    is_distance = result.metric.range[0] == result.metric.neutral
    chance = "" if is_distance or result.differs else " Chance alone explains a difference of this size."
    return f"{shown}, {sure}; {_it(result)}.{chance}"


def _it(result: reports.Result) -> str:
    return f"the facet {result.words}" if result.words else "the facets differ"


def _write(path: Path, report: reports.Report, asked: questions.Bias) -> None:
    kind = path.suffix.lower()
    if kind in outputs.TABLES:
        rows = report.rows()
        with outputs.table(path) as writer:
            writer.write({name: [row[name] for row in rows] for name in rows[0]})
        return
    with outputs.whole(path) as partial:
        if kind == ".json":
            text = json.dumps(report.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
        else:
            text = _page(report, asked)
        partial.write_text(text, encoding="utf-8")


def _page(report: reports.Report, asked: questions.Bias) -> str:
    """One HTML file that asks nothing of anybody."""
    title = html.escape(f"Bias in {asked.data.name}")
    words = html.escape("\n".join(meanings(report)))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{title}</title>\n</head>\n'
        f"<body>\n<main>\n<h1>{title}</h1>\n{report._repr_html_()}\n<h2>In words</h2>\n<pre>{words}</pre>\n"
        "</main>\n</body>\n</html>\n"
    )
