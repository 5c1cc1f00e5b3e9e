"""A client that always has a few jobs on their way, and looks after them while the server comes and goes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore import exceptions

from tests.crash import history, processes
from tests.crash.rig import KILLS, CutShort, Rig

BUCKET = "jobs"
ROLE = "arn:aws:iam::000000000000:role/Worker"
AT_ONCE = 3
MOST_KEEPERS_KILLED = 2
"""Of one job: it is given up after its fifth attempt."""
ENDED = ("Completed", "Failed", "Stopped")
STOPPED_AFTER_S = 60.0
"""What a job that is to be stopped would last."""


@dataclass(slots=True)
class Wanted:
    """A job that may have been acknowledged, and what must become of it."""

    name: str
    number: int
    lasts_s: float
    to_stop: bool
    is_known: bool = False
    stop_asked: bool = False
    n_keepers_killed: int = 0
    status: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one attempt at a job wrote about itself: a mark at each beginning, and the same at its end."""

    began: list[str]
    ended: list[str]


@dataclass
class Jobs:
    """`noun` is the kind, as in CreateTransformJob; `request` makes what is sent to create one."""

    rig: Rig
    noun: str
    request: Callable[[Wanted], dict[str, Any]]
    wanted: dict[str, Wanted] = field(default_factory=dict)

    def outlive_crashes(self) -> None:
        """Kills the server, and now and then keepers with it, until it is enough; then waits for all jobs to end."""
        for _ in range(KILLS):
            how = self.rig.chance.choice(["server"] * 3 + ["keepers first", "keepers too"])
            kept = processes.keepers(self.rig.data)
            self.rig.crash(
                self.work,
                within=(0.0, 0.8),
                first=self._kill_keepers if how == "keepers first" else _nothing,
                then=self._kill_keepers if how == "keepers too" else _nothing,
            )
            if how == "server":
                _check_attached(kept, processes.keepers(self.rig.data))
        self.rig.until(self._all_ended, what="the end of all jobs")

    def check_nothing_left(self) -> None:
        """Ends the server: no process and no file of a job is left, and its history is consistent."""
        assert self.rig.server.stop() == 0
        assert processes.of(self.rig.data) == {}
        assert [path for path in (self.rig.data / "jobs").rglob("*") if path.is_file()] == []
        history.check(self.rig.data, acknowledged=self.rig.acknowledged)

    def work(self) -> None:
        """One thing a client does: start a job, stop one, or look at one."""
        running = self._running()
        unknown = next((one for one in self.wanted.values() if not one.is_known), None)
        if unknown is not None or len(running) < AT_ONCE:
            self._create(unknown or self._another())
            return
        one = self.rig.chance.choice(running)
        if one.to_stop and not one.stop_asked:
            self._stop(one)
        self.look(one)
        time.sleep(0.01)  # a client that asks without a pause would take the processor from the jobs

    def look(self, one: Wanted) -> dict[str, Any]:
        """What the server says of a job; once it has ended, it stays as it was."""
        answer = self._asked(f"describe_{self._word}", **{self._name: one.name})
        status = answer.get(f"{self.noun}Status")
        if status is None:
            raise CutShort
        assert one.status not in ENDED or status == one.status
        one.status = status
        return answer

    def attempts(self, one: Wanted, host: str = "algo-1") -> list[Attempt]:
        """From the log: each attempt writes a stream of its own for each host."""
        logs, group = self.rig.client("logs"), f"/aws/sagemaker/{self.noun}s"
        listed = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{one.name}/{host}-")
        found = []
        for stream in sorted(stream["logStreamName"] for stream in listed["logStreams"]):
            told = logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)
            lines = [event["message"].split() for event in told["events"]]
            marks = {
                word: [rest[0] for first, *rest in filter(None, lines) if first == word] for word in MARKS
            }
            found.append(Attempt(*marks.values()))
        return found

    def outputs(self, one: Wanted) -> dict[str, bytes]:
        """The objects under the job's own prefix; none of them was written twice, and none was deleted."""
        s3, prefix = self.rig.client("s3"), f"out/{one.name}/"
        listed = s3.list_object_versions(Bucket=BUCKET, Prefix=prefix)
        keys = [version["Key"] for version in listed.get("Versions", [])]
        assert "DeleteMarkers" not in listed
        assert len(set(keys)) == len(keys), f"published twice: {keys}"
        return {
            key.removeprefix(prefix): s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys
        }

    def check_attempts(self, one: Wanted, host: str = "algo-1") -> list[Attempt]:
        """The job ended as it was asked to, and was tried again only where its keeper was killed."""
        told, attempts = self.look(one), self.attempts(one, host)
        expected = "Stopped" if one.to_stop else "Completed"
        assert told[f"{self.noun}Status"] == expected, (told.get("FailureReason"), attempts)
        assert len(attempts) <= 1 + one.n_keepers_killed, attempts
        assert all(len(attempt.began) <= 1 for attempt in attempts), f"an attempt ran twice: {attempts}"
        return attempts

    @property
    def _word(self) -> str:
        return {"TrainingJob": "training_job", "TransformJob": "transform_job"}[self.noun]

    @property
    def _name(self) -> str:
        return f"{self.noun}Name"

    def _running(self) -> list[Wanted]:
        return [one for one in self.wanted.values() if one.is_known and one.status not in ENDED]

    def _another(self) -> Wanted:
        chance, number = self.rig.chance, len(self.wanted)
        to_stop = chance.random() < 0.15
        lasts_s = round(chance.choice([0.0, chance.uniform(0, 0.5), chance.uniform(0.5, 2)]), 2)
        one = Wanted(
            name=f"job-{number}",
            number=number,
            lasts_s=STOPPED_AFTER_S if to_stop else lasts_s,
            to_stop=to_stop,
        )
        self.wanted[one.name] = one
        return one

    def _create(self, one: Wanted) -> None:
        """A request that is made again because nobody knows what became of it may find its job there."""
        with _unless_refused("ResourceInUse"):
            self._asked(f"create_{self._word}", **self.request(one))
        one.is_known = True

    def _stop(self, one: Wanted) -> None:
        """Asked again, it may find the job stopped."""
        with _unless_refused("ValidationException"):
            self._asked(f"stop_{self._word}", **{self._name: one.name})
        one.stop_asked = True

    def _asked(self, operation: str, **request: Any) -> dict[str, Any]:
        return self.rig.ask("sagemaker", operation, **request)

    def _all_ended(self) -> bool:
        for one in list(self.wanted.values()):
            if not one.is_known:
                self._create(one)
            if one.to_stop and not one.stop_asked:
                self._stop(one)
            if one.status not in ENDED:
                self.look(one)
        return not self._running()

    def _kill_keepers(self) -> None:
        """Those of one job, or of all that may lose one more."""
        runs = [run_dir for run_dir in processes.keepers(self.rig.data) if self._may_lose(run_dir)]
        n_chosen = self.rig.chance.choice([min(1, len(runs)), len(runs)])
        chosen = self.rig.chance.sample(sorted(runs), k=n_chosen)
        for run_dir in chosen:
            self.wanted[_job_of(run_dir)].n_keepers_killed += 1
        self.rig.kill_keepers(chosen)

    def _may_lose(self, run_dir: Path) -> bool:
        return self.wanted[_job_of(run_dir)].n_keepers_killed < MOST_KEEPERS_KILLED


MARKS = ("began", "ended")


def prepare(rig: Rig) -> Any:
    """The bucket, which keeps every version, so that what is published twice is seen. Its client."""
    s3 = rig.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return s3


def _nothing() -> None:
    return None


def _check_attached(before: dict[Path, int], after: dict[Path, int]) -> None:
    """No run has got another keeper."""
    changed = [run_dir for run_dir, pid in before.items() if after.get(run_dir, pid) != pid]
    assert changed == []


def _job_of(run_dir: Path) -> str:
    return run_dir.parent.parent.name


@contextlib.contextmanager
def _unless_refused(code: str) -> Iterator[None]:
    """Lets one refusal pass."""
    try:
        yield
    except exceptions.ClientError as error:
        if error.response["Error"]["Code"] != code:
            raise
