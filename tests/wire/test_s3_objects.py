"""The files door through boto3 over HTTP: objects, their headers, conditions, ranges and copies."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import io
import os
import threading
import tracemalloc
from typing import Any

import botocore.exceptions
import pytest

from tests.support import s3

KEYS = [
    "plain",
    "a b/ü+~.txt",
    "a",
    "a/b",
    "a//b",
    "/lead",
    "trail/",
    "x/../y",
    "..",
    "100%",
    "q?x=1&y",
    "#h",
    "😀",
    "a\\b",
    "'\"<&>",
]


def refused(problem: botocore.exceptions.ClientError) -> tuple[str, int]:
    return problem.response["Error"]["Code"], problem.response["ResponseMetadata"]["HTTPStatusCode"]


def described(client: Any, bucket: str, key: str, **arguments: Any) -> Any:
    """What GetObject answers beside the content."""
    found = client.get_object(Bucket=bucket, Key=key, **arguments)
    found["Body"].read()
    return found


def code_of(call: Any, **arguments: Any) -> tuple[str, int]:
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    return refused(caught.value)


def test_every_key_comes_back_as_it_was_sent(client: Any, bucket: str) -> None:
    for key in KEYS:
        client.put_object(Bucket=bucket, Key=key, Body=key.encode())
    for key in KEYS:
        assert client.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    listed = [item["Key"] for item in client.list_objects_v2(Bucket=bucket)["Contents"]]
    assert listed == sorted(KEYS, key=str.encode)
    first = client.list_objects(Bucket=bucket, MaxKeys=3)
    assert [item["Key"] for item in first["Contents"]] == listed[:3]


def test_what_describes_an_object_is_answered_with_it(client: Any, bucket: str) -> None:
    client.put_object(
        Bucket=bucket,
        Key="k",
        Body=b"hello",
        ContentType="text/plain; charset=utf-8",
        CacheControl="no-store",
        ContentDisposition='attachment; filename="x"',
        ContentEncoding="gzip",
        ContentLanguage="de",
        Expires=dt.datetime(2030, 1, 1, tzinfo=dt.UTC),
        Metadata={"Made-By": "me", "n": "1"},
        Tagging="a=b&c=d%20e",
    )
    found = client.head_object(Bucket=bucket, Key="k")
    assert found["ContentLength"] == 5
    assert found["ContentType"] == "text/plain; charset=utf-8"
    assert found["CacheControl"] == "no-store"
    assert found["ContentDisposition"] == 'attachment; filename="x"'
    assert found["ContentEncoding"] == "gzip"
    assert found["ContentLanguage"] == "de"
    assert found["ExpiresString"] == "Tue, 01 Jan 2030 00:00:00 GMT"
    assert found["Metadata"] == {"made-by": "me", "n": "1"}
    assert found["ETag"] == f'"{hashlib.md5(b"hello").hexdigest()}"'
    assert found["AcceptRanges"] == "bytes"
    assert abs(found["LastModified"] - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)
    assert described(client, bucket, "k")["TagCount"] == 2


def test_content_is_binary_unless_said(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="k")
    found = client.get_object(Bucket=bucket, Key="k")
    assert found["ContentType"] == "binary/octet-stream"
    assert found["Body"].read() == b""


def test_response_headers_can_be_asked_for(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="k", Body=b"x")
    found = described(
        client, bucket, "k", ResponseContentType="text/csv", ResponseContentDisposition="inline"
    )
    assert (found["ContentType"], found["ContentDisposition"]) == ("text/csv", "inline")
    assert code_of(client.get_object, Bucket=bucket, Key="k", ResponseContentType="a\r\nx-evil: 1") == (
        "InvalidArgument",
        400,
    )


def test_missing_things_have_s3s_codes(client: Any, bucket: str) -> None:
    assert code_of(client.get_object, Bucket=bucket, Key="k") == ("NoSuchKey", 404)
    assert code_of(client.head_object, Bucket=bucket, Key="k") == ("404", 404)
    assert code_of(client.get_object, Bucket="no-such-bucket", Key="k") == ("NoSuchBucket", 404)
    assert code_of(client.head_bucket, Bucket="no-such-bucket") == ("404", 404)
    assert code_of(client.put_object, Bucket="no-such-bucket", Key="k", Body=b"x") == ("NoSuchBucket", 404)
    assert code_of(client.create_bucket, Bucket=bucket) == ("BucketAlreadyOwnedByYou", 409)
    client.delete_object(Bucket=bucket, Key="never there")


RANGES = {
    "bytes=0-0": (0, 1),
    "bytes=2-4": (2, 5),
    "bytes=5-": (5, 10),
    "bytes=-3": (7, 10),
    "bytes=3-999": (3, 10),
    "bytes=-999": (0, 10),
}


@pytest.mark.parametrize("wanted", RANGES)
def test_a_range_answers_206_with_its_bytes(client: Any, bucket: str, wanted: str) -> None:
    start, stop = RANGES[wanted]
    client.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    found = client.get_object(Bucket=bucket, Key="k", Range=wanted)
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert found["Body"].read() == b"0123456789"[start:stop]
    assert found["ContentRange"] == f"bytes {start}-{stop - 1}/10"
    assert client.head_object(Bucket=bucket, Key="k", Range=wanted)["ContentLength"] == stop - start


def test_ranges_that_cannot_be_answered(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    client.put_object(Bucket=bucket, Key="empty")
    assert code_of(client.get_object, Bucket=bucket, Key="k", Range="bytes=10-") == ("InvalidRange", 416)
    assert code_of(client.get_object, Bucket=bucket, Key="k", Range="bytes=-0") == ("InvalidRange", 416)
    assert code_of(client.get_object, Bucket=bucket, Key="empty", Range="bytes=0-") == ("InvalidRange", 416)
    assert code_of(client.get_object, Bucket=bucket, Key="k", Range="bytes=0-1,3-4")[1] == 501
    for ignored in ("bytes=5-2", "items=0-1", "bytes=x-y", "bytes=-"):
        found = client.get_object(Bucket=bucket, Key="k", Range=ignored)
        assert (found["ResponseMetadata"]["HTTPStatusCode"], found["Body"].read()) == (200, b"0123456789")


def test_conditional_reads(client: Any, bucket: str) -> None:
    etag = client.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    past, future = dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
    for passes in (
        {"IfMatch": etag},
        {"IfNoneMatch": '"other"'},
        {"IfModifiedSince": past},
        {"IfUnmodifiedSince": future},
        {"IfMatch": etag, "IfUnmodifiedSince": past},
        {"IfNoneMatch": '"other"', "IfModifiedSince": future},
    ):
        assert client.get_object(Bucket=bucket, Key="k", **passes)["Body"].read() == b"x"
    for refuses, status in (
        ({"IfMatch": '"other"'}, 412),
        ({"IfUnmodifiedSince": past}, 412),
        ({"IfNoneMatch": etag}, 304),
        ({"IfModifiedSince": future}, 304),
    ):
        assert code_of(client.get_object, Bucket=bucket, Key="k", **refuses)[1] == status
        assert code_of(client.head_object, Bucket=bucket, Key="k", **refuses)[1] == status


def test_conditional_writes(client: Any, bucket: str) -> None:
    etag = client.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    assert code_of(client.put_object, Bucket=bucket, Key="k", IfNoneMatch="*") == ("PreconditionFailed", 412)
    client.put_object(Bucket=bucket, Key="k", Body=b"2", IfMatch=etag)
    assert code_of(client.put_object, Bucket=bucket, Key="k", IfMatch=etag) == ("PreconditionFailed", 412)
    assert code_of(client.put_object, Bucket=bucket, Key="new", IfMatch=etag) == ("NoSuchKey", 404)
    assert code_of(client.delete_object, Bucket=bucket, Key="k", IfMatch=etag) == ("PreconditionFailed", 412)
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"2"


def test_a_copy_keeps_or_replaces_what_describes_it(client: Any, bucket: str) -> None:
    client.put_object(
        Bucket=bucket, Key="from ü+", Body=b"x", Metadata={"a": "1"}, ContentType="a/b", Tagging="t=1"
    )
    source = {"Bucket": bucket, "Key": "from ü+"}
    client.copy_object(Bucket=bucket, Key="kept", CopySource=source)
    kept = described(client, bucket, "kept")
    assert (kept["Metadata"], kept["ContentType"], kept["TagCount"]) == ({"a": "1"}, "a/b", 1)
    client.copy_object(
        Bucket=bucket, Key="new", CopySource=source, MetadataDirective="REPLACE", Metadata={"b": "2"}
    )
    new = described(client, bucket, "new")
    assert (new["Metadata"], new["ContentType"]) == ({"b": "2"}, "binary/octet-stream")
    assert code_of(client.copy_object, Bucket=bucket, Key="from ü+", CopySource=source)[0] == "InvalidRequest"
    assert code_of(client.copy_object, Bucket=bucket, Key="x", CopySource=f"{bucket}/none")[0] == "NoSuchKey"
    refusal = code_of(
        client.copy_object, Bucket=bucket, Key="x", CopySource=source, CopySourceIfMatch='"other"'
    )
    assert refusal == ("PreconditionFailed", 412)


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_a_checksum_is_verified_kept_and_answered(client: Any, bucket: str, algorithm: str) -> None:
    name = f"Checksum{algorithm}"
    told = client.put_object(Bucket=bucket, Key="k", Body=b"123456789", ChecksumAlgorithm=algorithm)[name]
    assert client.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")[name] == told
    assert name not in described(client, bucket, "k", Range="bytes=0-1", ChecksumMode="ENABLED")
    wrong = base64.b64encode(bytes(len(base64.b64decode(told)))).decode()
    refusal = code_of(client.put_object, Bucket=bucket, Key="k", Body=b"other", **{name: wrong})
    assert refusal == ("BadDigest", 400)
    assert (
        code_of(client.put_object, Bucket=bucket, Key="k", Body=b"x", **{name: "AAA="})[0] == "InvalidRequest"
    )
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"123456789"


def test_content_md5_is_verified(client: Any, bucket: str) -> None:
    right = base64.b64encode(hashlib.md5(b"x").digest()).decode()
    client.put_object(Bucket=bucket, Key="k", Body=b"x", ContentMD5=right)
    assert code_of(client.put_object, Bucket=bucket, Key="k", Body=b"y", ContentMD5=right)[0] == "BadDigest"
    assert (
        code_of(client.put_object, Bucket=bucket, Key="k", Body=b"y", ContentMD5="AAAA")[0] == "InvalidDigest"
    )


def test_attributes_of_an_object(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="k", Body=b"123456789", ChecksumAlgorithm="CRC32")
    found = client.get_object_attributes(
        Bucket=bucket, Key="k", ObjectAttributes=["ETag", "Checksum", "ObjectSize", "StorageClass"]
    )
    assert found["ObjectSize"] == 9
    assert found["Checksum"]["ChecksumCRC32"] == "y/Q5Jg=="
    assert found["ETag"] == hashlib.md5(b"123456789").hexdigest()


def test_tags_of_an_object(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="k", Tagging="a=1")
    wanted = [{"Key": "b <&>", "Value": "ü"}, {"Key": "c", "Value": ""}]
    client.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": wanted})
    assert client.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == wanted
    client.delete_object_tagging(Bucket=bucket, Key="k")
    assert client.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    twice = {"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}
    assert code_of(client.put_object_tagging, Bucket=bucket, Key="k", Tagging=twice) == ("InvalidTag", 400)


def test_batch_deletion_answers_for_each_key(client: Any, bucket: str) -> None:
    for key in ("a", "b <&> ü", "c"):
        client.put_object(Bucket=bucket, Key=key)
    wanted = [{"Key": key} for key in ("a", "b <&> ü", "never there")]
    answer = client.delete_objects(Bucket=bucket, Delete={"Objects": wanted})
    assert [deleted["Key"] for deleted in answer["Deleted"]] == ["a", "b <&> ü", "never there"]
    quiet = client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "c"}], "Quiet": True})
    assert "Deleted" not in quiet
    assert "Contents" not in client.list_objects_v2(Bucket=bucket)


@pytest.mark.slow
def test_a_large_object_streams_both_ways(client: Any, bucket: str) -> None:
    content = os.urandom(20 << 20)
    client.put_object(Bucket=bucket, Key="k", Body=content)
    found = client.get_object(Bucket=bucket, Key="k")
    digest = hashlib.sha256()
    for chunk in found["Body"].iter_chunks(1 << 20):
        digest.update(chunk)
    assert digest.digest() == hashlib.sha256(content).digest()
    target = io.BytesIO()
    client.download_fileobj(bucket, "k", target)
    assert target.getvalue() == content


def test_headers_that_would_mean_more_than_is_done_are_refused(client: Any, bucket: str) -> None:
    for arguments, code in (
        ({"ACL": "public-read"}, "AccessControlListNotSupported"),
        ({"StorageClass": "GLACIER"}, "InvalidStorageClass"),
        ({"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}, "NotImplemented"),
        ({"WebsiteRedirectLocation": "/x"}, "NotImplemented"),
        (
            {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": dt.datetime(2030, 1, 1)},
            "NotImplemented",
        ),
        ({"GrantRead": "id=x"}, "NotImplemented"),
        ({"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/key"}, "NotImplemented"),
        ({"ExpectedBucketOwner": "111111111111"}, "AccessDenied"),
    ):
        assert code_of(client.put_object, Bucket=bucket, Key="k", Body=b"x", **arguments)[0] == code
    assert code_of(client.head_object, Bucket=bucket, Key="k") == ("404", 404)


def test_what_sagemakers_sdk_sends_with_a_source_archive_is_taken(client: Any, bucket: str) -> None:
    client.put_object(
        Bucket=bucket,
        Key="k",
        Body=b"x",
        ServerSideEncryption="aws:kms",
        ExpectedBucketOwner="000000000000",
        ACL="bucket-owner-full-control",
        StorageClass="STANDARD",
        RequestPayer="requester",
    )
    assert "ServerSideEncryption" not in client.head_object(Bucket=bucket, Key="k")


@pytest.mark.slow
def test_readers_see_one_writers_bytes_and_never_a_mixture(s3_server: s3.S3Server, bucket: str) -> None:
    client = s3_server.client(max_pool_connections=8)
    client.put_object(Bucket=bucket, Key="k", Body=bytes(300_000))
    mixtures: list[bytes] = []

    def write(number: int) -> None:
        for turn in range(6):
            client.put_object(Bucket=bucket, Key="k", Body=bytes([number + turn]) * (300_000 + number))

    def read(_: int) -> None:
        for _turn in range(12):
            content = client.get_object(Bucket=bucket, Key="k")["Body"].read()
            if content.count(content[:1]) != len(content):
                mixtures.append(content)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3) for work in (write, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert mixtures == []
    client.close()


@pytest.mark.slow
def test_an_upload_does_not_gather_in_memory(s3_server: s3.S3Server, client: Any, bucket: str) -> None:
    """The door hands on what came; the least that an upload in one piece would need is not there at any time."""
    tracemalloc.start()
    try:
        client.put_object(Bucket=bucket, Key="k", Body=Zeros(64 << 20))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 24 << 20
    assert client.head_object(Bucket=bucket, Key="k")["ContentLength"] == 64 << 20


class Zeros(io.RawIOBase):
    """So many zeros, without holding them."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._at = 0

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = min((0, self._at, self._size)[whence] + offset, self._size)
        return self._at

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        taken = min(len(buffer), self._size - self._at)
        buffer[:taken] = bytes(taken)
        self._at += taken
        return taken
