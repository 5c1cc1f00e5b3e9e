"""The principal reasons for an adverse decision, from verified contributions or not at all.

Contributions are measured from a declared baseline: with the mean contributions of a population
taken off, what is left says why this case differs from it, and the sum still is the margin. They
are summed by the applicant's own fields and then by the reason that the policy gives for each. Only
contributions towards the adverse side are reasons. Whatever cannot be shown to be true decides
nothing: the outcome is then `NotDecided`, and a person has to look.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from glasskit.explain import grouped, policies
from glasskit.explain.explanations import Attribution, Explanation
from glasskit.explain.outcomes import Approved, Declined, Flag, Measure, NotDecided, Outcome, Reason, Why

__all__ = [
    "Approved",
    "Baseline",
    "BaselineMismatch",
    "Declined",
    "Flag",
    "Measure",
    "Nearby",
    "NotDecided",
    "Outcome",
    "Reason",
    "UnmappedField",
    "Why",
    "decide",
    "small_changes",
]

_SPACES: Mapping[str, policies.Space] = {"logistic": "log-odds", "exp": "log", "identity": "prediction"}
_AGREEMENT = 1e-9
Nearby = Mapping[str, Sequence[Attribution]]


class UnmappedField(LookupError):
    """A column whose field the policy neither gives a reason nor protects."""

    def __init__(self, column: str, policy: policies.Policy) -> None:
        super().__init__(
            f"The policy {policy.name!r}, version {policy.version}, has no field for the column {column!r}."
        )
        self.column = column


class BaselineMismatch(ValueError):
    """Contributions that are not measured as the policy declares."""

    def __init__(self, *, declared: str, given: str) -> None:
        super().__init__(f"The policy declares {declared!r}, but {given!r} was given.")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What contributions are measured from: the mean contributions of a population."""

    name: str
    means: Mapping[str, float]
    base_value: float
    n_rows: int

    @classmethod
    def of(
        cls, explanation: Explanation, *, name: str, rows: npt.NDArray[np.bool_] | None = None
    ) -> Baseline:
        """The baseline of an explained population; rows: which of its rows count (all if None)."""
        values = explanation.values if rows is None else explanation.values[rows]
        bases = explanation.base_values if rows is None else explanation.base_values[rows]
        if values.ndim != 2 or not len(values):
            raise ValueError(f"a baseline needs the rows of one output, but values are {values.shape}")
        means = values.mean(axis=0)
        return cls(
            name=name,
            means=dict(zip(explanation.feature_names, means.tolist(), strict=True)),
            base_value=float(bases.mean()),
            n_rows=len(values),
        )

    @classmethod
    def read(cls, content: Mapping[str, object]) -> Baseline:
        """The baseline that `as_dict` wrote. Raises ValueError naming the entry."""
        means, number, n_rows = content.get("means"), content.get("base_value"), content.get("n_rows")
        if not isinstance(means, Mapping) or not all(isinstance(one, int | float) for one in means.values()):
            raise ValueError("the baseline's means are not numbers by column")
        if not isinstance(number, int | float) or not isinstance(n_rows, int):
            raise ValueError("the baseline's base_value or n_rows is not a number")
        plain = {str(column): float(mean) for column, mean in means.items()}
        return cls(name=str(content.get("name", "")), means=plain, base_value=float(number), n_rows=n_rows)

    def as_dict(self) -> dict[str, object]:
        """The baseline as JSON-ready data."""
        return dataclasses.asdict(self) | {"means": dict(self.means)}

    @property
    def digest(self) -> str:
        """The digest of the numbers, for the record."""
        content = json.dumps([self.name, dict(self.means), self.base_value, self.n_rows], sort_keys=True)
        return "sha256:" + hashlib.sha256(content.encode()).hexdigest()

    def recentred(self, attribution: Attribution) -> Attribution:
        """The same prediction, its contributions measured from this baseline."""
        if set(self.means) != set(attribution.names):
            odd = sorted(set(self.means) ^ set(attribution.names))[0]
            raise ValueError(f"the column {odd!r} is not in both the attribution and the baseline")
        values = [
            value - self.means[name]
            for name, value in zip(attribution.names, attribution.values, strict=True)
        ]
        if not abs(self.base_value - attribution.base_value) <= _AGREEMENT * (1.0 + abs(self.base_value)):
            raise ValueError(
                f"the attribution starts at {attribution.base_value!r}, the baseline's model at "
                f"{self.base_value!r}: they are not of one model"
            )
        base_value = attribution.base_value + math.fsum(self.means.values())
        return dataclasses.replace(attribution, values=values, base_value=base_value)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    wording: policies.Wording
    fields: tuple[str, ...]
    contribution: float


def decide(
    attribution: Attribution,
    policy: policies.Policy,
    *,
    margin: float | None,
    on: datetime.date,
    baseline: Baseline | None = None,
    data: Mapping[str, object] | None = None,
    nearby: Nearby | None = None,
) -> Outcome:
    """The decision of one case under a policy, with its principal reasons if it is adverse.

    margin: what the model itself says for this row (`predict_margin`), to verify the contributions
    against; None decides nothing. baseline: the population that the policy declares; None if it
    declares the model's own. data: the applicant's raw values, where columns are encoded. nearby: for
    each field of the policy's `nearby`, the case with that field a little changed (see `small_changes`),
    explained again; decision and reasons that do not outlive it are flagged.
    """
    _require_declared(attribution, policy, baseline, on)
    _require_nearby(policy, nearby)
    centred = baseline.recentred(attribution) if baseline else attribution
    by_field = _by_field(centred, policy, data)
    measure = _measure(centred, policy, baseline, on, _protected_shares(by_field, policy))
    refused = _unverified(attribution, centred, margin)
    if refused:
        return NotDecided(measure=measure, why=refused[0], sentence=refused[1])
    neighbours = {
        field: [_by_field(baseline.recentred(one) if baseline else one, policy, None) for one in several]
        for field, several in (nearby or {}).items()
    }
    if not _is_adverse(policy, centred.prediction):
        return _approved(by_field, policy, measure, neighbours)
    return _declined(by_field, policy, measure, neighbours)


def small_changes(data: Mapping[str, object], policy: policies.Policy) -> dict[str, list[dict[str, object]]]:
    """Field -> the case with that field one step of the policy's `nearby` down, and up.

    A number that is not negative does not become so, and whole numbers stay whole. Raises ValueError for
    a field that is no number.
    """
    found = {}
    for field, step in policy.nearby.items():
        old = data.get(field)
        if isinstance(old, bool) or not isinstance(old, int | float) or not math.isfinite(old):
            raise ValueError(f"the policy changes {field!r} by {step:g}, but its value is {old!r}")
        moved = [old - step, old + step] if old < 0 or old >= step else [old + step]
        found[field] = [{**data, field: type(old)(new) if new == int(new) else new} for new in moved]
    return found


def _require_declared(
    attribution: Attribution, policy: policies.Policy, baseline: Baseline | None, on: datetime.date
) -> None:
    if not policy.in_force(on):
        raise policies.NoPolicyInForce(on)
    given = baseline.name if baseline else policies.MODEL_BASELINE
    if given != policy.baseline:
        raise BaselineMismatch(declared=policy.baseline, given=given)
    space = _SPACES.get(attribution.link, attribution.link)
    if space != policy.space:
        raise BaselineMismatch(declared=policy.space, given=space)


def _require_nearby(policy: policies.Policy, nearby: Nearby | None) -> None:
    if set(policy.nearby) != set(nearby or {}):
        odd = sorted(set(policy.nearby) ^ set(nearby or {}))[0]
        raise ValueError(f"the field {odd!r} is not in both the policy's nearby and what was explained of it")


def _by_field(
    attribution: Attribution, policy: policies.Policy, data: Mapping[str, object] | None
) -> Attribution:
    known = [*policy.fields, *policy.protected.fields]
    for name in attribution.names:
        try:
            grouped.fields_of([name], known)
        except ValueError as exc:
            raise UnmappedField(name, policy) from exc
    return grouped.by_field(attribution, known, data=data)


def _measure(
    centred: Attribution,
    policy: policies.Policy,
    baseline: Baseline | None,
    on: datetime.date,
    protected: Mapping[str, float],
) -> Measure:
    return Measure(
        policy=policy.name,
        policy_version=policy.version,
        policy_digest=policy.digest,
        space=policy.space,
        baseline=policy.baseline,
        baseline_digest=baseline.digest if baseline else "",
        baseline_rows=baseline.n_rows if baseline else 0,
        base_value=centred.base_value,
        margin=centred.margin,
        prediction=centred.prediction,
        threshold=policy.threshold,
        protected=protected,
        on=on,
    )


def _unverified(
    attribution: Attribution, centred: Attribution, margin: float | None
) -> tuple[Why, str] | None:
    if margin is None:
        return "not_verified", "The contributions were not verified against the model's own margin."
    size = 1.0 + abs(attribution.base_value) + math.fsum(abs(value) for value in attribution.values)
    for given in (attribution, centred):
        if not abs(given.margin - margin) <= _AGREEMENT * size:
            return (
                "does_not_add_up",
                f"The contributions add up to {given.margin!r}, but the model's margin is {margin!r}.",
            )
    return None


def _is_adverse(policy: policies.Policy, prediction: float) -> bool:
    return prediction > policy.threshold if policy.adverse == "above" else prediction < policy.threshold


def _approved(
    by_field: Attribution, policy: policies.Policy, measure: Measure, neighbours: Nearby
) -> Outcome:
    flags = (
        *_protected_flags(by_field, policy, weakest=math.inf),
        *_decision_flags(neighbours, policy, is_adverse=False),
    )
    return _referred(flags, policy, measure) or Approved(measure=measure, flags=flags)


def _declined(
    by_field: Attribution, policy: policies.Policy, measure: Measure, neighbours: Nearby
) -> Outcome:
    candidates = _candidates(by_field, policy)
    shown = _shown(candidates, policy)
    if not shown:
        return NotDecided(
            measure=measure,
            why="no_adverse_contribution",
            sentence="No field with a reason moved the prediction towards the adverse side.",
        )
    flags = (
        *_protected_flags(by_field, policy, weakest=shown[-1].contribution),
        *_tie_flags(candidates, len(shown), policy),
        *_decision_flags(neighbours, policy, is_adverse=True),
        *_reason_flags(neighbours, policy, shown),
    )
    total = math.fsum(value for value in _adverse(by_field, policy).values() if value > 0)
    reasons = tuple(_reason(one, rank, by_field, total) for rank, one in enumerate(shown, start=1))
    return _referred(flags, policy, measure) or Declined(measure=measure, flags=flags, reasons=reasons)


def _shown(candidates: Sequence[_Candidate], policy: policies.Policy) -> list[_Candidate]:
    """The principal reasons among the candidates."""
    return [one for one in candidates if one.contribution > policy.tie_tolerance][: policy.most_reasons]


def _referred(flags: Sequence[Flag], policy: policies.Policy, measure: Measure) -> NotDecided | None:
    """The referral that a policy demands for one of the flags."""
    conduct = {
        "protected_drives": policy.protected.when_it_drives,
        "unstable_selection": policy.when_unstable,
        "unstable_decision": policy.when_unstable,
        "unstable_reasons": policy.when_unstable,
    }
    for flag in flags:
        if flag.kind != "tie" and conduct[flag.kind] == "refer":
            return NotDecided(measure=measure, flags=tuple(flags), why=flag.kind, sentence=flag.sentence)
    return None


def _adverse(by_field: Attribution, policy: policies.Policy) -> dict[str, float]:
    """Field -> contribution, positive towards the adverse side."""
    sign = 1.0 if policy.adverse == "above" else -1.0
    return {name: sign * value for name, value in zip(by_field.names, by_field.values, strict=True)}


def _candidates(by_field: Attribution, policy: policies.Policy) -> list[_Candidate]:
    """Every reason of this case with the sum of its fields, the strongest first."""
    given = dict(zip(by_field.names, by_field.data, strict=True))
    fields: dict[str, list[str]] = {}
    for name in by_field.names:
        if name not in policy.protected.fields:
            fields.setdefault(policy.wording(name, given[name]).key, []).append(name)
    adverse = _adverse(by_field, policy)
    order = list(policy.reasons)
    found = [
        _Candidate(
            wording=policy.reasons[key],
            fields=tuple(names),
            contribution=math.fsum(adverse[name] for name in names),
        )
        for key, names in fields.items()
    ]
    return sorted(found, key=lambda one: (-one.contribution, order.index(one.wording.key)))


def _reason(candidate: _Candidate, rank: int, by_field: Attribution, total: float) -> Reason:
    given = dict(zip(by_field.names, by_field.data, strict=True))
    return Reason(
        rank=rank,
        key=candidate.wording.key,
        code=candidate.wording.code,
        text=candidate.wording.text,
        fields=candidate.fields,
        data={name: given[name] for name in candidate.fields},
        contribution=candidate.contribution,
        share=candidate.contribution / total if total > 0 else 1.0,
    )


def _protected_shares(by_field: Attribution, policy: policies.Policy) -> dict[str, float]:
    """Protected field of the model -> its part of all movement, in either direction."""
    size = {name: abs(value) for name, value in zip(by_field.names, by_field.values, strict=True)}
    total = math.fsum(size.values())
    return {
        name: size[name] / total if total > 0 else 0.0 for name in policy.protected.fields if name in size
    }


def _protected_flags(by_field: Attribution, policy: policies.Policy, *, weakest: float) -> tuple[Flag, ...]:
    """Protected fields that move the score much in either direction, or as much as a reason shown."""
    adverse = _adverse(by_field, policy)
    flags = []
    for name, share in _protected_shares(by_field, policy).items():
        moved = adverse[name]
        if share > policy.protected.share or moved >= max(weakest, math.ulp(0.0)):
            sentence = (
                f"The protected field {name!r} holds {share * 100:.1f} % of what moved this prediction."
            )
            flags.append(Flag(kind="protected_drives", about=(name,), sentence=sentence))
    return tuple(flags)


def _tie_flags(candidates: Sequence[_Candidate], n_shown: int, policy: policies.Policy) -> list[Flag]:
    """Runs of reasons that could stand in another order, and a selection that could be another one."""
    tolerance, flags, start = policy.tie_tolerance, [], 0
    for index in range(1, n_shown + 1):
        gap_ends = index == n_shown or _gap(candidates, index) > tolerance
        if gap_ends:
            run = tuple(one.wording.key for one in candidates[start:index])
            if len(run) > 1:
                sentence = f"The reasons {', '.join(run)} could stand in another order."
                flags.append(Flag(kind="tie", about=run, sentence=sentence))
            start = index
    last = candidates[n_shown - 1].contribution
    left_out = tuple(one.wording.key for one in candidates[n_shown:] if last - one.contribution <= tolerance)
    if left_out:
        about = (candidates[n_shown - 1].wording.key, *left_out)
        sentence = f"Which of {', '.join(about)} are among the reasons hangs on very little."
        flags.append(Flag(kind="unstable_selection", about=about, sentence=sentence))
    return flags


def _gap(candidates: Sequence[_Candidate], index: int) -> float:
    return candidates[index - 1].contribution - candidates[index].contribution


def _decision_flags(neighbours: Nearby, policy: policies.Policy, *, is_adverse: bool) -> list[Flag]:
    """Fields whose small change turns the decision."""
    about = tuple(
        field
        for field, several in neighbours.items()
        if any(_is_adverse(policy, one.prediction) != is_adverse for one in several)
    )
    if not about:
        return []
    sentence = f"A small change of {' or '.join(about)} would turn the decision."
    return [Flag(kind="unstable_decision", about=about, sentence=sentence)]


def _reason_flags(neighbours: Nearby, policy: policies.Policy, shown: Sequence[_Candidate]) -> list[Flag]:
    """Fields whose small change leaves the decision, but not its principal reasons."""
    keys = {one.wording.key for one in shown}
    about: list[str] = []
    others: set[str] = set()
    for field, several in neighbours.items():
        adverse = [one for one in several if _is_adverse(policy, one.prediction)]
        sets = [{found.wording.key for found in _shown(_candidates(one, policy), policy)} for one in adverse]
        different = [found ^ keys for found in sets if found != keys]
        if different:
            about.append(field)
            others.update(*different)
    if not about:
        return []
    sentence = (
        f"A small change of {' or '.join(about)} would change whether these are reasons: "
        f"{', '.join(sorted(others))}."
    )
    return [Flag(kind="unstable_reasons", about=tuple(about), sentence=sentence)]
