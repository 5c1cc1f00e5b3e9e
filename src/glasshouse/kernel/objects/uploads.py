"""Multipart uploads: parts are blobs of their own until they are put together into one."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from glasshouse.kernel import ids
from glasshouse.kernel.catalog import Checksum, ChecksumType, Part, PartSize, Upload, Version
from glasshouse.kernel.objects import checksums, conditions, faults, lookup, places, writing
from glasshouse.kernel.objects.conditions import Conditions
from glasshouse.kernel.objects.intake import Stored
from glasshouse.kernel.objects.places import Attributes, Place
from glasshouse.kernel.objects.writing import Writing
from glasshouse.kernel.ports import Blob
from glasshouse.kernel.records import Reading, Store

LEAST_PART_BYTES = 5 << 20
MOST_PARTS = 10_000
NO_ATTRIBUTES = Attributes()


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedPart:
    """A part as the completing client names it. `checksum` is in base64, empty when not told."""

    number: int
    etag: str
    checksum: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """What a completion answers, also when it is asked again."""

    version_id: str
    etag: str
    checksum: Checksum


class Uploads:
    """The multipart part of the object store. Thread-safe."""

    def __init__(self, writing_: Writing, *, store: Store) -> None:
        self._writing = writing_
        self._store = store

    def start(
        self,
        place: Place,
        *,
        attributes: Attributes = NO_ATTRIBUTES,
        algorithm: str = "",
        checksum_type: str = "",
    ) -> Upload:
        """`algorithm` is empty when the client names none; then any is taken for its parts."""
        places.check_key(place.key)
        places.check_attributes(attributes)
        upload = Upload(
            id=ids.token(24),
            bucket=place.bucket,
            key=place.key,
            created_at=self._writing.clock.now(),
            headers=attributes.headers,
            metadata=attributes.metadata,
            tags=attributes.tags,
            checksum_algorithm=algorithm,
            checksum_type=checksums.type_for(algorithm or checksums.DEFAULT, checksum_type),
        )
        with self._store.write() as tx:
            lookup.hold_bucket(tx, place)
            tx.catalog.add_upload(upload)
        return upload

    def find(self, place: Place, upload_id: str) -> Upload:
        """The upload in progress. Raises NoSuchUpload."""
        with self._store.read() as tx:
            return _in_progress(tx, place, tx.catalog.find_upload(upload_id), upload_id)

    def add_part(self, place: Place, upload_id: str, *, number: int, stored: Stored) -> Part:
        check_part_number(number)
        part = Part(
            upload_id=upload_id,
            number=number,
            created_at=self._writing.clock.now(),
            digest=stored.blob.digest,
            domain=stored.blob.domain,
            size_bytes=stored.blob.size_bytes,
            etag=stored.etag,
            checksum=stored.checksum,
        )
        with self._store.write() as tx:
            upload = _in_progress(tx, place, tx.catalog.hold_upload(upload_id), upload_id)
            wanted = upload.checksum_algorithm
            if wanted and wanted != stored.checksum.algorithm:
                raise faults.InvalidRequest(
                    f"Checksum Type mismatch occurred, expected checksum Type: {wanted.lower()}, "
                    f"actual checksum Type: {stored.checksum.algorithm.lower()}"
                )
            self._writing.take_up(tx.catalog, part.digest)
            tx.catalog.put_part(part)
        return part

    def parts(self, place: Place, upload_id: str, *, after: int = 0, limit: int = 1000) -> list[Part]:
        with self._store.read() as tx:
            _in_progress(tx, place, tx.catalog.find_upload(upload_id), upload_id)
            return tx.catalog.parts(upload_id, after=after, limit=limit)

    def abort(self, place: Place, upload_id: str) -> None:
        with self._store.write() as tx:
            _in_progress(tx, place, tx.catalog.hold_upload(upload_id), upload_id)
            tx.catalog.remove_upload(upload_id)

    def complete(
        self,
        place: Place,
        upload_id: str,
        wanted: Sequence[WantedPart],
        *,
        check: Conditions = conditions.NONE,
        checksum: Checksum | None = None,
        checksum_type: str = "",
        size_bytes: int | None = None,
    ) -> Completed:
        """Makes one object of the parts. Asked again after it succeeded, it answers the same."""
        with self._store.read() as tx:
            upload = _known(tx, place, tx.catalog.find_upload(upload_id), upload_id)
            uploaded = tx.catalog.parts(upload_id)
        if upload.result is not None:
            return _answered_before(upload.result)
        chosen = _chosen(wanted, uploaded)
        if size_bytes is not None and size_bytes != sum(part.size_bytes for part in chosen):
            raise faults.InvalidRequest("The x-amz-mp-object-size does not match the size of the parts.")
        if checksum_type not in ("", upload.checksum_type):
            raise faults.InvalidRequest(
                f"The upload was begun with the checksum type {upload.checksum_type}."
            )
        algorithm = upload.checksum_algorithm or (checksum.algorithm if checksum else checksums.DEFAULT)
        assembled = self._assembled(upload, chosen, algorithm)
        if checksum is not None:
            _compare(checksum, assembled.checksum)
        version = _version(place, upload, assembled, chosen)
        with self._store.write() as tx:
            held = _known(tx, place, tx.catalog.hold_upload(upload_id), upload_id)
            if held.result is not None:
                return _answered_before(held.result)
            if tx.catalog.parts(upload_id) != uploaded:
                raise faults.InvalidPart
            completed = _completed(self._writing.add(tx, place, version, check=check))
            tx.catalog.complete_upload(upload_id, _document(completed))
        return completed

    def _assembled(self, upload: Upload, parts: Sequence[Part], algorithm: str) -> Stored:
        """The parts' content as one blob, with the entity tag and checksum that S3 gives such an object."""
        is_composite = upload.checksum_type == "COMPOSITE"
        whole = parts[0].checksum
        if len(parts) == 1 and whole is not None and (is_composite or whole.algorithm == algorithm):
            blob = Blob(digest=parts[0].digest, size_bytes=parts[0].size_bytes, domain=parts[0].domain)
        else:
            blob, whole = self._joined(parts, algorithm)
        if is_composite:
            whole = checksums.composite(algorithm, [p.checksum.value for p in parts if p.checksum])
        digests = b"".join(bytes.fromhex(part.etag) for part in parts)
        etag = hashlib.md5(digests, usedforsecurity=False).hexdigest()
        return Stored(blob=blob, etag=f"{etag}-{len(parts)}", checksum=whole)

    def _joined(self, parts: Sequence[Part], algorithm: str) -> tuple[Blob, Checksum]:
        with self._writing.intake(algorithm=algorithm) as intake:
            for part in parts:
                for chunk in self._writing.read(part.digest):
                    intake.send(chunk)
            stored = intake.finish()
        return stored.blob, stored.checksum


def check_part_number(number: int) -> None:
    """Raises InvalidArgument."""
    if not 1 <= number <= MOST_PARTS:
        raise faults.InvalidArgument(f"Part number must be an integer between 1 and {MOST_PARTS}, inclusive")


def _known(tx: Reading, place: Place, upload: Upload | None, upload_id: str) -> Upload:
    lookup.open_bucket(tx, place)
    if upload is None or (upload.bucket, upload.key) != (place.bucket, place.key):
        raise faults.NoSuchUpload(upload_id)
    return upload


def _in_progress(tx: Reading, place: Place, upload: Upload | None, upload_id: str) -> Upload:
    known = _known(tx, place, upload, upload_id)
    if known.result is not None:
        raise faults.NoSuchUpload(upload_id)
    return known


def _chosen(wanted: Sequence[WantedPart], uploaded: Sequence[Part]) -> list[Part]:
    """The uploaded parts that the client names. Raises unless they are there, in order and large enough."""
    if not wanted:
        raise faults.MalformedXml
    by_number = {part.number: part for part in uploaded}
    numbers = [part.number for part in wanted]
    if any(later <= earlier for earlier, later in itertools.pairwise(numbers)):
        raise faults.InvalidPartOrder
    chosen = []
    for part in wanted:
        found = by_number.get(part.number)
        if found is None or part.etag.strip('"') != found.etag:
            raise faults.InvalidPart(str(part.number))
        if part.checksum and (found.checksum is None or part.checksum != found.checksum.value):
            raise faults.InvalidPart(str(part.number))
        chosen.append(found)
    for found in chosen[:-1]:
        if found.size_bytes < LEAST_PART_BYTES:
            raise faults.EntityTooSmall(str(found.number))
    return chosen


def _compare(expected: Checksum, found: Checksum) -> None:
    """Raises BadDigest. The count of parts that ends a composite checksum may be left out."""
    if expected.algorithm != found.algorithm:
        raise faults.InvalidRequest(f"The upload was begun with the checksum algorithm {found.algorithm}.")
    if expected.value not in (found.value, found.value.partition("-")[0]):
        raise faults.BadDigest(found.algorithm)


def _version(place: Place, upload: Upload, stored: Stored, parts: Sequence[Part]) -> Version:
    attributes = Attributes(headers=upload.headers, metadata=upload.metadata, tags=upload.tags)
    has_sums = upload.checksum_type == "COMPOSITE"
    sizes = tuple(
        PartSize(
            number=number,
            size_bytes=part.size_bytes,
            checksum=part.checksum.value if has_sums and part.checksum else "",
        )
        for number, part in enumerate(parts, start=1)
    )
    return dataclasses.replace(writing.describe(place, stored, attributes), parts=sizes)


def _completed(version: Version) -> Completed:
    checksum = version.checksum or Checksum(algorithm="", value="")
    return Completed(version_id=version.version_id, etag=version.etag, checksum=checksum)


def _document(completed: Completed) -> dict[str, str]:
    return {
        "version_id": completed.version_id,
        "etag": completed.etag,
        "algorithm": completed.checksum.algorithm,
        "checksum": completed.checksum.value,
        "type": completed.checksum.type,
    }


def _answered_before(result: Mapping[str, str]) -> Completed:
    kind: ChecksumType = "COMPOSITE" if result["type"] == "COMPOSITE" else "FULL_OBJECT"
    checksum = Checksum(algorithm=result["algorithm"], value=result["checksum"], type=kind)
    return Completed(version_id=result["version_id"], etag=result["etag"], checksum=checksum)
