"""Multipart uploads: what is put together equals what was sent, and mistakes are told by S3's codes."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasshouse.kernel.catalog import Part
from glasshouse.kernel.objects import Conditions, Objects, Place, WantedPart, faults, uploads
from glasshouse.kernel.records import Store
from tests.support import storage
from tests.support.storage import at, new_bucket, put


@pytest.fixture
def objects(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Objects:
    """Parts may be small here, so that many can be tried."""
    monkeypatch.setattr(uploads, "LEAST_PART_BYTES", 3)
    return storage.over(store, tmp_path)


@pytest.fixture
def place(objects: Objects) -> Place:
    return at(new_bucket(objects), "k")


def send(
    objects: Objects, place: Place, upload_id: str, number: int, content: bytes, algorithm: str = ""
) -> Part:
    with objects.intake(algorithm=algorithm or "CRC64NVME") as intake:
        intake.send(content)
        stored = intake.finish()
    return objects.uploads.add_part(place, upload_id, number=number, stored=stored)


def named(*parts: Part) -> list[WantedPart]:
    return [WantedPart(number=part.number, etag=part.etag) for part in parts]


@pytest.mark.slow
@settings(max_examples=25)
@given(
    contents=st.lists(st.binary(min_size=3, max_size=9), min_size=1, max_size=5),
    numbers=st.sets(st.integers(1, 10_000), min_size=5, max_size=5),
    algorithm=st.sampled_from(["", "CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]),
)
def test_the_parts_in_order_are_the_object(
    objects: Objects, contents: list[bytes], numbers: set[int], algorithm: str
) -> None:
    place = at(new_bucket(objects), "k")
    upload = objects.uploads.start(place, algorithm=algorithm)
    chosen = list(zip(sorted(numbers), contents, strict=False))
    parts = [send(objects, place, upload.id, number, content, algorithm) for number, content in chosen]
    objects.uploads.complete(place, upload.id, named(*parts))
    version = objects.head(place)
    whole = b"".join(contents)
    assert objects.get_bytes(place) == whole
    assert version.digest == hashlib.sha256(whole).hexdigest()
    digests = b"".join(hashlib.md5(content).digest() for content in contents)
    assert version.etag == f"{hashlib.md5(digests).hexdigest()}-{len(contents)}"
    assert [part.size_bytes for part in version.parts] == [len(content) for content in contents]


def test_a_composite_checksum_is_the_checksum_of_the_checksums(objects: Objects, place: Place) -> None:
    upload = objects.uploads.start(place, algorithm="CRC32")
    assert upload.checksum_type == "COMPOSITE"
    parts = [send(objects, place, upload.id, n, bytes([n]) * 5, "CRC32") for n in (1, 2)]
    completed = objects.uploads.complete(place, upload.id, named(*parts))
    sums = b"".join(zlib.crc32(bytes([n]) * 5).to_bytes(4, "big") for n in (1, 2))
    expected = base64.b64encode(zlib.crc32(sums).to_bytes(4, "big")).decode()
    assert completed.checksum.value == f"{expected}-2"


def test_a_full_checksum_is_of_the_whole_object(objects: Objects, place: Place) -> None:
    upload = objects.uploads.start(place, algorithm="CRC32", checksum_type="FULL_OBJECT")
    parts = [send(objects, place, upload.id, n, bytes([n]) * 5, "CRC32") for n in (1, 2)]
    completed = objects.uploads.complete(place, upload.id, named(*parts))
    whole = zlib.crc32(b"\1" * 5 + b"\2" * 5).to_bytes(4, "big")
    assert completed.checksum.value == base64.b64encode(whole).decode()
    assert completed.checksum.type == "FULL_OBJECT"


def test_a_completion_asked_again_is_answered_alike(objects: Objects, place: Place) -> None:
    upload = objects.uploads.start(place)
    part = send(objects, place, upload.id, 1, b"content")
    first = objects.uploads.complete(place, upload.id, named(part))
    put(objects, place, b"overwritten since")
    assert objects.uploads.complete(place, upload.id, named(part)) == first
    assert objects.get_bytes(place) == b"overwritten since"
    with pytest.raises(faults.NoSuchUpload):
        send(objects, place, upload.id, 2, b"late")
    with pytest.raises(faults.NoSuchUpload):
        objects.uploads.abort(place, upload.id)


def test_a_part_sent_again_replaces_the_first(objects: Objects, place: Place) -> None:
    upload = objects.uploads.start(place)
    old = send(objects, place, upload.id, 1, b"old")
    new = send(objects, place, upload.id, 1, b"new")
    with pytest.raises(faults.InvalidPart):
        objects.uploads.complete(place, upload.id, named(old))
    objects.uploads.complete(place, upload.id, named(new))
    assert objects.get_bytes(place) == b"new"


def test_what_a_completion_names_wrongly_is_refused(objects: Objects, place: Place) -> None:
    upload = objects.uploads.start(place)
    one, two, three = (send(objects, place, upload.id, n, b"x" * n) for n in (1, 2, 3))
    complete: Callable[[list[WantedPart]], object] = lambda parts: objects.uploads.complete(  # noqa: E731
        place, upload.id, parts
    )
    for parts, fault in [
        ([], faults.MalformedXml),
        (named(three, two), faults.InvalidPartOrder),
        (named(three, three), faults.InvalidPartOrder),
        ([WantedPart(number=9, etag=one.etag)], faults.InvalidPart),
        ([WantedPart(number=1, etag=two.etag)], faults.InvalidPart),
        ([WantedPart(number=1, etag=one.etag, checksum="AAAAAAAAAAA=")], faults.InvalidPart),
        (named(two, three), faults.EntityTooSmall),
    ]:
        with pytest.raises(fault):
            complete(parts)
    with pytest.raises(faults.InvalidRequest):
        objects.uploads.complete(place, upload.id, named(three), size_bytes=4)
    put(objects, place)
    with pytest.raises(faults.PreconditionFailed):
        objects.uploads.complete(place, upload.id, named(three), check=Conditions(none_match="*"))
    complete(named(three))


def test_an_upload_is_known_by_its_own_key_only(objects: Objects, place: Place) -> None:
    upload = objects.uploads.start(place)
    for other in (at(place, "other"), at(new_bucket(objects), "k")):
        with pytest.raises(faults.NoSuchUpload):
            objects.uploads.parts(other, upload.id)
        with pytest.raises(faults.NoSuchUpload):
            objects.uploads.abort(other, upload.id)
    with pytest.raises(faults.NoSuchUpload):
        objects.uploads.parts(place, "unknown")
    objects.uploads.abort(place, upload.id)
    with pytest.raises(faults.NoSuchUpload):
        objects.uploads.parts(place, upload.id)


def test_an_upload_holds_its_parts_to_its_algorithm(objects: Objects, place: Place) -> None:
    upload = objects.uploads.start(place, algorithm="SHA256")
    with pytest.raises(faults.InvalidRequest):
        send(objects, place, upload.id, 1, b"content", "CRC32")
    with pytest.raises(faults.InvalidRequest):
        objects.uploads.start(place, algorithm="SHA256", checksum_type="FULL_OBJECT")
    with pytest.raises(faults.InvalidRequest):
        objects.uploads.start(place, algorithm="MD4")


def test_part_numbers_have_bounds(objects: Objects, place: Place) -> None:
    upload = objects.uploads.start(place)
    for number in (0, 10_001, -1):
        with pytest.raises(faults.InvalidArgument):
            send(objects, place, upload.id, number, b"content")


def test_parts_are_listed_by_number_and_paged(objects: Objects, place: Place) -> None:
    upload = objects.uploads.start(place)
    for number in (7, 2, 5):
        send(objects, place, upload.id, number, bytes([number]))
    assert [part.number for part in objects.uploads.parts(place, upload.id)] == [2, 5, 7]
    assert [part.number for part in objects.uploads.parts(place, upload.id, after=2, limit=1)] == [5]
