"""What models, endpoint configurations and endpoints accept, refuse, list and find."""

import datetime
import json
from typing import Any

import pytest

from tests.support import workshop as shop
from tests.support.workshop import Workshop

pytestmark = pytest.mark.slow

IMAGE = {"Image": shop.SKLEARN}
SOURCE = {"S3Uri": "s3://b/m/", "S3DataType": "S3Prefix", "CompressionType": "None"}

MODELS: dict[str, dict[str, Any]] = {
    "PrimaryContainer.Mode": {"PrimaryContainer": {**IMAGE, "Mode": "MultiModel"}},
    "PrimaryContainer.ImageConfig.RepositoryAccessMode": {
        "PrimaryContainer": {**IMAGE, "ImageConfig": {"RepositoryAccessMode": "Vpc"}}
    },
    "PrimaryContainer.MultiModelConfig": {
        "PrimaryContainer": {**IMAGE, "MultiModelConfig": {"ModelCacheSetting": "Enabled"}}
    },
    "PrimaryContainer.InferenceSpecificationName": {
        "PrimaryContainer": {**IMAGE, "InferenceSpecificationName": "x"}
    },
    "PrimaryContainer.ModelDataSource.S3DataSource.ModelAccessConfig": {
        "PrimaryContainer": {
            **IMAGE,
            "ModelDataSource": {"S3DataSource": {**SOURCE, "ModelAccessConfig": {"AcceptEula": True}}},
        }
    },
    "Containers[0].Mode": {"PrimaryContainer": None, "Containers": [{**IMAGE, "Mode": "MultiModel"}]},
    "VpcConfig": {"VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["s-1"]}},
    "InferenceExecutionConfig.Mode": {"InferenceExecutionConfig": {"Mode": "Direct"}},
    "needs one container": {"PrimaryContainer": None, "Containers": [IMAGE, IMAGE]},
    "either PrimaryContainer or Containers": {"Containers": [IMAGE]},
    "Known images": {"PrimaryContainer": {"Image": "nobody/knows:1"}},
    "The container.Image must be given": {"PrimaryContainer": {"ModelDataUrl": "s3://b/m.tar.gz"}},
    "Could not find model data at s3://workshop/no/model.tar.gz.": {
        "PrimaryContainer": {**IMAGE, "ModelDataUrl": "s3://workshop/no/model.tar.gz"}
    },
    "Could not find model data at s3://workshop/no/folder/.": {
        "PrimaryContainer": {
            **IMAGE,
            "ModelDataSource": {"S3DataSource": {**SOURCE, "S3Uri": "s3://workshop/no/folder/"}},
        }
    },
    "Could not find model data at s3://nobody/m.tar.gz.": {
        "PrimaryContainer": {**IMAGE, "ModelDataUrl": "s3://nobody/m.tar.gz"}
    },
    "cross-account": {"ExecutionRoleArn": "arn:aws:iam::999999999999:role/x"},
}


@pytest.mark.parametrize("words", sorted(MODELS))
def test_a_model_that_cannot_be_served_is_refused(workshop: Workshop, words: str) -> None:
    request = {
        "ModelName": workshop.name("model"),
        "PrimaryContainer": IMAGE,
        "ExecutionRoleArn": workshop.role,
        **MODELS[words],
    }
    with workshop.refused("ValidationException", words):
        workshop.sagemaker.create_model(**{name: value for name, value in request.items() if value})


VARIANTS: dict[str, dict[str, Any]] = {
    "ProductionVariants[0].ServerlessConfig": {
        "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
    },
    "ProductionVariants[0].AcceleratorType": {"AcceleratorType": "ml.eia1.medium"},
    "ProductionVariants[0].EnableSSMAccess": {"EnableSSMAccess": True},
    "ProductionVariants[0].ManagedInstanceScaling": {"ManagedInstanceScaling": {"Status": "ENABLED"}},
    "ProductionVariants[0].CoreDumpConfig": {"CoreDumpConfig": {"DestinationS3Uri": "s3://b/x"}},
    "Could not find model": {"ModelName": "nobody"},
    "InstanceType": {"InstanceType": None},
}
CONFIGS: dict[str, dict[str, Any]] = {
    "DataCaptureConfig.EnableCapture": {
        "DataCaptureConfig": {
            "EnableCapture": True,
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": "s3://b/x",
            "CaptureOptions": [{"CaptureMode": "Input"}],
        }
    },
    "AsyncInferenceConfig": {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://b/x"}}},
    "KmsKeyId": {"KmsKeyId": "alias/key"},
    "VpcConfig": {"VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["s-1"]}},
    "ExplainerConfig": {
        "ExplainerConfig": {"ClarifyExplainerConfig": {"ShapConfig": {"ShapBaselineConfig": {}}}}
    },
}


@pytest.mark.parametrize("words", sorted(VARIANTS))
def test_a_variant_that_cannot_be_served_is_refused(workshop: Workshop, echo: str, words: str) -> None:
    variant = {**workshop.variant(echo), **VARIANTS[words]}
    with workshop.refused("ValidationException", words):
        workshop.config({name: value for name, value in variant.items() if value is not None})


@pytest.mark.parametrize("words", sorted(CONFIGS))
def test_a_configuration_that_is_not_carried_out_is_refused(
    workshop: Workshop, echo: str, words: str
) -> None:
    with workshop.refused("ValidationException", words):
        workshop.sagemaker.create_endpoint_config(
            EndpointConfigName=workshop.name("config"),
            ProductionVariants=[workshop.variant(echo)],
            **CONFIGS[words],
        )


def test_two_variants_of_one_name_are_refused(workshop: Workshop, echo: str) -> None:
    with workshop.refused("ValidationException", "must be unique"):
        workshop.config(workshop.variant(echo), workshop.variant(echo))


def routing(kind: str, **more: Any) -> dict[str, Any]:
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {"Type": kind, "WaitIntervalInSeconds": 0, **more},
            "TerminationWaitInSeconds": 0,
        }
    }


def test_ways_of_deploying_that_are_not_carried_out_are_refused(workshop: Workshop, echo: str) -> None:
    config = workshop.config(workshop.variant(echo))
    policies = {
        "DeploymentConfig.BlueGreenUpdatePolicy.TrafficRoutingConfiguration.Type": routing(
            "CANARY", CanarySize={"Type": "INSTANCE_COUNT", "Value": 1}
        ),
        "DeploymentConfig.AutoRollbackConfiguration.Alarms": {
            **routing("ALL_AT_ONCE"),
            "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "a"}]},
        },
    }
    for words, policy in policies.items():
        with workshop.refused("ValidationException", words):
            workshop.sagemaker.create_endpoint(
                EndpointName=workshop.name("endpoint"), EndpointConfigName=config, DeploymentConfig=policy
            )


def test_an_update_may_keep_weights_and_counts_and_carry_a_policy(
    workshop: Workshop, echo: str, other_echo: str
) -> None:
    name = workshop.deployed(workshop.variant(echo))
    workshop.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=name,
        DesiredWeightsAndCapacities=[
            {"VariantName": "AllTraffic", "DesiredWeight": 7, "DesiredInstanceCount": 2}
        ],
    )
    workshop.settled(name)
    workshop.sagemaker.update_endpoint(
        EndpointName=name,
        EndpointConfigName=workshop.config(workshop.variant(other_echo)),
        RetainAllVariantProperties=True,
        DeploymentConfig=routing("ALL_AT_ONCE"),
    )
    found = workshop.settled(name)
    (variant,) = found["ProductionVariants"]
    assert (variant["CurrentWeight"], variant["CurrentInstanceCount"]) == (7, 2)
    assert found["LastDeploymentConfig"]["BlueGreenUpdatePolicy"]["TerminationWaitInSeconds"] == 0
    assert json.loads(workshop.invoke(name, b"x"))["word"] == "two"
    with workshop.refused("ValidationException", "ExcludeRetainedVariantProperties"):
        workshop.sagemaker.update_endpoint(
            EndpointName=name,
            EndpointConfigName=found["EndpointConfigName"],
            RetainAllVariantProperties=True,
            ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DesiredWeight"}],
        )
    workshop.gone(name)


def test_everything_is_listed_tagged_and_found(workshop: Workshop, echo: str) -> None:
    name = workshop.deployed(workshop.variant(echo))
    found = workshop.endpoint(name)
    config = found["EndpointConfigName"]
    sagemaker, hour = workshop.sagemaker, datetime.timedelta(hours=1)
    lists = {
        "list_endpoints": ("Endpoints", "EndpointName", name),
        "list_endpoint_configs": ("EndpointConfigs", "EndpointConfigName", config),
        "list_models": ("Models", "ModelName", echo),
    }
    for call, (member, named, wanted) in lists.items():
        ask = getattr(sagemaker, call)
        assert wanted in [one[named] for one in ask(NameContains=wanted)[member]]
        assert ask(NameContains=wanted, CreationTimeBefore=found["CreationTime"] - hour)[member] == []
        pages = sagemaker.get_paginator(call).paginate(PaginationConfig={"PageSize": 1})
        assert wanted in [one[named] for page in pages for one in page[member]]
    assert name in [
        one["EndpointName"] for one in sagemaker.list_endpoints(StatusEquals="InService")["Endpoints"]
    ]
    sagemaker.add_tags(ResourceArn=found["EndpointArn"], Tags=[{"Key": "team", "Value": name}])
    filters = [{"Name": "Tags.team", "Operator": "Equals", "Value": name}]
    (result,) = sagemaker.search(Resource="Endpoint", SearchExpression={"Filters": filters})["Results"]
    assert result["Endpoint"]["EndpointName"] == name
    assert result["Endpoint"]["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    assert "_" not in "".join(key[0] for key in result["Endpoint"])
    filters = [{"Name": "ModelName", "Operator": "Equals", "Value": echo}]
    (result,) = sagemaker.search(Resource="Model", SearchExpression={"Filters": filters})["Results"]
    assert result["Model"]["Model"]["PrimaryContainer"]["Image"] == shop.SKLEARN
    with workshop.refused("ValidationException", "Experiment"):
        sagemaker.search(Resource="Experiment")
    workshop.gone(name)


def test_what_is_deleted_can_be_made_again(workshop: Workshop, echo: str) -> None:
    name = workshop.deployed(workshop.variant(echo))
    config = workshop.endpoint(name)["EndpointConfigName"]
    workshop.gone(name)
    workshop.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
    assert workshop.settled(name)["EndpointStatus"] == "InService"
    assert json.loads(workshop.invoke(name, b"x"))["word"] == "one"
    workshop.gone(name)
    workshop.sagemaker.delete_endpoint_config(EndpointConfigName=config)
    with workshop.refused("ValidationException", "Could not find endpoint configuration"):
        workshop.sagemaker.delete_endpoint_config(EndpointConfigName=config)
    with workshop.refused("ValidationException", "Could not find model"):
        workshop.sagemaker.delete_model(ModelName="nobody")
