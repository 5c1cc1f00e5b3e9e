"""Who an applicant is, from the bank's own tables: the model is never told, but a letter needs a name."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


class UnknownPerson(LookupError):
    """A person that is not in the bank's tables."""

    def __init__(self, person_id: str) -> None:
        super().__init__(f"the table people has no person {person_id}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A name, and the lines of a postal address if the bank has one."""

    name: str
    address: tuple[str, ...]


def find(person_id: str, *, people: Iterable[Mapping[str, Any]], contacts: str) -> Person:
    """The person, from the rows of `people` and the text of `contacts` (CSV). Raises UnknownPerson."""
    name = next((row["personal"]["name"] for row in people if row["person_id"] == person_id), None)
    if name is None:
        raise UnknownPerson(person_id)
    rows = csv.DictReader(io.StringIO(contacts))
    found = next((row for row in rows if row["person_id"] == person_id and row["type"] == "address"), None)
    lines = found["value"].split("\\n") if found else []
    return Person(name=name, address=tuple(lines))


def rows_of(text: str) -> list[dict[str, Any]]:
    """The rows of a text of JSON Lines."""
    return [json.loads(line) for line in text.splitlines() if line.strip()]
