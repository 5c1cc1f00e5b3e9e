"""Who may use the files door: signatures, presigned URLs, permissions, and that every call is audited."""

from __future__ import annotations

import urllib.parse
from typing import Any

import botocore.exceptions
import pyarrow.fs
import pytest

from glasshouse.kernel import ids
from tests.support import identities, s3, signing


def refusal(call: Any, **arguments: Any) -> tuple[str, int]:
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def fetch(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> signing.Reply:
    parts = urllib.parse.urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return signing.send(url, method, path, headers=headers, body=body)


def test_strangers_are_refused(s3_server: s3.S3Server, client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="k", Body=b"secret")
    for path in (f"/{bucket}/k", f"/{bucket}", "/"):
        reply = fetch(s3_server.url + path)
        assert (reply.status, reply.code) == (403, "AccessDenied")
    assert fetch(s3_server.url + f"/{bucket}/k", "PUT", b"x").status == 403
    assert fetch(s3_server.url + f"/{bucket}/k", "HEAD").body == b""


def test_a_wrong_secret_is_refused(s3_server: s3.S3Server, bucket: str) -> None:
    import boto3

    wrong = boto3.client(
        "s3",
        endpoint_url=s3_server.url,
        region_name=s3.REGION,
        aws_access_key_id=identities.credential().access_key_id,
        aws_secret_access_key="wrong",
    )
    assert refusal(wrong.list_objects_v2, Bucket=bucket) == ("SignatureDoesNotMatch", 403)
    wrong.close()


def test_a_signature_for_another_service_opens_nothing(s3_server: s3.S3Server) -> None:
    headers = signing.Signer(urllib.parse.urlsplit(s3_server.url).netloc).headers("GET", "/", signing.NOTHING)
    headers["authorization"] = headers["authorization"].replace("/s3/", "/sts/")
    assert signing.send(s3_server.url, "GET", "/", headers=headers).code == "AccessDenied"


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_urls(s3_server: s3.S3Server, bucket: str, version: str) -> None:
    client = s3_server.client(signature_version=version)
    key = "a b/ü+.txt"
    put = client.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": key})
    assert fetch(put, "PUT", b"content").status == 200
    get = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key})
    assert fetch(get).body == b"content"
    assert fetch(get, "PUT", b"other").status == 403
    assert fetch(get.replace("%2B", "%2C")).status == 403
    assert fetch(get + "&versionId=x").status in (400, 403)
    named = client.generate_presigned_url(
        "get_object", Params={"Bucket": bucket, "Key": key, "ResponseContentType": "text/csv"}
    )
    assert fetch(named).headers["content-type"] == "text/csv"
    listed = client.generate_presigned_url("list_objects_v2", Params={"Bucket": bucket, "MaxKeys": 1})
    assert b"<KeyCount>1</KeyCount>" in fetch(listed).body
    assert fetch(listed.replace(bucket, f"{bucket}/x")).status == 403
    client.close()


def test_a_presigned_url_cannot_smuggle_in_a_header(s3_server: s3.S3Server, bucket: str) -> None:
    url = s3_server.url
    for query in (
        "x-amz-meta-a=1%0D%0Aevil%3A1",
        "x-amz-meta-a%0D%0Aevil%3A1%0D%0Ax=1",
        "x-amz-meta-%C3%BC=1",
    ):
        assert signing.call(url, "PUT", f"/{bucket}/k?{query}").code == "InvalidArgument"
    assert signing.call(url, "PUT", f"/{bucket}/k?x-amz-meta-a=1").status == 200
    assert signing.call(url, "GET", f"/{bucket}/k").headers["x-amz-meta-a"] == "1"


def test_another_owner_is_denied(client: Any, bucket: str) -> None:
    owner = {"ExpectedBucketOwner": "111111111111"}
    assert refusal(client.list_objects_v2, Bucket=bucket, **owner) == ("AccessDenied", 403)
    assert refusal(client.head_bucket, Bucket=bucket, **owner) == ("403", 403)
    client.head_bucket(Bucket=bucket, ExpectedBucketOwner="000000000000")


def test_every_call_is_audited_refusals_too(s3_server: s3.S3Server, client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="k", Body=b"x")
    refusal(client.get_object, Bucket=bucket, Key="gone")
    refusal(client.get_bucket_policy, Bucket=bucket)
    with s3_server.store.read() as tx:
        entries = [entry for entry in tx.audit(limit=10_000) if bucket in entry.resource]
    told = [
        (entry.operation, entry.resource.removeprefix("arn:aws:s3:::"), entry.outcome) for entry in entries
    ]
    assert told == [
        ("CreateBucket", bucket, "ok"),
        ("PutObject", f"{bucket}/k", "ok"),
        ("GetObject", f"{bucket}/gone", "NoSuchKey"),
        ("GetBucketPolicy", bucket, "NotImplemented"),
    ]
    assert {entry.service for entry in entries} == {"s3"}
    assert all(entry.request_id and entry.principal.startswith("arn:aws:sts::") for entry in entries)


def test_errors_are_xml_with_a_request_id_and_head_has_no_body(s3_server: s3.S3Server, bucket: str) -> None:
    reply = signing.call(s3_server.url, "GET", f"/{bucket}/a%3Cb")
    assert reply.code == "NoSuchKey"
    assert b"<Key>a&lt;b</Key>" in reply.body
    assert f"<RequestId>{reply.headers['x-amz-request-id']}</RequestId>".encode() in reply.body
    assert reply.headers["content-type"] == "application/xml"
    head = signing.call(s3_server.url, "HEAD", f"/{bucket}/k")
    assert (head.status, head.body) == (404, b"")


def test_malformed_documents_are_refused(s3_server: s3.S3Server, bucket: str) -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY b "cc">]><Delete><Object><Key>&b;</Key></Object></Delete>'
    deep = b"<Delete>" + b"<a>" * 50 + b"</a>" * 50 + b"</Delete>"
    for body in (b"", b"<", b"<Other/>", b"<Delete/>", bomb, deep, b"\xff\xfe"):
        reply = signing.call(s3_server.url, "POST", f"/{bucket}?delete", body=body)
        assert (reply.status, reply.code) == (400, "MalformedXML"), body
    unknown = b"<Delete><Object><Key>k</Key><Size>3</Size></Object></Delete>"
    assert signing.call(s3_server.url, "POST", f"/{bucket}?delete", body=unknown).code == "NotImplemented"


def test_what_a_request_carries_beyond_its_operation_is_refused(s3_server: s3.S3Server, bucket: str) -> None:
    url = s3_server.url
    assert signing.call(url, "GET", f"/{bucket}?made-up=1").code == "NotImplemented"
    assert signing.call(url, "GET", f"/{bucket}?max-keys=1&max-keys=2").code == "InvalidArgument"
    assert signing.call(url, "GET", f"/{bucket}/k", x_amz_made_up="1").code == "NotImplemented"
    assert signing.call(url, "GET", f"/{bucket}", if_match="x").code == "NotImplemented"
    assert signing.call(url, "GET", f"/{bucket}?list-type=3").code == "InvalidArgument"
    assert signing.call(url, "PATCH", f"/{bucket}").code == "MethodNotAllowed"
    assert signing.call(url, "GET", f"/{bucket}/%ff").code == "InvalidURI"
    assert signing.call(url, "GET", f"/{bucket}", body=b"x").code == "InvalidRequest"


def test_a_bucket_may_stand_in_the_host_name(s3_server: s3.S3Server, client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key=f"{bucket}/k", Body=b"content")
    host = f"{bucket}.localhost:{s3_server.port}"
    headers = signing.Signer(host).headers("GET", f"/{bucket}/k", signing.NOTHING)
    reply = signing.send(s3_server.url, "GET", f"/{bucket}/k", headers=headers)
    assert reply.body == b"content"


@pytest.mark.slow
def test_pyarrow_reads_writes_lists_and_deletes(s3_server: s3.S3Server) -> None:
    known = identities.credential()
    files = pyarrow.fs.S3FileSystem(
        endpoint_override=f"127.0.0.1:{s3_server.port}",
        scheme="http",
        region=s3.REGION,
        access_key=known.access_key_id,
        secret_key=known.secret_access_key,
        allow_bucket_creation=True,
        allow_bucket_deletion=True,
    )
    bucket = f"arrow-{ids.token(6)}"
    files.create_dir(bucket)
    content = bytes(range(256)) * 50_000
    with files.open_output_stream(f"{bucket}/deep/a b ü.bin", metadata={"Content-Type": "x/y"}) as stream:
        stream.write(content)
    with files.open_input_file(f"{bucket}/deep/a b ü.bin") as file:
        assert file.read_at(10, 1000) == content[1000:1010]
        assert file.read() == content
    files.create_dir(f"{bucket}/empty")
    files.copy_file(f"{bucket}/deep/a b ü.bin", f"{bucket}/copy")
    found = files.get_file_info(pyarrow.fs.FileSelector(bucket, recursive=True))
    kinds = {info.path.removeprefix(f"{bucket}/"): info.type.name for info in found}
    assert kinds == {"copy": "File", "deep": "Directory", "deep/a b ü.bin": "File", "empty": "Directory"}
    files.move(f"{bucket}/copy", f"{bucket}/moved")
    assert files.get_file_info(f"{bucket}/moved").size == len(content)
    files.delete_dir(f"{bucket}/deep")
    files.delete_dir(bucket)
