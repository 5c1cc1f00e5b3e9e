"""The deck's three tables (credits, people, contacts), as one-to-many as a bank's own would be."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glasshouse.solutions.credit import names
from glasshouse.solutions.credit.applicants import Applicant
from glasshouse.solutions.credit.draws import Draws

PART = "part-r-00000"
CREDIT_COLUMNS = (
    "credit_id",
    "person_id",
    "amount",
    "duration",
    "purpose",
    "installment_rate",
    "guarantor",
    "coapplicant",
    "default",
)
CONTACT_COLUMNS = ("contact_id", "person_id", "type", "value")
MAX_CONTACTS = 5
_OTHER_CONTACTS = {0: 0.25, 1: 0.22, 2: 0.23, 3: 0.18, 4: 0.12}

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tables:
    """Rows of the three tables; `person_id` joins them."""

    credits: list[Row] = field(default_factory=list)
    people: list[Row] = field(default_factory=list)
    contacts: list[Row] = field(default_factory=list)

    def files(self) -> dict[str, bytes]:
        """The tables as files: two CSV with a header, one JSON Lines. Keys are paths below `datasets/`."""
        return {
            f"credits/{PART}": _csv(CREDIT_COLUMNS, self.credits),
            f"people/{PART}": _json_lines(self.people),
            f"contacts/{PART}": _csv(CONTACT_COLUMNS, self.contacts),
        }

    def write(self, folder: Path) -> None:
        """Writes the three files below the folder."""
        for name, content in self.files().items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def build(applicants: Iterable[Applicant], *, seed: int) -> Tables:
    """Tables of these applicants, with invented identifiers, names and contacts."""
    tables, taken = Tables(), set[str]()
    for number, applicant in enumerate(applicants):
        draws = Draws("person", seed, number)
        person_id = draws.identifier(taken)
        name = names.person(draws, gender=applicant.gender)
        tables.credits.append(_credit(applicant, credit_id=draws.identifier(taken), person_id=person_id))
        tables.people.append(_person(applicant, draws, person_id=person_id, name=name))
        tables.contacts.extend(_contacts(applicant, draws, person_id=person_id, name=name, taken=taken))
    return tables


def _credit(applicant: Applicant, *, credit_id: str, person_id: str) -> Row:
    return {
        "credit_id": credit_id,
        "person_id": person_id,
        "amount": applicant.amount,
        "duration": applicant.duration_months,
        "purpose": applicant.purpose,
        "installment_rate": applicant.installment_rate,
        "guarantor": int(applicant.guarantor),
        "coapplicant": int(applicant.coapplicant),
        "default": applicant.default,
    }


def _person(applicant: Applicant, draws: Draws, *, person_id: str, name: str) -> Row:
    accounts = {}
    if applicant.checking_balance is not None:
        accounts["checking"] = {"balance": applicant.checking_balance}
    if applicant.savings_balance is not None:
        accounts["savings"] = {"balance": applicant.savings_balance}
    return {
        "person_id": person_id,
        "finance": {
            "accounts": accounts,
            "repayment_history": applicant.repayment_history,
            "credits": {
                "this_bank": applicant.credits_this_bank,
                "other_banks": applicant.credits_other_banks,
                "other_stores": applicant.credits_other_stores,
            },
            "other_assets": applicant.other_assets,
        },
        "personal": {
            "age": applicant.age,
            "gender": applicant.gender,
            "relationship_status": applicant.relationship_status,
            "name": name,
        },
        "dependents": [_dependent(draws, family=name.split()[-1]) for _ in range(applicant.n_dependents)],
        "employment": {
            "type": applicant.employment_type,
            "title": names.occupation(draws, employment_type=applicant.employment_type),
            "duration": applicant.employment_years,
            "permit": applicant.permit,
        },
        "residence": {"type": applicant.residence_type, "duration": applicant.residence_years},
    }


def _dependent(draws: Draws, *, family: str) -> Row:
    gender = draws.one_of(("female", "male"))
    return {"gender": gender, "name": f"{names.person(draws, gender=gender).split()[0]} {family}"}


def _contacts(
    applicant: Applicant, draws: Draws, *, person_id: str, name: str, taken: set[str]
) -> Iterable[Row]:
    kinds = ["telephone"] if applicant.has_telephone else []
    for _ in range(draws.weighted(_OTHER_CONTACTS)):
        others = ("email", "address", "telephone") if applicant.has_telephone else ("email", "address")
        kinds.append(draws.one_of(others))
    for kind in kinds[:MAX_CONTACTS]:
        value = names.contact(draws, kind=kind, name=name).replace("\n", "\\n")
        yield {"contact_id": draws.identifier(taken), "person_id": person_id, "type": kind, "value": value}


def _csv(columns: tuple[str, ...], rows: list[Row]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _json_lines(rows: list[Row]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
