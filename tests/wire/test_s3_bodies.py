"""How bodies travel: hashed, framed, framed and signed, with trailing checksums, and what is refused of them."""

from __future__ import annotations

import base64
import hashlib
import socket
import time
import urllib.parse
import zlib
from typing import Any

import pytest

from glasshouse.kernel import ids
from tests.support import s3, signing
from tests.support.signing import SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER, Reply, Signer

CONTENT = b"0123456789" * 30_000


def crc32(content: bytes) -> str:
    return base64.b64encode(zlib.crc32(content).to_bytes(4, "big")).decode()


def framed(content: bytes, *, size: int = 8192, trailer: bytes = b"") -> bytes:
    pieces = [content[start : start + size] for start in range(0, len(content), size)]
    frames = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return frames + b"0\r\n" + trailer + b"\r\n"


def put_framed(server: s3.S3Server, bucket: str, body: bytes, **changes: str) -> Reply:
    """PUT of CONTENT in unsigned frames with a checksum to follow."""
    headers = {
        "content-encoding": "aws-chunked",
        "x-amz-decoded-content-length": str(len(CONTENT)),
        "x-amz-trailer": "x-amz-checksum-crc32",
    }
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    headers = {name: value for name, value in headers.items() if value}
    signed = Signer(netloc(server)).headers("PUT", f"/{bucket}/k", UNSIGNED_TRAILER, headers)
    return signing.send(server.url, "PUT", f"/{bucket}/k", headers=signed, body=body)


def netloc(server: s3.S3Server) -> str:
    return urllib.parse.urlsplit(server.url).netloc


def kept(client: Any, bucket: str) -> bytes:
    content: bytes = client.get_object(Bucket=bucket, Key="k")["Body"].read()
    return content


# --- frames without signatures


@pytest.mark.parametrize("size", [1000, 8192, 65536, 1 << 20])
def test_frames_are_taken_off_and_the_trailing_checksum_is_kept(
    s3_server: s3.S3Server, client: Any, bucket: str, size: int
) -> None:
    trailer = f"x-amz-checksum-crc32:{crc32(CONTENT)}\r\n".encode()
    reply = put_framed(s3_server, bucket, framed(CONTENT, size=size, trailer=trailer))
    assert reply.status == 200
    assert reply.headers["x-amz-checksum-crc32"] == crc32(CONTENT)
    assert kept(client, bucket) == CONTENT
    assert "ContentEncoding" not in client.head_object(Bucket=bucket, Key="k")


def test_other_encodings_are_kept_beside_the_frames(s3_server: s3.S3Server, client: Any, bucket: str) -> None:
    trailer = f"x-amz-checksum-crc32:{crc32(CONTENT)}\r\n".encode()
    put_framed(s3_server, bucket, framed(CONTENT, trailer=trailer), content_encoding="gzip,aws-chunked")
    assert client.head_object(Bucket=bucket, Key="k")["ContentEncoding"] == "gzip"


RIGHT = f"x-amz-checksum-crc32:{crc32(CONTENT)}\r\n".encode()
WRONG_BODIES = {
    "a wrong checksum": (framed(CONTENT, trailer=b"x-amz-checksum-crc32:AAAAAA==\r\n"), "BadDigest"),
    "no checksum": (framed(CONTENT), "MalformedTrailerError"),
    "another checksum": (framed(CONTENT, trailer=b"x-amz-checksum-sha1:AAAA\r\n"), "MalformedTrailerError"),
    "a stray trailer": (framed(CONTENT, trailer=RIGHT + b"x-amz-meta-x:1\r\n"), "MalformedTrailerError"),
    "no colon": (framed(CONTENT, trailer=b"nonsense\r\n"), "MalformedTrailerError"),
    "content too short": (framed(CONTENT[:-1], trailer=RIGHT), "IncompleteBody"),
    "content too long": (framed(CONTENT + b"x", trailer=RIGHT), "IncompleteBody"),
    "no last frame": (framed(CONTENT)[:-5], "IncompleteBody"),
    "no frames": (CONTENT, "InvalidChunkSizeError"),
    "a negative size": (b"-5\r\nhello\r\n0\r\n\r\n", "InvalidChunkSizeError"),
    "a size that is no number": (b"zz\r\nhello\r\n0\r\n\r\n", "InvalidChunkSizeError"),
    "a frame longer than said": (b"3\r\nhello\r\n0\r\n\r\n", "InvalidChunkSizeError"),
    "something after the end": (framed(CONTENT, trailer=RIGHT) + b"more", "InvalidChunkSizeError"),
}


@pytest.mark.parametrize("wrong", WRONG_BODIES)
def test_a_wrong_body_is_refused_and_leaves_nothing(
    s3_server: s3.S3Server, client: Any, bucket: str, wrong: str
) -> None:
    body, code = WRONG_BODIES[wrong]
    reply = put_framed(s3_server, bucket, body)
    assert (reply.status, reply.code) == (400, code)
    assert client.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_headers_that_contradict_the_body_are_refused(s3_server: s3.S3Server, bucket: str) -> None:
    body = framed(CONTENT, trailer=RIGHT)
    assert put_framed(s3_server, bucket, body, x_amz_decoded_content_length="").status == 411
    assert put_framed(s3_server, bucket, body, x_amz_decoded_content_length="x").code == "InvalidArgument"
    assert put_framed(s3_server, bucket, body, x_amz_trailer="x-amz-meta-x").code == "InvalidRequest"
    assert put_framed(s3_server, bucket, body, x_amz_checksum_crc32="AAAAAA==").code == "InvalidRequest"
    assert put_framed(s3_server, bucket, body, x_amz_sdk_checksum_algorithm="SHA1").code == "InvalidRequest"
    reply = signing.call(s3_server.url, "PUT", f"/{bucket}/k", body=b"x", content_encoding="aws-chunked")
    assert reply.code == "InvalidRequest"


# --- frames with signatures


def test_signed_frames_are_taken(s3_server: s3.S3Server, client: Any, bucket: str) -> None:
    reply = put_signed(s3_server, bucket, tamper=None)
    assert reply.status == 200
    assert kept(client, bucket) == CONTENT


def test_signed_frames_with_a_signed_trailer_are_taken(
    s3_server: s3.S3Server, client: Any, bucket: str
) -> None:
    reply = put_signed(s3_server, bucket, tamper=None, trailer=f"x-amz-checksum-crc32:{crc32(CONTENT)}")
    assert reply.status == 200
    assert reply.headers["x-amz-checksum-crc32"] == crc32(CONTENT)
    assert kept(client, bucket) == CONTENT


@pytest.mark.parametrize("tamper", ["content", "signature", "order", "last"])
def test_frames_that_were_tampered_with_are_refused(
    s3_server: s3.S3Server, client: Any, bucket: str, tamper: str
) -> None:
    reply = put_signed(s3_server, bucket, tamper=tamper)
    assert (reply.status, reply.code) == (403, "SignatureDoesNotMatch")
    assert client.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_trailer_that_was_tampered_with_is_refused(
    s3_server: s3.S3Server, client: Any, bucket: str
) -> None:
    trailer = f"x-amz-checksum-crc32:{crc32(CONTENT)}"
    reply = put_signed(s3_server, bucket, tamper="trailer", trailer=trailer)
    assert reply.code == "SignatureDoesNotMatch"
    assert client.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def put_signed(server: s3.S3Server, bucket: str, *, tamper: str | None, trailer: str = "") -> Reply:
    signer = Signer(netloc(server))
    headers = {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(len(CONTENT))}
    if trailer:
        headers["x-amz-trailer"] = trailer.partition(":")[0]
    payload = SIGNED_TRAILER if trailer else SIGNED
    signed = signer.headers("PUT", f"/{bucket}/k", payload, headers)
    size = 100_000
    frames = [signer.frame(CONTENT[start : start + size]) for start in range(0, len(CONTENT), size)]
    frames.append(signer.frame(b""))
    if tamper == "content":
        frames[1] = frames[1].replace(b"0123", b"0124", 1)
    if tamper == "signature":
        frames[1] = frames[1].replace(b"signature=", b"signature=0", 1)
    if tamper == "order":
        frames[0], frames[1] = frames[1], frames[0]
    if tamper == "last":
        frames[-1] = b"0\r\n"
    end = signer.trailer([trailer]) if trailer else b"\r\n"
    if tamper == "trailer":
        end = end.replace(b"signature:", b"signature:0")
    return signing.send(server.url, "PUT", f"/{bucket}/k", headers=signed, body=b"".join(frames) + end)


# --- hashed bodies, connections


def test_a_body_that_is_not_the_one_signed_is_refused(
    s3_server: s3.S3Server, client: Any, bucket: str
) -> None:
    for path, code in (
        (f"/{bucket}/k", "XAmzContentSHA256Mismatch"),
        (f"/{bucket}?versioning", "XAmzContentSHA256Mismatch"),
    ):
        signed = Signer(netloc(s3_server)).headers("PUT", path, hashlib.sha256(b"signed").hexdigest())
        reply = signing.send(s3_server.url, "PUT", path, headers=signed, body=b"sent")
        assert (reply.status, reply.code) == (400, code)
    assert client.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_an_expected_continue_is_answered_at_once_and_before_the_body(
    s3_server: s3.S3Server, bucket: str
) -> None:
    with put_head(s3_server, bucket, f"/{bucket}/k") as connection:
        begun = time.monotonic()
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 Continue")
        assert time.monotonic() - begun < 0.9
        connection.sendall(b"content")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK")


def test_a_refusal_comes_instead_of_continue_and_ends_the_connection(s3_server: s3.S3Server) -> None:
    with put_head(s3_server, "", "/no-such-bucket/k") as connection:
        received = b""
        while piece := connection.recv(4096):
            received += piece
        assert received.startswith(b"HTTP/1.1 404")
        assert b"connection: close" in received.lower()
        assert b"NoSuchBucket" in received


def test_an_empty_body_that_expects_continue_ends_the_connection(s3_server: s3.S3Server, bucket: str) -> None:
    """Left open, it makes botocore before 1.44 hang at its next upload, and with it the AWS command line."""
    with put_head(s3_server, bucket, f"/{bucket}/k", content=b"") as connection:
        received = b""
        while piece := connection.recv(4096):
            received += piece
    assert received.startswith(b"HTTP/1.1 200 OK")
    assert b"connection: close" in received.lower()


def put_head(server: s3.S3Server, bucket: str, path: str, *, content: bytes = b"content") -> socket.socket:
    headers = Signer(netloc(server)).headers("PUT", path, hashlib.sha256(content).hexdigest())
    headers |= {"content-length": str(len(content)), "expect": "100-continue"}
    lines = [f"PUT {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    connection.sendall("\r\n".join(lines).encode())
    return connection


def test_a_connection_serves_on_after_a_refused_upload(
    s3_server: s3.S3Server, client: Any, bucket: str
) -> None:
    for _ in range(3):
        with pytest.raises(client.exceptions.ClientError):
            client.put_object(Bucket=f"gone-{ids.token(4)}", Key="k", Body=b"x" * 100_000)
        client.put_object(Bucket=bucket, Key="k", Body=b"after")
        assert kept(client, bucket) == b"after"


def test_an_upload_that_is_cut_off_leaves_nothing(s3_server: s3.S3Server, client: Any, bucket: str) -> None:
    with put_head(s3_server, bucket, f"/{bucket}/k") as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(b"con")
    incoming = s3_server.folder / "blobs/plain/incoming"
    deadline = time.monotonic() + 10
    while any(incoming.iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert client.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
