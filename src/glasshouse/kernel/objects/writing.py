"""How content gets a name: the one way in for every version of every object."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from glasshouse.kernel import ids
from glasshouse.kernel.catalog import NULL_VERSION, Bucket, Catalog, Version
from glasshouse.kernel.clock import Clock
from glasshouse.kernel.objects import checksums, conditions, faults, listing, lookup, places
from glasshouse.kernel.objects.conditions import Conditions
from glasshouse.kernel.objects.intake import Intake, Stored
from glasshouse.kernel.objects.places import Attributes, Place
from glasshouse.kernel.ports import Files
from glasshouse.kernel.records import Transaction


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """Takes in content, and names it."""

    files: Files
    clock: Clock

    def intake(self, *, algorithm: str = checksums.DEFAULT) -> Intake:
        """Takes in content piece by piece."""
        return Intake(self.files.writer(), algorithm=algorithm)

    def add(
        self, tx: Transaction, place: Place, version: Version, *, check: Conditions = conditions.NONE
    ) -> Version:
        """Makes `version` the latest one of the place, with an id and a time of its own."""
        bucket = lookup.hold_bucket(tx, place)
        tx.catalog.hold_key(place.bucket, place.key)
        current = tx.catalog.latest(place.bucket, place.key)
        conditions.check_write(check, current, key=place.key)
        self.take_up(tx.catalog, version.digest)
        return tx.catalog.add_version(
            dataclasses.replace(
                version, version_id=_new_version_id(bucket, current), created_at=self.clock.now()
            )
        )

    def read(self, digest: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The blob's bytes in [start, stop)."""
        try:
            return self.files.read(digest, start, stop)
        except KeyError:
            raise faults.TryAgain from None

    def take_up(self, catalog: Catalog, digest: str) -> None:
        """Sees to it that the blob is there and stays, though it may have been unnamed for long."""
        if digest and catalog.hold_blob(digest):
            if not self.files.exists(digest):
                raise faults.TryAgain
            catalog.pardon(digest)


def describe(place: Place, stored: Stored, attributes: Attributes) -> Version:
    """The row for content at a place, without an id or a time yet."""
    places.check_key(place.key)
    places.check_attributes(attributes)
    return Version(
        bucket=place.bucket,
        key=place.key,
        version_id="",
        created_at=0.0,
        digest=stored.blob.digest,
        domain=stored.blob.domain,
        size_bytes=stored.blob.size_bytes,
        etag=stored.etag,
        checksum=stored.checksum,
        headers={"content-type": places.DEFAULT_CONTENT_TYPE, **attributes.headers},
        metadata=attributes.metadata,
        tags=attributes.tags,
    )


def _new_version_id(bucket: Bucket, current: Version | None) -> str:
    if bucket.versioning != "Enabled":
        return NULL_VERSION
    return listing.version_id(current.sequence + 1 if current else 1, ids.token(10))
