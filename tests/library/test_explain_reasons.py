"""Reasons are true, ordered, complete, never protected, and absent when nothing was verified."""

from __future__ import annotations

import datetime
import json
import math
import textwrap
import tomllib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasskit import explain
from glasskit.explain import letters, policies, reasons, regulation_b

DAY = datetime.date(2026, 6, 1)
POLICY = """
format = 1
name = "Consumer credit"
version = "7"
effective_from = 2026-01-01
codes = "regulation-b-c1"
space = "log-odds"
baseline = "model"
adverse = "above"
threshold = 0.5
tie_tolerance = 0.01

[protected]
fields = ["personal__age"]
share = 0.1
when_it_drives = "flag"

[reasons.amount]
code = "C-1.08"
text = "The amount you asked for is high for the income you told us about"
[reasons.employment]
code = "C-1.07"
text = "The time you have been in your present employment"
[reasons.obligations]
code = "C-1.09"
text = "The number of credits you have with other lenders"
[reasons.checking]
code = "C-1.24"
text = "The balance of your checking account"
[reasons.no_checking]
code = "C-1.24"
text = "You have no checking account with us"
[reasons.residence]
code = "C-1.11"
text = "The time you have lived at your present address"

[fields]
amount = "amount"
employment = "employment"
other_banks = "obligations"
other_stores = "obligations"
residence = "residence"
checking = { by_value = { no_account = "no_checking" }, otherwise = "checking" }

[letter]
creditor = "Example Bank"
address = "1 High Street, Springfield"
contact = "0800 000 000, on weekdays"
notice = "The law forbids us to treat applicants differently for their race, sex, age or religion."
"""
NAMES = (
    *("amount", "employment", "other_banks", "other_stores", "residence"),
    *("checking__no_account", "checking__low", "personal__age"),
)


def policy(**changes: str) -> policies.Policy:
    text = POLICY
    for old, new in changes.items():
        line = next(line for line in text.splitlines() if line.startswith(f"{old} ="))
        text = text.replace(line, f"{old} = {new}", 1)
    return policies.parse(text)


def case(
    amount: float = 0.0,
    employment: float = 0.0,
    other_banks: float = 0.0,
    other_stores: float = 0.0,
    residence: float = 0.0,
    no_account: float = 0.0,
    age: float = 0.0,
    base_value: float = 0.0,
) -> explain.Attribution:
    values = [amount, employment, other_banks, other_stores, residence, no_account, 0.0, age]
    data = [5000.0, 1.0, 2.0, 0.0, 4.0, 1.0, 0.0, 30.0]
    return explain.Attribution(names=NAMES, values=values, base_value=base_value, data=data)


def decided(
    attribution: explain.Attribution, under: policies.Policy | None = None, **more: object
) -> reasons.Outcome:
    return reasons.decide(attribution, under or policy(), margin=attribution.margin, on=DAY, **more)


def declined(attribution: explain.Attribution, under: policies.Policy | None = None) -> reasons.Declined:
    outcome = decided(attribution, under)
    assert isinstance(outcome, reasons.Declined)
    return outcome


def test_reasons_are_the_strongest_adverse_fields_in_order() -> None:
    outcome = declined(case(amount=1.0, employment=2.0, residence=-1.5, no_account=0.5))
    assert [reason.key for reason in outcome.reasons] == ["employment", "amount", "no_checking"]
    assert [reason.rank for reason in outcome.reasons] == [1, 2, 3]
    assert outcome.reasons[0].code == "C-1.07"
    assert outcome.reasons[2].data == {"checking": "no_account"}
    assert sum(reason.share for reason in outcome.reasons) == pytest.approx(1.0)
    assert outcome.flags == ()


def test_fields_with_one_reason_count_together() -> None:
    outcome = declined(case(amount=1.0, other_banks=0.7, other_stores=0.6))
    assert [reason.key for reason in outcome.reasons] == ["obligations", "amount"]
    assert outcome.reasons[0].fields == ("other_banks", "other_stores")
    assert outcome.reasons[0].contribution == pytest.approx(1.3)


def test_no_more_reasons_than_the_policy_allows() -> None:
    outcome = declined(case(amount=5, employment=4, other_banks=3, residence=2, no_account=1))
    assert len(outcome.reasons) == regulation_b.MOST_REASONS


def test_a_favourable_prediction_is_approved_without_reasons() -> None:
    assert isinstance(decided(case(amount=-1.0)), reasons.Approved)
    assert isinstance(decided(case()), reasons.Approved), "exactly the threshold is not above it"


def test_low_predictions_can_be_the_adverse_ones() -> None:
    under = policy(adverse='"below"')
    outcome = declined(case(amount=-2.0, employment=0.5), under)
    assert [reason.key for reason in outcome.reasons] == ["amount"]
    assert outcome.reasons[0].contribution == 2.0


def test_what_was_not_verified_decides_nothing() -> None:
    outcome = reasons.decide(case(amount=2.0), policy(), margin=None, on=DAY)
    assert isinstance(outcome, reasons.NotDecided)
    assert outcome.why == "not_verified"


@pytest.mark.parametrize("margin", [2.0001, math.nan, math.inf])
def test_what_does_not_add_up_decides_nothing(margin: float) -> None:
    outcome = reasons.decide(case(amount=2.0), policy(), margin=margin, on=DAY)
    assert isinstance(outcome, reasons.NotDecided)
    assert outcome.why == "does_not_add_up"


def test_a_decline_without_an_adverse_contribution_is_not_decided() -> None:
    outcome = decided(case(base_value=3.0, amount=-1.0))
    assert isinstance(outcome, reasons.NotDecided)
    assert outcome.why == "no_adverse_contribution"


def test_a_protected_field_is_never_a_reason_and_is_flagged() -> None:
    outcome = declined(case(amount=1.0, age=3.0))
    assert [reason.key for reason in outcome.reasons] == ["amount"]
    assert [(flag.kind, flag.about) for flag in outcome.flags] == [("protected_drives", ("personal__age",))]
    assert "75.0 %" in outcome.flags[0].sentence


def test_a_policy_can_refer_what_a_protected_field_drives() -> None:
    under = policy(when_it_drives='"refer"')
    for attribution in (case(amount=1.0, age=3.0), case(amount=-1.0, age=-3.0)):
        outcome = decided(attribution, under)
        assert isinstance(outcome, reasons.NotDecided)
        assert outcome.why == "protected_drives"


def test_referring_is_what_a_policy_does_unless_it_says_otherwise() -> None:
    without = "\n".join(line for line in POLICY.splitlines() if not line.startswith("when_it_drives"))
    assert policies.parse(without).protected.when_it_drives == "refer"


def test_ties_and_a_selection_that_hangs_on_little_are_flagged() -> None:
    close = case(amount=1.0, employment=1.005, other_banks=0.5, residence=0.3, no_account=0.295)
    flags = {flag.kind: flag.about for flag in declined(close).flags}
    assert flags == {
        "tie": ("employment", "amount"),
        "unstable_selection": ("residence", "no_checking"),
    }
    refused = decided(close, policy(tie_tolerance='0.01\nwhen_unstable = "refer"'))
    assert isinstance(refused, reasons.NotDecided)
    assert refused.why == "unstable_selection"


def test_a_field_the_policy_does_not_know_is_an_error() -> None:
    odd = explain.Attribution(names=["amount", "zodiac"], values=[2.0, 0.0], base_value=0.0)
    with pytest.raises(reasons.UnmappedField, match="'zodiac'"):
        decided(odd)


def test_the_baseline_must_be_the_one_declared() -> None:
    with pytest.raises(reasons.BaselineMismatch, match="approved"):
        decided(case(amount=2.0), policy(baseline='"approved applicants"'))
    with pytest.raises(reasons.BaselineMismatch, match="log-odds"):
        decided(explain.Attribution(names=["amount"], values=[2.0], base_value=0.0, link="identity"))


def test_a_policy_outside_its_time_decides_nothing() -> None:
    with pytest.raises(policies.NoPolicyInForce):
        reasons.decide(case(), policy(), margin=0.0, on=datetime.date(2025, 12, 31))


def population(n_rows: int = 50) -> explain.Explanation:
    random = np.random.default_rng(1)
    return explain.Explanation(
        values=random.normal(size=(n_rows, len(NAMES))),
        base_values=np.zeros(n_rows),
        data=np.ones((n_rows, len(NAMES))),
        feature_names=NAMES,
    )


@given(st.lists(st.floats(-5, 5), min_size=len(NAMES), max_size=len(NAMES)))
def test_a_baseline_moves_the_start_and_never_the_prediction(values: list[float]) -> None:
    whole = population()
    accepted = whole.values.sum(axis=1) < 0
    baseline = reasons.Baseline.of(whole, name="approved", rows=accepted)
    one = explain.Attribution(names=NAMES, values=values, base_value=0.0)
    moved = baseline.recentred(one)
    assert moved.margin == pytest.approx(one.margin, abs=1e-9)
    assert moved.base_value == pytest.approx(whole.values[accepted].sum(axis=1).mean())
    assert baseline.n_rows == accepted.sum()


def test_contributions_are_measured_from_the_declared_population() -> None:
    whole = population()
    baseline = reasons.Baseline.of(whole, name="approved applicants")
    attribution = case(amount=3.0, employment=3.0)
    outcome = decided(attribution, policy(baseline='"approved applicants"'), baseline=baseline)
    assert isinstance(outcome, reasons.Declined)
    by_key = {reason.key: reason.contribution for reason in outcome.reasons}
    assert by_key["amount"] == pytest.approx(3.0 - whole.values[:, 0].mean())
    assert outcome.measure.baseline_rows == 50


def test_a_baseline_of_another_model_is_refused() -> None:
    baseline = reasons.Baseline.of(population(), name="approved")
    with pytest.raises(ValueError, match="not of one model"):
        baseline.recentred(case(base_value=1.0))


@given(
    st.lists(st.floats(-3, 3), min_size=7, max_size=7),
    st.floats(0, 0.5),
)
def test_every_decision_obeys_the_rules(values: list[float], tolerance: float) -> None:
    attribution = case(*values)
    outcome = decided(attribution, policy(tie_tolerance=str(tolerance)))
    adverse = attribution.prediction > 0.5
    assert isinstance(outcome, reasons.Approved) == (not adverse)
    if isinstance(outcome, reasons.Declined):
        assert 1 <= len(outcome.reasons) <= 4
        shown = [reason.contribution for reason in outcome.reasons]
        assert shown == sorted(shown, reverse=True)
        assert min(shown) > tolerance
        assert all("personal__age" not in reason.fields for reason in outcome.reasons)


def test_an_outcome_is_a_record() -> None:
    content = json.loads(json.dumps(declined(case(amount=1.0)).as_dict()))
    assert content["outcome"] == "Declined"
    assert content["measure"]["policy_digest"].startswith("sha256:")
    assert content["measure"]["on"] == "2026-06-01"
    assert content["reasons"][0]["code"] == "C-1.08"


def test_the_digest_is_that_of_the_rules_not_of_the_file() -> None:
    as_json = json.dumps(tomllib.loads(POLICY), default=str)
    assert policies.parse(as_json, kind="json").digest == policies.parse("# a note\n" + POLICY).digest
    assert policy(threshold="0.4").digest != policy().digest


@pytest.mark.parametrize(
    ("old", "new", "entry"),
    [
        ("format = 1", "format = 2", "format"),
        ("threshold = 0.5", 'threshold = "high"', "threshold"),
        ("threshold = 0.5", "treshold = 0.5", "treshold"),
        ('"regulation-b-c1"', '"mine"', "codes"),
        ("C-1.08", "C-9.99", "reasons.amount.code"),
        ('amount = "amount"', 'amount = "sum"', "fields.amount"),
        ("amount = ", "personal__age = ", "fields.personal__age"),
        ("2026-01-01", '"soon"', "effective_from"),
        ("tie_tolerance = 0.01", "tie_tolerance = -1", "tie_tolerance"),
        ('when_it_drives = "flag"', 'when_it_drives = "ignore"', "protected.when_it_drives"),
        (', otherwise = "checking"', "", "fields.checking.otherwise"),
    ],
)
def test_a_policy_with_a_mistake_is_refused_by_name(old: str, new: str, entry: str) -> None:
    with pytest.raises(policies.PolicyInvalid) as refused:
        policies.parse(POLICY.replace(old, new, 1))
    assert refused.value.entry == entry


def test_the_policy_in_force_is_the_latest_that_began() -> None:
    old = policy()
    new = policy(version='"8"', effective_from="2026-05-01")
    ended = policy(version='"9"', effective_from="2026-05-15\neffective_until = 2026-05-20")
    assert policies.in_force([new, ended, old], on=DAY) is new
    assert policies.in_force([new, old], on=datetime.date(2026, 4, 30)) is old
    with pytest.raises(policies.NoPolicyInForce):
        policies.in_force([old, new], on=datetime.date(2025, 1, 1))


def test_the_letter_says_the_reasons_and_nothing_of_the_protected() -> None:
    outcome = declined(case(amount=1.0, employment=2.0, age=0.1))
    letter = letters.adverse_action(
        outcome,
        policy(),
        applicant="Ms Doe",
        reference="1a2b",
        on=DAY,
        could_help=["Asking for 3,000 instead of 5,000."],
    )
    assert "Dear Ms Doe" in letter
    assert "1 June 2026" in letter
    first, second = (letter.index(text) for text in ("1. The time you have been", "2. The amount you asked"))
    assert first < second
    assert "considered your application for credit, and" in letter
    assert "- Asking for 3,000" in letter
    assert "30" not in letter
    assert max(map(len, letter.splitlines())) <= 78
    assert textwrap.dedent(letter) == letter


def test_a_letter_states_the_policy_that_decided() -> None:
    with pytest.raises(reasons.BaselineMismatch):
        letters.adverse_action(
            declined(case(amount=1.0)), policy(threshold="0.4"), applicant="A", reference="1", on=DAY
        )
