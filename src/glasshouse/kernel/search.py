"""Search over every kind that the service model lets one search for."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import heapq
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from glasshouse.kernel import errors, tags, verbs
from glasshouse.kernel.context import Context
from glasshouse.kernel.kinds import Kind
from glasshouse.kernel.operations import operation
from glasshouse.kernel.records import Query, Reading, Record

CHUNK = 500
BY_TAG = "_tags"
"""Where a document keeps its tags by key, for filters such as Tags.project."""
BY_METRIC = "_metrics"
"""Where a document keeps its last metrics by name, for filters such as Metrics.validation:auc."""
WITHIN_ITSELF = frozenset({"Model"})
"""Resources that a search shows as a part of something larger of the same name (ModelDashboardModel.Model)."""
Document = Mapping[str, Any]
SortValue = tuple[int, float, str]
Place = tuple[SortValue, str]
"""Where a document stands in the order: its sort value, then its ARN."""


@operation("Search")
def search(request: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Resources that match an expression, sorted, one page at a time."""
    noun = request["Resource"]
    kind = context.kinds.get(noun)
    if kind is None:
        raise errors.Validation(f"Search over the resource {noun} is not offered by this server.")
    descending = request.get("SortOrder", "Descending") == "Descending"
    sort_by = request.get("SortBy", kind.created_member)
    _check_properties([sort_by, *_named(request.get("SearchExpression", {}))], noun, context)
    after = _opened(request.get("NextToken"), request)
    found: list[tuple[Place, Document]] = []
    with context.ports.store.read() as view:
        for document in _documents(view, kind, context):
            place = (_sortable(_first(document, sort_by)), str(document[kind.arn_member]))
            is_ahead = after is None or (place < after if descending else place > after)
            if is_ahead and matches(request.get("SearchExpression", {}), document):
                found.append((place, document))
    limit = request.get("MaxResults", 100)
    cut = heapq.nlargest if descending else heapq.nsmallest
    page = cut(limit + 1, found, key=lambda one: one[0])
    return {
        "Results": [{noun: document} for _, document in page[:limit]],
        "NextToken": _sealed(page[limit - 1][0], request) if len(page) > limit else None,
    }


def _named(expression: Document) -> Iterator[str]:
    """Every property that the expression names."""
    for one in expression.get("Filters", []):
        yield one["Name"]
    for nested in expression.get("NestedFilters", []):
        yield nested["NestedPropertyName"]
    for sub in expression.get("SubExpressions", []):
        yield from _named(sub)


def _check_properties(names: Iterable[str], noun: str, context: Context) -> None:
    """A misspelt property would silently find nothing. Raises errors.Validation naming it."""
    known = context.searchable(noun) | {"Tags", "Metrics"}
    unknown = sorted({name for name in names if name.split(".")[0] not in known})
    if unknown:
        raise errors.Validation(
            f"{', '.join(unknown)} is not a property of {noun}; the properties are {', '.join(sorted(known))}."
        )


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
    found = list(_values(document, _path(one["Name"])))
    wanted = one.get("Value", "")
    match one.get("Operator", "Equals"):
        case "Exists":
            return bool(found)
        case "NotExists":
            return not found
        case "Equals":
            return any(_equals(value, wanted) for value in found)
        case "NotEquals":
            return not any(_equals(value, wanted) for value in found)
        case "Contains":
            return any(wanted in _text(value) for value in found)
        case "In":
            return any(_equals(value, choice) for value in found for choice in wanted.split(","))
        case comparison:
            return any(_compares(comparison, value, wanted) for value in found)


def _equals(value: Any, wanted: str) -> bool:
    """Numbers and times are equal however they are written; texts to the letter."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value == _number(wanted)
    return _text(value) == wanted


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
    """A number, or the seconds since the epoch of a time; a time without a zone is in UTC."""
    try:
        return float(value)
    except (TypeError, ValueError):
        pass
    try:
        moment = dt.datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()


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


def _path(name: str) -> list[str]:
    first, *rest = name.split(".")
    return [{"Tags": BY_TAG, "Metrics": BY_METRIC}.get(first, first) if rest else first, *rest]


def _first(document: Document, name: str) -> Any:
    return next(_values(document, _path(name)), None)


def _sortable(value: Any) -> SortValue:
    if isinstance(value, (int, float)):
        return (1, float(value), "")
    return (0, 0.0, "") if value is None else (2, 0.0, str(value))


def _documents(view: Reading, kind: Kind, context: Context) -> Iterator[dict[str, Any]]:
    for page in _pages(view, kind, context):
        labels_of = view.tags_of([record.arn for record in page])
        for record in page:
            document = {**verbs.shown(kind, record), **kind.view(record, context)}
            document["Tags"] = tags.as_list(labels_of[record.arn])
            document[BY_TAG] = labels_of[record.arn]
            metrics = document.get("FinalMetricDataList", [])
            document[BY_METRIC] = {metric["MetricName"]: metric["Value"] for metric in metrics}
            yield {**document, kind.noun: document} if kind.noun in WITHIN_ITSELF else document


def _pages(view: Reading, kind: Kind, context: Context) -> Iterator[list[Record]]:
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
        yield page
        if len(page) < CHUNK:
            return
        after = (page[-1].key.name, page[-1].key.name)


def _signature(request: Mapping[str, Any]) -> str:
    """Of everything that decides which resources come in which order."""
    parts = {member: value for member, value in request.items() if member not in ("NextToken", "MaxResults")}
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _sealed(last: Place, request: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps([_signature(request), *last]).encode()).decode()


def _opened(token: str | None, request: Mapping[str, Any]) -> Place | None:
    if not token:
        return None
    try:
        found = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
    except (ValueError, RecursionError) as error:
        raise errors.Validation("Invalid pagination token.") from error
    match found:
        case [str(signature), [int(rank), float(number), str(text)], str(arn)]:
            if signature != _signature(request):
                raise errors.Validation("Invalid pagination token: it was given for another search.")
            return (rank, number, text), arn
    raise errors.Validation("Invalid pagination token.")
