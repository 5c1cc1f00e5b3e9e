"""How a page is found quickly among very many resources.

An index serves every sort, with or without a status. Another filter leaves either few rows, which an index of its own
finds, or so many that the next rows of the order fill the page. Only a filter on documents reads on for ever, and one
that leaves many rows, all of them far down the order.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from glasshouse.engines.store import expressions
from glasshouse.engines.store.tables import PART, RESOURCE
from glasshouse.kernel.records import Condition, Query

AHEAD = 500
"""Rows of the order that are tried before the filter counts as rare."""
FEW = 300
"""Rows that are better sorted than looked for."""
LAST = chr(sys.maxunicode)
_RANGES = (">", ">=", "<", "<=")
_C = RESOURCE.c
Rows = Sequence[sa.Row[Any]]


def rows(connection: sa.Connection, query: Query) -> Rows:
    """Filter, sort, cut."""
    return _Search(connection, query).rows()


class _Search:
    def __init__(self, connection: sa.Connection, query: Query) -> None:
        self._connection = connection
        self._dialect = connection.dialect.name
        self._query = query
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
        found, is_end = self._among_next()
        return found if is_end or len(found) == self._query.limit else self._rare(columns)

    def _in_order(self) -> Rows:
        """Reads on in the order until the page is full."""
        return self._fetch(self._along(sa.select(RESOURCE)).where(*self._holds(_C, self._filters)))

    def _among_few(self, one: Condition) -> Rows | None:
        """The page, if the condition leaves few rows and that is seen at a glance."""
        if one.operator == "contains":
            if self._dialect == "postgresql" or len(one.value) < PART:
                return None
            return self._of_ids(self._ids_matching([one.value]))
        seen = self._hinted(sa.select(_C.id).where(*self._scope(), *self._holds(_C, [one])), _index_of(one))
        n_rows = sa.select(sa.func.count()).select_from(seen.limit(FEW + 1).subquery())
        return self._by_index(one) if self._connection.execute(n_rows).scalar_one() <= FEW else None

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
                return self._by_index(one)
            if self._dialect == "postgresql":
                return self._by_parts(one.value)
            if len(one.value) < PART:
                found = self._of_ids(self._ids_with(one.value))
                if found is not None:
                    return found
        return self._in_order()

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

    def _scope(self) -> tuple[sa.ColumnElement[bool], ...]:
        asked = self._query
        return (_C.account == asked.account, _C.region == asked.region, _C.kind == asked.kind)

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
        has_status = any(one.field == "status" for one in self._served)
        index = f"resource_by_{_INDEXED[(self._query.sort, has_status)]}"
        served = wanted.where(*self._scope(), *self._holds(_C, self._served), *self._after())
        return self._hinted(served, index).order_by(*self._order(_C))

    def _order(self, columns: Any) -> Iterable[Any]:
        return [p.desc() if self._query.descending else p.asc() for p in self._places(columns)]

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


def _is_served(one: Condition, query: Query) -> bool:
    """Whether the index that serves the order serves the condition too."""
    if one.in_doc or query.sort_in_doc:
        return False
    if one.field == "status":
        return one.operator == "="
    return one.field == query.sort and one.operator in _RANGES


def _hidden(check: Any) -> Any:
    """The same condition, of no use to an index."""
    return sa.case((check, sa.true()), else_=sa.false())


def _unindexed(place: Any) -> Any:
    """The same order, of no use to an index."""
    modifier = place.modifier
    return sa.UnaryExpression(sa.func.coalesce(place.element, place.element), modifier=modifier)
