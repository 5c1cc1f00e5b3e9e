"""Endpoints of a server that is killed: they answer again at once, an update ends, and no server runs twice.

Their decisions are recorded: whatever was answered is in the ledger, which verifies.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore import exceptions

from glasshouse.kernel.ledger import Reader
from glassproof import anchors, ledgers
from tests.crash import history, processes
from tests.crash.rig import KILLS, CutShort, Rig
from tests.support import workshop

pytestmark = [pytest.mark.slow, pytest.mark.soak, pytest.mark.timeout(900)]

ROLE = "arn:aws:iam::000000000000:role/Worker"
BUCKET = "models"
ENDPOINT = "colours"
WORDS = ("red", "blue")
REPLICAS = 2
ANSWERS_WITHIN_S = 5.0
CODE = """\
import pathlib

def model_fn(folder):
    return (pathlib.Path(folder) / "word").read_text()

def transform_fn(model, body, content_type, accept):
    return model, "text/plain"
"""


@dataclass
class Clients:
    """Some invoke the endpoint, one updates it now and then."""

    rig: Rig
    asked: str = WORDS[0]
    """The configuration that the last acknowledged update asked for, or that a request without an answer may have."""
    is_sure: bool = True
    n_updates: int = 0
    n_answers: int = 0
    decided: dict[str, str] = field(default_factory=dict)
    """What was answered, by the ids of the decisions."""

    def invoke(self) -> None:
        self.answer()

    def answer(self) -> str:
        """The word that the endpoint says."""
        answer = self._asked("sagemaker-runtime", "invoke_endpoint", EndpointName=ENDPOINT, Body=b"x")
        word = bytes(answer["Body"].read()).decode()
        assert word in WORDS
        self.n_answers += 1
        self.decided[answer["ResponseMetadata"]["HTTPHeaders"]["x-glasshouse-decision-id"]] = word
        time.sleep(0.01)
        return word

    def update(self) -> None:
        """Asks for the other configuration once the last one is in service."""
        found = self.described()
        time.sleep(0.02)
        if found["EndpointStatus"] != "InService":
            return
        assert "FailureReason" not in found, found
        if not self.is_sure:
            self.asked, self.is_sure = found["EndpointConfigName"], True
        assert found["EndpointConfigName"] == self.asked
        if self.rig.chance.random() < 0.5:
            wanted = WORDS[1 - WORDS.index(self.asked)]
            self.is_sure = False
            self._asked("sagemaker", "update_endpoint", EndpointName=ENDPOINT, EndpointConfigName=wanted)
            self.asked, self.is_sure = wanted, True
            self.n_updates += 1

    def described(self) -> dict[str, Any]:
        found = self._asked("sagemaker", "describe_endpoint", EndpointName=ENDPOINT)
        if "EndpointStatus" not in found:
            raise CutShort
        assert found["EndpointStatus"] in ("Creating", "Updating", "InService")
        return found

    def is_settled(self) -> bool:
        """In service with as many servers as were asked for, and no others."""
        found = self.described()
        if found["EndpointStatus"] != "InService":
            return False
        n_ready = int(found["ProductionVariants"][0]["CurrentInstanceCount"])
        return n_ready == REPLICAS == len(processes.keepers(self.rig.data, "Endpoint"))

    def _asked(self, service: str, operation: str, **request: Any) -> dict[str, Any]:
        return self.rig.ask(service, operation, **request)


def test_an_endpoint_answers_through_updates_and_crashes(rig: Rig) -> None:
    clients = Clients(rig)
    prepare(rig, count=REPLICAS)
    rig.client("sagemaker").create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=WORDS[0])
    rig.until(clients.is_settled, what="the endpoint")
    for number in range(KILLS):
        lost: list[Path] = []
        if number % 5 == 4:
            rig.until(clients.is_settled, what="a complete fleet")
            lost = sorted(processes.keepers(rig.data, "Endpoint"))[:1]
        rig.crash(
            clients.invoke,
            clients.invoke,
            clients.update,
            within=(0.0, 1.0),
            then=functools.partial(rig.kill_keepers, lost),
        )
        began = time.monotonic()
        clients.invoke()
        assert time.monotonic() - began < ANSWERS_WITHIN_S
    rig.until(clients.is_settled, what="a complete fleet")
    clients.update()
    rig.until(clients.is_settled, what="a complete fleet")
    assert {clients.answer() for _ in range(10)} == {clients.asked}
    assert clients.n_updates >= KILLS // 5
    assert clients.n_answers > 4 * KILLS
    check_decisions(rig, clients.decided)
    rig.client("sagemaker").delete_endpoint(EndpointName=ENDPOINT)
    rig.crash(within=(0.0, 0.3))
    rig.until(lambda: is_gone(rig, ENDPOINT), what="the end of the endpoint")
    check_nothing_left(rig)
    history.check(rig.data, acknowledged=rig.acknowledged)


def test_endpoints_deleted_while_they_come_up_leave_nothing(rig: Rig) -> None:
    prepare(rig, count=1)
    names: list[str] = []

    def make_and_delete() -> None:
        name = f"short-{len(names)}"
        names.append(name)
        rig.ask("sagemaker", "create_endpoint", EndpointName=name, EndpointConfigName=WORDS[0])
        time.sleep(rig.chance.uniform(0, 0.3))
        rig.ask("sagemaker", "delete_endpoint", EndpointName=name)

    for _ in range(KILLS // 2):
        rig.crash(make_and_delete, within=(0.0, 0.6))
        for name in names:
            with refused_as_gone():
                rig.client("sagemaker").delete_endpoint(EndpointName=name)
    rig.until(lambda: all(is_gone(rig, name) for name in names), what="the end of all endpoints")
    check_nothing_left(rig)
    history.check(rig.data, acknowledged=rig.acknowledged)


def prepare(rig: Rig, *, count: int) -> None:
    """A model and a configuration for each word."""
    s3, sagemaker = rig.client("s3"), rig.client("sagemaker")
    s3.create_bucket(Bucket=BUCKET)
    for word in WORDS:
        model = workshop.archive({"code/inference.py": CODE, "word": word})
        s3.put_object(Bucket=BUCKET, Key=f"{word}.tar.gz", Body=model)
        container = {"Image": workshop.SKLEARN, "ModelDataUrl": f"s3://{BUCKET}/{word}.tar.gz"}
        sagemaker.create_model(ModelName=word, PrimaryContainer=container, ExecutionRoleArn=ROLE)
        variant = {
            "VariantName": "AllTraffic",
            "ModelName": word,
            "InitialInstanceCount": count,
            "InstanceType": "ml.m5.large",
            "InitialVariantWeight": 1,
        }
        tags = [{"Key": "glasshouse:record", "Value": "true"}]
        sagemaker.create_endpoint_config(EndpointConfigName=word, ProductionVariants=[variant], Tags=tags)


def is_gone(rig: Rig, name: str) -> bool:
    try:
        rig.client("sagemaker").describe_endpoint(EndpointName=name)
    except exceptions.ClientError as error:
        return "Could not find" in error.response["Error"]["Message"]
    return False


def check_decisions(rig: Rig, decided: dict[str, str]) -> None:
    """All that was answered is recorded as it was answered, once, and the ledger is whole."""
    folder = rig.data / "ledger"
    report = ledgers.verify(folder / "segments", anchors.read(rig.server.anchors))
    assert report.is_whole, report.findings
    recorded = [entry for _, entry in Reader(folder).entries()]
    assert len({entry.id for entry in recorded}) == len(recorded) >= len(decided)
    answers = {entry.id: entry.private["answer"] for entry in recorded if entry.private is not None}
    assert decided.items() <= answers.items()


def check_nothing_left(rig: Rig) -> None:
    """No process, folder or socket, and the server ends as it should."""
    assert processes.keepers(rig.data) == {}
    assert rig.server.stop() == 0
    assert processes.of(rig.data) == {}
    assert list((rig.data / "run").rglob("*")) == []
    assert [path for path in (rig.data / "jobs").rglob("*") if path.is_file()] == []


@contextlib.contextmanager
def refused_as_gone() -> Iterator[None]:
    """An endpoint that was never made, is gone, or is going already."""
    with contextlib.suppress(exceptions.ClientError):
        yield
