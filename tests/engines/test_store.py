"""What every store does: one suite, run on SQLite and on PostgreSQL."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

import pytest

from glasshouse.kernel.records import AuditEntry, Condition, Duplicate, Edge, Event, Query, Stale, Store
from tests.support import stores


def names(store: Store, *where: Condition, **query: Any) -> list[str]:
    """The names of the models that satisfy the conditions, by default in the order of their names."""
    asked = Query(
        account=stores.ACCOUNT,
        region=stores.REGION,
        kind="Model",
        where=where,
        **{"sort": "name", "descending": False, **query},
    )
    with store.read() as view:
        return [one.key.name for one in view.page(asked)]


def in_doc(field: str, operator: Any, value: Any) -> Condition:
    return Condition(field=field, operator=operator, value=value, in_doc=True)


def event(what: str, arn: str = "arn:a") -> Event:
    return Event(at=1.5, account="1", region="r", arn=arn, kind="Model", what=what, reason="why")


def audit_entry(operation: str) -> AuditEntry:
    return AuditEntry(
        at=2.5,
        account="1",
        region="r",
        principal="p",
        access_key_id="k",
        service="s",
        operation=operation,
        resource="*",
        outcome="ok",
        request_id="q",
    )


# --- rows


def test_a_row_is_found_as_it_was_written(store: Store) -> None:
    doc = {"b": 1, "a": {"z": [1.5, -0.0, 1e22, None, True, "ü\U0001f600"], "e": ""}, "": "empty key"}
    written = stores.record("m", status="New", at=1.25, modified_at=2.5, due_at=7.0, doc=doc)
    stores.insert(store, written)
    with store.read() as view:
        assert view.find(written.key) == written
        assert view.find_arn(written.arn) == written
        assert list(view.find(written.key).doc) == ["b", "a", ""]  # type: ignore[union-attr]


def test_an_unknown_row_is_none(store: Store) -> None:
    stores.insert(store, stores.record("m"))
    with store.read() as view:
        assert view.find(stores.key("other")) is None
        assert view.find(stores.key("m", region="eu-west-1")) is None
        assert view.find(stores.key("m", account="111111111111")) is None
        assert view.find(stores.key("m", kind="Endpoint")) is None
        assert view.find_arn("arn:none") is None


def test_a_name_is_taken_once(store: Store) -> None:
    stores.insert(store, stores.record("m"))
    with pytest.raises(Duplicate), store.write() as tx:
        tx.insert(stores.record("m", arn="arn:other"))


def test_an_arn_is_taken_once(store: Store) -> None:
    stores.insert(store, stores.record("m", arn="arn:same"))
    with pytest.raises(Duplicate), store.write() as tx:
        tx.insert(stores.record("n", arn="arn:same"))


def test_the_same_name_may_stand_in_every_account_region_and_kind(store: Store) -> None:
    stores.insert(
        store,
        stores.record("m"),
        stores.record("m", account="111111111111"),
        stores.record("m", kind="Endpoint"),
    )
    with store.read() as view:
        assert view.count(stores.ACCOUNT, stores.REGION, "Model") == 1
        assert view.count(stores.ACCOUNT, "eu-west-1", "Model") == 0


def test_a_replaced_row_has_the_next_revision(store: Store) -> None:
    first = stores.record("m")
    stores.insert(store, first)
    changed = dataclasses.replace(first, status="Gone", modified_at=200.0, doc={"x": 1}, due_at=3.0)
    with store.write() as tx:
        answered = tx.replace(changed, expect_rev=1)
    with store.read() as view:
        assert view.find(first.key) == answered == dataclasses.replace(changed, rev=2)


def test_a_stale_revision_changes_nothing(store: Store) -> None:
    first = stores.record("m")
    stores.insert(store, first)
    with store.write() as tx:
        tx.replace(first, expect_rev=1)
    with pytest.raises(Stale), store.write() as tx:
        tx.replace(dataclasses.replace(first, status="Wrong"), expect_rev=1)
    with store.read() as view:
        assert view.find(first.key) == dataclasses.replace(first, rev=2)


def test_a_row_changes_only_from_an_allowed_status(store: Store) -> None:
    first = stores.record("m", status="Ready")
    stores.insert(store, first)
    with pytest.raises(Stale), store.write() as tx:
        tx.replace(first, expect_rev=1, allowed=("Gone", "Failed"))
    with store.write() as tx:
        tx.replace(first, expect_rev=1, allowed=("Gone", "Ready"))


def test_a_row_that_is_not_there_is_stale(store: Store) -> None:
    with pytest.raises(Stale), store.write() as tx:
        tx.replace(stores.record("m"), expect_rev=1)


def test_a_removed_row_takes_its_tags_along_and_frees_its_name(store: Store) -> None:
    one = stores.record("m")
    stores.insert(store, one)
    with store.write() as tx:
        tx.put_tags(one.arn, {"a": "1"})
        tx.remove(one.key)
        tx.remove(one.key)
    with store.read() as view:
        assert view.find(one.key) is None
        assert view.tags(one.arn) == {}
    stores.insert(store, one)


def test_an_exception_undoes_the_whole_transaction(store: Store) -> None:
    one = stores.record("m")

    def write_and_fail() -> None:
        with store.write() as tx:
            tx.insert(one)
            tx.put_tags(one.arn, {"a": "1"})
            tx.append_event(event("created"))
            tx.append_audit(audit_entry("CreateModel"))
            tx.add_edges([Edge(source="a", target="b", relation="uses")])
            raise KeyError("midway")

    with pytest.raises(KeyError):
        write_and_fail()
    with store.read() as view:
        assert view.find(one.key) is None
        assert view.tags(one.arn) == {}
        assert (view.events(), view.audit(), view.edges()) == ([], [], [])


def test_a_refused_insert_leaves_the_transaction_usable(store: Store) -> None:
    stores.insert(store, stores.record("m"))
    with store.write() as tx:
        with pytest.raises(Duplicate):
            tx.insert(stores.record("m"))
        tx.insert(stores.record("n"))
    assert names(store) == ["m", "n"]


def test_a_view_does_not_change_while_it_is_read(store: Store) -> None:
    stores.insert(store, stores.record("a"))
    with store.read() as view:
        assert view.find(stores.key("a")) is not None
        writer = threading.Thread(target=stores.insert, args=(store, stores.record("b")))
        writer.start()
        writer.join()
        assert view.find(stores.key("b")) is None
    assert names(store) == ["a", "b"]


def test_writers_at_the_same_time_lose_nothing(store: Store) -> None:
    stores.insert(store, stores.record("counter", doc={"n": 0}))

    def add(n: int) -> None:
        done = 0
        while done < n:
            with store.read() as view:
                seen = view.find(stores.key("counter"))
            assert seen is not None
            try:
                with store.write(durable=done % 2 == 0) as tx:
                    tx.replace(dataclasses.replace(seen, doc={"n": seen.doc["n"] + 1}), expect_rev=seen.rev)
                done += 1
            except Stale:
                continue

    stores.together([lambda: add(15)] * 4)
    with store.read() as view:
        found = view.find(stores.key("counter"))
    assert found is not None
    assert (found.doc["n"], found.rev) == (60, 61)


def test_one_of_many_creators_of_a_name_wins(store: Store) -> None:
    outcomes: list[str] = []

    def create() -> None:
        try:
            stores.insert(store, stores.record("m"))
            outcomes.append("created")
        except Duplicate:
            outcomes.append("refused")

    stores.together([create] * 6)
    assert sorted(outcomes) == ["created"] + ["refused"] * 5


# --- tags, events, lineage, audit


def test_tags_are_put_over_each_other_and_removed_by_key(store: Store) -> None:
    with store.write() as tx:
        tx.put_tags("arn:a", {"b": "1", "a": "2", "ä": ""})
        tx.put_tags("arn:a", {"b": "3"})
        tx.put_tags("arn:b", {"b": "4"})
        tx.remove_tags("arn:a", ["a", "unknown"])
    with store.read() as view:
        assert view.tags("arn:a") == {"b": "3", "ä": ""}
        assert view.tags_of(["arn:b", "arn:a", "arn:c"]) == {
            "arn:a": {"b": "3", "ä": ""},
            "arn:b": {"b": "4"},
            "arn:c": {},
        }
        assert view.tags_of([]) == {}


def test_the_tags_of_very_many_resources_are_found(store: Store) -> None:
    with store.write() as tx:
        for n in range(0, 1200, 100):
            tx.put_tags(f"arn:{n}", {"n": str(n)})
    with store.read() as view:
        found = view.tags_of([f"arn:{n}" for n in range(1200)])
    assert [arn for arn in found if found[arn]] == [f"arn:{n}" for n in range(0, 1200, 100)]


def test_events_come_in_the_order_they_were_written(store: Store) -> None:
    with store.write() as tx:
        for what in ("created", "moved", "deleted"):
            tx.append_event(event(what))
        tx.append_event(event("created", arn="arn:b"))
    with store.read() as view:
        all_of_them = view.events()
        assert [e.what for e in all_of_them] == ["created", "moved", "deleted", "created"]
        assert [e.seq for e in all_of_them] == sorted(e.seq for e in all_of_them)
        assert view.events(arn="arn:b") == all_of_them[3:]
        assert view.events(after=all_of_them[1].seq) == all_of_them[2:]
        assert view.events(limit=1) == all_of_them[:1]
        assert dataclasses.replace(all_of_them[0], seq=0) == event("created")


def test_an_edge_is_kept_once_and_found_from_both_ends(store: Store) -> None:
    edges = [Edge(source=s, target=t, relation=r) for s, t, r in ("bya", "bxa", "axb", "aXb")]
    with store.write() as tx:
        tx.add_edges(edges)
        tx.add_edges(edges[:1])
    with store.read() as view:
        assert view.edges() == sorted(edges, key=lambda e: (e.source, e.target, e.relation))
        assert view.edges(source="b") == [edges[1], edges[0]]
        assert view.edges(target="x") == [edges[2], edges[1]]
        assert view.edges(source="b", target="x") == [edges[1]]


def test_audit_entries_come_in_the_order_they_were_written(store: Store) -> None:
    with store.write(durable=False) as tx:
        for operation in ("B", "A", "C"):
            tx.append_audit(audit_entry(operation))
    with store.read() as view:
        assert view.audit() == [audit_entry("B"), audit_entry("A"), audit_entry("C")]
        assert view.audit(after=1, limit=1) == [audit_entry("A")]


# --- conditions and order

DOCS: dict[str, dict[str, Any]] = {
    "text": {"v": "Abc", "deep": {"er": {"v": "x"}}},
    "lower": {"v": "abc"},
    "digits": {"v": "5"},
    "whole": {"v": 5},
    "real": {"v": 5.5},
    "negative": {"v": -1},
    "yes": {"v": True},
    "no": {"v": False},
    "null": {"v": None},
    "list": {"v": [5, "abc"]},
    "missing": {"other": 1},
    "wild": {"v": "100%_\\"},
}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (in_doc("v", "=", "Abc"), ["text"]),
        (in_doc("v", "=", "5"), ["digits", "whole"]),
        (in_doc("v", "=", 5), ["whole"]),
        (in_doc("v", "=", True), ["yes"]),
        (in_doc("v", "=", False), ["no"]),
        (in_doc("v", ">", 0), ["real", "whole"]),
        (in_doc("v", ">=", 5), ["real", "whole"]),
        (in_doc("v", "<", 5), ["negative"]),
        (in_doc("v", "<=", 5.0), ["negative", "whole"]),
        (in_doc("v", "in", ["abc", "5", "zzz"]), ["digits", "lower", "whole"]),
        (in_doc("v", "in", [5, -1]), ["negative", "whole"]),
        (in_doc("v", "in", []), []),
        (in_doc("v", "contains", "b"), ["list", "lower", "text"]),
        (in_doc("v", "contains", "B"), []),
        (in_doc("v", "contains", "%"), ["wild"]),
        (in_doc("v", "starts", "a"), ["lower"]),
        (in_doc("v", "starts", "100%_\\"), ["wild"]),
        (in_doc("v", ">", "abc"), ["no", "yes"]),
        (in_doc("deep.er.v", "=", "x"), ["text"]),
        (in_doc("deep.er", "=", '{"v":"x"}'), ["text"]),
        (in_doc("deep.er.v.further", "=", "x"), []),
        (in_doc("nowhere", "=", ""), []),
        (in_doc("nowhere", "contains", ""), []),
    ],
)
def test_conditions_on_documents_mean_the_same_everywhere(
    store: Store, condition: Condition, expected: list[str]
) -> None:
    stores.insert(store, *(stores.record(name, doc=doc) for name, doc in DOCS.items()))
    assert names(store, condition) == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (Condition(field="name", operator="contains", value="a"), ["Bar", "bar-a"]),
        (Condition(field="name", operator="contains", value="A"), ["A_1"]),
        (Condition(field="name", operator="contains", value="_"), ["A_1"]),
        (Condition(field="name", operator="contains", value=""), ["A_1", "Bar", "bar-a"]),
        (Condition(field="name", operator="starts", value="b"), ["bar-a"]),
        (Condition(field="name", operator="starts", value=""), ["A_1", "Bar", "bar-a"]),
        (Condition(field="name", operator="starts", value="\U0010ffff"), []),
        (Condition(field="name", operator="starts", value="A\ud7ff"), []),
        (Condition(field="name", operator="=", value="bar"), []),
        (Condition(field="name", operator="in", value=("Bar", "A_1")), ["A_1", "Bar"]),
        (Condition(field="status", operator="=", value="On"), ["A_1"]),
        (Condition(field="created", operator=">", value=2.0), ["bar-a"]),
        (Condition(field="created", operator=">=", value=2), ["Bar", "bar-a"]),
        (Condition(field="modified", operator="<", value=20.5), ["A_1", "Bar"]),
        (Condition(field="modified", operator="<=", value=10.0), ["A_1"]),
    ],
)
def test_conditions_on_columns_mean_the_same_everywhere(
    store: Store, condition: Condition, expected: list[str]
) -> None:
    stores.insert(
        store,
        stores.record("A_1", at=1.0, modified_at=10.0, status="On"),
        stores.record("Bar", at=2.0, modified_at=20.0, status="Off"),
        stores.record("bar-a", at=3.0, modified_at=30.0, status="off"),
    )
    assert names(store, condition) == expected


def test_all_conditions_must_hold(store: Store) -> None:
    stores.insert(store, *(stores.record(f"m{n}", at=float(n), doc={"n": n % 2}) for n in range(6)))
    assert names(
        store, in_doc("n", "=", 1), Condition(field="created", operator=">", value=1.0), sort="created"
    ) == ["m3", "m5"]


def test_names_and_statuses_sort_by_their_bytes(store: Store) -> None:
    texts = ["b", "B", "a-b", "a_b", "ab", "aB", "A", "ä", "Z", "1", "-", "~", "ab "]
    stores.insert(
        store,
        *(stores.record(f"n{n}", status=text, doc={"t": text}) for n, text in enumerate(texts)),
        *(stores.record(text, kind="Other") for text in texts),
    )
    expected = sorted(texts, key=str.encode)
    by_status = names(store, sort="status")
    assert [texts[int(name[1:])] for name in by_status] == expected
    assert names(store, sort="status", descending=True) == by_status[::-1]
    assert names(store, sort="t", sort_in_doc=True) == by_status
    with store.read() as view:
        query = Query(
            account=stores.ACCOUNT, region=stores.REGION, kind="Other", sort="name", descending=False
        )
        assert [one.key.name for one in view.page(query)] == expected


def test_rows_without_the_sorted_member_come_first(store: Store) -> None:
    stores.insert(store, stores.record("a", doc={"t": "x"}), stores.record("b"), stores.record("c"))
    assert names(store, sort="t", sort_in_doc=True) == ["b", "c", "a"]
