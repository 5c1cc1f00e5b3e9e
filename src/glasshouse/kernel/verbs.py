"""The regular verbs, derived for every kind: Create, Describe, List, Delete, Stop."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from glasshouse.kernel import errors, events, paging, tags
from glasshouse.kernel.context import Context
from glasshouse.kernel.ids import Arn
from glasshouse.kernel.kinds import Doc, Kind
from glasshouse.kernel.records import Duplicate, Edge, Reading, Record, Stale, Transaction

Answer = dict[str, Any]
TRIES = 10
"""How often a change is tried again when the row changes at the same time."""


def arn_of(kind: Kind, name: str, context: Context) -> Arn:
    return Arn(context.arn("sagemaker", f"{kind.arn_slug}/{name.lower()}"))


def create(kind: Kind, request: Doc, context: Context) -> Answer:
    body = dict(request)
    labels = tags.as_dict(body.pop("Tags", []))
    name = body[kind.name_member]
    doc = {**body, **kind.fill(body, context), **kind.tagged(labels, body, context)}
    record = new_record(kind, name, arn_of(kind, name, context), doc, context)
    with context.ports.store.write() as tx:
        insert(tx, kind, record, labels, context)
    context.wake()
    return {kind.arn_member: record.arn}


def new_record(kind: Kind, name: str, arn: Arn, doc: Doc, context: Context) -> Record:
    """A record in the kind's first status, due at once when that status has work to do."""
    now = context.ports.clock.now()
    working = kind.states is not None and not kind.states.is_final(kind.states.first)
    return Record(
        key=context.key(kind.noun, name),
        arn=arn,
        status=kind.first_status,
        created_at=now,
        modified_at=now,
        due_at=now if working else None,
        doc=plain(doc),
    )


def insert(tx: Transaction, kind: Kind, record: Record, labels: Mapping[str, str], context: Context) -> None:
    """Row, tags, lineage and event. Raises the kind's own error when the name is taken."""
    try:
        tx.insert(record)
    except Duplicate as error:
        raise kind.already_exists(record.key.name, record.arn) from error
    tx.put_tags(record.arn, labels)
    tx.add_edges(
        Edge(source=record.arn, target=target, relation=how) for target, how in kind.uses(record.doc)
    )
    events.created(tx, record, principal=context.caller.arn, request_id=context.request_id)


def find(kind: Kind, name: str, context: Context) -> Record:
    """The caller's resource by name or ARN. Raises the kind's not-found error."""
    with context.ports.store.read() as view:
        record = _seen(view, kind, name, context)
    if record is None:
        raise kind.not_found(name, name if name.startswith("arn:") else arn_of(kind, name, context))
    return record


def _seen(view: Reading, kind: Kind, name: str, context: Context) -> Record | None:
    if not name.startswith("arn:"):
        return view.find(context.key(kind.noun, name))
    record = view.find_arn(name)
    return record if record and record.key == context.key(kind.noun, record.key.name) else None


def shown(kind: Kind, record: Record) -> Answer:
    """The one record that every output is cut from."""
    return {
        kind.created_member: record.created_at,
        kind.modified_member: record.modified_at,
        **record.doc,
        kind.name_member: record.key.name,
        kind.arn_member: record.arn,
        kind.status_member: record.status,
    }


def describe(kind: Kind, request: Doc, context: Context) -> Answer:
    record = find(kind, request[kind.name_member], context)
    return {**shown(kind, record), **kind.view(record, context)}


def list_(kind: Kind, request: Doc, context: Context, *, member: str) -> Answer:
    query = paging.query_of(kind, request, account=context.caller.account, region=context.caller.region)
    with context.ports.store.read() as view:
        page = paging.page_of(view, query)
    return {member: [shown(kind, record) for record in page.records], "NextToken": page.next_token}


def delete(kind: Kind, request: Doc, context: Context) -> Answer:
    """Removes the row, or moves it to the kind's deleting status when work must be undone first."""

    def go(tx: Transaction, record: Record) -> None:
        if kind.deleting:
            _move(tx, kind, record, kind.deleting, context)
            return
        now = context.ports.clock.now()
        tx.replace(record, expect_rev=record.rev)
        tx.remove(record.key)
        events.deleted(tx, record, now=now, principal=context.caller.arn, request_id=context.request_id)

    def may_go(record: Record) -> bool:
        kind.may_delete(record, context)
        return True

    return _changed(kind, request, context, may=may_go, change=go)


def stop(kind: Kind, request: Doc, context: Context) -> Answer:
    """Asks a running resource to end. Raises errors.Conflict when it is not running."""
    return _changed(
        kind,
        request,
        context,
        may=lambda record: record.status != kind.stopping,
        change=lambda tx, record: _move(tx, kind, record, kind.stopping, context),
    )


def _changed(
    kind: Kind,
    request: Doc,
    context: Context,
    *,
    may: Callable[[Record], bool],
    change: Callable[[Transaction, Record], None],
) -> Answer:
    """Writes a change to the row as it is now; looks again when somebody else was faster."""
    for _ in range(TRIES):
        record = find(kind, request[kind.name_member], context)
        if not may(record):
            return {}
        try:
            with context.ports.store.write() as tx:
                change(tx, record)
        except Stale:
            continue
        context.wake()
        return {}
    raise errors.Conflict(f"The {kind.label} is changing too fast; try again.")


def _move(tx: Transaction, kind: Kind, record: Record, to: str, context: Context) -> None:
    if kind.states is None or record.status not in kind.states.sources(to):
        raise errors.Conflict(
            f"The request was rejected because the {kind.label} is in status {record.status}."
        )
    now = context.ports.clock.now()
    events.changed(
        tx,
        kind,
        record,
        now=now,
        to=to,
        due_at=now,
        principal=context.caller.arn,
        request_id=context.request_id,
    )


def plain(value: Any) -> Any:
    """JSON for the store: times as seconds since the epoch, nothing that is None."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dt.datetime):
        return value.timestamp()
    if isinstance(value, bytes):
        raise errors.Validation("Binary members cannot be kept.")
    return value
