"""The report on one decision: a single HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from glasshouse.solutions.credit import decisions
from glasskit import charts, explain
from glasskit.explain import letters, outcomes, policies, words

AXIS = "Credit Default Risk Score (%)"
MAX_FEATURES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What the report is made of. bias: the summary that the job of that stage wrote."""

    before: decisions.Decision
    after: decisions.Decision
    population: Sequence[Mapping[str, Any]]
    counted: str
    policy: policies.Policy
    letter: letters.Letter | None
    bias: Mapping[str, Any]
    bias_url: str
    facts: Mapping[str, str]


def html(content: Content) -> str:
    """Decision, waterfalls, reasons, letter, recourse, what-if, interactions, the test set, and bias."""
    before, after = content.before, content.after
    changes = {decisions.CHECKING: (before.data[decisions.CHECKING], after.data[decisions.CHECKING])}
    fields = list(before.data)
    members = explain.grouped.fields_of(before.by_feature.names, fields)
    names, matrix = explain.grouped.interactions(
        np.array(before.interactions), before.by_feature.names, members
    )
    measure = before.outcome.measure
    return charts.report.html(
        charts.report.Report(
            title=f"Credit application {before.applicant}: {before.verdict}",
            subtitle="What was decided, why, what could change it, and how the model treats groups of people",
            attribution=before.by_feature,
            grouped=before.by_group,
            fields=before.by_field,
            outcome="default",
            threshold=content.policy.threshold,
            axis=charts.Axis(label=AXIS, lowers="lowers the risk", raises="raises the risk"),
            facts={
                "Decision": before.verdict,
                "Policy": f"{measure.policy}, version {measure.policy_version}, on {measure.on.isoformat()}",
                **content.facts,
            },
            counterfactual=charts.report.Counterfactual(
                title="Had the checking account been in the red",
                before=before.by_feature,
                after=after.by_feature,
                changes=changes,
            ),
            interactions=charts.interaction.heat_map(
                matrix, names, max_features=MAX_FEATURES, labels=decisions.labels(names)
            ),
            population=_population(content, fields),
            sections=[_reasons(before, content.policy), *_letter(content.letter), *_recourse(before)],
            closing=[_bias(content.bias, content.bias_url)],
        )
    )


def _population(content: Content, fields: list[str]) -> charts.report.Population:
    """What matters over all the answers, by the applicants' own fields."""
    answers = content.population
    names = list(answers[0]["features"])
    explained = explain.Explanation(
        values=np.array(
            [[answer["explanation"]["shap_values"][name] for name in names] for answer in answers]
        ),
        base_values=np.array([answer["explanation"]["expected_value"] for answer in answers]),
        data=np.array([[answer["features"][name] for name in names] for answer in answers]),
        feature_names=names,
        labels=decisions.labels(names),
        link="logistic",
    )
    by_field = explain.grouped.by_field(explained, fields)
    return charts.report.Population(
        bar=charts.summary.bar(by_field, max_features=MAX_FEATURES),
        beeswarm=charts.summary.beeswarm(explained, max_features=MAX_FEATURES),
        note=f"The test set: {len(answers):,} applications, {content.counted}.",
    )


def _reasons(decision: decisions.Decision, policy: policies.Policy) -> charts.report.Section:
    outcome, measure = decision.outcome, decision.outcome.measure
    start = words.percent(decision.by_feature.after_link(measure.base_value))
    note = (
        f"Measured in {measure.space} from the {measure.baseline}: {measure.baseline_rows:,} of the training "
        f"data, whose mean lies at a risk of {start}. A field's one-hot columns count together."
    )
    parts = []
    if isinstance(outcome, outcomes.Declined):
        lines = (
            (str(one.rank), one.text, one.code, _given(one), _odds(one.contribution), f"{one.share:.0%}")
            for one in outcome.reasons
        )
        head = ("", "Reason", "Code", "What was given", "Effect", "Share of what speaks against")
        parts.append(_table(head, lines, titled=1))
    elif isinstance(outcome, outcomes.NotDecided):
        parts.append(f"<p>No automatic decision: {escape(outcome.sentence)} A person has to look.</p>")
    else:
        parts.append("<p>Approved: no reasons are owed.</p>")
    parts += [f"<p>For the reviewer: {escape(flag.sentence)}</p>" for flag in outcome.flags]
    parts.append(f"<p>{escape(_protected(policy, measure))}</p>")
    return charts.report.Section(title="Reasons", note=note, markup="".join(parts))


def _protected(policy: policies.Policy, measure: outcomes.Measure) -> str:
    labels = decisions.labels(policy.protected.fields)
    named = [labels.get(name) or words.readable(name) for name in policy.protected.fields]
    held = [f"{labels.get(name) or name} {words.percent(share)}" for name, share in measure.protected.items()]
    unknown = len(policy.protected.fields) - len(held)
    then = "a person decides" if policy.protected.when_it_drives == "refer" else "it is flagged"
    return (
        f"Never a reason: {', '.join(named)}. The model does not know {unknown} of these; of what moved this score, "
        f"the others hold: {', '.join(held) or 'nothing'}. Above {policy.protected.share:.0%} {then}."
    )


def _given(reason: outcomes.Reason) -> str:
    return ", ".join(words.value(value) for value in reason.data.values())


def _odds(contribution: float) -> str:
    return words.effect(
        explain.Attribution(names=[], values=[], base_value=0.0, link="logistic"), contribution
    )


def _letter(letter: letters.Letter | None) -> list[charts.report.Section]:
    if letter is None:
        return []
    grade = max(words.reading_grade(letter.text()), 1.0)
    note = f"As the applicant gets it. It reads at grade {grade:.0f} of school (Flesch-Kincaid)."
    return [charts.report.Section(title="Letter", note=note, markup=letter.fragment())]


def _recourse(decision: decisions.Decision) -> list[charts.report.Section]:
    if not isinstance(decision.outcome, outcomes.Declined):
        return []
    lines = [
        (option["sentence"], words.percent(option["prediction"]), "approved") for option in decision.options
    ]
    markup = _table(("Change", "Risk then", "The endpoint's answer"), lines) if lines else ""
    return [
        charts.report.Section(
            title="What would change the decision",
            note=(
                f"{decision.recourse['sentence']} Only what the bank's rules of recourse name may change; "
                "each way was put to the endpoint again."
            ),
            markup=markup,
        )
    ]


def _bias(summary: Mapping[str, Any], url: str) -> charts.report.Section:
    """How groups fare whom the model was never told of."""
    shares = ("approved", "approved_others", "repaid", "repaid_others")
    lines = [
        (group["title"], str(group["n"]), *(words.percent(group[name]) for name in shares))
        for group in summary["groups"]
        if not group["refused"]
    ]
    head = ("Group", "People", "Approved", "Others approved", "Repaid", "Others repaid")
    refused = "; ".join(group["refused"] for group in summary["groups"] if group["refused"])
    differences = "".join(f"<li>{escape(sentence)}</li>" for sentence in summary["differences"])
    return charts.report.Section(
        title="Bias",
        note=(
            f"Decisions on the {summary['n_test']:,} applicants of the test set, by attributes that were held out: "
            f"the model never saw them. {summary['chance']} Groups under {summary['minimum_rows']} people get no number."
        ),
        markup=(
            f"<p><strong>{escape(summary['worst'])}</strong></p>{_table(head, lines)}"
            + (f"<p>Not measured: {escape(refused)}.</p>" if refused else "")
            + (f"<p>All differences beyond chance:</p><ul>{differences}</ul>" if differences else "")
            + f'<p><a href="{escape(url)}">All 21 metrics with their intervals</a> '
            "(the address works for a week).</p>"
        ),
    )


def _table(head: Sequence[str], lines: Iterable[Sequence[str]], *, titled: int = 0) -> str:
    """A table; titled: the column that says what a line is about."""
    columns = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    rows = "".join(
        "<tr>"
        + "".join(
            f'<th scope="row">{escape(cell)}</th>' if at == titled else f"<td>{escape(cell)}</td>"
            for at, cell in enumerate(line)
        )
        + "</tr>"
        for line in lines
    )
    return f'<div class="scroll"><table><thead><tr>{columns}</tr></thead><tbody>{rows}</tbody></table></div>'
