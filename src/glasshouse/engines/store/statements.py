"""What a transaction does, in SQLAlchemy Core: the same statements for every database."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from glasshouse.engines.store.catalog import SqlCatalog
from glasshouse.engines.store.tables import AUDIT, EDGE, EVENT, RESOURCE, TAG
from glasshouse.kernel.ids import Arn
from glasshouse.kernel.records import (
    AuditEntry,
    Condition,
    Duplicate,
    Edge,
    Event,
    Key,
    Query,
    Record,
    Stale,
)


class SqlReading:
    """Reads over one connection."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection

    @property
    def catalog(self) -> SqlCatalog:
        return SqlCatalog(self.connection)

    def find(self, key: Key) -> Record | None:
        row = self.connection.execute(sa.select(RESOURCE).where(*_is(key))).first()
        return _record(row) if row else None

    def find_arn(self, arn: str) -> Record | None:
        row = self.connection.execute(sa.select(RESOURCE).where(RESOURCE.c.arn == arn)).first()
        return _record(row) if row else None

    def page(self, query: Query) -> list[Record]:
        sort = _column(query.sort, in_doc=query.sort_in_doc)
        name = RESOURCE.c.name
        statement = sa.select(RESOURCE).where(
            RESOURCE.c.account == query.account,
            RESOURCE.c.region == query.region,
            RESOURCE.c.kind == query.kind,
            *(_condition(c) for c in query.where),
        )
        if query.after is not None:
            seen = sa.tuple_(*(sa.literal(v) for v in query.after))
            here = sa.tuple_(sort, name)
            statement = statement.where(here < seen if query.descending else here > seen)
        order = [c.desc() if query.descending else c.asc() for c in (sort, name)]
        rows = self.connection.execute(statement.order_by(*order).limit(query.limit))
        return [_record(row) for row in rows]

    def count(self, account: str, region: str, kind: str) -> int:
        statement = sa.select(sa.func.count()).where(
            RESOURCE.c.account == account, RESOURCE.c.region == region, RESOURCE.c.kind == kind
        )
        return int(self.connection.execute(statement).scalar_one())

    def tags(self, arn: str) -> dict[str, str]:
        statement = sa.select(TAG.c.key, TAG.c.value).where(TAG.c.arn == arn).order_by(TAG.c.key)
        return {row.key: row.value for row in self.connection.execute(statement)}

    def events(self, *, arn: str = "", after: int = 0, limit: int = 1000) -> list[Event]:
        statement = sa.select(EVENT).where(EVENT.c.seq > after).order_by(EVENT.c.seq).limit(limit)
        if arn:
            statement = statement.where(EVENT.c.arn == arn)
        return [Event(**row._mapping) for row in self.connection.execute(statement)]

    def edges(self, *, source: str = "", target: str = "") -> list[Edge]:
        statement = sa.select(EDGE)
        if source:
            statement = statement.where(EDGE.c.source == source)
        if target:
            statement = statement.where(EDGE.c.target == target)
        return [Edge(**row._mapping) for row in self.connection.execute(statement)]

    def audit(self, *, after: int = 0, limit: int = 1000) -> list[AuditEntry]:
        columns = [c for c in AUDIT.c if c.name != "seq"]
        statement = sa.select(*columns).where(AUDIT.c.seq > after).order_by(AUDIT.c.seq).limit(limit)
        return [AuditEntry(**row._mapping) for row in self.connection.execute(statement)]

    def has_due(self, now: float) -> bool:
        statement = sa.select(RESOURCE.c.rev).where(*_free_and_due(now)).limit(1)
        return self.connection.execute(statement).first() is not None


class SqlTransaction(SqlReading):
    """Reads and writes over one connection inside one transaction."""

    def insert(self, record: Record) -> None:
        values = _values(record) | {"rev": record.rev, "created": record.created_at}
        statement = _insert(self.connection, RESOURCE).values(**values).on_conflict_do_nothing()
        if self.connection.execute(statement).rowcount == 0:
            raise Duplicate(record.key.name)

    def replace(self, record: Record, *, expect_rev: int, allowed: Sequence[str] | None = None) -> Record:
        statement = sa.update(RESOURCE).where(*_is(record.key), RESOURCE.c.rev == expect_rev)
        if allowed is not None:
            statement = statement.where(RESOURCE.c.status.in_(allowed))
        values = _values(record) | {"rev": expect_rev + 1}
        if record.due_at is None:
            values |= {"lease_owner": None, "lease_until": None}
        if self.connection.execute(statement.values(**values)).rowcount == 0:
            raise Stale(record.key.name)
        return dataclasses.replace(record, rev=expect_rev + 1)

    def remove(self, key: Key) -> None:
        record = self.find(key)
        if record is None:
            return
        self.connection.execute(sa.delete(RESOURCE).where(*_is(key)))
        self.connection.execute(sa.delete(TAG).where(TAG.c.arn == record.arn))

    def put_tags(self, arn: str, tags: Mapping[str, str]) -> None:
        for key, value in tags.items():
            statement = _insert(self.connection, TAG).values(arn=arn, key=key, value=value)
            self.connection.execute(
                statement.on_conflict_do_update(index_elements=["arn", "key"], set_={"value": value})
            )

    def remove_tags(self, arn: str, keys: Iterable[str]) -> None:
        self.connection.execute(sa.delete(TAG).where(TAG.c.arn == arn, TAG.c.key.in_(list(keys))))

    def append_event(self, event: Event) -> None:
        values = dataclasses.asdict(event)
        del values["seq"]
        self.connection.execute(sa.insert(EVENT).values(**values))

    def append_audit(self, entry: AuditEntry) -> None:
        self.connection.execute(sa.insert(AUDIT).values(**dataclasses.asdict(entry)))

    def add_edges(self, edges: Iterable[Edge]) -> None:
        for edge in edges:
            statement = _insert(self.connection, EDGE).values(**dataclasses.asdict(edge))
            self.connection.execute(statement.on_conflict_do_nothing())

    def lease_due(self, *, owner: str, now: float, until: float, limit: int) -> list[Record]:
        statement = (
            sa.select(RESOURCE)
            .where(*_free_and_due(now))
            .order_by(RESOURCE.c.due)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        records = [_record(row) for row in self.connection.execute(statement)]
        for record in records:
            taken = sa.update(RESOURCE).where(*_is(record.key))
            self.connection.execute(taken.values(lease_owner=owner, lease_until=until))
        return records

    def extend_leases(self, *, owner: str, until: float) -> None:
        statement = sa.update(RESOURCE).where(RESOURCE.c.lease_owner == owner)
        self.connection.execute(statement.values(lease_until=until))

    def release(self, key: Key, *, owner: str) -> None:
        statement = sa.update(RESOURCE).where(*_is(key), RESOURCE.c.lease_owner == owner)
        self.connection.execute(statement.values(lease_owner=None, lease_until=None))

    def release_all(self) -> None:
        statement = sa.update(RESOURCE).where(RESOURCE.c.lease_owner.is_not(None))
        self.connection.execute(statement.values(lease_owner=None, lease_until=None))


def _insert(connection: sa.Connection, table: sa.Table) -> Any:
    """An INSERT that knows ON CONFLICT, in the connection's dialect."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)


def _is(key: Key) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        RESOURCE.c.account == key.account,
        RESOURCE.c.region == key.region,
        RESOURCE.c.kind == key.kind,
        RESOURCE.c.name == key.name,
    )


def _free_and_due(now: float) -> tuple[sa.ColumnElement[bool], ...]:
    free = sa.or_(RESOURCE.c.lease_until.is_(None), RESOURCE.c.lease_until < now)
    return (RESOURCE.c.due.is_not(None), RESOURCE.c.due <= now, free)


def _record(row: Any) -> Record:
    return Record(
        key=Key(account=row.account, region=row.region, kind=row.kind, name=row.name),
        arn=Arn(row.arn),
        status=row.status,
        created_at=row.created,
        modified_at=row.modified,
        rev=row.rev,
        due_at=row.due,
        doc=row.doc,
    )


def _values(record: Record) -> dict[str, Any]:
    return {
        **dataclasses.asdict(record.key),
        "arn": record.arn,
        "status": record.status,
        "modified": record.modified_at,
        "due": record.due_at,
        "doc": dict(record.doc),
    }


def _column(field: str, *, in_doc: bool) -> Any:
    if not in_doc:
        return RESOURCE.c[field]
    return sa.func.coalesce(_at(field).as_string(), "")


def _at(path: str) -> Any:
    return RESOURCE.c.doc[tuple(path.split("."))]


def _condition(condition: Condition) -> sa.ColumnElement[bool]:
    value = condition.value
    if not condition.in_doc:
        column: Any = RESOURCE.c[condition.field]
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        column = _at(condition.field).as_float()
    else:
        column = _column(condition.field, in_doc=True)
    match condition.operator:
        case "=":
            result = column == value
        case "in":
            result = column.in_(list(value))
        case "contains":
            result = _contains(column, value)
        case "starts":
            result = column.startswith(value, autoescape=True)
        case ">":
            result = column > value
        case ">=":
            result = column >= value
        case "<":
            result = column < value
        case "<=":
            result = column <= value
    return result  # type: ignore[no-any-return]  # SQLAlchemy types JSON paths as Any


def _contains(column: Any, text: str) -> Any:
    """Case-sensitive on both databases, which LIKE is not."""
    return sa.func.replace(column, text, "") != column if text else sa.true()
