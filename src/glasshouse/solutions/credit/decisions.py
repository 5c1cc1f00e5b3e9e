"""One application, what the explainer answered about it, and what that says in words."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from glasskit import explain

CHECKING = "finance__accounts__checking__balance"
BEFORE, AFTER = "no_account", "negative"
EXAMPLE_AMOUNT, EXAMPLE_MONTHS = 6000, 36
"""The deck's applicant: 6,000 EUR over 36 months, no checking account."""

Row = Mapping[str, Any]


class NotAdditive(ArithmeticError):
    """An answer whose contributions do not add up to its prediction."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A prediction with its reasons: by feature, by the applicant's own field, and by group of fields."""

    applicant: str
    data: Row
    prediction: float
    by_feature: explain.Attribution
    interactions: Sequence[Sequence[float]]

    @property
    def by_field(self) -> explain.Attribution:
        return explain.grouped.by_field(self.by_feature, list(self.data), data=self.data)

    @property
    def by_group(self) -> explain.Attribution:
        return explain.grouped.by_level(self.by_feature)

    @property
    def raises(self) -> bool:
        """Whether the risk is above the baseline."""
        return self.prediction > self.by_feature.baseline

    @property
    def verdict(self) -> str:
        """What follows: a machine may say yes, but it is a person who says no."""
        return "refer to a credit officer" if self.raises else "approve"

    def in_words(self) -> str:
        """The application, the verdict, and the reasons, in a few sentences."""
        amount, months = self.data["credit__amount"], self.data["credit__duration"]
        purpose = str(self.data["credit__purpose"]).replace("_", " ")
        side = "higher" if self.raises else "lower"
        reasons = explain.words.decision(self.by_field, outcome="default")
        return (
            f"Applicant {self.applicant} asks for {amount:,} EUR over {months} months ({purpose}). {reasons} "
            f"The risk is {side} than the baseline: {self.verdict}."
        )


def read(answer: Row, *, applicant: str) -> Decision:
    """A decision from the explainer's answer. Raises NotAdditive if its numbers contradict each other."""
    explanation = answer["explanation"]
    attribution = explain.Attribution.from_mappings(
        shap_values=explanation["shap_values"],
        base_value=explanation["expected_value"],
        data=answer["features"],
        descriptions=answer.get("descriptions", {}),
        labels=labels(list(explanation["shap_values"])),
        link="logistic",
    )
    if not math.isclose(attribution.prediction, answer["prediction"], abs_tol=1e-9):
        raise NotAdditive(
            f"applicant {applicant}: {attribution.prediction} by reasons, {answer['prediction']} by prediction"
        )
    return Decision(
        applicant=applicant,
        data=answer["data"],
        prediction=answer["prediction"],
        by_feature=attribution,
        interactions=explanation.get("shap_interaction_values", {}).get("values", []),
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


def choose(rows: Sequence[Row]) -> int:
    """The position of the applicant to decide: without a checking account, and nearest to the deck's."""
    candidates = [n for n, row in enumerate(rows) if row[CHECKING] == BEFORE] or list(range(len(rows)))

    def distance(n: int) -> float:
        amount, months = rows[n]["credit__amount"], rows[n]["credit__duration"]
        return abs(math.log(amount / EXAMPLE_AMOUNT)) + abs(math.log(months / EXAMPLE_MONTHS))

    return min(candidates, key=distance)


def counterfactual(row: Row) -> dict[str, Any]:
    """The same application, had the applicant a checking account in the red."""
    return {**row, CHECKING: AFTER}


def counterfactual_in_words(before: Decision, after: Decision) -> str:
    """What the change does to the risk."""
    changes = {CHECKING: (before.data[CHECKING], after.data[CHECKING])}
    return explain.words.counterfactual(before.by_field, after.by_field, changes=changes, outcome="default")
