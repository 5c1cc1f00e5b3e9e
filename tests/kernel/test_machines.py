"""States: every kind's machine makes sense, and nothing but declared moves is ever written."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
from collections import defaultdict
from pathlib import Path
from typing import Any

import botocore.model
import pytest
from hypothesis import settings, stateful
from hypothesis import strategies as st

from glasshouse import app
from glasshouse.engines.store.sqlite import SqliteStore
from glasshouse.kernel import errors, events, registry
from glasshouse.kernel.capability import Capability
from glasshouse.kernel.context import Context
from glasshouse.kernel.kinds import Kind, Machine
from glasshouse.kernel.records import Event, Record, Store
from glasshouse.kernel.work import Move, Outcome, Wait
from tests.support import stores, world

CAPABILITIES = tuple(app.load_capabilities())
KINDS = [(capability, kind) for capability in CAPABILITIES for kind in capability.kinds]
with_states = pytest.mark.parametrize(
    ("capability", "kind"),
    [pytest.param(c, k, id=k.noun) for c, k in KINDS if k.states is not None],
)
every_kind = pytest.mark.parametrize("kind", [pytest.param(k, id=k.noun) for _, k in KINDS])


def machine_of(kind: Kind) -> Machine:
    assert kind.states is not None
    return kind.states


def reachable(machine: Machine, start: str) -> set[str]:
    seen: set[str] = set()
    ahead = {start}
    while ahead:
        status = ahead.pop()
        seen.add(status)
        ahead |= set(machine.moves.get(status, ())) - seen
    return seen


# --- every capability's kinds


@with_states
def test_every_status_can_be_reached(capability: Capability, kind: Kind) -> None:
    machine = machine_of(kind)
    assert reachable(machine, machine.first) == machine.statuses


@with_states
def test_no_status_moves_to_itself(capability: Capability, kind: Kind) -> None:
    machine = machine_of(kind)
    assert not [status for status, targets in machine.moves.items() if status in targets]


@with_states
def test_work_can_fail_from_where_it_begins_and_while_it_stops(capability: Capability, kind: Kind) -> None:
    machine = machine_of(kind)
    working = [status for status in (machine.first, kind.stopping) if status and not machine.is_final(status)]
    assert all(machine.failed in machine.moves[status] for status in working)


@with_states
def test_stop_and_delete_lead_to_declared_statuses(capability: Capability, kind: Kind) -> None:
    machine = machine_of(kind)
    for status in (kind.stopping, kind.deleting):
        assert not status or machine.sources(status), status
    if kind.stopping:
        assert machine.first in machine.sources(kind.stopping)
    if kind.deleting:
        begun = {status for status in machine.statuses if status != kind.deleting}
        final = {status for status in begun if machine.is_final(status)}
        assert not final - set(machine.sources(kind.deleting)), "what rests cannot be deleted"


@with_states
def test_a_kind_that_begins_with_work_has_a_step(capability: Capability, kind: Kind) -> None:
    machine = machine_of(kind)
    assert machine.is_final(machine.first) or kind.noun in capability.steps


@with_states
def test_every_status_is_one_that_clients_know(capability: Capability, kind: Kind) -> None:
    shape = world.SERVICES["sagemaker"].operation(f"Describe{kind.noun}").output_shape
    assert shape is not None
    known = shape.members.get(kind.status_member)
    if isinstance(known, botocore.model.StringShape):
        assert machine_of(kind).statuses <= set(known.enum)


def test_every_step_belongs_to_a_kind_of_its_capability() -> None:
    for capability in CAPABILITIES:
        assert set(capability.steps) <= {kind.noun for kind in capability.kinds}, capability.name


def test_all_capabilities_fit_together() -> None:
    offered = registry.offers(world.SERVICES, CAPABILITIES)
    names = {name for service, name in offered if service == "sagemaker"}
    for _, kind in KINDS:
        assert {f"Create{kind.noun}", f"Describe{kind.noun}"} <= names
        assert not kind.stopping or f"Stop{kind.noun}" in names
        assert not kind.deleting or f"Delete{kind.noun}" in names


@every_kind
def test_a_filter_of_a_kind_is_a_member_of_its_list(kind: Kind) -> None:
    if kind.filters:
        members = world.SERVICES["sagemaker"].input(f"List{kind.plural}").members
        assert set(kind.filters) <= set(members)


# --- whatever happens


class Life(stateful.RuleBasedStateMachine):
    """Requests and steps in any order, with steps that also try what they must not."""

    names = st.sampled_from("abc")
    targets = st.sampled_from(
        [*sorted(machine_of(world.JOB).statuses | machine_of(world.ENDPOINT).statuses), "Nonsense"]
    )

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.store = SqliteStore(self.folder / "glasshouse.db")
        self.script: dict[str, Outcome | Exception] = {}
        self.taken = threading.Event()
        self.here = world.made(
            self.store, steps={"ProcessingJob": self.step, "Endpoint": self.step}, threads=2
        )
        self.here.loop.start()

    def step(self, record: Record, context: Context) -> Outcome:
        said = self.script.pop(record.key.name, None)
        if said is None:
            return Wait(after_s=0.002)
        self.taken.set()
        if isinstance(said, Exception):
            raise said
        return said

    def teardown(self) -> None:
        self.here.loop.end()
        self.store.close()
        shutil.rmtree(self.folder)

    def call(self, operation: str, **body: Any) -> None:
        with contextlib.suppress(errors.NotFound, errors.AlreadyExists, errors.Conflict):
            self.here.call(operation, **body)

    @stateful.rule(name=names)
    def create_job(self, name: str) -> None:
        self.call("CreateProcessingJob", **world.job_request(name))

    @stateful.rule(name=names)
    def create_endpoint(self, name: str) -> None:
        self.call("CreateEndpoint", EndpointName=name, EndpointConfigName="c")

    @stateful.rule(name=names)
    def stop(self, name: str) -> None:
        self.call("StopProcessingJob", ProcessingJobName=name)

    @stateful.rule(name=names)
    def delete(self, name: str) -> None:
        self.call("DeleteEndpoint", EndpointName=name)

    @stateful.rule(
        name=names,
        outcome=st.builds(
            Move, to=targets | st.just(""), after_s=st.sampled_from([None, 0.0, 0.001]), remove=st.booleans()
        )
        | st.builds(errors.Fatal, st.just("no"))
        | st.builds(errors.Retry, st.just("later"), after_s=st.just(0.001))
        | st.builds(ZeroDivisionError),
    )
    def work(self, name: str, outcome: Outcome | Exception) -> None:
        self.taken.clear()
        self.script[name] = outcome
        self.taken.wait(0.05)

    @stateful.invariant()
    def every_resource_went_a_declared_way(self) -> None:
        lives: dict[str, list[Event]] = defaultdict(list)
        with self.store.read() as view:
            for event in view.events(limit=10_000):
                lives[event.arn].append(event)
            rows = {arn: view.find_arn(arn) for arn in lives}
        for arn, life in lives.items():
            row = rows[arn]
            assert walked(life) == (row.status if row else None)


def walked(life: list[Event]) -> str | None:
    """The status at the end of the events, each of which must follow from the one before."""
    status: str | None = None
    for event in life:
        machine = machine_of(world.JOB if event.kind == "ProcessingJob" else world.ENDPOINT)
        if event.what == "created":
            assert status is None
            assert event.to_status == machine.first
            status = event.to_status
        elif event.what == "moved":
            assert event.from_status == status
            assert event.to_status in machine.moves[event.from_status]
            status = event.to_status
        else:
            assert (event.what, event.from_status) == ("deleted", status)
            status = None
    return status


@pytest.mark.slow
def test_requests_and_work_in_any_order_write_declared_moves_only() -> None:
    stateful.run_state_machine_as_test(
        Life, settings=settings(max_examples=15, stateful_step_count=25, deadline=None)
    )


def test_a_move_that_is_not_declared_is_refused(sqlite_store: Store) -> None:
    row = stores.record("job", kind="ProcessingJob", status="Completed")
    stores.insert(sqlite_store, row)
    for to in ("InProgress", "Nonsense"):
        with pytest.raises(events.Undeclared, match=f"Completed -> {to}"), sqlite_store.write() as tx:
            events.changed(tx, world.JOB, row, now=1.0, to=to)
    with pytest.raises(events.Undeclared), sqlite_store.write() as tx:
        events.changed(tx, world.MODEL, stores.record("m"), now=1.0, to="Anything")
