"""Checkpoints: saved while the job runs, and there again for the next one."""

import pytest

from tests.support.workshop import Workshop

pytestmark = pytest.mark.slow

SAVING = """
import os, pathlib, sys, time
folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "/opt/ml/checkpoints")
print("found", sorted(p.name for p in folder.iterdir()), flush=True)
(folder / "deep").mkdir(exist_ok=True)
(folder / "deep" / "step-1").write_text("one")
(folder / "half.sagemaker-ignore").write_text("not yet")
os.symlink("{secret}", folder / "link")
os.symlink("{folder}", folder / "elsewhere")
print("saved", flush=True)
if "{wait}":
    while True: time.sleep(0.05)
(folder / "step-2").write_text("two")
"""


def code(workshop: Workshop, *, wait: bool) -> str:
    secret = workshop.server.data / "credentials.json"
    filled = SAVING.replace("{secret}", str(secret)).replace("{folder}", str(workshop.server.data))
    return filled.replace("{wait}", "yes" if wait else "")


def test_checkpoints_are_copied_while_the_job_runs_and_restored_for_the_next(workshop: Workshop) -> None:
    place = f"s3://{workshop.bucket}/{workshop.name('checkpoints')}"
    config = {"S3Uri": place}
    first = workshop.start_training(workshop.program(code(workshop, wait=True), CheckpointConfig=config))
    workshop.until(lambda: workshop.keys(place) == ["deep/step-1"], what="the copy of the checkpoint")
    assert workshop.training(first)["TrainingJobStatus"] == "InProgress"
    assert workshop.get(f"{place}/deep/step-1") == b"one"
    workshop.sagemaker.stop_training_job(TrainingJobName=first)
    workshop.trained(first)
    second = workshop.train(workshop.program(code(workshop, wait=False), CheckpointConfig=config))
    assert "found ['deep']" in workshop.log_of(second)
    assert workshop.keys(place) == ["deep/step-1", "step-2"]


def test_checkpoints_may_lie_in_a_folder_outside_opt_ml(workshop: Workshop) -> None:
    place = f"s3://{workshop.bucket}/{workshop.name('checkpoints')}"
    request = workshop.program(
        code(workshop, wait=False), CheckpointConfig={"S3Uri": f"{place}/", "LocalPath": "/mine/checkpoints"}
    )
    request["AlgorithmSpecification"]["ContainerArguments"] = ["/mine/checkpoints"]
    workshop.train(request)
    assert workshop.keys(place) == ["deep/step-1", "step-2"]


def test_another_jobs_checkpoints_under_a_longer_name_are_not_taken(workshop: Workshop) -> None:
    base = workshop.name("checkpoints")
    workshop.put(f"{base}-other/step-9", "nine")
    config = {"S3Uri": f"s3://{workshop.bucket}/{base}"}
    job = workshop.train(workshop.program(code(workshop, wait=False), CheckpointConfig=config))
    assert "found []" in workshop.log_of(job)


@pytest.mark.parametrize(
    "local", ["/", "/opt/ml", "/opt/ml/model/x", "/opt/ml/../../etc", "relative", "/usr/lib", "/opt//ml"]
)
def test_a_folder_that_is_not_the_jobs_to_choose_is_refused(workshop: Workshop, local: str) -> None:
    request = workshop.program(
        "pass", CheckpointConfig={"S3Uri": f"s3://{workshop.bucket}/c", "LocalPath": local}
    )
    with workshop.refused("ValidationException", "CheckpointConfig.LocalPath", local.rstrip("/")):
        workshop.sagemaker.create_training_job(**request)


def test_a_missing_bucket_fails_the_job_before_it_runs(workshop: Workshop) -> None:
    request = workshop.program("print('ran')", CheckpointConfig={"S3Uri": "s3://absent-bucket/c"})
    job = workshop.train(request, expect="Failed")
    assert "absent-bucket" in job["FailureReason"]
    assert "ran" not in workshop.log_of(job)
