"""How a page is found quickly among very many resources.

An index serves every sort, with or without a status. Another filter is first tried on the next rows of that order:
most pages are full by then. If not, what the filter asks for is rare, and an index of its own finds it: times by
their index, names by what they contain. Only a filter on documents, or on one or two characters, reads on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from glasshouse.engines.store import expressions
from glasshouse.engines.store.tables import RESOURCE
from glasshouse.kernel.records import Condition, Query

AHEAD = 1000
"""Rows of the order that are tried before the filter counts as rare."""
FEW = 1000
"""Names with a part in common that are looked up one by one."""
PART = 3
"""Characters in a row that the index of parts of names knows."""
_RANGES = (">", ">=", "<", "<=")
_C = RESOURCE.c


def rows(connection: sa.Connection, query: Query) -> Sequence[sa.Row[Any]]:
    """Filter, sort, cut."""
    return _Search(connection, query).rows()


class _Search:
    def __init__(self, connection: sa.Connection, query: Query) -> None:
        self._connection = connection
        self._dialect = connection.dialect.name
        self._query = query
        self._served = [one for one in query.where if _is_served(one, query)]
        self._filters = [one for one in query.where if not _is_served(one, query)]

    def rows(self) -> Sequence[sa.Row[Any]]:
        if not self._filters or self._query.sort_in_doc:
            return self._fetch(self._in_order(_C, self._all(_C), sa.select(RESOURCE)))
        found = self._among_next()
        if len(found) == self._query.limit or not self._has_more():
            return found
        return self._rare()

    def _among_next(self) -> Sequence[sa.Row[Any]]:
        """What satisfies the filters among the next rows of the order."""
        ahead = self._ahead().limit(AHEAD).subquery()
        kept = sa.select(ahead.c.id).where(*self._holds(ahead.c, self._filters))
        return self._by_id(self._in_order(ahead.c, (), kept))

    def _has_more(self) -> bool:
        beyond = self._ahead(sa.select(_C.id)).offset(AHEAD).limit(1)
        return self._connection.execute(beyond).first() is not None

    def _ahead(self, wanted: sa.Select[Any] | None = None) -> sa.Select[Any]:
        needed = {"id", "name", self._query.sort}
        needed |= {"doc" if one.in_doc else one.field for one in self._filters}
        wanted = sa.select(*(_C[name] for name in sorted(needed))) if wanted is None else wanted
        return self._ordered(
            _C, wanted.where(*self._scope(), *self._holds(_C, self._served), *self._after(_C))
        )

    def _rare(self) -> Sequence[sa.Row[Any]]:
        for one in self._filters:
            if one.in_doc:
                continue
            if one.operator != "contains":
                return self._by_index(one)
            if one.field == "name" and len(one.value) >= PART:
                ids = self._ids_with(one.value)
                if len(ids) <= FEW:
                    return self._by_id(
                        self._in_order(_C, self._all(_C), sa.select(_C.id).where(_C.id.in_(ids)))
                    )
        return self._fetch(self._in_order(_C, self._all(_C), sa.select(RESOURCE)))

    def _by_index(self, one: Condition) -> Sequence[sa.Row[Any]]:
        """Reads what the condition's own index has and sorts it; all else is hidden from the planner."""
        hidden = sa.func.coalesce(_C[self._query.sort], _C[self._query.sort])
        others = [other for other in self._query.where if other.field != one.field]
        sargable = [other for other in self._query.where if other.field == one.field]
        statement = sa.select(_C.id).where(*self._scope(), *self._holds(_C, sargable))
        statement = statement.where(*(_hidden(check) for check in self._holds(_C, others)), *self._after(_C))
        directed = (_towards(part, self._query) for part in (hidden, _C.name))
        return self._by_id(statement.order_by(*directed).limit(self._query.limit))

    def _ids_with(self, part: str) -> list[int]:
        """The rows whose name contains it, or more of them than are few."""
        if self._dialect == "postgresql":
            pieces = [part[n : n + PART] for n in range(len(part) - PART + 1)]
            known = sa.func.parts_of(_C.name).op("@>")(sa.cast(pieces, sa.ARRAY(sa.Text)))
            statement = sa.select(_C.id).where(known, *self._scope()).limit(FEW + 1)
            return list(self._connection.execute(statement).scalars())
        quoted = '"' + part.replace('"', '""') + '"'
        matching = sa.text("SELECT rowid FROM resource_parts WHERE resource_parts MATCH :part LIMIT :most")
        found = self._connection.execute(matching, {"part": quoted, "most": FEW + 1})
        return list(found.scalars())

    # --- the pieces of a statement

    def _scope(self) -> tuple[sa.ColumnElement[bool], ...]:
        asked = self._query
        return (_C.account == asked.account, _C.region == asked.region, _C.kind == asked.kind)

    def _all(self, columns: Any) -> tuple[sa.ColumnElement[bool], ...]:
        return (*self._scope(), *self._holds(columns, self._query.where), *self._after(columns))

    def _holds(self, columns: Any, conditions: Iterable[Condition]) -> list[sa.ColumnElement[bool]]:
        return [expressions.holds(self._dialect, columns, one) for one in conditions]

    def _after(self, columns: Any) -> tuple[sa.ColumnElement[bool], ...]:
        if self._query.after is None:
            return ()
        seen = sa.tuple_(*(sa.literal(value) for value in self._query.after))
        here = sa.tuple_(self._sort(columns), columns.name)
        return (here < seen if self._query.descending else here > seen,)

    def _in_order(self, columns: Any, where: Iterable[Any], wanted: sa.Select[Any]) -> sa.Select[Any]:
        return self._ordered(columns, wanted.where(*where)).limit(self._query.limit)

    def _ordered(self, columns: Any, statement: sa.Select[Any]) -> sa.Select[Any]:
        places = (self._sort(columns), columns.name)
        return statement.order_by(*(_towards(place, self._query) for place in places))

    def _sort(self, columns: Any) -> Any:
        query = self._query
        return expressions.column(self._dialect, columns, query.sort, in_doc=query.sort_in_doc)

    def _by_id(self, ids: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        """The rows behind the ids: only those that are shown are read."""
        found = list(self._connection.execute(ids).scalars())
        if not found:
            return []
        return self._fetch(self._ordered(_C, sa.select(RESOURCE).where(_C.id.in_(found))))

    def _fetch(self, statement: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        return self._connection.execute(statement).fetchall()


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


def _towards(place: Any, query: Query) -> Any:
    return place.desc() if query.descending else place.asc()
