"""What CreateTrainingJob and its siblings accept, refuse, list and find."""

import copy
import datetime
from typing import Any

import pytest

from tests.support import workshop as shop
from tests.support.workshop import Workshop

pytestmark = pytest.mark.slow

S3 = "s3://workshop/x"
CHANNEL = {
    "ChannelName": "train",
    "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": S3}},
}
NOT_OFFERED: dict[str, dict[str, Any]] = {
    "AlgorithmSpecification.AlgorithmName": {"AlgorithmSpecification": {"AlgorithmName": "mine"}},
    "AlgorithmSpecification.TrainingImageConfig": {
        "AlgorithmSpecification": {"TrainingImageConfig": {"TrainingRepositoryAccessMode": "Vpc"}}
    },
    "AlgorithmSpecification.TrainingInputMode": {"AlgorithmSpecification": {"TrainingInputMode": "Pipe"}},
    "InputDataConfig[0].InputMode": {"InputDataConfig": [{**CHANNEL, "InputMode": "Pipe"}]},
    "InputDataConfig[0].CompressionType": {"InputDataConfig": [{**CHANNEL, "CompressionType": "Gzip"}]},
    "InputDataConfig[0].RecordWrapperType": {
        "InputDataConfig": [{**CHANNEL, "RecordWrapperType": "RecordIO"}]
    },
    "InputDataConfig[0].ShuffleConfig": {"InputDataConfig": [{**CHANNEL, "ShuffleConfig": {"Seed": 1}}]},
    "InputDataConfig[0].DataSource.FileSystemDataSource": {
        "InputDataConfig": [
            {
                "ChannelName": "train",
                "DataSource": {
                    "FileSystemDataSource": {
                        "FileSystemId": "fs-12345678901",
                        "FileSystemAccessMode": "ro",
                        "FileSystemType": "EFS",
                        "DirectoryPath": "/x",
                    }
                },
            }
        ]
    },
    "InputDataConfig[0].DataSource.S3DataSource.S3DataType": {
        "InputDataConfig": [
            {
                "ChannelName": "train",
                "DataSource": {"S3DataSource": {"S3DataType": "AugmentedManifestFile", "S3Uri": S3}},
            }
        ]
    },
    "OutputDataConfig.KmsKeyId": {"OutputDataConfig": {"KmsKeyId": "alias/key"}},
    "ResourceConfig.VolumeKmsKeyId": {"ResourceConfig": {"VolumeKmsKeyId": "alias/key"}},
    "ResourceConfig.KeepAlivePeriodInSeconds": {"ResourceConfig": {"KeepAlivePeriodInSeconds": 60}},
    "ResourceConfig.InstanceGroups": {
        "ResourceConfig": {
            "InstanceGroups": [{"InstanceGroupName": "g", "InstanceType": "ml.m5.large", "InstanceCount": 1}]
        }
    },
    "VpcConfig": {"VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}},
    "EnableInterContainerTrafficEncryption": {"EnableInterContainerTrafficEncryption": True},
    "DebugHookConfig.CollectionConfigurations": {
        "DebugHookConfig": {"S3OutputPath": S3, "CollectionConfigurations": [{"CollectionName": "all"}]}
    },
    "DebugRuleConfigurations": {
        "DebugRuleConfigurations": [{"RuleConfigurationName": "r", "RuleEvaluatorImage": "i"}]
    },
    "ProfilerConfig.ProfilingParameters": {"ProfilerConfig": {"ProfilingParameters": {"a": "b"}}},
    "ProfilerRuleConfigurations": {
        "ProfilerRuleConfigurations": [{"RuleConfigurationName": "r", "RuleEvaluatorImage": "i"}]
    },
    "TensorBoardOutputConfig": {"TensorBoardOutputConfig": {"S3OutputPath": S3}},
    "ExperimentConfig": {"ExperimentConfig": {"ExperimentName": "e"}},
    "RemoteDebugConfig.EnableRemoteDebug": {"RemoteDebugConfig": {"EnableRemoteDebug": True}},
    "InfraCheckConfig.EnableInfraCheck": {"InfraCheckConfig": {"EnableInfraCheck": True}},
}


def merged(request: shop.Document, change: dict[str, Any]) -> shop.Document:
    found = copy.deepcopy(request)
    for member, value in change.items():
        found[member] = {**found.get(member, {}), **value} if isinstance(value, dict) else value
    return found


@pytest.mark.parametrize("member", sorted(NOT_OFFERED))
def test_a_parameter_that_is_not_carried_out_is_refused_by_name(workshop: Workshop, member: str) -> None:
    request = merged(workshop.training_request(), NOT_OFFERED[member])
    with workshop.refused("ValidationException", member, "not supported"):
        workshop.sagemaker.create_training_job(**request)


WRONG: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    (
        "unknown image",
        {"AlgorithmSpecification": {"TrainingImage": "nobody/knows:1", "TrainingInputMode": "File"}},
        ("nobody/knows:1", "Known images", "xgboost:latest"),
    ),
    (
        "no image",
        {"AlgorithmSpecification": {"TrainingInputMode": "File"}},
        ("AlgorithmSpecification.TrainingImage must be given",),
    ),
    (
        "another account's role",
        {"RoleArn": "arn:aws:iam::999999999999:role/x"},
        ("cross-account", "999999999999"),
    ),
    ("two channels of one name", {"InputDataConfig": [CHANNEL, CHANNEL]}, ("two channels named train",)),
    (
        "an expression that does not compile",
        {
            "AlgorithmSpecification": {
                "TrainingImage": shop.XGBOOST,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "m", "Regex": "("}],
            }
        },
        ("MetricDefinitions", "m"),
    ),
    (
        "an expression without a group",
        {
            "AlgorithmSpecification": {
                "TrainingImage": shop.XGBOOST,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "m", "Regex": "x"}],
            }
        },
        ("has no group",),
    ),
    ("no instance type", {"ResourceConfig": {"InstanceCount": 1, "VolumeSizeInGB": 1}}, ("InstanceType",)),
    (
        "an output that is no address",
        {"OutputDataConfig": {"S3OutputPath": "https://host/x"}},
        ("S3OutputPath",),
    ),
    (
        "a repeated tag",
        {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]},
        ("Duplicate tag",),
    ),
]


@pytest.mark.parametrize(("change", "words"), [(c, w) for _, c, w in WRONG], ids=[n for n, _, _ in WRONG])
def test_a_request_that_cannot_be_carried_out_says_why(
    workshop: Workshop, change: dict[str, Any], words: tuple[str, ...]
) -> None:
    with workshop.refused("ValidationException", *words):
        workshop.sagemaker.create_training_job(**workshop.training_request(**change))


def prefix_of(jobs: list[str]) -> str:
    return jobs[0].removesuffix("0")


@pytest.fixture(scope="module")
def jobs(workshop: Workshop) -> list[str]:
    """Two jobs that ended well and one that failed, oldest first."""
    ends = {"pass": "Completed", "print('x')": "Completed", "raise SystemExit(1)": "Failed"}
    prefix = workshop.name("listed")
    names = []
    for i, (code, end) in enumerate(ends.items()):
        name = f"{prefix}-{i}"
        request = workshop.program(
            code,
            TrainingJobName=name,
            Tags=[{"Key": "number", "Value": str(i)}],
            HyperParameters={"n": str(i)},
        )
        workshop.train(request, expect=end)
        names.append(name)
    return names


def test_a_taken_name_is_refused_in_the_words_that_clients_look_for(
    workshop: Workshop, jobs: list[str]
) -> None:
    with workshop.refused("ResourceInUse", "already exists"):
        workshop.sagemaker.create_training_job(**workshop.training_request(TrainingJobName=jobs[0]))


def test_an_unknown_job_is_refused_in_the_words_that_clients_look_for(workshop: Workshop) -> None:
    for call in ("describe_training_job", "stop_training_job", "delete_training_job"):
        with workshop.refused("ValidationException", "Requested resource not found"):
            getattr(workshop.sagemaker, call)(TrainingJobName="nobody")


def names_of(answer: shop.Document) -> list[str]:
    return [one["TrainingJobName"] for one in answer["TrainingJobSummaries"]]


def test_lists_filter_sort_and_page(workshop: Workshop, jobs: list[str]) -> None:
    ask = workshop.sagemaker.list_training_jobs
    assert names_of(ask(NameContains=prefix_of(jobs))) == jobs[::-1]
    assert names_of(ask(NameContains=prefix_of(jobs), SortBy="Name", SortOrder="Ascending")) == jobs
    assert names_of(ask(NameContains=prefix_of(jobs), StatusEquals="Failed")) == [jobs[2]]
    created, hour = workshop.training(jobs[1])["CreationTime"], datetime.timedelta(hours=1)
    assert names_of(ask(NameContains=prefix_of(jobs), CreationTimeAfter=created - hour)) == jobs[::-1]
    assert names_of(ask(NameContains=prefix_of(jobs), CreationTimeAfter=created + hour)) == []
    assert names_of(ask(NameContains=prefix_of(jobs), LastModifiedTimeBefore=created - hour)) == []
    pages = workshop.sagemaker.get_paginator("list_training_jobs").paginate(
        NameContains=prefix_of(jobs), PaginationConfig={"PageSize": 1}
    )
    assert [name for page in pages for name in names_of(page)] == jobs[::-1]


def test_a_summary_has_what_lists_show(workshop: Workshop, jobs: list[str]) -> None:
    (summary,) = workshop.sagemaker.list_training_jobs(NameContains=jobs[0])["TrainingJobSummaries"]
    assert set(summary) >= {
        "TrainingJobName",
        "TrainingJobArn",
        "CreationTime",
        "TrainingEndTime",
        "LastModifiedTime",
        "TrainingJobStatus",
    }


def test_a_job_is_found_by_its_members_and_tags(workshop: Workshop, jobs: list[str]) -> None:
    def found(*filters: dict[str, str]) -> list[str]:
        answer = workshop.sagemaker.search(
            Resource="TrainingJob",
            SearchExpression={"Filters": list(filters)},
            SortBy="CreationTime",
            SortOrder="Ascending",
        )
        return [one["TrainingJob"]["TrainingJobName"] for one in answer["Results"]]

    by_name = {"Name": "TrainingJobName", "Operator": "Contains", "Value": prefix_of(jobs)}
    assert found(by_name) == jobs
    assert found(by_name, {"Name": "Tags.number", "Operator": "Equals", "Value": "1"}) == [jobs[1]]
    assert found(by_name, {"Name": "TrainingJobStatus", "Operator": "Equals", "Value": "Failed"}) == [jobs[2]]
    assert found(by_name, {"Name": "HyperParameters.n", "Operator": "Equals", "Value": "0"}) == [jobs[0]]
    assert found({"Name": "TrainingJobName", "Operator": "Equals", "Value": "nobody"}) == []


def test_tags_of_a_job_can_be_read_and_changed(workshop: Workshop, jobs: list[str]) -> None:
    arn = workshop.training(jobs[0])["TrainingJobArn"]
    sagemaker = workshop.sagemaker
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "team", "Value": "risk"}])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [
        {"Key": "number", "Value": "0"},
        {"Key": "team", "Value": "risk"},
    ]
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["team"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "number", "Value": "0"}]


def test_a_job_is_deleted_once_it_has_ended_and_not_before(workshop: Workshop) -> None:
    name = workshop.start_training(workshop.program("import time; print('ready'); time.sleep(60)"))
    workshop.running(name, "ready")
    with workshop.refused("ValidationException", "InProgress"):
        workshop.sagemaker.delete_training_job(TrainingJobName=name)
    workshop.sagemaker.stop_training_job(TrainingJobName=name)
    workshop.trained(name)
    workshop.sagemaker.delete_training_job(TrainingJobName=name)
    with workshop.refused("ValidationException", "Requested resource not found"):
        workshop.training(name)


def test_the_profiler_of_a_running_job_can_be_changed_and_nothing_else(workshop: Workshop) -> None:
    name = workshop.start_training(workshop.program("import time; print('ready'); time.sleep(60)"))
    workshop.running(name, "ready")
    update = workshop.sagemaker.update_training_job
    update(TrainingJobName=name, ProfilerConfig={"DisableProfiler": True})
    assert workshop.training(name)["ProfilerConfig"]["DisableProfiler"] is True
    with workshop.refused("ValidationException", "ResourceConfig.KeepAlivePeriodInSeconds"):
        update(TrainingJobName=name, ResourceConfig={"KeepAlivePeriodInSeconds": 60})
    workshop.sagemaker.stop_training_job(TrainingJobName=name)
    workshop.trained(name)
    with workshop.refused("ValidationException", "Stopped"):
        update(TrainingJobName=name, ProfilerConfig={"DisableProfiler": True})
