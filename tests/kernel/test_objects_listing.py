"""Listings: pages joined equal the sorted, rolled-up whole, on both stores, whatever the page size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasshouse.engines.files.local import LocalFiles
from glasshouse.kernel import ids
from glasshouse.kernel.objects import Objects, Place, Query
from glasshouse.kernel.records import Store
from tests.support import identities

ACCOUNT = "000000000000"
ALPHABET = "ab/\x01+ ü\uffff\U0001f600\ud7ff\ue000"
keys = st.text(ALPHABET, min_size=1, max_size=6)
queries = st.fixed_dictionaries(
    {
        "prefix": st.text(ALPHABET, max_size=3),
        "delimiter": st.sampled_from(["", "/", "a", "//", "ü"]),
        "limit": st.integers(1, 7),
    }
)


@dataclass(frozen=True)
class Listed:
    """An entry of a listing: a common prefix, or a key and the version of it."""

    key: str
    version_id: str = ""


@pytest.fixture
def objects(store: Store, tmp_path: Path) -> Objects:
    clock = identities.StoppedClock()
    return Objects(store=store, files=LocalFiles(tmp_path / "blobs", clock=clock), clock=clock)


def new_bucket(objects: Objects) -> Place:
    place = Place(account=ACCOUNT, bucket=f"bucket-{ids.token(8)}")
    objects.create_bucket(place, region="us-east-1")
    return place


def place_of(bucket: Place, key: str) -> Place:
    return Place(account=ACCOUNT, bucket=bucket.bucket, key=key)


def rolled_up(entries: list[Listed], prefix: str, delimiter: str) -> list[Listed]:
    """The listing by hand: entries are sorted already."""
    result: list[Listed] = []
    for entry in entries:
        if not entry.key.startswith(prefix):
            continue
        end = entry.key.find(delimiter, len(prefix)) if delimiter else -1
        shown = entry if end < 0 else Listed(entry.key[: end + len(delimiter)])
        if shown not in result:
            result.append(shown)
    return result


def pages(objects: Objects, place: Place, query: Query, *, versions: bool = False) -> Iterator[list[Listed]]:
    """Each page's entries and common prefixes, put back in order."""
    listing = objects.list_versions if versions else objects.list
    marker: tuple[str, str] | None = ("", "")
    while marker is not None:
        asked = Query(
            delimiter=query.delimiter,
            limit=query.limit,
            after=marker[0],
            after_id=marker[1] if versions else "",
        )
        page = listing(place, asked)
        entries = [Listed(v.key, v.version_id if versions else "") for v in page.entries]
        order = {entry: index for index, entry in enumerate(entries)}
        shown = [*entries, *(Listed(prefix) for prefix in page.prefixes)]
        yield sorted(shown, key=lambda entry: (entry.key.encode(), order.get(entry, -1)))
        marker = page.next


@pytest.mark.slow
@settings(max_examples=40)
@given(names=st.sets(keys, max_size=14), query=queries)
def test_pages_joined_equal_the_sorted_rolled_up_keys(
    objects: Objects, names: set[str], query: dict[str, object]
) -> None:
    bucket = new_bucket(objects)
    stored = objects.store_bytes(b"")
    for name in names:
        objects.put(place_of(bucket, name), stored)
    prefix, delimiter, limit = str(query["prefix"]), str(query["delimiter"]), int(str(query["limit"]))
    found = list(pages(objects, place_of(bucket, prefix), Query(delimiter=delimiter, limit=limit)))
    expected = rolled_up([Listed(name) for name in sorted(names, key=str.encode)], prefix, delimiter)
    assert [entry for page in found for entry in page] == expected
    assert all(len(page) == limit for page in found[:-1])


@pytest.mark.slow
@settings(max_examples=30)
@given(
    changes=st.lists(st.tuples(st.sampled_from(["a", "a/b", "a/c", "b", "ü/x"]), st.booleans()), max_size=16),
    query=queries,
)
def test_pages_of_versions_joined_equal_all_versions_newest_first(
    objects: Objects, changes: list[tuple[str, bool]], query: dict[str, object]
) -> None:
    bucket = new_bucket(objects)
    objects.set_versioning(bucket, "Enabled")
    stored = objects.store_bytes(b"")
    made: list[Listed] = []
    for name, deletes in changes:
        place = place_of(bucket, name)
        version_id = objects.delete(place).version_id if deletes else objects.put(place, stored).version_id
        made.append(Listed(name, version_id))
    made.reverse()
    newest_first = sorted(made, key=lambda entry: entry.key.encode())
    prefix, delimiter, limit = str(query["prefix"]), str(query["delimiter"]), int(str(query["limit"]))
    place = place_of(bucket, prefix)
    found = list(pages(objects, place, Query(delimiter=delimiter, limit=limit), versions=True))
    assert [entry for page in found for entry in page] == rolled_up(newest_first, prefix, delimiter)
    assert all(len(page) == limit for page in found[:-1])


@pytest.mark.slow
@settings(max_examples=30)
@given(names=st.lists(keys, max_size=10), query=queries)
def test_pages_of_uploads_joined_equal_all_uploads(
    objects: Objects, names: list[str], query: dict[str, object]
) -> None:
    bucket = new_bucket(objects)
    made = [Listed(name, objects.uploads.start(place_of(bucket, name)).id) for name in names]
    prefix, limit = str(query["prefix"]), int(str(query["limit"]))
    found: list[Listed] = []
    marker: tuple[str, str] | None = ("", "")
    while marker is not None:
        query_ = Query(after=marker[0], after_id=marker[1], limit=limit)
        page = objects.list_uploads(place_of(bucket, prefix), query_)
        found += [Listed(upload.key, upload.id) for upload in page.entries]
        marker = page.next
    expected = sorted(made, key=lambda entry: (entry.key.encode(), entry.version_id))
    assert found == [entry for entry in expected if entry.key.startswith(prefix)]


@pytest.mark.slow
@given(names=st.sets(keys, max_size=10), after=keys, delimiter=st.sampled_from(["", "/"]))
@settings(max_examples=40)
def test_a_marker_leaves_out_what_comes_before_it(
    objects: Objects, names: set[str], after: str, delimiter: str
) -> None:
    bucket = new_bucket(objects)
    stored = objects.store_bytes(b"")
    for name in names:
        objects.put(place_of(bucket, name), stored)
    page = objects.list(bucket, Query(after=after, delimiter=delimiter))
    later = [name for name in sorted(names, key=str.encode) if name.encode() > after.encode()]
    if delimiter and after.endswith(delimiter) and after.find(delimiter) == len(after) - 1:
        later = [name for name in later if not name.startswith(after)]
    expected = rolled_up([Listed(name) for name in later], "", delimiter)
    found = [Listed(v.key) for v in page.entries] + [Listed(prefix) for prefix in page.prefixes]
    assert sorted(found, key=lambda e: e.key.encode()) == expected


def test_deleting_each_page_of_versions_while_listing_empties_the_bucket(objects: Objects) -> None:
    bucket = new_bucket(objects)
    stored = objects.store_bytes(b"")
    objects.put(place_of(bucket, "k"), stored)
    objects.set_versioning(bucket, "Enabled")
    for _ in range(5):
        objects.put(place_of(bucket, "k"), stored)
    objects.set_versioning(bucket, "Suspended")
    objects.put(place_of(bucket, "k"), stored)
    objects.put(place_of(bucket, "l"), stored)
    marker: tuple[str, str] | None = ("", "")
    while marker is not None:
        page = objects.list_versions(bucket, Query(after=marker[0], after_id=marker[1], limit=2))
        for version in page.entries:
            objects.delete(
                Place(account=ACCOUNT, bucket=bucket.bucket, key=version.key, version_id=version.version_id)
            )
        marker = page.next
    objects.delete_bucket(bucket)
