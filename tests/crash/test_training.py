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
name=${SM_HP_NAME:-$1} pause=${SM_HP_PAUSE:-$2}
began=$(cat /proc/sys/kernel/random/uuid)
echo "began $began"
echo "$began" >> /opt/ml/model/began
echo "$name" > /opt/ml/model/name
for step in 1 2 3; do
    sleep "$pause"
    test ! -d /opt/ml/checkpoints || echo "$name $step" > "/opt/ml/checkpoints/$step"
done
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
    """A program of one line, with checkpoints, on two hosts, or script mode: there the container fetches the code."""
    is_script, has_checkpoints = one.number % 4 == 3, one.number % 4 == 1
    n_hosts = 2 if one.number % 8 == 4 else 1
    pause = str(round(one.lasts_s / 3, 3))
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/program"}
    program = ["/bin/sh", "/opt/ml/input/data/program/train.sh", one.name, pause]
    script = {
        "sagemaker_program": "train.sh",
        "sagemaker_submit_directory": f"s3://{BUCKET}/code.tar.gz",
        "name": one.name,
        "pause": pause,
    }
    checkpoints = {"S3Uri": f"s3://{BUCKET}/checkpoints/{one.name}"}
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
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": n_hosts, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 300},
        **({"CheckpointConfig": checkpoints} if has_checkpoints else {}),
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
    if request(one)["ResourceConfig"]["InstanceCount"] == 2:
        other = jobs.check_attempts(one, "algo-2")[-1]
        assert other.began == other.ended != last.began
    if "CheckpointConfig" in request(one):
        check_checkpoints(one, jobs)


def check_checkpoints(one: Wanted, jobs: Jobs) -> None:
    """All are there, whichever attempt wrote them."""
    s3 = jobs.rig.client("s3")
    for step in "123":
        found = s3.get_object(Bucket=BUCKET, Key=f"checkpoints/{one.name}/{step}")
        assert found["Body"].read() == f"{one.name} {step}\n".encode()
