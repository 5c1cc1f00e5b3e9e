"""One application, what the endpoint answered about it, and what that says in words."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from glasskit import explain
from glasskit.explain import outcomes

CHECKING = "finance__accounts__checking__balance"
BEFORE, AFTER = "no_account", "negative"
EXAMPLE_AMOUNT, EXAMPLE_MONTHS = 6000, 36
"""The deck's applicant: 6,000 EUR over 36 months, no checking account."""
CLEARLY = 0.05
"""A risk this far from the threshold is no close call."""
_AGREEMENT = 1e-9

Row = Mapping[str, Any]


class NotAdditive(ArithmeticError):
    """An answer whose contributions do not add up to its prediction."""


class Contradicted(ArithmeticError):
    """Answers of the endpoint that contradict each other."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A prediction explained by feature, by the applicant's own field and by group, and its outcome.

    decision_id: what the ledger calls it; "" for one that is not recorded, as in a batch.
    """

    applicant: str
    data: Row
    prediction: float
    by_feature: explain.Attribution
    interactions: Sequence[Sequence[float]]
    outcome: outcomes.Outcome
    recourse: Row
    decision_id: str = ""

    @property
    def by_field(self) -> explain.Attribution:
        return explain.grouped.by_field(self.by_feature, list(self.data), data=self.data)

    @property
    def by_group(self) -> explain.Attribution:
        return explain.grouped.by_level(self.by_feature)

    @property
    def verdict(self) -> str:
        """The outcome in a word or two."""
        return verdict(self.outcome)

    @property
    def options(self) -> Sequence[Row]:
        """What would turn a decline, the nearest first; empty if nothing does, or nothing was declined."""
        found: Sequence[Row] = self.recourse.get("options", [])
        return found

    def in_words(self) -> str:
        """The application, its risk and what moved it, and the outcome, in a few sentences."""
        amount, months = self.data["credit__amount"], self.data["credit__duration"]
        purpose = str(self.data["credit__purpose"]).replace("_", " ")
        threshold = self.outcome.measure.threshold
        why = explain.words.decision(self.by_field, outcome="default", threshold=threshold)
        return f"Applicant {self.applicant} asks for {amount:,} EUR over {months} months ({purpose}). {why}"

    def outcome_in_words(self) -> str:
        """The outcome, by which policy, and why."""
        measure = self.outcome.measure
        policy = f"by the policy {measure.policy}, version {measure.policy_version}"
        if isinstance(self.outcome, outcomes.NotDecided):
            return f"Not decided {policy}: a person has to look. {self.outcome.sentence}"
        if isinstance(self.outcome, outcomes.Approved):
            return f"Approved {policy}."
        return (
            f"Declined {policy}. Its principal reasons, measured against the {measure.baseline_rows} "
            f"{measure.baseline} of the training data:"
        )


def verdict(outcome: outcomes.Outcome) -> str:
    """`approved`, `declined` or `left to a person`."""
    if isinstance(outcome, outcomes.Approved):
        return "approved"
    return "declined" if isinstance(outcome, outcomes.Declined) else "left to a person"


def read(answer: Row, *, applicant: str, decision_id: str = "") -> Decision:
    """A decision from the endpoint's answer.

    Raises NotAdditive if its contributions do not add up to its prediction, and Contradicted if its outcome
    is about another prediction.
    """
    explanation = answer["explanation"]
    attribution = explain.Attribution.from_mappings(
        shap_values=explanation["shap_values"],
        base_value=explanation["expected_value"],
        data=answer["features"],
        descriptions=answer.get("descriptions", {}),
        labels=labels(list(explanation["shap_values"])),
        link="logistic",
    )
    if not math.isclose(attribution.prediction, answer["prediction"], abs_tol=_AGREEMENT):
        raise NotAdditive(
            f"applicant {applicant}: {attribution.prediction} by reasons, {answer['prediction']} by prediction"
        )
    outcome = outcomes.read(answer["decision"])
    if not math.isclose(outcome.measure.prediction, answer["prediction"], abs_tol=_AGREEMENT):
        raise Contradicted(
            f"applicant {applicant}: decided at {outcome.measure.prediction}, predicted {answer['prediction']}"
        )
    return Decision(
        applicant=applicant,
        data=answer["data"],
        prediction=answer["prediction"],
        by_feature=attribution,
        interactions=explanation.get("shap_interaction_values", {}).get("values", []),
        outcome=outcome,
        recourse=answer.get("recourse", {}),
        decision_id=decision_id,
    )


def require_turned(option: Row, answer: Row) -> None:
    """Raises Contradicted unless the endpoint itself approves the changed application, at the risk foretold."""
    outcome = outcomes.read(answer["decision"])
    agrees = math.isclose(answer["prediction"], option["prediction"], abs_tol=_AGREEMENT)
    if not isinstance(outcome, outcomes.Approved) or not agrees:
        raise Contradicted(
            f"{option['sentence']} It was to be approved at {option['prediction']}, but the endpoint answers: "
            f"{verdict(outcome)} at {answer['prediction']}"
        )


def labels(names: Sequence[str]) -> dict[str, str]:
    """What a reader calls fields, features and groups."""
    columns = json.loads((Path(__file__).parent / "processing/columns.json").read_text(encoding="utf-8"))
    titles = {name: column["title"] for name, column in columns.items()}
    found = {name.partition("__")[0]: name.partition("__")[0].capitalize() for name in names} | titles
    for name in names:
        field = next((field for field in titles if name.startswith(f"{field}__")), None)
        if field is not None:
            category = name.removeprefix(f"{field}__").replace("_", " ")
            found[name] = f"{titles[field]}: {category}"
    return found


def choose(decided: Sequence[Decision]) -> int:
    """The position of the applicant to show: clearly declined, and nearest to the deck's.

    Without a checking account if there is one; failing that any who is declined, failing that anybody.
    """
    for wanted in (_is_telling, _is_declined, lambda decision: True):
        candidates = [at for at, decision in enumerate(decided) if wanted(decision)]
        if candidates:
            return min(candidates, key=lambda at: _distance(decided[at].data))
    raise ValueError("nobody has applied")


def _is_declined(decision: Decision) -> bool:
    return isinstance(decision.outcome, outcomes.Declined)


def _is_telling(decision: Decision) -> bool:
    clearly = abs(decision.prediction - decision.outcome.measure.threshold) >= CLEARLY
    return _is_declined(decision) and clearly and decision.data[CHECKING] == BEFORE


def _distance(row: Row) -> float:
    amount, months = row["credit__amount"], row["credit__duration"]
    return abs(math.log(amount / EXAMPLE_AMOUNT)) + abs(math.log(months / EXAMPLE_MONTHS))


def counterfactual(row: Row) -> dict[str, Any]:
    """The same application, had the applicant a checking account in the red."""
    return {**row, CHECKING: AFTER}


def counterfactual_in_words(before: Decision, after: Decision) -> str:
    """What the change does to the risk, and to the decision."""
    changes = {CHECKING: (before.data[CHECKING], after.data[CHECKING])}
    told = explain.words.counterfactual(before.by_field, after.by_field, changes=changes, outcome="default")
    return f"{told} It would be {after.verdict}."
