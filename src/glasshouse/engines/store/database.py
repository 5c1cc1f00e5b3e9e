"""A store over SQLAlchemy: how transactions begin and end. The databases differ only in how they are opened."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from glasshouse.engines.store import catalog, tables
from glasshouse.engines.store.metadata import METADATA
from glasshouse.engines.store.statements import SqlReading, SqlTransaction

SCHEMA_VERSION = 1
_DECLARED = (tables, catalog)
"""The modules whose tables make up the schema."""


class WrongSchema(RuntimeError):
    """The database was written by a version of the platform that this one cannot read."""


class Database:
    """The store port over two engines of one database: durable commits, and commits that may be undone by a power cut."""

    is_exclusive = False
    reading: Mapping[str, Any] = {}
    """Execution options that make a transaction a read-only snapshot."""

    def __init__(self, durable: sa.Engine, relaxed: sa.Engine) -> None:
        self._durable = durable
        self._reader = durable.execution_options(**self.reading)
        self._relaxed = relaxed
        self._prepare()

    @contextlib.contextmanager
    def read(self) -> Iterator[SqlReading]:
        with self._reader.connect() as connection, connection.begin():
            yield SqlReading(connection)

    @contextlib.contextmanager
    def write(self, *, durable: bool = True) -> Iterator[SqlTransaction]:
        engine = self._durable if durable else self._relaxed
        with self._writing(), _connected(engine) as connection:
            yield SqlTransaction(connection)

    def close(self) -> None:
        self._durable.dispose()
        self._relaxed.dispose()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Held around a write; a database with one writer at a time queues here instead of failing."""
        yield

    def _hold_schema(self, connection: sa.Connection) -> None:
        """Makes servers that start at the same time take turns."""

    def _prepare(self) -> None:
        with self._writing(), _connected(self._durable) as connection:
            self._hold_schema(connection)
            METADATA.create_all(connection)
            found = connection.execute(sa.select(sa.func.max(tables.VERSION.c.version))).scalar_one()
            if found is None:
                connection.execute(sa.insert(tables.VERSION).values(version=SCHEMA_VERSION))
            elif found != SCHEMA_VERSION:
                raise WrongSchema(f"The store has schema {found}; this version reads {SCHEMA_VERSION}.")


@contextlib.contextmanager
def _connected(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection inside a transaction that means to write."""
    with engine.connect().execution_options(glasshouse_write=True) as connection, connection.begin():
        yield connection
