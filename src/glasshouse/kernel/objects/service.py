"""The object store: buckets and versions, in transactions of its own or inside those of a caller."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from glasshouse.kernel.catalog import NULL_VERSION, Bucket, Catalog, Upload, Version, Versioning
from glasshouse.kernel.clock import Clock
from glasshouse.kernel.objects import (
    checksums,
    conditions,
    faults,
    folders,
    listing,
    lookup,
    places,
    sweep,
    writing,
)
from glasshouse.kernel.objects.conditions import Conditions
from glasshouse.kernel.objects.intake import Intake, Stored
from glasshouse.kernel.objects.listing import Page, Query
from glasshouse.kernel.objects.places import Attributes, Place
from glasshouse.kernel.objects.uploads import Uploads
from glasshouse.kernel.objects.writing import Writing
from glasshouse.kernel.ports import Files
from glasshouse.kernel.records import Store, Transaction

_CHUNK_BYTES = 1 << 20
NO_ATTRIBUTES = Attributes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """What a deletion did. `version_id` is empty where no versions are kept."""

    key: str
    version_id: str = ""
    is_delete_marker: bool = False
    fault: faults.Fault | None = None


class Objects:
    """Every call names the account it acts for; another account's buckets are closed to it. Thread-safe."""

    def __init__(self, *, store: Store, files: Files, clock: Clock) -> None:
        self._files = files
        self._store = store
        self._clock = clock
        self._writing = Writing(files=files, clock=clock)
        self.uploads = Uploads(self._writing, store=store)

    # --- buckets

    def create_bucket(self, place: Place, *, region: str, tags: Mapping[str, str] | None = None) -> Bucket:
        places.check_bucket_name(place.bucket)
        places.check_tags(tags or {}, most=places.MOST_BUCKET_TAGS)
        bucket = Bucket(
            name=place.bucket,
            account=place.account,
            region=region,
            created_at=self._clock.now(),
            tags=tags or {},
        )
        with self._store.write() as tx:
            if not tx.catalog.add_bucket(bucket):
                owned = tx.catalog.find_bucket(place.bucket)
                is_ours = owned is not None and owned.account == place.account
                raise (faults.BucketAlreadyOwnedByYou if is_ours else faults.BucketAlreadyExists)(
                    place.bucket
                )
        return bucket

    def bucket(self, place: Place) -> Bucket:
        with self._store.read() as tx:
            return lookup.open_bucket(tx, place)

    def buckets(self, account: str) -> list[Bucket]:
        with self._store.read() as tx:
            return tx.catalog.buckets(account)

    def delete_bucket(self, place: Place) -> None:
        with self._store.write() as tx:
            lookup.allowed(tx.catalog.hold_bucket(place.bucket, to_remove=True), place)
            if not tx.catalog.is_empty(place.bucket):
                raise faults.BucketNotEmpty(place.bucket)
            tx.catalog.remove_bucket(place.bucket)

    def set_versioning(self, place: Place, versioning: Versioning) -> None:
        with self._store.write() as tx:
            bucket = lookup.hold_bucket(tx, place)
            tx.catalog.change_bucket(dataclasses.replace(bucket, versioning=versioning))

    def set_bucket_tags(self, place: Place, tags: Mapping[str, str]) -> None:
        places.check_tags(tags, most=places.MOST_BUCKET_TAGS)
        with self._store.write() as tx:
            tx.catalog.change_bucket(dataclasses.replace(lookup.hold_bucket(tx, place), tags=tags))

    # --- content without a name

    def intake(self, *, algorithm: str = checksums.DEFAULT) -> Intake:
        """Takes in content piece by piece."""
        return self._writing.intake(algorithm=algorithm)

    def store_bytes(self, content: bytes) -> Stored:
        """Makes the content durable."""
        with self.intake() as intake:
            intake.send(content)
            return intake.finish()

    def store_file(self, path: Path) -> Stored:
        """Makes a copy of the file's content durable. Raises OSError for what is no regular file."""
        with self.intake() as intake, folders.open_regular(path) as source:
            while chunk := os.read(source, _CHUNK_BYTES):
                intake.send(chunk)
            return intake.finish()

    # --- objects

    def publish(
        self,
        tx: Transaction,
        place: Place,
        stored: Stored,
        *,
        attributes: Attributes = NO_ATTRIBUTES,
        check: Conditions = conditions.NONE,
    ) -> Version:
        """Names the content, in the caller's transaction. Raises a fault, upon which the transaction must end."""
        described = writing.describe(place, stored, attributes)
        return self._writing.add(tx, place, described, check=check)

    def put(
        self,
        place: Place,
        stored: Stored,
        *,
        attributes: Attributes = NO_ATTRIBUTES,
        check: Conditions = conditions.NONE,
    ) -> Version:
        """Names the content. Durable when it returns."""
        with self._store.write() as tx:
            return self.publish(tx, place, stored, attributes=attributes, check=check)

    def check_put(self, place: Place, *, check: Conditions = conditions.NONE) -> None:
        """Raises what `put` would raise by now."""
        places.check_key(place.key)
        with self._store.read() as tx:
            lookup.open_bucket(tx, place)
            conditions.check_write(check, tx.catalog.latest(place.bucket, place.key), key=place.key)

    def head(self, place: Place, *, check: Conditions = conditions.NONE) -> Version:
        """The version, if there is one and the conditions hold."""
        with self._store.read() as tx:
            version = lookup.find(tx, place)
        conditions.check_read(check, version)
        return version

    def read(self, version: Version, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The content's bytes in [start, stop)."""
        return self._writing.read(version.digest, start, stop)

    def get_bytes(self, place: Place) -> bytes:
        return b"".join(self.read(self.head(place)))

    def copy(
        self,
        source: Place,
        target: Place,
        *,
        attributes: Attributes | None = None,
        tags: Mapping[str, str] | None = None,
        algorithm: str = "",
        source_check: Conditions = conditions.NONE,
        check: Conditions = conditions.NONE,
    ) -> Version:
        """A new name for the same content. `attributes` (without tags) and `tags` are the source's when None."""
        computed = self._recomputed(self.head(source), algorithm)
        with self._store.write() as tx:
            for place in sorted((source, target), key=lambda place: (place.bucket, place.key)):
                tx.catalog.hold_key(place.bucket, place.key)
            found = lookup.find(tx, source)
            conditions.check_source(source_check, found)
            if computed is not None and computed.blob.digest != found.digest:
                raise faults.ConflictingWrite
            copied = _copied(found, target, computed=computed, attributes=attributes, tags=tags)
            return self._writing.add(tx, target, copied, check=check)

    def delete(self, place: Place, *, check: Conditions = conditions.NONE) -> Deletion:
        """Deletes a version for good, or the object as the bucket's versioning says."""
        deletion = self.delete_many([place], checks=[check])[0]
        if deletion.fault is not None:
            raise deletion.fault
        return deletion

    def delete_many(self, wanted: Sequence[Place], *, checks: Sequence[Conditions] = ()) -> list[Deletion]:
        """Deletes all of them in one transaction; a refusal concerns its own key only."""
        each = [*checks, *[conditions.NONE] * (len(wanted) - len(checks))]
        results: dict[int, Deletion] = {}
        with self._store.write() as tx:
            for index in sorted(range(len(wanted)), key=lambda i: (wanted[i].bucket, wanted[i].key)):
                results[index] = self._delete(tx, wanted[index], each[index])
        return [results[index] for index in range(len(wanted))]

    def set_tags(self, place: Place, tags: Mapping[str, str]) -> Version:
        places.check_tags(tags, most=places.MOST_OBJECT_TAGS)
        with self._store.write() as tx:
            lookup.hold_bucket(tx, place)
            tx.catalog.hold_key(place.bucket, place.key)
            version = lookup.find(tx, place)
            tx.catalog.change_tags(place.bucket, place.key, version.version_id, tags)
        return version

    # --- listings; the key of the place is the prefix

    def list(self, place: Place, query: Query) -> Page[Version]:
        """Objects and common prefixes."""
        with self._store.read() as tx:
            lookup.open_bucket(tx, place)
            return listing.objects(tx.catalog, place.bucket, place.key, query)

    def list_versions(self, place: Place, query: Query) -> Page[Version]:
        with self._store.read() as tx:
            lookup.open_bucket(tx, place)
            return listing.versions(tx.catalog, place.bucket, place.key, query)

    def list_uploads(self, place: Place, query: Query) -> Page[Upload]:
        with self._store.read() as tx:
            lookup.open_bucket(tx, place)
            return listing.uploads(tx.catalog, place.bucket, place.key, query)

    def every(self, place: Place) -> Iterator[Version]:
        """All objects whose key begins with the place's, by key."""
        marker: tuple[str, str] | None = ("", "")
        while marker is not None:
            page = self.list(place, Query(after=marker[0]))
            yield from page.entries
            marker = page.next

    # --- folders of jobs

    def select(
        self,
        place: Place,
        *,
        kind: Literal["S3Prefix", "ManifestFile"] = "S3Prefix",
        shard: tuple[int, int] = (0, 1),
    ) -> Sequence[folders.Input]:
        """The objects a job's channel means, with their paths below its folder. Raises errors.Fatal."""
        return folders.select(self, place, kind=kind, shard=shard)

    def fetch(self, inputs: Sequence[folders.Input], folder: Path) -> None:
        """Writes the content chosen by `select`, checked against its digests."""
        folders.fetch(self, inputs, folder)

    def store_folder(self, folder: Path) -> folders.Contents:
        """Makes the content of all regular files below the folder durable."""
        return folders.store(self, folder)

    def publish_folder(self, tx: Transaction, place: Place, contents: folders.Contents) -> Sequence[Version]:
        """Names the content below the place, in the caller's transaction."""
        return [self.publish(tx, place.within(path), stored) for path, stored in contents]

    def sweep(self, *, grace_s: float = 3600.0) -> int:
        """Removes blobs that nothing has named for `grace_s`, and says how many."""
        return sweep.sweep(self._store, self._files, now=self._clock.now(), grace_s=grace_s)

    # --- inside

    def _recomputed(self, version: Version, algorithm: str) -> Stored | None:
        if not algorithm or (version.checksum is not None and version.checksum.algorithm == algorithm):
            return None
        with self.intake(algorithm=algorithm) as intake:
            for chunk in self.read(version):
                intake.send(chunk)
            return intake.finish()

    def _delete(self, tx: Transaction, place: Place, check: Conditions) -> Deletion:
        bucket = lookup.hold_bucket(tx, place)
        tx.catalog.hold_key(place.bucket, place.key)
        current = tx.catalog.latest(place.bucket, place.key)
        if place.version_id:
            current = tx.catalog.version(place.bucket, place.key, place.version_id)
        try:
            conditions.check_write(check, current, key=place.key)
        except faults.Fault as fault:
            return Deletion(key=place.key, version_id=place.version_id, fault=fault)
        if place.version_id:
            return _delete_version(tx.catalog, place, current)
        if not bucket.versioning:
            tx.catalog.remove_version(place.bucket, place.key, NULL_VERSION)
            return Deletion(key=place.key)
        marker = Version(
            bucket=place.bucket, key=place.key, version_id="", created_at=0.0, is_delete_marker=True
        )
        added = self._writing.add(tx, place, marker)
        return Deletion(key=place.key, version_id=added.version_id, is_delete_marker=True)


def _delete_version(catalog: Catalog, place: Place, version: Version | None) -> Deletion:
    catalog.remove_version(place.bucket, place.key, place.version_id)
    is_marker = version is not None and version.is_delete_marker
    return Deletion(key=place.key, version_id=place.version_id, is_delete_marker=is_marker)


def _copied(
    source: Version,
    target: Place,
    *,
    computed: Stored | None,
    attributes: Attributes | None,
    tags: Mapping[str, str] | None,
) -> Version:
    places.check_key(target.key)
    headers, metadata = source.headers, source.metadata
    if attributes is not None:
        headers = {"content-type": places.DEFAULT_CONTENT_TYPE, **attributes.headers}
        metadata = attributes.metadata
    chosen = Attributes(headers=headers, metadata=metadata, tags=source.tags if tags is None else tags)
    places.check_attributes(chosen)
    return dataclasses.replace(
        source,
        bucket=target.bucket,
        key=target.key,
        headers=headers,
        metadata=metadata,
        tags=chosen.tags,
        checksum=computed.checksum if computed else source.checksum,
        parts=() if computed else source.parts,
    )
