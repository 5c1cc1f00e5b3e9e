"""A store over SQLAlchemy: how transactions begin and end. The databases differ only in how they are opened."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from glasshouse.engines.store import blocks, catalog, tables
from glasshouse.engines.store.metadata import METADATA
from glasshouse.engines.store.statements import SqlReading, SqlTransaction

SCHEMA_VERSION = 2
"""Raised with every change of the tables. Schema 1 had no blocks; stores of it are brought up to date."""
_DECLARED = (tables, catalog)
"""The modules whose tables make up the schema."""
_FIRST = (tables.RESOURCE.name, tables.EVENT.name, tables.WORKER.name)
"""Tables without which there is no store."""


class WrongSchema(RuntimeError):
    """The database was written by a version of the platform that this one cannot read."""


class Database:
    """The store port over two engines of one database: durable commits, and commits that may be undone by a power cut."""

    is_exclusive = False
    place = "The database"
    """What holds the tables, at the beginning of a sentence."""
    elsewhere = "another database"
    reading: Mapping[str, Any] = {}
    """Execution options that make a transaction a read-only snapshot."""

    def __init__(self, durable: sa.Engine, relaxed: sa.Engine) -> None:
        self._durable = durable
        self._reader = durable.execution_options(**self.reading)
        self._relaxed = relaxed
        self._n_unfolded = 0
        with contextlib.ExitStack() as undone:
            undone.callback(self.close)
            self._prepare()
            undone.pop_all()

    @contextlib.contextmanager
    def read(self) -> Iterator[SqlReading]:
        with self._reader.connect() as connection, connection.begin():
            yield SqlReading(connection)

    @contextlib.contextmanager
    def write(self, *, durable: bool = True) -> Iterator[SqlTransaction]:
        engine = self._durable if durable else self._relaxed
        with self._writing(), _connected(engine) as connection:
            transaction = SqlTransaction(connection)
            yield transaction
            self._fold(connection, transaction.n_changed)
            transaction.write_log()

    def _fold(self, connection: sa.Connection, n_changed: int) -> None:
        """Folds once this process has changed enough rows. Whether it counts exactly does not matter."""
        self._n_unfolded += n_changed
        if n_changed and self._n_unfolded >= blocks.FOLD_AFTER and blocks.fold(connection):
            self._n_unfolded = 0

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
            found = _version(connection)
            if found == 1 and _is_complete(connection):
                connection.execute(sa.update(tables.VERSION).values(version=SCHEMA_VERSION))
            elif found not in (None, SCHEMA_VERSION):
                raise WrongSchema(
                    f"{self.place} was written by another version of Glasshouse: its tables have schema {found}, this "
                    f"version reads schema {SCHEMA_VERSION}. Start the version that wrote it, or name {self.elsewhere}."
                )
            METADATA.create_all(connection)
            if found is None:
                connection.execute(sa.insert(tables.VERSION).values(version=SCHEMA_VERSION))
            blocks.fold(connection)


def _version(connection: sa.Connection) -> int | None:
    """The schema of the tables that are there; None where there are none."""
    if not sa.inspect(connection).has_table(tables.VERSION.name):
        return None
    found: int | None = connection.execute(sa.select(sa.func.max(tables.VERSION.c.version))).scalar_one()
    return found


def _is_complete(connection: sa.Connection) -> bool:
    """Whether the tables have all that is not made anew: what the first versions wrote had less."""
    here = sa.inspect(connection)
    there = set(here.get_table_names())
    if not there.issuperset(_FIRST):
        return False
    kept = [table for table in METADATA.sorted_tables if table.name in there]
    if any({c["name"] for c in here.get_columns(one.name)} != set(one.columns.keys()) for one in kept):
        return False
    there |= {str(index["name"]) for index in here.get_indexes(tables.RESOURCE.name)}
    return there.issuperset(["resource_parts", *(str(index.name) for index in tables.RESOURCE.indexes)])


@contextlib.contextmanager
def _connected(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection inside a transaction that means to write."""
    with engine.connect().execution_options(glasshouse_write=True) as connection, connection.begin():
        yield connection
