"""PostgreSQL through psycopg: the store that several servers share."""

from __future__ import annotations

from typing import Any

import orjson
import sqlalchemy as sa

from glasshouse.engines.store.database import Database

SCHEMA_LOCK = 0x676C6173
"""The advisory lock that guards the making of tables."""
DRIVERS = ("postgresql", "postgresql+psycopg")


class Unusable(RuntimeError):
    """The database cannot be used. The message never holds the URL, which may hold a password."""


class PostgresStore(Database):
    """The store in a PostgreSQL database, for instance postgresql+psycopg://user@host/name."""

    place = "The database that GLASSHOUSE_STORE_URL names"
    reading = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}

    def __init__(self, url: str) -> None:
        _check(url)
        try:
            super().__init__(_engine(url, "on"), _engine(url, "off"))
        except sa.exc.DBAPIError as error:
            reason = " ".join(str(error.orig).split())
            raise Unusable(f"{self.place} cannot be used: {reason}") from error

    def _hold_schema(self, connection: sa.Connection) -> None:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(SCHEMA_LOCK)))


def _check(url: str) -> None:
    try:
        driver = sa.make_url(url).drivername
    except sa.exc.ArgumentError:
        driver = ""
    if driver not in DRIVERS:
        raise Unusable("GLASSHOUSE_STORE_URL must be like postgresql+psycopg://user@host/name.")


def _engine(url: str, synchronous_commit: str) -> sa.Engine:
    engine = sa.create_engine(
        url,
        isolation_level="READ COMMITTED",
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        pool_pre_ping=True,
        pool_size=16,
        max_overflow=32,
    )

    @sa.event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.autocommit = True
        connection.execute(f"SET synchronous_commit = {synchronous_commit}")
        connection.autocommit = False

    return engine
