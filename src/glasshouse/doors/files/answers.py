"""Answers: what a handler returns, and the XML and headers that several of them share."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from glasshouse.doors.files import requests, xml
from glasshouse.kernel import errors
from glasshouse.kernel.catalog import NULL_VERSION, Checksum, Version
from glasshouse.kernel.objects import faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`content` is what is sent after `body`, piece by piece; then `size_bytes` says how much that is."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    content: Iterator[bytes] | None = None
    size_bytes: int = 0


def document(root: str, children: Iterable[xml.Child], headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(
        headers={"content-type": "application/xml", **(headers or {})}, body=xml.document(root, children)
    )


def nothing(headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status=204, headers=headers or {})


def error(problem: errors.WireError, *, resource: str, request_id: str) -> Answer:
    """The error as S3 writes it. A status that allows no body gets none."""
    facts = problem.facts if isinstance(problem, faults.Fault) else {}
    headers = problem.headers if isinstance(problem, faults.Fault) else {}
    if problem.status == 304:
        return Answer(status=304, headers=headers)
    children: list[xml.Child] = [("Code", _code(problem)), ("Message", problem.message), *facts.items()]
    children += [("Resource", resource), ("RequestId", request_id), ("HostId", host_id(request_id))]
    return Answer(
        status=_status(problem),
        headers={"content-type": "application/xml", **headers},
        body=xml.document("Error", children, namespace=""),
    )


def host_id(request_id: str) -> str:
    """S3 answers two ids; ours is one, in two forms."""
    return hashlib.sha256(request_id.encode()).hexdigest()


def code(problem: errors.WireError) -> str:
    return _code(problem)


def owner(account: str) -> list[xml.Child]:
    """S3 names owners by a canonical id of 64 digits."""
    return [("ID", hashlib.sha256(account.encode()).hexdigest()), ("DisplayName", account)]


def etag(version: Version) -> str:
    return f'"{version.etag}"'


def version_headers(version_id: str) -> dict[str, str]:
    return {} if version_id in ("", NULL_VERSION) else {"x-amz-version-id": version_id}


def checksum_headers(checksum: Checksum | None) -> dict[str, str]:
    if checksum is None:
        return {}
    return {
        f"x-amz-checksum-{checksum.algorithm.lower()}": checksum.value,
        "x-amz-checksum-type": checksum.type,
    }


def checksum_children(checksum: Checksum | None) -> list[xml.Child]:
    if checksum is None:
        return []
    return [(f"Checksum{checksum.algorithm}", checksum.value), ("ChecksumType", checksum.type)]


def object_headers(version: Version) -> dict[str, str]:
    """What GET and HEAD tell of an object, but for its length and checksum."""
    headers = {
        "last-modified": requests.http_date(version.created_at),
        "etag": etag(version),
        "accept-ranges": "bytes",
        **version.headers,
        **{f"x-amz-meta-{name}": value for name, value in version.metadata.items()},
        **version_headers(version.version_id),
    }
    if version.tags:
        headers["x-amz-tagging-count"] = str(len(version.tags))
    return headers


def _code(problem: errors.WireError) -> str:
    if isinstance(problem, errors.AccessDenied):
        return "AccessDenied"
    return "InternalError" if isinstance(problem, errors.Internal) else problem.code


def _status(problem: errors.WireError) -> int:
    return 403 if isinstance(problem, errors.AccessDenied) else problem.status
