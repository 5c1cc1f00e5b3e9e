"""Operations on multipart uploads."""

from __future__ import annotations

import re

from glasshouse.doors.files import answers, requests, xml
from glasshouse.doors.files.answers import Answer
from glasshouse.doors.files.requests import Request
from glasshouse.doors.files.writing import Writing
from glasshouse.kernel.catalog import Checksum, ChecksumType
from glasshouse.kernel.objects import Conditions, Objects, Stored, WantedPart, checksums, conditions, faults

_MOST_PARTS_SHOWN = 1000
_SOURCE_RANGE = re.compile(r"bytes=(\d+)-(\d+)", re.ASCII)


class Multipart:
    """Handlers, one for each operation of that name."""

    def __init__(self, objects: Objects, writing: Writing) -> None:
        self._objects = objects
        self._writing = writing

    def create_multipart_upload(self, request: Request) -> Answer:
        algorithm = request.header("x-amz-checksum-algorithm").upper()
        upload = self._objects.uploads.start(
            request.place,
            attributes=request.attributes(),
            algorithm=algorithm,
            checksum_type=request.header("x-amz-checksum-type"),
        )
        children: list[xml.Child] = [
            ("Bucket", request.bucket),
            ("Key", request.key),
            ("UploadId", upload.id),
        ]
        headers = {}
        if algorithm:
            headers = {"x-amz-checksum-algorithm": algorithm, "x-amz-checksum-type": upload.checksum_type}
        return answers.document("InitiateMultipartUploadResult", children, headers)

    def before_upload_part(self, request: Request) -> str:
        """Refuses before the content is sent what would be refused after it; the checksum algorithm wanted."""
        _part_number(request)
        return self._objects.uploads.find(request.place, request.params["uploadId"]).checksum_algorithm

    def upload_part(self, request: Request, stored: Stored) -> Answer:
        part = self._objects.uploads.add_part(
            request.place, request.params["uploadId"], number=_part_number(request), stored=stored
        )
        headers = answers.checksum_headers(part.checksum)
        headers.pop("x-amz-checksum-type", None)
        return Answer(headers={"etag": f'"{part.etag}"', **headers})

    def upload_part_copy(self, request: Request) -> Answer:
        number, upload_id = _part_number(request), request.params["uploadId"]
        upload = self._objects.uploads.find(request.place, upload_id)
        source = self._objects.head(self._writing.permitted_source(request))
        conditions.check_source(request.conditions("x-amz-copy-source-"), source)
        start, stop = _source_range(request, source.size_bytes)
        algorithm = upload.checksum_algorithm or checksums.DEFAULT
        with self._objects.intake(algorithm=algorithm) as intake:
            for chunk in self._objects.read(source, start, stop):
                intake.send(chunk)
            stored = intake.finish()
        part = self._objects.uploads.add_part(request.place, upload_id, number=number, stored=stored)
        children: list[xml.Child] = [
            ("LastModified", requests.iso_date(part.created_at)),
            ("ETag", f'"{part.etag}"'),
            *answers.checksum_children(part.checksum)[:1],
        ]
        headers = answers.version_headers(source.version_id)
        return answers.document(
            "CopyPartResult", children, {f"x-amz-copy-source-{n[6:]}": v for n, v in headers.items()}
        )

    def complete_multipart_upload(self, request: Request, content: bytes) -> Answer:
        parsed = xml.parse(content, root="CompleteMultipartUpload")
        parsed.only("Part")
        size = request.number("x-amz-mp-object-size", -1, most=1 << 62)
        completed = self._objects.uploads.complete(
            request.place,
            request.params["uploadId"],
            [_wanted(element) for element in parsed.all("Part")],
            check=Conditions(match=request.header("if-match"), none_match=request.header("if-none-match")),
            checksum=_whole_checksum(request),
            checksum_type=request.header("x-amz-checksum-type"),
            size_bytes=None if size < 0 else size,
        )
        children: list[xml.Child] = [
            ("Location", f"/{request.bucket}/{request.key}"),
            ("Bucket", request.bucket),
            ("Key", request.key),
            ("ETag", f'"{completed.etag}"'),
            *answers.checksum_children(completed.checksum),
        ]
        headers = answers.version_headers(completed.version_id)
        return answers.document("CompleteMultipartUploadResult", children, headers)

    def abort_multipart_upload(self, request: Request) -> Answer:
        self._objects.uploads.abort(request.place, request.params["uploadId"])
        return answers.nothing()

    def list_parts(self, request: Request) -> Answer:
        limit = request.number("max-parts", _MOST_PARTS_SHOWN, most=_MOST_PARTS_SHOWN)
        marker = request.number("part-number-marker", 0, most=1 << 31)
        upload_id = request.params["uploadId"]
        upload = self._objects.uploads.find(request.place, upload_id)
        found = self._objects.uploads.parts(request.place, upload_id, after=marker, limit=limit + 1)
        shown = found[:limit]
        children: list[xml.Child] = [
            ("Bucket", request.bucket),
            ("Key", request.key),
            ("UploadId", upload_id),
            ("Initiator", answers.owner(request.caller.account)),
            ("Owner", answers.owner(request.caller.account)),
            ("StorageClass", "STANDARD"),
            ("PartNumberMarker", marker),
            ("NextPartNumberMarker", shown[-1].number if shown else marker),
            ("MaxParts", limit),
            ("IsTruncated", len(found) > limit),
            ("ChecksumAlgorithm", upload.checksum_algorithm or None),
            ("ChecksumType", upload.checksum_type if upload.checksum_algorithm else None),
        ]
        for part in shown:
            described: list[xml.Child] = [
                ("PartNumber", part.number),
                ("LastModified", requests.iso_date(part.created_at)),
                ("ETag", f'"{part.etag}"'),
                ("Size", part.size_bytes),
                *answers.checksum_children(part.checksum)[:1],
            ]
            children.append(("Part", described))
        return answers.document("ListPartsResult", children)


def _part_number(request: Request) -> int:
    return request.number("partNumber", 0, least=1, most=1 << 31)


def _source_range(request: Request, size_bytes: int) -> tuple[int, int]:
    header = request.header("x-amz-copy-source-range")
    if not header:
        return 0, size_bytes
    found = _SOURCE_RANGE.fullmatch(header)
    if found is None:
        raise faults.InvalidArgument(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "
            "zero-based offsets of the first and last bytes to copy"
        )
    first, last = int(found[1]), int(found[2])
    if first > last or last >= size_bytes:
        raise faults.InvalidArgument(f"Range specified is not valid for source object of size: {size_bytes}")
    return first, last + 1


def _wanted(element: xml.Element) -> WantedPart:
    names = [f"Checksum{name}" for name in sorted(checksums.ALGORITHMS)]
    element.only("PartNumber", "ETag", *names)
    number = element.find("PartNumber")
    if not number.isascii() or not number.isdigit():
        raise faults.MalformedXml
    told = [element.find(name) for name in names]
    return WantedPart(
        number=int(number),
        etag=element.find("ETag").strip('"'),
        checksum=next((value for value in told if value), ""),
    )


def _whole_checksum(request: Request) -> Checksum | None:
    """The checksum that the client expects the whole object to have."""
    kind: ChecksumType = (
        "COMPOSITE" if request.header("x-amz-checksum-type") == "COMPOSITE" else "FULL_OBJECT"
    )
    for name in sorted(checksums.ALGORITHMS):
        value = request.header(f"x-amz-checksum-{name.lower()}")
        if value:
            return Checksum(algorithm=name, value=value, type=kind)
    return None
