"""How training jobs end: stopped, timed out, failed, and with which words."""

from pathlib import Path

import pytest
from botocore import exceptions

from glasshouse.kernel import ports
from glasshouse.kernel.jobs import failures, instances
from tests.support import workshop as shop
from tests.support.workshop import Workshop

pytestmark = pytest.mark.slow

PATIENT = """
import pathlib, signal, sys, time
def leave(*_):
    print("saving")
    pathlib.Path("/opt/ml/model/model.bin").write_bytes(b"so far")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("ready")
while True:
    time.sleep(0.02)
"""


def model_of(workshop: Workshop, job: shop.Document) -> dict[str, bytes]:
    return shop.unpacked(workshop.get(job["ModelArtifacts"]["S3ModelArtifacts"]))


def assert_gone(workshop: Workshop, name: str) -> None:
    """The folder goes just after the last status is written."""
    folder = workshop.folder_of("TrainingJob", name)
    workshop.until(lambda: not folder.exists(), what=f"the end of {folder}")


def test_a_stopped_job_may_save_its_model(workshop: Workshop) -> None:
    name = workshop.start_training(workshop.program(PATIENT))
    workshop.running(name, "ready")
    workshop.sagemaker.stop_training_job(TrainingJobName=name)
    assert workshop.training(name)["TrainingJobStatus"] in ("Stopping", "Stopped")
    job = workshop.trained(name)
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Stopped"
    assert [one["Status"] for one in job["SecondaryStatusTransitions"]][2:] == [
        "Training",
        "Stopping",
        "Uploading",
        "Stopped",
    ]
    assert model_of(workshop, job) == {"model.bin": b"so far"}


def test_a_job_stopped_at_once_ends_and_leaves_nothing_running(workshop: Workshop) -> None:
    for _ in range(5):
        name = workshop.start_training(workshop.program(PATIENT))
        workshop.sagemaker.stop_training_job(TrainingJobName=name)
        assert workshop.trained(name)["TrainingJobStatus"] == "Stopped"
        assert_gone(workshop, name)


def test_a_job_that_has_ended_cannot_be_stopped(workshop: Workshop) -> None:
    job = workshop.train(workshop.program("pass"))
    with workshop.refused("ValidationException", "is in status Completed"):
        workshop.sagemaker.stop_training_job(TrainingJobName=job["TrainingJobName"])


def test_a_job_that_runs_too_long_is_stopped_and_says_so(workshop: Workshop) -> None:
    request = workshop.program(PATIENT, StoppingCondition={"MaxRuntimeInSeconds": 1})
    job = workshop.train(request, expect="Stopped")
    assert job["SecondaryStatus"] == "MaxRuntimeExceeded"
    assert "MaxRuntimeInSeconds" in job["SecondaryStatusTransitions"][-1]["StatusMessage"]
    assert model_of(workshop, job) == {"model.bin": b"so far"}


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        pytest.param(
            "open('/opt/ml/output/failure', 'w').write('the data smells'); raise SystemExit(7)",
            "AlgorithmError: the data smells, exit code: 7",
            id="failure-file",
        ),
        pytest.param(
            "print('fine'); print('ValueError: column 3 is empty'); raise SystemExit(2)",
            "AlgorithmError: ValueError: column 3 is empty, exit code: 2",
            id="log",
        ),
        pytest.param(
            "def f(): raise KeyError('age')\nf()",
            "KeyError: 'age', exit code: 1",
            id="traceback",
        ),
        pytest.param(
            "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
            "exit code: 137",
            id="killed",
        ),
    ],
)
def test_the_reason_of_a_failure_is_in_the_jobs_own_words(workshop: Workshop, code: str, reason: str) -> None:
    job = workshop.train(workshop.program(code), expect="Failed")
    assert reason in job["FailureReason"]
    assert job["SecondaryStatus"] == "Failed"
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == ""
    assert workshop.keys(f"s3://{workshop.bucket}/out/{job['TrainingJobName']}") == []


def test_a_reason_is_cut_to_what_the_model_allows(workshop: Workshop) -> None:
    code = "open('/opt/ml/output/failure', 'w').write('x' * 100_000); raise SystemExit(1)"
    job = workshop.train(workshop.program(code), expect="Failed")
    assert len(job["FailureReason"]) <= 1024
    assert job["FailureReason"].endswith("exit code: 1")


def test_a_job_that_takes_too_much_memory_is_told_so(tmp_path: Path) -> None:
    """That the executor notices is its conformance suite's to show; the smallest instance has 4 GiB."""
    reason = failures.reason_of(
        ports.Exited(code=137, reason="out_of_memory", host="algo-1"),
        failure_file=tmp_path / "failure",
        log=tmp_path / "log",
        limits=instances.limits_of("ml.t3.medium", time_s=None),
    )
    assert "more memory than its instance has (4 GiB)" in reason


def test_a_program_that_is_not_there_is_named(workshop: Workshop) -> None:
    algorithm = {
        "TrainingImage": shop.SKLEARN,
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["no-such-program"],
    }
    job = workshop.train(workshop.training_request(AlgorithmSpecification=algorithm), expect="Failed")
    assert "no-such-program" in job["FailureReason"]


def test_one_failing_host_ends_the_others(workshop: Workshop) -> None:
    code = (
        "import json, time\n"
        "me = json.load(open('/opt/ml/input/config/resourceconfig.json'))['current_host']\n"
        "if me == 'algo-2': raise ValueError('the second host gave up')\n"
        "time.sleep(100)\n"
    )
    resources = {"InstanceType": shop.INSTANCE, "InstanceCount": 2, "VolumeSizeInGB": 1}
    job = workshop.train(workshop.program(code, ResourceConfig=resources), expect="Failed")
    assert "the second host gave up" in job["FailureReason"]


def test_inputs_that_are_not_there_fail_the_job_with_a_sentence(workshop: Workshop) -> None:
    nowhere = f"s3://{workshop.bucket}/nowhere"
    job = workshop.train(
        workshop.program("pass", channels=[workshop.channel("train", nowhere)]), expect="Failed"
    )
    assert f"No S3 objects found under S3 URI {nowhere}" in job["FailureReason"]
    job = workshop.train(
        workshop.program("pass", channels=[workshop.channel("train", "s3://absent-bucket/x")]),
        expect="Failed",
    )
    assert "s3://absent-bucket/x cannot be read" in job["FailureReason"]
    assert "SecondaryStatusTransitions" in job
    assert job["SecondaryStatusTransitions"][-1]["Status"] == "Failed"


def test_a_job_whose_outputs_have_no_bucket_fails_before_it_runs(workshop: Workshop) -> None:
    request = workshop.program("print('ran')", OutputDataConfig={"S3OutputPath": "s3://absent-bucket/out"})
    job = workshop.train(request, expect="Failed")
    assert "cannot be written to s3://absent-bucket/out" in job["FailureReason"]
    assert "ran" not in workshop.log_of(job)


def test_a_bucket_that_goes_away_while_the_job_runs_fails_it(workshop: Workshop) -> None:
    workshop.s3.create_bucket(Bucket="short-lived")
    request = workshop.program(PATIENT, OutputDataConfig={"S3OutputPath": "s3://short-lived/out"})
    name = workshop.start_training(request)
    workshop.running(name, "ready")
    workshop.s3.delete_bucket(Bucket="short-lived")
    workshop.sagemaker.stop_training_job(TrainingJobName=name)
    job = workshop.trained(name)
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Failed"
    assert "short-lived" in job["FailureReason"]


def removed(workshop: Workshop, bucket: str) -> bool:
    """Tries to remove a bucket that a job goes on writing to."""
    for one in workshop.s3.list_objects_v2(Bucket=bucket).get("Contents", []):
        workshop.s3.delete_object(Bucket=bucket, Key=one["Key"])
    try:
        workshop.s3.delete_bucket(Bucket=bucket)
    except exceptions.ClientError as error:
        if shop.refusal(error).code != "BucketNotEmpty":
            raise
        return False
    return True


def test_a_job_whose_checkpoints_lose_their_bucket_is_ended_and_says_so(workshop: Workshop) -> None:
    workshop.s3.create_bucket(Bucket="checkpoints-for-now")
    code = (
        "import pathlib, time\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        "    pathlib.Path('/opt/ml/checkpoints', str(time.time_ns())).write_text('x'); time.sleep(0.3)\n"
    )
    config = {"S3Uri": "s3://checkpoints-for-now/here"}
    name = workshop.start_training(workshop.program(code, CheckpointConfig=config))
    workshop.running(name, "ready")
    workshop.until(lambda: removed(workshop, "checkpoints-for-now"), what="the removal of the bucket")
    job = workshop.trained(name)
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Failed"
    assert "ClientError: The specified bucket does not exist" in job["FailureReason"]
    assert_gone(workshop, name)


def test_a_job_that_cannot_be_looked_after_is_ended_before_it_fails(workshop: Workshop) -> None:
    """A folder stands where the server keeps its own notes of the job: an error nobody foresaw."""
    definitions = {"MetricDefinitions": [{"Name": "m", "Regex": "m=(.*)"}]}
    name = workshop.start_training(workshop.program(PATIENT, AlgorithmSpecification=definitions))
    workshop.running(name, "ready")
    (notes,) = workshop.until(lambda: list(workshop.folder_of("TrainingJob", name).glob("*/metrics.json")))
    notes.unlink()
    notes.mkdir()
    job = workshop.trained(name)
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Failed"
    assert job["FailureReason"].startswith("InternalError: IsADirectoryError")
    assert job["SecondaryStatusTransitions"][-1]["Status"] == "Failed"
    assert_gone(workshop, name)


HOSTILE = {
    "links": (
        "import os\n"
        "os.symlink('{secret}', '/opt/ml/model/link')\n"
        "os.symlink('{folder}', '/opt/ml/model/folder')\n"
        "os.mkfifo('/opt/ml/model/pipe')\n"
        "import socket; socket.socket(socket.AF_UNIX).bind('/opt/ml/model/socket')\n"
        "open('/opt/ml/model/plain', 'w').write('x'); os.link('/opt/ml/model/plain', '/opt/ml/model/twin')\n"
        "os.chmod('/opt/ml/model/plain', 0)\n"
    ),
    "model-is-a-link": (
        "import os, shutil\nshutil.rmtree('/opt/ml/model'); os.symlink('{folder}', '/opt/ml/model')\n"
    ),
    "output-is-a-link": (
        "import os, shutil\nshutil.rmtree('/opt/ml/output'); os.symlink('{folder}', '/opt/ml/output')\n"
        "raise SystemExit(1)\n"
    ),
    "failure-is-a-link": "import os\nos.symlink('{secret}', '/opt/ml/output/failure')\nraise SystemExit(1)\n",
    "model-is-a-file": "import os\nos.rmdir('/opt/ml/model'); open('/opt/ml/model', 'w').write('x')\n",
    "model-is-gone": "import os\nos.rmdir('/opt/ml/model')\n",
    "model-is-closed": "import os\nos.chmod('/opt/ml/model', 0)\nos.chmod('/opt/ml', 0o500)\n",
}
ENDS = {
    "links": ("Completed", ""),
    "model-is-a-link": ("Failed", "/opt/ml/model is a link"),
    "output-is-a-link": ("Failed", "/opt/ml/output is a link"),
    "failure-is-a-link": ("Failed", "exit code: 1"),
    "model-is-a-file": ("Failed", "/opt/ml/model is not a folder"),
    "model-is-gone": ("Completed", ""),
    "model-is-closed": ("Completed", ""),
}


@pytest.mark.parametrize("trick", sorted(HOSTILE))
def test_nothing_that_a_job_leaves_makes_the_server_read_its_own_files(
    workshop: Workshop, trick: str
) -> None:
    secret = workshop.server.data / "credentials.json"
    code = HOSTILE[trick].replace("{secret}", str(secret)).replace("{folder}", str(workshop.server.data))
    status, words = ENDS[trick]
    job = workshop.train(workshop.program(code), expect=status)
    assert words in job.get("FailureReason", "")
    assert "SecretAccessKey" not in str(job)
    if status == "Completed":
        files = model_of(workshop, job)
        assert set(files) == ({"plain", "twin"} if trick == "links" else set())
        assert all(content == b"x" for content in files.values())


def test_a_job_that_has_ended_leaves_nothing_on_disk(workshop: Workshop) -> None:
    job = workshop.train(workshop.program("pass"))
    assert_gone(workshop, job["TrainingJobName"])
