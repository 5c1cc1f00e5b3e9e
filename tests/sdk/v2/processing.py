"""The processors of the SDK's second version: a script, a script with a folder of code, and one that fails.

Arguments: the folder of the user's code, the role.
"""

import json
import sys
from pathlib import Path

import sagemaker
import tables
from sagemaker import exceptions, image_uris
from sagemaker.processing import FrameworkProcessor, ProcessingInput, ProcessingOutput, ScriptProcessor
from sagemaker.s3 import S3Downloader
from sagemaker.sklearn import SKLearn, SKLearnProcessor

code, role = Path(sys.argv[1]), sys.argv[2]
session = sagemaker.Session()
bucket = session.default_bucket()
lines = tables.csv(tables.rows(100)).splitlines()
data = session.upload_string_as_file_body("\n".join(lines) + "\n", bucket, "processing/rows.csv")


def check(processor, job_name):
    """Both outputs hold their share of the rows; the job saw its own configuration."""
    described = processor.latest_job.describe()
    assert described["ProcessingJobStatus"] == "Completed", described
    assert described["ProcessingResources"]["ClusterConfig"]["InstanceCount"] == 1
    places = {
        one["OutputName"]: one["S3Output"]["S3Uri"]
        for one in processor.latest_job.describe()["ProcessingOutputConfig"]["Outputs"]
    }
    first, second = (
        S3Downloader.read_file(f"{places[name]}/rows.csv", sagemaker_session=session).splitlines()
        for name in ("first", "second")
    )
    assert (first, second) == (lines[:25], lines[25:])
    told = json.loads(S3Downloader.read_file(f"{places['first']}/told.json", sagemaker_session=session))
    assert told["job"]["ProcessingJobName"] == job_name
    assert told["job"]["ProcessingJobArn"] == described["ProcessingJobArn"]
    assert told["host"]["current_host"] == "algo-1"
    return told


asked = {
    "inputs": [ProcessingInput(source=data, destination="/opt/ml/processing/input")],
    "outputs": [
        ProcessingOutput(output_name="first", source="/opt/ml/processing/output/first"),
        ProcessingOutput(output_name="second", source="/opt/ml/processing/output/second"),
    ],
    "arguments": ["--share", "0.25"],
    "logs": True,
}
machine = {"instance_type": "ml.m5.xlarge", "instance_count": 1, "role": role, "sagemaker_session": session}

print("-- SKLearnProcessor")
processor = SKLearnProcessor(framework_version="1.2-1", env={"GREETING": "good day"}, **machine)
processor.run(code=str(code / "prepare.py"), **asked)
assert check(processor, processor.latest_job.job_name)["greeting"] == "good day"

print("-- ScriptProcessor")
image = image_uris.retrieve(
    "sklearn", session.boto_region_name, version="1.2-1", instance_type="ml.m5.xlarge"
)
processor = ScriptProcessor(image_uri=image, command=["python3"], **machine)
processor.run(code=str(code / "prepare.py"), job_name="script-processor", **asked)
assert check(processor, "script-processor")["greeting"] is None

print("-- FrameworkProcessor")
processor = FrameworkProcessor(estimator_cls=SKLearn, framework_version="1.2-1", **machine)
processor.run(code="prepare.py", source_dir=str(code), **asked)
check(processor, processor.latest_job.job_name)

print("-- a script that fails")
processor = ScriptProcessor(image_uri=image, command=["python3"], **machine)
try:
    processor.run(code=str(code / "prepare.py"), logs=False)
except exceptions.UnexpectedStatusException as error:
    print(error)
    assert error.actual_status == "Failed"
    assert "FileNotFoundError" in str(error), error
else:
    raise AssertionError("a job without input ended well")
