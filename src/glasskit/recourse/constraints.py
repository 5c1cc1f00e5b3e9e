"""What an applicant can change, from a TOML file or from a table of other applicants.

    format = 1
    most_changes = 3
    immutable = ["age", "foreign_worker"]

    [numbers.amount]
    low = 500
    high = 15000
    step = 100
    direction = "down"
    cost_per_unit = 0.001

    [numbers.years_employed]
    direction = "up"
    step = 1
    moves = { age = 1 }

    [one_hot.account]
    options = ["low", "high"]
    costs = { low = 1, high = 2 }

    [choices.degree]
    direction = "up"
    options = { none = { degree = 0 }, bachelor = { degree = 1 }, master = { degree = 2 } }

A column that no entry names never changes. `immutable` says so of columns that must not, and refuses an entry that
would change one; unknown keys are refused, so that a misspelt constraint is not a missing one.
"""

from __future__ import annotations

import dataclasses
import math
import pathlib
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from glasskit import trees
from glasskit.explain import policy_parts
from glasskit.recourse import levers

Floats = npt.NDArray[np.float64]
Levels = Mapping[str, Sequence[object]]

_DIRECTIONS = ("any", "up", "down")
_MOST_CATEGORIES = 50
_LEVEL = "__"


class ConstraintsInvalid(ValueError):
    """A file of constraints that cannot be used; names the entry."""

    def __init__(self, entry: str, problem: str) -> None:
        super().__init__(f"The constraints' {entry} {problem}.")
        self.entry = entry


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """levers: what can change. most_changes: how many levers one option may use, None for any number."""

    levers: tuple[levers.Lever, ...]
    immutable: tuple[str, ...] = ()
    most_changes: int | None = None


def load(
    path: pathlib.Path | str, feature_names: Sequence[str], *, levels: Levels | None = None
) -> Constraints:
    """The constraints in a TOML file, for a model of these columns.

    levels: for columns of categories that have names, the names in the order of their numbers.
    """
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as exc:
        raise ConstraintsInvalid("text", "is not UTF-8") from exc
    return parse(text, feature_names, levels=levels)


def parse(text: str, feature_names: Sequence[str], *, levels: Levels | None = None) -> Constraints:
    """The constraints in a text. Raises ConstraintsInvalid or LeverInvalid."""
    try:
        content = tomllib.loads(text)
    except ValueError as exc:
        raise ConstraintsInvalid("text", f"is not TOML: {exc}") from exc
    try:
        return _read(policy_parts.Entry(name="", content=content), feature_names, levels or {})
    except policy_parts.EntryInvalid as exc:
        raise ConstraintsInvalid(exc.entry, exc.problem) from exc


def _read(entry: policy_parts.Entry, feature_names: Sequence[str], named: Levels) -> Constraints:
    entry.require_known(("format", "most_changes", "immutable", "numbers", "one_hot", "choices"))
    if entry.whole("format", 1) != 1:
        raise policy_parts.EntryInvalid("format", "is not 1, the only one there is")
    tables = {key: entry.table(key, optional=True) for key in ("numbers", "one_hot", "choices")}
    found: list[levers.Lever] = [
        *(_number(name, tables["numbers"].table(name)) for name in tables["numbers"].content),
        *(_one_hot(name, tables["one_hot"].table(name), feature_names) for name in tables["one_hot"].content),
        *(_choice(name, tables["choices"].table(name), named) for name in tables["choices"].content),
    ]
    immutable = entry.texts("immutable")
    _require_immutable(found, immutable, feature_names)
    levers.require_apart(found, feature_names)
    most = entry.whole("most_changes", 0) if "most_changes" in entry.content else None
    return Constraints(levers=tuple(found), immutable=immutable, most_changes=most)


def _require_immutable(
    found: Sequence[levers.Lever], immutable: Sequence[str], feature_names: Sequence[str]
) -> None:
    for name in immutable:
        if name not in feature_names and not _columns_of(name, feature_names):
            raise policy_parts.EntryInvalid("immutable", f"names {name!r}, which is no column of the model")
        fixed = {name, *_columns_of(name, feature_names)}
        for lever in found:
            if fixed & set(lever.columns):
                raise policy_parts.EntryInvalid(
                    "immutable", f"names {name!r}, which the entry {lever.name!r} would change"
                )


def _columns_of(field: str, feature_names: Sequence[str]) -> list[str]:
    return [name for name in feature_names if name.startswith(field + _LEVEL)]


def _number(column: str, entry: policy_parts.Entry) -> levers.Number:
    entry.require_known(
        ("low", "high", "step", "direction", "cost_per_unit", "fixed_cost", "missing_cost", "moves")
    )
    along = entry.table("moves", optional=True)
    return levers.Number(
        column=column,
        low=entry.number("low") if "low" in entry.content else -math.inf,
        high=entry.number("high") if "high" in entry.content else math.inf,
        step=entry.number("step") if "step" in entry.content else None,
        direction=_direction(entry),
        cost_per_unit=entry.number("cost_per_unit", default=1.0),
        fixed_cost=entry.number("fixed_cost", default=0.0),
        missing_cost=entry.number("missing_cost") if "missing_cost" in entry.content else None,
        moves={name: along.number(name) for name in along.content},
    )


def _direction(entry: policy_parts.Entry) -> levers.Direction:
    return cast(levers.Direction, entry.one_of("direction", _DIRECTIONS, default="any"))


def _costs(entry: policy_parts.Entry) -> dict[str, float]:
    table = entry.table("costs", optional=True)
    return {name: table.number(name) for name in table.content}


def _one_hot(field: str, entry: policy_parts.Entry, feature_names: Sequence[str]) -> levers.Choice:
    entry.require_known(("options", "costs", "direction"))
    if not _columns_of(field, feature_names):
        raise policy_parts.EntryInvalid(entry.name, f"is no field: the model has no column {field}{_LEVEL}…")
    return levers.Choice.one_hot(
        field,
        feature_names,
        options=entry.texts("options") if "options" in entry.content else None,
        costs=_costs(entry),
        direction=_direction(entry),
    )


def _choice(name: str, entry: policy_parts.Entry, named: Levels) -> levers.Choice:
    entry.require_known(("options", "costs", "direction"))
    table = entry.table("options")
    options = {}
    for option in table.content:
        values = table.table(option)
        options[option] = {column: _value(values, column, named) for column in values.content}
    return levers.Choice(name=name, options=options, costs=_costs(entry), direction=_direction(entry))


def _value(entry: policy_parts.Entry, column: str, named: Levels) -> float:
    """A number, or the number of a category's name."""
    given, known = entry.content[column], [str(level) for level in named.get(column, ())]
    if not isinstance(given, str) or not known:
        return entry.number(column)
    if given not in known:
        raise policy_parts.EntryInvalid(entry.at(column), f"is {given!r}, not one of {', '.join(known[:20])}")
    return float(known.index(given))


def observed(
    ensemble: trees.Ensemble, rows: Floats, row: Floats, *, immutable: Sequence[str] = ()
) -> Constraints:
    """Every column may take the values that the rows show, but for the immutable ones.

    A number moves between their least and greatest, in the steps that whole numbers have in common, at a cost of 1 for each
    median distance from their median (or standard deviation, where that is 0). One-hot fields (`field__category`)
    and native categories change to another category that occurs, at a cost of 1. row: the one that asks.
    """
    names = ensemble.feature_names
    for name in immutable:
        if name not in names and not _columns_of(name, names):
            raise ConstraintsInvalid("immutable", f"names {name!r}, which is no column of the model")
    fixed = {column for name in immutable for column in (name, *_columns_of(name, names))}
    found: list[levers.Lever] = []
    done = set(fixed)
    for field, members in _one_hot_fields(names, rows).items():
        if not fixed & set(members):
            found.append(levers.Choice.one_hot(field, names, options=_occurring(field, members, names, rows)))
        done |= set(members)
    for at, name in enumerate(names):
        if name not in done:
            levels = ensemble.levels.get(at, ())
            is_category = bool(levels) or _is_category(ensemble, at)
            lever = _observed(name, rows[:, at], row[at], is_category=is_category, levels=levels)
            found += [] if lever is None else [lever]
    return Constraints(levers=tuple(found), immutable=tuple(immutable))


def _one_hot_fields(names: Sequence[str], rows: Floats) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for name in names:
        if _LEVEL in name:
            fields.setdefault(name.rpartition(_LEVEL)[0], []).append(name)
    place = {name: at for at, name in enumerate(names)}
    found = {}
    for field, members in fields.items():
        if members != _columns_of(field, names):
            continue
        values = rows[:, [place[name] for name in members]]
        if len(members) > 1 and np.isin(values, (0.0, 1.0)).all() and (values.sum(axis=1) <= 1.0).all():
            found[field] = members
    return found


def _occurring(field: str, members: Sequence[str], names: Sequence[str], rows: Floats) -> list[str]:
    place = {name: at for at, name in enumerate(names)}
    return [name.removeprefix(field + _LEVEL) for name in members if rows[:, place[name]].any()]


def _is_category(ensemble: trees.Ensemble, feature: int) -> bool:
    return any(
        bool(((tree.feature == feature) & ~tree.is_leaf & (tree.test >= trees.Test.IN_SET)).any())
        for tree in ensemble.trees
    )


def _observed(
    name: str, column: Floats, present: float, *, is_category: bool, levels: Sequence[object]
) -> levers.Lever | None:
    """The lever of one column; None where the rows show no other value, or the row has none itself."""
    known = column[np.isfinite(column)]
    if not math.isfinite(present) or not len(known) or known.min() == known.max():
        return None
    if is_category:
        values = np.unique(known)
        if len(values) > _MOST_CATEGORIES:
            return None
        options: dict[str, Mapping[str, float]] = {
            str(levels[int(value)]) if levels else f"{value:g}": {name: value} for value in values.tolist()
        }
        return levers.Choice(name=name, options=options)
    spread: Any = np.median(np.abs(known - np.median(known))) or known.std()
    return levers.Number(
        column=name,
        low=float(known.min()),
        high=float(known.max()),
        step=_step(known),
        cost_per_unit=1.0 / float(spread),
    )


def _step(known: Floats) -> float | None:
    """The largest step of which all whole numbers are multiples; None where some are not whole."""
    if (known != np.floor(known)).any() or np.abs(known).max() > 2.0**53:
        return None
    return float(np.gcd.reduce(np.abs(known).astype(np.int64)))
