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


def _made(statement: str, dialect: str, *, after: sa.Table = RESOURCE) -> None:
    """Adds what SQLAlchemy has no words for to the making of a table."""
    ddl = sa.DDL(statement).execute_if(dialect=dialect)  # type: ignore[no-untyped-call]  # so in SQLAlchemy
    sa.event.listen(after, "after_create", ddl)


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

BLOCK = sa.Table(
    "block",
    METADATA,
    sa.Column("id", SERIAL, primary_key=True, autoincrement=True),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("ordered_by", sa.Text, nullable=False),
    sa.Column("status", BYTEWISE, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("name", BYTEWISE, nullable=False),
    sa.Column("end_at", sa.Double, nullable=False),
    sa.Column("end_name", BYTEWISE, nullable=False),
    sa.Column("lowest_created", sa.Double, nullable=False),
    sa.Column("highest_created", sa.Double, nullable=False),
    sa.Column("lowest_modified", sa.Double, nullable=False),
    sa.Column("highest_modified", sa.Double, nullable=False),
    sa.Column("n_changes", sa.Integer, nullable=False),
    sa.Index(
        "block_by_place", "account", "region", "kind", "ordered_by", "status", "at", "name", unique=True
    ),
)
"""Within which times the rows lie that follow each other in one of the orders, from one place until another.

The bounds may be wider than need be, never narrower, but for rows of which `change` still tells. See `blocks`.
"""

CHANGE = sa.Table(
    "change",
    METADATA,
    sa.Column("id", SERIAL, primary_key=True, autoincrement=True),
    sa.Column("resource", SERIAL, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("name", BYTEWISE, nullable=False),
    sa.Column("status", BYTEWISE, nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("modified", sa.Double, nullable=False),
    sa.Column("is_taken", sa.Boolean, nullable=False),
    sa.Index("change_by_scope", "account", "region", "kind"),
)
"""Where rows came to lie, or lay, that the blocks do not know of yet. Nobody waits to add one."""

CHANGE.add_is_dependent_on(RESOURCE)

_NOTED = ("account", "region", "kind", "name", "status", "created", "modified")
_NOTE = f"INSERT INTO change (resource, {', '.join(_NOTED)}, is_taken)"


def _noted(row: str) -> str:
    return f"{_NOTE} VALUES ({', '.join(f'{row}.{column}' for column in ('id', *_NOTED))}, false)"


_HAS_MOVED = "(old.status, old.created, old.modified) {differs} (new.status, new.created, new.modified)"
_NOTES = {
    "added": ("INSERT", "", _noted("new") + ";"),
    "removed": ("DELETE", "", _noted("old") + ";"),
    "moved": ("UPDATE", _HAS_MOVED, f"{_noted('old')}; {_noted('new')};"),
}
for _name, (_event, _condition, _body) in _NOTES.items():
    _when = f"WHEN ({_condition})" if _condition else ""
    _made(
        f"CREATE TRIGGER resource_{_name} AFTER {_event} ON resource"
        f" {_when.format(differs='IS NOT')} BEGIN {_body} END",
        "sqlite",
        after=CHANGE,
    )
    _made(
        f"CREATE OR REPLACE FUNCTION note_{_name}() RETURNS trigger LANGUAGE plpgsql AS"
        f" 'BEGIN {_body} RETURN NULL; END'",
        "postgresql",
        after=CHANGE,
    )
    _made(
        f"CREATE TRIGGER resource_{_name} AFTER {_event} ON resource FOR EACH ROW"
        f" {_when.format(differs='IS DISTINCT FROM')} EXECUTE FUNCTION note_{_name}()",
        "postgresql",
        after=CHANGE,
    )
for _dialect in ("sqlite", "postgresql"):
    _all_noted = f"{_NOTE} SELECT id, {', '.join(_NOTED)}, false FROM resource"  # noqa: S608 - names from above
    _made(_all_noted, _dialect, after=CHANGE)

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
