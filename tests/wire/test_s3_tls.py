"""boto3 over TLS sends bodies of its own kind: chunked, framed, unsigned, with a checksum at the end."""

from __future__ import annotations

import datetime as dt
import io
import ipaddress
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support import s3


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for this machine, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "files door")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - dt.timedelta(hours=1)).not_valid_after(
        now + dt.timedelta(hours=1)
    )
    builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    certificate = builder.sign(key, hashes.SHA256())
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return folder / "certificate.pem", folder / "key.pem"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("tls")
    certificate = make_certificate(folder)
    with s3.running(folder, certificate=certificate) as server:
        made = server.client(verify=str(certificate[0]))
        yield made
        made.close()


class Unseekable(io.RawIOBase):
    """A body whose length is known and that can be read once."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)
        self._size = len(content)

    def read(self, size: int = -1) -> bytes:
        return self._content.read(size)

    def __len__(self) -> int:
        return self._size


@pytest.mark.slow
def test_boto3_over_tls_writes_and_reads(client: Any, bucket: str) -> None:
    content = os.urandom(3_000_001)
    seen: list[Any] = []
    client.meta.events.register("before-send.s3.PutObject", lambda request, **_: seen.append(request.headers))
    told = client.put_object(Bucket=bucket, Key="k", Body=content)
    assert seen[0]["X-Amz-Content-SHA256"] == b"STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    assert seen[0]["Transfer-Encoding"] == b"chunked"
    found = client.get_object(Bucket=bucket, Key="k")
    assert found["Body"].read() == content
    assert found["ChecksumCRC32"] == told["ChecksumCRC32"]
    assert "ContentEncoding" not in found


@pytest.mark.slow
def test_a_body_that_cannot_be_read_twice_is_taken_over_tls(client: Any, bucket: str) -> None:
    content = os.urandom(100_000)
    client.put_object(Bucket=bucket, Key="k", Body=Unseekable(content))
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == content


@pytest.mark.slow
def test_parts_over_tls(client: Any, bucket: str) -> None:
    content = os.urandom((5 << 20) + 5)
    client.upload_fileobj(io.BytesIO(content), bucket, "k")
    where = {"Bucket": bucket, "Key": "k"}
    assert client.get_object(**where)["Body"].read() == content
    client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}]})
    assert client.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
