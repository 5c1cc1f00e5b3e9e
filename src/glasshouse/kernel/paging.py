"""One pager: filter, sort, cut. A token is bound to the query it was given for."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from glasshouse.kernel import errors
from glasshouse.kernel.kinds import Kind
from glasshouse.kernel.records import Condition, Query, Reading, Record

PAGING = frozenset({"MaxResults", "NextToken", "SortBy", "SortOrder"})
SORTS = {
    "Name": "name",
    "NAME": "name",
    "CreationTime": "created",
    "CREATION_TIME": "created",
    "LastModifiedTime": "modified",
    "Status": "status",
}

_SORTED_TYPES: Mapping[str, tuple[type, ...]] = {
    "name": (str,),
    "status": (str,),
    "created": (float, int),
    "modified": (float, int),
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PageOf:
    records: list[Record]
    next_token: str | None


def query_of(kind: Kind, request: Mapping[str, Any], *, account: str, region: str) -> Query:
    """The query that a List request asks for. Raises errors.Validation for a member it cannot honour."""
    where = tuple(
        condition(kind, member, value) for member, value in sorted(request.items()) if member not in PAGING
    )
    sort = request.get("SortBy", "CreationTime")
    if sort not in SORTS and sort != kind.name_member:
        raise errors.Validation(f"SortBy {sort} is not supported for {kind.plural}.")
    query = Query(
        account=account,
        region=region,
        kind=kind.noun,
        where=where,
        sort=SORTS.get(sort, "name"),
        descending=str(request.get("SortOrder", "Descending")).lower().startswith("desc"),
        limit=int(request.get("MaxResults", kind.page_size)),
    )
    token = request.get("NextToken")
    return dataclasses.replace(query, after=_opened(token, query)) if token else query


def page_of(reading: Reading, query: Query) -> PageOf:
    """One page, and the token of the next when there is one."""
    found = reading.page(dataclasses.replace(query, limit=query.limit + 1))
    shown = found[: query.limit]
    more = len(found) > query.limit
    return PageOf(records=shown, next_token=_sealed(query, shown[-1]) if more else None)


def condition(kind: Kind, member: str, value: Any) -> Condition:
    """What a List member filters on, by AWS's naming rules or by the kind's own table."""
    if member in kind.filters:
        return kind.filters[member](value)
    if isinstance(value, dt.datetime):
        return Condition(field=_time_column(kind, member), operator=_side(member), value=value.timestamp())
    if member == "NameContains":
        return Condition(field="name", operator="contains", value=value)
    if member == "StatusEquals":
        return Condition(field="status", operator="=", value=value)
    if isinstance(value, str):
        return Condition(field=member.removesuffix("Equals"), operator="=", value=value, in_doc=True)
    raise errors.Validation(f"The filter {member} is not supported for {kind.plural}.")


def _time_column(kind: Kind, member: str) -> str:
    if member.startswith(("CreationTime", "CreatedAfter", "CreatedBefore")):
        return "created"
    if member.startswith(("LastModified", "Modified")):
        return "modified"
    raise errors.Validation(f"The filter {member} is not supported for {kind.plural}.")


def _side(member: str) -> Any:
    return ">" if member.endswith("After") else "<"


def _signature(query: Query) -> str:
    parts = (query.account, query.region, query.kind, query.where, query.sort, query.descending)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _sealed(query: Query, last: Record) -> str:
    value = {
        "name": last.key.name,
        "created": last.created_at,
        "modified": last.modified_at,
        "status": last.status,
    }[query.sort]
    return base64.urlsafe_b64encode(json.dumps([_signature(query), value, last.key.name]).encode()).decode()


def _opened(token: str, query: Query) -> tuple[Any, str]:
    try:
        found = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
    except (ValueError, RecursionError) as error:
        raise errors.Validation("Invalid pagination token.") from error
    match found:
        case [str(signature), value, str(name)]:
            if signature != _signature(query):
                raise errors.Validation("Invalid pagination token: it was given for another query.")
            if type(value) in _SORTED_TYPES[query.sort]:
                return value, name
    raise errors.Validation("Invalid pagination token.")
