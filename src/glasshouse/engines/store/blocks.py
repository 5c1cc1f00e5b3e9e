"""Within which times the rows of each stretch of an order lie, so that a page need not read what it passes over.

Every order that an index serves is cut into blocks of rows that follow each other, and a block keeps the lowest and
the highest of their times. Writers do not touch blocks, since they would wait for each other there: triggers note where
a row came to lie, or lay, in the table `change`. A writer that finds enough of such notes folds them into the blocks, if
nobody else does so just then. What a reader sees at any moment is right: a row lies within the bounds of its block, or
there is a note of it.
"""

from __future__ import annotations

import functools
import itertools
import sys
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

from glasshouse.engines.store.tables import BLOCK, CHANGE, RESOURCE
from glasshouse.kernel.records import Condition

SIZE = 128
"""Rows in a new block, and the notes after which a block is measured anew."""
FOLD_AFTER = 128
"""Changes of a process after which it folds."""
FOLD_LOCK = 0x676C6174
"""The advisory lock of who folds."""
RANGES = (">", ">=", "<", "<=")
_TIMES = ("created", "modified")

_BEFORE_ALL = {"at": float("-inf"), "name": ""}
_AFTER_ALL = {"end_at": float("inf"), "end_name": chr(sys.maxunicode)}
_SCOPE = ("account", "region", "kind")
_ORDERED = (*_SCOPE, "ordered_by", "status")
"""What is the same for the blocks that follow each other, one beginning where another ends."""
_NOTHING = {
    "lowest_created": float("inf"),
    "highest_created": float("-inf"),
    "lowest_modified": float("inf"),
    "highest_modified": float("-inf"),
    "n_changes": 0,
}


class Bounds(NamedTuple):
    """From which place a block reaches, and until before which one."""

    status: Any
    at: Any
    name: Any
    end_at: Any
    end_name: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Rows by (status, a time, name) or by what is given of it; `index` serves it."""

    name: str
    time: str = ""
    has_status: bool = False

    @property
    def index(self) -> str:
        return f"resource_by_{self.name}"

    def place(self, columns: Any) -> tuple[Any, Any, Any]:
        """(status, time, name) of a row or note; what the order does not look at is the same for all."""
        status = columns.status if self.has_status else sa.literal("")
        return status, columns[self.time] if self.time else sa.literal(0.0), columns.name

    def key(self, columns: Any) -> list[Any]:
        """What the index has behind account, region and kind."""
        status, at, name = self.place(columns)
        return [*([status] if self.has_status else []), *([at] if self.time else []), name]

    def within(self, columns: Any, block: Bounds) -> tuple[sa.ColumnElement[bool], ...]:
        """Whether a row of the same account, region and kind lies in the block, in the words of the index."""
        kept = [self.has_status, bool(self.time), True]
        # SQLite compares several columns by an index only with what has no affinity, as a function's result.
        bounds = Bounds(*(sa.func.coalesce(bound, bound) for bound in block))
        starts = itertools.compress((bounds.status, bounds.at, bounds.name), kept)
        ends = itertools.compress((bounds.status, bounds.end_at, bounds.end_name), kept)
        here = sa.tuple_(*self.key(columns))
        return here >= sa.tuple_(*starts), here < sa.tuple_(*ends)


ORDERS = (
    Order(name="name"),
    Order(name="created", time="created"),
    Order(name="modified", time="modified"),
    Order(name="status", has_status=True),
    Order(name="status_created", time="created", has_status=True),
    Order(name="status_modified", time="modified", has_status=True),
)


def bounds() -> Bounds:
    return Bounds(*(BLOCK.c[name] for name in Bounds._fields))


def is_of_time(one: Condition) -> bool:
    """Whether blocks can tell that none of their rows satisfies the condition."""
    return not one.in_doc and one.field in _TIMES and one.operator in RANGES


def reaches(one: Condition) -> sa.ColumnElement[bool]:
    """Whether rows of a block may satisfy a condition on their times."""
    side = "highest" if one.operator in (">", ">=") else "lowest"
    return BLOCK.c[f"{side}_{one.field}"].bool_op(one.operator)(one.value)


def fold(connection: sa.Connection) -> bool:
    """Brings the blocks up to date, unless somebody else is about it. The last thing that a transaction does."""
    if not _is_alone(connection):
        return False
    if connection.execute(sa.update(CHANGE).values(is_taken=True)).rowcount:
        connection.execute(_beginning())
        changed = connection.execute(_widening()).all()
        for block in changed:
            if block.n_changes >= SIZE:
                _measure(connection, block.id)
        connection.execute(sa.delete(CHANGE).where(CHANGE.c.is_taken))
    return True


def _is_alone(connection: sa.Connection) -> bool:
    """Held until the transaction ends."""
    if connection.dialect.name != "postgresql":
        return True
    return bool(connection.execute(sa.select(sa.func.pg_try_advisory_xact_lock(FOLD_LOCK))).scalar_one())


def _places() -> sa.Subquery:
    """Every note that is being folded, once for each order."""
    return sa.union_all(*(_places_in(order) for order in ORDERS)).subquery("place")


def _places_in(order: Order) -> sa.Select[Any]:
    status, at, name = order.place(CHANGE.c)
    return sa.select(
        *(CHANGE.c[column] for column in _SCOPE),
        sa.literal(order.name).label("ordered_by"),
        status.label("status"),
        at.label("at"),
        name.label("name"),
        CHANGE.c.created,
        CHANGE.c.modified,
    ).where(CHANGE.c.is_taken)


def _same(one: Any, other: Any) -> list[sa.ColumnElement[bool]]:
    return [one[name] == other[name] for name in _ORDERED]


@functools.cache
def _beginning() -> sa.Insert:
    """An order's first block reaches around every row."""
    place, values = _places(), {**_BEFORE_ALL, **_AFTER_ALL, **_NOTHING}
    key = [place.c[name] for name in _ORDERED]
    is_there = sa.select(BLOCK.c.id).where(*_same(BLOCK.c, place.c)).correlate(place).exists()
    fresh = sa.select(*key, *(sa.literal(value).label(name) for name, value in values.items()))
    return sa.insert(BLOCK).from_select([*_ORDERED, *values], fresh.where(~is_there).distinct())


@functools.cache
def _widening() -> Any:
    """Lets the blocks reach around what was noted; tells how much each of them changed since it was measured."""
    place, block = _places(), BLOCK.alias("at_place")
    before = sa.tuple_(block.c.at, block.c.name) <= sa.tuple_(place.c.at, place.c.name)
    own = sa.select(block.c.id).where(*_same(block.c, place.c), before).correlate(place)
    nearest = own.order_by(block.c.at.desc(), block.c.name.desc()).limit(1).scalar_subquery()
    found = sa.select(nearest.label("block"), place.c.created, place.c.modified).subquery("found")
    noted = sa.select(found.c.block, sa.func.count().label("n"), *_extremes(found.c))
    noted_of = noted.group_by(found.c.block).subquery("noted")
    values: dict[str, Any] = {"n_changes": BLOCK.c.n_changes + noted_of.c.n}
    for name in _TIMES:
        low, high = f"lowest_{name}", f"highest_{name}"
        values[low] = sa.case((noted_of.c[low] < BLOCK.c[low], noted_of.c[low]), else_=BLOCK.c[low])
        values[high] = sa.case((noted_of.c[high] > BLOCK.c[high], noted_of.c[high]), else_=BLOCK.c[high])
    widened = sa.update(BLOCK).where(BLOCK.c.id == noted_of.c.block).values(values)
    return widened.returning(BLOCK.c.id, BLOCK.c.n_changes)


def _extremes(columns: Any) -> list[Any]:
    lowest = [sa.func.min(columns[name]).label(f"lowest_{name}") for name in _TIMES]
    return lowest + [sa.func.max(columns[name]).label(f"highest_{name}") for name in _TIMES]


def _measure(connection: sa.Connection, block_id: int) -> None:
    """Cuts the block into pieces with the bounds of the rows that it has now."""
    block = connection.execute(sa.select(BLOCK).where(BLOCK.c.id == block_id)).one()
    order = next(order for order in ORDERS if order.name == block.ordered_by)
    connection.execute(sa.delete(BLOCK).where(BLOCK.c.id == block_id))
    its = {f"its_{name}": value for name, value in block._mapping.items()}
    if connection.execute(_cutting(order), its | {"size": SIZE}).first() is not None:
        return
    if (block.at, block.name) == tuple(_BEFORE_ALL.values()):
        connection.execute(sa.insert(BLOCK).values(**dict(block._mapping) | _NOTHING))
        return
    here = [BLOCK.c[name] == getattr(block, name) for name in _ORDERED]
    before = (BLOCK.c.end_at == block.at, BLOCK.c.end_name == block.name)
    longer = sa.update(BLOCK).where(*here, *before)
    connection.execute(longer.values(end_at=block.end_at, end_name=block.end_name))


@functools.cache
def _cutting(order: Order) -> Any:
    """Makes blocks of a block's rows, `size` to each. The first keeps its beginning, the last its end."""
    rows = _numbered(order)
    n, size = rows.c.n, sa.bindparam("size", type_=sa.Integer)
    starts = (
        sa.func.max(sa.case((n < size, _its(name)), (n % size == 0, rows.c[name]))).label(name)
        for name in ("at", "name")
    )
    cut = sa.select((n // size).label("piece"), *starts, *_extremes(rows.c))
    pieces = cut.group_by(sa.text("piece")).subquery("piece")
    ends = (
        sa.func.lead(pieces.c[name], 1, _its(f"end_{name}"))
        .over(order_by=pieces.c.piece)
        .label(f"end_{name}")
        for name in ("at", "name")
    )
    columns = [column for column in pieces.c if column.name != "piece"]
    same = (_its(name).label(name) for name in _ORDERED)
    made = sa.select(*same, *columns, *ends, sa.literal(0).label("n_changes"))
    cut_up = sa.insert(BLOCK).from_select([column.name for column in made.selected_columns], made)
    return cut_up.returning(BLOCK.c.id)


def _numbered(order: Order) -> sa.Subquery:
    """The rows of a block, counted from 0."""
    _, at, name = order.place(RESOURCE.c)
    n = sa.func.row_number(type_=sa.Integer).over(order_by=order.key(RESOURCE.c)) - 1
    rows = sa.select(at.label("at"), name, RESOURCE.c.created, RESOURCE.c.modified, n.label("n"))
    here = [RESOURCE.c[column] == _its(column) for column in _SCOPE]
    bounds = Bounds(*map(_its, Bounds._fields))
    within = rows.where(*here, *order.within(RESOURCE.c, bounds))
    return within.with_hint(RESOURCE, f"INDEXED BY {order.index}", "sqlite").subquery("row")


def _its(name: str) -> sa.BindParameter[Any]:
    """What the block that is being cut has there."""
    return sa.bindparam(f"its_{name}", type_=BLOCK.c[name].type)
