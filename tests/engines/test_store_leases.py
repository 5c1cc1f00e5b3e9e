"""What every store does with leases: a row that is due belongs to one owner, for a time."""

from __future__ import annotations

import dataclasses

from glasshouse.kernel.records import Store
from tests.support import stores


def leased(store: Store, owner: str, *, now: float, until: float, limit: int = 100) -> list[str]:
    with store.write() as tx:
        return [one.key.name for one in tx.lease_due(owner=owner, now=now, until=until, limit=limit)]


def test_only_rows_that_are_due_are_leased_the_longest_due_first(store: Store) -> None:
    stores.insert(
        store,
        stores.record("later", due_at=20.0),
        stores.record("second", due_at=9.0),
        stores.record("first", due_at=8.0),
        stores.record("never"),
    )
    with store.read() as view:
        assert not view.has_due(7.9)
        assert view.has_due(8.0)
    assert leased(store, "x", now=10.0, until=20.0, limit=1) == ["first"]
    assert leased(store, "x", now=10.0, until=20.0) == ["second"]
    with store.read() as view:
        assert not view.has_due(10.0)


def test_a_leased_row_is_nobody_elses_until_its_time_is_over(store: Store) -> None:
    stores.insert(store, stores.record("m", due_at=1.0))
    assert leased(store, "x", now=10.0, until=20.0) == ["m"]
    assert leased(store, "x", now=11.0, until=20.0) == []
    assert leased(store, "y", now=19.0, until=30.0) == []
    with store.read() as view:
        assert view.has_due(20.1)
    assert leased(store, "y", now=20.1, until=30.0) == ["m"]
    with store.read() as view:
        assert view.find(stores.key("m"), held_by="x") is None
        assert view.find(stores.key("m"), held_by="y") is not None
    assert leased(store, "x", now=21.0, until=40.0) == []


def test_a_holder_that_gives_signs_of_life_keeps_its_rows(store: Store) -> None:
    stores.insert(store, stores.record("m", due_at=1.0))
    assert leased(store, "x", now=10.0, until=20.0) == ["m"]
    with store.write() as tx:
        tx.extend_leases(owner="x", until=40.0)
    assert leased(store, "y", now=30.0, until=50.0) == []
    assert leased(store, "y", now=41.0, until=50.0) == ["m"]


def test_a_change_that_stays_due_keeps_the_lease_and_one_that_rests_ends_it(store: Store) -> None:
    stores.insert(store, stores.record("m", due_at=1.0))
    leased(store, "x", now=10.0, until=20.0)
    with store.write() as tx:
        one = tx.replace(stores.record("m", due_at=5.0), expect_rev=1)
        assert tx.held("x") == {one.key: 2}
        assert tx.held("x", due_after=5.0) == {}
        assert tx.held("x", due_after=4.9) == {one.key: 2}
        one = tx.replace(dataclasses.replace(one, due_at=None), expect_rev=2)
        assert tx.held("x") == {}
        tx.replace(dataclasses.replace(one, due_at=6.0), expect_rev=3)
    assert leased(store, "y", now=11.0, until=20.0) == ["m"]


def test_a_holder_gives_up_its_own_rows_only(store: Store) -> None:
    stores.insert(store, stores.record("a", due_at=1.0), stores.record("b", due_at=2.0))
    assert leased(store, "x", now=10.0, until=20.0, limit=1) == ["a"]
    assert leased(store, "y", now=10.0, until=20.0) == ["b"]
    with store.write() as tx:
        tx.release(owner="x")
    assert leased(store, "z", now=11.0, until=20.0) == ["a"]


def test_all_leases_can_be_freed_at_once(store: Store) -> None:
    stores.insert(store, stores.record("a", due_at=1.0), stores.record("b", due_at=2.0))
    leased(store, "x", now=10.0, until=20.0, limit=1)
    leased(store, "y", now=10.0, until=20.0)
    with store.write() as tx:
        tx.release_all()
    assert leased(store, "z", now=11.0, until=20.0) == ["a", "b"]


def test_no_two_owners_ever_hold_the_same_row(store: Store) -> None:
    stores.insert(store, *(stores.record(f"m{n:03}", due_at=1.0) for n in range(60)))
    taken: dict[str, list[str]] = {}

    def take(owner: str) -> None:
        got: list[str] = []
        while batch := leased(store, owner, now=10.0, until=20.0, limit=5):
            got += batch
        taken[owner] = got

    stores.together([lambda owner=f"o{n}": take(owner) for n in range(4)])  # type: ignore[misc]
    everything = sorted(name for got in taken.values() for name in got)
    assert everything == [f"m{n:03}" for n in range(60)]
