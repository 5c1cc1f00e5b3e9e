"""How a page is found quickly among very many resources.

An index serves every sort, with or without a status. Another filter leaves either few rows, which an index of its own
finds, or so many that the next rows of the order fill the page. Where it leaves many rows, all of them far down the
order, a filter on times passes over the blocks of rows that have none; only one on names or documents reads on and on.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from glasshouse.engines.store import blocks, expressions
from glasshouse.engines.store.tables import BLOCK, CHANGE, PART, RESOURCE
from glasshouse.kernel.records import Condition, Query

AHEAD = 500
"""Rows of the order that are tried before the filter counts as rare."""
FEW = 300
"""Rows that are better sorted than looked for."""
FEW_PAGES = 20
"""The same for rows of certain times, in pages: how far they lie from each other in the order matters as well."""
LAST = chr(sys.maxunicode)
_C = RESOURCE.c
Rows = Sequence[sa.Row[Any]]


def rows(connection: sa.Connection, query: Query) -> Rows:
    """Filter, sort, cut."""
    return _Search(connection, query).rows()


class _Search:
    def __init__(self, connection: sa.Connection, query: Query) -> None:
        self._connection = connection
        self._dialect = connection.dialect.name
        self._is_postgres = self._dialect == "postgresql"
        self._query = query
        self._status = next((one.value for one in query.where if _is_of_status(one)), None)
        self._served = [one for one in query.where if _is_served(one, query)]
        self._filters = [one for one in query.where if not _is_served(one, query) and not _is_empty(one)]

    def rows(self) -> Rows:
        if self._query.sort_in_doc:
            return self._fetch(sa.select(RESOURCE).where(*self._all()).order_by(*self._order(_C)))
        if not self._filters:
            return self._in_order()
        columns = [one for one in self._filters if _is_indexed(one)]
        for one in columns:
            found = self._among_few(one)
            if found is not None:
                return found
        if self._filters and all(blocks.is_of_time(one) for one in self._filters):
            return self._by_blocks()
        found, is_end = self._among_next()
        return found if is_end or len(found) == self._query.limit else self._rare(columns)

    def _in_order(self) -> Rows:
        """Reads on in the order until the page is full."""
        return self._fetch(self._along(sa.select(RESOURCE)).where(*self._holds(_C, self._filters)))

    def _among_few(self, one: Condition) -> Rows | None:
        """The page, if the condition leaves few rows and that is seen at a glance."""
        if one.operator == "contains":
            if self._is_postgres or len(one.value) < PART:
                return None
            return self._of_ids(self._ids_matching([one.value]))
        seen = self._hinted(sa.select(_C.id).where(*self._scope(), *self._holds(_C, [one])), _index_of(one))
        most = max(FEW, FEW_PAGES * self._query.limit) if blocks.is_of_time(one) else FEW
        n_rows = sa.select(sa.func.count()).select_from(seen.limit(most + 1).subquery())
        return self._by_index(one) if self._connection.execute(n_rows).scalar_one() <= most else None

    def _among_next(self) -> tuple[Rows, bool]:
        """What satisfies the filters among the next rows of the order, and whether those were the last ones."""
        needed = {"id", "name", self._query.sort}
        needed |= {"doc" if one.in_doc else one.field for one in self._filters}
        ahead = self._along(sa.select(*(_C[name] for name in sorted(needed)))).limit(AHEAD).cte("ahead")
        n_seen = sa.select(sa.func.count()).select_from(ahead).scalar_subquery()
        kept = sa.select(*ahead.c).where(*self._holds(ahead.c, self._filters)).subquery()
        once = sa.select(sa.literal(1).label("one")).subquery()
        joined = sa.select(n_seen, kept.c.id).select_from(once.outerjoin(kept, sa.true()))
        found = self._connection.execute(
            joined.order_by(*self._order(kept.c)).limit(self._query.limit)
        ).fetchall()
        ids = [row.id for row in found if row.id is not None]
        return self._of(ids), found[0][0] < AHEAD

    def _rare(self, columns: Sequence[Condition]) -> Rows:
        for one in columns:
            if one.operator != "contains":
                if not blocks.is_of_time(one):
                    return self._by_index(one)
                continue
            if self._is_postgres:
                return self._by_parts(one.value)
            if len(one.value) < PART:
                found = self._of_ids(self._ids_with(one.value))
                if found is not None:
                    return found
        return self._by_blocks() if any(blocks.is_of_time(one) for one in self._filters) else self._in_order()

    # --- by blocks

    def _by_blocks(self) -> Rows:
        """Reads the rows of those blocks that may have some of the times, one block after the other."""
        # First: what is not noted any more when the blocks are asked has gone into them.
        changed = self._changed()
        rows = {row.id: row for row in (*changed, *self._within_blocks())}.values()
        by_place = operator.attrgetter(self._query.sort, "name")
        return sorted(rows, key=by_place, reverse=self._query.descending)[: self._query.limit]

    def _changed(self) -> Rows:
        """The first rows out of those that the blocks may not know of."""
        noted = sa.select(CHANGE.c.resource).where(*self._scope(CHANGE.c))
        # PostgreSQL would weigh whether to read all rows, by statistics of a table that is mostly empty.
        known = sa.any_(sa.func.array(noted.scalar_subquery())) if self._is_postgres else None
        is_noted = _C.id.in_(noted) if known is None else _C.id == known
        wanted = self._hinted(sa.select(RESOURCE).where(is_noted, *map(_hidden, self._all())), "")
        return self._fetch(wanted.order_by(*(_unindexed(place) for place in self._order(_C))))

    def _within_blocks(self) -> Rows:
        """The page's rows, but for some of those that the blocks may not know of."""
        order = self._way()
        rows = self._hinted(sa.select(RESOURCE), order.index)
        hidden = (_hidden(check) for check in (*self._holds(_C, self._query.where), *self._after()))
        rows = rows.where(*self._scope(), *order.within(_C, blocks.bounds()), *hidden)
        wanted = (*self._scope(BLOCK.c), *self._wanted(order))
        along = (BLOCK.c.status, BLOCK.c.at, BLOCK.c.name)
        if not self._is_postgres:
            return self._fetch(rows.where(*wanted).order_by(*self._towards(*along, *order.key(_C))))
        each = rows.order_by(*self._towards(*order.key(_C))).limit(self._query.limit).lateral("each")
        found = sa.select(*each.c).select_from(BLOCK.join(each, sa.true())).where(*wanted)
        return self._fetch(found.order_by(*self._towards(*along, each.c[self._query.sort], each.c.name)))

    def _wanted(self, order: blocks.Order) -> Iterator[sa.ColumnElement[bool]]:
        """Blocks of the order behind the last page that reach into the times that are asked for."""
        yield BLOCK.c.ordered_by == order.name
        status = self._status if order.has_status else ""
        if status is not None:
            yield BLOCK.c.status == status
        yield from (blocks.reaches(one) for one in self._query.where if blocks.is_of_time(one))
        if self._query.after is None:
            return
        sort, name = self._query.after
        place = (sort if status is None else status, sort if order.time else 0.0, name)
        there = sa.tuple_(*(sa.literal(value) for value in place))
        if self._query.descending:
            yield sa.tuple_(BLOCK.c.status, BLOCK.c.at, BLOCK.c.name) < there
        else:
            yield sa.tuple_(BLOCK.c.status, BLOCK.c.end_at, BLOCK.c.end_name) > there

    def _by_parts(self, text: str) -> Rows:
        """Of the names that have parts of the text, side by side until its end, those that contain it."""
        pieces = {text[n : n + PART] for n in range(0, len(text) - PART, PART)} | {text[-PART:]}
        known = sa.func.parts_of(_C.name).op("@>")(sa.cast(sorted(pieces), sa.ARRAY(sa.Text)))
        hidden = (_hidden(check) for check in self._all())
        return self._fetch(
            sa.select(RESOURCE).where(known, *hidden).order_by(*(_unindexed(p) for p in self._order(_C)))
        )

    def _by_index(self, one: Condition) -> Rows:
        """Reads what the condition's own index has, and sorts it."""
        wanted = self._hinted(sa.select(_C.id).where(*self._scope(), *self._holds(_C, [one])), _index_of(one))
        others = [other for other in self._query.where if other is not one]
        hidden = (_hidden(check) for check in (*self._holds(_C, others), *self._after()))
        return self._by_id(wanted.where(*hidden).order_by(*(_unindexed(p) for p in self._order(_C))))

    def _of_ids(self, ids: Sequence[int]) -> Rows | None:
        """The page out of these rows, if they are few."""
        if len(ids) > FEW:
            return None
        wanted = self._hinted(sa.select(RESOURCE).where(_C.id.in_(ids), *self._all()), "")
        return self._fetch(wanted.order_by(*self._order(_C))) if ids else []

    def _ids_with(self, part: str) -> Sequence[int]:
        """The rows whose names contain the short text, or more of them than are few."""
        terms = sa.text("SELECT term FROM resource_part WHERE term >= :start AND term < :end LIMIT :most")
        limits = {"start": part, "end": expressions.successor(part) or LAST, "most": FEW + 1}
        found = self._connection.execute(terms, limits).scalars().all()
        return range(FEW + 1) if len(found) > FEW else self._ids_matching(found)

    def _ids_matching(self, parts: Sequence[str]) -> Sequence[int]:
        if not parts:
            return []
        matching = sa.text("SELECT rowid FROM resource_parts WHERE resource_parts MATCH :parts LIMIT :most")
        quoted = " OR ".join('"' + part.replace('"', '""') + '"' for part in parts)
        found = self._connection.execute(matching, {"parts": quoted, "most": FEW + 1})
        return found.scalars().all()

    # --- the pieces of a statement

    def _scope(self, columns: Any = _C) -> tuple[sa.ColumnElement[bool], ...]:
        asked = self._query
        return (columns.account == asked.account, columns.region == asked.region, columns.kind == asked.kind)

    def _all(self) -> tuple[sa.ColumnElement[bool], ...]:
        return (*self._scope(), *self._holds(_C, self._query.where), *self._after())

    def _holds(self, columns: Any, conditions: Iterable[Condition]) -> list[sa.ColumnElement[bool]]:
        return [expressions.holds(self._dialect, columns, one) for one in conditions]

    def _after(self) -> tuple[sa.ColumnElement[bool], ...]:
        if self._query.after is None:
            return ()
        places = self._places(_C)
        here = sa.tuple_(*places)
        seen = sa.tuple_(*(sa.literal(value) for value in self._query.after[-len(places) :]))
        return (here < seen if self._query.descending else here > seen,)

    def _along(self, wanted: sa.Select[Any]) -> sa.Select[Any]:
        """The rows in the order, from where the last page ended, as an index serves them."""
        served = wanted.where(*self._scope(), *self._holds(_C, self._served), *self._after())
        return self._hinted(served, self._way().index).order_by(*self._order(_C))

    def _way(self) -> blocks.Order:
        """The order in which an index has the rows, of one status if one is asked for."""
        name = _INDEXED[(self._query.sort, self._status is not None)]
        return next(order for order in blocks.ORDERS if order.name == name)

    def _order(self, columns: Any) -> Iterable[Any]:
        return self._towards(*self._places(columns))

    def _towards(self, *places: Any) -> list[Any]:
        return [place.desc() if self._query.descending else place.asc() for place in places]

    def _places(self, columns: Any) -> tuple[Any, ...]:
        query = self._query
        if query.sort == "name" and not query.sort_in_doc:
            return (columns.name,)
        sort = expressions.column(self._dialect, columns, query.sort, in_doc=query.sort_in_doc)
        return sort, columns.name

    def _hinted(self, statement: sa.Select[Any], index: str) -> sa.Select[Any]:
        """SQLite is told which index to use, or none but the ids; PostgreSQL keeps statistics."""
        return statement.with_hint(RESOURCE, f"INDEXED BY {index}" if index else "NOT INDEXED", "sqlite")

    def _by_id(self, ids: sa.Select[Any]) -> Rows:
        return self._of(self._connection.execute(ids.limit(self._query.limit)).scalars().all())

    def _of(self, ids: Sequence[int]) -> Rows:
        """The rows behind the ids: only those that are shown are read."""
        wanted = self._hinted(sa.select(RESOURCE).where(_C.id.in_(ids)), "")
        return self._fetch(wanted.order_by(*self._order(_C))) if ids else []

    def _fetch(self, statement: sa.Select[Any]) -> Rows:
        return self._connection.execute(statement.limit(self._query.limit)).fetchall()


_INDEXED = {
    ("name", False): "name",
    ("created", False): "created",
    ("modified", False): "modified",
    ("status", False): "status",
    ("name", True): "status",
    ("created", True): "status_created",
    ("modified", True): "status_modified",
    ("status", True): "status",
}
"""The index that serves a sort, without and with a given status."""


def _index_of(one: Condition) -> str:
    return f"resource_by_{one.field}"


def _is_empty(one: Condition) -> bool:
    """Whether it asks for nothing: every text contains and begins with the empty one."""
    return not one.in_doc and one.operator in ("contains", "starts") and not one.value


def _is_indexed(one: Condition) -> bool:
    return not one.in_doc and (one.field == "name" or one.operator != "contains")


def _is_of_status(one: Condition) -> bool:
    """Whether it asks for one status."""
    return not one.in_doc and one.field == "status" and one.operator == "="


def _is_served(one: Condition, query: Query) -> bool:
    """Whether the index that serves the order serves the condition too."""
    if one.in_doc or query.sort_in_doc:
        return False
    if one.field == "status":
        return _is_of_status(one)
    return one.field == query.sort and one.operator in blocks.RANGES


def _hidden(check: Any) -> Any:
    """The same condition, of no use to an index."""
    return sa.case((check, sa.true()), else_=sa.false())


def _unindexed(place: Any) -> Any:
    """The same order, of no use to an index."""
    modifier = place.modifier
    return sa.UnaryExpression(sa.func.coalesce(place.element, place.element), modifier=modifier)
