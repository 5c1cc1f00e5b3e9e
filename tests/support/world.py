"""A small platform around the kernel: real store, registry and work loop, and kinds of its own.

The kinds carry names that the service model has, so that the derived verbs are the real ones.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from glasshouse.kernel import ids
from glasshouse.kernel.access import Access
from glasshouse.kernel.audit import Audit
from glasshouse.kernel.capability import Capability
from glasshouse.kernel.clock import Clock, SystemClock
from glasshouse.kernel.context import Context, Ports
from glasshouse.kernel.identity import Caller
from glasshouse.kernel.kinds import MISSING_JOB, Kind, Machine
from glasshouse.kernel.model import Services
from glasshouse.kernel.records import Record, Store
from glasshouse.kernel.registry import Registry
from glasshouse.kernel.settings import Settings
from glasshouse.kernel.work import Step, WorkLoop
from tests.support import stores

SERVICES = Services()
ROLE = f"arn:aws:iam::{stores.ACCOUNT}:role/Worker"
ROOT = Caller(
    account=stores.ACCOUNT,
    region=stores.REGION,
    arn=ids.Arn(f"arn:aws:sts::{stores.ACCOUNT}:assumed-role/Root/root"),
    user_id="root",
    access_key_id="ASIAROOT",
    is_root=True,
)

MODEL = Kind(noun="Model")
JOB = Kind(
    noun="ProcessingJob",
    states=Machine(
        first="InProgress",
        moves={
            "InProgress": frozenset({"Completed", "Failed", "Stopping"}),
            "Stopping": frozenset({"Stopped", "Completed", "Failed"}),
        },
    ),
    stopping="Stopping",
    missing=MISSING_JOB,
    uses=lambda doc: [(str(doc["RoleArn"]), "runs as")],
)
ENDPOINT = Kind(
    noun="Endpoint",
    states=Machine(
        first="Creating",
        moves={
            "Creating": frozenset({"InService", "Failed", "Deleting"}),
            "InService": frozenset({"Deleting", "Failed"}),
            "Failed": frozenset({"Deleting"}),
            "Deleting": frozenset({"Failed"}),
        },
    ),
    deleting="Deleting",
)
KINDS = (MODEL, JOB, ENDPOINT)


class Absent:
    """A port that the kernel itself has no use for; touching it is a failure."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the kernel touched {name} of a port that it has no business with")


def ports(store: Store, *, clock: Clock, folder: Path = Path("/nonexistent")) -> Ports:
    absent = cast(Any, Absent())
    return Ports(
        settings=Settings(data=folder),
        store=store,
        objects=absent,
        logs_folder=folder,
        executor=absent,
        server=absent,
        images=absent,
        identities=absent,
        clock=clock,
        ledger=absent,
        endpoint_url=lambda: "http://127.0.0.1",
    )


def job_request(name: str = "job", **more: Any) -> dict[str, Any]:
    """A CreateProcessingJob request."""
    return {
        "ProcessingJobName": name,
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
        },
        "AppSpecification": {"ImageUri": "image"},
        "RoleArn": ROLE,
        **more,
    }


@dataclass(frozen=True, kw_only=True)
class World:
    store: Store
    clock: Clock
    registry: Registry
    loop: WorkLoop

    def call(self, operation: str, /, caller: Caller = ROOT, **body: Any) -> dict[str, Any]:
        return self.registry.call("sagemaker", operation, body, caller)

    def find(self, noun: str, name: str) -> Record | None:
        with self.store.read() as view:
            return view.find(stores.key(name, kind=noun))

    def status(self, noun: str, name: str) -> str | None:
        found = self.find(noun, name)
        return found.status if found else None

    def moves(self) -> list[str]:
        with self.store.read() as view:
            return [e.to_status for e in view.events() if e.what == "moved"]


def made(
    store: Store,
    *,
    kinds: tuple[Kind, ...] = KINDS,
    operations: tuple[ModuleType, ...] = (),
    steps: Mapping[str, Step] | None = None,
    clock: Clock | None = None,
    lease_s: float = 15.0,
    threads: int = 4,
) -> World:
    """A world whose loop has not started."""
    clock = clock or SystemClock()
    loops: list[WorkLoop] = []
    registry = Registry(
        services=SERVICES,
        capabilities=[Capability(name="tests", kinds=kinds, operations=operations, steps=steps or {})],
        ports=ports(store, clock=clock),
        access=Access(stores.ACCOUNT),
        audit=Audit(store=store, clock=clock),
        wake=lambda: loops[0].wake(),
    )

    def context_for(record: Record) -> Context:
        caller = dataclasses.replace(ROOT, account=record.key.account, region=record.key.region)
        return registry.context(caller, request_id="work")

    loops.append(
        WorkLoop(
            store=store,
            clock=clock,
            kinds=registry.kinds,
            steps=steps or {},
            context_for=context_for,
            threads=threads,
            lease_s=lease_s,
        )
    )
    return World(store=store, clock=clock, registry=registry, loop=loops[0])


@contextlib.contextmanager
def working(world: World) -> Iterator[World]:
    """The world with its loop running."""
    world.loop.start()
    try:
        yield world
    finally:
        world.loop.end()


def until(condition: Callable[[], object], *, within_s: float = 10.0) -> None:
    """Waits for something to become true."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)
