"""Script mode with the SDK's second version: a user's own training and serving code, with a requirements file.

Arguments: the folder of the user's code, the role.
"""

import io
import json
import sys
import tarfile
from pathlib import Path

import numpy as np
import sagemaker
import tables
from sagemaker.deserializers import CSVDeserializer, JSONDeserializer
from sagemaker.serializers import CSVSerializer, JSONSerializer
from sagemaker.sklearn import SKLearn, SKLearnModel

code, role = Path(sys.argv[1]), sys.argv[2]
session = sagemaker.Session()
bucket = session.default_bucket()
table = tables.rows(400)
data = session.upload_string_as_file_body(tables.csv(table), bucket, "script/data/rows.csv")

estimator = SKLearn(
    entry_point="train.py",
    source_dir=str(code),
    framework_version="1.2-1",
    instance_type="ml.m5.xlarge",
    role=role,
    sagemaker_session=session,
    hyperparameters={"max-depth": 3, "kind": "tree", "rate": 0.5, "flags": [1, 2], "words": "a b 'c'"},
    metric_definitions=[{"Name": "accuracy", "Regex": "accuracy=([0-9.]+)"}],
    environment={"GREETING": "good day"},
    base_job_name="script",
)
estimator.fit({"train": data}, logs="All")
job = estimator.latest_training_job.describe()
metrics = {one["MetricName"]: one["Value"] for one in job["FinalMetricDataList"]}
assert metrics["accuracy"] > 0.7, metrics

print("-- what the script was told")
archive = estimator.model_data.replace("model.tar.gz", "output.tar.gz")
held = sagemaker.s3.S3Downloader.read_bytes(archive, sagemaker_session=session)
with tarfile.open(fileobj=io.BytesIO(held)) as files:
    told = json.load(files.extractfile("told.json"))
variables = told["variables"]
assert told["salutation"] == "good morning", told
assert told["others"] == ["--flags", "[1, 2]", "--kind", "tree", "--rate", "0.5", "--words", "a b 'c'"], told
assert variables["GREETING"] == "good day"
assert variables["TRAINING_JOB_NAME"] == estimator.latest_training_job.name
assert json.loads(variables["SM_HPS"])["words"] == "a b 'c'"
assert variables["SM_CHANNEL_TRAIN"] == "/opt/ml/input/data/train"
assert variables["SM_USER_ENTRY_POINT"] == "train.py"
assert variables["SM_CURRENT_HOST"] == "algo-1"

print("-- deploy")
predictor = estimator.deploy(initial_instance_count=1, instance_type="ml.m5.xlarge")
answer = predictor.predict(table[:10, 1:])
assert isinstance(answer, np.ndarray), type(answer)
assert answer.shape == (10,), answer.shape

predictor.serializer, predictor.deserializer = CSVSerializer(), CSVDeserializer()
as_csv = np.array(predictor.predict(table[:10, 1:]), dtype=float).ravel()
assert np.array_equal(as_csv, answer), (as_csv, answer)
predictor.serializer, predictor.deserializer = JSONSerializer(), JSONDeserializer()
assert predictor.predict(table[:10, 1:].tolist()) == answer.tolist()
predictor.delete_model()
predictor.delete_endpoint()

print("-- the model again, with serving code of its own")
model = SKLearnModel(
    model_data=estimator.model_data,
    role=role,
    entry_point="serve.py",
    source_dir=str(code),
    framework_version="1.2-1",
    sagemaker_session=session,
    env={"MULTIPLY": "10"},
)
predictor = model.deploy(initial_instance_count=1, instance_type="ml.m5.xlarge")
assert np.array_equal(predictor.predict(table[:10, 1:]), answer * 10)
predictor.delete_model()
predictor.delete_endpoint()
