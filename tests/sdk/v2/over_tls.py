"""A script-mode job over TLS: its code comes from S3, and it talks back to the server. Arguments: code, role."""

import sys
import tempfile
from pathlib import Path

import sagemaker
from sagemaker.sklearn import SKLearn

SCRIPT = """
import boto3, os
print("the job is", boto3.client("sts").get_caller_identity()["Arn"])
bucket, key = os.environ["BUCKET"], "from/the/job.txt"
boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=b"hello from inside")
open("/opt/ml/model/model.txt", "w").write("a model")
"""

role = sys.argv[1]
session = sagemaker.Session()
bucket = session.default_bucket()
folder = Path(tempfile.mkdtemp())
(folder / "talk.py").write_text(SCRIPT)
estimator = SKLearn(
    entry_point="talk.py",
    source_dir=str(folder),
    framework_version="1.2-1",
    instance_type="ml.m5.xlarge",
    role=role,
    sagemaker_session=session,
    environment={"BUCKET": bucket},
)
estimator.fit(logs="All")
assert session.read_s3_file(bucket, "from/the/job.txt") == "hello from inside"
