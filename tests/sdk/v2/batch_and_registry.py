"""Batch transform and the model registry with the SDK's second version. Argument: the role."""

import sys

import numpy as np
import sagemaker
import tables
from botocore import exceptions
from sagemaker import image_uris
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.model import Model, ModelPackage
from sagemaker.predictor import Predictor
from sagemaker.s3 import S3Downloader
from sagemaker.serializers import CSVSerializer
from sagemaker.transformer import Transformer

role = sys.argv[1]
INSTANCE = "ml.m5.xlarge"
session = sagemaker.Session()
bucket = session.default_bucket()
client = session.sagemaker_client
table = tables.rows(300)
features = tables.csv(table[:40, 1:]).splitlines()


def put(key, text):
    return session.upload_string_as_file_body(text, bucket, f"batch/{key}")


def got(uri):
    return S3Downloader.read_file(uri, sagemaker_session=session)


container = image_uris.retrieve("xgboost", session.boto_region_name, "1.7-1")
estimator = Estimator(
    container,
    role,
    instance_count=1,
    instance_type=INSTANCE,
    output_path=f"s3://{bucket}/batch/output",
    sagemaker_session=session,
    hyperparameters={"objective": "binary:logistic", "num_round": 10, "max_depth": 3},
)
estimator.fit(
    {"train": TrainingInput(put("train/rows.csv", tables.csv(table)), content_type="text/csv")}, logs=False
)

print("-- transform, files as they are")
for part in (0, 1):
    put(f"in/part-{part}.csv", "\n".join(features[20 * part : 20 * part + 20]) + "\n")
transformer = estimator.transformer(
    1, INSTANCE, strategy="MultiRecord", assemble_with="Line", output_path=f"s3://{bucket}/batch/out-1"
)
transformer.transform(
    f"s3://{bucket}/batch/in", content_type="text/csv", split_type="Line", wait=True, logs=True
)
scores = [
    float(line) for part in (0, 1) for line in got(f"s3://{bucket}/batch/out-1/part-{part}.csv.out").split()
]
assert len(scores) == 40, len(scores)

print("-- transform, each row with its number and its score")
put("numbered/rows.csv", "".join(f"{number},{row}\n" for number, row in enumerate(features)))
transformer = estimator.transformer(
    1,
    INSTANCE,
    accept="text/csv",
    assemble_with="Line",
    output_path=f"s3://{bucket}/batch/out-2",
    strategy="SingleRecord",
    max_concurrent_transforms=4,
    max_payload=1,
    env={"EXTRA": "1"},
)
transformer.transform(
    f"s3://{bucket}/batch/numbered/rows.csv",
    content_type="text/csv",
    split_type="Line",
    input_filter="$[1:]",
    join_source="Input",
    output_filter="$[0,-1]",
    logs=False,
)
joined = [line.split(",") for line in got(f"s3://{bucket}/batch/out-2/rows.csv.out").split()]
assert [int(number) for number, _ in joined] == list(range(40)), joined
assert np.allclose([float(score) for _, score in joined], scores, atol=1e-6)

again = Transformer.attach(transformer.latest_transform_job.name, sagemaker_session=session)
assert again.output_path == transformer.output_path
assert again.model_name == transformer.model_name

print("-- register")
model = estimator.create_model(role=role)
package = model.register(
    content_types=["text/csv"],
    response_types=["text/csv"],
    inference_instances=[INSTANCE],
    transform_instances=[INSTANCE],
    model_package_group_name="credit-models",
    approval_status="PendingManualApproval",
    description="a small model",
    customer_metadata_properties={"team": "risk"},
)
described = client.describe_model_package(ModelPackageName=package.model_package_arn)
assert described["ModelPackageVersion"] == 1, described
assert described["ModelApprovalStatus"] == "PendingManualApproval"
assert described["CustomerMetadataProperties"] == {"team": "risk"}
second = estimator.register(
    content_types=["text/csv"],
    response_types=["text/csv"],
    inference_instances=[INSTANCE],
    transform_instances=[INSTANCE],
    model_package_group_name="credit-models",
)
assert second.model_package_arn.endswith("/2"), second.model_package_arn
package.update_approval_status("Approved")
package.update_customer_metadata({"team": "credit"})
listed = client.list_model_packages(ModelPackageGroupName="credit-models", ModelApprovalStatus="Approved")
assert [one["ModelPackageArn"] for one in listed["ModelPackageSummaryList"]] == [package.model_package_arn]

print("-- deploy the package")
taken = ModelPackage(role=role, model_package_arn=package.model_package_arn, sagemaker_session=session)
taken.deploy(1, INSTANCE, endpoint_name="from-package")
predictor = Predictor("from-package", sagemaker_session=session, serializer=CSVSerializer())
online = np.array(predictor.predict(table[:40, 1:]).decode().split(","), dtype=float)
assert np.allclose(online, scores, atol=1e-6)
predictor.delete_endpoint()
taken.delete_model()

print("-- a model of its own, and batch transform over it")
model = Model(
    image_uri=container,
    model_data=estimator.model_data,
    role=role,
    sagemaker_session=session,
    name="own-model",
    predictor_cls=Predictor,
)
predictor = model.deploy(1, INSTANCE, endpoint_name="own-endpoint", serializer=CSVSerializer())
try:
    model.deploy(1, INSTANCE, endpoint_name="own-endpoint")
except exceptions.ClientError as error:
    assert "Cannot create already existing" in str(error), error
else:
    raise AssertionError("a second endpoint of the same name")
assert predictor.predict(table[:1, 1:])
transformer = model.transformer(1, INSTANCE, output_path=f"s3://{bucket}/batch/out-3", accept="text/csv")
transformer.transform(f"s3://{bucket}/batch/in", content_type="text/csv", wait=False)
transformer.wait(logs=False)
assert [
    float(x) for x in got(f"s3://{bucket}/batch/out-3/part-1.csv.out").replace("\n", ",").split(",") if x
] == (scores[20:])
predictor.delete_endpoint()

print("-- clean up")
for one in client.list_model_packages(ModelPackageGroupName="credit-models")["ModelPackageSummaryList"]:
    client.delete_model_package(ModelPackageName=one["ModelPackageArn"])
client.delete_model_package_group(ModelPackageGroupName="credit-models")
