"""The credit solution's tables: invented or decoded, always the same, always whole."""

import csv
import dataclasses
import hashlib
import io
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasshouse.solutions.credit import applicants, draws, people, statlog, synthetic, tables
from tests.support import credit

SEED = 42
ROW = "A11 6 A34 A43 1169 A65 A75 4 A93 A101 4 A121 67 A143 A152 2 A173 1 A192 A201 1"


@pytest.fixture(scope="module")
def built() -> tables.Tables:
    return tables.build(synthetic.applicants(1000, seed=SEED), seed=SEED)


def digest(built: tables.Tables) -> str:
    return hashlib.sha256(b"".join(content for _, content in sorted(built.files().items()))).hexdigest()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_everywhere(built: tables.Tables) -> None:
    again = tables.build(synthetic.applicants(1000, seed=SEED), seed=SEED)
    other = tables.build(synthetic.applicants(1000, seed=SEED + 1), seed=SEED + 1)
    assert digest(again) == digest(built) != digest(other)
    assert digest(built) == "0103245b19b5bd364d8bf54cbc6c50afeb20877c873ea4340fbee4355db016bc"


def test_the_first_of_many_applicants_are_those_of_few() -> None:
    assert list(synthetic.applicants(5, seed=SEED)) == list(synthetic.applicants(30, seed=SEED))[:5]


def test_the_tables_have_the_decks_columns(built: tables.Tables) -> None:
    files = built.files()
    credits = list(csv.reader(io.StringIO(files["credits/part-r-00000"].decode())))
    contacts = list(csv.reader(io.StringIO(files["contacts/part-r-00000"].decode())))
    person = json.loads(files["people/part-r-00000"].decode().splitlines()[0])
    assert credits[0] == [
        *("credit_id", "person_id", "amount", "duration", "purpose"),
        *("installment_rate", "guarantor", "coapplicant", "default"),
    ]
    assert contacts[0] == ["contact_id", "person_id", "type", "value"]
    assert list(person) == ["person_id", "finance", "personal", "dependents", "employment", "residence"]
    assert list(person["finance"]) == ["accounts", "repayment_history", "credits", "other_assets"]
    assert list(person["employment"]) == ["type", "title", "duration", "permit"]


def test_every_credit_and_contact_belongs_to_one_person(built: tables.Tables) -> None:
    people = [person["person_id"] for person in built.people]
    every_id = people + [row["credit_id"] for row in built.credits]
    every_id += [row["contact_id"] for row in built.contacts]
    assert len(set(every_id)) == len(every_id)
    assert [row["person_id"] for row in built.credits] == people
    assert {row["person_id"] for row in built.contacts} <= set(people)


def test_contacts_are_one_to_many_and_a_line_each(built: tables.Tables) -> None:
    counts = Counter(row["person_id"] for row in built.contacts)
    assert max(counts.values()) == 5
    assert len(counts) < len(built.people)
    assert built.files()["contacts/part-r-00000"].count(b"\n") == len(built.contacts) + 1


def test_an_applicant_without_an_account_has_no_account_object(built: tables.Tables) -> None:
    accounts = [person["finance"]["accounts"] for person in built.people]
    assert any("checking" not in account for account in accounts)
    assert all(account["checking"]["balance"] for account in accounts if "checking" in account)


def test_names_and_numbers_reach_nobody(built: tables.Tables) -> None:
    for row in built.contacts:
        match row["type"]:
            case "telephone":
                assert row["value"].startswith("+44 1632 960")
            case "email":
                assert row["value"].endswith("@example.org")


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_every_invented_fact_is_one_the_deck_knows(seed: int) -> None:
    for applicant in synthetic.applicants(20, seed=seed):
        assert applicant.purpose in applicants.PURPOSES
        assert applicant.checking_balance in {*applicants.CHECKING_BALANCES, None}
        assert applicant.savings_balance in {*applicants.SAVINGS_BALANCES, None}
        assert applicant.repayment_history in applicants.REPAYMENT_HISTORIES
        assert applicant.other_assets in applicants.OTHER_ASSETS
        assert applicant.employment_type in applicants.EMPLOYMENT_TYPES
        assert applicant.residence_type in applicants.RESIDENCE_TYPES
        assert 19 <= applicant.age <= 75
        assert 0 <= applicant.employment_years <= applicant.age - 16
        assert 1 <= applicant.installment_rate <= 4
        assert 250 <= applicant.amount <= 20_000
        assert 6 <= applicant.duration_months <= 72


@pytest.mark.slow
def test_about_three_in_ten_default_and_no_protected_attribute_moves_it_directly() -> None:
    many = list(synthetic.applicants(10_000, seed=7))
    assert 0.27 < sum(a.default for a in many) / len(many) < 0.33
    for protected in ("age", "gender", "relationship_status"):
        assert protected not in synthetic._RISK  # the table of what moves the risk


def test_draws_follow_their_weights() -> None:
    source = draws.Draws("weights")
    found = Counter(source.weighted({"a": 1.0, "b": 3.0}) for _ in range(4000))
    assert 0.70 < found["b"] / 4000 < 0.80


def test_a_row_of_the_german_data_is_decoded_code_by_code(tmp_path: Path) -> None:
    (tmp_path / "german.data").write_text(ROW + "\n")
    (applicant,) = statlog.read(tmp_path / "german.data", seed=SEED)
    facts = dataclasses.asdict(applicant)
    assert 7 <= facts.pop("employment_years") <= 25
    assert facts == {
        "amount": 1169,
        "duration_months": 6,
        "purpose": "electronics",
        "installment_rate": 4,
        "guarantor": False,
        "coapplicant": False,
        "default": False,
        "checking_balance": "negative",
        "savings_balance": None,
        "repayment_history": "very_poor",
        "credits_this_bank": 2,
        "credits_other_banks": 0,
        "credits_other_stores": 0,
        "other_assets": "real_estate",
        "age": 67,
        "gender": "male",
        "relationship_status": "single",
        "n_dependents": 1,
        "employment_type": "professional",
        "permit": "foreign",
        "residence_type": "own",
        "residence_years": 4,
        "has_telephone": True,
    }


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        (ROW.replace("A43", "A4711"), "line 1 .* field 4 has the unknown code 'A4711'"),
        (ROW.replace("1169", "much"), "line 1 .* field 5 is 'much', not a number"),
        (ROW[:-2], "line 1 .* 20 fields, not 21"),
    ],
)
def test_a_bad_row_is_refused_by_line_and_field(tmp_path: Path, bad: str, complaint: str) -> None:
    (tmp_path / "german.data").write_text(bad + "\n")
    with pytest.raises(statlog.BadRow, match=complaint):
        statlog.read(tmp_path / "german.data", seed=SEED)


def test_the_whole_real_file_is_decoded() -> None:
    found = statlog.read(credit.real_data(), seed=SEED)
    assert len(found) == 1000
    assert sum(a.default for a in found) == 300
    assert {a.purpose for a in found} == set(applicants.PURPOSES) - {"vacation"}
    assert sum(a.checking_balance is None for a in found) == 394


def test_a_letter_finds_the_persons_name_and_address() -> None:
    built = tables.build(synthetic.applicants(40, seed=5), seed=5)
    contacts = built.files()[f"contacts/{tables.PART}"].decode()
    at_home = next(row for row in built.contacts if row["type"] == "address")
    found = people.find(at_home["person_id"], people=built.people, contacts=contacts)
    person = next(row for row in built.people if row["person_id"] == at_home["person_id"])
    assert found.name == person["personal"]["name"]
    assert found.address == tuple(at_home["value"].split("\\n"))
    assert len(found.address) == 2
    homeless = {row["person_id"] for row in built.people} - {
        row["person_id"] for row in built.contacts if row["type"] == "address"
    }
    assert people.find(min(homeless), people=built.people, contacts=contacts).address == ()
    with pytest.raises(people.UnknownPerson, match="0badcafe"):
        people.find("0badcafe", people=built.people, contacts=contacts)
