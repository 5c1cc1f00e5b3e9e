"""The catalogue port: which objects exist, as rows that change in the same transaction as everything else.

A bucket holds keys, a key holds versions, a version names the blob with its content. Keys are compared byte by
byte in UTF-8, which is the order of code points. All of it works on one open transaction of the store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from glasshouse.kernel.ports import PLAIN

NULL_VERSION = "null"
"""The version id of an object that was written while its bucket kept no versions."""

Versioning = Literal["", "Enabled", "Suspended"]
"""Empty for a bucket that never kept versions."""

ChecksumType = Literal["FULL_OBJECT", "COMPOSITE"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    name: str
    account: str
    region: str
    created_at: float
    versioning: Versioning = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checksum:
    """`algorithm` as AWS spells it ("CRC32"), `value` in base64, with "-<parts>" at the end when composite."""

    algorithm: str
    value: str
    type: ChecksumType = "FULL_OBJECT"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartSize:
    """One part of an object that was uploaded in parts."""

    number: int
    size_bytes: int
    checksum: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of an object. A delete marker has no digest.

    headers: what a client stored to be answered again ("content-type", ...), names in lower case.
    metadata: x-amz-meta-*, names without the prefix in lower case.
    sequence: grows with each version of the key; the highest one is the latest. Given by the catalogue.
    """

    bucket: str
    key: str
    version_id: str
    created_at: float
    digest: str = ""
    domain: str = PLAIN
    size_bytes: int = 0
    etag: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    checksum: Checksum | None = None
    parts: tuple[PartSize, ...] = ()
    is_delete_marker: bool = False
    is_latest: bool = True
    sequence: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A multipart upload. `result` is set once it was completed, so that a repeated completion is answered alike."""

    id: str
    bucket: str
    key: str
    created_at: float
    headers: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    checksum_algorithm: str = ""
    checksum_type: ChecksumType = "FULL_OBJECT"
    result: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part that was uploaded. `etag` is the MD5 of its content."""

    upload_id: str
    number: int
    created_at: float
    digest: str
    size_bytes: int
    etag: str
    domain: str = PLAIN
    checksum: Checksum | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The keys at or after `start` that begin with `prefix`."""

    bucket: str
    prefix: str = ""
    start: str = ""


class Catalog(Protocol):
    """Object metadata within one transaction. Writers of one key wait for each other."""

    # --- buckets

    def find_bucket(self, name: str) -> Bucket | None: ...
    def hold_bucket(self, name: str, *, to_remove: bool = False) -> Bucket | None:
        """The bucket, kept from being removed (or, `to_remove`, from being written to) until the transaction ends."""

    def buckets(self, account: str) -> list[Bucket]:
        """All buckets of the account, by name."""

    def add_bucket(self, bucket: Bucket) -> bool:
        """False when the name is taken."""

    def change_bucket(self, bucket: Bucket) -> None: ...
    def remove_bucket(self, name: str) -> None: ...
    def is_empty(self, name: str) -> bool:
        """Whether the bucket holds no version of anything."""

    # --- versions

    def hold_key(self, bucket: str, key: str) -> None:
        """Keeps other writers of the key waiting until the transaction ends."""

    def latest(self, bucket: str, key: str) -> Version | None:
        """The latest version, which may be a delete marker."""

    def version(self, bucket: str, key: str, version_id: str) -> Version | None: ...
    def add_version(self, version: Version) -> Version:
        """Makes it the latest version of its key, in place of one with the same version id."""

    def remove_version(self, bucket: str, key: str, version_id: str) -> None:
        """Removes it for good; the next older one becomes the latest."""

    def change_tags(self, bucket: str, key: str, version_id: str, tags: Mapping[str, str]) -> None: ...
    def objects(self, span: Span, *, limit: int) -> list[Version]:
        """Latest versions that are no delete markers, by key."""

    def versions(self, span: Span, *, after_sequence: int | None, limit: int) -> list[Version]:
        """All versions by key, newest first. `after_sequence` leaves out those of the key `start` from there on up."""

    # --- uploads

    def add_upload(self, upload: Upload) -> None: ...
    def find_upload(self, upload_id: str) -> Upload | None: ...
    def hold_upload(self, upload_id: str) -> Upload | None:
        """The upload, kept from being completed, aborted or added to until the transaction ends."""

    def uploads(self, span: Span, *, after_id: str, limit: int) -> list[Upload]:
        """Uploads in progress by (key, id). `after_id` leaves out those of the key `start` up to that id."""

    def complete_upload(self, upload_id: str, result: Mapping[str, str]) -> None:
        """Forgets the parts and keeps the result."""

    def remove_upload(self, upload_id: str) -> None: ...
    def put_part(self, part: Part) -> None:
        """Adds the part, in place of one with the same number."""

    def parts(self, upload_id: str, *, after: int = 0, limit: int = 10_000) -> list[Part]: ...
    def remove_completed_uploads(self, before: float) -> None:
        """Forgets uploads begun before `before` that were completed."""

    # --- blobs

    def referenced(self, digests: Sequence[str]) -> set[str]:
        """Those of the digests that a version or a part names."""

    def condemn(self, digests: Sequence[str], at: float) -> None:
        """Notes that the blobs are about to be removed, for writers that take them up again meanwhile."""

    def hold_blob(self, digest: str, *, to_remove: bool = False) -> bool:
        """Whether the blob is condemned. Who means `to_remove` it has it alone until the transaction ends."""

    def pardon(self, digest: str) -> None: ...
    def condemned_before(self, at: float) -> list[str]: ...


def after_prefix(prefix: str) -> str | None:
    """The least text greater than every text that begins with `prefix`; None when there is none."""
    while prefix:
        last = ord(prefix[-1])
        if last < 0x10FFFF:
            following = 0xE000 if last == 0xD7FF else last + 1
            return prefix[:-1] + chr(following)
        prefix = prefix[:-1]
    return None
