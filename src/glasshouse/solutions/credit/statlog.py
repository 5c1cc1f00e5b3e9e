"""Reads the UCI Statlog German credit data (`german.data`): 21 fields a row, categories as codes.

Source of the codes: `german.doc` beside the data (Hofmann 1994, https://doi.org/10.24432/C5NC77). The data
is not shipped. Its known coding faults (Grömping 2019, "South German Credit Data") are kept as they are: a
decoder that silently repaired them would not be reading this file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, TypeVar

from glasshouse.solutions.credit.applicants import Applicant
from glasshouse.solutions.credit.draws import Draws

N_FIELDS = 21
T = TypeVar("T")

_CHECKING: Final[dict[str, str | None]] = {"A11": "negative", "A12": "low", "A13": "high", "A14": None}
_HISTORY: Final = {"A30": "good", "A31": "good", "A32": "good", "A33": "poor", "A34": "very_poor"}
_PURPOSE: Final = {
    "A40": "new_car",
    "A41": "used_car",
    "A42": "furniture",
    "A43": "electronics",
    "A44": "appliances",
    "A45": "repairs",
    "A46": "education",
    "A47": "vacation",
    "A48": "re-training",
    "A49": "business",
    "A410": "other",
}
_SAVINGS: Final[dict[str, str | None]] = {
    "A61": "low",
    "A62": "medium",
    "A63": "high",
    "A64": "very_high",
    "A65": None,
}
_EMPLOYMENT_YEARS: Final = {"A71": (0, 0), "A72": (0, 0), "A73": (1, 3), "A74": (4, 6), "A75": (7, 25)}
_PERSONAL: Final = {
    "A91": ("male", "divorced"),
    "A92": ("female", "not_single"),
    "A93": ("male", "single"),
    "A94": ("male", "married"),
    "A95": ("female", "single"),
}
_DEBTORS: Final = {"A101": "none", "A102": "coapplicant", "A103": "guarantor"}
_ASSETS: Final = {"A121": "real_estate", "A122": "life_insurance", "A123": "car_or_other", "A124": "none"}
_PLANS: Final = {"A141": "bank", "A142": "stores", "A143": "none"}
_HOUSING: Final = {"A151": "rent", "A152": "own", "A153": "free"}
_JOB: Final = {"A171": "unemployed", "A172": "labourer", "A173": "professional", "A174": "management"}
_TELEPHONE: Final = {"A191": False, "A192": True}
_FOREIGN: Final = {"A201": "foreign", "A202": "domestic"}
_LABEL: Final = {"1": False, "2": True}


class BadRow(ValueError):
    """A line of the file is not a row of the Statlog German credit data."""

    def __init__(self, *, line: int, problem: str) -> None:
        super().__init__(f"line {line} of the German credit data: {problem}")


def read(path: Path, *, seed: int) -> list[Applicant]:
    """All applicants of the file, in its order. The seed fills in what the file gives as a range."""
    lines = path.read_text(encoding="ascii").splitlines()
    return [_decode(line.split(), line=n, seed=seed) for n, line in enumerate(lines, 1) if line.strip()]


def _decode(fields: list[str], *, line: int, seed: int) -> Applicant:
    if len(fields) != N_FIELDS:
        raise BadRow(line=line, problem=f"{len(fields)} fields, not {N_FIELDS}")

    def number(position: int) -> int:
        if not fields[position - 1].isdigit():
            raise BadRow(line=line, problem=f"field {position} is {fields[position - 1]!r}, not a number")
        return int(fields[position - 1])

    def code(position: int, words: dict[str, T]) -> T:
        if fields[position - 1] not in words:
            raise BadRow(line=line, problem=f"field {position} has the unknown code {fields[position - 1]!r}")
        return words[fields[position - 1]]

    draws = Draws("statlog", seed, line)
    gender, relationship_status = code(9, _PERSONAL)
    plans, debtors = code(14, _PLANS), code(10, _DEBTORS)
    return Applicant(
        amount=number(5),
        duration_months=number(2),
        purpose=code(4, _PURPOSE),
        installment_rate=number(8),
        guarantor=debtors == "guarantor",
        coapplicant=debtors == "coapplicant",
        default=code(21, _LABEL),
        checking_balance=code(1, _CHECKING),
        savings_balance=code(6, _SAVINGS),
        repayment_history=code(3, _HISTORY),
        credits_this_bank=number(16),
        credits_other_banks=draws.whole(1, 2) if plans == "bank" else 0,
        credits_other_stores=draws.whole(1, 2) if plans == "stores" else 0,
        other_assets=code(12, _ASSETS),
        age=number(13),
        gender=gender,
        relationship_status=relationship_status,
        n_dependents=number(18),
        employment_type=code(17, _JOB),
        employment_years=draws.whole(*code(7, _EMPLOYMENT_YEARS)),
        permit=code(20, _FOREIGN),
        residence_type=code(15, _HOUSING),
        residence_years=number(11),
        has_telephone=code(19, _TELEPHONE),
    )
