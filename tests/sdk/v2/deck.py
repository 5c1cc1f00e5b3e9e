"""The code of the deck's slides, as a user of the SDK's second version writes it: train, deploy, predict, clean up."""

import time
import uuid

import boto3
import numpy as np
import sagemaker
import tables
from botocore import exceptions
from sagemaker import image_uris
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.predictor import Predictor
from sagemaker.s3 import S3Downloader, S3Uploader
from sagemaker.serializers import CSVSerializer

PREFIX = f"deck/{uuid.uuid4().hex[:8]}"
MODEL = f"{PREFIX.replace('/', '-')}-model"
INSTANCE = "ml.m4.xlarge"

session = sagemaker.Session()
role = sagemaker.get_execution_role()
bucket = session.default_bucket()
print("role", role, "bucket", bucket)

table = tables.rows(600)
for channel, part in (("train", table[:480]), ("validation", table[480:])):
    S3Uploader.upload_string_as_file_body(
        tables.csv(part), f"s3://{bucket}/{PREFIX}/{channel}/{channel}.csv", sagemaker_session=session
    )
assert S3Downloader.list(f"s3://{bucket}/{PREFIX}", sagemaker_session=session) == [
    f"s3://{bucket}/{PREFIX}/train/train.csv",
    f"s3://{bucket}/{PREFIX}/validation/validation.csv",
]
said = S3Downloader.read_file(f"s3://{bucket}/{PREFIX}/train/train.csv", sagemaker_session=session)
assert said == tables.csv(table[:480])

container = image_uris.retrieve("xgboost", boto3.Session().region_name, "latest")
xgb = Estimator(
    container,
    role,
    instance_count=1,
    instance_type=INSTANCE,
    output_path=f"s3://{bucket}/{PREFIX}/output",
    sagemaker_session=session,
)
xgb.set_hyperparameters(
    max_depth=5,
    eta=0.2,
    gamma=4,
    min_child_weight=6,
    subsample=0.8,
    silent=0,
    objective="binary:logistic",
    num_round=25,
)
xgb.fit(
    {
        "train": TrainingInput(f"s3://{bucket}/{PREFIX}/train", content_type="csv"),
        "validation": TrainingInput(f"s3://{bucket}/{PREFIX}/validation/", content_type="csv"),
    },
    logs=True,
)
job = xgb.latest_training_job.name
print("model", xgb.model_data)
assert xgb.model_data == f"s3://{bucket}/{PREFIX}/output/{job}/output/model.tar.gz"

print("-- the log again, for a job that has ended")
session.logs_for_job(job, wait=True)

print("-- another session takes the job up again")
attached = Estimator.attach(job, sagemaker_session=session)
assert attached.latest_training_job.name == job
assert attached.model_data == xgb.model_data
assert attached.hyperparameters() == {name: str(value) for name, value in xgb.hyperparameters().items()}
assert "validation:logloss" in attached.training_job_analytics._metric_names

print("-- deploy")
predictor = attached.deploy(initial_instance_count=1, instance_type=INSTANCE, serializer=CSVSerializer())
answer = predictor.predict(table[480:, 1:])
scores = np.array(answer.decode().split(","), dtype=float)
assert scores.shape == (120,)
assert ((scores > 0.5) == (table[480:, 0] > 0.5)).mean() > 0.7

print("-- the same endpoint, from its name alone")
other = Predictor(predictor.endpoint_name, sagemaker_session=session, serializer=CSVSerializer())
assert other.predict("0.1,0.2,0.3,0.4,0.5") == predictor.predict([0.1, 0.2, 0.3, 0.4, 0.5])

print("-- a model that is there already is taken as it is")
model = attached.create_model(name=MODEL, role=role)
for _ in range(2):
    session.create_model(MODEL, role, model.prepare_container_def(INSTANCE))

print("-- a changed endpoint")
predictor.update_endpoint(initial_instance_count=2, instance_type=INSTANCE, model_name=MODEL, wait=True)
found = session.sagemaker_client.describe_endpoint(EndpointName=predictor.endpoint_name)
assert found["ProductionVariants"][0]["CurrentInstanceCount"] == 2
assert other.predict("0.1,0.2,0.3,0.4,0.5")

print("-- a bad request keeps the server's words")
try:
    Predictor(predictor.endpoint_name, sagemaker_session=session).predict(
        b"<xml/>", initial_args={"ContentType": "text/xml"}
    )
except exceptions.ClientError as error:
    assert error.response["Error"]["Code"] == "ModelError", error.response
    assert error.response["OriginalStatusCode"] == 415, error.response
else:
    raise AssertionError("text/xml was accepted")

predictor.delete_model()
predictor.delete_endpoint(delete_endpoint_config=True)
for _ in range(100):
    try:
        other.predict("0.1,0.2,0.3,0.4,0.5")
    except exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "ValidationError", error.response
        break
    time.sleep(0.1)
else:
    raise AssertionError("the endpoint still answers")
