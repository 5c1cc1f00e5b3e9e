"""Operations that list what a bucket holds."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Mapping, Sequence

from glasshouse.doors.files import answers, requests, xml
from glasshouse.doors.files.answers import Answer
from glasshouse.doors.files.requests import Request
from glasshouse.kernel.catalog import Version
from glasshouse.kernel.objects import Objects, Query, faults

MOST_KEYS = 1000


class Listings:
    """Handlers, one for each operation of that name."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def list_objects(self, request: Request) -> Answer:
        asked = _Asked(request)
        marker = request.params.get("marker", "")
        page = self._objects.list(request.within, asked.query(after=marker))
        following = page.next[0] if page.next else None
        children: list[xml.Child] = [
            *asked.echo(),
            ("Marker", asked.encode(marker)),
            ("MaxKeys", asked.limit),
            ("IsTruncated", page.next is not None),
            ("NextMarker", asked.encode(following) if following and asked.delimiter else None),
            *(("Contents", asked.described(v, with_owner=True)) for v in page.entries),
            *asked.rolled_up(page.prefixes),
        ]
        return answers.document("ListBucketResult", children)

    def list_objects_v2(self, request: Request) -> Answer:
        asked = _Asked(request)
        token = request.params.get("continuation-token", "")
        start_after = request.params.get("start-after", "")
        after = requests.marker_of(token) if token else start_after
        page = self._objects.list(request.within, asked.query(after=after))
        with_owner = request.params.get("fetch-owner", "").lower() == "true"
        children: list[xml.Child] = [
            *asked.echo(),
            ("MaxKeys", asked.limit),
            ("KeyCount", len(page.entries) + len(page.prefixes)),
            ("IsTruncated", page.next is not None),
            ("ContinuationToken", token or None),
            ("NextContinuationToken", requests.token_of(page.next[0]) if page.next else None),
            ("StartAfter", asked.encode(start_after) if start_after else None),
            *(("Contents", asked.described(v, with_owner=with_owner)) for v in page.entries),
            *asked.rolled_up(page.prefixes),
        ]
        return answers.document("ListBucketResult", children)

    def list_object_versions(self, request: Request) -> Answer:
        asked = _Asked(request)
        key, version_id = request.params.get("key-marker", ""), request.params.get("version-id-marker", "")
        if version_id and not key:
            raise faults.InvalidArgument("A version-id marker cannot be specified without a key marker.")
        page = self._objects.list_versions(request.within, asked.query(after=key, after_id=version_id))
        following = page.next or ("", "")
        children: list[xml.Child] = [
            *asked.echo(),
            ("KeyMarker", asked.encode(key)),
            ("VersionIdMarker", version_id),
            ("NextKeyMarker", asked.encode(following[0]) if page.next else None),
            ("NextVersionIdMarker", following[1] or None),
            ("MaxKeys", asked.limit),
            ("IsTruncated", page.next is not None),
            *(asked.version(version) for version in page.entries),
            *asked.rolled_up(page.prefixes),
        ]
        return answers.document("ListVersionsResult", children)

    def list_multipart_uploads(self, request: Request) -> Answer:
        asked = _Asked(request, limit="max-uploads")
        key, upload_id = request.params.get("key-marker", ""), request.params.get("upload-id-marker", "")
        after_id = upload_id if key else ""
        page = self._objects.list_uploads(request.within, asked.query(after=key, after_id=after_id))
        following = page.next or ("", "")
        children: list[xml.Child] = [
            ("Bucket", request.bucket),
            *asked.echo()[1:],
            ("KeyMarker", asked.encode(key)),
            ("UploadIdMarker", upload_id),
            ("NextKeyMarker", asked.encode(following[0]) if page.next else None),
            ("NextUploadIdMarker", following[1] or None),
            ("MaxUploads", asked.limit),
            ("IsTruncated", page.next is not None),
        ]
        for upload in page.entries:
            described: list[xml.Child] = [
                ("Key", asked.encode(upload.key)),
                ("UploadId", upload.id),
                ("Initiator", answers.owner(request.caller.account)),
                ("Owner", answers.owner(request.caller.account)),
                ("StorageClass", "STANDARD"),
                ("Initiated", requests.iso_date(upload.created_at)),
                ("ChecksumAlgorithm", upload.checksum_algorithm or None),
                ("ChecksumType", upload.checksum_type if upload.checksum_algorithm else None),
            ]
            children.append(("Upload", described))
        return answers.document("ListMultipartUploadsResult", [*children, *asked.rolled_up(page.prefixes)])


class _Asked:
    """What all listings are asked alike, and how they describe what they found."""

    def __init__(self, request: Request, *, limit: str = "max-keys") -> None:
        self._request = request
        self.delimiter = request.params.get("delimiter", "")
        self.limit = request.number(limit, MOST_KEYS, most=MOST_KEYS)
        is_encoded = request.params.get("encoding-type") == "url"
        self.encode: Callable[[str], str] = _quoted if is_encoded else _as_it_is

    def query(self, *, after: str, after_id: str = "") -> Query:
        return Query(delimiter=self.delimiter, after=after, after_id=after_id, limit=self.limit)

    def echo(self) -> list[xml.Child]:
        params: Mapping[str, str] = self._request.params
        return [
            ("Name", self._request.bucket),
            ("Prefix", self.encode(params.get("prefix", ""))),
            ("Delimiter", self.encode(self.delimiter) if self.delimiter else None),
            ("EncodingType", params.get("encoding-type") or None),
        ]

    def rolled_up(self, prefixes: Sequence[str]) -> list[xml.Child]:
        return [("CommonPrefixes", [("Prefix", self.encode(prefix))]) for prefix in prefixes]

    def described(self, version: Version, *, with_owner: bool) -> list[xml.Child]:
        return [
            ("Key", self.encode(version.key)),
            ("LastModified", requests.iso_date(version.created_at)),
            ("ETag", answers.etag(version)),
            ("ChecksumAlgorithm", version.checksum.algorithm if version.checksum else None),
            ("ChecksumType", version.checksum.type if version.checksum else None),
            ("Size", version.size_bytes),
            ("StorageClass", "STANDARD"),
            ("Owner", answers.owner(self._request.caller.account) if with_owner else None),
        ]

    def version(self, version: Version) -> xml.Child:
        named: list[xml.Child] = [("VersionId", version.version_id), ("IsLatest", version.is_latest)]
        described = self.described(version, with_owner=True)
        if version.is_delete_marker:
            kept = [child for child in described if child[0] in ("Key", "LastModified", "Owner")]
            return ("DeleteMarker", [*named, *kept])
        return ("Version", [*named, *described])


def _quoted(text: str) -> str:
    return urllib.parse.quote(text, safe="/-_.~*")


def _as_it_is(text: str) -> str:
    return text
