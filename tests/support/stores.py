"""Stores to test with, and rows to put into them."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from glasshouse.engines.store.postgres import PostgresStore
from glasshouse.engines.store.sqlite import SqliteStore
from glasshouse.kernel import ids
from glasshouse.kernel.records import Key, Record, Store

ACCOUNT = "000000000000"
REGION = "us-east-1"


def opened(product: str, folder: Path, fixture: Callable[[str], Any]) -> Store:
    """An empty store of that product; `fixture("postgres")` gives the server's URL when one is needed."""
    if product == "sqlite":
        return SqliteStore(folder / "glasshouse.db")
    return PostgresStore(with_schema(fixture("postgres")))


def with_schema(url: str) -> str:
    """The URL of a new, empty schema of the database."""
    import sqlalchemy as sa

    name = f"test_{ids.token(8)}"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.schema.CreateSchema(name))
    engine.dispose()
    return f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{name}"


def key(name: str, *, kind: str = "Model", account: str = ACCOUNT, region: str = REGION) -> Key:
    return Key(account=account, region=region, kind=kind, name=name)


def record(
    name: str,
    *,
    kind: str = "Model",
    status: str = "Ready",
    at: float = 100.0,
    modified_at: float | None = None,
    due_at: float | None = None,
    doc: Mapping[str, Any] | None = None,
    account: str = ACCOUNT,
    arn: str = "",
) -> Record:
    return Record(
        key=key(name, kind=kind, account=account),
        arn=ids.Arn(arn or f"arn:aws:sagemaker:{REGION}:{account}:{kind.lower()}/{name}"),
        status=status,
        created_at=at,
        modified_at=at if modified_at is None else modified_at,
        due_at=due_at,
        doc=doc or {},
    )


def record_in(one: Record, account: str) -> Record:
    """The same row in another account."""
    key = dataclasses.replace(one.key, account=account)
    return dataclasses.replace(one, key=key, arn=ids.Arn(one.arn.replace(ACCOUNT, account)))


def insert(store: Store, *records: Record) -> None:
    with store.write() as tx:
        for one in records:
            tx.insert(one)


def together(calls: list[Callable[[], None]]) -> None:
    """Runs the calls in threads at the same time and raises what any of them raised."""
    failures: list[BaseException] = []

    def run(call: Callable[[], None]) -> None:
        try:
            call()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
