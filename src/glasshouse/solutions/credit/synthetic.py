"""Invented applicants whose facts hang together, and whose defaults follow a known risk.

The shapes (how common each value is, which way it moves the risk) are ours, chosen to be plausible for
consumer credit; no row and no estimate is taken from real data. Age, gender and relationship status never
enter the risk: they reach it only through what they go with, as proxies do in the world.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from glasshouse.solutions.credit.applicants import Applicant
from glasshouse.solutions.credit.draws import Draws

_PURPOSES = {
    "new_car": 0.20,
    "used_car": 0.12,
    "furniture": 0.19,
    "electronics": 0.24,
    "appliances": 0.03,
    "repairs": 0.03,
    "education": 0.06,
    "re-training": 0.02,
    "business": 0.09,
    "other": 0.02,
}
_TYPICAL_AMOUNT = {"used_car": 4600, "new_car": 3300, "business": 3900, "other": 5200, "education": 2600}
_RISK: dict[str, dict[Any, float]] = {
    "checking_balance": {"negative": 1.15, "low": 0.5, "high": -0.5, None: -1.3},
    "savings_balance": {"low": 0.5, "medium": 0.1, "high": -0.6, "very_high": -0.9, None: -0.35},
    "repayment_history": {"good": -0.3, "poor": 0.6, "very_poor": 1.2},
    "employment_type": {"unemployed": 0.8, "labourer": 0.25, "professional": 0.0, "management": -0.1},
    "residence_type": {"rent": 0.4, "own": -0.3, "free": 0.15},
    "other_assets": {"real_estate": -0.4, "life_insurance": -0.1, "car_or_other": 0.0, "none": 0.45},
    "guarantor": {True: -1.0, False: 0.0},
    "coapplicant": {True: 0.25, False: 0.0},
    "purpose": {
        "new_car": 0.35,
        "used_car": -0.8,
        "furniture": 0.1,
        "electronics": -0.25,
        "appliances": 0.1,
        "repairs": 0.3,
        "education": 0.5,
        "vacation": 0.4,
        "re-training": -0.4,
        "business": 0.1,
        "other": 0.2,
    },
}
_SHARPNESS = 0.9
_INTERCEPT = -1.46


def applicants(n: int, *, seed: int) -> Iterator[Applicant]:
    """`n` invented applicants; the same for the same seed, and the first of many are those of few."""
    for number in range(n):
        yield _applicant(Draws("applicant", seed, number))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Person:
    """Who the applicant is, before any money: `means` is how well off, in standard deviations."""

    age: int
    means: float
    employment_type: str
    employment_years: int


def _applicant(draws: Draws) -> Applicant:
    person = _person(draws)
    facts = {
        **_household(draws, person),
        **_standing(draws, person),
        **_request(draws, person),
        "age": person.age,
        "employment_type": person.employment_type,
        "employment_years": person.employment_years,
    }
    return Applicant(**facts, default=draws.chance(_chance_of_default(facts)))


def _person(draws: Draws) -> _Person:
    age = min(19 + int(math.exp(draws.normal(2.55, 0.75))), 75)
    means = draws.normal(0.25 * math.tanh((age - 32) / 12), 1.0)
    employment_type = draws.weighted(
        {
            "unemployed": 0.05 * math.exp(-0.6 * means),
            "labourer": 0.20 * math.exp(-0.4 * means),
            "professional": 0.60,
            "management": 0.13 * math.exp(0.7 * means),
        }
    )
    years = 0 if employment_type == "unemployed" else int(draws.share() ** 1.6 * min(age - 17, 30))
    return _Person(age=age, means=means, employment_type=employment_type, employment_years=years)


def _household(draws: Draws, person: _Person) -> dict[str, Any]:
    single = 0.75 if person.age < 27 else 0.35
    relationship_status = draws.weighted({"single": single, "married": 0.9 - single, "divorced": 0.1})
    children = {0: 0.55, 1: 0.25, 2: 0.15, 3: 0.05}
    if relationship_status == "single":
        children = {0: 0.9, 1: 0.08, 2: 0.02}
    owns = math.exp(0.5 * person.means + 0.02 * (person.age - 35))
    return {
        "gender": draws.weighted({"male": 0.58, "female": 0.42}),
        "relationship_status": relationship_status,
        "n_dependents": draws.weighted(children),
        "permit": draws.weighted({"domestic": 0.87, "foreign": 0.13}),
        "residence_type": draws.weighted({"own": 0.66 * owns, "rent": 0.25, "free": 0.09}),
        "residence_years": min(1 + int(draws.share() * person.age / 8), 10),
        "has_telephone": draws.chance(0.55 if person.employment_type == "management" else 0.4),
    }


def _standing(draws: Draws, person: _Person) -> dict[str, Any]:
    rich, poor = math.exp(0.6 * person.means), math.exp(-0.5 * person.means)
    return {
        "checking_balance": draws.weighted(
            {"negative": 0.27 * poor, "low": 0.27, "high": 0.07 * rich, None: 0.39}
        ),
        "savings_balance": draws.weighted(
            {"low": 0.58 * poor, "medium": 0.11, "high": 0.07 * rich, "very_high": 0.05 * rich, None: 0.19}
        ),
        "repayment_history": draws.weighted({"good": 0.66, "poor": 0.19 * poor, "very_poor": 0.11 * poor}),
        "credits_this_bank": draws.weighted({1: 0.63, 2: 0.32, 3: 0.04, 4: 0.01}),
        "credits_other_banks": draws.weighted({0: 0.86, 1: 0.1, 2: 0.04}),
        "credits_other_stores": draws.weighted({0: 0.93, 1: 0.05, 2: 0.02}),
        "other_assets": draws.weighted(
            {"real_estate": 0.27 * rich, "life_insurance": 0.23, "car_or_other": 0.33, "none": 0.15 * poor}
        ),
    }


def _request(draws: Draws, person: _Person) -> dict[str, Any]:
    purpose = draws.weighted(_PURPOSES)
    typical = math.log(_TYPICAL_AMOUNT.get(purpose, 1900))
    amount = round(math.exp(draws.normal(typical + 0.15 * person.means, 0.65)) / 50) * 50
    amount = min(max(amount, 250), 20000)
    months = 6 * round(math.exp(draws.normal(0.5 * math.log(amount / 2300) + math.log(20), 0.35)) / 6)
    months = min(max(months, 6), 72)
    burden = amount / months / (130 * math.exp(0.35 * person.means))
    return {
        "purpose": purpose,
        "amount": amount,
        "duration_months": months,
        "installment_rate": min(max(math.ceil(2.2 * burden + draws.normal(0.4, 0.7)), 1), 4),
        "guarantor": draws.chance(0.06),
        "coapplicant": draws.chance(0.05),
    }


def _chance_of_default(facts: dict[str, Any]) -> float:
    risk = math.fsum(effects[facts[name]] for name, effects in _RISK.items())
    risk += 0.045 * (facts["duration_months"] - 20) + 0.35 * math.log(facts["amount"] / 2500)
    risk += 0.25 * (facts["installment_rate"] - 2)
    risk -= 0.09 * min(facts["employment_years"], 10)
    risk += (
        0.4 * (facts["credits_other_banks"] + facts["credits_other_stores"]) + 0.08 * facts["n_dependents"]
    )
    if facts["checking_balance"] == "negative" and facts["duration_months"] > 24:
        risk += 0.5
    if facts["employment_type"] == "unemployed" and facts["guarantor"]:
        risk -= 0.5
    return 1 / (1 + math.exp(-(_SHARPNESS * risk + _INTERCEPT)))
