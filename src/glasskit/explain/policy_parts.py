"""Reading a policy's entries one by one: what each must be, said with its name when it is not."""

from __future__ import annotations

import dataclasses
import datetime
import math
from collections.abc import Collection, Mapping, Sequence

from glasskit.explain import regulation_b

OWN_CODES = "own"


class EntryInvalid(ValueError):
    """One entry that is not what it must be."""

    def __init__(self, entry: str, problem: str) -> None:
        super().__init__(f"{entry} {problem}")
        self.entry = entry
        self.problem = problem


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A table of a policy and where it stands."""

    name: str
    content: Mapping[str, object]

    def at(self, key: str) -> str:
        """The full name of an entry of this table."""
        return f"{self.name}.{key}" if self.name else key

    def require_known(self, keys: Collection[str]) -> None:
        """Raises EntryInvalid if the table has an entry that is none of these."""
        for key in self.content:
            if key not in keys:
                raise EntryInvalid(self.at(key), f"is not one of {', '.join(keys)}")

    def text(self, key: str) -> str:
        """A text that is not empty."""
        given = self.content.get(key)
        if not isinstance(given, str) or not given.strip():
            raise EntryInvalid(self.at(key), "is missing" if given is None else "is not a text")
        return given.strip()

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts, empty if it is not given."""
        given = self.content.get(key, [])
        if not isinstance(given, list) or not all(isinstance(one, str) and one for one in given):
            raise EntryInvalid(self.at(key), "is not a list of texts")
        return tuple(given)

    def day(self, key: str) -> datetime.date:
        """A day: a TOML date, or a text like 2026-01-31."""
        given = self.content.get(key)
        if isinstance(given, datetime.date) and not isinstance(given, datetime.datetime):
            return given
        try:
            return datetime.date.fromisoformat(self.text(key))
        except ValueError as exc:
            raise EntryInvalid(self.at(key), "is not a day like 2026-01-31") from exc

    def number(self, key: str, *, default: float | None = None, low: float = -math.inf) -> float:
        """A finite number."""
        given = self.content.get(key, default)
        if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
            raise EntryInvalid(self.at(key), "is missing" if given is None else "is not a number")
        if given < low:
            raise EntryInvalid(self.at(key), f"is {given}, which is under {low:g}")
        return float(given)

    def whole(self, key: str, default: int, *, low: int = 0) -> int:
        """A whole number."""
        number = self.number(key, default=default, low=low)
        if number != int(number):
            raise EntryInvalid(self.at(key), "is not a whole number")
        return int(number)

    def one_of(self, key: str, allowed: Sequence[str], *, default: str | None = None) -> str:
        """One of a few words."""
        given = self.content.get(key, default)
        if given not in allowed:
            raise EntryInvalid(self.at(key), f"is {given!r}, not one of {', '.join(allowed)}")
        return str(given)

    def table(self, key: str, *, optional: bool = False) -> Entry:
        """A table inside this one."""
        given = self.content.get(key, {} if optional else None)
        if not isinstance(given, Mapping):
            raise EntryInvalid(self.at(key), "is missing" if given is None else "is not a table")
        return Entry(name=self.at(key), content=given)


def wordings(entry: Entry, codes: str) -> dict[str, tuple[str, str]]:
    """Key -> (code, text) of the reasons."""
    if codes not in (regulation_b.SCHEME, OWN_CODES):
        raise EntryInvalid("codes", f"is {codes!r}, not one of {regulation_b.SCHEME}, {OWN_CODES}")
    found = {}
    for key in entry.content:
        reason = entry.table(key)
        reason.require_known(("code", "text"))
        code = reason.text("code")
        if codes == regulation_b.SCHEME and code not in regulation_b.CODES:
            raise EntryInvalid(reason.at("code"), f"is {code!r}, which is not on the form")
        found[key] = (code, reason.text("text"))
    return found


def fields(entry: Entry, reasons: Collection[str], protected: Collection[str]) -> dict[str, dict[str, str]]:
    """Field -> value -> key of a reason; "" for every other value."""
    found = {}
    for name, given in entry.content.items():
        if name in protected:
            raise EntryInvalid(entry.at(name), "is protected, so it cannot have a reason")
        found[name] = {"": given} if isinstance(given, str) else _by_value(entry.table(name))
        for key in found[name].values():
            if key not in reasons:
                raise EntryInvalid(entry.at(name), f"names the reason {key!r}, which is not there")
    return found


def steps(entry: Entry, *, known: Collection[str]) -> dict[str, float]:
    """Field -> how far it moves in a small change."""
    found = {}
    for name in entry.content:
        if name not in known:
            raise EntryInvalid(entry.at(name), "is not one of the fields that can give a reason")
        found[name] = entry.number(name)
        if found[name] <= 0:
            raise EntryInvalid(entry.at(name), f"is {found[name]:g}, but a step is more than nothing")
    return found


def _by_value(entry: Entry) -> dict[str, str]:
    entry.require_known(("by_value", "otherwise"))
    table = entry.table("by_value")
    return {key: table.text(key) for key in table.content} | {"": entry.text("otherwise")}
