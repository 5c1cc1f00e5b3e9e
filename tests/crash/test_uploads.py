"""Objects written to a server that is killed: what was acknowledged is there, and nothing is there in part."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from glasshouse.engines.files.local import LocalFiles
from glasshouse.engines.store.sqlite import SqliteStore
from glasshouse.kernel.clock import SystemClock
from glasshouse.kernel.objects import sweep
from tests.crash import history, processes
from tests.crash.rig import KILLS, CutShort, Rig

pytestmark = [pytest.mark.slow, pytest.mark.soak, pytest.mark.timeout(900)]

BUCKET = "uploads"
PART_BYTES = 5 << 20
KEYS = 12
"""Few keys, so that writers meet on them."""


@dataclass(slots=True)
class Sent:
    """One object on its way: what a reader may find under its key, whether acknowledged or not."""

    key: str
    md5: str
    size_bytes: int
    sha256: str
    version_id: str = ""


@dataclass(slots=True)
class Upload:
    """A multipart upload that was begun; `etags` are the parts that were acknowledged."""

    key: str
    upload_id: str
    parts: tuple[bytes, ...]
    etags: dict[int, str] = field(default_factory=dict)
    is_completing: bool = False
    version_id: str = ""


@dataclass
class Writers:
    """The client's side. Each writer has a random source of its own, since threads take turns as they like."""

    rig: Rig
    sent: dict[str, Sent] = field(default_factory=dict)
    deleted: dict[str, str] = field(default_factory=dict)
    uploads: list[Upload] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    numbers: int = 0
    round: int = 0
    """Single objects have keys of their round, so that a look after a kill need not go through all of them."""

    def putting(self, chance: random.Random) -> Any:
        def work() -> None:
            size_bytes = chance.choice([0, chance.randrange(1, 4096), chance.randrange(1 << 20)])
            self._put(f"{self.round}/{chance.randrange(KEYS)}", self._content(size_bytes))
            if chance.random() < 0.1:
                self._delete(f"{self.round}/{chance.randrange(KEYS)}")

        return work

    def uploading(self, chance: random.Random) -> Any:
        """Goes on with the uploads that a crash interrupted, and begins new ones."""

        def work() -> None:
            waiting = [one for one in self.uploads if not one.version_id and not one.is_completing]
            upload = waiting[0] if waiting else self._begin(chance)
            for number in range(1, len(upload.parts) + 1):
                if number not in upload.etags:
                    self._part(upload, number)
            self._complete(upload)

        return work

    def acknowledged(self) -> dict[str, str]:
        """The versions that clients were told of, and their keys."""
        told = {one.version_id: one.key for one in self.sent.values()}
        told |= {one.version_id: one.key for one in self.uploads}
        return {version_id: key for version_id, key in told.items() if version_id}

    def _content(self, size_bytes: int) -> bytes:
        """Bytes that no other object has."""
        with self.lock:
            self.numbers += 1
            return random.Random(self.numbers).randbytes(size_bytes) + f"#{self.numbers}".encode()

    def _put(self, key: str, content: bytes) -> None:
        sent = self._noted(key, content)
        answer = self._asked("put_object", Bucket=BUCKET, Key=key, Body=content)
        assert answer["ETag"] == f'"{sent.md5}"'
        sent.version_id = answer["VersionId"]

    def _noted(self, key: str, content: bytes) -> Sent:
        md5 = hashlib.md5(content).hexdigest()
        sha256 = hashlib.sha256(content).hexdigest()
        sent = self.sent[md5] = Sent(key=key, md5=md5, sha256=sha256, size_bytes=len(content))
        return sent

    def _delete(self, key: str) -> None:
        self.deleted[self._asked("delete_object", Bucket=BUCKET, Key=key)["VersionId"]] = key

    def _begin(self, chance: random.Random) -> Upload:
        last = self._content(chance.randrange(1000))
        whole = self._content(PART_BYTES)[:PART_BYTES]
        parts = tuple([whole] * chance.choice([0, 1, 1, 2]) + [last])
        key = f"parts/{chance.randrange(KEYS)}"
        answer = self._asked("create_multipart_upload", Bucket=BUCKET, Key=key)
        if "UploadId" not in answer:
            raise CutShort
        upload = Upload(key=key, upload_id=answer["UploadId"], parts=parts)
        self.uploads.append(upload)
        return upload

    def _part(self, upload: Upload, number: int) -> None:
        content = upload.parts[number - 1]
        answer = self._asked(
            "upload_part",
            Bucket=BUCKET,
            Key=upload.key,
            UploadId=upload.upload_id,
            PartNumber=number,
            Body=content,
        )
        assert answer["ETag"] == f'"{hashlib.md5(content).hexdigest()}"'
        upload.etags[number] = answer["ETag"]

    def _complete(self, upload: Upload) -> None:
        """From here on the upload may be an object, whatever the client hears."""
        upload.is_completing = True
        self._noted(upload.key, b"".join(upload.parts))
        self.answer_of_completion(upload)

    def answer_of_completion(self, upload: Upload) -> None:
        """A completion may be asked again; it answers the same."""
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in sorted(upload.etags.items())]
        answer = self._asked(
            "complete_multipart_upload",
            Bucket=BUCKET,
            Key=upload.key,
            UploadId=upload.upload_id,
            MultipartUpload={"Parts": parts},
        )
        if "VersionId" not in answer:
            raise CutShort
        assert upload.version_id in ("", answer["VersionId"])
        upload.version_id = answer["VersionId"]

    def _asked(self, operation: str, **request: Any) -> dict[str, Any]:
        return self.rig.ask("s3", operation, **request)


def test_objects_are_there_when_acknowledged_and_whole_whenever_there(rig: Rig) -> None:
    writers = Writers(rig)
    s3 = rig.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for number in range(KILLS):
        writers.round = number
        chances = [random.Random(rig.chance.random()) for _ in range(4)]
        workers = [writers.putting(one) for one in chances[:3]] + [writers.uploading(chances[3])]
        rig.crash(*workers, within=(0.0, 0.5))
        check_versions(writers, f"{number}/")
        check_parts(writers)
    for upload in writers.uploads:
        if upload.is_completing:
            writers.answer_of_completion(upload)
    check_versions(writers)
    check_content(writers)
    assert rig.server.stop() == 0
    assert processes.of(rig.data) == {}
    history.check(rig.data, acknowledged=rig.acknowledged)
    check_disk(writers)


def check_versions(writers: Writers, prefix: str = "") -> None:
    """Everything acknowledged is listed, and everything listed is something that was sent, whole."""
    versions, markers = listed(writers.rig, prefix)
    for version in versions.values():
        sent = writers.sent.get(version["ETag"].strip('"')) or completed(writers, version)
        assert sent is not None, f"nobody sent {version}"
        assert (version["Key"], version["Size"]) == (sent.key, sent.size_bytes)
    assert {one for one, key in writers.acknowledged().items() if key.startswith(prefix)} <= versions.keys()
    assert {one for one, key in writers.deleted.items() if key.startswith(prefix)} <= markers
    names = [(version["Key"], version["ETag"]) for version in versions.values()]
    assert len(set(names)) == len(names), "something was published twice"


def check_parts(writers: Writers) -> None:
    """The parts that were acknowledged are there, of uploads that nobody asked to complete."""
    s3 = writers.rig.client("s3")
    for upload in writers.uploads:
        if not upload.is_completing:
            found = s3.list_parts(Bucket=BUCKET, Key=upload.key, UploadId=upload.upload_id).get("Parts", [])
            etags = {part["PartNumber"]: part["ETag"] for part in found}
            assert upload.etags.items() <= etags.items()


def check_content(writers: Writers) -> None:
    """Every version has the bytes that were sent."""
    s3 = writers.rig.client("s3")
    for version_id, version in listed(writers.rig)[0].items():
        content = s3.get_object(Bucket=BUCKET, Key=version["Key"], VersionId=version_id)["Body"].read()
        assert writers.sent[hashlib.md5(content).hexdigest()].key == version["Key"]


def check_disk(writers: Writers) -> None:
    """What interrupted writers left goes with the next sweep; every version keeps its content."""
    later = time.time() + 3 * 86_400
    blobs = writers.rig.data / "blobs"
    files = LocalFiles(blobs, clock=SystemClock())
    store = SqliteStore(writers.rig.data / "glasshouse.db")
    sweep.sweep(store, files, now=later, grace_s=0.0)
    digests = list(files.digests())
    with store.read() as view:
        assert set(view.catalog.referenced(digests)) == set(digests)
    store.close()
    on_disk = sorted(path.name for path in blobs.rglob("*") if path.is_file())
    assert on_disk == sorted(digests)
    assert {one.sha256 for one in writers.sent.values() if one.version_id} <= set(digests)
    assert len(writers.acknowledged()) > KILLS, "hardly anything was acknowledged"


def completed(writers: Writers, version: dict[str, Any]) -> Sent | None:
    """What was sent as the parts of an upload whose completion was asked for."""
    for upload in writers.uploads:
        digests = b"".join(hashlib.md5(part).digest() for part in upload.parts)
        etag = f'"{hashlib.md5(digests).hexdigest()}-{len(upload.parts)}"'
        if upload.is_completing and (upload.key, etag) == (version["Key"], version["ETag"]):
            return writers.sent[hashlib.md5(b"".join(upload.parts)).hexdigest()]
    return None


def listed(rig: Rig, prefix: str = "") -> tuple[dict[str, dict[str, Any]], set[str]]:
    """All versions below the prefix by their id, and the ids of all delete markers."""
    paginator = rig.client("s3").get_paginator("list_object_versions")
    pages = list(paginator.paginate(Bucket=BUCKET, Prefix=prefix))
    versions = [version for page in pages for version in page.get("Versions", [])]
    markers = [marker["VersionId"] for page in pages for marker in page.get("DeleteMarkers", [])]
    return {version["VersionId"]: version for version in versions}, set(markers)
