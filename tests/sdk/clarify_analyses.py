"""Every run_* method of SageMakerClarifyProcessor, which the second and the third version of the SDK spell alike.

Argument: the role. The model is one of the built-in XGBoost, trained here.
"""

import csv
import importlib
import io
import json
import sys
import uuid

import boto3
import numpy as np

try:
    clarify = importlib.import_module("sagemaker.core.clarify")
    session = importlib.import_module("sagemaker.core.helper.session_helper").Session()
except ImportError:
    clarify = importlib.import_module("sagemaker.clarify")
    session = importlib.import_module("sagemaker").Session()

NAMES = ["approved", "income", "debt", "years", "woman"]
XGBOOST = "811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:latest"
MACHINE = "ml.m5.large"
role = sys.argv[1]
mark = f"clarify-{uuid.uuid4().hex[:8]}"
bucket = session.default_bucket()
s3, sm = boto3.client("s3"), boto3.client("sagemaker")

random = np.random.default_rng(11)
features = np.column_stack([random.normal(size=(160, 3)).round(3), random.integers(0, 2, 160)])
label = (features[:, 0] - features[:, 1] - 0.5 * features[:, 3] > 0).astype(int)
table = np.column_stack([label, features])
lines = "".join(",".join(f"{value:g}" for value in row) + "\n" for row in table)
s3.put_object(Bucket=bucket, Key=f"{mark}/data/rows.csv", Body=lines.encode())


def trained() -> str:
    """The name of a model."""
    data = {
        "S3DataType": "S3Prefix",
        "S3Uri": f"s3://{bucket}/{mark}/data",
        "S3DataDistributionType": "FullyReplicated",
    }
    sm.create_training_job(
        TrainingJobName=mark,
        AlgorithmSpecification={"TrainingImage": XGBOOST, "TrainingInputMode": "File"},
        RoleArn=role,
        InputDataConfig=[
            {"ChannelName": "train", "ContentType": "text/csv", "DataSource": {"S3DataSource": data}}
        ],
        OutputDataConfig={"S3OutputPath": f"s3://{bucket}/{mark}/model"},
        ResourceConfig={"InstanceType": MACHINE, "InstanceCount": 1, "VolumeSizeInGB": 5},
        StoppingCondition={"MaxRuntimeInSeconds": 300},
        HyperParameters={"objective": "binary:logistic", "num_round": "10", "max_depth": "3"},
    )
    sm.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName=mark)
    artifact = sm.describe_training_job(TrainingJobName=mark)["ModelArtifacts"]["S3ModelArtifacts"]
    sm.create_model(
        ModelName=mark, PrimaryContainer={"Image": XGBOOST, "ModelDataUrl": artifact}, ExecutionRoleArn=role
    )
    return mark


def told(kind: str) -> dict:
    """analysis.json of a run."""
    return json.loads(s3.get_object(Bucket=bucket, Key=f"{mark}/{kind}/analysis.json")["Body"].read())


def data_config(kind: str):
    return clarify.DataConfig(
        s3_data_input_path=f"s3://{bucket}/{mark}/data/rows.csv",
        s3_output_path=f"s3://{bucket}/{mark}/{kind}",
        label="approved",
        headers=NAMES,
        dataset_type="text/csv",
    )


def metric(report: dict, name: str) -> float:
    (part,) = report["facets"]["woman"]
    return next(one["value"] for one in part["metrics"] if one["name"] == name)


processor = clarify.SageMakerClarifyProcessor(
    role=role, instance_count=1, instance_type=MACHINE, sagemaker_session=session
)
model = clarify.ModelConfig(
    model_name=trained(),
    instance_type=MACHINE,
    instance_count=1,
    accept_type="text/csv",
    content_type="text/csv",
)
bias = clarify.BiasConfig(label_values_or_threshold=[1], facet_name="woman", facet_values_or_threshold=[1])
predicted = clarify.ModelPredictedLabelConfig(probability_threshold=0.5)
shap = clarify.SHAPConfig(baseline=[features.mean(axis=0).tolist()], num_samples=64, agg_method="mean_abs")

print("-- run_pre_training_bias")
processor.run_pre_training_bias(data_config("pre"), bias, methods=["CI", "DPL"], logs=True)
women = features[:, 3] == 1
found = told("pre")["pre_training_bias_metrics"]
assert abs(metric(found, "DPL") - (label[~women].mean() - label[women].mean())) < 1e-12, found
assert abs(metric(found, "CI") - ((~women).sum() - women.sum()) / 160) < 1e-12, found

print("-- run_post_training_bias")
processor.run_post_training_bias(
    data_config=data_config("post"),
    data_bias_config=bias,
    model_config=model,
    model_predicted_label_config=predicted,
    methods="all",
    logs=False,
)
found = told("post")
assert set(found) == {"version", "post_training_bias_metrics", "details"}, found
assert found["details"]["model_records"] == 160
assert metric(found["post_training_bias_metrics"], "CDDPL") is None

print("-- run_bias")
processor.run_bias(
    data_config=data_config("bias"),
    bias_config=bias,
    model_config=model,
    model_predicted_label_config=predicted,
    logs=False,
)
both = told("bias")
assert both["post_training_bias_metrics"] == found["post_training_bias_metrics"]
assert len(both["pre_training_bias_metrics"]["facets"]["woman"][0]["metrics"]) == 8

print("-- run_explainability")
pdp = clarify.PDPConfig(features=["income"], grid_resolution=6)
processor.run_explainability(
    data_config=data_config("shap"), model_config=model, explainability_config=[shap, pdp], logs=False
)
found = told("shap")
local = s3.get_object(Bucket=bucket, Key=f"{mark}/shap/explanations_shap/out.csv")["Body"].read().decode()
names, *values = csv.reader(io.StringIO(local))
assert names == [f"{name}_label0" for name in NAMES[1:]], names
shares = np.array(values, dtype=float)
kernel = found["explanations"]["kernel_shap"]["label0"]
assert np.allclose(np.abs(shares).mean(axis=0), list(kernel["global_shap_values"].values()))
assert found["details"]["shap"]["method"] == "tree_shap", found["details"]
assert len(found["explanations"]["pdp"][0]["feature_values"]) == 6

print("-- run_bias_and_explainability")
processor.run_bias_and_explainability(
    data_config=data_config("all"),
    model_config=model,
    explainability_config=shap,
    bias_config=bias,
    pre_training_methods="all",
    post_training_methods="all",
    model_predicted_label_config=predicted,
    logs=False,
)
found = told("all")
assert {"pre_training_bias_metrics", "post_training_bias_metrics", "explanations"} <= set(found)
kinds = {
    one["Key"].rpartition("/")[2]
    for one in s3.list_objects_v2(Bucket=bucket, Prefix=f"{mark}/all")["Contents"]
}
assert {"report.html", "report.pdf", "report.ipynb", "analysis.json", "out.csv", "baseline.csv"} <= kinds, (
    kinds
)
left = [
    one["EndpointName"]
    for one in sm.list_endpoints(NameContains=mark)["Endpoints"]
    if one["EndpointStatus"] != "Deleting"
]
assert not left, left
