"""call(): permission, read, handler, write, and one audit entry whatever happens."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from typing import Any

import pytest

from glasshouse.kernel import errors, operations
from glasshouse.kernel.context import Context
from glasshouse.kernel.kinds import Kind
from glasshouse.kernel.records import AuditEntry, Edge, Store
from glasshouse.kernel.registry import Ambiguous
from tests.support import stores, world
from tests.support.clocks import HandClock
from tests.support.world import World


@pytest.fixture
def here(sqlite_store: Store) -> World:
    return world.made(sqlite_store, operations=(_module(crash),), clock=HandClock(tick_s=1.0))


@operations.operation("DescribeDomain")
def crash(request: Mapping[str, Any], context: Context) -> dict[str, Any]:
    raise ZeroDivisionError("an error of ours")


def _module(*functions: Any) -> types.ModuleType:
    """A module that offers these functions."""
    module = types.ModuleType(__name__)
    for function in functions:
        setattr(module, function.__name__, function)
    return module


def audit(here: World) -> list[AuditEntry]:
    with here.store.read() as view:
        return view.audit()


def outcomes(here: World) -> list[tuple[str, str, str]]:
    return [(entry.operation, entry.resource, entry.outcome) for entry in audit(here)]


# --- what is offered


def test_an_operation_that_is_not_offered_answers_501_and_its_name(here: World) -> None:
    with pytest.raises(errors.NotOffered, match="CreateCluster") as caught:
        here.call("CreateCluster", ClusterName="c")
    assert caught.value.status == 501


def test_an_operation_that_no_service_has_answers_404(here: World) -> None:
    with pytest.raises(errors.WireError, match="MakeCoffee") as caught:
        here.call("MakeCoffee")
    assert (caught.value.status, caught.value.code) == (404, "UnknownOperationException")
    with pytest.raises(errors.WireError) as caught:
        here.registry.call("no-such-service", "ListModels", {}, world.ROOT)
    assert caught.value.status == 404


def test_the_verbs_of_a_kind_are_offered_with_those_of_the_kernel(here: World) -> None:
    offered = here.registry.offered()
    assert offered == tuple(sorted(offered))
    assert {
        "AddTags",
        "CreateModel",
        "DeleteModel",
        "DescribeModel",
        "ListModels",
        "ListTags",
        "Search",
        "StopProcessingJob",
    } <= set(offered)
    assert not {"StopModel", "UpdateEndpoint", "DeleteProcessingJobs", "CreateCluster"} & set(offered)
    assert here.registry.services() == ("sagemaker",)


def test_a_marked_function_wins_over_the_derived_verb(sqlite_store: Store) -> None:
    @operations.operation("DescribeModel")
    def mine(request: Mapping[str, Any], context: Context) -> dict[str, Any]:
        return {"ModelName": "mine"}

    here = world.made(sqlite_store, operations=(_module(mine),))
    assert here.call("DescribeModel", ModelName="x")["ModelName"] == "mine"


@operations.operation("CreateModelCard")
def one(request: Mapping[str, Any], context: Context) -> dict[str, Any]:
    return {}


@operations.operation("CreateModelCard")
def other(request: Mapping[str, Any], context: Context) -> dict[str, Any]:
    return {}


@operations.operation("CreateModelChart")
def misspelt(request: Mapping[str, Any], context: Context) -> dict[str, Any]:
    return {}


@pytest.mark.parametrize(
    ("kinds", "functions", "why"),
    [
        ((), (one, other), "CreateModelCard has two handlers"),
        ((), (misspelt,), "CreateModelChart is not an operation"),
        ((world.MODEL, Kind(noun="Model")), (), "Two capabilities declare the kind Model"),
        ((Kind(noun="Model", name_member="Title"),), (), "takes no Title"),
        ((Kind(noun="Model", arn_member="Url"),), (), "answers no Url"),
        ((Kind(noun="Domain"),), (), "CreateDomain takes no DomainName|DescribeDomain takes no DomainName"),
    ],
)
def test_what_is_ambiguous_fails_at_the_start(
    sqlite_store: Store, kinds: tuple[Kind, ...], functions: tuple[Any, ...], why: str
) -> None:
    with pytest.raises(Ambiguous, match=why):
        world.made(sqlite_store, kinds=kinds, operations=(_module(*functions),))


# --- permission


def test_permission_comes_first(here: World) -> None:
    stranger = dataclasses.replace(world.ROOT, account="999999999999")
    for operation in ("CreateModel", "MakeCoffee", "CreateCluster", "DescribeDomain"):
        with pytest.raises(errors.AccessDenied, match=f"sagemaker:{operation}"):
            here.call(operation, stranger, ModelName="not even checked")
    assert {entry.outcome for entry in audit(here)} == {"AccessDeniedException"}
    assert here.find("Model", "not even checked") is None


# --- audit


def test_every_call_leaves_one_entry(here: World) -> None:
    calls: list[tuple[str, dict[str, Any], type[Exception]]] = [
        ("DescribeModel", {"ModelName": "none"}, errors.NotFound),
        ("CreateModel", {"ModelName": ""}, errors.Validation),
        ("CreateCluster", {"ClusterName": "c"}, errors.NotOffered),
        ("MakeCoffee", {}, errors.WireError),
        ("DescribeDomain", {"DomainId": "d-123"}, ZeroDivisionError),
    ]
    here.call("CreateModel", ModelName="m")
    for operation, body, error in calls:
        with pytest.raises(error):
            here.call(operation, **body)
    assert outcomes(here) == [
        ("CreateModel", "m", "ok"),
        ("DescribeModel", "none", "ValidationException"),
        ("CreateModel", "", "ValidationException"),
        ("CreateCluster", "c", "UnsupportedOperation"),
        ("MakeCoffee", "*", "UnknownOperationException"),
        ("DescribeDomain", "*", "InternalFailure"),
    ]


def test_an_entry_says_who_when_and_in_which_request(here: World) -> None:
    here.registry.call("sagemaker", "ListModels", {}, world.ROOT, request_id="q-1")
    entry = audit(here)[0]
    assert (entry.principal, entry.access_key_id) == (world.ROOT.arn, "ASIAROOT")
    assert (entry.account, entry.region, entry.service) == (stores.ACCOUNT, stores.REGION, "sagemaker")
    assert entry.request_id == "q-1"
    assert entry.at > 1_700_000_000


@pytest.mark.parametrize("name", ["nul\0", "\ud800", "x" * 10_000])
def test_nobody_escapes_the_audit_by_an_odd_name(store: Store, name: str) -> None:
    here = world.made(store)
    with pytest.raises(errors.Validation):
        here.call("DescribeModel", ModelName=name)
    assert [entry.operation for entry in audit(here)] == ["DescribeModel"]


# --- strictness


def test_all_that_is_wrong_is_told_at_once(here: World) -> None:
    with pytest.raises(errors.Validation) as caught:
        here.call("CreateModel", ModelName="-bad-", ExecutionRoleArn=5, Primary={})
    for member in ("modelName", "executionRoleArn", "rimary"):
        assert member in caught.value.message
    assert here.find("Model", "-bad-") is None


# --- the derived verbs


def test_what_was_created_is_described_with_all_that_was_sent(here: World) -> None:
    sent: dict[str, Any] = {
        "ModelName": "m",
        "ExecutionRoleArn": world.ROLE,
        "PrimaryContainer": {"Image": "image", "Environment": {"b": "1", "a": "2"}},
        "EnableNetworkIsolation": True,
    }
    created = here.call("CreateModel", **sent, Tags=[{"Key": "k", "Value": "v"}])
    arn = f"arn:aws:sagemaker:{stores.REGION}:{stores.ACCOUNT}:model/m"
    assert created == {"ModelArn": arn}
    described = here.call("DescribeModel", ModelName="m")
    assert described.items() >= {**sent, "ModelArn": arn}.items()
    assert "Tags" not in described
    assert described["CreationTime"] > 1_700_000_000
    assert here.call("ListTags", ResourceArn=arn)["Tags"] == [{"Key": "k", "Value": "v"}]


def test_a_resource_is_found_by_its_arn_too(here: World) -> None:
    arn = here.call("CreateModel", ModelName="m")["ModelArn"]
    job = here.call("CreateProcessingJob", **world.job_request())["ProcessingJobArn"]
    model = here.registry.kinds["Model"]
    context = here.registry.context(world.ROOT, request_id="q")
    from glasshouse.kernel import verbs

    assert verbs.find(model, arn, context).key.name == "m"
    with pytest.raises(errors.NotFound):
        verbs.find(model, job, context)
    elsewhere = here.registry.context(dataclasses.replace(world.ROOT, region="eu-west-1"), request_id="q")
    with pytest.raises(errors.NotFound):
        verbs.find(model, arn, elsewhere)


def test_a_name_is_taken_whatever_its_case(here: World) -> None:
    here.call("CreateModel", ModelName="Mine")
    for name in ("Mine", "mine", "MINE"):
        with pytest.raises(errors.AlreadyExists, match="Cannot create already existing model"):
            here.call("CreateModel", ModelName=name)


def test_what_is_missing_is_said_in_the_words_clients_match(here: World) -> None:
    with pytest.raises(errors.NotFound, match=r'^Could not find model "arn:aws:sagemaker:.*:model/none"\.$'):
        here.call("DescribeModel", ModelName="none")
    with pytest.raises(errors.NotFound, match=r"^Could not find processing job 'none'\.$"):
        here.call("DescribeProcessingJob", ProcessingJobName="none")
    for operation in ("DeleteModel", "DescribeModel"):
        with pytest.raises(errors.NotFound) as caught:
            here.call(operation, ModelName="none")
        assert caught.value.code == "ValidationException"


def test_nobody_sees_resources_of_another_region(here: World) -> None:
    arn = here.call("CreateModel", ModelName="m")["ModelArn"]
    elsewhere = dataclasses.replace(world.ROOT, region="eu-west-1")
    assert here.call("ListModels", elsewhere)["Models"] == []
    for operation, body in (
        ("DescribeModel", {"ModelName": "m"}),
        ("DeleteModel", {"ModelName": "m"}),
        ("ListTags", {"ResourceArn": arn}),
        ("AddTags", {"ResourceArn": arn, "Tags": [{"Key": "a", "Value": "b"}]}),
        ("DeleteTags", {"ResourceArn": arn, "TagKeys": ["a"]}),
    ):
        with pytest.raises(errors.NotFound):
            here.call(operation, elsewhere, **body)


def test_a_deleted_resource_is_gone_and_its_name_is_free(here: World) -> None:
    here.call("CreateModel", ModelName="m", Tags=[{"Key": "k", "Value": "v"}])
    here.call("DeleteModel", ModelName="m")
    with pytest.raises(errors.NotFound):
        here.call("DeleteModel", ModelName="m")
    arn = here.call("CreateModel", ModelName="m")["ModelArn"]
    assert here.call("ListTags", ResourceArn=arn)["Tags"] == []
    with here.store.read() as view:
        events = view.events(arn=arn)
    assert [event.what for event in events] == ["created", "deleted", "created"]
    assert [event.at for event in events] == sorted({event.at for event in events})


def test_delete_moves_a_kind_that_has_work_to_undo(here: World) -> None:
    here.call("CreateEndpoint", EndpointName="e", EndpointConfigName="c")
    here.call("DeleteEndpoint", EndpointName="e")
    assert here.call("DescribeEndpoint", EndpointName="e")["EndpointStatus"] == "Deleting"
    with pytest.raises(errors.Conflict, match="Deleting"):
        here.call("DeleteEndpoint", EndpointName="e")


def test_stop_moves_a_running_job_and_may_be_repeated(here: World) -> None:
    here.call("CreateProcessingJob", **world.job_request())
    for _ in range(2):
        assert here.call("StopProcessingJob", ProcessingJobName="job") == {}
        status = here.call("DescribeProcessingJob", ProcessingJobName="job")["ProcessingJobStatus"]
        assert status == "Stopping"
    assert here.moves() == ["Stopping"]


def test_a_job_that_has_ended_cannot_be_stopped(here: World) -> None:
    stores.insert(here.store, stores.record("job", kind="ProcessingJob", status="Completed"))
    with pytest.raises(errors.Conflict, match="Completed"):
        here.call("StopProcessingJob", ProcessingJobName="job")


def test_a_new_resource_keeps_the_edges_to_what_it_uses(here: World) -> None:
    arn = here.call("CreateProcessingJob", **world.job_request())["ProcessingJobArn"]
    with here.store.read() as view:
        assert view.edges(source=arn) == [Edge(source=arn, target=world.ROLE, relation="runs as")]


def test_a_list_shows_summaries_newest_first(here: World) -> None:
    for name in "cab":
        here.call("CreateModel", ModelName=name, ExecutionRoleArn=world.ROLE)
    listed = here.call("ListModels")
    assert [model["ModelName"] for model in listed["Models"]] == ["b", "a", "c"]
    assert set(listed["Models"][0]) == {"ModelName", "ModelArn", "CreationTime"}
    assert "NextToken" not in listed


# --- tags


def test_tags_are_added_over_each_other_listed_in_pages_and_removed(here: World) -> None:
    arn = here.call("CreateModel", ModelName="m", Tags=[{"Key": "b", "Value": "1"}])["ModelArn"]
    here.call("AddTags", ResourceArn=arn, Tags=[{"Key": k, "Value": "2"} for k in "dcb"])
    seen: list[str] = []
    token = None
    while True:
        page = here.call("ListTags", ResourceArn=arn, MaxResults=50, NextToken=token)
        seen += [tag["Key"] + tag["Value"] for tag in page["Tags"]]
        token = page.get("NextToken")
        if not token:
            break
    assert seen == ["b2", "c2", "d2"]
    here.call("DeleteTags", ResourceArn=arn, TagKeys=["b", "c", "unknown"])
    assert here.call("ListTags", ResourceArn=arn)["Tags"] == [{"Key": "d", "Value": "2"}]


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        (["a", "a"], errors.Validation),
        (["aws:mine"], errors.Validation),
        (["AWS:mine"], errors.Validation),
        ([str(n) for n in range(51)], errors.WireError),
    ],
)
def test_tags_that_break_a_rule_are_refused_everywhere(
    here: World, keys: list[str], error: type[errors.WireError]
) -> None:
    labels = [{"Key": key, "Value": ""} for key in keys]
    arn = here.call("CreateModel", ModelName="m")["ModelArn"]
    with pytest.raises(error):
        here.call("AddTags", ResourceArn=arn, Tags=labels)
    with pytest.raises(error):
        here.call("CreateModel", ModelName="n", Tags=labels)
    assert here.call("ListTags", ResourceArn=arn)["Tags"] == []
    assert here.find("Model", "n") is None


def test_a_resource_never_has_more_than_fifty_tags(here: World) -> None:
    labels = [{"Key": str(n), "Value": ""} for n in range(50)]
    arn = here.call("CreateModel", ModelName="m", Tags=labels)["ModelArn"]
    with pytest.raises(errors.LimitExceeded):
        here.call("AddTags", ResourceArn=arn, Tags=[{"Key": "one more", "Value": ""}])
    here.call("AddTags", ResourceArn=arn, Tags=[{"Key": "7", "Value": "changed"}])
    assert len(here.call("ListTags", ResourceArn=arn)["Tags"]) == 50
