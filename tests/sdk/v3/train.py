"""ModelTrainer and its neighbours in the SDK's third version, with the role checked through IAM as it does.

Arguments: the folder of the user's code.
"""

import io
import json
import sys
import tarfile
import uuid

import boto3
import tables
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import TrainingJob
from sagemaker.core.shapes import OutputDataConfig, StoppingCondition
from sagemaker.core.training.configs import Compute, InputData, SourceCode
from sagemaker.core.utils.exceptions import FailedStatusError
from sagemaker.train import ModelTrainer

code = sys.argv[1]
mark = uuid.uuid4().hex[:8]
session = Session()
role = get_execution_role()
bucket = session.default_bucket()
s3 = boto3.client("s3")
print("role", role, "bucket", bucket)
s3.put_object(Bucket=bucket, Key=f"v3/{mark}/rows.csv", Body=tables.csv(tables.rows(300)).encode())
rows = f"s3://{bucket}/v3/{mark}/rows.csv"
compute = Compute(instance_type="ml.m5.xlarge", instance_count=1)

print("-- a user's code")
image = image_uris.retrieve("sklearn", "us-east-1", version="1.2-1", instance_type="ml.m5.xlarge")
trainer = ModelTrainer(
    training_image=image,
    source_code=SourceCode(source_dir=code, requirements="requirements.txt", entry_script="train.py"),
    compute=compute,
    hyperparameters={"max-depth": 3, "words": "a b 'c'"},
    environment={"GREETING": "good day"},
    stopping_condition=StoppingCondition(max_runtime_in_seconds=600),
    output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/v3/{mark}/output"),
    base_job_name="v3-code",
    sagemaker_session=session,
)
trainer.train(input_data_config=[InputData(channel_name="train", data_source=rows)], logs=True)
job = trainer._latest_training_job
assert job.training_job_status == "Completed", job.training_job_status
assert job.secondary_status_transitions[-1].status == "Completed"
key = trainer.output_data.removeprefix(f"s3://{bucket}/")
with tarfile.open(fileobj=io.BytesIO(s3.get_object(Bucket=bucket, Key=key)["Body"].read())) as files:
    told = json.load(files.extractfile("told.json"))
assert told["salutation"] == "good morning", told
assert told["variables"]["GREETING"] == "good day"
assert told["variables"]["SM_CHANNEL_TRAIN"] == "/opt/ml/input/data/train"
assert told["variables"]["SM_HP_MAX_DEPTH"] == "3" or told["variables"]["SM_HPS"], told["variables"]

print("-- a command")
trainer = ModelTrainer(
    training_image=image,
    source_code=SourceCode(source_dir=code, command="python helper.py && echo the command ran"),
    compute=compute,
    base_job_name="v3-command",
    sagemaker_session=session,
)
trainer.train(logs=True)
assert trainer._latest_training_job.training_job_status == "Completed"

print("-- a command that fails")
trainer = ModelTrainer(
    training_image=image,
    source_code=SourceCode(source_dir=code, command="python -c 'raise SystemExit(\"nothing to learn\")'"),
    compute=compute,
    base_job_name="v3-failing",
    sagemaker_session=session,
)
try:
    trainer.train(logs=False)
except FailedStatusError as error:
    assert "Training Execution failed" in str(error), error  # the SDK's own driver says no more
    found = boto3.client("logs").filter_log_events(
        logGroupName="/aws/sagemaker/TrainingJobs",
        logStreamNamePrefix=trainer._latest_training_job.training_job_name,
        filterPattern="nothing",
    )
    assert "nothing to learn" in [event["message"] for event in found["events"]], found["events"]
else:
    raise AssertionError("a failing command ended well")

print("-- a built-in algorithm")
trainer = ModelTrainer(
    training_image=image_uris.retrieve("xgboost", "us-east-1", version="1.7-1"),
    compute=compute,
    hyperparameters={"objective": "binary:logistic", "num_round": 10, "max_depth": 3},
    base_job_name="v3-algorithm",
    sagemaker_session=session,
)
trainer.train(
    input_data_config=[InputData(channel_name="train", data_source=rows, content_type="text/csv")], logs=False
)
job = trainer._latest_training_job
assert job.training_job_status == "Completed"
assert job.model_artifacts.s3_model_artifacts.endswith("/output/model.tar.gz")

print("-- looking back")
found = TrainingJob.get(job.training_job_name)
assert found.training_job_arn == job.training_job_arn
names = [one.training_job_name for one in TrainingJob.get_all(name_contains="v3-", sort_by="CreationTime")]
assert len(names) >= 4, names
assert names[0] == job.training_job_name, names
