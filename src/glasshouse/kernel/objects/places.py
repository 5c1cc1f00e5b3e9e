"""Where an object is, and what may be called so."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from glasshouse.kernel import errors
from glasshouse.kernel.objects import faults

MOST_KEY_BYTES = 1024
MOST_METADATA_BYTES = 2048
MOST_OBJECT_TAGS = 10
MOST_BUCKET_TAGS = 50
DEFAULT_CONTENT_TYPE = "binary/octet-stream"

_BUCKET_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]", re.ASCII)
_RESERVED_STARTS = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_ENDS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A bucket, or an object or prefix in it, as `account` sees it. An empty version id means the latest one."""

    account: str
    bucket: str
    key: str = ""
    version_id: str = ""

    @classmethod
    def of_uri(cls, account: str, uri: str) -> Place:
        """Raises errors.Validation when `uri` is no s3://bucket or s3://bucket/key."""
        scheme, _, rest = uri.partition("://")
        bucket, _, key = rest.partition("/")
        if scheme != "s3" or not bucket:
            raise errors.Validation(f"{uri!r} is not an S3 URI; it must look like s3://bucket/key.")
        return cls(account=account, bucket=bucket, key=key)

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    def within(self, path: str) -> Place:
        """The key one "/" further down."""
        above = self.key if not self.key or self.key.endswith("/") else f"{self.key}/"
        return replace(self, key=above + path, version_id="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What a client stores beside the content; names in lower case, metadata without its prefix."""

    headers: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


def check_bucket_name(name: str) -> None:
    """Raises InvalidBucketName."""
    is_address = True
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        is_address = False
    is_reserved = name.startswith(_RESERVED_STARTS) or name.endswith(_RESERVED_ENDS)
    if is_address or is_reserved or not _BUCKET_NAME.fullmatch(name):
        raise faults.InvalidBucketName(name)


def check_key(key: str) -> None:
    """Raises KeyTooLong, or InvalidArgument for what cannot be a key."""
    if not key:
        raise faults.InvalidArgument("A key must have at least one character.")
    if "\0" in key:
        raise faults.InvalidArgument("A key cannot contain the character NUL.")
    try:
        n_bytes = len(key.encode("utf-8"))
    except UnicodeEncodeError:
        raise faults.InvalidArgument("A key must be valid UTF-8.") from None
    if n_bytes > MOST_KEY_BYTES:
        raise faults.KeyTooLong


def check_attributes(attributes: Attributes) -> None:
    """Raises MetadataTooLarge or InvalidTag."""
    n_bytes = sum(len(k.encode()) + len(v.encode()) for k, v in attributes.metadata.items())
    if n_bytes > MOST_METADATA_BYTES:
        raise faults.MetadataTooLarge
    check_tags(attributes.tags, most=MOST_OBJECT_TAGS)


def check_tags(tags: Mapping[str, str], *, most: int) -> None:
    """Raises InvalidTag."""
    if len(tags) > most:
        raise faults.InvalidTag(f"There can be at most {most} tags.")
    for key, value in tags.items():
        if not 1 <= len(key) <= 128 or "\0" in key:
            raise faults.InvalidTag(f"The tag key {key!r} must have 1 to 128 characters.")
        if len(value) > 256 or "\0" in value:
            raise faults.InvalidTag(f"The value of the tag {key!r} must have at most 256 characters.")
        if key.startswith("aws:"):
            raise faults.InvalidTag("Tag keys that begin with aws: are reserved.")
