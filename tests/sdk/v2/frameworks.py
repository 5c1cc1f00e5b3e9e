"""Script mode in its corners: several hosts, no network, spot and checkpoints, a failure, a stop, attaching.

Arguments: the folder of the user's code, the role.
"""

import sys
import time

import botocore
import numpy as np
import sagemaker
import tables
from sagemaker import exceptions
from sagemaker.inputs import TrainingInput
from sagemaker.xgboost import XGBoost

code, role = sys.argv[1:]
session = sagemaker.Session()
bucket = session.default_bucket()
client = session.sagemaker_client
table = tables.rows(200)
data = session.upload_string_as_file_body(tables.csv(table), bucket, "frameworks/data/rows.csv")


def estimator(name, **more):
    asked = {"instance_count": 1, "instance_type": "ml.m5.xlarge", **more}
    return XGBoost(
        entry_point="fit.py",
        source_dir=code,
        framework_version="1.7-1",
        role=role,
        sagemaker_session=session,
        base_job_name=name,
        **asked,
    )


print("-- two hosts")
two = estimator("two", instance_count=2)
two.fit({"train": TrainingInput(data, distribution="FullyReplicated")}, logs="All")

print("-- no network")
alone = estimator("alone", enable_network_isolation=True, hyperparameters={"rounds": 7})
alone.fit({"train": data})
model = alone.create_model(enable_network_isolation=True)  # deploy() by itself forgets it
predictor = model.deploy(1, "ml.m5.xlarge", endpoint_name="alone")
described = client.describe_model(ModelName=predictor._get_model_names()[0])
assert described["EnableNetworkIsolation"] is True, described
predictor.serializer = sagemaker.serializers.CSVSerializer()
predictor.deserializer = sagemaker.deserializers.NumpyDeserializer()
scores = predictor.predict(table[:5, 1:])
assert np.shape(scores) == (5,), scores
predictor.delete_endpoint()

print("-- spot, with checkpoints")
for _ in range(2):
    spot = estimator(
        "spot",
        use_spot_instances=True,
        max_run=600,
        max_wait=1200,
        checkpoint_s3_uri=f"s3://{bucket}/frameworks/checkpoints",
    )
    spot.fit({"train": TrainingInput(data, input_mode="FastFile")})
found = sagemaker.s3.S3Downloader.list(f"s3://{bucket}/frameworks/checkpoints", sagemaker_session=session)
assert [one.rsplit("/", 1)[1] for one in found] == ["0005.ubj", "0010.ubj"], found

print("-- a failure")
failing = estimator("failing", hyperparameters={"fail": "no luck: 3 < 4 & ü"})
try:
    failing.fit({"train": data})
except exceptions.UnexpectedStatusException as error:
    assert error.actual_status == "Failed"
    assert "ValueError: no luck: 3 < 4 & ü" in str(error), error
else:
    raise AssertionError("a failing script ended well")

print("-- a stop")
slow = estimator("slow", hyperparameters={"linger": 600})
slow.fit({"train": data}, wait=False)
job = slow.latest_training_job.name
for _ in range(200):
    if client.describe_training_job(TrainingJobName=job)["SecondaryStatus"] == "Training":
        break
    time.sleep(0.1)
session.stop_training_job(job)
client.get_waiter("training_job_completed_or_stopped").wait(
    TrainingJobName=job
)  # the SDK takes Stopping for an end
assert client.describe_training_job(TrainingJobName=job)["TrainingJobStatus"] == "Stopped"
session.logs_for_job(job, wait=True)
try:
    session.stop_training_job(job)
except botocore.exceptions.ClientError as error:
    assert "The request was rejected because the training job is in status Stopped" in str(error), error
else:
    raise AssertionError("a job that had ended was stopped again")

print("-- attaching")
attached = XGBoost.attach(spot.latest_training_job.name, sagemaker_session=session)
assert attached.framework_version == "1.7-1"
assert attached.entry_point == "fit.py", attached.entry_point
assert attached.source_dir == spot.uploaded_code.s3_prefix
assert attached.max_run == 600

print("-- finding")
expression = {"Filters": [{"Name": "TrainingJobName", "Operator": "Contains", "Value": "spot-"}]}
found = client.search(Resource="TrainingJob", SearchExpression=expression)["Results"]
names = {one["TrainingJob"]["TrainingJobName"] for one in found}
assert len(names) == 2 and spot.latest_training_job.name in names, names
