"""An ensemble seen from one row's levers: small tables whose sum is the margin.

Columns that cannot change are answered once, which cuts most branches. What is left of a tree is a
few leaves, each open to some candidates of some levers. Trees that depend on the same levers are
added up into one table over the classes of candidates that they cannot tell apart, so that their
joint minimum is exact instead of a sum of minima.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from glasskit import trees
from glasskit.recourse import candidates, questions

Floats = questions.Floats
_MOST_CELLS = 4096
_CELLS_PER_LEAF = 4
_MOST_LEVERS = 3


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A value and, for each lever it depends on, the set of candidates that reach it (as bits)."""

    value: float
    reached_by: Mapping[int, int]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Leaves of which every assignment of candidates reaches exactly one."""

    levers: tuple[int, ...]
    leaves: tuple[Leaf, ...]


def of(
    ensemble: trees.Ensemble, row: Floats, moves: Sequence[candidates.Candidates], *, sign: float
) -> tuple[float, list[Table]]:
    """(constant, tables) that add up to sign * margin."""
    lever_of = {int(column): index for index, one in enumerate(moves) for column in one.columns}
    values_of = {int(column): one.values[:, at] for one in moves for at, column in enumerate(one.columns)}
    constant, by_levers = sign * ensemble.base_scores[0], dict[tuple[int, ...], list[Table]]()
    for tree in ensemble.trees:
        leaves = list(_leaves(ensemble, tree, row, moves, lever_of, values_of, sign / ensemble.divisor))
        levers = tuple(sorted({lever for leaf in leaves for lever in leaf.reached_by}))
        if levers:
            by_levers.setdefault(levers, []).append(Table(levers=levers, leaves=tuple(leaves)))
        else:
            constant += leaves[0].value
    return constant, _merged(by_levers, [len(one) for one in moves])


def _leaves(
    ensemble: trees.Ensemble,
    tree: trees.Tree,
    row: Floats,
    moves: Sequence[candidates.Candidates],
    lever_of: Mapping[int, int],
    values_of: Mapping[int, Floats],
    factor: float,
) -> Iterator[Leaf]:
    """The leaves that some assignment reaches."""
    waiting: list[tuple[int, dict[int, int]]] = [(0, {})]
    while waiting:
        node, reached_by = waiting.pop()
        if tree.left[node] < 0:
            yield Leaf(value=float(tree.value[node]) * factor, reached_by=reached_by)
            continue
        feature = int(tree.feature[node])
        lever = lever_of.get(feature)
        if lever is None:
            is_left = questions.goes_left(ensemble, tree, node, row[feature : feature + 1])[0]
            waiting.append((int(tree.left[node] if is_left else tree.right[node]), reached_by))
            continue
        left = _bits(questions.goes_left(ensemble, tree, node, values_of[feature]))
        whole = (1 << len(moves[lever])) - 1
        so_far = reached_by.get(lever, whole)
        for child, open_to in ((tree.right[node], so_far & ~left), (tree.left[node], so_far & left)):
            if open_to:
                below = reached_by if open_to == so_far else reached_by | {lever: open_to}
                waiting.append((int(child), below))


def _bits(flags: questions.Bools) -> int:
    return int.from_bytes(np.packbits(flags, bitorder="little").tobytes(), "little")


def _merged(by_levers: Mapping[tuple[int, ...], Sequence[Table]], n_candidates: Sequence[int]) -> list[Table]:
    """Tables of the same levers as one; those of some of its levers join a larger one where it stays small."""
    groups: dict[tuple[int, ...], list[Table]] = {}
    for levers in sorted(by_levers, key=lambda some: (-len(some), some)):
        home = levers
        small = [item for item in groups.items() if len(item[0]) <= _MOST_LEVERS]
        for larger, members in small:
            if set(levers) < set(larger) and _fits([*members, *by_levers[levers]], larger, n_candidates):
                home = larger
                break
        groups.setdefault(home, []).extend(by_levers[levers])
    found: list[Table] = []
    for levers, members in groups.items():
        if len(members) > 1 and len(levers) <= _MOST_LEVERS and _fits(members, levers, n_candidates):
            found.append(_sum(members, levers, n_candidates))
        else:
            found += members
    return found


def _fits(members: Sequence[Table], levers: Sequence[int], n_candidates: Sequence[int]) -> bool:
    n_leaves = sum(len(table.leaves) for table in members)
    n_cells = 1
    for lever in levers:
        n_cells *= len(classes(members, lever, n_candidates[lever]))
    return n_cells <= min(_MOST_CELLS, _CELLS_PER_LEAF * n_leaves + 16)


def classes(members: Sequence[Table], lever: int, n_candidates: int) -> list[int]:
    """The candidates in sets (as bits) that no leaf tells apart."""
    classes = [(1 << n_candidates) - 1]
    for mask in {
        leaf.reached_by[lever] for table in members for leaf in table.leaves if lever in leaf.reached_by
    }:
        parts = ((one & mask, one & ~mask) for one in classes)
        classes = [part for pair in parts for part in pair if part]
    return classes


def _sum(members: Sequence[Table], levers: tuple[int, ...], n_candidates: Sequence[int]) -> Table:
    axes = [classes(members, lever, n_candidates[lever]) for lever in levers]
    total = np.zeros([len(axis) for axis in axes])
    for leaf in (leaf for table in members for leaf in table.leaves):
        inside = [
            [index for index, one in enumerate(axis) if one & leaf.reached_by.get(lever, one)]
            for lever, axis in zip(levers, axes, strict=True)
        ]
        total[np.ix_(*inside)] += leaf.value
    cells = tuple(
        Leaf(value=value, reached_by=dict(zip(levers, masks, strict=True)))
        for value, masks in zip(total.ravel().tolist(), itertools.product(*axes), strict=True)
    )
    return Table(levers=levers, leaves=cells)


def renumbered(table: Table, numbers: Mapping[int, int]) -> Table:
    """The same table with other numbers for its levers."""
    leaves = tuple(
        Leaf(value=leaf.value, reached_by={numbers[lever]: bits for lever, bits in leaf.reached_by.items()})
        for leaf in table.leaves
    )
    return Table(levers=tuple(numbers[lever] for lever in table.levers), leaves=leaves)
