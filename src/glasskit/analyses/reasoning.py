"""The principal reasons of one decision, under a policy file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from glasskit.analyses import questions, rows, views
from glasskit.charts import report
from glasskit.charts.svg import canvas
from glasskit.explain import outcomes, policies, reasons
from glasskit.explain.explanations import Attribution


def decided(
    asked: questions.Explain, around: questions.Around, view: views.View, row: rows.Rows
) -> outcomes.Outcome:
    """The outcome of the row under the policy that was asked for. Raises ValueError with a sentence."""
    if view.output is not None or view.space != "margin":
        raise questions.Unanswerable(
            "reasons need a model of one output, explained in the space of its margin"
        )
    try:
        policy = _policy(asked)
        return reasons.decide(
            view.explained(row).row(0),
            policy,
            margin=float(view.explainer.predict_margin(row)[0]),
            on=around.today,
            baseline=_baseline(asked, view, policy),
            nearby=_nearby(view, row, policy),
        )
    except (reasons.UnmappedField, policies.NoPolicyInForce) as error:
        raise questions.Unanswerable(str(error.args[0])) from error


def _policy(asked: questions.Explain) -> policies.Policy:
    path = asked.reasons
    if path is None or not path.is_file():
        raise questions.Unanswerable(f"there is no file {path}")
    return policies.load(path)


def _baseline(asked: questions.Explain, view: views.View, policy: policies.Policy) -> reasons.Baseline | None:
    """The population that the policy measures from, or None for the model's own baseline."""
    if policy.baseline == policies.MODEL_BASELINE:
        if asked.baseline is not None:
            raise questions.Unanswerable(
                "the policy measures from the model's own baseline; leave --baseline out"
            )
        return None
    if asked.baseline is None:
        raise questions.Unanswerable(
            f"the policy measures from {policy.baseline!r}; give the rows of that population with --baseline"
        )
    table = rows.read(asked.baseline, view.explainer.ensemble, has_header=asked.has_header)
    return reasons.Baseline.of(view.explained(table.rows), name=policy.baseline)


def _nearby(
    view: views.View, row: rows.Rows, policy: policies.Policy
) -> Mapping[str, list[Attribution]] | None:
    if not policy.nearby:
        return None
    case = dict(zip(view.names, row[0].tolist(), strict=True))
    return {
        field: [
            view.explained(row_of).row(0)
            for row_of in (np.array([[one[name] for name in view.names]], dtype=row.dtype) for one in several)
        ]
        for field, several in reasons.small_changes(case, policy).items()
    }


def lines(outcome: outcomes.Outcome) -> Iterator[str]:
    """The outcome as lines of text."""
    measure = outcome.measure
    yield ""
    if isinstance(outcome, outcomes.Approved):
        yield f"Approved under the policy {measure.policy}, version {measure.policy_version}: no reasons are owed."
    elif isinstance(outcome, outcomes.NotDecided):
        yield f"Not decided: {outcome.sentence} A person has to look."
    else:
        yield f"Declined under the policy {measure.policy}, version {measure.policy_version}. The principal reasons:"
        for reason in outcome.reasons:
            yield f"  {reason.rank}. {reason.text} ({reason.code}; {reason.share:.0%} of what speaks against)"
    for flag in outcome.flags:
        yield f"  Note: {flag.sentence}"


def section(outcome: outcomes.Outcome) -> report.Section:
    """The outcome as a section of a report."""
    items = "".join(canvas.element("li", canvas.escape(line.strip())) for line in lines(outcome) if line)
    return report.Section(title="The decision and its reasons", markup=canvas.element("ul", items))
