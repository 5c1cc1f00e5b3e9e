"""How a server ends, in order or not, and what the next one on its data folder finds."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import threading
import time
from typing import Any
from urllib.parse import SplitResult, urlsplit

import pytest

from tests.crash import processes
from tests.crash.jobs import BUCKET, ROLE
from tests.crash.rig import Rig, rigged
from tests.crash.test_endpoints import ENDPOINT
from tests.support import installation, workshop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SLOW_S = 1.5
SLOW_MODEL = f"""\
import time

def model_fn(folder):
    return "answered"

def transform_fn(model, body, content_type, accept):
    time.sleep({SLOW_S})
    return model, "text/plain"
"""


@pytest.fixture
def alone() -> Any:
    """A rig of the test's own; these tests go through their few cases once."""
    with rigged() as one:
        one.client("s3").create_bucket(Bucket=BUCKET)
        yield one


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_server_told_to_end_answers_what_it_has_begun(alone: Rig, how: signal.Signals) -> None:
    deployed(alone)
    job = training(alone, "until [ -e /opt/ml/go ]; do sleep 0.1; done; echo done > /opt/ml/model/done")
    keeper = alone.until(lambda: processes.keepers(alone.data, "TrainingJob"), what="the job's start")
    invoking = Answer(alone.client("sagemaker-runtime").invoke_endpoint, EndpointName=ENDPOINT, Body=b"x")
    upload = HalfUpload(alone, "slow", b"a" * 100_000)
    began, where = time.monotonic(), urlsplit(alone.server.endpoint)
    alone.server.send(how)
    alone.until(lambda: not listens(where), within_s=15, what="the end of listening")
    assert upload.finish() == 200
    assert invoking.get()["Body"].read() == b"answered"
    assert alone.server.wait() == 0
    assert time.monotonic() - began < 19, "the server used up its drain time"
    assert not (alone.data / "server.json").exists()
    assert processes.keepers(alone.data, "TrainingJob") == keeper

    alone.start()
    s3 = alone.client("s3")
    assert s3.get_object(Bucket=BUCKET, Key="slow")["Body"].read() == b"a" * 100_000
    for run in keeper:
        (run.parent / "algo-1" / "ml" / "go").touch()
    alone.until(lambda: status(alone, job) != "InProgress", what="the end of the job")
    assert status(alone, job) == "Completed"
    alone.until(lambda: answers(alone), within_s=15, what="an answer of the endpoint")


def test_a_client_that_never_ends_its_request_does_not_hold_the_server(alone: Rig) -> None:
    alone.server.stop()
    alone.server = installation.Installation(alone.data, extra={"GLASSHOUSE_DRAIN_S": "1"})
    alone.start()
    upload = HalfUpload(alone, "never", b"a" * 100_000)
    began = time.monotonic()
    assert alone.server.stop() == 0
    assert time.monotonic() - began < 15, "the server waited for the client"
    upload.leave()
    alone.start()
    assert "Contents" not in alone.client("s3").list_objects_v2(Bucket=BUCKET)


def test_a_second_server_on_the_folder_is_refused_with_a_sentence(alone: Rig) -> None:
    told = alone.server.told()
    second = installation.run("up", "--port", "0", data=alone.data)
    assert second.returncode == 1
    assert (
        second.stderr
        == f"glasshouse: Another server is using {alone.data}; stop it or name another folder.\n"
    )
    assert alone.server.told() == told
    assert alone.client("s3").list_buckets()["Buckets"]


def test_status_and_down_tell_a_killed_server_from_a_running_one(alone: Rig) -> None:
    alone.server.kill()
    assert alone.server.told()
    for command in ("status", "down", "env"):
        done = installation.run(command, data=alone.data)
        assert done.returncode == 3
        assert f"No server runs on {alone.data}" in done.stderr
    alone.start()
    done = installation.run("status", data=alone.data)
    assert done.returncode == 0
    assert f"pid       {alone.server.pid}" in done.stdout
    assert installation.run("down", data=alone.data).returncode == 0
    assert alone.server.wait() == 0
    assert installation.run("status", data=alone.data).returncode == 3


def test_a_number_that_another_process_has_now_is_not_taken_for_the_server(alone: Rig) -> None:
    """After a restart of the machine any process may have the number and any program the port."""
    told = alone.server.told()
    alone.server.kill()
    port = urlsplit(told["endpoint"]).port or 0
    with subprocess.Popen(["sleep", "600"]) as other, socket.create_server(("127.0.0.1", port)):
        (alone.data / "server.json").write_text(json.dumps({**told, "pid": other.pid}))
        for command in ("status", "down"):
            assert installation.run(command, data=alone.data).returncode == 3
        assert other.poll() is None
        other.kill()


def test_a_server_killed_during_its_very_first_start_leaves_nothing_that_hinders_the_next() -> None:
    with rigged(start=False) as rig:
        for number in range(12):
            rig.start_and_kill(number * 0.08)
        rig.start()
        rig.client("s3").create_bucket(Bucket=BUCKET)
        assert rig.server.stop() == 0


def test_a_server_told_to_end_while_it_starts_ends(alone: Rig) -> None:
    alone.server.stop()
    for number in range(12):
        process = alone.spawn()
        time.sleep(number * 0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) in (0, -signal.SIGTERM)
        assert installation.run("status", data=alone.data).returncode == 3
    alone.start()


def test_jobs_and_model_servers_go_with_their_data_folder(alone: Rig) -> None:
    deployed(alone)
    training(alone, "sleep 600")
    alone.until(lambda: len(processes.keepers(alone.data)) == 2, what="two keepers")
    alone.server.kill()
    assert processes.of(alone.data)
    shutil.rmtree(alone.data)
    alone.until(lambda: not processes.of(alone.data), within_s=20, what="the end of all processes")
    alone.data.mkdir()


def test_a_fleet_that_fails_for_a_reason_of_ours_leaves_no_servers(alone: Rig) -> None:
    """Looking at the servers raises, since there is no place for their sockets any more."""
    prepared(alone, count=2)
    sagemaker = alone.client("sagemaker")
    sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName="slow")
    alone.until(lambda: processes.keepers(alone.data, "Endpoint"), what="a server")
    (alone.data / "run").rename(alone.data / "run-before")
    (alone.data / "run").write_text("in the way")
    found = alone.until(lambda: failed(alone), what="the failure")
    assert found["FailureReason"].startswith("InternalError: ")
    alone.until(lambda: not processes.keepers(alone.data), what="the end of the servers")
    sagemaker.delete_endpoint(EndpointName=ENDPOINT)
    assert alone.server.stop() == 0
    assert processes.of(alone.data) == {}


class Answer:
    """A call in a thread of its own."""

    def __init__(self, call: Any, **request: Any) -> None:
        self._found: list[Any] = []
        self._thread = threading.Thread(target=lambda: self._found.append(call(**request)))
        self._thread.start()

    def get(self) -> Any:
        self._thread.join()
        return self._found[0]


class HalfUpload:
    """A presigned PUT whose body has come halfway, and which the server has begun to take in."""

    def __init__(self, rig: Rig, key: str, body: bytes) -> None:
        url = urlsplit(
            rig.client("s3").generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": key})
        )
        self._rest = body[len(body) // 2 :]
        self._socket = socket.create_connection((url.hostname, url.port))
        head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: {len(body)}\r\n\r\n"
        self._socket.sendall(head.encode() + body[: len(body) // 2])
        incoming = rig.data / "blobs" / "plain" / "incoming"
        rig.until(lambda: incoming.is_dir() and any(incoming.iterdir()), what="the upload's beginning")

    def finish(self) -> int:
        """Sends the rest; the status of the answer."""
        self._socket.sendall(self._rest)
        with self._socket.makefile("rb") as answer:
            line = answer.readline()
        self._socket.close()
        return int(line.split()[1])

    def leave(self) -> None:
        self._socket.close()


def prepared(rig: Rig, *, count: int) -> None:
    """The model "slow" and its configuration."""
    model = workshop.archive({"code/inference.py": SLOW_MODEL})
    rig.client("s3").put_object(Bucket=BUCKET, Key="model.tar.gz", Body=model)
    sagemaker = rig.client("sagemaker")
    container = {"Image": workshop.SKLEARN, "ModelDataUrl": f"s3://{BUCKET}/model.tar.gz"}
    sagemaker.create_model(ModelName="slow", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": "slow",
        "InitialInstanceCount": count,
        "InstanceType": "ml.m5.large",
        "InitialVariantWeight": 1,
    }
    sagemaker.create_endpoint_config(EndpointConfigName="slow", ProductionVariants=[variant])


def deployed(rig: Rig) -> None:
    prepared(rig, count=1)
    rig.client("sagemaker").create_endpoint(EndpointName=ENDPOINT, EndpointConfigName="slow")
    rig.until(lambda: described(rig)["EndpointStatus"] == "InService", what="the endpoint")


def described(rig: Rig) -> Any:
    return rig.client("sagemaker").describe_endpoint(EndpointName=ENDPOINT)


def failed(rig: Rig) -> Any:
    found = described(rig)
    return found if found["EndpointStatus"] == "Failed" else None


def answers(rig: Rig) -> bool:
    try:
        rig.client("sagemaker-runtime").invoke_endpoint(EndpointName=ENDPOINT, Body=b"x")
    except rig.client("sagemaker-runtime").exceptions.ClientError:
        return False
    return True


def training(rig: Rig, program: str) -> str:
    """Starts a job of one line of shell; its name."""
    rig.client("sagemaker").create_training_job(
        TrainingJobName="job",
        AlgorithmSpecification={
            "TrainingImage": workshop.SKLEARN,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["/bin/sh", "-c", program],
        },
        RoleArn=ROLE,
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 3600},
    )
    return "job"


def status(rig: Rig, job: str) -> str:
    found = rig.client("sagemaker").describe_training_job(TrainingJobName=job)
    return str(found["TrainingJobStatus"])


def listens(where: SplitResult) -> bool:
    try:
        with socket.create_connection((where.hostname, where.port), timeout=2):
            return True
    except OSError:
        return False
