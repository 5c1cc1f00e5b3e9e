"""What a reader takes from blocks is right at every moment: whatever writers did, undid, or do just then."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import random
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from glasshouse.engines.store import blocks, pages, tables
from glasshouse.kernel import ids
from glasshouse.kernel.records import Condition, Duplicate, Query, Record, Stale, Store
from tests.support import stores

STATUSES = ("Completed", "Failed", "InProgress")
NAMES = tuple(f"{letter}{digit}" for letter in "abAB" for digit in range(4))
TIMES = (-5.0, 0.0, 1.0, 2.0, 2.5, 1_700_000_000.5)


class Undone(Exception):
    """Ends a transaction without a trace."""


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "SIZE", 3)
    monkeypatch.setattr(blocks, "FOLD_AFTER", 4)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store that the examples share, each in an account of its own."""
    opened = stores.opened(request.param, tmp_path_factory.mktemp("store"), request.getfixturevalue)
    yield opened
    opened.close()


def check(store: Store, account: str) -> int:
    """The law of the blocks in one snapshot, and how many rows only notes tell of."""
    with store.read() as view:
        connection = view.connection  # type: ignore[attr-defined]
        rows, notes, found = (
            connection.execute(sa.select(table).where(table.c.account == account)).all()
            for table in (tables.RESOURCE, tables.CHANGE, tables.BLOCK)
        )
    noted = {(note.resource, note.status, note.created, note.modified) for note in notes}
    untold = [row for row in rows if (row.id, row.status, row.created, row.modified) not in noted]
    for order in blocks.ORDERS:
        ordered = sorted((one for one in found if one.ordered_by == order.name), key=lambda one: begin(one))
        check_tiles(ordered)
        for row in untold:
            assert lies_within(row, order, ordered), (order.name, row.name)
    return len(rows) - len(untold)


def begin(block: Any) -> tuple[Any, ...]:
    return block.status, block.at, block.name


def check_tiles(ordered: list[Any]) -> None:
    """The blocks of one status follow each other without gap or overlap, around all that there can be."""
    for status in {block.status for block in ordered}:
        own = [block for block in ordered if block.status == status]
        assert (own[0].at, own[0].name) == (float("-inf"), "")
        assert own[-1].end_at == float("inf")
        for one, following in itertools.pairwise(own):
            assert (one.end_at, one.end_name) == (following.at, following.name)


def lies_within(row: Any, order: blocks.Order, ordered: list[Any]) -> bool:
    status = row.status if order.has_status else ""
    place = (getattr(row, order.time) if order.time else 0.0, row.name)
    (block,) = (
        one
        for one in ordered
        if one.status == status and (one.at, one.name) <= place < (one.end_at, one.end_name)
    )
    return bool(
        block.lowest_created <= row.created <= block.highest_created
        and block.lowest_modified <= row.modified <= block.highest_modified
    )


def record(account: str, name: str, status: str, at: float, modified_at: float) -> Record:
    one = stores.record(name, status=status, at=at, modified_at=modified_at)
    return stores.record_in(one, account)


def do(store: Store, action: str, one: Record) -> None:
    with store.write(durable=False) as tx:
        before = tx.find(one.key)
        if action == "remove":
            tx.remove(one.key)
        elif before is None:
            tx.insert(one)
        else:
            tx.replace(dataclasses.replace(one, created_at=before.created_at), expect_rev=before.rev)
        if action == "undo":
            raise Undone


ACTIONS = st.tuples(
    st.sampled_from(["put", "put", "put", "remove", "undo"]),
    st.sampled_from(NAMES),
    st.sampled_from(STATUSES),
    st.sampled_from(TIMES),
    st.sampled_from(TIMES),
)


@pytest.mark.slow
@given(actions=st.lists(ACTIONS, max_size=25))
@settings(max_examples=30)
def test_a_row_lies_within_the_bounds_of_its_block_or_is_noted(
    shared: Store, actions: list[tuple[str, str, str, float, float]]
) -> None:
    account = ids.token(6)
    for action, *wanted in actions:
        with contextlib.suppress(Undone):
            do(shared, action, record(account, *wanted))
        check(shared, account)


@pytest.mark.slow
def test_notes_are_folded_when_there_are_enough_of_them(store: Store) -> None:
    for n in range(30):
        do(store, "put", record(stores.ACCOUNT, f"m{n:02}", "Ready", float(n), float(n)))
        assert check(store, stores.ACCOUNT) < blocks.FOLD_AFTER
    with store.read() as view:
        n_blocks = sa.select(sa.func.count()).where(tables.BLOCK.c.ordered_by == "name")
        assert view.connection.execute(n_blocks).scalar_one() > 5  # type: ignore[attr-defined]


@pytest.mark.slow
def test_blocks_go_with_their_rows(store: Store) -> None:
    for n in range(20):
        do(store, "put", record(stores.ACCOUNT, f"m{n:02}", "Ready", float(n), float(n)))
    for n in range(20):
        do(store, "remove", record(stores.ACCOUNT, f"m{n:02}", "Ready", 0.0, 0.0))
    check(store, stores.ACCOUNT)
    with store.read() as view:
        left = view.connection.execute(sa.select(tables.BLOCK)).all()  # type: ignore[attr-defined]
    assert len(left) <= 2 * len(blocks.ORDERS)


@pytest.mark.slow
def test_writers_at_the_same_time_leave_right_blocks_and_readers_never_see_others(store: Store) -> None:
    is_over = threading.Event()

    def write(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(25):
            wanted = (chance.choice(one) for one in (NAMES, STATUSES, TIMES, TIMES))
            action = chance.choice(["put", "put", "put", "remove", "undo"])
            with contextlib.suppress(Undone, Stale, Duplicate):
                do(store, action, record(stores.ACCOUNT, *wanted))

    def read() -> None:
        while not is_over.is_set():
            check(store, stores.ACCOUNT)

    def write_all() -> None:
        try:
            stores.together([lambda seed=seed: write(seed) for seed in range(3)])  # type: ignore[misc]
        finally:
            is_over.set()

    stores.together([write_all, read])
    check(store, stores.ACCOUNT)


@pytest.mark.slow
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", ["name", "status", "created", "modified"])
@pytest.mark.parametrize("status", ["", "Completed"])
def test_a_page_far_down_the_order_reads_few_rows(
    crowded: Store, sort: str, status: str, descending: bool
) -> None:
    """Counted in steps of SQLite's machine, which no load on the computer changes."""
    field = "modified" if sort == "created" else "created"
    conditions = [Condition(field=field, operator="<" if descending else ">", value=1000.0)]
    if status:
        conditions.append(Condition(field="status", operator="=", value=status))
    query = Query(
        account=stores.ACCOUNT,
        region=stores.REGION,
        kind="Model",
        where=tuple(conditions),
        sort=sort,
        descending=descending,
        limit=10,
    )
    with crowded.read() as view:
        steps: list[int] = []
        raw = view.connection.connection.driver_connection  # type: ignore[attr-defined]
        raw.set_progress_handler(lambda: steps.append(1) and None, 1000)
        found = view.page(query)
        raw.set_progress_handler(None, 0)
    assert len(found) == 10
    assert len(steps) < 40, "thousands of the machine's steps; passing over half of the rows takes hundreds"


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Two thousand models of a size that makes blocks worth their while; names and times go together."""
    opened = stores.opened("sqlite", tmp_path_factory.mktemp("crowded"), lambda name: "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "FEW", 20)
        patch.setattr(pages, "FEW_PAGES", 2)
        with opened.write(durable=False) as tx:
            for n in range(2000):
                tx.insert(record(stores.ACCOUNT, f"m{n:04}", STATUSES[n % 2], float(n), float(n)))
        yield opened
    opened.close()
