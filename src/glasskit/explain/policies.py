"""Policies of reasons: an editable, dated file that says which words stand for which field.

A policy is TOML or JSON. It declares what an adverse decision is, the space and the baseline that
contributions are measured in, the applicant's fields with the reason each may give, and the fields
that must never be one. Unknown keys are refused, so that a misspelt rule is not a missing rule. The
digest is that of the content: the same rules have the same digest in TOML and in JSON, whatever
their comments.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import pathlib
import tomllib
from collections.abc import Iterable, Mapping
from typing import Literal, cast

from glasskit.explain import policy_parts

Space = Literal["log-odds", "log", "prediction"]
Conduct = Literal["flag", "refer"]

MODEL_BASELINE = "model"
"""The baseline's name when contributions stay as the model's own: measured from its expected value."""

APPLICATION = "your application for credit"
"""What a letter says was considered, unless the policy names the product."""


class PolicyInvalid(ValueError):
    """A policy file that cannot be used; names the entry."""

    def __init__(self, entry: str, problem: str) -> None:
        super().__init__(f"The policy's {entry} {problem}.")
        self.entry = entry


class NoPolicyInForce(LookupError):
    """No policy holds on the day."""

    def __init__(self, day: datetime.date) -> None:
        super().__init__(f"No policy is in force on {day.isoformat()}.")
        self.day = day


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """A reason as a letter states it."""

    key: str
    code: str
    text: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Protected:
    """Fields that are never a reason. One drives a score when it holds more than `share` of all movement."""

    fields: tuple[str, ...] = ()
    share: float = 0.05
    when_it_drives: Conduct = "refer"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Letterhead:
    """What a letter says besides the reasons."""

    creditor: str
    address: str
    contact: str
    notice: str
    product: str = APPLICATION


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Which reasons an adverse decision may give, from when, and measured how.

    fields: field -> value -> key of a reason; the value "" stands for every other value.
    tie_tolerance: contributions that differ by no more than this may stand in either order, and one
    that is no larger is no reason; in units of the space.
    nearby: numeric field -> a change so small that decision and reasons should outlive it.
    """

    name: str
    version: str
    effective_from: datetime.date
    effective_until: datetime.date | None
    digest: str
    codes: str
    space: Space
    baseline: str
    adverse: Literal["above", "below"]
    threshold: float
    most_reasons: int
    tie_tolerance: float
    when_unstable: Conduct
    protected: Protected
    reasons: Mapping[str, Wording]
    fields: Mapping[str, Mapping[str, str]]
    letter: Letterhead | None = None
    nearby: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def in_force(self, day: datetime.date) -> bool:
        """Whether the policy holds on a day."""
        return self.effective_from <= day and (self.effective_until is None or day <= self.effective_until)

    def wording(self, field: str, given: object) -> Wording:
        """The reason that a field's value gives."""
        by_value = self.fields[field]
        return self.reasons[by_value.get(value_key(given)) or by_value[""]]


def load(source: pathlib.Path | str) -> Policy:
    """The policy in a .toml or .json file."""
    path = pathlib.Path(source)
    text = path.read_text(encoding="utf-8")
    return parse(text, kind="json" if path.suffix == ".json" else "toml")


def parse(text: str, *, kind: Literal["toml", "json"] = "toml") -> Policy:
    """The policy in a text."""
    try:
        content = json.loads(text) if kind == "json" else tomllib.loads(text)
    except ValueError as exc:
        raise PolicyInvalid("text", f"is not {kind.upper()}: {exc}") from exc
    if not isinstance(content, dict):
        raise PolicyInvalid("text", "is not a table")
    return read(content)


def read(content: Mapping[str, object]) -> Policy:
    """The policy in a mapping, as TOML or JSON parsers give it."""
    try:
        return _read(policy_parts.Entry(name="", content=content))
    except policy_parts.EntryInvalid as exc:
        raise PolicyInvalid(exc.entry, exc.problem) from exc


def in_force(policies: Iterable[Policy], *, on: datetime.date) -> Policy:
    """The policy that holds on a day: of those in force, the one that began last.

    Raises NoPolicyInForce, and ValueError when two that differ began on the same day.
    """
    held = sorted((policy for policy in policies if policy.in_force(on)), key=_began)
    if not held:
        raise NoPolicyInForce(on)
    if len({policy.digest for policy in held if _began(policy) == _began(held[-1])}) > 1:
        raise ValueError(f"two different policies began on {held[-1].effective_from.isoformat()}")
    return held[-1]


def value_key(given: object) -> str:
    """A field's value as a policy writes it.

    >>> value_key(True), value_key(2.0), value_key(float("nan")), value_key("rent")
    ('true', '2', 'missing', 'rent')
    """
    if given is None or given != given:
        return "missing"
    if isinstance(given, bool) or type(given).__name__ == "bool":
        return "true" if given else "false"
    if isinstance(given, float) and given.is_integer():
        return str(int(given))
    return str(given)


def _began(policy: Policy) -> datetime.date:
    return policy.effective_from


def _read(entry: policy_parts.Entry) -> Policy:
    entry.require_known(
        "format name version effective_from effective_until codes space baseline adverse threshold "
        "most_reasons tie_tolerance when_unstable protected reasons fields letter nearby".split()
    )
    if entry.whole("format", 1) != 1:
        raise policy_parts.EntryInvalid("format", "is not 1, the only one there is")
    codes = entry.text("codes")
    reasons = policy_parts.wordings(entry.table("reasons"), codes)
    protected = _protected(entry.table("protected", optional=True))
    until = entry.day("effective_until") if "effective_until" in entry.content else None
    policy = Policy(
        name=entry.text("name"),
        version=entry.text("version"),
        effective_from=entry.day("effective_from"),
        effective_until=until,
        digest=_digest(entry.content),
        codes=codes,
        space=cast(Space, entry.one_of("space", ("log-odds", "log", "prediction"))),
        baseline=entry.text("baseline"),
        adverse=cast(Literal["above", "below"], entry.one_of("adverse", ("above", "below"))),
        threshold=entry.number("threshold"),
        most_reasons=entry.whole("most_reasons", 4, low=1),
        tie_tolerance=entry.number("tie_tolerance", low=0.0),
        when_unstable=cast(Conduct, entry.one_of("when_unstable", ("flag", "refer"), default="flag")),
        protected=protected,
        reasons={key: Wording(key=key, code=code, text=text) for key, (code, text) in reasons.items()},
        fields=policy_parts.fields(entry.table("fields"), reasons, protected.fields),
        letter=_letterhead(entry.table("letter")) if "letter" in entry.content else None,
        nearby=policy_parts.steps(entry.table("nearby", optional=True), known=entry.table("fields").content),
    )
    if until is not None and until < policy.effective_from:
        raise policy_parts.EntryInvalid("effective_until", "lies before effective_from")
    return policy


def _protected(entry: policy_parts.Entry) -> Protected:
    entry.require_known(("fields", "share", "when_it_drives"))
    return Protected(
        fields=entry.texts("fields"),
        share=entry.number("share", default=0.05, low=0.0),
        when_it_drives=cast(Conduct, entry.one_of("when_it_drives", ("flag", "refer"), default="refer")),
    )


def _letterhead(entry: policy_parts.Entry) -> Letterhead:
    entry.require_known(("creditor", "address", "contact", "notice", "product"))
    return Letterhead(
        creditor=entry.text("creditor"),
        address=entry.text("address"),
        contact=entry.text("contact"),
        notice=entry.text("notice"),
        product=entry.text("product") if "product" in entry.content else APPLICATION,
    )


def _digest(content: Mapping[str, object]) -> str:
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()
