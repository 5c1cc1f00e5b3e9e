"""The store port: resources as rows, and what a transaction can do with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from glasshouse.kernel.ids import Arn

if TYPE_CHECKING:
    from glasshouse.kernel.catalog import Catalog


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Key:
    """What names a resource. `kind` is the noun, `name` is unique in account, region and kind."""

    account: str
    region: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One resource. `doc` is JSON: wire members, and our own under keys that start with an underscore."""

    key: Key
    arn: Arn
    status: str
    created_at: float
    modified_at: float
    rev: int = 1
    due_at: float | None = None
    doc: Mapping[str, Any] = field(default_factory=dict)


Column = Literal["name", "status", "created", "modified"]
Operator = Literal["=", "contains", ">", "<", ">=", "<=", "in", "starts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """`field` is a column, or a dotted path into the document when `in_doc`."""

    field: str
    operator: Operator
    value: Any
    in_doc: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Filter, then sort by (sort, name), then cut. `after` is the (sort value, name) of the last row seen."""

    account: str
    region: str
    kind: str
    where: tuple[Condition, ...] = ()
    sort: Column | str = "created"
    sort_in_doc: bool = False
    descending: bool = True
    limit: int = 100
    after: tuple[Any, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a resource; written in the transaction that made it happen."""

    at: float
    account: str
    region: str
    arn: str
    kind: str
    what: str
    from_status: str = ""
    to_status: str = ""
    reason: str = ""
    principal: str = ""
    request_id: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """`source` was made from, or runs on, `target`: one line of lineage."""

    source: str
    target: str
    relation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One call at a door: who asked for what, and what came of it."""

    at: float
    account: str
    region: str
    principal: str
    access_key_id: str
    service: str
    operation: str
    resource: str
    outcome: str
    request_id: str


class Stale(Exception):
    """The row changed since it was read, or is in a status that forbids the change."""


class Duplicate(Exception):
    """A resource of that name exists."""


class Reading(Protocol):
    """A consistent view."""

    @property
    def catalog(self) -> Catalog: ...
    def find(self, key: Key, *, held_by: str = "") -> Record | None:
        """The row; with `held_by` only while that owner has its lease."""

    def find_arn(self, arn: str) -> Record | None: ...
    def page(self, query: Query) -> list[Record]: ...
    def count(self, account: str, region: str, kind: str) -> int: ...
    def tags(self, arn: str) -> dict[str, str]: ...
    def tags_of(self, arns: Sequence[str]) -> dict[str, dict[str, str]]: ...
    def events(self, *, arn: str = "", after: int = 0, limit: int = 1000) -> list[Event]: ...
    def edges(self, *, source: str = "", target: str = "") -> list[Edge]: ...
    def audit(self, *, after: int = 0, limit: int = 1000) -> list[AuditEntry]: ...
    def has_due(self, now: float) -> bool:
        """Whether a row waits for work that nobody holds."""

    def held(self, owner: str, *, due_after: float | None = None) -> dict[Key, int]:
        """The revisions of the rows that the owner holds, or of those of them that became due later than that."""


class Transaction(Reading, Protocol):
    """All or nothing, and durable when the context manager ends without an exception."""

    def insert(self, record: Record) -> None:
        """Raises Duplicate."""

    def replace(self, record: Record, *, expect_rev: int, allowed: Sequence[str] | None = None) -> Record:
        """Writes the record with rev + 1; a record that is not due loses its lease.

        Raises Stale unless the row has `expect_rev` and an allowed status.
        """

    def remove(self, key: Key) -> None: ...
    def put_tags(self, arn: str, tags: Mapping[str, str]) -> None: ...
    def remove_tags(self, arn: str, keys: Iterable[str]) -> None: ...
    def append_event(self, event: Event) -> None: ...
    def append_audit(self, entry: AuditEntry) -> None: ...
    def add_edges(self, edges: Iterable[Edge]) -> None: ...
    def lease_due(self, *, owner: str, now: float, until: float, limit: int) -> list[Record]:
        """Takes rows whose work is due and that nobody holds, or whose holder's time is over.

        All that the owner holds is held until then.
        """

    def extend_leases(self, *, owner: str, until: float) -> None: ...
    def release(self, *, owner: str) -> None:
        """Gives up everything that the owner holds."""

    def release_all(self) -> None:
        """Frees every lease; only for a store that a single server has to itself."""


class Store(Protocol):
    def read(self) -> AbstractContextManager[Reading]: ...
    def write(self, *, durable: bool = True) -> AbstractContextManager[Transaction]:
        """A write transaction. With durable=False a power cut (not a crash) may undo it."""

    @property
    def is_exclusive(self) -> bool:
        """Whether only this process may use the store."""

    def close(self) -> None: ...
