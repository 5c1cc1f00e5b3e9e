"""Decides applications by the bank's policy: approve, decline with reasons, or leave it to a person.

The policies lie in the artifact, with the baseline that each declares: the mean contributions of the
training data's applicants whom it would approve. What cannot be verified is not decided.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glasskit import trees
from glasskit.explain import policies, reasons

if TYPE_CHECKING or __package__:
    from glasshouse.solutions.credit.training import features
else:
    import features

BASELINES = "baselines.json"
APPROVED = "approved applicants"
RECOURSE = "recourse.toml"
Rows = Sequence[features.Row]


class UnusablePolicy(ValueError):
    """A policy that does not fit the model."""

    def __init__(self, policy: policies.Policy, problem: str) -> None:
        super().__init__(f"policy {policy.name}, version {policy.version}: {problem}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decider:
    """Policies, and the baseline of each by its digest."""

    encoder: features.Encoder
    explainer: trees.Explainer
    known: tuple[policies.Policy, ...]
    baselines: Mapping[str, reasons.Baseline]

    def policy(self, on: datetime.date) -> policies.Policy:
        """The policy of the day. Raises policies.NoPolicyInForce."""
        return policies.in_force(self.known, on=on)

    def outcomes(self, rows: Rows, *, on: datetime.date) -> list[reasons.Outcome]:
        """What becomes of each application, every one checked against the model's own margin."""
        policy = self.policy(on)
        matrix = self.encoder.transform(rows)
        explained, margins = self.explainer.shap_values(matrix), self.explainer.predict_margin(matrix)
        nearby = self._nearby(rows, policy)
        return [
            reasons.decide(
                explained.row(at),
                policy,
                margin=float(margins[at]),
                on=on,
                baseline=self.baselines.get(policy.digest),
                data=dict(row),
                nearby=nearby[at],
            )
            for at, row in enumerate(rows)
        ]

    def _nearby(self, rows: Rows, policy: policies.Policy) -> list[reasons.Nearby]:
        """For each row the same application a little changed, explained; all in one go."""
        changes = [reasons.small_changes(row, policy) for row in rows]
        changed = [one for change in changes for several in change.values() for one in several]
        if not changed:
            return [{} for _ in rows]
        explained = iter(self.explainer.shap_values(self.encoder.transform(changed)))
        return [
            {field: [next(explained) for _ in several] for field, several in change.items()}
            for change in changes
        ]


def load(folder: Path, *, encoder: features.Encoder, explainer: trees.Explainer) -> Decider:
    """The decider that an artifact's folder holds."""
    baselines = json.loads((folder / BASELINES).read_text(encoding="utf-8"))
    return Decider(
        encoder=encoder,
        explainer=explainer,
        known=read_policies(folder),
        baselines={digest: reasons.Baseline.read(content) for digest, content in baselines.items()},
    )


def read_policies(folder: Path) -> tuple[policies.Policy, ...]:
    """All policies of a folder: its .toml files but the rules of recourse."""
    return tuple(policies.load(path) for path in sorted(folder.glob("*.toml")) if path.name != RECOURSE)


def baselines(
    known: Sequence[policies.Policy],
    encoder: features.Encoder,
    explainer: trees.Explainer,
    rows: Rows,
) -> dict[str, Any]:
    """The baseline of each policy over the training data, by the policy's digest, as JSON-ready data.

    Raises UnusablePolicy for one that declares another baseline, misses a field of the model, approves nobody,
    or begins on the day on which another one begins.
    """
    matrix = encoder.transform(rows)
    explained, predictions = explainer.shap_values(matrix), explainer.predict(matrix)
    found = {}
    for policy in known:
        if sum(other.effective_from == policy.effective_from for other in known) > 1:
            raise UnusablePolicy(policy, f"another policy begins on {policy.effective_from} as well")
        named = {*policy.fields, *policy.protected.fields}
        unknown = [name for name in encoder.fields().values() if name not in named]
        if unknown:
            raise UnusablePolicy(policy, f"it says nothing about the field {unknown[0]}")
        if policy.baseline != APPROVED:
            raise UnusablePolicy(policy, f"its baseline is {policy.baseline!r}, not {APPROVED!r}")
        above = policy.adverse == "above"
        approved = predictions <= policy.threshold if above else predictions >= policy.threshold
        if not approved.any():
            raise UnusablePolicy(policy, "it approves nobody in the training data")
        found[policy.digest] = reasons.Baseline.of(explained, name=APPROVED, rows=approved).as_dict()
    return found


def today() -> datetime.date:
    """The day in UTC, by which the policy is chosen."""
    return datetime.datetime.now(datetime.UTC).date()
