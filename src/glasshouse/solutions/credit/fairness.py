"""How the explainer's verdicts fall on groups it was never told about. A first look, not a clearance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
YOUNG = 26
"""Up to this age (excluded) an applicant counts as young, as in the literature on this data."""

_GROUPS: dict[str, Callable[[Row], str]] = {
    "gender": lambda row: str(row["personal__gender"]),
    "age": lambda row: f"under {YOUNG}" if row["personal__age"] < YOUNG else f"{YOUNG} and over",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How many of a group were referred to a person, and how many defaulted in truth."""

    attribute: str
    group: str
    n: int
    referred: float
    defaulted: float


def shares(
    protected: Sequence[Row], *, predictions: Sequence[float], defaults: Sequence[bool], cut_off: float
) -> list[Share]:
    """One share per attribute and group; the groups of an attribute in alphabetical order."""
    found = []
    for attribute, group_of in _GROUPS.items():
        groups = [group_of(row) for row in protected]
        for group in sorted(set(groups)):
            members = [n for n, name in enumerate(groups) if name == group]
            found.append(
                Share(
                    attribute=attribute,
                    group=group,
                    n=len(members),
                    referred=sum(predictions[n] > cut_off for n in members) / len(members),
                    defaulted=sum(defaults[n] for n in members) / len(members),
                )
            )
    return found


def in_words(found: Sequence[Share]) -> list[str]:
    """One line per attribute."""
    return [
        f"referred, by {attribute}: "
        + "; ".join(
            f"{100 * share.referred:.0f} % of {share.n} {share.group} ({100 * share.defaulted:.0f} % defaulted)"
            for share in found
            if share.attribute == attribute
        )
        for attribute in dict.fromkeys(share.attribute for share in found)
    ]
