"""Batch transform jobs of a server that is killed: every record is answered, in order, and published once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.crash.jobs import BUCKET, ROLE, Jobs, Wanted, prepare
from tests.crash.rig import Rig
from tests.support import workshop

pytestmark = [pytest.mark.slow, pytest.mark.soak, pytest.mark.timeout(900)]

CODE = """\
import os, time, uuid

def model_fn(folder):
    began = str(uuid.uuid4())
    print("began", began, flush=True)
    return began

def transform_fn(model, body, content_type, accept):
    time.sleep(float(os.environ["LASTS"]) / 4)
    text = body if isinstance(body, str) else body.decode()
    return f"{text.strip()},{model}", "text/csv"
"""
FILES = {"a.csv": ["a1", "a2", "a3"], "b.csv": ["b1"]}


def test_transforms_of_a_killed_server_end_as_they_should_and_are_published_once(rig: Rig) -> None:
    jobs = Jobs(rig, "TransformJob", request)
    s3 = prepare(rig)
    s3.put_object(Bucket=BUCKET, Key="model.tar.gz", Body=workshop.archive({"code/inference.py": CODE}))
    for name, records in FILES.items():
        s3.put_object(Bucket=BUCKET, Key=f"in/{name}", Body="".join(f"{one}\n" for one in records).encode())
    container = {"Image": workshop.SKLEARN, "ModelDataUrl": f"s3://{BUCKET}/model.tar.gz"}
    rig.client("sagemaker").create_model(ModelName="model", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    jobs.outlive_crashes()
    for one in jobs.wanted.values():
        check(one, jobs)
    jobs.check_nothing_left()


def request(one: Wanted) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/in/"}
    return {
        "TransformJobName": one.name,
        "ModelName": "model",
        "BatchStrategy": "SingleRecord",
        "Environment": {"LASTS": str(one.lasts_s)},
        "TransformInput": {
            "DataSource": {"S3DataSource": source},
            "ContentType": "text/csv",
            "SplitType": "Line",
        },
        "TransformOutput": {
            "S3OutputPath": f"s3://{BUCKET}/out/{one.name}",
            "AssembleWith": "Line",
            "Accept": "text/csv",
        },
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }


def check(one: Wanted, jobs: Jobs) -> None:
    """All answers are of the one model server that came to the end."""
    attempts, outputs = jobs.check_attempts(one), jobs.outputs(one)
    if one.to_stop:
        assert outputs == {}
        return
    (began,) = attempts[-1].began
    assert outputs == {
        f"{name}.out": "".join(f"{record},{began}\n" for record in records).encode()
        for name, records in FILES.items()
    }
