"""Which columns count as one, from a TOML file or from their names.

[groups]
account = ["account__none", "account__low", "account__high"]

[labels]
account = "Checking account"
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from glasskit.analyses import questions


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """group_of: column -> the group it counts in; unmentioned columns stay alone. labels: names for readers."""

    group_of: Mapping[str, str] = dataclasses.field(default_factory=dict)
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def of(self, names: Sequence[str]) -> list[str]:
        """The group of each column."""
        return [self.group_of.get(name, name) for name in names]

    def members(self, names: Sequence[str]) -> dict[str, list[str]]:
        """Group -> its columns, for those of more than one column."""
        found: dict[str, list[str]] = {}
        for name, group in zip(names, self.of(names), strict=True):
            found.setdefault(group, []).append(name)
        return {group: columns for group, columns in found.items() if columns != [group]}


def read(path: Path | None, separator: str, names: Sequence[str]) -> Groups:
    """The groups of a model's columns. Raises Unanswerable naming the entry that cannot be used."""
    if path is not None and separator:
        raise questions.Unanswerable("give either a file of groups or a separator to group by, not both")
    if separator:
        return Groups(group_of={name: name.split(separator)[0] or name for name in names})
    return Groups() if path is None else _read(path, names)


def toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file. Raises Unanswerable."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise questions.Unanswerable(f"there is no file {path}") from error
    except (OSError, ValueError) as error:
        raise questions.Unanswerable(f"{path.name} is no readable TOML: {error}") from error


def _read(path: Path, names: Sequence[str]) -> Groups:
    content = toml(path)
    unknown = sorted(set(content) - {"groups", "labels"})
    if unknown:
        raise questions.Unanswerable(f"{path.name} has {unknown[0]!r}; only [groups] and [labels] are known")
    known, group_of = set(names), dict[str, str]()
    for group, columns in _table(path, content, "groups").items():
        if not isinstance(columns, list) or not columns:
            raise questions.Unanswerable(f"{path.name}: the group {group!r} is no list of columns")
        for column in columns:
            if column not in known:
                raise questions.Unanswerable(
                    f"{path.name}: the group {group!r} has {column!r}, which is no column of the model"
                )
            if column in group_of:
                raise questions.Unanswerable(
                    f"{path.name}: {column!r} is in the groups {group_of[column]!r} and {group!r}"
                )
            group_of[column] = group
    return Groups(group_of=group_of, labels=_labels(path, content, known | set(group_of.values())))


def _labels(path: Path, content: Mapping[str, Any], known: set[str]) -> dict[str, str]:
    found = _table(path, content, "labels")
    for name, label in found.items():
        if name not in known or not isinstance(label, str):
            raise questions.Unanswerable(
                f"{path.name}: the label of {name!r} fits no column or group, or is no text"
            )
    return found


def _table(path: Path, content: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = content.get(key, {})
    if not isinstance(found, dict):
        raise questions.Unanswerable(f"{path.name}: [{key}] is no table")
    return found
