"""Requests and answers by example, in AWS's words."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

import pytest

from glasshouse.kernel import errors, model

SERVICES = model.Services()
SAGEMAKER = SERVICES["sagemaker"]

TRAINING_JOB: dict[str, Any] = {
    "TrainingJobName": "xgboost-2026-01-01-00-00-00-000",
    "AlgorithmSpecification": {
        "TrainingInputMode": "File",
        "TrainingImage": "811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:latest",
    },
    "RoleArn": "arn:aws:iam::000000000000:role/Glasshouse",
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/prefix/output"},
    "ResourceConfig": {"InstanceType": "ml.m4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
    "StoppingCondition": {"MaxRuntimeInSeconds": 86400},
    "InputDataConfig": [
        {
            "ChannelName": name,
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": f"s3://bucket/prefix/{name}",
                    "S3DataDistributionType": "FullyReplicated",
                }
            },
            "ContentType": "csv",
        }
        for name in ("train", "validation")
    ],
    "HyperParameters": {"max_depth": "5", "eta": "0.2", "objective": "binary:logistic", "num_round": "100"},
    "DebugHookConfig": {"S3OutputPath": "s3://bucket/", "CollectionConfigurations": []},
    "ProfilerConfig": {"S3OutputPath": "s3://bucket/", "DisableProfiler": False},
}


def refused(operation: str, body: dict[str, Any], *, service: str = "sagemaker") -> str:
    with pytest.raises(errors.Validation) as caught:
        model.read(SERVICES[service], operation, body)
    assert (caught.value.code, caught.value.status) == ("ValidationException", 400)
    return caught.value.message


def test_what_a_client_sends_is_read_as_it_is():
    assert model.read(SAGEMAKER, "CreateTrainingJob", TRAINING_JOB) == TRAINING_JOB


def test_a_missing_member_is_told_as_aws_tells_it():
    body = TRAINING_JOB | {"TrainingJobName": None}
    assert refused("CreateTrainingJob", body) == (
        "1 validation error detected: Value null at 'trainingJobName' failed to satisfy constraint: "
        "Member must not be null"
    )


def test_a_pattern_is_told_as_aws_tells_it():
    assert refused("DescribeModel", {"ModelName": "a_b"}) == (
        "1 validation error detected: Value 'a_b' at 'modelName' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: [a-zA-Z0-9]([\\-a-zA-Z0-9]*[a-zA-Z0-9])?"
    )


def test_items_of_lists_and_maps_are_told_as_aws_tells_them():
    network = TRAINING_JOB | {"VpcConfig": {"SecurityGroupIds": ["!"], "Subnets": ["s"]}}
    assert refused("CreateTrainingJob", network) == (
        "1 validation error detected: Value '[!]' at 'vpcConfig.securityGroupIds' failed to satisfy constraint: "
        "Member must satisfy constraint: [Member must have length less than or equal to 32, "
        "Member must have length greater than or equal to 0, "
        "Member must satisfy regular expression pattern: [-0-9a-zA-Z]+]"
    )
    parameters = TRAINING_JOB | {"HyperParameters": {"a": "b" * 2501}}
    told = refused("CreateTrainingJob", parameters)
    assert (
        "at 'hyperParameters' failed to satisfy constraint: Map value must satisfy constraint: [Member"
        in told
    )


def test_a_member_of_a_list_is_named_by_its_place():
    assert "at 'tags.2.member.key'" in refused(
        "AddTags",
        {
            "ResourceArn": "arn:aws:sagemaker:us-east-1:000000000000:model/m",
            "Tags": [{"Key": "k", "Value": ""}, {"Value": ""}],
        },
    )


def test_unknown_members_are_refused():
    told = refused("CreateTrainingJob", TRAINING_JOB | {"Surprise": 1})
    assert told.endswith("Value 'Surprise' at 'surprise' failed to satisfy constraint: Member is unknown")


def test_several_problems_come_in_one_sentence():
    told = refused(
        "CreateTrainingJob", TRAINING_JOB | {"RoleArn": None, "ResourceConfig": {"VolumeSizeInGB": "30"}}
    )
    assert told.startswith("2 validation errors detected: Value null at 'roleArn'")
    assert "; Value '30' at 'resourceConfig.volumeSizeInGB'" in told


def test_patterns_alone_can_be_relaxed():
    assert model.read(SAGEMAKER, "DescribeModel", {"ModelName": "a_b"}, patterns=False) == {
        "ModelName": "a_b"
    }
    with pytest.raises(errors.Validation):
        model.read(SAGEMAKER, "DescribeModel", {"ModelName": "a" * 64}, patterns=False)


def test_nulls_and_an_empty_page_token_count_as_absent():
    assert model.read(SAGEMAKER, "ListModels", {"NextToken": "", "NameContains": None}) == {}
    assert model.read(SAGEMAKER, "ListModels", {"NextToken": "t"}) == {"NextToken": "t"}


def test_other_empty_texts_are_not_absent():
    assert "at 'roleName'" in refused("GetRole", {"RoleName": ""}, service="iam")


@pytest.mark.parametrize(
    "given",
    [
        1_767_225_600,
        1_767_225_600.0,
        "2026-01-01T00:00:00Z",
        "2026-01-01T01:00:00+01:00",
        "2026-01-01T00:00:00",
        "Thu, 01 Jan 2026 00:00:00 GMT",
        dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    ],
)
def test_instants_are_read_in_every_form_clients_use(given):
    read = model.read(SAGEMAKER, "ListModels", {"CreationTimeAfter": given})
    assert read["CreationTimeAfter"] == dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert read["CreationTimeAfter"].tzinfo == dt.UTC


@pytest.mark.parametrize("given", [True, "soon", 1e300, float("nan"), [], "9999-12-31T23:59:59-23:00"])
def test_what_is_no_instant_is_refused(given):
    assert "Member must be a timestamp" in refused("ListModels", {"CreationTimeAfter": given})


@pytest.mark.parametrize("given", [1.0, True, "1", [], 2**31])
def test_integers_are_integers(given):
    assert "'maxResults'" in refused("ListModels", {"MaxResults": given})


def test_floats_may_be_whole_or_not_finite():
    def score(value: Any) -> Any:
        variant = {"VariantName": "v", "ModelName": "m", "InitialVariantWeight": value}
        body = {"EndpointConfigName": "c", "ProductionVariants": [variant]}
        return model.read(SAGEMAKER, "CreateEndpointConfig", body)["ProductionVariants"][0][
            "InitialVariantWeight"
        ]

    assert score(1) == 1.0
    assert score("Infinity") == float("inf")
    with pytest.raises(errors.Validation):
        score("1")


def test_a_union_has_exactly_one_member():
    rule = next(rule for rule in _unions() if len(rule.members) > 1)
    first, second = list(rule.members)[:2]
    for given in ({}, {first: _any(rule.members[first]), second: _any(rule.members[second])}):
        with pytest.raises(errors.Validation, match=r"Exactly one of \["):
            model.checked(rule, given)


def _unions() -> list[Any]:
    for operation in SAGEMAKER.operations:
        SAGEMAKER.input(operation)
    return [rule for rule in SAGEMAKER._rules.values() if getattr(rule, "union", False)]


def _any(rule: Any) -> Any:
    return {} if hasattr(rule, "members") else "x"


def test_deep_nesting_is_refused_and_does_no_harm():
    expression: dict[str, Any] = {}
    for _ in range(5000):
        expression = {"SubExpressions": [expression]}
    told = refused("Search", {"Resource": "TrainingJob", "SearchExpression": expression})
    assert "Member must not be nested deeper than" in told


def test_a_secret_is_not_repeated():
    body = {"RoleArn": "x" * 30, "RoleSessionName": "s", "SerialNumber": "!", "TokenCode": "12"}
    told = refused("AssumeRole", body, service="sts")
    assert "at 'tokenCode'" in told
    sensitive = refused(
        "AssumeRoleWithWebIdentity",
        {"RoleArn": "x" * 30, "RoleSessionName": "ss", "WebIdentityToken": ""},
        service="sts",
    )
    assert "Value at 'webIdentityToken' failed to satisfy" in sensitive


def test_a_typical_request_is_read_in_under_a_millisecond():
    model.read(SAGEMAKER, "CreateTrainingJob", TRAINING_JOB)
    best_s = min(_seconds_to_read() for _ in range(20))
    assert best_s < 0.001


def _seconds_to_read() -> float:
    start = time.perf_counter()
    model.read(SAGEMAKER, "CreateTrainingJob", TRAINING_JOB)
    return time.perf_counter() - start


# --- answers -------------------------------------------------------------------------------------


def test_an_answer_holds_what_json_can_hold():
    written = model.write(
        SAGEMAKER,
        "DescribeModel",
        {"ModelName": "m", "CreationTime": dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "Own": 1},
    )
    assert written == {"ModelName": "m", "CreationTime": 1_767_225_600.0}


def test_pages_carry_their_lists_even_when_empty():
    assert model.write(SAGEMAKER, "ListModels", {}) == {"Models": []}
    assert model.write(SAGEMAKER, "Search", {}) == {"Results": []}
    assert model.write(SERVICES["logs"], "DescribeLogStreams", {}) == {"logStreams": []}
    assert model.write(SAGEMAKER, "DescribeModel", {}) == {}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"ModelName": 5}, r"\.ModelName is not str but int"),
        ({"CreationTime": dt.datetime(2026, 1, 1)}, r"\.CreationTime is a datetime without a time zone"),
        ({"CreationTime": "now"}, r"\.CreationTime is not a timestamp but str"),
        ({"Containers": {}}, r"\.Containers is not list or tuple but dict"),
        ({"EnableNetworkIsolation": 1}, r"\.EnableNetworkIsolation is not bool but int"),
        ({"VpcConfig": {"Subnets": [1]}}, r"\.VpcConfig\.Subnets is not str but int"),
    ],
)
def test_an_answer_of_the_wrong_type_is_our_mistake(value, told):
    with pytest.raises(TypeError, match=told):
        model.write(SAGEMAKER, "DescribeModel", value)


def test_unknown_names_are_key_errors():
    with pytest.raises(KeyError, match="no service"):
        SERVICES["../sagemaker"]
    with pytest.raises(KeyError, match="NoSuchOperation"):
        model.read(SAGEMAKER, "NoSuchOperation", {})


def test_a_service_is_loaded_once():
    assert SERVICES["sagemaker"] is SAGEMAKER
    assert SAGEMAKER.input("CreateModel") is SAGEMAKER.input("CreateModel")
