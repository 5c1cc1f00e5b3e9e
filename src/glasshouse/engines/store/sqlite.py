"""SQLite: the embedded default. Write-ahead log, every acknowledged write synced, one writer at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler

from glasshouse.engines.store.database import Database

BUSY_MS = 30_000


class AlreadyOpen(RuntimeError):
    """Another process has the store."""


class WriteInsideWrite(RuntimeError):
    """An error in our own code that would wait for itself for ever."""


class SqliteStore(Database):
    """The store in one file, owned by one process at a time."""

    is_exclusive = True

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._owned = _own(path)
        self.place, self.elsewhere = str(path), "another folder with --data"
        self._lock = threading.Lock()
        self._writer = 0
        super().__init__(_engine(path, "FULL"), _engine(path, "NORMAL"))

    def close(self) -> None:
        super().close()
        os.close(self._owned)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        me = threading.get_ident()
        if self._writer == me:
            raise WriteInsideWrite("A write transaction began inside another one of the same thread.")
        with self._lock:
            self._writer = me
            try:
                yield
            finally:
                self._writer = 0


def _own(path: Path) -> int:
    """An exclusive lock beside the file, freed by the system when the process ends in whatever way."""
    descriptor = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise AlreadyOpen(
            f"Another server is using {path.parent}; stop it or name another folder."
        ) from error
    return descriptor


class _Compiler(SQLiteCompiler):
    """Says which index to use (INDEXED BY), which SQLAlchemy leaves out for SQLite."""

    def get_from_hint_text(self, table: Any, text: str | None) -> str | None:
        return text


def _engine(path: Path, synchronous: str) -> sa.Engine:
    engine = sa.create_engine(
        f"sqlite:///{path}",
        connect_args={"check_same_thread": False, "timeout": BUSY_MS / 1000},
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        pool_size=32,
        max_overflow=64,
    )

    engine.dialect.statement_compiler = _Compiler

    @sa.event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={synchronous}")
        cursor.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("glasshouse_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
