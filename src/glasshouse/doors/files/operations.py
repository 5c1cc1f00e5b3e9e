"""What the door offers, as data: which request is which operation, and what it may carry.

A request is told by its method, by whether it names a bucket and a key, and by the parameters that select a
subresource. What is not listed here is refused, never ignored: an operation, a parameter or a header alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from glasshouse.doors.files import unoffered
from glasshouse.kernel.objects import faults

Level = Literal["service", "bucket", "object"]
BodyKind = Literal["none", "document", "statement", "content"]
"""A statement is a document whose checksum headers tell of something else than itself."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ALWAYS: Final = _words(
    "x-amz-date x-amz-content-sha256 x-amz-security-token x-amz-user-agent x-amz-expected-bucket-owner "
    "x-amz-request-payer x-amz-api-version"
)
_BODY: Final = _words(
    "x-amz-checksum-crc32 x-amz-checksum-crc32c x-amz-checksum-crc64nvme x-amz-checksum-sha1 "
    "x-amz-checksum-sha256 x-amz-sdk-checksum-algorithm x-amz-trailer x-amz-decoded-content-length"
)
_DESCRIBED: Final = _words(
    "x-amz-acl x-amz-storage-class x-amz-tagging x-amz-server-side-encryption "
    "x-amz-server-side-encryption-bucket-key-enabled"
)
_ETAGS: Final = _words("if-match if-none-match")
_READ: Final = _ETAGS | _words("if-modified-since if-unmodified-since range if-range x-amz-checksum-mode")
_SOURCE: Final = _words(
    "x-amz-copy-source x-amz-copy-source-if-match x-amz-copy-source-if-none-match "
    "x-amz-copy-source-if-modified-since x-amz-copy-source-if-unmodified-since "
    "x-amz-source-expected-bucket-owner"
)
_CONDITIONAL: Final = _READ - {"x-amz-checksum-mode"}
"""Plain HTTP headers that change what is done; all other plain headers are harmless where they are not used."""

_OBJECT_PARAMS: Final = _words(
    "versionId partNumber response-content-type response-cache-control response-content-disposition "
    "response-content-encoding response-content-language response-expires"
)
_LIST_PARAMS: Final = _words("prefix delimiter encoding-type")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """`action` is what the caller must be permitted to do; `selector` are the parameters that single it out."""

    name: str
    action: str
    method: str
    level: Level
    selector: frozenset[str] = frozenset()
    params: frozenset[str] = frozenset()
    headers: frozenset[str] = frozenset()
    body: BodyKind = "none"

    @property
    def is_copy(self) -> bool:
        return "x-amz-copy-source" in self.headers


def _op(
    signature: str,
    name: str,
    action: str = "",
    *,
    params: str = "",
    headers: frozenset[str] = frozenset(),
    body: BodyKind = "none",
) -> Operation:
    """`signature` is the method, the level and the selecting parameters."""
    method, level, *selector = signature.split()
    levels: Mapping[str, Level] = {"service": "service", "bucket": "bucket", "object": "object"}
    return Operation(
        name=name,
        action=f"s3:{action or name}",
        method=method,
        level=levels[level],
        selector=frozenset(selector),
        params=frozenset(selector) | _words(params),
        headers=headers | (_BODY if body != "none" else frozenset()),
        body=body,
    )


_LIST: Final = "prefix delimiter encoding-type "
_OPTIONAL: Final = _words("x-amz-optional-object-attributes")

OPERATIONS: Final = (
    _op(
        "GET service",
        "ListBuckets",
        "ListAllMyBuckets",
        params="max-buckets continuation-token prefix bucket-region",
    ),
    _op("PUT bucket", "CreateBucket", headers=_words("x-amz-acl x-amz-object-ownership"), body="document"),
    _op("HEAD bucket", "HeadBucket", "ListBucket"),
    _op("DELETE bucket", "DeleteBucket"),
    _op("GET bucket location", "GetBucketLocation"),
    _op("GET bucket versioning", "GetBucketVersioning"),
    _op("PUT bucket versioning", "PutBucketVersioning", body="document"),
    _op("GET bucket tagging", "GetBucketTagging"),
    _op("PUT bucket tagging", "PutBucketTagging", body="document"),
    _op("DELETE bucket tagging", "DeleteBucketTagging", "PutBucketTagging"),
    _op("GET bucket", "ListObjects", "ListBucket", params=_LIST + "max-keys marker", headers=_OPTIONAL),
    _op(
        "GET bucket list-type",
        "ListObjectsV2",
        "ListBucket",
        params=_LIST + "max-keys continuation-token start-after fetch-owner",
        headers=_OPTIONAL,
    ),
    _op(
        "GET bucket versions",
        "ListObjectVersions",
        "ListBucketVersions",
        params=_LIST + "max-keys key-marker version-id-marker",
        headers=_OPTIONAL,
    ),
    _op(
        "GET bucket uploads",
        "ListMultipartUploads",
        "ListBucketMultipartUploads",
        params=_LIST + "max-uploads key-marker upload-id-marker",
    ),
    _op("POST bucket delete", "DeleteObjects", "DeleteObject", body="document"),
    _op("GET object", "GetObject", params=" ".join(_OBJECT_PARAMS), headers=_READ),
    _op("HEAD object", "HeadObject", "GetObject", params=" ".join(_OBJECT_PARAMS), headers=_READ),
    _op(
        "GET object attributes",
        "GetObjectAttributes",
        params="versionId",
        headers=_words("x-amz-object-attributes x-amz-max-parts x-amz-part-number-marker"),
    ),
    _op("PUT object", "PutObject", headers=_DESCRIBED | _ETAGS, body="content"),
    _op(
        "PUT object",
        "CopyObject",
        "PutObject",
        headers=_DESCRIBED
        | _SOURCE
        | _ETAGS
        | _words("x-amz-metadata-directive x-amz-tagging-directive x-amz-checksum-algorithm"),
    ),
    _op("DELETE object", "DeleteObject", params="versionId", headers=_words("if-match")),
    _op("GET object tagging", "GetObjectTagging", params="versionId"),
    _op("PUT object tagging", "PutObjectTagging", params="versionId", body="document"),
    _op("DELETE object tagging", "DeleteObjectTagging", params="versionId"),
    _op(
        "POST object uploads",
        "CreateMultipartUpload",
        "PutObject",
        headers=_DESCRIBED | _words("x-amz-checksum-algorithm x-amz-checksum-type"),
    ),
    _op("PUT object partNumber uploadId", "UploadPart", "PutObject", body="content"),
    _op(
        "PUT object partNumber uploadId",
        "UploadPartCopy",
        "PutObject",
        headers=_SOURCE | _words("x-amz-copy-source-range"),
    ),
    _op(
        "POST object uploadId",
        "CompleteMultipartUpload",
        "PutObject",
        headers=_ETAGS | _words("x-amz-checksum-type x-amz-mp-object-size"),
        body="statement",
    ),
    _op("DELETE object uploadId", "AbortMultipartUpload"),
    _op(
        "GET object uploadId",
        "ListParts",
        "ListMultipartUploadParts",
        params="max-parts part-number-marker",
    ),
)

_SELECTING: Final = frozenset().union(
    *(operation.selector for operation in OPERATIONS), *(selector for _, _, selector in unoffered.NAMES)
)
"""Parameters that single out an operation of S3, offered or not."""


class NotOffered(faults.NotImplementedHere):
    """`operation` is S3's name for what was asked for."""

    sentence = "The operation {} is not offered by this server."

    def __init__(self, operation: str) -> None:
        super().__init__(operation)
        self.operation = operation


class MethodNotAllowed(faults.Fault):
    code = "MethodNotAllowed"
    status = 405
    sentence = "The specified method is not allowed against this resource."


def find(method: str, level: Level, params: Mapping[str, str], headers: Mapping[str, str]) -> Operation:
    """The operation that is asked for. Raises NotOffered or MethodNotAllowed."""
    selector = _SELECTING.intersection(params)
    if method in ("GET", "HEAD") and selector == {"partNumber"}:
        selector = frozenset()
    is_copy = "x-amz-copy-source" in headers
    for operation in OPERATIONS:
        where = (operation.method, operation.level, operation.selector)
        if where == (method, level, selector) and operation.is_copy == (is_copy and method == "PUT"):
            return operation
    if selector:
        described = f"{method} with {' and '.join(sorted(selector))}"
        raise NotOffered(unoffered.NAMES.get((method, level, selector), described))
    raise MethodNotAllowed


def check_carried(operation: Operation, params: Mapping[str, str], headers: Mapping[str, str]) -> None:
    """Raises NotImplementedHere for a parameter or header that this operation would ignore."""
    for name in params:
        if name not in operation.params and name != "x-id":
            raise faults.NotImplementedHere(f"the parameter {name} of {operation.name}")
    known = operation.headers | _ALWAYS
    describes = "x-amz-tagging" in known
    for name in headers:
        is_ours = name.startswith("x-amz-") or name in _CONDITIONAL
        if is_ours and name not in known and not (describes and name.startswith("x-amz-meta-")):
            raise faults.NotImplementedHere(f"the header {name} of {operation.name}")
    _check_values(params)
    _check_values(headers)


class AclNotSupported(faults.Fault):
    code = "AccessControlListNotSupported"
    sentence = "The bucket does not allow ACLs"


class InvalidStorageClass(faults.Fault):
    code = "InvalidStorageClass"
    sentence = "The storage class you specified is not valid"


_ACCEPTED: Final[Mapping[str, tuple[frozenset[str], type[faults.Fault]]]] = {
    "x-amz-acl": (_words("private bucket-owner-full-control"), AclNotSupported),
    "x-amz-storage-class": (_words("STANDARD"), InvalidStorageClass),
    "x-amz-server-side-encryption": (_words("AES256 aws:kms aws:kms:dsse"), faults.InvalidArgument),
    "x-amz-server-side-encryption-bucket-key-enabled": (_words("true false"), faults.InvalidArgument),
    "x-amz-request-payer": (_words("requester"), faults.InvalidArgument),
    "x-amz-api-version": (_words("2006-03-01"), faults.InvalidArgument),
    "x-amz-checksum-mode": (_words("ENABLED enabled"), faults.InvalidArgument),
    "x-amz-object-ownership": (_words("BucketOwnerEnforced"), faults.NotImplementedHere),
    "x-amz-optional-object-attributes": (_words("RestoreStatus"), faults.InvalidArgument),
    "x-amz-metadata-directive": (_words("COPY REPLACE"), faults.InvalidArgument),
    "x-amz-tagging-directive": (_words("COPY REPLACE"), faults.InvalidArgument),
    "encoding-type": (_words("url"), faults.InvalidArgument),
    "list-type": (_words("2"), faults.InvalidArgument),
}
"""Values that are taken; any other is refused with the fault."""


def _check_values(values: Mapping[str, str]) -> None:
    for name, (accepted, fault) in _ACCEPTED.items():
        value = values.get(name, "")
        if value and value not in accepted:
            raise fault(f"the value {value} of {name}")
