"""Training jobs of a server that is killed: each one ends as it should, and is published once."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore import exceptions

from tests.crash import history, processes
from tests.crash.rig import KILLS, CutShort, Rig
from tests.support import workshop

pytestmark = [pytest.mark.slow, pytest.mark.soak, pytest.mark.timeout(900)]

ROLE = "arn:aws:iam::000000000000:role/Worker"
BUCKET = "jobs"
AT_ONCE = 3
MOST_KEEPERS_KILLED = 2
"""Of one job: it is given up after its fifth attempt."""
ENDED = ("Completed", "Failed", "Stopped")
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


@dataclass(slots=True)
class Wanted:
    """A job that may have been acknowledged, and what must become of it."""

    name: str
    lasts_s: float
    is_script: bool
    to_stop: bool
    is_known: bool = False
    stop_asked: bool = False
    n_keepers_killed: int = 0
    status: str = ""


@dataclass
class Jobs:
    """The client's side: a few jobs are always on their way."""

    rig: Rig
    wanted: dict[str, Wanted] = field(default_factory=dict)
    requests: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def work(self) -> None:
        """One thing a client does: start a job, stop one, or look at one."""
        running = self.running()
        unknown = next((one for one in self.wanted.values() if not one.is_known), None)
        if unknown is not None or len(running) < AT_ONCE:
            self._create(unknown or self._another())
            return
        one = self.rig.chance.choice(running)
        if one.to_stop and not one.stop_asked:
            self._stop(one)
        self.look(one)
        time.sleep(0.01)  # a client that asks without a pause would take the processor from the jobs

    def running(self) -> list[Wanted]:
        return [one for one in self.wanted.values() if one.is_known and one.status not in ENDED]

    def look(self, one: Wanted) -> dict[str, Any]:
        """What the server says of a job; once it has ended, it stays as it was."""
        answer: dict[str, Any] = self._asked("describe_training_job", TrainingJobName=one.name)
        status = answer.get("TrainingJobStatus")
        if status is None:
            raise CutShort
        assert one.status not in ENDED or status == one.status
        one.status = status
        return answer

    def _another(self) -> Wanted:
        chance = self.rig.chance
        one = Wanted(
            name=f"job-{len(self.wanted)}",
            lasts_s=round(chance.choice([0.0, chance.uniform(0, 0.5), chance.uniform(0.5, 2)]), 2),
            is_script=chance.random() < 0.25,
            to_stop=chance.random() < 0.15,
        )
        one.lasts_s = 60.0 if one.to_stop else one.lasts_s
        self.wanted[one.name] = one
        return one

    def _create(self, one: Wanted) -> None:
        """A request that is made again because nobody knows what became of it may find its job there."""
        with _or("ResourceInUse"):
            self._asked("create_training_job", **_request(one))
        one.is_known = True

    def _stop(self, one: Wanted) -> None:
        with _or("ValidationException"):
            self._asked("stop_training_job", TrainingJobName=one.name)
        one.stop_asked = True

    def _asked(self, operation: str, **request: Any) -> dict[str, Any]:
        answer: dict[str, Any] = getattr(self.rig.client("sagemaker"), operation)(**request)
        self.requests.add(answer["ResponseMetadata"]["RequestId"])
        return answer

    def kill_some_keepers(self) -> None:
        """Those of one job, or of all that may lose one more."""
        runs = [run_dir for run_dir in processes.keepers(self.rig.data) if self._may_lose(run_dir)]
        chosen = self.rig.chance.sample(
            sorted(runs), k=self.rig.chance.choice([min(1, len(runs)), len(runs)])
        )
        for run_dir in chosen:
            self.wanted[_job_of(run_dir)].n_keepers_killed += 1
        self.rig.kill_keepers(chosen)

    def _may_lose(self, run_dir: Path) -> bool:
        return self.wanted[_job_of(run_dir)].n_keepers_killed < MOST_KEEPERS_KILLED


def test_jobs_of_a_killed_server_end_as_they_should_and_are_published_once(rig: Rig) -> None:
    jobs = Jobs(rig)
    _prepare(rig)
    for _ in range(KILLS):
        how = rig.chance.choice(["server"] * 3 + ["keepers before", "keepers after"])
        kept = processes.keepers(rig.data)
        rig.crash(
            jobs.work,
            within=(0.0, 0.8),
            first=jobs.kill_some_keepers if how == "keepers before" else _nothing,
            then=jobs.kill_some_keepers if how == "keepers after" else _nothing,
        )
        if how == "server":
            _check_attached(kept, processes.keepers(rig.data))
    rig.until(lambda: _all_ended(jobs), what="the end of all jobs")
    for one in jobs.wanted.values():
        _check(one, jobs)
    assert rig.server.stop() == 0
    assert processes.of(rig.data) == {}
    assert [path for path in (rig.data / "jobs").rglob("*") if path.is_file()] == []
    history.check(rig.data, acknowledged=jobs.requests)


def _nothing() -> None:
    return None


def _prepare(rig: Rig) -> None:
    s3 = rig.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=BUCKET, Key="code.tar.gz", Body=workshop.archive({"train.sh": SCRIPT}))
    s3.put_object(Bucket=BUCKET, Key="program/train.sh", Body=SCRIPT.encode())


def _request(one: Wanted) -> dict[str, Any]:
    """In script mode, with code that the container fetches itself, or as a program of one line."""
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
            **({} if one.is_script else {"ContainerEntrypoint": program}),
        },
        "HyperParameters": script if one.is_script else {},
        "InputDataConfig": [{"ChannelName": "program", "DataSource": {"S3DataSource": source}}],
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 300},
    }


def _check_attached(before: dict[Path, int], after: dict[Path, int]) -> None:
    """No run has got another keeper."""
    changed = [run_dir for run_dir, pid in before.items() if after.get(run_dir, pid) != pid]
    assert changed == []


def _all_ended(jobs: Jobs) -> bool:
    jobs.work() if any(not one.is_known for one in jobs.wanted.values()) else None
    for one in jobs.running():
        if one.to_stop and not one.stop_asked:
            jobs.work()
        jobs.look(one)
    return not jobs.running()


def _check(one: Wanted, jobs: Jobs) -> None:
    """The job ended as it was asked to; its one model is that of its one attempt that came to the end."""
    told = jobs.look(one)
    expected = "Stopped" if one.to_stop else "Completed"
    attempts = _attempts(one, jobs.rig)
    assert told["TrainingJobStatus"] == expected, (told.get("FailureReason"), attempts)
    assert len(attempts) <= 1 + one.n_keepers_killed, attempts
    assert all(len(began) <= 1 for began, _ in attempts), f"an attempt ran twice: {attempts}"
    s3 = jobs.rig.client("s3")
    listed = s3.list_object_versions(Bucket=BUCKET, Prefix=f"out/{one.name}/")
    assert "DeleteMarkers" not in listed
    versions = [version["Key"] for version in listed.get("Versions", [])]
    if one.to_stop and not versions:
        return  # it was stopped before it ran
    assert versions == [f"out/{one.name}/output/model.tar.gz"]
    model = workshop.unpacked(s3.get_object(Bucket=BUCKET, Key=versions[0])["Body"].read())
    if one.to_stop:
        return  # it may have been ended before it wrote anything
    began, ended = attempts[-1]
    assert began == ended
    assert model == {"began": f"{began[0]}\n".encode(), "name": f"{one.name}\n".encode()}


def _attempts(one: Wanted, rig: Rig) -> list[tuple[list[str], list[str]]]:
    """What each attempt wrote of its beginnings and its ends, from its own log stream."""
    logs = rig.client("logs")
    group = "/aws/sagemaker/TrainingJobs"
    streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{one.name}/")["logStreams"]
    found = []
    for stream in sorted(streams, key=lambda each: each["logStreamName"]):
        lines = logs.get_log_events(
            logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
        )["events"]
        words = [line["message"].split() for line in lines]
        found.append(
            (
                [rest[0] for first, *rest in filter(None, words) if first == "began"],
                [rest[0] for first, *rest in filter(None, words) if first == "ended"],
            )
        )
    return found


def _job_of(run_dir: Path) -> str:
    return run_dir.parent.parent.name


@contextlib.contextmanager
def _or(code: str) -> Iterator[None]:
    """Lets one refusal pass."""
    try:
        yield
    except exceptions.ClientError as error:
        if error.response["Error"]["Code"] != code:
            raise
