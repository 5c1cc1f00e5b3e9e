"""What a decision comes to: approved, declined with its reasons, or left to a person; and its record.

An outcome travels as JSON: `read` gives back what `as_dict` wrote, so that reasons can be found where
the model is (an endpoint), and the letter written where the applicant's name is.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Literal, TypeVar, cast, get_args

Why = Literal[
    "not_verified",
    "does_not_add_up",
    "no_adverse_contribution",
    "protected_drives",
    "unstable_selection",
    "unstable_decision",
    "unstable_reasons",
]
FlagKind = Literal["tie", "unstable_selection", "unstable_decision", "unstable_reasons", "protected_drives"]
_Made = TypeVar("_Made")


class RecordInvalid(ValueError):
    """A record of an outcome that cannot be read; names the entry."""

    def __init__(self, entry: str, problem: str) -> None:
        super().__init__(f"The outcome's {entry} {problem}.")
        self.entry = entry


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One principal reason; share: its part of all adverse contributions."""

    rank: int
    key: str
    code: str
    text: str
    fields: tuple[str, ...]
    data: Mapping[str, object]
    contribution: float
    share: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """Something a reviewer must know: a tie, an outcome that hangs on little, a protected field.

    unstable_selection: which reasons are shown hangs on contributions that hardly differ.
    unstable_decision, unstable_reasons: a small change of the fields in `about` turns the decision, or
    changes which reasons are the principal ones.
    """

    kind: FlagKind
    about: tuple[str, ...]
    sentence: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """How the contributions of an outcome were measured, and what decided, for the record.

    protected: the share of all movement that each protected field of the model holds.
    """

    policy: str
    policy_version: str
    policy_digest: str
    space: str
    baseline: str
    baseline_digest: str
    baseline_rows: int
    base_value: float
    margin: float
    prediction: float
    threshold: float
    protected: Mapping[str, float]
    on: datetime.date


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    measure: Measure
    flags: tuple[Flag, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """The outcome as JSON-ready data."""
        content = {"outcome": type(self).__name__, **dataclasses.asdict(self)}
        plain = json.loads(json.dumps(content, default=str))
        return dict(plain)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Approved(_Outcome):
    """The prediction is on the favourable side; no reasons are owed."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Declined(_Outcome):
    """The prediction is adverse, and these are the principal reasons, the strongest first."""

    reasons: tuple[Reason, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NotDecided(_Outcome):
    """No automatic decision: a person has to look."""

    why: Why
    sentence: str


Outcome = Approved | Declined | NotDecided


def read(content: Mapping[str, object]) -> Outcome:
    """The outcome that `as_dict` wrote. Raises RecordInvalid naming the entry."""
    name = content.get("outcome")
    measure = _made(Measure, "measure", content.get("measure"), {"on": _day})
    readers = {"about": _texts, "kind": _one_of(FlagKind)}
    flags = tuple(_made(Flag, f"flags[{at}]", one, readers) for at, one in _listed(content, "flags"))
    if name == "Approved":
        return Approved(measure=measure, flags=flags)
    if name == "Declined":
        reasons = tuple(
            _made(Reason, f"reasons[{at}]", one, {"fields": _texts})
            for at, one in _listed(content, "reasons")
        )
        if not reasons:
            raise RecordInvalid("reasons", "are missing, and nothing is declined without one")
        return Declined(measure=measure, flags=flags, reasons=reasons)
    if name == "NotDecided":
        if content.get("why") not in get_args(Why):
            raise RecordInvalid("why", f"is {content.get('why')!r}")
        why = cast(Why, content["why"])
        return NotDecided(measure=measure, flags=flags, why=why, sentence=str(content.get("sentence", "")))
    raise RecordInvalid("outcome", f"is {name!r}, not one of Approved, Declined, NotDecided")


def _listed(content: Mapping[str, object], key: str) -> Iterator[tuple[int, object]]:
    given = content.get(key)
    if not isinstance(given, list):
        raise RecordInvalid(key, "is missing" if given is None else "is not a list")
    return enumerate(given)


def _made(
    kind: type[_Made], entry: str, content: object, readers: Mapping[str, Callable[[object], object]]
) -> _Made:
    if not isinstance(content, Mapping):
        raise RecordInvalid(entry, "is missing" if content is None else "is not a table")
    make = cast(Callable[..., _Made], kind)
    try:
        return make(**{key: readers[key](one) if key in readers else one for key, one in content.items()})
    except (TypeError, ValueError) as exc:
        raise RecordInvalid(entry, f"cannot be read: {exc}") from exc


def _day(given: object) -> datetime.date:
    return datetime.date.fromisoformat(str(given))


def _texts(given: object) -> tuple[str, ...]:
    if not isinstance(given, list):
        raise ValueError(f"{given!r} is not a list")
    return tuple(map(str, given))


def _one_of(kind: object) -> Callable[[object], object]:
    def read_one(given: object) -> object:
        if given not in get_args(kind):
            raise ValueError(f"{given!r} is not one of {', '.join(get_args(kind))}")
        return given

    return read_one
