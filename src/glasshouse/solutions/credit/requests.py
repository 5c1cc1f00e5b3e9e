"""The bodies of the requests the solution makes, as plain data; every value of a job is to be read here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Literal

from glasshouse.solutions.credit.layout import ENDPOINT, PACKAGE_GROUP, TAGS, Layout

IMAGE: Final = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
INSTANCE: Final = "ml.m5.large"
CONTENT_TYPE: Final = "application/json"
LINES: Final = "application/jsonlines"
ENTITIES: Final = (
    "data",
    "features",
    "descriptions",
    "prediction",
    "explanation_shap_values",
    "explanation_shap_interaction_values",
    "decision",
    "recourse",
)
BATCH_ENTITIES: Final = ("data", "features", "prediction", "explanation_shap_values", "decision")
OUTCOME: Final = ("prediction", "decision")
RECORDING: Final = {
    "glasshouse:record": "true",
    "glasshouse:outcome": "decision.outcome",
    "glasshouse:subject": "custom-attributes",
}
"""Tags: decisions go into the ledger, each under the key of the applicant, whom CustomAttributes name."""
METRICS: Final = ("train_auc_cv", "train_auc", "test_auc", "test_log_loss")

ModelName = Literal["better", "deck"]
Body = dict[str, Any]

HYPERPARAMETERS: Final[Mapping[ModelName, Mapping[str, object]]] = {
    "deck": {
        "tree-n-estimators": 42,
        "tree-max-depth": 2,
        "tree-min-child-samples": 1,
        "tree-boosting-type": "dart",
        "cv-folds": 5,
    },
    "better": {
        "tree-n-estimators": 300,
        "tree-max-depth": 2,
        "tree-min-child-samples": 10,
        "tree-boosting-type": "gbdt",
        "tree-learning-rate": 0.05,
        "tree-l2": 5.0,
        "tree-feature-share": 0.3,
        "tree-row-share": 0.7,
        "monotone-increasing": "credit__duration,credit__installment_rate,"
        "finance__credits__other_banks,finance__credits__other_stores",
        "monotone-decreasing": "credit__guarantor,employment__duration",
        "cv-folds": 5,
    },
}


def content_type(entities: tuple[str, ...], *, media_type: str = CONTENT_TYPE) -> str:
    """The Content-Type that asks the explainer for these entities."""
    return f"{media_type}; entities={','.join(entities)}"


def processing_job(
    layout: Layout,
    script: str,
    *,
    role_arn: str,
    inputs: Mapping[str, str],
    output: str,
    environment: Mapping[str, str],
) -> Body:
    """CreateProcessingJob: the script on the inputs (folder below `input` -> S3 URI), without a network."""
    return {
        "ProcessingJobName": layout.name(script.removesuffix(".py")),
        "RoleArn": role_arn,
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": INSTANCE, "VolumeSizeInGB": 5}
        },
        "AppSpecification": {
            "ImageUri": IMAGE,
            "ContainerEntrypoint": ["python3", f"/opt/ml/processing/input/code/{script}"],
        },
        "Environment": dict(environment),
        "ProcessingInputs": [
            {
                "InputName": name,
                "S3Input": {
                    "S3Uri": uri,
                    "LocalPath": f"/opt/ml/processing/input/{name}",
                    "S3DataType": "S3Prefix",
                    "S3InputMode": "File",
                },
            }
            for name, uri in inputs.items()
        ],
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": "output",
                    "S3Output": {
                        "S3Uri": output,
                        "LocalPath": "/opt/ml/processing/output",
                        "S3UploadMode": "EndOfJob",
                    },
                }
            ]
        },
        "NetworkConfig": {"EnableNetworkIsolation": True},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        "Tags": TAGS,
    }


def training_job(layout: Layout, *, role_arn: str, model: ModelName) -> Body:
    """CreateTrainingJob in script mode. The code is a channel, so the job needs no network."""
    code = "/opt/ml/input/data/code/sourcedir.tar.gz"
    hyperparameters = {
        **HYPERPARAMETERS[model],
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": code,
    }
    channels = {
        "code": "code/training",
        "schemas": "transformed/schemas",
        "data_train": "transformed/data_train",
        "label_train": "transformed/label_train",
        "data_test": "transformed/data_test",
        "label_test": "transformed/label_test",
        "policies": "policies",
    }
    return {
        "TrainingJobName": layout.name("train"),
        "RoleArn": role_arn,
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": name, "Regex": rf"{name}: ([0-9.]+)"} for name in METRICS],
        },
        "HyperParameters": {name: json.dumps(value) for name, value in hyperparameters.items()},
        "InputDataConfig": [
            {
                "ChannelName": name,
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": layout.uri(path),
                        "S3DataDistributionType": "FullyReplicated",
                    }
                },
            }
            for name, path in channels.items()
        ],
        "OutputDataConfig": {"S3OutputPath": layout.uri("models")},
        "ResourceConfig": {"InstanceCount": 1, "InstanceType": INSTANCE, "VolumeSizeInGB": 5},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        "EnableNetworkIsolation": True,
        "Tags": TAGS,
    }


def model_package(*, model_data_url: str, approved: bool, metadata: Mapping[str, str]) -> Body:
    """CreateModelPackage: the explainer is in the artifact, beside the model it explains."""
    return {
        "ModelPackageGroupName": PACKAGE_GROUP,
        "ModelPackageDescription": "Decides credit applications by a policy, with SHAP explanation, reasons and recourse.",
        "ModelApprovalStatus": "Approved" if approved else "PendingManualApproval",
        "InferenceSpecification": {
            "Containers": [
                {
                    "Image": IMAGE,
                    "ModelDataUrl": model_data_url,
                    "Environment": {
                        "SAGEMAKER_PROGRAM": "inference.py",
                        "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
                    },
                }
            ],
            "SupportedContentTypes": [CONTENT_TYPE, LINES],
            "SupportedResponseMIMETypes": [CONTENT_TYPE, LINES],
            "SupportedRealtimeInferenceInstanceTypes": [INSTANCE],
            "SupportedTransformInstanceTypes": [INSTANCE],
        },
        "CustomerMetadataProperties": dict(metadata),
    }


def model(layout: Layout, *, role_arn: str, package_arn: str) -> Body:
    """CreateModel from the package."""
    return {
        "ModelName": layout.name("model"),
        "ExecutionRoleArn": role_arn,
        "PrimaryContainer": {"ModelPackageName": package_arn},
        "EnableNetworkIsolation": True,
        "Tags": TAGS,
    }


def endpoint_config(layout: Layout) -> Body:
    """CreateEndpointConfig: one replica takes all the traffic, and each of its decisions is recorded."""
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": layout.name("model"),
        "InitialInstanceCount": 1,
        "InstanceType": INSTANCE,
        "InitialVariantWeight": 1.0,
    }
    return {
        "EndpointConfigName": layout.name("config"),
        "ProductionVariants": [variant],
        "Tags": [*TAGS, *({"Key": key, "Value": value} for key, value in RECORDING.items())],
    }


def endpoint(config_name: str) -> Body:
    """CreateEndpoint."""
    return {"EndpointName": ENDPOINT, "EndpointConfigName": config_name, "Tags": TAGS}


def invocation(body: str, *, entities: tuple[str, ...], applicant: str = "", reference: str = "") -> Body:
    """InvokeEndpoint: one application. applicant: whom the recorded decision is about; reference: the bank's own for it."""
    named = {"CustomAttributes": applicant, "InferenceId": reference}
    return {
        "EndpointName": ENDPOINT,
        "ContentType": content_type(entities),
        "Accept": CONTENT_TYPE,
        "Body": body.encode(),
        **{member: value for member, value in named.items() if value},
    }


def transform_job(layout: Layout) -> Body:
    """CreateTransformJob: many lines of the test set in a request, answered line by line in their order."""
    return {
        "TransformJobName": layout.name("explain"),
        "ModelName": layout.name("model"),
        "BatchStrategy": "MultiRecord",
        "TransformInput": {
            "DataSource": {
                "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": layout.uri("transformed/data_test")}
            },
            "ContentType": content_type(BATCH_ENTITIES, media_type=LINES),
            "SplitType": "Line",
            "CompressionType": "None",
        },
        "TransformOutput": {
            "S3OutputPath": layout.uri("explanations"),
            "Accept": LINES,
            "AssembleWith": "Line",
        },
        "TransformResources": {"InstanceType": INSTANCE, "InstanceCount": 1},
        "Tags": TAGS,
    }
