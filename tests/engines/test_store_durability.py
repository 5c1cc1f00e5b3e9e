"""What was acknowledged is there, whatever became of the process that wrote it."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from glasshouse.engines.store import sqlite
from glasshouse.engines.store.postgres import PostgresStore
from glasshouse.engines.store.sqlite import SqliteStore
from glasshouse.kernel.records import Edge, Query, Store
from tests.support import stores

WRITER = """
import sys
from glasshouse.engines.store.postgres import PostgresStore
from glasshouse.engines.store.sqlite import SqliteStore
from glasshouse.kernel.records import Edge
from tests.support import stores
import pathlib
place = sys.argv[1]
store = PostgresStore(place) if "://" in place else SqliteStore(pathlib.Path(place))
n = int(sys.argv[2])
while True:
    one = stores.record(f"m{n:06}", due_at=1.0)
    with store.write(durable=n % 3 != 0) as tx:
        tx.insert(one)
        tx.add_edges([Edge(source=one.arn, target=str(n), relation="made with")])
    with store.write() as tx:
        tx.lease_due(owner="writer", now=2.0, until=9e9, limit=10)
    sys.stdout.write(f"{n}\\n")
    sys.stdout.flush()
    n += 1
"""


@contextmanager
def writer(place: str, start: int) -> Iterator[subprocess.Popen[str]]:
    """A process that writes rows for ever and says which ones were acknowledged."""
    command = [sys.executable, "-c", WRITER, place, str(start)]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("product", ["sqlite", "postgres"])
def test_a_killed_writer_loses_nothing_that_was_acknowledged(
    product: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place = str(tmp_path / "glasshouse.db")
    if product == "postgres":
        place = stores.with_schema(request.getfixturevalue("postgres"))
    chance = random.Random(7)
    acknowledged: list[int] = []
    for _ in range(3):
        with writer(place, len(acknowledged) and acknowledged[-1] + 2) as process:
            assert process.stdout is not None
            acknowledged += [int(process.stdout.readline()) for _ in range(3)]
            wait_s = chance.uniform(0.0, 0.2)
            threading.Timer(wait_s, process.send_signal, [signal.SIGKILL]).start()
            acknowledged += [int(line) for line in process.stdout if line.endswith("\n")]
        assert process.returncode == -signal.SIGKILL
        check(place, acknowledged)
    assert len(acknowledged) > 5


def check(place: str, acknowledged: list[int]) -> None:
    store: Store = PostgresStore(place) if "://" in place else SqliteStore(Path(place))
    try:
        query = Query(
            account=stores.ACCOUNT,
            region=stores.REGION,
            kind="Model",
            sort="name",
            descending=False,
            limit=10**6,
        )
        with store.read() as view:
            found = view.page(query)
            edges = {edge.source for edge in view.edges()}
        names = {one.key.name for one in found}
        assert {f"m{n:06}" for n in acknowledged} <= names
        assert {one.arn for one in found} == edges, "half a transaction was written"
    finally:
        store.close()


def test_every_acknowledged_write_was_synced(sqlite_store: SqliteStore) -> None:
    """A kill does not show it: the pages would still be in the system's cache."""
    with sqlite_store.write() as tx:
        assert tx.connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
        assert tx.connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
    with sqlite_store.write(durable=False) as tx:
        assert tx.connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 1


def test_every_acknowledged_write_was_synced_on_postgres_too(postgres: str) -> None:
    store = PostgresStore(stores.with_schema(postgres))
    for durable, expected in ((True, "on"), (False, "off")):
        with store.write(durable=durable) as tx:
            assert tx.connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == expected
    store.close()


def test_a_data_folder_has_one_server(tmp_path: Path) -> None:
    first = SqliteStore(tmp_path / "glasshouse.db")
    assert first.is_exclusive
    with pytest.raises(sqlite.AlreadyOpen, match="Another server is using"):
        SqliteStore(tmp_path / "glasshouse.db")
    first.close()
    SqliteStore(tmp_path / "glasshouse.db").close()


def test_a_write_inside_a_write_is_refused_instead_of_waiting_for_itself(sqlite_store: SqliteStore) -> None:
    def nest() -> None:
        with sqlite_store.write(), sqlite_store.write(durable=False):
            pass

    with pytest.raises(sqlite.WriteInsideWrite):
        nest()
    stores.insert(sqlite_store, stores.record("m"))


def test_a_reader_cannot_write_on_postgres(postgres: str) -> None:
    store = PostgresStore(stores.with_schema(postgres))
    with store.read() as view, pytest.raises(sa.exc.DBAPIError, match="read-only"):
        view.connection.execute(sa.text("DELETE FROM resource"))
    store.close()


def test_servers_that_start_at_the_same_time_make_the_tables_once(postgres: str) -> None:
    place = stores.with_schema(postgres)
    opened: list[PostgresStore] = []
    failures: list[Exception] = []

    def start() -> None:
        try:
            opened.append(PostgresStore(place))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for store in opened:
        store.close()
    assert failures == []
    assert len(opened) == 4


def test_many_readers_do_not_wait_for_a_writer(sqlite_store: SqliteStore) -> None:
    stores.insert(sqlite_store, stores.record("m"))
    took: list[float] = []

    def look() -> None:
        began = time.monotonic()
        with sqlite_store.read() as view:
            assert view.find(stores.key("m")) is not None
        took.append(time.monotonic() - began)

    with sqlite_store.write() as tx:
        tx.add_edges([Edge(source="a", target="b", relation="uses")])
        threads = [threading.Thread(target=look) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(took) == 20
