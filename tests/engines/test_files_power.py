"""Acknowledged means durable: whatever was not synced when the power fails, committed blobs are whole."""

from __future__ import annotations

import contextlib
import hashlib
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasshouse.engines.files import envelope
from glasshouse.engines.files.local import LocalFiles
from glasshouse.kernel import disk as disks
from tests.support import identities
from tests.support.disks import ForgetfulDisk, Output, PowerCut

ROOT = Path("/data/blobs")
CLOCK = identities.StoppedClock()
contents = st.lists(st.lists(st.binary(max_size=40), max_size=3), min_size=1, max_size=6)


def opened(disk: disks.Disk) -> LocalFiles:
    return LocalFiles(ROOT, clock=CLOCK, disk=disk)


def new_disk() -> ForgetfulDisk:
    disk = ForgetfulDisk(ROOT.parent)
    disk.make_directory(ROOT.parent)
    disk.sync_directory(ROOT.parent.parent)
    return disk


def write(files: LocalFiles, chunks: list[bytes]) -> str:
    writer = files.writer()
    for chunk in chunks:
        writer.send(chunk)
    return writer.commit().digest


@given(blobs=contents, n_calls=st.integers(0, 120), seed=st.integers())
def test_what_was_acknowledged_survives_a_power_cut_at_any_call(
    blobs: list[list[bytes]], n_calls: int, seed: int
) -> None:
    disk = new_disk()
    disk.n_calls = n_calls
    files = opened(disk)
    acknowledged: dict[str, bytes] = {}
    try:
        for chunks in blobs:
            acknowledged[write(files, chunks)] = b"".join(chunks)
    except PowerCut:
        pass
    found = opened(disk.after_power_cut(random.Random(seed)))
    for digest, content in acknowledged.items():
        assert b"".join(found.read(digest)) == content


@given(blobs=contents, n_calls=st.integers(0, 120), seed=st.integers())
def test_no_blob_is_ever_found_in_part(blobs: list[list[bytes]], n_calls: int, seed: int) -> None:
    disk = new_disk()
    disk.n_calls = n_calls
    files = opened(disk)
    try:
        for chunks in blobs:
            write(files, chunks)
    except PowerCut:
        pass
    found = opened(disk.after_power_cut(random.Random(seed)))
    for digest in found.digests():
        assert hashlib.sha256(b"".join(found.read(digest))).hexdigest() == digest


@given(n_calls=st.integers(0, 40), seeds=st.tuples(st.integers(), st.integers()))
def test_content_that_was_there_before_a_crash_is_made_durable_by_who_writes_it_again(
    n_calls: int, seeds: tuple[int, int]
) -> None:
    disk = new_disk()
    disk.n_calls = n_calls
    with_luck = opened(disk)
    with contextlib.suppress(PowerCut):
        write(with_luck, [b"content"])
    restarted = disk.after_power_cut(random.Random(seeds[0]))
    digest = write(opened(restarted), [b"content"])
    again = opened(restarted.after_power_cut(random.Random(seeds[1])))
    assert b"".join(again.read(digest)) == b"content"


class _Skipping:
    """A disk that leaves out one kind of sync, to see that the tests above would notice."""

    def __init__(self, disk: ForgetfulDisk, skip: Callable[[Path], bool]) -> None:
        self._disk = disk
        self._skip = skip

    def __getattr__(self, name: str) -> object:
        return getattr(self._disk, name)

    def sync_directory(self, path: Path) -> None:
        if not self._skip(path):
            self._disk.sync_directory(path)


@pytest.mark.parametrize(
    "skip",
    [
        pytest.param(lambda path: len(path.name) == 2, id="the blob's name"),
        pytest.param(lambda path: path.name == "plain", id="the folder's name"),
        pytest.param(lambda path: path.name == "blobs", id="the domain's name"),
    ],
)
def test_a_missing_sync_of_a_directory_would_be_noticed(skip: Callable[[Path], bool]) -> None:
    disk = new_disk()
    digest = write(opened(_Skipping(disk, skip)), [b"content"])  # type: ignore[arg-type]  # delegates the rest
    survivors = [opened(disk.after_power_cut(random.Random(seed))) for seed in range(20)]
    assert not all(files.exists(digest) for files in survivors)


class _CarelessDisk(ForgetfulDisk):
    """A disk that says it synced a file, and did not."""

    def create(self, path: Path) -> Output:
        output = super().create(path)
        output.sync = lambda modified_at: None  # type: ignore[method-assign]
        return output


def test_a_missing_sync_of_a_file_would_be_noticed() -> None:
    disk = _CarelessDisk(ROOT.parent)
    disk.make_directory(ROOT.parent)
    disk.sync_directory(ROOT.parent.parent)
    digest = write(opened(disk), [b"content"])
    found = []
    for seed in range(20):
        try:
            found.append(b"".join(opened(disk.after_power_cut(random.Random(seed))).read(digest)))
        except envelope.NotABlob:
            found.append(b"")
    assert found != [b"content"] * 20
