"""One applicant as flat facts, whatever the source; the words that each categorical fact may take."""

from __future__ import annotations

from dataclasses import dataclass

PURPOSES = (
    "new_car",
    "used_car",
    "furniture",
    "electronics",
    "appliances",
    "repairs",
    "education",
    "vacation",
    "re-training",
    "business",
    "other",
)
CHECKING_BALANCES = ("negative", "low", "high")
SAVINGS_BALANCES = ("low", "medium", "high", "very_high")
REPAYMENT_HISTORIES = ("good", "poor", "very_poor")
OTHER_ASSETS = ("real_estate", "life_insurance", "car_or_other", "none")
EMPLOYMENT_TYPES = ("unemployed", "labourer", "professional", "management")
RESIDENCE_TYPES = ("rent", "own", "free")


@dataclass(frozen=True, slots=True, kw_only=True)
class Applicant:
    """One credit application and the person behind it. A balance of None means: no such account."""

    amount: int
    duration_months: int
    purpose: str
    installment_rate: int
    guarantor: bool
    coapplicant: bool
    default: bool
    checking_balance: str | None
    savings_balance: str | None
    repayment_history: str
    credits_this_bank: int
    credits_other_banks: int
    credits_other_stores: int
    other_assets: str
    age: int
    gender: str
    relationship_status: str
    n_dependents: int
    employment_type: str
    employment_years: int
    permit: str
    residence_type: str
    residence_years: int
    has_telephone: bool
