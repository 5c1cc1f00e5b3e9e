"""The kernel's own tables. Times are seconds since the epoch, documents are JSON text."""

from __future__ import annotations

import sqlalchemy as sa

from glasshouse.engines.store.metadata import METADATA

DOCUMENT = sa.JSON()
"""JSON as it was written: PostgreSQL's JSONB would reorder members and rewrite numbers."""

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
"""Text compared byte by byte, so that both databases sort alike."""

RESOURCE = sa.Table(
    "resource",
    METADATA,
    sa.Column("id", SERIAL, primary_key=True, autoincrement=True),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("name", BYTEWISE, nullable=False),
    sa.Column("arn", sa.Text, nullable=False, unique=True),
    sa.Column("status", BYTEWISE, nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("modified", sa.Double, nullable=False),
    sa.Column("rev", sa.Integer, nullable=False),
    sa.Column("due", sa.Double),
    sa.Column("lease_owner", sa.Text),
    sa.Column("doc", DOCUMENT, nullable=False),
    sa.Index("resource_by_name", "account", "region", "kind", "name", unique=True),
    sa.Index("resource_by_created", "account", "region", "kind", "created", "name", "status"),
    sa.Index("resource_by_modified", "account", "region", "kind", "modified", "name", "status"),
    sa.Index("resource_by_status", "account", "region", "kind", "status", "name"),
    sa.Index("resource_by_status_created", "account", "region", "kind", "status", "created", "name"),
    sa.Index("resource_by_status_modified", "account", "region", "kind", "status", "modified", "name"),
    sa.Index(
        "resource_due",
        "lease_owner",
        "due",
        sqlite_where=sa.text("due IS NOT NULL"),
        postgresql_where=sa.text("due IS NOT NULL"),
    ),
)


def _made(statement: str, dialect: str) -> None:
    """Adds what SQLAlchemy has no words for to the making of the table."""
    ddl = sa.DDL(statement).execute_if(dialect=dialect)  # type: ignore[no-untyped-call]  # so in SQLAlchemy
    sa.event.listen(RESOURCE, "after_create", ddl)


PART = 3
"""The longest part of a name that is indexed as such.

In SQLite two characters that no name has stand behind it, so that every shorter part begins an indexed one.
"""

for _statement in (
    "CREATE VIRTUAL TABLE resource_parts USING fts5(name, content='', tokenize='trigram case_sensitive 1')",
    "CREATE VIRTUAL TABLE resource_part USING fts5vocab('resource_parts', 'row')",
    "CREATE TRIGGER resource_parts_added AFTER INSERT ON resource BEGIN"
    " INSERT INTO resource_parts (rowid, name) VALUES (new.id, new.name || char(1, 1)); END",
    "CREATE TRIGGER resource_parts_removed AFTER DELETE ON resource BEGIN"
    " INSERT INTO resource_parts (resource_parts, rowid, name)"
    " VALUES ('delete', old.id, old.name || char(1, 1)); END",
):
    _made(_statement, "sqlite")
for _statement in (
    "CREATE OR REPLACE FUNCTION parts_of(value text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS"
    " 'SELECT array_agg(DISTINCT substr(value, place, size))"
    " FROM generate_series(1, length(value)) AS place, generate_series(1, 3) AS size'",
    "CREATE INDEX resource_parts ON resource USING gin (parts_of(name))"
    # New names wait in a list that every search reads to its end: a short one, in kilobytes.
    " WITH (gin_pending_list_limit = 64)",
):
    _made(_statement, "postgresql")

WORKER = sa.Table(
    "worker",
    METADATA,
    sa.Column("owner", sa.Text, primary_key=True),
    sa.Column("until", sa.Double, nullable=False),
)
"""Who holds leases, and until when they all count."""

TAG = sa.Table(
    "tag",
    METADATA,
    sa.Column("arn", sa.Text, primary_key=True),
    sa.Column("key", BYTEWISE, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

EVENT = sa.Table(
    "event",
    METADATA,
    sa.Column("seq", SERIAL, primary_key=True, autoincrement=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("arn", sa.Text, nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("from_status", sa.Text, nullable=False),
    sa.Column("to_status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("principal", sa.Text, nullable=False),
    sa.Column("request_id", sa.Text, nullable=False),
)

EDGE = sa.Table(
    "edge",
    METADATA,
    sa.Column("source", BYTEWISE, primary_key=True),
    sa.Column("target", BYTEWISE, primary_key=True),
    sa.Column("relation", BYTEWISE, primary_key=True),
    sa.Index("edge_by_target", "target"),
)

AUDIT = sa.Table(
    "audit",
    METADATA,
    sa.Column("seq", SERIAL, primary_key=True, autoincrement=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("principal", sa.Text, nullable=False),
    sa.Column("access_key_id", sa.Text, nullable=False),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("operation", sa.Text, nullable=False),
    sa.Column("resource", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("request_id", sa.Text, nullable=False),
)

VERSION = sa.Table("schema_version", METADATA, sa.Column("version", sa.Integer, primary_key=True))
