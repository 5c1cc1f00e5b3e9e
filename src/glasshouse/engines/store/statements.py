"""What a transaction does, in SQLAlchemy Core: the same statements for every database."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from glasshouse.engines.store import pages
from glasshouse.engines.store.catalog import SqlCatalog
from glasshouse.engines.store.tables import AUDIT, EDGE, EVENT, RESOURCE, TAG, WORKER
from glasshouse.kernel.ids import Arn
from glasshouse.kernel.records import (
    AuditEntry,
    Duplicate,
    Edge,
    Event,
    Key,
    Query,
    Record,
    Stale,
)

_AT_ONCE = 500
"""Values in one IN list."""
_FORGOTTEN_AFTER_S = 60.0
_LOG_LOCK = 0x676C6175
"""The advisory lock of who numbers events and audit entries."""
_KEY = (RESOURCE.c.account, RESOURCE.c.region, RESOURCE.c.kind, RESOURCE.c.name)


class SqlReading:
    """Reads over one connection."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection

    @property
    def catalog(self) -> SqlCatalog:
        return SqlCatalog(self.connection)

    def find(self, key: Key, *, held_by: str = "") -> Record | None:
        statement = sa.select(RESOURCE).where(*_is(key))
        if held_by:
            statement = statement.where(RESOURCE.c.lease_owner == held_by)
        row = self.connection.execute(statement).first()
        return _record(row) if row else None

    def find_arn(self, arn: str) -> Record | None:
        row = self.connection.execute(sa.select(RESOURCE).where(RESOURCE.c.arn == arn)).first()
        return _record(row) if row else None

    def page(self, query: Query) -> list[Record]:
        return [_record(row) for row in pages.rows(self.connection, query)]

    def count(self, account: str, region: str, kind: str) -> int:
        statement = sa.select(sa.func.count()).where(
            RESOURCE.c.account == account, RESOURCE.c.region == region, RESOURCE.c.kind == kind
        )
        return int(self.connection.execute(statement).scalar_one())

    def tags(self, arn: str) -> dict[str, str]:
        statement = sa.select(TAG.c.key, TAG.c.value).where(TAG.c.arn == arn).order_by(TAG.c.key)
        return {row.key: row.value for row in self.connection.execute(statement)}

    def tags_of(self, arns: Sequence[str]) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {arn: {} for arn in arns}
        for start in range(0, len(arns), _AT_ONCE):
            statement = sa.select(TAG).where(TAG.c.arn.in_(arns[start : start + _AT_ONCE]))
            for row in self.connection.execute(statement.order_by(TAG.c.arn, TAG.c.key)):
                found[row.arn][row.key] = row.value
        return found

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
        statement = statement.order_by(EDGE.c.source, EDGE.c.target, EDGE.c.relation)
        return [Edge(**row._mapping) for row in self.connection.execute(statement)]

    def audit(self, *, after: int = 0, limit: int = 1000) -> list[AuditEntry]:
        columns = [c for c in AUDIT.c if c.name != "seq"]
        statement = sa.select(*columns).where(AUDIT.c.seq > after).order_by(AUDIT.c.seq).limit(limit)
        return [AuditEntry(**row._mapping) for row in self.connection.execute(statement)]

    def has_due(self, now: float) -> bool:
        waiting = (sa.select(RESOURCE.c.due).where(*place).limit(1) for place in _free_and_due(now))
        return any(self.connection.execute(statement).first() is not None for statement in waiting)

    def held(self, owner: str, *, due_after: float | None = None) -> dict[Key, int]:
        statement = sa.select(*_KEY, RESOURCE.c.rev).where(*_held_by(owner))
        if due_after is not None:
            statement = statement.where(RESOURCE.c.due > due_after)
        return {_key(row): row.rev for row in self.connection.execute(statement)}


class SqlTransaction(SqlReading):
    """Reads and writes over one connection inside one transaction. `n_changed`: the rows that it wrote."""

    def __init__(self, connection: sa.Connection) -> None:
        super().__init__(connection)
        self.n_changed = 0
        self._log: list[tuple[sa.Table, dict[str, Any]]] = []

    def insert(self, record: Record) -> None:
        self.n_changed += 1
        values = _values(record) | {"rev": record.rev, "created": record.created_at}
        statement = _insert(self.connection, RESOURCE).values(**values).on_conflict_do_nothing()
        if self.connection.execute(statement.returning(RESOURCE.c.rev)).first() is None:
            raise Duplicate(record.key.name)

    def replace(self, record: Record, *, expect_rev: int, allowed: Sequence[str] | None = None) -> Record:
        self.n_changed += 1
        statement = sa.update(RESOURCE).where(*_is(record.key), RESOURCE.c.rev == expect_rev)
        if allowed is not None:
            statement = statement.where(RESOURCE.c.status.in_(allowed))
        values = _values(record) | {"rev": expect_rev + 1}
        if record.due_at is None:
            values |= {"lease_owner": None}
        if self.connection.execute(statement.values(**values)).rowcount == 0:
            raise Stale(record.key.name)
        return dataclasses.replace(record, rev=expect_rev + 1)

    def remove(self, key: Key) -> None:
        record = self.find(key)
        if record is None:
            return
        self.n_changed += 1
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
        self._log.append((EVENT, values))

    def append_audit(self, entry: AuditEntry) -> None:
        self._log.append((AUDIT, dataclasses.asdict(entry)))

    def events(self, *, arn: str = "", after: int = 0, limit: int = 1000) -> list[Event]:
        self.write_log()
        return super().events(arn=arn, after=after, limit=limit)

    def audit(self, *, after: int = 0, limit: int = 1000) -> list[AuditEntry]:
        self.write_log()
        return super().audit(after=after, limit=limit)

    def write_log(self) -> None:
        """Numbers what was appended. From then on until the transaction ends nobody else does.

        So numbers become visible in their order, and who has read up to one misses none that is lower. The last thing
        before the end, since others wait for it.
        """
        if not self._log:
            return
        if self.connection.dialect.name == "postgresql":
            self.connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOG_LOCK)))
        for table, values in self._log:
            self.connection.execute(sa.insert(table).values(**values))
        self._log.clear()

    def add_edges(self, edges: Iterable[Edge]) -> None:
        for edge in edges:
            statement = _insert(self.connection, EDGE).values(**dataclasses.asdict(edge))
            self.connection.execute(statement.on_conflict_do_nothing())

    def lease_due(self, *, owner: str, now: float, until: float, limit: int) -> list[Record]:
        self.extend_leases(owner=owner, until=until)
        records: list[Record] = []
        for place in _free_and_due(now):
            statement = sa.select(RESOURCE).where(*place).order_by(RESOURCE.c.due).limit(limit - len(records))
            rows = self.connection.execute(statement.with_for_update(skip_locked=True))
            records += [_record(row) for row in rows]
        for record in records:
            taken = sa.update(RESOURCE).where(*_is(record.key))
            self.connection.execute(taken.values(lease_owner=owner))
        self._forget_workers(before=now - _FORGOTTEN_AFTER_S)
        return records

    def extend_leases(self, *, owner: str, until: float) -> None:
        statement = _insert(self.connection, WORKER).values(owner=owner, until=until)
        self.connection.execute(
            statement.on_conflict_do_update(index_elements=["owner"], set_={"until": until})
        )

    def release(self, *, owner: str) -> None:
        freed = sa.update(RESOURCE).where(*_held_by(owner))
        self.connection.execute(freed.values(lease_owner=None))
        self.connection.execute(sa.delete(WORKER).where(WORKER.c.owner == owner))

    def release_all(self) -> None:
        freed = sa.update(RESOURCE).where(RESOURCE.c.due.is_not(None), RESOURCE.c.lease_owner.is_not(None))
        self.connection.execute(freed.values(lease_owner=None))
        self.connection.execute(sa.delete(WORKER))

    def _forget_workers(self, *, before: float) -> None:
        """Workers that died and left nothing behind."""
        left = sa.select(RESOURCE.c.due).where(*_held_by(WORKER.c.owner)).correlate(WORKER)
        self.connection.execute(sa.delete(WORKER).where(WORKER.c.until < before, ~left.exists()))


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


def _held_by(owner: Any) -> tuple[sa.ColumnElement[bool], ...]:
    """The partial index on due rows answers this: a row that is not due has no lease."""
    return (RESOURCE.c.lease_owner == owner, RESOURCE.c.due.is_not(None))


def _free_and_due(now: float) -> tuple[tuple[sa.ColumnElement[bool], ...], ...]:
    """Rows that nobody holds, and rows whose holder gave no sign of life; each is one range of an index."""
    dead = sa.select(WORKER.c.owner).where(WORKER.c.until < now)
    due = (RESOURCE.c.due.is_not(None), RESOURCE.c.due <= now)
    return ((RESOURCE.c.lease_owner.is_(None), *due), (RESOURCE.c.lease_owner.in_(dead), *due))


def _key(row: Any) -> Key:
    return Key(account=row.account, region=row.region, kind=row.kind, name=row.name)


def _record(row: Any) -> Record:
    return Record(
        key=_key(row),
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
