"""The catalogue of objects in SQLAlchemy Core: the same statements for every database."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from glasshouse.engines.store.metadata import METADATA
from glasshouse.kernel.catalog import (
    Bucket,
    Checksum,
    Part,
    PartSize,
    Span,
    Upload,
    Version,
    after_prefix,
)

_DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_AT_ONCE = 500
"""Values in one IN list."""

BUCKET = sa.Table(
    "bucket",
    METADATA,
    sa.Column("name", _BYTEWISE, primary_key=True),
    sa.Column("account", sa.Text, nullable=False, index=True),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("versioning", sa.Text, nullable=False),
    sa.Column("tags", _DOCUMENT, nullable=False),
)

_CURRENT = sa.text("is_latest AND NOT is_delete_marker")
_LATEST = sa.text("is_latest")

VERSION = sa.Table(
    "object_version",
    METADATA,
    sa.Column("bucket", _BYTEWISE, primary_key=True),
    sa.Column("key", _BYTEWISE, primary_key=True),
    sa.Column("version_id", sa.Text, primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("domain", sa.Text, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("etag", sa.Text, nullable=False),
    sa.Column("headers", _DOCUMENT, nullable=False),
    sa.Column("metadata", _DOCUMENT, nullable=False),
    sa.Column("tags", _DOCUMENT, nullable=False),
    sa.Column("checksum", _DOCUMENT),
    sa.Column("parts", _DOCUMENT, nullable=False),
    sa.Column("is_delete_marker", sa.Boolean, nullable=False),
    sa.Column("is_latest", sa.Boolean, nullable=False),
    sa.Index("object_current", "bucket", "key", sqlite_where=_CURRENT, postgresql_where=_CURRENT),
    sa.Index("object_latest", "bucket", "key", unique=True, sqlite_where=_LATEST, postgresql_where=_LATEST),
    sa.Index("object_by_sequence", "bucket", "key", sa.text("sequence DESC"), unique=True),
    sa.Index("object_by_digest", "digest"),
)
_LISTED = [column for column in VERSION.c if column.name != "parts"]
"""A listing leaves out what may be large."""

UPLOAD = sa.Table(
    "upload",
    METADATA,
    sa.Column("id", _BYTEWISE, primary_key=True),
    sa.Column("bucket", _BYTEWISE, nullable=False),
    sa.Column("key", _BYTEWISE, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("headers", _DOCUMENT, nullable=False),
    sa.Column("metadata", _DOCUMENT, nullable=False),
    sa.Column("tags", _DOCUMENT, nullable=False),
    sa.Column("checksum_algorithm", sa.Text, nullable=False),
    sa.Column("checksum_type", sa.Text, nullable=False),
    sa.Column("is_completed", sa.Boolean, nullable=False),
    sa.Column("result", _DOCUMENT, nullable=False),
    sa.Index("upload_by_key", "bucket", "key", "id"),
)

PART = sa.Table(
    "upload_part",
    METADATA,
    sa.Column("upload_id", _BYTEWISE, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("digest", sa.Text, nullable=False, index=True),
    sa.Column("domain", sa.Text, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("etag", sa.Text, nullable=False),
    sa.Column("checksum", _DOCUMENT),
)

CONDEMNED = sa.Table(
    "condemned_blob",
    METADATA,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("at", sa.Double, nullable=False, index=True),
)


class SqlCatalog:
    """The catalogue port over one connection in a transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    # --- buckets

    def find_bucket(self, name: str) -> Bucket | None:
        return self._bucket(sa.select(BUCKET).where(BUCKET.c.name == name))

    def hold_bucket(self, name: str, *, to_remove: bool = False) -> Bucket | None:
        statement = sa.select(BUCKET).where(BUCKET.c.name == name)
        if to_remove:
            return self._bucket(statement.with_for_update())
        return self._bucket(statement.with_for_update(read=True, key_share=True))

    def buckets(self, account: str) -> list[Bucket]:
        statement = sa.select(BUCKET).where(BUCKET.c.account == account).order_by(BUCKET.c.name)
        return [Bucket(**row._mapping) for row in self._connection.execute(statement)]

    def add_bucket(self, bucket: Bucket) -> bool:
        values = {field.name: getattr(bucket, field.name) for field in dataclasses.fields(bucket)}
        return self._insert_once(BUCKET, values | {"tags": dict(bucket.tags)})

    def change_bucket(self, bucket: Bucket) -> None:
        statement = sa.update(BUCKET).where(BUCKET.c.name == bucket.name)
        self._connection.execute(statement.values(versioning=bucket.versioning, tags=dict(bucket.tags)))

    def remove_bucket(self, name: str) -> None:
        ids = sa.select(UPLOAD.c.id).where(UPLOAD.c.bucket == name)
        self._connection.execute(sa.delete(PART).where(PART.c.upload_id.in_(ids)))
        self._connection.execute(sa.delete(UPLOAD).where(UPLOAD.c.bucket == name))
        self._connection.execute(sa.delete(BUCKET).where(BUCKET.c.name == name))

    def is_empty(self, name: str) -> bool:
        statement = sa.select(VERSION.c.key).where(VERSION.c.bucket == name).limit(1)
        return self._connection.execute(statement).first() is None

    # --- versions

    def hold_key(self, bucket: str, key: str) -> None:
        if self._connection.dialect.name == "postgresql":
            name = f"{bucket}/{key}"
            self._connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_hash_of(name))))

    def latest(self, bucket: str, key: str) -> Version | None:
        return self._version(sa.select(VERSION).where(*_at(bucket, key), _LATEST))

    def version(self, bucket: str, key: str, version_id: str) -> Version | None:
        return self._version(sa.select(VERSION).where(*_at(bucket, key, version_id)))

    def add_version(self, version: Version) -> Version:
        at = _at(version.bucket, version.key)
        top = self._connection.execute(sa.select(sa.func.max(VERSION.c.sequence)).where(*at)).scalar_one()
        stored = dataclasses.replace(version, sequence=(top or 0) + 1, is_latest=True)
        self._connection.execute(sa.delete(VERSION).where(*at, VERSION.c.version_id == version.version_id))
        self._connection.execute(sa.update(VERSION).where(*at, _LATEST).values(is_latest=False))
        self._connection.execute(sa.insert(VERSION).values(**_version_values(stored)))
        return stored

    def remove_version(self, bucket: str, key: str, version_id: str) -> None:
        at = _at(bucket, key)
        self._connection.execute(sa.delete(VERSION).where(*at, VERSION.c.version_id == version_id))
        top = sa.select(sa.func.max(VERSION.c.sequence)).where(*at).scalar_subquery()
        promote = sa.update(VERSION).where(*at, VERSION.c.sequence == top).values(is_latest=True)
        self._connection.execute(promote)

    def change_tags(self, bucket: str, key: str, version_id: str, tags: Mapping[str, str]) -> None:
        statement = sa.update(VERSION).where(*_at(bucket, key, version_id))
        self._connection.execute(statement.values(tags=dict(tags)))

    def objects(self, span: Span, *, limit: int) -> list[Version]:
        statement = sa.select(*_LISTED).where(*_within(VERSION, span), _CURRENT)
        rows = self._connection.execute(statement.order_by(VERSION.c.key).limit(limit))
        return [_version(row) for row in rows]

    def versions(self, span: Span, *, after_sequence: int | None, limit: int) -> list[Version]:
        statement = sa.select(*_LISTED).where(*_within(VERSION, span))
        if after_sequence is not None:
            later = sa.or_(VERSION.c.key > span.start, VERSION.c.sequence < after_sequence)
            statement = statement.where(later)
        ordered = statement.order_by(VERSION.c.key, VERSION.c.sequence.desc()).limit(limit)
        return [_version(row) for row in self._connection.execute(ordered)]

    # --- uploads

    def add_upload(self, upload: Upload) -> None:
        values = {f.name: getattr(upload, f.name) for f in dataclasses.fields(upload)}
        for name in ("headers", "metadata", "tags"):
            values[name] = dict(values[name])
        self._connection.execute(sa.insert(UPLOAD).values(**values | {"is_completed": False, "result": {}}))

    def find_upload(self, upload_id: str) -> Upload | None:
        return self._upload(sa.select(UPLOAD).where(UPLOAD.c.id == upload_id))

    def hold_upload(self, upload_id: str) -> Upload | None:
        return self._upload(sa.select(UPLOAD).where(UPLOAD.c.id == upload_id).with_for_update())

    def uploads(self, span: Span, *, after_id: str, limit: int) -> list[Upload]:
        statement = sa.select(UPLOAD).where(*_within(UPLOAD, span), sa.not_(UPLOAD.c.is_completed))
        if after_id:
            statement = statement.where(sa.or_(UPLOAD.c.key > span.start, UPLOAD.c.id > after_id))
        rows = self._connection.execute(statement.order_by(UPLOAD.c.key, UPLOAD.c.id).limit(limit))
        return [_upload(row) for row in rows]

    def complete_upload(self, upload_id: str, result: Mapping[str, str]) -> None:
        self._connection.execute(sa.delete(PART).where(PART.c.upload_id == upload_id))
        statement = sa.update(UPLOAD).where(UPLOAD.c.id == upload_id)
        self._connection.execute(statement.values(is_completed=True, result=dict(result)))

    def remove_upload(self, upload_id: str) -> None:
        self._connection.execute(sa.delete(PART).where(PART.c.upload_id == upload_id))
        self._connection.execute(sa.delete(UPLOAD).where(UPLOAD.c.id == upload_id))

    def put_part(self, part: Part) -> None:
        here = (PART.c.upload_id == part.upload_id, PART.c.number == part.number)
        self._connection.execute(sa.delete(PART).where(*here))
        values = {f.name: getattr(part, f.name) for f in dataclasses.fields(part)}
        values["checksum"] = _checksum_document(part.checksum)
        self._connection.execute(sa.insert(PART).values(**values))

    def parts(self, upload_id: str, *, after: int = 0, limit: int = 10_000) -> list[Part]:
        statement = sa.select(PART).where(PART.c.upload_id == upload_id, PART.c.number > after)
        rows = self._connection.execute(statement.order_by(PART.c.number).limit(limit))
        return [Part(**dict(row._mapping) | {"checksum": _checksum(row.checksum)}) for row in rows]

    def remove_completed_uploads(self, before: float) -> None:
        old = sa.and_(UPLOAD.c.is_completed, UPLOAD.c.created_at < before)
        self._connection.execute(sa.delete(UPLOAD).where(old))

    # --- blobs

    def referenced(self, digests: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for start in range(0, len(digests), _AT_ONCE):
            some = digests[start : start + _AT_ONCE]
            for table in (VERSION, PART):
                statement = sa.select(table.c.digest).where(table.c.digest.in_(some)).distinct()
                found.update(self._connection.execute(statement).scalars())
        return found

    def condemn(self, digests: Sequence[str], at: float) -> None:
        for digest in sorted(digests):
            if not self._insert_once(CONDEMNED, {"digest": digest, "at": at}):
                again = sa.update(CONDEMNED).where(CONDEMNED.c.digest == digest).values(at=at)
                self._connection.execute(again)

    def hold_blob(self, digest: str, *, to_remove: bool = False) -> bool:
        if self._connection.dialect.name == "postgresql":
            lock = sa.func.pg_advisory_xact_lock if to_remove else sa.func.pg_advisory_xact_lock_shared
            self._connection.execute(sa.select(lock(_hash_of(digest))))
        statement = sa.select(CONDEMNED.c.digest).where(CONDEMNED.c.digest == digest)
        return self._connection.execute(statement).first() is not None

    def pardon(self, digest: str) -> None:
        self._connection.execute(sa.delete(CONDEMNED).where(CONDEMNED.c.digest == digest))

    def condemned_before(self, at: float) -> list[str]:
        statement = sa.select(CONDEMNED.c.digest).where(CONDEMNED.c.at < at)
        return list(self._connection.execute(statement).scalars())

    # --- rows

    def _insert_once(self, table: sa.Table, values: dict[str, Any]) -> bool:
        """Inserts unless the primary key is there; says whether it did."""
        statement = _dialect_insert(self._connection, table).values(**values).on_conflict_do_nothing()
        return self._connection.execute(statement.returning(*table.primary_key)).first() is not None

    def _bucket(self, statement: sa.Select[Any]) -> Bucket | None:
        row = self._connection.execute(statement).first()
        return Bucket(**row._mapping) if row else None

    def _version(self, statement: sa.Select[Any]) -> Version | None:
        row = self._connection.execute(statement).first()
        return _version(row) if row else None

    def _upload(self, statement: sa.Select[Any]) -> Upload | None:
        row = self._connection.execute(statement).first()
        return _upload(row) if row else None


def _dialect_insert(connection: sa.Connection, table: sa.Table) -> Any:
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def _hash_of(name: str) -> sa.ColumnElement[int]:
    return sa.func.hashtextextended(name, 0)


def _at(bucket: str, key: str, version_id: str | None = None) -> list[sa.ColumnElement[bool]]:
    conditions = [VERSION.c.bucket == bucket, VERSION.c.key == key]
    return conditions if version_id is None else [*conditions, VERSION.c.version_id == version_id]


def _within(table: sa.Table, span: Span) -> list[sa.ColumnElement[bool]]:
    conditions = [table.c.bucket == span.bucket, table.c.key >= max(span.prefix, span.start)]
    end = after_prefix(span.prefix)
    return conditions if end is None else [*conditions, table.c.key < end]


def _version_values(version: Version) -> dict[str, Any]:
    values = {f.name: getattr(version, f.name) for f in dataclasses.fields(version)}
    for name in ("headers", "metadata", "tags"):
        values[name] = dict(values[name])
    values["checksum"] = _checksum_document(version.checksum)
    values["parts"] = [[part.number, part.size_bytes, part.checksum] for part in version.parts]
    return values


def _version(row: sa.Row[Any]) -> Version:
    values = dict(row._mapping)
    values["checksum"] = _checksum(values["checksum"])
    values["parts"] = tuple(
        PartSize(number=number, size_bytes=size, checksum=checksum)
        for number, size, checksum in values.get("parts", ())
    )
    return Version(**values)


def _upload(row: sa.Row[Any]) -> Upload:
    values = dict(row._mapping)
    is_completed = values.pop("is_completed")
    return Upload(**values | {"result": values["result"] if is_completed else None})


def _checksum_document(checksum: Checksum | None) -> dict[str, str] | None:
    return dataclasses.asdict(checksum) if checksum else None


def _checksum(document: Mapping[str, Any] | None) -> Checksum | None:
    return Checksum(**document) if document else None
