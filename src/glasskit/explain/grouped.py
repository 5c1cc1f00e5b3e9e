"""Contributions summed to what a reader knows: the applicant's own fields, or groups of fields.

`__` separates the levels of a name: the column `credit__purpose__new_car` is the category `new_car`
of the field `credit__purpose` in the group `credit`. SHAP values are additive, so the contribution
of a field or group is the sum of those of its columns; nothing is lost, and the sums are the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import overload

import numpy as np
import numpy.typing as npt

from glasskit.explain.explanations import Attribution, Explanation, Floats, Interactions

SEPARATOR = "__"


@overload
def by_field(
    explained: Attribution, fields: Sequence[str], *, data: Mapping[str, object] | None = None
) -> Attribution: ...
@overload
def by_field(
    explained: Explanation, fields: Sequence[str], *, data: Mapping[str, object] | None = None
) -> Explanation: ...
def by_field(
    explained: Attribution | Explanation,
    fields: Sequence[str],
    *,
    data: Mapping[str, object] | None = None,
) -> Attribution | Explanation:
    """One-hot columns summed back to the raw fields they were made from.

    fields: the raw column names. data: the raw values, where known (a sequence per field for an
    Explanation); a one-hot field whose raw value is not given gets the category whose column is 1.
    """
    names = explained.names if isinstance(explained, Attribution) else explained.feature_names
    return _merged(explained, fields_of(names, fields), data)


@overload
def by_level(explained: Attribution, *, level: int = 1) -> Attribution: ...
@overload
def by_level(explained: Explanation, *, level: int = 1) -> Explanation: ...
def by_level(explained: Attribution | Explanation, *, level: int = 1) -> Attribution | Explanation:
    """Columns summed by the first `level` parts of their names."""
    names = explained.names if isinstance(explained, Attribution) else explained.feature_names
    return _merged(explained, levels_of(names, level), None)


@overload
def by_mapping(explained: Attribution, groups: Mapping[str, str]) -> Attribution: ...
@overload
def by_mapping(explained: Explanation, groups: Mapping[str, str]) -> Explanation: ...
def by_mapping(explained: Attribution | Explanation, groups: Mapping[str, str]) -> Attribution | Explanation:
    """Columns summed by a given column -> group mapping; unmentioned columns stay alone."""
    names = explained.names if isinstance(explained, Attribution) else explained.feature_names
    return _merged(explained, [groups.get(name, name) for name in names], None)


def interactions(
    matrix: Floats, names: Sequence[str], group_of: Sequence[str]
) -> tuple[tuple[str, ...], Floats]:
    """(group names, matrix) of an interaction matrix (F, F) or (n, F, F), summed by blocks.

    group_of: each feature's group, e.g. `fields_of(names, fields)` or `levels_of(names)`.
    """
    if len(names) != len(group_of) or matrix.shape[-2:] != (len(names), len(names)):
        raise ValueError(
            f"a matrix {matrix.shape}, {len(names)} names and {len(group_of)} groups do not match"
        )
    groups, membership = _membership(group_of)
    return groups, np.asarray(membership.T @ matrix @ membership)


def merged_interactions(explained: Interactions, group_of: Sequence[str]) -> Interactions:
    """Interactions of one output, summed by blocks over all rows."""
    groups, values = interactions(explained.values, explained.feature_names, group_of)
    no_data = np.full((len(values), len(groups)), None, dtype=object)
    return dataclasses.replace(explained, values=values, feature_names=groups, data=no_data)


def fields_of(names: Sequence[str], fields: Sequence[str]) -> list[str]:
    """The field of each column: itself, or the longest field whose name plus `__` it starts with.

    >>> fields_of(["credit__amount", "credit__purpose__new_car"], ["credit__amount", "credit__purpose"])
    ['credit__amount', 'credit__purpose']
    """
    return [_field_of(name, frozenset(fields)) for name in names]


def levels_of(names: Sequence[str], level: int = 1) -> list[str]:
    """The first `level` parts of each name.

    >>> levels_of(["credit__purpose__new_car", "age"])
    ['credit', 'age']
    """
    return [SEPARATOR.join(name.split(SEPARATOR)[:level]) for name in names]


def _field_of(name: str, fields: frozenset[str]) -> str:
    parts = name.split(SEPARATOR)
    for length in range(len(parts), 0, -1):
        candidate = SEPARATOR.join(parts[:length])
        if candidate in fields:
            return candidate
    raise ValueError(f"the column {name!r} belongs to none of the fields")


def _membership(group_of: Sequence[str]) -> tuple[tuple[str, ...], npt.NDArray[np.float64]]:
    """The groups in order of appearance and a 0/1 matrix (F, G)."""
    groups = tuple(dict.fromkeys(group_of))
    position = {group: index for index, group in enumerate(groups)}
    membership = np.zeros((len(group_of), len(groups)))
    membership[np.arange(len(group_of)), [position[group] for group in group_of]] = 1.0
    return groups, membership


def _merged(
    explained: Attribution | Explanation, group_of: Sequence[str], data: Mapping[str, object] | None
) -> Attribution | Explanation:
    groups, membership = _membership(group_of)
    if isinstance(explained, Attribution):
        return dataclasses.replace(
            explained,
            names=groups,
            values=(np.array(explained.values) @ membership).tolist(),
            data=[_value(group, group_of, explained.names, explained.data, data) for group in groups],
        )
    values = np.einsum("nf...,fg->ng...", explained.values, membership)
    return dataclasses.replace(
        explained, values=values, feature_names=groups, data=_table(explained, groups, group_of, data)
    )


def _table(
    explained: Explanation, groups: Sequence[str], group_of: Sequence[str], data: Mapping[str, object] | None
) -> npt.NDArray[np.object_]:
    table = np.full((len(explained), len(groups)), None, dtype=object)
    for row in range(len(explained)):
        known = {name: np.asarray(column, dtype=object)[row] for name, column in (data or {}).items()}
        for index, group in enumerate(groups):
            table[row, index] = _value(
                group, group_of, explained.feature_names, explained.data[row].tolist(), known
            )
    return table


def _value(
    group: str,
    group_of: Sequence[str],
    names: Sequence[str],
    values: Sequence[object],
    known: Mapping[str, object] | None,
) -> object:
    """What the group's value is to a reader: given, its only column's, or the category whose column is 1."""
    if known and group in known:
        return known[group]
    members = [index for index, of in enumerate(group_of) if of == group]
    if len(members) == 1 and names[members[0]] == group:
        return values[members[0]]
    categories = [names[index].removeprefix(group + SEPARATOR) for index in members]
    if any(SEPARATOR in category for category in categories):
        return None
    chosen = [category for category, index in zip(categories, members, strict=True) if values[index] == 1]
    is_one_hot = all(values[index] in (0, 1) for index in members)
    return chosen[0] if is_one_hot and len(chosen) == 1 else None
