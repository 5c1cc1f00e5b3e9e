"""A store of another version is brought up to date, or left alone with a sentence that says what to do."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import sqlalchemy as sa

from glasshouse.engines.store import database, tables
from glasshouse.engines.store.postgres import PostgresStore
from glasshouse.engines.store.sqlite import SqliteStore
from glasshouse.kernel.records import Condition, Query, Store
from tests.support import stores

TABLES = {2: "0647c81075726fa6"}
"""What SQLite says of the tables of each schema, as a digest."""


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store may be made."""
    if request.param == "sqlite":
        return str(tmp_path / "glasshouse.db")
    return stores.with_schema(request.getfixturevalue("postgres"))


def opened(place: str) -> Store:
    return PostgresStore(place) if "://" in place else SqliteStore(Path(place))


def run(store: Store, *statements: str) -> None:
    with store.write() as tx:
        for statement in statements:
            tx.connection.execute(sa.text(statement))  # type: ignore[attr-defined]


def make_first(place: str, *more: str) -> None:
    """A store of schema 1 with some rows."""
    store = opened(place)
    stores.insert(store, *(stores.record(f"m{n:03}", at=float(n)) for n in range(300)))
    on = " ON resource" if "://" in place else ""
    triggers = (f"DROP TRIGGER resource_{name}{on}" for name in ("added", "removed", "moved"))
    first = "UPDATE schema_version SET version = 1"
    run(store, *triggers, "DROP TABLE block", "DROP TABLE change", first, *more)
    store.close()


def test_a_store_of_the_first_schema_is_brought_up_to_date(place: str) -> None:
    make_first(place)
    store = opened(place)
    stores.insert(store, stores.record("last", at=7.5))
    late = Condition(field="created", operator=">", value=9.0)
    query = Query(
        account=stores.ACCOUNT, region=stores.REGION, kind="Model", where=(late,), sort="name", limit=5
    )
    with store.read() as view:
        assert [one.key.name for one in view.page(query)] == ["m299", "m298", "m297", "m296", "m295"]
        connection = view.connection  # type: ignore[attr-defined]
        assert connection.execute(sa.select(tables.VERSION.c.version)).scalars().all() == [2]
        of_names = sa.select(sa.func.count()).where(tables.BLOCK.c.ordered_by == "name")
        assert connection.execute(of_names).scalar_one() == 3
        assert connection.execute(sa.select(tables.CHANGE.c.name)).scalars().all() == ["last"]
    store.close()
    opened(place).close()


@pytest.mark.parametrize(
    "less", ["DROP INDEX resource_by_status_created", "ALTER TABLE event DROP COLUMN reason"]
)
def test_a_store_of_an_early_version_is_left_alone(place: str, less: str) -> None:
    make_first(place, less)
    with pytest.raises(database.WrongSchema, match="schema 1, this version reads schema 2"):
        opened(place)


def test_a_store_of_a_later_version_is_left_alone(place: str) -> None:
    store = opened(place)
    run(store, "UPDATE schema_version SET version = 999")
    store.close()
    with pytest.raises(database.WrongSchema, match=r"schema 999.* Start the version that wrote it, or name"):
        opened(place)


def test_the_sentence_names_the_file_and_never_the_address_of_a_database(
    tmp_path: Path, postgres: str
) -> None:
    path, url = str(tmp_path / "glasshouse.db"), stores.with_schema(postgres)
    said = []
    for place in (path, url):
        store = opened(place)
        run(store, "UPDATE schema_version SET version = 3")
        store.close()
        with pytest.raises(database.WrongSchema) as caught:
            opened(place)
        said.append(str(caught.value))
    assert path in said[0]
    assert "--data" in said[0]
    assert "GLASSHOUSE_STORE_URL" in said[1]
    assert "://" not in said[1]


def test_tables_that_change_take_a_new_schema_version(sqlite_store: Store) -> None:
    """Else a folder of an earlier version is opened and fails later. A further table alone needs no new version."""
    with sqlite_store.read() as view:
        written = sa.text("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
        made = view.connection.execute(written).scalars().all()  # type: ignore[attr-defined]
    digest = hashlib.sha256("\n".join(" ".join(sql.split()) for sql in made).encode()).hexdigest()[:16]
    assert {database.SCHEMA_VERSION: digest} == TABLES
