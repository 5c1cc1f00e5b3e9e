"""Assesses bias with the protected attributes that were held out: a processing job.

Reads the transformed tables (`input/transformed`) and the test set's explanations with their decisions
(`input/explanations`, one line for each line of `data_test`). Labels and protected attributes are joined by
the applicant's identifier. The labels that the model learnt from are measured on the training set, its
decisions on the test set. Writes `analysis.json` (as Clarify's), `summary.json` and `report.html`.
"""

from __future__ import annotations

import html
import json
import os
import statistics
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glasskit import bias

BASE = Path("/opt/ml/processing")
LABEL, DECISION, GROUP = "outcome", "decision", "credit__purpose"
REPAID, DEFAULTED = "repaid", "defaulted"
MINIMUM_ROWS = 20
_FEATURE = "feature "
YOUNG, OLD = 26, 62
FACETS = (
    bias.Facet("gender", ["female"]),
    bias.Facet("age", [f"under {YOUNG}", f"{OLD} and over"]),
    bias.Facet("relationship status"),
)
UNCOMPARED = ("CI", "FT")
"""Shown, but no difference in how people fare: CI counts them, and the flip test's majority of neighbours leans
towards the commoner decision for every group."""

Rows = list[dict[str, Any]]


class BadTables(Exception):
    """Tables that do not belong to each other."""


def main(base: Path = BASE, *, minimum_rows: int = MINIMUM_ROWS) -> None:
    """Reads the tables, assesses both sides, writes the answers."""
    tables = base / "input/transformed"
    train, test = _joined(tables, "train"), _joined(tables, "test")
    _decide(test, _json_lines(tables / "data_test"), _json_lines(base / "input/explanations"))
    options = bias.Options(minimum_rows=minimum_rows)
    label = bias.Label(LABEL, [REPAID])
    learnt = bias.assess(_columns(train), label=label, facets=FACETS, options=options, group=GROUP)
    features = [name for name in test[0] if name.startswith(_FEATURE)]
    decided = bias.assess(
        _columns(test),
        label=label,
        facets=FACETS,
        options=options,
        group=GROUP,
        predicted=DECISION,
        features=features,
    )
    _write(base / "output", learnt, decided, minimum_rows=minimum_rows)


def _json_lines(folder: Path) -> Rows:
    texts = [path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*")) if path.is_file()]
    return [json.loads(line) for text in texts for line in text.splitlines() if line.strip()]


def _joined(tables: Path, split: str) -> Rows:
    """The side's applications with their labels and protected attributes, joined by the applicant."""
    applicants = _json_lines(tables / f"applicants_{split}")
    parts = [_json_lines(tables / f"{part}_{split}") for part in ("data", "label", "protected")]
    for name, rows in zip(("data", "label", "protected"), parts, strict=True):
        if len(rows) != len(applicants):
            raise BadTables(f"{name}_{split} has {len(rows)} rows, applicants_{split} {len(applicants)}")
    joined = {}
    for applicant, data, truth, person in zip(applicants, *parts, strict=True):
        joined[applicant["credit_id"]] = {
            **data,
            "applicant": applicant["person_id"],
            LABEL: DEFAULTED if truth["credit__default"] else REPAID,
            "gender": person["personal__gender"],
            "age": age_group(person["personal__age"]),
            "relationship status": person["personal__relationship_status"],
        }
    if len(joined) != len(applicants):
        raise BadTables(f"applicants_{split} has a credit twice")
    return list(joined.values())


def age_group(age: int) -> str:
    """The group that a person of that age is counted in."""
    if age < YOUNG:
        return f"under {YOUNG}"
    return f"{OLD} and over" if age >= OLD else f"{YOUNG} to {OLD - 1}"


def _decide(rows: Rows, data: Rows, answers: Rows) -> None:
    """Adds each row's decision, and the features it came from, by which the flip test finds neighbours.

    What was approved counts as predicted to be repaid, all else does not. Features are in units of their
    standard deviation, or the amount alone would say who is like whom.
    """
    if len(answers) != len(rows):
        raise BadTables(f"there are {len(answers)} explanations of {len(rows)} applications")
    for at, (row, given, answer) in enumerate(zip(rows, data, answers, strict=True)):
        if answer["data"] != given:
            raise BadTables(f"line {at + 1} of the explanations is about another application")
        row[DECISION] = REPAID if answer["decision"]["outcome"] == "Approved" else DEFAULTED
    for name in answers[0]["features"]:
        column = [float(answer["features"][name]) for answer in answers]
        spread = statistics.pstdev(column) or 1.0
        for row, value in zip(rows, column, strict=True):
            row[_FEATURE + name] = value / spread


def _columns(rows: Rows) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def _write(output: Path, learnt: bias.Report, decided: bias.Report, *, minimum_rows: int) -> None:
    output.mkdir(parents=True, exist_ok=True)
    key = "pre_training_bias_metrics"
    analysis = {**decided.to_json(), key: learnt.to_json()[key]}
    summary = summarise(learnt, decided, minimum_rows=minimum_rows)
    for name, content in (("analysis.json", analysis), ("summary.json", summary)):
        (output / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    (output / "report.html").write_text(page(learnt, decided, summary), encoding="utf-8")
    print(summary["worst"], flush=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A metric that has a sign, its value and its interval."""

    facet: bias.FacetResult
    result: bias.Result
    value: float
    interval: bias.Interval

    @property
    def distance(self) -> float:
        """How far the value is from showing no difference, in half-widths of its interval."""
        half = (self.interval.high - self.interval.low) / 2
        return abs(self.value - self.result.metric.neutral) / max(half, 1e-12)

    def in_words(self) -> str:
        """The difference as a sentence."""
        metric, between = self.result.metric, self.interval
        return (
            f"{self.facet.title.capitalize()}: {metric.title.lower()} ({metric.name}) is {self.value:.2f} "
            f"({between.confidence:.0%} interval {between.low:.2f} to {between.high:.2f}): it {self.result.words}."
        )


def _compared(report: bias.Report) -> Iterator[Comparison]:
    """All comparisons of decisions; distances, which have no sign, always differ by chance: they are left out."""
    for facet in report:
        for result in facet.results:
            metric = result.metric
            is_signed = metric.range[0] != metric.neutral
            if metric.stage != "post_training" or metric.name in UNCOMPARED or not is_signed:
                continue
            if result.value is not None and result.interval is not None:
                yield Comparison(facet=facet, result=result, value=result.value, interval=result.interval)


def summarise(learnt: bias.Report, decided: bias.Report, *, minimum_rows: int) -> dict[str, Any]:
    """What a reader must know first: the worst difference in words, how the groups fare, what was refused."""
    compared = list(_compared(decided))
    differing = sorted((one for one in compared if one.result.differs), key=lambda one: -one.distance)
    nothing = f"No group fares differently beyond chance in the decisions ({len(compared)} comparisons)."
    return {
        "worst": differing[0].in_words() if differing else nothing,
        "chance": (
            f"{len(differing)} of {len(compared)} comparisons differ by more than their 95 % intervals "
            f"explain; about {round(len(compared) * 0.05)} would by chance alone."
        ),
        "differences": [one.in_words() for one in differing],
        "groups": [_group(facet) for facet in decided],
        "n_train": learnt.n_rows,
        "n_test": decided.n_rows,
        "minimum_rows": minimum_rows,
    }


def _group(facet: bias.FacetResult) -> dict[str, Any]:
    d, a = facet.disfavoured, facet.favoured
    empty = not d.n_rows or not a.n_rows
    return {
        "title": facet.title,
        "n": d.n_rows,
        "refused": facet.results[0].error if facet.results[0].value is None else "",
        "repaid": None if empty else d.label_distribution[0],
        "repaid_others": None if empty else a.label_distribution[0],
        "approved": None if empty else d.performance["ppl"],
        "approved_others": None if empty else a.performance["ppl"],
    }


def page(learnt: bias.Report, decided: bias.Report, summary: Mapping[str, Any]) -> str:
    """The report as one HTML file that needs nothing else."""
    words = f"<p><strong>{html.escape(summary['worst'])}</strong></p><p>{html.escape(summary['chance'])}</p>"
    caution = (
        f"A group of fewer than {summary['minimum_rows']} people, or a ratio below so few, gets no number. A "
        "difference is not yet a wrong, and no difference found is not a clearance."
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Bias report</title>\n'
        f"<style>{_SHEET}</style>\n</head>\n<body>\n<h1>Bias of data and decisions</h1>\n{words}\n"
        f"<p>{html.escape(caution)}</p>\n"
        f"<h2>The decisions ({decided.n_rows} applicants of the test set)</h2>\n"
        f"<p>What was approved is compared with what was repaid.</p>\n{_tables(decided, 'post_training')}\n"
        f"<h2>The labels the model learnt from ({learnt.n_rows} applicants of the training set)</h2>\n"
        f"{_tables(learnt, 'pre_training')}\n</body>\n</html>\n"
    )


_SHEET = (
    "body { font: 15px/1.5 system-ui, sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; color: #1f2933; }"
    " table { border-collapse: collapse; width: 100%; margin-bottom: 2em; }"
    " th, td { text-align: left; padding: .3em .8em .3em 0; border-bottom: 1px solid #e4e7eb; vertical-align: top; }"
    " td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }"
    " tbody th { font-weight: 400; } tr.differs, tr.differs th { font-weight: 700; }"
)


def _tables(report: bias.Report, stage: str) -> str:
    return "\n".join(_table(facet, stage) for facet in report)


def _table(facet: bias.FacetResult, stage: str) -> str:
    opening = html.escape(next(facet.sentences()))
    rows = "".join(_line(result) for result in facet.results if result.metric.stage == stage)
    head = "".join(
        f'<th scope="col">{name}</th>' for name in ("Metric", "Value", "95 % interval", "What it says")
    )
    title = html.escape(facet.title)
    return (
        f"<h3>{title}</h3><p>{opening}</p><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _line(result: bias.Result) -> str:
    interval, metric = result.interval, result.metric
    between = f"{interval.low:.3f} to {interval.high:.3f}" if interval else ""
    is_compared = metric.name not in UNCOMPARED and metric.range[0] != metric.neutral
    said = result.remark
    if is_compared and interval:
        said = result.words if result.differs else "no difference beyond chance"
    value = "" if result.value is None else f"{result.value:.3f}"
    marked = ' class="differs"' if is_compared and result.differs else ""
    return (
        f'<tr{marked}><th scope="row">{html.escape(metric.description)}</th><td class="n">{value}</td>'
        f'<td class="n">{between}</td><td>{html.escape(result.error or said)}</td></tr>'
    )


if __name__ == "__main__":
    main(
        Path(sys.argv[1]) if len(sys.argv) > 1 else BASE,
        minimum_rows=int(os.environ.get("MINIMUM_ROWS", str(MINIMUM_ROWS))),
    )
