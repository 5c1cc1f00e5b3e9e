"""What a request asks for, read off its head: address, parameters and headers."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import email.utils
import re
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from glasshouse.doors.files import operations
from glasshouse.kernel import signatures
from glasshouse.kernel.identity import Caller
from glasshouse.kernel.objects import Attributes, Conditions, Place, faults, places
from glasshouse.kernel.signatures.head import Head

STORED_HEADERS = (
    "content-type",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
)
"""What a client stores with an object and is answered as it is."""

_SIGNING = frozenset(
    {
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-expires",
        "x-amz-signedheaders",
        "x-amz-signature",
        "x-amz-security-token",
        "x-amz-content-sha256",
    }
)
_SIGNING_V2 = frozenset({"AWSAccessKeyId", "Signature", "Expires"})
_META = "x-amz-meta-"
HEADER_NAME = re.compile("[a-z0-9!#$%&'*+.^_`|~-]+")
_CONTROL = re.compile("[\\x00-\\x1f\\x7f]")


class InvalidUri(faults.Fault):
    code = "InvalidURI"
    sentence = "Couldn't parse the specified URI."


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One verified request. Parameters are decoded; headers have lower-case names, and repeated ones are joined."""

    method: str
    path: str
    bucket: str
    key: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    caller: Caller
    payload: signatures.Payload
    request_id: str

    @classmethod
    def of(cls, head: Head, verified: signatures.Verified, hosts: Sequence[str], request_id: str) -> Request:
        """Raises a fault for what cannot be an address or a parameter."""
        bucket, key = address(head, hosts)
        params, carried = parameters(head)
        return cls(
            method=head.method,
            path=head.path,
            bucket=bucket,
            key=key,
            params=params,
            headers=carried | joined_headers(head),
            caller=verified.caller,
            payload=verified.payload,
            request_id=request_id,
        )

    @property
    def level(self) -> operations.Level:
        return "object" if self.key else "bucket" if self.bucket else "service"

    @property
    def may_be_slow(self) -> bool:
        """Whether content may be read and written before the answer, so that clients know a late error."""
        completes = self.method == "POST" and "uploadId" in self.params
        return completes or (self.method == "PUT" and "x-amz-copy-source" in self.headers)

    @property
    def place(self) -> Place:
        return Place(
            account=self.caller.account,
            bucket=self.bucket,
            key=self.key,
            version_id=self.params.get("versionId", ""),
        )

    @property
    def within(self) -> Place:
        """The keys of the bucket with the prefix asked for."""
        prefix = self.params.get("prefix", "")
        return Place(account=self.caller.account, bucket=self.bucket, key=prefix)

    @property
    def arn(self) -> str:
        return f"arn:aws:s3:::{self.bucket}/{self.key}" if self.key else f"arn:aws:s3:::{self.bucket or '*'}"

    def header(self, name: str) -> str:
        return self.headers.get(name, "")

    def number(self, name: str, default: int, *, most: int, least: int = 0) -> int:
        """A parameter (or, for x-amz- names, a header) that is a number; more than `most` counts as `most`."""
        source = self.headers if name.startswith("x-amz-") else self.params
        text = source.get(name, "")
        if not text:
            return default
        if not text.isascii() or not text.isdigit() or int(text) < least:
            raise faults.InvalidArgument(f"Argument {name} must be an integer between {least} and 2147483647")
        return min(int(text), most)

    def attributes(self) -> Attributes:
        """What the client wants stored beside the content."""
        headers = {name: self.headers[name] for name in STORED_HEADERS if self.headers.get(name)}
        encoding = [part.strip() for part in headers.pop("content-encoding", "").split(",")]
        kept = ",".join(part for part in encoding if part and part.lower() != "aws-chunked")
        if kept:
            headers["content-encoding"] = kept
        metadata = {
            name.removeprefix(_META): value for name, value in self.headers.items() if name.startswith(_META)
        }
        return Attributes(headers=headers, metadata=metadata, tags=tags_of(self.header("x-amz-tagging")))

    def conditions(self, start: str = "") -> Conditions:
        """The conditions in the headers whose names begin with `start`."""
        return Conditions(
            match=self.header(f"{start}if-match"),
            none_match=self.header(f"{start}if-none-match"),
            modified_since=seconds_of(self.header(f"{start}if-modified-since")),
            unmodified_since=seconds_of(self.header(f"{start}if-unmodified-since")),
        )

    def source(self) -> Place:
        """The place that x-amz-copy-source names."""
        path, _, version_id = self.header("x-amz-copy-source").partition("?versionId=")
        bucket, _, key = _decoded(path.removeprefix("/")).partition("/")
        if not bucket or not key:
            raise faults.InvalidArgument(
                "Copy Source must mention the source bucket and key: sourcebucket/sourcekey"
            )
        return Place(account=self.caller.account, bucket=bucket, key=key, version_id=version_id)


def address(head: Head, hosts: Sequence[str]) -> tuple[str, str]:
    """Bucket and key. The bucket stands in front of one of `hosts` in the Host header, or else first in the path."""
    path = head.path.removeprefix("/")
    name = (head.header("host") or "").rpartition("@")[2].partition(":")[0].lower()
    host = next((host for host in hosts if name.endswith(f".{host}")), "")
    if host and name not in hosts:
        bucket, key = name.removesuffix(f".{host}"), _decoded(path)
    else:
        encoded_bucket, _, encoded_key = path.partition("/")
        bucket, key = _decoded(encoded_bucket), _decoded(encoded_key)
    if key:
        places.check_key(key)
    return bucket, key


def parameters(head: Head) -> tuple[dict[str, str], dict[str, str]]:
    """The query's parameters, and the headers that a presigned URL carries among them, without the signature's own."""
    params: dict[str, str] = {}
    headers: dict[str, str] = {}
    for encoded_name, encoded_value in head.parameters():
        name, value = urllib.parse.unquote_plus(encoded_name), _decoded_plus(encoded_value)
        if name in _SIGNING_V2 or name.lower() in _SIGNING:
            continue
        lower = name.lower()
        is_header = lower.startswith("x-amz-") or lower in ("content-md5", "content-type")
        into, key = (headers, lower) if is_header else (params, name)
        if is_header and (_CONTROL.search(value) or not HEADER_NAME.fullmatch(lower)):
            raise faults.InvalidArgument(f"The parameter {name!r} cannot stand for a header.")
        if key in into:
            raise faults.InvalidArgument(f"The parameter {name} is given twice.")
        into[key] = value
    return params, headers


def joined_headers(head: Head) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in head.headers:
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def tags_of(header: str) -> dict[str, str]:
    """The tags in an x-amz-tagging header."""
    try:
        pairs = urllib.parse.parse_qsl(
            header, keep_blank_values=True, strict_parsing=bool(header), errors="strict"
        )
    except ValueError:
        raise faults.InvalidArgument(
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded."
        ) from None
    if len(dict(pairs)) != len(pairs):
        raise faults.InvalidTag("Cannot provide multiple Tags with the same key")
    return dict(pairs)


def seconds_of(header: str) -> float | None:
    """The time in an HTTP date, or None when there is none that can be read, which is to be ignored (RFC 9110)."""
    try:
        return email.utils.parsedate_to_datetime(header).timestamp() if header else None
    except ValueError:
        return None


def http_date(seconds: float) -> str:
    return email.utils.formatdate(int(seconds), usegmt=True)


def iso_date(seconds: float) -> str:
    moment = dt.datetime.fromtimestamp(seconds, dt.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def token_of(marker: str) -> str:
    """A marker as an opaque token."""
    return base64.urlsafe_b64encode(b"1" + marker.encode()).decode()


def marker_of(token: str) -> str:
    """Raises InvalidArgument for what is no token."""
    try:
        content = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
        if content[:1] == b"1":
            return content[1:].decode()
    except (binascii.Error, UnicodeError):
        pass
    raise faults.InvalidArgument("The continuation token provided is incorrect")


def _decoded(text: str) -> str:
    try:
        return urllib.parse.unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise InvalidUri from None


def _decoded_plus(text: str) -> str:
    decoded = _decoded(text.replace("+", " "))
    if "\0" in decoded:
        raise faults.InvalidArgument("A parameter cannot contain the character NUL.")
    return decoded
