"""Operations that answer an object, or tell of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from glasshouse.doors.files import answers, requests, xml
from glasshouse.doors.files.answers import Answer
from glasshouse.doors.files.buckets import tag_children
from glasshouse.doors.files.requests import Request
from glasshouse.kernel.catalog import Checksum, Version
from glasshouse.kernel.objects import Objects, Range, faults, parse_range

_OVERRIDES = (
    "content-type",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
)
_CONTROL = re.compile("[\\x00-\\x1f\\x7f]")
_MOST_PARTS = 1000


class InvalidPartNumber(faults.Fault):
    code = "InvalidPartNumber"
    status = 416
    sentence = "The requested partnumber is not satisfiable"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """The bytes [start, stop) to answer, and the headers that tell which they are."""

    start: int
    stop: int
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    checksum: Checksum | None = None


class Reading:
    """Handlers, one for each operation of that name."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def get_object(self, request: Request) -> Answer:
        version, chosen = self._chosen(request)
        content = self._objects.read(version, chosen.start, chosen.stop)
        return Answer(
            status=chosen.status,
            headers=_headers(request, version, chosen),
            content=content,
            size_bytes=chosen.stop - chosen.start,
        )

    def head_object(self, request: Request) -> Answer:
        version, chosen = self._chosen(request)
        return Answer(
            status=chosen.status,
            headers=_headers(request, version, chosen),
            size_bytes=chosen.stop - chosen.start,
        )

    def get_object_attributes(self, request: Request) -> Answer:
        wanted = {name.strip() for name in request.header("x-amz-object-attributes").split(",")} - {""}
        unknown = wanted - {"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"}
        if unknown or not wanted:
            raise faults.InvalidArgument("Invalid attribute name specified.")
        version = self._objects.head(request.place)
        found: list[xml.Child] = [
            ("ETag", version.etag),
            ("Checksum", answers.checksum_children(version.checksum) or None),
            ("ObjectParts", _parts(request, version)),
            ("StorageClass", "STANDARD"),
            ("ObjectSize", version.size_bytes),
        ]
        headers = {
            "last-modified": requests.http_date(version.created_at),
            **answers.version_headers(version.version_id),
        }
        chosen = [child for child in found if child[0] in wanted]
        return answers.document("GetObjectAttributesResponse", chosen, headers)

    def get_object_tagging(self, request: Request) -> Answer:
        version = self._objects.head(request.place)
        headers = answers.version_headers(version.version_id)
        return answers.document("Tagging", tag_children(version.tags), headers)

    def _chosen(self, request: Request) -> tuple[Version, _Chosen]:
        version = self._objects.head(request.place, check=request.conditions())
        ranged = request.header("range")
        if request.params.get("partNumber"):
            if ranged:
                raise faults.InvalidRequest("Cannot specify both Range header and partNumber query parameter")
            return version, _part(request, version)
        found = parse_range(ranged, version.size_bytes) if ranged and _is_current(request, version) else None
        if found is None:
            return version, _Chosen(start=0, stop=version.size_bytes, checksum=version.checksum)
        return version, _ranged(found, version)


def _is_current(request: Request, version: Version) -> bool:
    """Whether the version is the one that If-Range names, if it names one."""
    wanted = request.header("if-range").strip()
    if not wanted:
        return True
    if wanted.startswith(('"', "W/")):
        return wanted == answers.etag(version)
    return requests.seconds_of(wanted) == float(int(version.created_at))


def _ranged(found: Range, version: Version) -> _Chosen:
    content_range = f"bytes {found.start}-{found.stop - 1}/{version.size_bytes}"
    return _Chosen(
        start=found.start, stop=found.stop, status=206, headers=(("content-range", content_range),)
    )


def _part(request: Request, version: Version) -> _Chosen:
    number = request.number("partNumber", 1, least=1, most=1 << 31)
    if not version.parts:
        if number > 1:
            raise InvalidPartNumber
        return _Chosen(start=0, stop=version.size_bytes, status=206, checksum=version.checksum)
    if number > len(version.parts):
        raise InvalidPartNumber
    part = version.parts[number - 1]
    start = sum(earlier.size_bytes for earlier in version.parts[: number - 1])
    ranged = _ranged(Range(start=start, stop=start + part.size_bytes), version)
    checksum = None
    if part.checksum and version.checksum:
        checksum = Checksum(algorithm=version.checksum.algorithm, value=part.checksum, type="COMPOSITE")
    counted = (*ranged.headers, ("x-amz-mp-parts-count", str(len(version.parts))))
    return _Chosen(start=ranged.start, stop=ranged.stop, status=206, headers=counted, checksum=checksum)


def _headers(request: Request, version: Version, chosen: _Chosen) -> dict[str, str]:
    headers = answers.object_headers(version) | dict(chosen.headers)
    if request.header("x-amz-checksum-mode"):
        headers |= answers.checksum_headers(chosen.checksum)
    for name in _OVERRIDES:
        value = request.params.get(f"response-{name}")
        if value is not None:
            if _CONTROL.search(value):
                raise faults.InvalidArgument(f"The parameter response-{name} holds a control character.")
            headers[name] = value
    return headers


def _parts(request: Request, version: Version) -> list[xml.Child] | None:
    if not version.parts:
        return None
    limit = request.number("x-amz-max-parts", _MOST_PARTS, most=_MOST_PARTS)
    marker = request.number("x-amz-part-number-marker", 0, most=1 << 31)
    later = [part for part in version.parts if part.number > marker]
    shown = later[:limit]
    children: list[xml.Child] = [
        ("PartsCount", len(version.parts)),
        ("PartNumberMarker", marker),
        ("NextPartNumberMarker", shown[-1].number if shown else marker),
        ("MaxParts", limit),
        ("IsTruncated", len(later) > len(shown)),
    ]
    if version.checksum is None or version.checksum.type != "COMPOSITE":
        return children
    name = f"Checksum{version.checksum.algorithm}"
    for part in shown:
        described = [("PartNumber", part.number), ("Size", part.size_bytes), (name, part.checksum)]
        children.append(("Part", described))
    return children
