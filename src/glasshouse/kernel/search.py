"""Search over every kind that the service model lets one search for."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
from collections.abc import Iterator, Mapping
from typing import Any

from glasshouse.kernel import errors, tags, verbs
from glasshouse.kernel.context import Context
from glasshouse.kernel.kinds import Kind
from glasshouse.kernel.operations import operation
from glasshouse.kernel.records import Query, Reading, Record

CHUNK = 500
BY_TAG = "_tags"
"""Where a document keeps its tags by key, for filters such as Tags.project."""
Document = Mapping[str, Any]


@operation("Search")
def search(request: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Resources that match an expression, sorted, one page at a time."""
    noun = request["Resource"]
    kind = context.kinds.get(noun)
    if kind is None:
        raise errors.Validation(f"Search over the resource {noun} is not offered by this server.")
    sort_by = request.get("SortBy", kind.created_member)
    descending = request.get("SortOrder", "Descending") == "Descending"
    with context.ports.store.read() as view:
        found = [
            document
            for document in _documents(view, kind, context)
            if matches(request.get("SearchExpression", {}), document)
        ]
    found.sort(key=lambda d: (_sortable(_first(d, sort_by)), d[kind.arn_member]), reverse=descending)
    start = _opened(request.get("NextToken"))
    end = start + request.get("MaxResults", 100)
    return {
        "Results": [{noun: document} for document in found[start:end]],
        "NextToken": _sealed(end) if end < len(found) else None,
    }


def matches(expression: Document, document: Document) -> bool:
    """Whether the document satisfies the filters, nested filters and sub-expressions, joined by Operator."""
    verdicts: Iterator[bool] = _verdicts(expression, document)
    return any(verdicts) if expression.get("Operator") == "Or" and _is_given(expression) else all(verdicts)


def _is_given(expression: Document) -> bool:
    return any(expression.get(part) for part in ("Filters", "NestedFilters", "SubExpressions"))


def _verdicts(expression: Document, document: Document) -> Iterator[bool]:
    for one in expression.get("Filters", []):
        yield _passes(one, document)
    for nested in expression.get("NestedFilters", []):
        items = list(_values(document, nested["NestedPropertyName"].split(".")))
        inner = [_without_prefix(f, nested["NestedPropertyName"]) for f in nested["Filters"]]
        yield any(all(_passes(f, item) for f in inner) for item in items if isinstance(item, Mapping))
    for sub in expression.get("SubExpressions", []):
        yield matches(sub, document)


def _without_prefix(one: Document, prefix: str) -> Document:
    return {**one, "Name": one["Name"].removeprefix(prefix + ".")}


def _passes(one: Document, document: Document) -> bool:
    name = one["Name"]
    if name.startswith("Tags."):
        name = BY_TAG + name.removeprefix("Tags")
    found = list(_values(document, name.split(".")))
    wanted = one.get("Value", "")
    match one.get("Operator", "Equals"):
        case "Exists":
            return bool(found)
        case "NotExists":
            return not found
        case "Equals":
            return any(_text(value) == wanted for value in found)
        case "NotEquals":
            return all(_text(value) != wanted for value in found)
        case "Contains":
            return any(wanted in _text(value) for value in found)
        case "In":
            return any(_text(value) in wanted.split(",") for value in found)
        case comparison:
            return any(_compares(comparison, value, wanted) for value in found)


def _compares(comparison: str, value: Any, wanted: str) -> bool:
    left, right = _number(value), _number(wanted)
    if left is None or right is None:
        return False
    return {
        "GreaterThan": left > right,
        "GreaterThanOrEqualTo": left >= right,
        "LessThan": left < right,
        "LessThanOrEqualTo": left <= right,
    }[comparison]


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        pass
    try:
        return dt.datetime.fromisoformat(str(value).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _values(value: Any, path: list[str]) -> Iterator[Any]:
    """Everything at a dotted path, looking into every item of a list; a key may itself contain dots."""
    if isinstance(value, list):
        for item in value:
            yield from _values(item, path)
    elif not path:
        if value is not None:
            yield value
    elif isinstance(value, Mapping):
        for n in range(1, len(path) + 1):
            key = ".".join(path[:n])
            if key in value:
                yield from _values(value[key], path[n:])


def _first(document: Document, name: str) -> Any:
    return next(_values(document, name.split(".")), None)


def _sortable(value: Any) -> tuple[int, float, str]:
    if isinstance(value, (int, float)):
        return (1, float(value), "")
    return (0, 0.0, "") if value is None else (2, 0.0, str(value))


def _documents(view: Reading, kind: Kind, context: Context) -> Iterator[dict[str, Any]]:
    for record in _records(view, kind, context):
        labels = view.tags(record.arn)
        document = verbs.shown(kind, record)
        document["Tags"] = [*tags.as_list(labels)]
        document[BY_TAG] = labels
        yield document


def _records(view: Reading, kind: Kind, context: Context) -> Iterator[Record]:
    after = None
    while True:
        query = Query(
            account=context.caller.account,
            region=context.caller.region,
            kind=kind.noun,
            limit=CHUNK,
            sort="name",
            descending=False,
            after=after,
        )
        page = view.page(query)
        yield from page
        if len(page) < CHUNK:
            return
        after = (page[-1].key.name, page[-1].key.name)


def _sealed(offset: int) -> str:
    return base64.urlsafe_b64encode(json.dumps(["search", offset]).encode()).decode()


def _opened(token: str | None) -> int:
    if not token:
        return 0
    try:
        what, offset = json.loads(base64.urlsafe_b64decode(token))
        if what == "search" and isinstance(offset, int) and offset >= 0:
            return offset
    except (ValueError, binascii.Error):
        pass
    raise errors.Validation("Invalid pagination token.")
