"""What moves an endpoint: build a fleet, put it into service, keep it running, replace it, take it down.

A new fleet answers only once all its servers are healthy; the old one is told to end after requests have stopped
going to it, and finishes those it has. A fleet that cannot be built leaves the old one in service.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from glasshouse.capabilities.deploy import fleets
from glasshouse.capabilities.deploy.fleets import NEXT, OLD, SERVING, Fleet
from glasshouse.capabilities.deploy.supervising import Supervisor
from glasshouse.kernel import routes
from glasshouse.kernel.context import Context
from glasshouse.kernel.jobs import failures
from glasshouse.kernel.records import Record
from glasshouse.kernel.work import FAILURES, LAST_FAILURE, MAX_FAILURES, Move, Outcome, Wait

BUILDING_S = 0.05
SERVING_S = 0.5
MOST_EXITS = 3


def step(record: Record, context: Context) -> Outcome:
    """One step of an endpoint."""
    doc = copy.deepcopy(dict(record.doc))
    if record.status in ("Creating", "Updating") and doc.get(FAILURES, 0) >= MAX_FAILURES - 1:
        return _given_up(doc, f"InternalError: {doc.get(LAST_FAILURE, 'the servers could not be started')}")
    return _STEPS[record.status](record, doc, Supervisor(record=record, context=context))


def _given_up(doc: dict[str, Any], reason: str) -> Outcome:
    """Before the work loop gives up, which would leave servers running that nobody looks after."""
    if doc.get(NEXT):
        return _not_built(doc, reason)
    return Move(to="InService", patch={"FailureReason": reason[:1024]}, after_s=SERVING_S)


def _build(_record: Record, doc: dict[str, Any], supervisor: Supervisor) -> Outcome:
    """Creating and Updating: the next fleet comes up; the serving one is kept running meanwhile."""
    changed = _keep(doc, supervisor)
    fleet: Fleet | None = doc.get(NEXT)
    if fleet is None:
        return _resized(doc, supervisor, changed=changed)
    changed = supervisor.carry_on(fleet) or changed
    if fleets.is_ready(fleet):
        return _in_service(doc, supervisor)
    trouble = _trouble(fleet, supervisor)
    if trouble:
        return _not_built(doc, trouble)
    return _carried_on(doc, supervisor, changed=changed)


def _resized(doc: dict[str, Any], supervisor: Supervisor, *, changed: bool) -> Outcome:
    """Updating without a new fleet: over when all servers of the serving one are ready, or one never will be."""
    is_ready = fleets.is_ready(doc[SERVING])
    trouble = "" if is_ready else _trouble(doc[SERVING], supervisor)
    if is_ready or trouble:
        patch = {**_kept(doc, supervisor), "FailureReason": trouble[:1024] or None}
        return Move(to="InService", patch=patch, after_s=SERVING_S)
    return _carried_on(doc, supervisor, changed=changed)


def _carried_on(doc: dict[str, Any], supervisor: Supervisor, *, changed: bool) -> Outcome:
    if changed:
        return Move(patch=_kept(doc, supervisor), after_s=BUILDING_S)
    return Wait(after_s=BUILDING_S)


def _in_service(doc: dict[str, Any], supervisor: Supervisor) -> Outcome:
    """The switch: one write, after which the door sends requests to the new fleet."""
    now = supervisor.context.ports.clock.now()
    stop_at = now + fleets.handover_s(doc.get("LastDeploymentConfig"))
    before = [i for _, i in fleets.instances(doc.get(SERVING))]
    patch = {
        SERVING: doc[NEXT],
        routes.ROUTES: supervisor.routes(doc[NEXT]),
        NEXT: None,
        OLD: fleets.retire(doc, before, stop_at=stop_at),
        "EndpointConfigName": doc[NEXT]["config"],
        "FailureReason": None,
    }
    return Move(to="InService", patch=patch, after_s=SERVING_S)


def _not_built(doc: dict[str, Any], reason: str) -> Outcome:
    """The fleet will not come up: a first one fails the endpoint, a later one is rolled back."""
    old = fleets.retire(doc, (i for _, i in fleets.instances(doc[NEXT])), stop_at=0.0)
    patch = {NEXT: None, OLD: old, "FailureReason": reason[:1024]}
    if doc.get(SERVING):
        return Move(to="RollingBack", patch=patch, reason=reason)
    return Move(to="Failed", patch=patch, reason=reason, after_s=BUILDING_S)


def _roll_back(_record: Record, doc: dict[str, Any], _supervisor: Supervisor) -> Outcome:
    return Move(to="InService")


def _serve(_record: Record, doc: dict[str, Any], supervisor: Supervisor) -> Outcome:
    """In service: servers that end are started again, retired ones are brought to their end."""
    changed = _keep(doc, supervisor)
    return Move(patch=_kept(doc, supervisor), after_s=SERVING_S) if changed else Wait(after_s=SERVING_S)


def _fail(_record: Record, doc: dict[str, Any], supervisor: Supervisor) -> Outcome:
    """Failed: what was started is stopped, then nothing is left to do."""
    _retire(doc, supervisor)
    if doc.get(OLD):
        return Move(patch={OLD: doc[OLD]}, after_s=BUILDING_S)
    return Move(patch={OLD: None}, after_s=None, done=supervisor.forget_all)


def _delete(_record: Record, doc: dict[str, Any], supervisor: Supervisor) -> Outcome:
    """Everything is told to end; the endpoint goes when all of it has."""
    left = [i for _, i in (*fleets.instances(doc.get(SERVING)), *fleets.instances(doc.get(NEXT)))]
    if left:
        old = fleets.retire(doc, left, stop_at=0.0)
        return Move(patch={SERVING: None, NEXT: None, routes.ROUTES: None, OLD: old})
    _retire(doc, supervisor)
    if doc.get(OLD):
        return Move(patch={OLD: doc[OLD]}, after_s=BUILDING_S)
    return Move(remove=True, after_s=None, done=supervisor.forget_all)


def _keep(doc: dict[str, Any], supervisor: Supervisor) -> bool:
    """Looks after the serving fleet and the retired servers. Returns whether anything changed."""
    changed = False
    serving = doc.get(SERVING)
    if serving:
        for variant in serving["variants"]:
            extra = fleets.resize(serving, variant)
            now = supervisor.context.ports.clock.now()
            doc[OLD] = fleets.retire(doc, extra, stop_at=now + fleets.HANDOVER_S)
            changed = changed or bool(extra)
        changed = supervisor.carry_on(serving) or changed
    return _retire(doc, supervisor) or changed


def _retire(doc: dict[str, Any], supervisor: Supervisor) -> bool:
    """Stops retired servers when their time has come, and forgets those that have ended."""
    now = supervisor.context.ports.clock.now()
    left: list[dict[str, Any]] = []
    changed = False
    for instance in fleets.retired(doc):
        if not instance.stopped and (instance.stop_at or 0.0) <= now:
            instance = dataclasses.replace(supervisor.stop(instance), stopped=True)
            changed = True
        if instance.stopped and supervisor.has_ended(instance):
            changed = True
        else:
            left.append(instance.written())
    if changed and not left:
        supervisor.forget_models(fleets.model_keys(doc.get(SERVING), doc.get(NEXT)))
    doc[OLD] = left
    return changed


def _trouble(fleet: Fleet, supervisor: Supervisor) -> str:
    """Why the fleet will not come up; empty while it may."""
    now = supervisor.context.ports.clock.now()
    for variant, instance in fleets.instances(fleet):
        if instance.has_problem:
            return instance.problem
        started = now if instance.first_started_at is None else instance.first_started_at
        if instance.exits >= MOST_EXITS or (not instance.ready and now - started > variant["startup_s"]):
            text = (
                f"The primary container for production variant {variant['name']} did not pass the ping health "
                "check. Its log says: "
            )
            words = supervisor.last_words(variant, instance)
            return text + failures.ended(words, failures.LONGEST - len(text))
    return ""


def _kept(doc: Mapping[str, Any], supervisor: Supervisor) -> dict[str, Any]:
    """The fleets as they are now, and the routes that follow from them."""
    return {
        **{member: doc.get(member) for member in (SERVING, NEXT, OLD)},
        routes.ROUTES: supervisor.routes(doc[SERVING]) if doc.get(SERVING) else None,
    }


_STEPS: Mapping[str, Callable[[Record, dict[str, Any], Supervisor], Outcome]] = {
    "Creating": _build,
    "Updating": _build,
    "InService": _serve,
    "RollingBack": _roll_back,
    "Failed": _fail,
    "Deleting": _delete,
}
