"""Search expressions against an evaluator of our own that shares nothing with the platform's."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasshouse.kernel import errors, ids, search
from glasshouse.kernel.identity import Caller
from glasshouse.kernel.kinds import Kind
from glasshouse.kernel.records import Store
from glasshouse.kernel.search import matches
from tests.support import stores, world
from tests.support.clocks import HandClock
from tests.support.world import World

# --- single filters, by example

DOCUMENT: dict[str, Any] = {
    "TrainingJobName": "Credit-1",
    "TrainingJobStatus": "Completed",
    "CreationTime": dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC).timestamp(),
    "EnableNetworkIsolation": True,
    "ResourceConfig": {"InstanceCount": 2, "VolumeSizeInGB": 30},
    "HyperParameters": {"eta": "0.30", "a.b": "dotted"},
    "FinalMetricDataList": [{"MetricName": "auc", "Value": 0.75}, {"MetricName": "loss", "Value": 5e-3}],
    "InputDataConfig": [
        {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3Uri": "s3://b/train"}}},
        {"ChannelName": "test", "DataSource": {"S3DataSource": {"S3Uri": "s3://b/test"}}},
    ],
    "Nothing": None,
    search.BY_TAG: {"project": "credit", "with.dot": "yes"},
    search.BY_METRIC: {"auc": 0.75, "validation:f1.macro": 0.5},
}


def one(name: str, operator: str | None, value: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"Name": name}
    if operator:
        found["Operator"] = operator
    if value is not None:
        found["Value"] = value
    return found


@pytest.mark.parametrize(
    ("name", "operator", "value", "expected"),
    [
        ("TrainingJobName", None, "Credit-1", True),
        ("TrainingJobName", "Equals", "credit-1", False),
        ("TrainingJobName", "NotEquals", "Credit-1", False),
        ("TrainingJobName", "NotEquals", "credit-1", True),
        ("TrainingJobName", "Contains", "dit", True),
        ("TrainingJobName", "Contains", "DIT", False),
        ("TrainingJobStatus", "In", "Failed,Completed", True),
        ("TrainingJobStatus", "In", "Failed,Complete", False),
        ("TrainingJobName", "Exists", None, True),
        ("Nothing", "Exists", None, False),
        ("Nowhere", "Exists", None, False),
        ("Nowhere", "NotExists", None, True),
        ("Nowhere", "Equals", "", False),
        ("Nowhere", "NotEquals", "x", True),
        ("EnableNetworkIsolation", "Equals", "true", True),
        ("EnableNetworkIsolation", "Equals", "True", False),
        ("EnableNetworkIsolation", "Equals", "1", False),
        ("ResourceConfig.InstanceCount", "Equals", "2", True),
        ("ResourceConfig.InstanceCount", "Equals", "2.0", True),
        ("ResourceConfig.InstanceCount", "GreaterThan", "1", True),
        ("ResourceConfig.InstanceCount", "GreaterThan", "2", False),
        ("ResourceConfig.InstanceCount", "GreaterThanOrEqualTo", "2", True),
        ("ResourceConfig.VolumeSizeInGB", "LessThan", "4", False),
        ("ResourceConfig.VolumeSizeInGB", "LessThanOrEqualTo", "30.0", True),
        ("ResourceConfig.VolumeSizeInGB", "LessThan", "many", False),
        ("HyperParameters.eta", "Equals", "0.30", True),
        ("HyperParameters.eta", "Equals", "0.3", False),
        ("HyperParameters.eta", "LessThan", "0.31", True),
        ("HyperParameters.a.b", "Equals", "dotted", True),
        ("FinalMetricDataList.Value", "GreaterThan", "0.7", True),
        ("FinalMetricDataList.Value", "Equals", "0.005", True),
        ("InputDataConfig.DataSource.S3DataSource.S3Uri", "Contains", "train", True),
        ("Tags.project", "Equals", "credit", True),
        ("Tags.with.dot", "Equals", "yes", True),
        ("Tags.other", "Exists", None, False),
        ("Metrics.auc", "GreaterThan", "0.7", True),
        ("Metrics.auc", "GreaterThan", "0.8", False),
        ("Metrics.validation:f1.macro", "Equals", "0.5", True),
        ("Metrics.loss", "Exists", None, False),
        ("CreationTime", "GreaterThan", "2024-05-01T11:59:59Z", True),
        ("CreationTime", "GreaterThan", "2024-05-01T12:00:00+00:00", False),
        ("CreationTime", "LessThan", "2024-05-01T12:00:01", True),
        ("CreationTime", "GreaterThan", "2024-05-01T11:59:59", True),
        ("CreationTime", "Equals", "2024-05-01T14:00:00+02:00", True),
        ("CreationTime", "LessThan", "1714564801", True),
        ("CreationTime", "LessThan", "yesterday", False),
    ],
)
def test_one_filter(name: str, operator: str | None, value: str | None, expected: bool) -> None:
    assert matches({"Filters": [one(name, operator, value)]}, DOCUMENT) is expected


def nested(*filters: dict[str, Any], of: str = "FinalMetricDataList") -> dict[str, Any]:
    return {"NestedFilters": [{"NestedPropertyName": of, "Filters": list(filters)}]}


def test_nested_filters_must_hold_for_one_and_the_same_item() -> None:
    auc = one("FinalMetricDataList.MetricName", "Equals", "auc")
    assert matches(nested(auc, one("FinalMetricDataList.Value", "GreaterThan", "0.7")), DOCUMENT)
    assert not matches(nested(auc, one("FinalMetricDataList.Value", "LessThan", "0.7")), DOCUMENT)
    channel = one("InputDataConfig.DataSource.S3DataSource.S3Uri", "Contains", "/test")
    name = one("InputDataConfig.ChannelName", "Equals", "train")
    assert matches(nested(channel, of="InputDataConfig"), DOCUMENT)
    assert not matches(nested(channel, name, of="InputDataConfig"), DOCUMENT)


def test_an_expression_without_any_filter_matches_everything() -> None:
    for expression in ({}, {"Operator": "Or"}, {"Operator": "And", "Filters": []}):
        assert matches(expression, DOCUMENT)


# --- against another evaluator

VALUES = ["a", "b", "ab", "1", "2", "10", "true"]
NAMES = ["text", "number", "flag", "inner.text", "items.text", "items.number", "absent"]
texts = st.sampled_from(VALUES)
documents = st.fixed_dictionaries(
    {},
    optional={
        "text": texts,
        "number": st.integers(0, 12) | st.sampled_from([0.5, 1.5]),
        "flag": st.booleans(),
        "inner": st.fixed_dictionaries({}, optional={"text": texts}),
        "items": st.lists(
            st.fixed_dictionaries({}, optional={"text": texts, "number": st.integers(0, 3)}), max_size=3
        ),
    },
)
COMPARISONS = ["GreaterThan", "GreaterThanOrEqualTo", "LessThan", "LessThanOrEqualTo"]
OPERATORS = ["Equals", "NotEquals", "Contains", "In", "Exists", "NotExists", *COMPARISONS]


@st.composite
def filters(draw: st.DrawFn, names: list[str]) -> dict[str, Any]:
    operator = draw(st.sampled_from(OPERATORS))
    value = ",".join(draw(st.lists(texts, min_size=1, max_size=3))) if operator == "In" else draw(texts)
    return {"Name": draw(st.sampled_from(names)), "Operator": operator, "Value": value}


def leaves() -> st.SearchStrategy[dict[str, Any]]:
    inner = st.lists(filters(["items.text", "items.number"]), min_size=1, max_size=2)
    return st.fixed_dictionaries(
        {},
        optional={
            "Filters": st.lists(filters(NAMES), max_size=3),
            "NestedFilters": st.lists(
                st.fixed_dictionaries({"NestedPropertyName": st.just("items"), "Filters": inner}), max_size=2
            ),
            "Operator": st.sampled_from(["And", "Or"]),
        },
    )


expressions = st.recursive(
    leaves(),
    lambda inner: st.builds(
        lambda own, subs: {**own, "SubExpressions": subs}, leaves(), st.lists(inner, min_size=1, max_size=2)
    ),
    max_leaves=4,
)


def flattened(value: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """(path, leaf) pairs; items of a list share their path."""
    if isinstance(value, dict):
        return [
            pair
            for key, item in value.items()
            for pair in flattened(item, f"{prefix}.{key}" if prefix else key)
        ]
    if isinstance(value, list):
        return [pair for item in value for pair in flattened(item, prefix)]
    return [(prefix, value)]


def says(expression: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    """The truth of an expression, worked out over the flattened document."""
    parts = [filter_says(f, flattened(document)) for f in expression.get("Filters", [])]
    for group in expression.get("NestedFilters", []):
        items = [flattened(item, "items") for item in document.get("items", [])]
        parts.append(any(all(filter_says(f, item) for f in group["Filters"]) for item in items))
    parts += [says(sub, document) for sub in expression.get("SubExpressions", [])]
    if expression.get("Operator") == "Or" and parts:
        return True in parts
    return False not in parts


def filter_says(one_filter: Mapping[str, Any], pairs: list[tuple[str, Any]]) -> bool:
    found = [value for path, value in pairs if path == one_filter["Name"]]
    operator, wanted = one_filter["Operator"], one_filter["Value"]
    if operator == "NotExists":
        return found == []
    if operator == "NotEquals":
        return not any(same(value, wanted) for value in found)
    return any(value_says(operator, value, wanted) for value in found)


def value_says(operator: str, value: Any, wanted: str) -> bool:
    if operator == "Exists":
        return True
    if operator == "Equals":
        return same(value, wanted)
    if operator == "Contains":
        return wanted in json.dumps(value).strip('"')
    if operator == "In":
        return any(same(value, choice) for choice in wanted.split(","))
    try:
        left, right = float(value), float(wanted)
    except ValueError:
        return False
    sign = (left > right) - (left < right)
    return {"GreaterThan": [1], "GreaterThanOrEqualTo": [0, 1], "LessThan": [-1]}.get(
        operator, [-1, 0]
    ).count(sign) == 1


def same(value: Any, wanted: str) -> bool:
    if type(value) in (int, float):
        try:
            return bool(value == float(wanted))
        except ValueError:
            return False
    return json.dumps(value).strip('"') == wanted


@given(expression=expressions, document=documents)
@settings(max_examples=400)
def test_expressions_mean_what_another_evaluator_says(
    expression: dict[str, Any], document: dict[str, Any]
) -> None:
    assert matches(expression, document) is says(expression, document)


# --- the operation

KIND = Kind(noun="Model")


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = stores.opened(request.param, tmp_path_factory.mktemp("store"), request.getfixturevalue)
    yield opened
    opened.close()


@pytest.fixture
def here(sqlite_store: Store) -> World:
    return world.made(sqlite_store, clock=HandClock(tick_s=1.0))


def found_names(page: Mapping[str, Any]) -> list[str]:
    return [result["Model"]["ModelName"] for result in page["Results"]]


@given(
    groups=st.lists(st.sampled_from("gh"), max_size=14),
    size=st.integers(1, 5),
    order=st.sampled_from(["Ascending", "Descending"]),
    sort=st.sampled_from([None, "ModelName", "CreationTime", "ExecutionRoleArn", "VpcConfig.Nowhere"]),
    inserts=st.lists(st.integers(0, 3), max_size=6),
)
def test_pages_of_a_search_joined_are_what_matches_in_order_while_rows_are_added(
    shared: Store, groups: list[str], size: int, order: str, sort: str | None, inserts: list[int]
) -> None:
    account = ids.token(6)
    rows = [
        stores.record(f"m{n}", at=float(n % 4), doc={"ExecutionRoleArn": group}, account=account)
        for n, group in enumerate(groups)
    ]
    stores.insert(shared, *rows)
    here = world.made(shared, kinds=(KIND,))
    context = here.registry.context(world_caller(account), request_id="q")
    request: dict[str, Any] = {
        "Resource": "Model",
        "MaxResults": size,
        "SortOrder": order,
        "SearchExpression": {"Filters": [one("ExecutionRoleArn", "Equals", "g")]},
        **({"SortBy": sort} if sort else {}),
    }
    seen: list[str] = []
    token = None
    fresh = iter(inserts)
    while True:
        page = search.search({**request, "NextToken": token}, context)
        seen += found_names(page)
        token = page["NextToken"]
        if token is None:
            break
        for n in range(next(fresh, 0)):
            name = f"late-{len(seen)}-{n}"
            stores.insert(shared, stores.record(name, at=2.0, doc={"ExecutionRoleArn": "g"}, account=account))
    stayed = [row for row in rows if row.doc["ExecutionRoleArn"] == "g"]
    keys: dict[str | None, Any] = {
        "ModelName": lambda r: r.key.name,
        "CreationTime": lambda r: r.created_at,
        None: lambda r: r.created_at,
    }
    by = keys.get(sort, lambda r: 0)
    stayed.sort(key=lambda r: (by(r), r.arn), reverse=order == "Descending")
    assert [name for name in seen if not name.startswith("late")] == [row.key.name for row in stayed]
    assert len(seen) == len(set(seen))


def world_caller(account: str) -> Caller:
    return dataclasses.replace(world.ROOT, account=account)


def test_search_shows_the_resource_and_its_tags(here: World) -> None:
    label = {"Key": "project", "Value": "credit"}
    here.call("CreateEndpoint", EndpointName="a", EndpointConfigName="c", Tags=[label])
    here.call("CreateEndpoint", EndpointName="b", EndpointConfigName="c")
    by_tag = {"Filters": [one("Tags.project", "Equals", "credit")]}
    page = here.call("Search", Resource="Endpoint", SearchExpression=by_tag)
    (result,) = page["Results"]
    assert result["Endpoint"]["EndpointName"] == "a"
    assert result["Endpoint"]["EndpointStatus"] == "Creating"
    assert result["Endpoint"]["Tags"] == [label]


def test_a_model_is_shown_within_its_dashboard(here: World) -> None:
    here.call("CreateModel", ModelName="a")
    for name in ("ModelName", "Model.ModelName"):
        expression = {"Filters": [one(name, "Equals", "a")]}
        page = here.call("Search", Resource="Model", SearchExpression=expression)
        assert [result["Model"]["Model"]["ModelName"] for result in page["Results"]] == ["a"]


def test_search_over_what_is_not_offered_is_refused_by_name(here: World) -> None:
    with pytest.raises(errors.Validation, match="Experiment is not offered"):
        here.call("Search", Resource="Experiment")


def test_a_search_without_matches_answers_an_empty_list(here: World) -> None:
    context = here.registry.context(world.ROOT, request_id="q")
    assert search.search({"Resource": "Model"}, context) == {"Results": [], "NextToken": None}


@pytest.mark.parametrize(
    "asked",
    [
        {"SearchExpression": {"Filters": [one("ModelNames", "Equals", "m")]}},
        {"SearchExpression": {"SubExpressions": [{"Filters": [one("Nowhere.Deep", "Exists", "")]}]}},
        {"SortBy": "Nowhere"},
    ],
)
def test_a_property_that_the_resource_does_not_have_is_named(here: World, asked: dict[str, Any]) -> None:
    context = here.registry.context(world.ROOT, request_id="q")
    with pytest.raises(errors.Validation, match=r"(ModelNames|Nowhere\S*) is not a property of Model"):
        search.search({"Resource": "Model", **asked}, context)


@pytest.mark.parametrize("token", ["x", "NQ==", "WzEsMl0=", "\u00fc", "W1tbW1s="])
def test_a_made_up_token_is_refused(here: World, token: str) -> None:
    context = here.registry.context(world.ROOT, request_id="q")
    with pytest.raises(errors.Validation, match="pagination token"):
        search.search({"Resource": "Model", "NextToken": token}, context)


def test_a_token_is_good_for_its_own_search_only(here: World) -> None:
    for name in "abc":
        here.call("CreateModel", ModelName=name)
    context = here.registry.context(world.ROOT, request_id="q")
    token = search.search({"Resource": "Model", "MaxResults": 1}, context)["NextToken"]
    asked = {"Resource": "Model", "MaxResults": 9, "NextToken": token}
    assert found_names(search.search(asked, context)) == ["b", "a"]
    with pytest.raises(errors.Validation, match="another search"):
        search.search({**asked, "SortOrder": "Ascending"}, context)
