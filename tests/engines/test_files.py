"""The files port: one suite for every product."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasshouse.engines.files import envelope
from glasshouse.engines.files.local import LocalFiles
from glasshouse.engines.files.s3 import Access, S3Files
from glasshouse.kernel import disk as disks
from glasshouse.kernel import ids
from glasshouse.kernel.clock import SystemClock
from glasshouse.kernel.objects import Intake
from glasshouse.kernel.ports import Blob, Files
from tests.support import identities, s3

UNKNOWN = "0" * 64
LARGE = os.urandom(3 << 20)


@pytest.fixture(scope="module")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.S3Server]:
    with s3.running(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(params=["local", "s3"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    """Empty storage of each product; the S3 is our own door."""
    if request.param == "local":
        return LocalFiles(tmp_path / "blobs", clock=SystemClock())
    return s3_files(request.getfixturevalue("s3_server"))


def s3_files(server: s3.S3Server) -> S3Files:
    known = identities.credential()
    bucket = f"blobs-{ids.token(8)}"
    server.client().create_bucket(Bucket=bucket)
    return S3Files(
        Access(
            bucket=bucket,
            region=s3.REGION,
            access_key_id=known.access_key_id,
            secret_access_key=known.secret_access_key,
            endpoint=server.url,
            prefix="kept/here",
        )
    )


def write(files: Files, *chunks: bytes) -> Blob:
    writer = files.writer()
    for chunk in chunks:
        writer.send(chunk)
    return writer.commit()


def content(files: Files, digest: str, start: int = 0, stop: int | None = None) -> bytes:
    return b"".join(files.read(digest, start, stop))


def test_a_blob_is_addressed_by_the_digest_of_its_content(files: Files) -> None:
    blob = write(files, b"hel", b"", b"lo")
    assert blob == Blob(digest=hashlib.sha256(b"hello").hexdigest(), size_bytes=5)
    assert content(files, blob.digest) == b"hello"


def test_an_empty_blob_is_a_blob(files: Files) -> None:
    blob = write(files)
    assert files.exists(blob.digest)
    assert content(files, blob.digest) == b""


END = len(LARGE)
RANGES = [(0, None), (0, 0), (0, 1), (1, 2), (5, None), (0, 1 << 20), ((1 << 20) - 1, (1 << 20) + 1)]
RANGES += [(260 << 10, 270 << 10), (END - 1, None), (END, None), (END + 5, None), (7, END + 9), (9, 9)]


@pytest.mark.slow
def test_a_range_is_that_slice(files: Files) -> None:
    digest = write(files, LARGE).digest
    for start, stop in RANGES:
        assert content(files, digest, start, stop) == LARGE[start:stop]


def test_an_unknown_digest_is_a_key_error(files: Files) -> None:
    assert not files.exists(UNKNOWN)
    with pytest.raises(KeyError):
        files.read(UNKNOWN)
    with pytest.raises(KeyError):
        files.written_at(UNKNOWN)
    files.remove(UNKNOWN)


def test_what_is_no_digest_names_no_blob(files: Files) -> None:
    for name in ("", "..", "../../etc/passwd", "A" * 64, "0" * 63):
        assert not files.exists(name)
        with pytest.raises(KeyError):
            files.read(name)


def test_nothing_is_visible_before_commit_or_after_abort(files: Files) -> None:
    writer = files.writer()
    writer.send(b"half")
    assert list(files.digests()) == []
    writer.abort()
    assert list(files.digests()) == []


def test_digests_are_all_that_was_committed_and_not_removed(files: Files) -> None:
    blobs = [write(files, bytes([n]) * n) for n in range(5)]
    files.remove(blobs[2].digest)
    assert set(files.digests()) == {blob.digest for blob in blobs} - {blobs[2].digest}
    assert not files.exists(blobs[2].digest)


def test_the_same_content_is_kept_once_and_gets_younger(files: Files) -> None:
    first = write(files, b"same")
    before = files.written_at(first.digest)
    assert write(files, b"sa", b"me") == first
    assert list(files.digests()) == [first.digest]
    assert files.written_at(first.digest) >= before
    assert abs(files.written_at(first.digest) - time.time()) < 60


@pytest.mark.slow
def test_concurrent_writers_never_mix_their_bytes(files: Files) -> None:
    wanted = [bytes([n % 3]) * (100_000 + n % 3) for n in range(12)]
    found: dict[int, Blob] = {}

    def work(index: int) -> None:
        chunks = [wanted[index][start : start + 7919] for start in range(0, len(wanted[index]), 7919)]
        found[index] = write(files, *chunks)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(wanted))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, expected in enumerate(wanted):
        assert content(files, found[index].digest) == expected
    assert len(list(files.digests())) == 3


def test_a_reader_that_stops_early_holds_nothing(files: Files) -> None:
    digest = write(files, LARGE).digest
    reader = files.read(digest)
    assert next(reader)
    del reader
    files.remove(digest)


def test_every_blob_begins_with_an_envelope(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path / "blobs", clock=SystemClock())
    blob = write(files, b"content")
    stored = (tmp_path / "blobs/plain" / blob.digest[:2] / blob.digest).read_bytes()
    found, end = envelope.decode(stored)
    assert found == envelope.Envelope(domain="plain", key="none")
    assert stored[end:] == b"content"


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"content", id="no header"),
        pytest.param(envelope.encode(envelope.Envelope())[:-1], id="half a header"),
        pytest.param(envelope.encode(envelope.Envelope(key="key-1")) + b"secret", id="encrypted"),
        pytest.param(envelope.encode(envelope.Envelope(domain="other")) + b"content", id="another domain"),
        pytest.param(envelope.MAGIC + b"\2" + envelope.encode(envelope.Envelope())[9:], id="newer format"),
    ],
)
def test_a_blob_that_cannot_be_read_here_is_refused(tmp_path: Path, stored: bytes) -> None:
    files = LocalFiles(tmp_path / "blobs", clock=SystemClock())
    blob = write(files, b"content")
    (tmp_path / "blobs/plain" / blob.digest[:2] / blob.digest).write_bytes(stored)
    with pytest.raises(envelope.NotABlob):
        files.read(blob.digest)


def test_domains_keep_apart_what_is_the_same(tmp_path: Path) -> None:
    plain = LocalFiles(tmp_path / "blobs", clock=SystemClock())
    other = LocalFiles(tmp_path / "blobs", clock=SystemClock(), domain="other")
    blob = write(plain, b"content")
    assert not other.exists(blob.digest)
    assert write(other, b"content").domain == "other"
    plain.remove(blob.digest)
    assert content(other, blob.digest) == b"content"


def test_what_writers_left_unfinished_is_cleared_by_age(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path / "blobs", clock=SystemClock())
    files.writer().send(b"never finished")
    assert files.remove_unfinished(before=time.time() - 60) == 0
    assert files.remove_unfinished(before=time.time() + 60) == 1


@given(
    domain=st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=60),
    key=st.text(min_size=1, max_size=60),
    content=st.binary(max_size=50),
)
def test_an_envelope_is_read_as_it_was_written(domain: str, key: str, content: bytes) -> None:
    written = envelope.encode(envelope.Envelope(domain=domain, key=key))
    assert envelope.decode(written + content) == (envelope.Envelope(domain=domain, key=key), len(written))


class FullDisk(disks.RealDisk):
    """A disk with room for a header and one piece of content."""

    def create(self, path: Path) -> disks.Output:
        output = super().create(path)
        room = iter(range(2))

        def write(data: bytes) -> None:
            if next(room, None) is None:
                raise OSError(errno.ENOSPC, "No space left on device")

        output.write = write  # type: ignore[method-assign] # the file itself stays real
        return output


def test_a_full_disk_is_told_and_nothing_is_left_behind(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path / "blobs", clock=SystemClock(), disk=FullDisk())
    with Intake(files.writer()) as intake:
        intake.send(b"there is room for this")
        with pytest.raises(OSError, match="No space left"):
            intake.send(b"and none for this")
    assert list((tmp_path / "blobs/plain/incoming").iterdir()) == []
    assert list(files.digests()) == []
