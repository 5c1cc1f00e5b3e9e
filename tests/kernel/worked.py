"""Jobs for the work loop to carry, and what became of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from glasshouse.kernel.context import Context
from glasshouse.kernel.records import Edge, Record, Store, Transaction
from glasshouse.kernel.work import Move, Outcome, Step, Wait
from tests.support import stores, world
from tests.support.world import World

NOUN = "ProcessingJob"
Body = Callable[[Record, Context], Outcome]


def made(store: Store, step: Step, **more: Any) -> World:
    return world.made(store, steps={NOUN: step}, **more)


def create(here: World, name: str = "job") -> None:
    here.call("CreateProcessingJob", **world.job_request(name))


def status(here: World, name: str = "job") -> str | None:
    return here.status(NOUN, name)


def doc(here: World, name: str = "job") -> dict[str, Any]:
    found = here.find(NOUN, name)
    assert found is not None
    return dict(found.doc)


def done(record: Record, context: Context) -> Outcome:
    return Move(to="Completed", after_s=None)


def mark(record: Record, by: str) -> Callable[[Transaction], None]:
    return lambda tx: tx.add_edges([Edge(source=record.arn, target=by, relation="published")])


def published(store: Store) -> list[str]:
    with store.read() as view:
        return [edge.target for edge in view.edges() if edge.relation == "published"]


def stopped_or_waits(record: Record, context: Context) -> Outcome:
    return Move(to="Stopped", after_s=None) if record.status == "Stopping" else Wait(after_s=600)


def waits(here: World, n: int) -> bool:
    """Whether n rows are in the loop's hands and wait there."""
    hands = list(here.loop._hands.values())
    return len(hands) == n and all(hand.is_waiting for hand in hands)


def rows(n: int, prefix: str = "m") -> list[Record]:
    return [
        stores.record(f"{prefix}{i:04}", kind=NOUN, status="InProgress", due_at=1.0 + i) for i in range(n)
    ]
