"""The files door through boto3 over HTTP: buckets, listings, versions and multipart uploads."""

from __future__ import annotations

import io
import os
from typing import Any

import boto3.s3.transfer
import botocore.exceptions
import pytest

from glasshouse.kernel import ids
from tests.support import identities, s3

PART = 5 << 20


def code_of(call: Any, **arguments: Any) -> tuple[str, int]:
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


# --- buckets


def test_a_bucket_is_listed_located_and_removed(client: Any) -> None:
    name = f"bucket-{ids.token(8)}"
    client.create_bucket(Bucket=name)
    assert name in [found["Name"] for found in client.list_buckets()["Buckets"]]
    assert client.head_bucket(Bucket=name)["BucketRegion"] == s3.REGION
    assert client.get_bucket_location(Bucket=name)["LocationConstraint"] is None
    client.put_object(Bucket=name, Key="k")
    assert code_of(client.delete_bucket, Bucket=name) == ("BucketNotEmpty", 409)
    client.delete_object(Bucket=name, Key="k")
    client.delete_bucket(Bucket=name)
    assert code_of(client.head_bucket, Bucket=name) == ("404", 404)


def test_bucket_listings_are_paged(client: Any) -> None:
    start = f"paged-{ids.token(6)}"
    for number in range(3):
        client.create_bucket(Bucket=f"{start}-{number}")
    pages = list(
        client.get_paginator("list_buckets").paginate(Prefix=start, PaginationConfig={"PageSize": 2})
    )
    assert [[b["Name"][-1] for b in page["Buckets"]] for page in pages] == [["0", "1"], ["2"]]


def test_a_bucket_elsewhere_is_refused(client: Any) -> None:
    elsewhere = {"LocationConstraint": "eu-west-1"}
    refusal = code_of(client.create_bucket, Bucket="elsewhere", CreateBucketConfiguration=elsewhere)
    assert refusal[0] == "IllegalLocationConstraintException"
    assert code_of(client.create_bucket, Bucket="Bad_Name")[0] == "InvalidBucketName"


def test_tags_of_a_bucket(client: Any, bucket: str) -> None:
    assert code_of(client.get_bucket_tagging, Bucket=bucket) == ("NoSuchTagSet", 404)
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    client.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    assert client.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags
    client.delete_bucket_tagging(Bucket=bucket)
    assert code_of(client.get_bucket_tagging, Bucket=bucket)[0] == "NoSuchTagSet"


def test_what_is_not_offered_says_so(client: Any, bucket: str) -> None:
    for call in (
        client.get_bucket_policy,
        client.get_bucket_acl,
        client.get_bucket_cors,
        client.get_bucket_encryption,
        client.get_bucket_lifecycle_configuration,
        client.get_public_access_block,
        client.get_object_lock_configuration,
        client.list_bucket_metrics_configurations,
    ):
        assert code_of(call, Bucket=bucket) == ("NotImplemented", 501)
    assert code_of(client.get_object_acl, Bucket=bucket, Key="k") == ("NotImplemented", 501)
    assert code_of(client.restore_object, Bucket=bucket, Key="k") == ("NotImplemented", 501)


# --- listings


@pytest.fixture
def tree(client: Any, bucket: str) -> str:
    for key in ("a/1", "a/2", "a b/ü", "b", "c/d/e", "z+"):
        client.put_object(Bucket=bucket, Key=key)
    return bucket


def test_keys_are_rolled_up_at_the_delimiter(client: Any, tree: str) -> None:
    found = client.list_objects_v2(Bucket=tree, Delimiter="/")
    assert [item["Key"] for item in found["Contents"]] == ["b", "z+"]
    assert [item["Prefix"] for item in found["CommonPrefixes"]] == ["a b/", "a/", "c/"]
    below = client.list_objects_v2(Bucket=tree, Delimiter="/", Prefix="c/")
    assert [item["Prefix"] for item in below["CommonPrefixes"]] == ["c/d/"]


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("delimiter", ["", "/"])
def test_pages_join_to_the_whole(client: Any, tree: str, operation: str, delimiter: str) -> None:
    pager = client.get_paginator(operation)
    seen: list[str] = []
    for page in pager.paginate(Bucket=tree, Delimiter=delimiter, PaginationConfig={"PageSize": 2}):
        shown = [item["Key"] for item in page.get("Contents", [])]
        shown += [item["Prefix"] for item in page.get("CommonPrefixes", [])]
        assert len(shown) <= 2
        seen += sorted(shown, key=str.encode)
    expected = ["a b/", "a/", "b", "c/", "z+"] if delimiter else ["a b/ü", "a/1", "a/2", "b", "c/d/e", "z+"]
    assert seen == expected


def test_listing_arguments(client: Any, tree: str) -> None:
    found = client.list_objects_v2(Bucket=tree, StartAfter="a/2", MaxKeys=1, FetchOwner=True)
    assert [item["Key"] for item in found["Contents"]] == ["b"]
    assert (found["IsTruncated"], found["KeyCount"], found["StartAfter"]) == (True, 1, "a/2")
    assert found["Contents"][0]["Owner"]["ID"]
    assert client.list_objects_v2(Bucket=tree, MaxKeys=0)["KeyCount"] == 0
    assert code_of(client.list_objects_v2, Bucket=tree, MaxKeys=-1)[0] == "InvalidArgument"
    assert code_of(client.list_objects_v2, Bucket=tree, ContinuationToken="nonsense")[0] == "InvalidArgument"
    assert client.list_objects_v2(Bucket=tree, OptionalObjectAttributes=["RestoreStatus"])["KeyCount"] == 6


def test_the_resource_interface_empties_a_bucket(s3_server: s3.S3Server, client: Any, tree: str) -> None:
    known = identities.credential()
    resource = boto3.resource(
        "s3",
        endpoint_url=s3_server.url,
        region_name=s3.REGION,
        aws_access_key_id=known.access_key_id,
        aws_secret_access_key=known.secret_access_key,
    )
    client.put_bucket_versioning(Bucket=tree, VersioningConfiguration={"Status": "Enabled"})
    client.put_object(Bucket=tree, Key="b")
    resource.Bucket(tree).objects.all().delete()
    resource.Bucket(tree).object_versions.all().delete()
    client.delete_bucket(Bucket=tree)
    resource.meta.client.close()


# --- versions


def test_versions_come_and_go(client: Any, bucket: str) -> None:
    assert "Status" not in client.get_bucket_versioning(Bucket=bucket)
    client.put_object(Bucket=bucket, Key="k", Body=b"0")
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert client.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    first = client.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
    second = client.put_object(Bucket=bucket, Key="k", Body=b"2")["VersionId"]
    for version_id, content in ((first, b"1"), (second, b"2"), ("null", b"0")):
        assert client.get_object(Bucket=bucket, Key="k", VersionId=version_id)["Body"].read() == content
    marker = client.delete_object(Bucket=bucket, Key="k")
    assert marker["DeleteMarker"]
    with pytest.raises(client.exceptions.NoSuchKey) as caught:
        client.get_object(Bucket=bucket, Key="k")
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["x-amz-delete-marker"] == "true"
    refusal = code_of(client.get_object, Bucket=bucket, Key="k", VersionId=marker["VersionId"])
    assert refusal == ("MethodNotAllowed", 405)
    listed = client.list_object_versions(Bucket=bucket)
    assert [v["VersionId"] for v in listed["Versions"]] == [second, first, "null"]
    assert [m["VersionId"] for m in listed["DeleteMarkers"]] == [marker["VersionId"]]
    client.delete_object(Bucket=bucket, Key="k", VersionId=marker["VersionId"])
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"2"
    source = {"Bucket": bucket, "Key": "k", "VersionId": first}
    client.copy_object(Bucket=bucket, Key="k", CopySource=source)
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"
    assert code_of(client.get_object, Bucket=bucket, Key="k", VersionId="unknown") == ("NoSuchVersion", 404)


def test_batch_deletion_makes_and_removes_markers(client: Any, bucket: str) -> None:
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    client.put_object(Bucket=bucket, Key="k")
    made = client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}]})["Deleted"][0]
    assert made["DeleteMarker"]
    exact = {"Key": "k", "VersionId": made["DeleteMarkerVersionId"]}
    removed = client.delete_objects(Bucket=bucket, Delete={"Objects": [exact]})["Deleted"][0]
    assert (removed["VersionId"], removed["DeleteMarker"]) == (exact["VersionId"], True)
    client.head_object(Bucket=bucket, Key="k")


# --- multipart uploads


@pytest.mark.slow
@pytest.mark.parametrize("checksum", ["CRC32", "CRC64NVME", "SHA256"])
def test_boto3_uploads_a_large_file_in_parts(client: Any, bucket: str, checksum: str) -> None:
    content = os.urandom(PART * 2 + 77)
    config = boto3.s3.transfer.TransferConfig(multipart_threshold=PART, multipart_chunksize=PART)
    arguments = {"ChecksumAlgorithm": checksum, "Metadata": {"a": "b"}, "ContentType": "x/y"}
    client.upload_fileobj(io.BytesIO(content), bucket, "k", ExtraArgs=arguments, Config=config)
    found = client.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert found["Body"].read() == content
    assert found["ETag"].endswith('-3"')
    assert (found["Metadata"], found["ContentType"]) == ({"a": "b"}, "x/y")
    assert f"Checksum{checksum}" in found
    second = client.get_object(Bucket=bucket, Key="k", PartNumber=2)
    assert second["Body"].read() == content[PART : 2 * PART]
    assert second["PartsCount"] == 3
    target = io.BytesIO()
    client.download_fileobj(bucket, "k", target, Config=config)
    assert target.getvalue() == content


@pytest.mark.slow
def test_parts_can_be_copied_listed_and_aborted(client: Any, bucket: str) -> None:
    content = os.urandom(PART + 100)
    client.put_object(Bucket=bucket, Key="from", Body=content)
    upload_id = client.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    where = {"Bucket": bucket, "Key": "k", "UploadId": upload_id}
    source = {"Bucket": bucket, "Key": "from"}
    first = client.upload_part_copy(
        **where, PartNumber=1, CopySource=source, CopySourceRange=f"bytes=100-{PART + 99}"
    )["CopyPartResult"]["ETag"]
    second = client.upload_part(**where, PartNumber=2, Body=b"the end")["ETag"]
    listed = client.list_parts(**where)["Parts"]
    assert [(part["PartNumber"], part["Size"]) for part in listed] == [(1, PART), (2, 7)]
    assert [u["UploadId"] for u in client.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [upload_id]
    other = client.create_multipart_upload(Bucket=bucket, Key="other")["UploadId"]
    client.abort_multipart_upload(Bucket=bucket, Key="other", UploadId=other)
    parts = [{"PartNumber": 1, "ETag": first}, {"PartNumber": 2, "ETag": second}]
    client.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    client.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == content[100:] + b"the end"
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)
    attributes = client.get_object_attributes(
        Bucket=bucket, Key="k", ObjectAttributes=["ObjectParts", "ObjectSize"]
    )
    assert (attributes["ObjectParts"]["TotalPartsCount"], attributes["ObjectSize"]) == (2, PART + 7)
    far = {"CopySource": source, "CopySourceRange": f"bytes=0-{PART * 9}"}
    assert code_of(client.upload_part_copy, **where, PartNumber=3, **far)[0] in (
        "NoSuchUpload",
        "InvalidArgument",
    )


def test_mistakes_with_uploads_have_s3s_codes(client: Any, bucket: str) -> None:
    upload_id = client.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    where = {"Bucket": bucket, "Key": "k", "UploadId": upload_id}
    etag = client.upload_part(**where, PartNumber=1, Body=b"small")["ETag"]
    last = client.upload_part(**where, PartNumber=2, Body=b"last")["ETag"]
    complete = client.complete_multipart_upload
    for parts, code in (
        ([(1, last)], "InvalidPart"),
        ([(3, etag)], "InvalidPart"),
        ([(2, last), (1, etag)], "InvalidPartOrder"),
        ([(1, etag), (2, last)], "EntityTooSmall"),
    ):
        named = {"Parts": [{"PartNumber": number, "ETag": tag} for number, tag in parts]}
        assert code_of(complete, **where, MultipartUpload=named) == (code, 400)
    assert code_of(client.upload_part, **where, PartNumber=10_001, Body=b"")[0] == "InvalidArgument"
    unknown = {**where, "UploadId": "unknown"}
    assert code_of(client.upload_part, **unknown, PartNumber=1, Body=b"") == ("NoSuchUpload", 404)
    assert code_of(client.abort_multipart_upload, **unknown) == ("NoSuchUpload", 404)


@pytest.mark.slow
def test_a_slow_answer_is_kept_alive_and_still_tells_the_outcome(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with s3.running(tmp_path_factory.mktemp("patient"), patience_s=0.001) as server:
        client = server.client()
        client.create_bucket(Bucket="slow-bucket")
        upload_id = client.create_multipart_upload(Bucket="slow-bucket", Key="k")["UploadId"]
        where = {"Bucket": "slow-bucket", "Key": "k", "UploadId": upload_id}
        etags = [client.upload_part(**where, PartNumber=n, Body=bytes([n]) * PART)["ETag"] for n in (1, 2)]
        parts = [{"PartNumber": n, "ETag": etag} for n, etag in enumerate(etags, start=1)]
        wrong = {"Parts": [{"PartNumber": 1, "ETag": etags[1]}]}
        assert code_of(client.complete_multipart_upload, **where, MultipartUpload=wrong)[0] == "InvalidPart"
        done = client.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
        assert done["ETag"].endswith('-2"')
        client.close()
