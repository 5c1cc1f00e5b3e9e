"""A page is filter, sort, cut: on both stores, for every sort, direction and filter, and while rows come and go."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasshouse.engines.store import blocks, pages
from glasshouse.kernel import errors, ids, paging
from glasshouse.kernel.kinds import Kind
from glasshouse.kernel.records import Condition, Record, Store
from tests.support import stores

KIND = Kind(
    noun="Model",
    filters={"MinimumSize": lambda value: Condition(field="size", operator=">=", value=value, in_doc=True)},
)
REGION = stores.REGION
NAMES = st.text("abAB-", min_size=1, max_size=5)
STATUSES = ("Completed", "Failed", "InProgress", "failed")
TIMES = st.sampled_from([0.0, 1.0, 1.5, 2.0, 1_700_000_000.123456, 1_700_000_000.123457])
SORTS: dict[str, Callable[[Record], Any]] = {
    "Name": lambda r: r.key.name.encode(),
    "CreationTime": lambda r: r.created_at,
    "LastModifiedTime": lambda r: r.modified_at,
    "Status": lambda r: r.status.encode(),
}


@pytest.fixture(
    scope="module", params=["sqlite", "postgres", "sqlite where all is rare", "postgres where all is rare"]
)
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store that the examples share, each in an account of its own.

    Where all is rare, every way that leads to a page among very many rows is taken with the few rows at hand.
    """
    product, _, is_rare = request.param.partition(" ")
    opened = stores.opened(product, tmp_path_factory.mktemp("store"), request.getfixturevalue)
    with pytest.MonkeyPatch.context() as patch:
        if is_rare:
            patch.setattr(pages, "AHEAD", 2)
            patch.setattr(pages, "FEW", 1)
            patch.setattr(pages, "FEW_PAGES", 0)
            patch.setattr(blocks, "SIZE", 2)
            patch.setattr(blocks, "FOLD_AFTER", 12)
        yield opened
    opened.close()


@st.composite
def rows(draw: st.DrawFn) -> list[Record]:
    return [
        stores.record(
            name,
            status=draw(st.sampled_from(STATUSES)),
            at=draw(TIMES),
            modified_at=draw(TIMES),
            doc={"size": draw(st.integers(0, 3)), "Group": draw(st.sampled_from(["g", "G", "h"]))},
        )
        for name in draw(st.lists(NAMES, unique=True, max_size=16))
    ]


def moment(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


Check = Callable[[Record, Any], bool]
FILTERS: dict[str, tuple[st.SearchStrategy[Any], Check]] = {
    "NameContains": (st.text("abAB-", max_size=4), lambda r, v: v in r.key.name),
    "StatusEquals": (st.sampled_from(STATUSES), lambda r, v: r.status == v),
    "CreationTimeAfter": (TIMES.map(moment), lambda r, v: r.created_at > v.timestamp()),
    "CreationTimeBefore": (TIMES.map(moment), lambda r, v: r.created_at < v.timestamp()),
    "LastModifiedTimeAfter": (TIMES.map(moment), lambda r, v: r.modified_at > v.timestamp()),
    "LastModifiedTimeBefore": (TIMES.map(moment), lambda r, v: r.modified_at < v.timestamp()),
    "GroupEquals": (st.sampled_from(["g", "G", "x"]), lambda r, v: r.doc["Group"] == v),
    "MinimumSize": (st.integers(0, 4), lambda r, v: r.doc["size"] >= v),
}


@st.composite
def queries(draw: st.DrawFn) -> dict[str, Any]:
    asked: dict[str, Any] = {"MaxResults": draw(st.integers(1, 7))}
    for member in draw(st.sets(st.sampled_from(sorted(FILTERS)), max_size=3)):
        asked[member] = draw(FILTERS[member][0])
    if draw(st.booleans()):
        asked["SortBy"] = draw(st.sampled_from(sorted(SORTS)))
    if draw(st.booleans()):
        asked["SortOrder"] = draw(st.sampled_from(["Ascending", "Descending"]))
    return asked


def matches(asked: Mapping[str, Any], row: Record) -> bool:
    return all(FILTERS[member][1](row, value) for member, value in asked.items() if member in FILTERS)


def by_hand(asked: Mapping[str, Any], given_rows: list[Record]) -> list[str]:
    sort = SORTS[asked.get("SortBy", "CreationTime")]
    found = [row for row in given_rows if matches(asked, row)]
    found.sort(key=lambda r: (sort(r), r.key.name.encode()), reverse=asked.get("SortOrder") != "Ascending")
    return [row.key.name for row in found]


@dataclass(frozen=True)
class Place:
    """One account of a store."""

    store: Store
    account: str

    def insert(self, given_rows: list[Record]) -> None:
        moved = (stores.record_in(row, self.account) for row in given_rows)
        stores.insert(self.store, *moved)

    def remove(self, names: list[str]) -> None:
        with self.store.write(durable=False) as tx:
            for name in names:
                tx.remove(stores.key(name, account=self.account))

    def change(self, row: Record) -> None:
        with self.store.write(durable=False) as tx:
            tx.replace(stores.record_in(row, self.account), expect_rev=1)

    def all_pages(self, asked: Mapping[str, Any]) -> list[list[str]]:
        pages: list[list[str]] = []
        token: str | None = None
        while not pages or token is not None:
            names, token = self.page(asked, token)
            pages.append(names)
        return pages

    def page(self, asked: Mapping[str, Any], token: str | None) -> tuple[list[str], str | None]:
        request = {**asked, "NextToken": token} if token else asked
        query = paging.query_of(KIND, request, account=self.account, region=REGION)
        with self.store.read() as view:
            page = paging.page_of(view, query)
        return [row.key.name for row in page.records], page.next_token


def new_place(store: Store) -> Place:
    return Place(store, ids.token(6))


@given(given_rows=rows(), asked=queries())
@settings(max_examples=60)
def test_pages_joined_equal_the_sorted_filtered_rows(
    shared: Store, given_rows: list[Record], asked: dict[str, Any]
) -> None:
    place = new_place(shared)
    place.insert(given_rows)
    pages = place.all_pages(asked)
    assert [name for page in pages for name in page] == by_hand(asked, given_rows)
    assert all(len(page) == asked["MaxResults"] for page in pages[:-1])
    assert pages[-1] or len(pages) == 1, "an empty page follows a full one"


@given(given_rows=rows(), later=rows(), gone=st.sets(NAMES), asked=queries())
@settings(max_examples=40)
def test_pages_show_rows_as_they_are_after_they_changed(
    shared: Store, given_rows: list[Record], later: list[Record], gone: set[str], asked: dict[str, Any]
) -> None:
    place = new_place(shared)
    place.insert(given_rows)
    now = {row.key.name: row for row in given_rows}
    for row, other in zip(given_rows, later, strict=False):
        now[row.key.name] = dataclasses.replace(
            row, status=other.status, modified_at=other.modified_at, doc=other.doc
        )
        place.change(now[row.key.name])
    place.remove(sorted(gone))
    left = [row for row in now.values() if row.key.name not in gone]
    assert [name for page in place.all_pages(asked) for name in page] == by_hand(asked, left)


@given(given_rows=rows(), asked=queries(), data=st.data())
@settings(max_examples=50)
def test_no_row_repeats_and_none_that_stayed_is_missed_while_others_come_and_go(
    shared: Store, given_rows: list[Record], asked: dict[str, Any], data: st.DataObject
) -> None:
    place = new_place(shared)
    place.insert(given_rows)
    stayed = {row.key.name for row in given_rows if matches(asked, row)}
    used = {row.key.name for row in given_rows}
    seen: list[str] = []
    token: str | None = None
    while True:
        names, token = place.page(asked, token)
        seen += names
        if token is None:
            break
        gone = data.draw(st.lists(st.sampled_from(sorted(used)), max_size=2))
        place.remove(gone)
        stayed -= set(gone)
        fresh = [row for row in data.draw(rows())[:2] if row.key.name not in used]
        place.insert(fresh)
        used |= {row.key.name for row in fresh}
    assert len(seen) == len(set(seen))
    assert stayed <= set(seen)
    assert set(seen) <= used


# --- what the pager refuses


def token_of(store: Store, **asked: Any) -> str:
    place = Place(store, stores.ACCOUNT)
    _, token = place.page({"MaxResults": 1, **asked}, None)
    assert token is not None
    return token


@pytest.fixture
def filled(sqlite_store: Store) -> Store:
    stores.insert(sqlite_store, *(stores.record(f"m{n}", at=float(n)) for n in range(3)))
    return sqlite_store


@pytest.mark.parametrize(
    "other",
    [
        {"SortBy": "Name"},
        {"SortOrder": "Ascending"},
        {"NameContains": "m"},
        {"StatusEquals": "Failed"},
        {"CreationTimeAfter": moment(0)},
    ],
)
def test_a_token_is_good_for_its_own_query_only(filled: Store, other: dict[str, Any]) -> None:
    with pytest.raises(errors.Validation, match="another query"):
        Place(filled, stores.ACCOUNT).page(other, token_of(filled))


def test_a_token_is_good_with_another_page_size(filled: Store) -> None:
    assert Place(filled, stores.ACCOUNT).page({"MaxResults": 9}, token_of(filled))[0] == ["m1", "m0"]


def test_an_empty_token_asks_for_the_first_page(filled: Store) -> None:
    assert Place(filled, stores.ACCOUNT).page({"MaxResults": 1}, "")[0] == ["m2"]


@given(
    token=st.text(max_size=40)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    ).map(lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).decode())
)
def test_a_made_up_token_is_refused(token: str) -> None:
    if token:
        with pytest.raises(errors.Validation, match="pagination token"):
            paging.query_of(KIND, {"NextToken": token}, account="1", region="r")


@pytest.mark.parametrize("sort", ["Name", "CreationTime", "LastModifiedTime", "Status"])
@pytest.mark.parametrize("value", [None, True, [], {}, "text", 5.0])
def test_a_token_with_a_value_of_the_wrong_kind_is_refused(filled: Store, sort: str, value: Any) -> None:
    signature, original, name = json.loads(base64.urlsafe_b64decode(token_of(filled, SortBy=sort)))
    if type(value) is type(original):
        return
    forged = base64.urlsafe_b64encode(json.dumps([signature, value, name]).encode()).decode()
    with pytest.raises(errors.Validation):
        Place(filled, stores.ACCOUNT).page({"SortBy": sort}, forged)


def test_a_very_deep_token_is_refused() -> None:
    token = base64.urlsafe_b64encode(b"[" * 100_000).decode()
    with pytest.raises(errors.Validation):
        paging.query_of(KIND, {"NextToken": token}, account="1", region="r")


@pytest.mark.parametrize(
    "asked", [{"SortBy": "Colour"}, {"ColourAfter": moment(0)}, {"MaximumColour": 5}, {"Colours": ["red"]}]
)
def test_what_cannot_be_honoured_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(errors.Validation, match="olour"):
        paging.query_of(KIND, asked, account="1", region="r")
