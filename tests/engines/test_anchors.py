"""Anchors in a bucket: put by a thread of their own, read by their names, and a ledger held against them."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from glasshouse.engines.files.anchors import S3Anchors
from glasshouse.engines.files.s3 import Access
from glasshouse.kernel import ids
from glasshouse.kernel.ledger import anchoring
from glassproof import anchors
from tests.ledger import books
from tests.support import identities, installation, s3


def anchor(seq: int, *, ledger: str = "ab12") -> anchors.Anchor:
    return anchors.Anchor(ledger=ledger, key="cd34", seq=seq, chain=f"{seq:064x}", at=1_700_000_000 + seq)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.S3Server]:
    with s3.running(tmp_path_factory.mktemp("s3")) as running:
        yield running


def bucket(server: s3.S3Server, *, name: str = "") -> S3Anchors:
    known = identities.credential()
    if not name:
        name = f"anchors-{ids.token(8)}"
        server.client().create_bucket(Bucket=name)
    return S3Anchors(
        Access(
            bucket=name,
            region=s3.REGION,
            access_key_id=known.access_key_id,
            secret_access_key=known.secret_access_key,
            endpoint=server.url,
            prefix="of/the/ledger",
        )
    )


def test_what_is_put_reads_back_and_only_that_ledgers(server: s3.S3Server) -> None:
    kept = bucket(server)
    for seq in (5, 9, 13):
        kept.put(anchor(seq))
    kept.put(anchor(7, ledger="ff"))
    assert kept.read("ab12") == [anchor(5), anchor(9), anchor(13)]
    assert kept.read("ff") == [anchor(7, ledger="ff")]
    assert kept.read("ee") == []


def test_an_object_that_was_written_over_changes_nothing(server: s3.S3Server) -> None:
    name = f"anchors-{ids.token(8)}"
    client = server.client()
    client.create_bucket(Bucket=name)
    kept = bucket(server, name=name)
    kept.put(anchor(5))
    (key,) = (one["Key"] for one in client.list_objects_v2(Bucket=name)["Contents"])
    assert client.get_object(Bucket=name, Key=key)["Body"].read() == anchor(5).line()
    client.put_object(Bucket=name, Key=key, Body=b"forged")
    client.put_object(Bucket=name, Key=f"{key.rpartition('/')[0]}/notes.txt", Body=b"no anchor")
    assert kept.read("ab12") == [anchor(5)]


def test_a_bucket_that_is_not_there_is_an_error_of_the_system(server: s3.S3Server) -> None:
    with pytest.raises(OSError, match="The bucket failed"):
        bucket(server, name="nowhere-at-all").put(anchor(1))


class Slow:
    """Takes anchors one at a time, when it is let; refuses the first ones."""

    def __init__(self, *, refuses: int = 0) -> None:
        self.taken: list[int] = []
        self.begun, self.may = threading.Event(), threading.Event()
        self._refuses = refuses

    def __call__(self, one: anchors.Anchor) -> None:
        self.begun.set()
        assert self.may.wait(20)
        if self._refuses:
            self._refuses -= 1
            raise OSError("unwell")
        self.taken.append(one.seq)


def test_nobody_waits_for_the_bucket_and_the_newest_is_put_last(tmp_path: Path) -> None:
    slow, file = Slow(), anchoring.FileAnchors(tmp_path / "anchors")
    later = anchoring.LaterAnchors(slow, file, every_s=0)
    later(anchor(1))
    assert slow.begun.wait(20)
    for seq in range(2, 50):
        later(anchor(seq))
    assert [one.seq for one in anchors.read(file.path)] == list(range(1, 50))
    slow.may.set()
    later.close()
    assert slow.taken == [1, 49]


def test_what_could_not_be_put_is_tried_again(tmp_path: Path) -> None:
    slow = Slow(refuses=2)
    slow.may.set()
    later = anchoring.LaterAnchors(slow, anchoring.FileAnchors(tmp_path / "anchors"), every_s=0.001)
    later(anchor(1))
    deadline = threading.Event()
    for _ in range(2000):
        if slow.taken:
            break
        deadline.wait(0.01)
    later.close()
    assert slow.taken == [1]


@pytest.mark.slow
def test_a_ledger_that_was_cut_together_with_its_anchor_file_is_found_by_the_bucket(
    server: s3.S3Server, tmp_path: Path
) -> None:
    """Who holds the machine rewrites all that lies on it. What lies in the bucket stays."""
    known, name = identities.credential(), f"anchors-{ids.token(8)}"
    server.client().create_bucket(Bucket=name)
    extra = {
        "GLASSHOUSE_LEDGER_ANCHOR_URL": f"s3://{name}/kept",
        "GLASSHOUSE_LEDGER_ANCHOR_ENDPOINT": server.url,
        "GLASSHOUSE_LEDGER_ANCHOR_ACCESS_KEY_ID": known.access_key_id,
        "GLASSHOUSE_LEDGER_ANCHOR_SECRET_ACCESS_KEY": known.secret_access_key,
    }
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    with books.opened(data) as ledger:
        ledger.record([books.draft(1)]).result()
    shutil.copytree(data / "ledger", tmp_path / "earlier")
    with installation.installed(data, extra=extra) as house:
        assert house.run("expire", "--older-than", "1", "--reason", "a record to seal").returncode == 0
        assert house.stop() == 0
        assert house.run("verify").stdout.startswith("WHOLE")
        shutil.rmtree(data / "ledger")
        shutil.copytree(tmp_path / "earlier", data / "ledger")
        house.anchors.unlink()
        found = house.run("verify")
        assert found.returncode == 1
        assert "are missing: they were anchored" in found.stdout


def test_a_bucket_needs_its_own_key(tmp_path: Path) -> None:
    done = installation.run("status", data=tmp_path, extra={"GLASSHOUSE_LEDGER_ANCHOR_URL": "s3://bucket"})
    assert done.returncode == 2
    assert (
        "GLASSHOUSE_LEDGER_ANCHOR_ACCESS_KEY_ID and its secret belong to a ledger_anchor_url" in done.stderr
    )
