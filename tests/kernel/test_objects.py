"""Objects: versions, conditions, copies, tags and what a transaction publishes, on both stores."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasshouse.kernel import errors
from glasshouse.kernel.catalog import NULL_VERSION
from glasshouse.kernel.objects import Attributes, Conditions, Objects, Place, Query, faults
from glasshouse.kernel.records import Store
from tests.support import identities, storage
from tests.support.storage import at, new_bucket, put


@pytest.fixture
def objects(store: Store, tmp_path: Path) -> Objects:
    return storage.over(store, tmp_path)


@pytest.fixture
def bucket(objects: Objects) -> Place:
    return new_bucket(objects)


# --- buckets


def test_a_bucket_is_made_once(objects: Objects, bucket: Place) -> None:
    with pytest.raises(faults.BucketAlreadyOwnedByYou):
        objects.create_bucket(bucket, region="us-east-1")
    stranger = Place(account="111111111111", bucket=bucket.bucket)
    with pytest.raises(faults.BucketAlreadyExists):
        objects.create_bucket(stranger, region="us-east-1")


def test_a_bucket_with_anything_in_it_is_not_deleted(objects: Objects, bucket: Place) -> None:
    objects.set_versioning(bucket, "Enabled")
    first = put(objects, at(bucket, "k"))
    marker = objects.delete(at(bucket, "k")).version_id
    with pytest.raises(faults.BucketNotEmpty):
        objects.delete_bucket(bucket)
    objects.delete(at(bucket, "k", first))
    objects.delete(at(bucket, "k", marker))
    objects.delete_bucket(bucket)
    with pytest.raises(faults.NoSuchBucket):
        objects.bucket(bucket)


BAD_NAMES = "ab Upper under_score -a- a..b 192.168.0.1 .abc abc. xn--abc ü-ü-ü abc-s3alias ../etc a/b".split()


def test_names_that_s3_refuses_are_refused(objects: Objects) -> None:
    for name in ["", "a b", "a" * 64, *BAD_NAMES]:
        with pytest.raises(faults.InvalidBucketName):
            objects.create_bucket(Place(account=storage.ACCOUNT, bucket=name), region="us-east-1")


def test_another_accounts_bucket_is_closed(objects: Objects, bucket: Place) -> None:
    put(objects, at(bucket, "k"))
    stranger = Place(account="111111111111", bucket=bucket.bucket, key="k")
    stored = objects.store_bytes(b"")
    attempts: list[Callable[[], object]] = [
        lambda: objects.head(stranger),
        lambda: objects.put(stranger, stored),
        lambda: objects.delete(stranger),
        lambda: objects.list(stranger, Query()),
        lambda: objects.list_versions(stranger, Query()),
        lambda: objects.copy(stranger, at(bucket, "l")),
        lambda: objects.copy(at(bucket, "k"), stranger),
        lambda: objects.set_tags(stranger, {}),
        lambda: objects.uploads.start(stranger),
        lambda: objects.set_versioning(stranger, "Enabled"),
        lambda: objects.delete_bucket(stranger),
    ]
    for attempt in attempts:
        with pytest.raises(faults.AccessDenied):
            attempt()


# --- versions


@dataclass
class ModelledKey:
    """What S3's documentation says about one key, as a list of (version id, content), newest first."""

    versioning: str = ""
    versions: list[tuple[str, bytes | None]] = field(default_factory=list)

    def add(self, version_id: str, content: bytes | None) -> None:
        if version_id == NULL_VERSION:
            self.versions = [entry for entry in self.versions if entry[0] != NULL_VERSION]
        self.versions.insert(0, (version_id, content))

    def remove(self, version_id: str) -> None:
        self.versions = [entry for entry in self.versions if entry[0] != version_id]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.binary(max_size=3)),
        st.tuples(st.just("delete"), st.just(b"")),
        st.tuples(st.just("delete version"), st.integers(0, 5)),
        st.tuples(st.just("versioning"), st.sampled_from(["Enabled", "Suspended"])),
    ),
    max_size=14,
)


@pytest.mark.slow
@settings(max_examples=40)
@given(steps=steps)
def test_versions_are_what_the_rules_say(objects: Objects, steps: list[tuple[str, object]]) -> None:
    bucket = new_bucket(objects)
    model = ModelledKey()
    for step, detail in steps:
        apply(objects, at(bucket, "k"), model, step, detail)
        check(objects, at(bucket, "k"), model)


def apply(objects: Objects, place: Place, model: ModelledKey, step: str, detail: object) -> None:
    if step == "put":
        assert isinstance(detail, bytes)
        model.add(put(objects, place, detail), detail)
    elif step == "delete":
        deletion = objects.delete(place)
        if model.versioning:
            assert deletion.is_delete_marker
            model.add(deletion.version_id, None)
        else:
            model.remove(NULL_VERSION)
    elif step == "delete version":
        assert isinstance(detail, int)
        if detail < len(model.versions):
            version_id = model.versions[detail][0]
            objects.delete(at(place, "k", version_id))
            model.remove(version_id)
    else:
        model.versioning = str(detail)
        objects.set_versioning(place, "Enabled" if detail == "Enabled" else "Suspended")


def check(objects: Objects, place: Place, model: ModelledKey) -> None:
    listed = objects.list_versions(place, Query()).entries
    assert [entry.version_id for entry in listed] == [version_id for version_id, _ in model.versions]
    assert [entry.is_latest for entry in listed] == [index == 0 for index in range(len(listed))]
    for version_id, content in model.versions:
        exact = at(place, "k", version_id)
        if content is None:
            with pytest.raises(faults.IsDeleteMarker):
                objects.head(exact)
        else:
            assert objects.get_bytes(exact) == content
    if model.versions and model.versions[0][1] is not None:
        assert objects.get_bytes(place) == model.versions[0][1]
        assert len(objects.list(place, Query()).entries) == 1
    else:
        with pytest.raises(faults.NoSuchKey):
            objects.head(place)
        assert objects.list(place, Query()).entries == ()


def test_an_unknown_version_is_told_from_an_unknown_key(objects: Objects, bucket: Place) -> None:
    put(objects, at(bucket, "k"))
    with pytest.raises(faults.NoSuchVersion):
        objects.head(at(bucket, "k", "0" * 32))
    with pytest.raises(faults.NoSuchKey):
        objects.head(at(bucket, "other"))


# --- conditions


def test_none_match_any_lets_one_writer_win(objects: Objects, bucket: Place) -> None:
    put(objects, at(bucket, "k"), none_match="*")
    with pytest.raises(faults.PreconditionFailed):
        put(objects, at(bucket, "k"), none_match="*")
    objects.delete(at(bucket, "k"))
    put(objects, at(bucket, "k"), none_match="*")


def test_match_needs_the_very_object(objects: Objects, bucket: Place) -> None:
    with pytest.raises(faults.NoSuchKey):
        put(objects, at(bucket, "k"), match="*")
    put(objects, at(bucket, "k"), b"one")
    etag = objects.head(at(bucket, "k")).etag
    put(objects, at(bucket, "k"), b"two", match=f'"{etag}"')
    with pytest.raises(faults.PreconditionFailed):
        put(objects, at(bucket, "k"), b"three", match=f'"{etag}"')


@pytest.mark.slow
def test_of_many_conditional_writers_exactly_one_succeeds(objects: Objects, bucket: Place) -> None:
    outcomes: list[bool] = []

    def work(index: int) -> None:
        try:
            put(objects, at(bucket, "k"), bytes([index]), none_match="*")
            outcomes.append(True)
        except faults.PreconditionFailed:
            outcomes.append(False)

    in_threads(work, 8)
    assert sorted(outcomes) == [False] * 7 + [True]


@pytest.mark.slow
def test_concurrent_writers_leave_one_latest_and_every_version(objects: Objects, bucket: Place) -> None:
    objects.set_versioning(bucket, "Enabled")
    in_threads(lambda index: put(objects, at(bucket, "k"), bytes([index])), 12)
    versions = objects.list_versions(bucket, Query()).entries
    assert len({version.version_id for version in versions}) == 12
    assert [version.is_latest for version in versions] == [True] + [False] * 11


def in_threads(work: Callable[[int], object], n_threads: int) -> None:
    threads = [threading.Thread(target=work, args=(index,)) for index in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.slow
def test_a_bucket_is_deleted_or_written_to_but_never_both(objects: Objects) -> None:
    for _ in range(6):
        bucket = new_bucket(objects)
        outcomes: list[str] = []

        def work(index: int, bucket: Place = bucket, outcomes: list[str] = outcomes) -> None:
            try:
                if index % 2:
                    objects.delete_bucket(bucket)
                    outcomes.append("deleted")
                else:
                    put(objects, at(bucket, "k"))
                    outcomes.append("written")
            except (faults.NoSuchBucket, faults.BucketNotEmpty):
                pass

        in_threads(work, 2)
        assert len(outcomes) == 1


# --- transactions


def test_what_is_published_appears_with_the_transaction_or_not_at_all(
    objects: Objects, bucket: Place, store: Store
) -> None:
    stored = objects.store_bytes(b"output")

    def fail_after_publishing() -> None:
        with store.write() as tx:
            objects.publish(tx, at(bucket, "k"), stored)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_after_publishing()
    with pytest.raises(faults.NoSuchKey):
        objects.head(at(bucket, "k"))
    with store.write() as tx:
        objects.publish(tx, at(bucket, "k"), stored)
    assert objects.get_bytes(at(bucket, "k")) == b"output"


# --- copies and tags


def test_a_copy_shares_the_content_and_keeps_what_describes_it(objects: Objects, bucket: Place) -> None:
    put(objects, at(bucket, "from"), b"content")
    objects.set_tags(at(bucket, "from"), {"a": "b"})
    copied = objects.copy(at(bucket, "from"), at(bucket, "to"))
    source = objects.head(at(bucket, "from"))
    assert (copied.digest, copied.etag, copied.checksum) == (source.digest, source.etag, source.checksum)
    assert (copied.headers, copied.metadata, copied.tags) == (source.headers, source.metadata, {"a": "b"})
    objects.delete(at(bucket, "from"))
    assert objects.get_bytes(at(bucket, "to")) == b"content"


def test_a_copy_can_be_described_anew_and_summed_anew(objects: Objects, bucket: Place) -> None:
    put(objects, at(bucket, "k"), b"123456789")
    objects.copy(
        at(bucket, "k"),
        at(bucket, "k"),
        attributes=Attributes(headers={"content-type": "a/b"}, metadata={"n": "2"}),
        tags={"t": "u"},
        algorithm="CRC32",
    )
    found = objects.head(at(bucket, "k"))
    assert (found.headers, found.metadata, found.tags) == ({"content-type": "a/b"}, {"n": "2"}, {"t": "u"})
    assert found.checksum is not None
    assert (found.checksum.algorithm, found.checksum.value) == ("CRC32", "y/Q5Jg==")


def test_a_copy_heeds_the_conditions_on_its_source(objects: Objects, bucket: Place) -> None:
    put(objects, at(bucket, "from"))
    etag = objects.head(at(bucket, "from")).etag
    for check in (Conditions(match="other"), Conditions(none_match=etag)):
        with pytest.raises(faults.PreconditionFailed):
            objects.copy(at(bucket, "from"), at(bucket, "to"), source_check=check)


def test_tags_beyond_the_limits_are_refused(objects: Objects, bucket: Place) -> None:
    put(objects, at(bucket, "k"))
    too_many = {str(n): "" for n in range(11)}
    for tags in (too_many, {"": "x"}, {"k" * 129: ""}, {"k": "v" * 257}, {"aws:x": ""}, {"a\0": ""}):
        with pytest.raises(faults.InvalidTag):
            objects.set_tags(at(bucket, "k"), tags)


def test_what_cannot_be_a_key_is_refused(objects: Objects, bucket: Place) -> None:
    for key in ("", "k" * 1025, "ü" * 513, "a\0b", "\ud800"):
        with pytest.raises(errors.WireError):
            put(objects, at(bucket, key))


def test_a_key_is_kept_as_it_is(objects: Objects, bucket: Place) -> None:
    keys = ("a/../b", "..", "//", " ", "+", "ü~", "a\x01b", "\U0001f600", "k" * 1024, "\n", "%2F", "'\"&<")
    for key in keys:
        put(objects, at(bucket, key), key.encode())
        assert objects.get_bytes(at(bucket, key)) == key.encode()
    assert {version.key for version in objects.every(bucket)} == set(keys)


def test_a_key_and_keys_below_it_live_together(objects: Objects, bucket: Place) -> None:
    for key in ("a", "a/b", "a/b/c", "a/"):
        put(objects, at(bucket, key), key.encode())
    assert [objects.get_bytes(at(bucket, key)) for key in ("a", "a/b", "a/b/c", "a/")] == [
        b"a",
        b"a/b",
        b"a/b/c",
        b"a/",
    ]


# --- unnamed blobs


@pytest.fixture
def clock() -> identities.StoppedClock:
    return identities.StoppedClock()


def test_the_sweep_removes_what_nothing_names_once_it_is_old(
    store: Store, tmp_path: Path, clock: identities.StoppedClock
) -> None:
    objects = storage.over(store, tmp_path, clock)
    bucket = new_bucket(objects)
    put(objects, at(bucket, "kept"), b"kept")
    put(objects, at(bucket, "gone"), b"gone")
    objects.delete(at(bucket, "gone"))
    upload = objects.uploads.start(at(bucket, "parts"))
    part = objects.store_bytes(b"part")
    objects.uploads.add_part(at(bucket, "parts"), upload.id, number=1, stored=part)
    clock.time += 3000
    unnamed = objects.store_bytes(b"not yet named")
    assert objects.sweep(grace_s=3600) == 0
    clock.time += 1000
    assert objects.sweep(grace_s=3600) == 1
    objects.put(at(bucket, "later"), unnamed)
    clock.time += 10_000
    assert objects.sweep(grace_s=3600) == 0
    assert objects.get_bytes(at(bucket, "kept")) == b"kept"
    assert objects.get_bytes(at(bucket, "later")) == b"not yet named"
    objects.uploads.abort(at(bucket, "parts"), upload.id)
    assert objects.sweep(grace_s=3600) == 1


def test_naming_what_was_swept_away_is_refused_and_writing_it_again_mends_it(
    store: Store, tmp_path: Path, clock: identities.StoppedClock
) -> None:
    objects = storage.over(store, tmp_path, clock)
    bucket = new_bucket(objects)
    stored = objects.store_bytes(b"content")
    clock.time += 10_000
    assert objects.sweep(grace_s=3600) == 1
    with pytest.raises(faults.TryAgain):
        objects.put(at(bucket, "k"), stored)
    objects.put(at(bucket, "k"), objects.store_bytes(b"content"))
    clock.time += 10_000
    assert objects.sweep(grace_s=3600) == 0
    assert objects.get_bytes(at(bucket, "k")) == b"content"


@pytest.mark.slow
def test_no_object_ever_loses_its_content_to_a_sweep_beside_it(store: Store, tmp_path: Path) -> None:
    clock = identities.StoppedClock()
    objects = storage.over(store, tmp_path, clock)
    bucket = new_bucket(objects)
    is_over = threading.Event()

    def sweep(_: int) -> None:
        while not is_over.is_set():
            objects.sweep(grace_s=-1.0)

    def write(index: int) -> None:
        for n in range(12):
            key = at(bucket, f"{index}-{n % 2}")
            try:
                put(objects, key, bytes([n % 3]))
                objects.copy(key, at(bucket, f"copy-{index}"))
                objects.delete(key)
            except (faults.TryAgain, faults.NoSuchKey):
                continue

    sweeper = threading.Thread(target=sweep, args=(0,))
    sweeper.start()
    in_threads(write, 3)
    is_over.set()
    sweeper.join()
    for version in objects.every(bucket):
        assert b"".join(objects.read(version)) in (b"\0", b"\1", b"\2")
