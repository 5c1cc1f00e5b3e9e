"""Small changes: what hangs on them is flagged or left to a person, and outcomes survive their record."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasskit import explain
from glasskit.explain import outcomes, policies, reasons, regulation_b
from tests.library import test_explain_reasons as plain

STEPS = "\n[nearby]\namount = 50\nemployment = 1\n"


def policy(extra: str = STEPS, **changes: str) -> policies.Policy:
    text = plain.POLICY + extra
    for old, new in changes.items():
        line = next(line for line in text.splitlines() if line.startswith(f"{old} ="))
        text = text.replace(line, f"{old} = {new}", 1)
    return policies.parse(text)


def decided(
    case: explain.Attribution, under: policies.Policy, **nearby: list[explain.Attribution]
) -> reasons.Outcome:
    around = {"amount": [case], "employment": [case], **nearby}
    return reasons.decide(case, under, margin=case.margin, on=plain.DAY, nearby=around)


def test_a_decision_that_outlives_small_changes_has_no_flag() -> None:
    assert decided(plain.case(amount=1.0), policy()).flags == ()


def test_a_decision_that_a_small_change_turns_is_flagged_with_its_fields() -> None:
    turned = plain.case(amount=-0.1)
    outcome = decided(plain.case(amount=0.1), policy(), amount=[turned, plain.case(amount=0.2)])
    assert [(flag.kind, flag.about) for flag in outcome.flags] == [("unstable_decision", ("amount",))]
    approved = decided(turned, policy(), employment=[plain.case(amount=0.1)])
    assert isinstance(approved, reasons.Approved)
    assert [(flag.kind, flag.about) for flag in approved.flags] == [("unstable_decision", ("employment",))]


def test_reasons_that_a_small_change_replaces_are_flagged() -> None:
    case = plain.case(amount=5, employment=4, other_banks=3, residence=2, no_account=1)
    other = plain.case(amount=5, employment=4, other_banks=3, residence=1, no_account=2)
    outcome = decided(case, policy(), employment=[other])
    assert [(flag.kind, flag.about) for flag in outcome.flags] == [("unstable_reasons", ("employment",))]
    assert "no_checking, residence" in outcome.flags[0].sentence


@pytest.mark.parametrize("kind", ["unstable_decision", "unstable_reasons"])
def test_a_policy_can_leave_what_is_unstable_to_a_person(kind: str) -> None:
    under = policy(tie_tolerance='0.01\nwhen_unstable = "refer"')
    near = plain.case(amount=-0.1) if kind == "unstable_decision" else plain.case(employment=1.0)
    outcome = decided(plain.case(amount=1.0), under, amount=[near])
    assert isinstance(outcome, reasons.NotDecided)
    assert outcome.why == kind


def test_a_field_to_change_that_nobody_explained_is_an_error() -> None:
    case = plain.case(amount=1.0)
    with pytest.raises(ValueError, match="'employment'"):
        reasons.decide(case, policy(), margin=case.margin, on=plain.DAY, nearby={"amount": [case]})
    with pytest.raises(ValueError, match="'amount'"):
        reasons.decide(case, plain.policy(), margin=case.margin, on=plain.DAY, nearby={"amount": [case]})


@given(amount=st.integers(0, 10_000), years=st.floats(-50, 50))
def test_small_changes_are_one_step_and_keep_kind_and_sign(amount: int, years: float) -> None:
    data = {"amount": amount, "employment": years, "residence": "own"}
    changed = reasons.small_changes(data, policy())
    assert set(changed) == {"amount", "employment"}
    for field, several in changed.items():
        assert 1 <= len(several) <= 2
        for one in several:
            assert {name for name in data if one[name] != data[name]} <= {field}
            assert abs(one[field] - data[field]) == pytest.approx(50 if field == "amount" else 1)
            assert data[field] < 0 or one[field] >= 0
    assert all(isinstance(one["amount"], int) for one in changed["amount"])


@pytest.mark.parametrize("given_value", ["much", None, True, float("nan")])
def test_what_is_no_number_cannot_change_a_little(given_value: object) -> None:
    with pytest.raises(ValueError, match="'amount'"):
        reasons.small_changes({"amount": given_value, "employment": 1}, policy())


@pytest.mark.parametrize(
    ("extra", "entry"),
    [
        ("\n[nearby]\nzodiac = 1\n", "nearby.zodiac"),
        ("\n[nearby]\namount = 0\n", "nearby.amount"),
        ('\n[nearby]\namount = "some"\n', "nearby.amount"),
        ("\n[nearby]\npersonal__age = 1\n", "nearby.personal__age"),
    ],
)
def test_a_mistaken_step_is_refused_by_name(extra: str, entry: str) -> None:
    with pytest.raises(policies.PolicyInvalid) as refused:
        policy(extra)
    assert refused.value.entry == entry


cases = st.lists(st.floats(-3, 3), min_size=7, max_size=7)


@given(values=cases, others=cases, margin=st.sampled_from(["own", "none"]))
def test_an_outcome_survives_its_record(values: list[float], others: list[float], margin: str) -> None:
    case, near = plain.case(*values), plain.case(*others)
    outcome = reasons.decide(
        case,
        policy(when_it_drives='"refer"'),
        margin=case.margin if margin == "own" else None,
        on=plain.DAY,
        nearby={"amount": [near], "employment": [case]},
    )
    assert outcomes.read(json.loads(json.dumps(outcome.as_dict()))) == outcome


@pytest.mark.parametrize(
    ("entry", "content"),
    [
        ("outcome", {"outcome": "Maybe"}),
        ("measure", {"measure": None}),
        ("measure", {"measure": {"policy": "x"}}),
        ("flags", {"flags": None}),
        ("flags[0]", {"flags": [{"kind": "odd", "about": [], "sentence": ""}]}),
        ("reasons", {"reasons": []}),
        ("reasons[0]", {"reasons": [{"rank": 1}]}),
    ],
)
def test_a_record_with_a_mistake_is_refused_by_its_entry(entry: str, content: dict[str, object]) -> None:
    record = plain.declined(plain.case(amount=1.0)).as_dict()
    with pytest.raises(outcomes.RecordInvalid) as refused:
        outcomes.read({**record, **content})
    assert refused.value.entry == entry


def test_a_baseline_survives_its_record() -> None:
    baseline = reasons.Baseline.of(plain.population(), name="approved")
    again = reasons.Baseline.read(json.loads(json.dumps(baseline.as_dict())))
    assert again == baseline
    assert again.digest == baseline.digest
    for broken in ({"means": 1}, {"base_value": "x"}, {"n_rows": 1.5}):
        with pytest.raises(ValueError, match="baseline"):
            reasons.Baseline.read({**baseline.as_dict(), **broken})


@given(values=cases)
def test_the_record_tells_what_protected_fields_hold(values: list[float]) -> None:
    case = plain.case(*values)
    measure = plain.decided(case).measure
    total = sum(map(abs, values))
    assert measure.protected == {
        "personal__age": pytest.approx(abs(values[6]) / total if total else 0.0),
    }


def test_the_forms_reasons_stand_in_the_forms_order() -> None:
    codes = regulation_b.CODES
    assert len(codes) == 24
    assert (codes["C-1.01"], codes["C-1.07"]) == ("Credit application incomplete", "Length of employment")
    assert codes["C-1.22"] == "Number of recent inquiries on credit bureau report"
    assert codes[regulation_b.OTHER] == "Other, specify"
