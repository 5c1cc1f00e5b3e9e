"""Training jobs of a server that is killed: each one ends as it should, and is published once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.crash.jobs import BUCKET, ROLE, Jobs, Wanted, prepare
from tests.crash.rig import Rig
from tests.support import workshop

pytestmark = [pytest.mark.slow, pytest.mark.soak, pytest.mark.timeout(900)]

SCRIPT = """\
#!/bin/sh
name=${SM_HP_NAME:-$1} lasts=${SM_HP_LASTS:-$2}
began=$(cat /proc/sys/kernel/random/uuid)
echo "began $began"
echo "$began" >> /opt/ml/model/began
echo "$name" > /opt/ml/model/name
sleep "$lasts"
echo "ended $began"
"""


def test_jobs_of_a_killed_server_end_as_they_should_and_are_published_once(rig: Rig) -> None:
    jobs = Jobs(rig, "TrainingJob", request)
    s3 = prepare(rig)
    s3.put_object(Bucket=BUCKET, Key="code.tar.gz", Body=workshop.archive({"train.sh": SCRIPT}))
    s3.put_object(Bucket=BUCKET, Key="program/train.sh", Body=SCRIPT.encode())
    jobs.outlive_crashes()
    for one in jobs.wanted.values():
        check(one, jobs)
    jobs.check_nothing_left()


def request(one: Wanted) -> dict[str, Any]:
    """A program of one line or, one job in four, script mode: there the container fetches the code itself."""
    is_script = one.number % 4 == 3
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/program"}
    program = ["/bin/sh", "/opt/ml/input/data/program/train.sh", one.name, str(one.lasts_s)]
    script = {
        "sagemaker_program": "train.sh",
        "sagemaker_submit_directory": f"s3://{BUCKET}/code.tar.gz",
        "name": one.name,
        "lasts": str(one.lasts_s),
    }
    return {
        "TrainingJobName": one.name,
        "AlgorithmSpecification": {
            "TrainingImage": workshop.SKLEARN,
            "TrainingInputMode": "File",
            **({} if is_script else {"ContainerEntrypoint": program}),
        },
        "HyperParameters": script if is_script else {},
        "InputDataConfig": [{"ChannelName": "program", "DataSource": {"S3DataSource": source}}],
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 300},
    }


def check(one: Wanted, jobs: Jobs) -> None:
    """The one model is that of the one attempt that came to its end."""
    attempts, outputs = jobs.check_attempts(one), jobs.outputs(one)
    if one.to_stop:
        assert outputs.keys() <= {"output/model.tar.gz"}  # nothing, when it was stopped before it ran
        return
    assert outputs.keys() == {"output/model.tar.gz"}
    last = attempts[-1]
    assert last.began == last.ended
    model = workshop.unpacked(outputs["output/model.tar.gz"])
    assert model == {"began": f"{last.began[0]}\n".encode(), "name": f"{one.name}\n".encode()}
