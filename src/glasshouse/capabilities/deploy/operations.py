"""The operations of endpoints that are not regular."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from glasshouse.capabilities.deploy import fleets, kinds
from glasshouse.kernel import errors, events, verbs
from glasshouse.kernel.context import Context
from glasshouse.kernel.operations import operation
from glasshouse.kernel.records import Record
from glasshouse.kernel.unsupported import Unsupported, refuse

Request = Mapping[str, Any]
Answer = dict[str, Any]

REFUSED = (
    *kinds.REFUSED_OF_ENDPOINT,
    Unsupported(path="ExcludeRetainedVariantProperties", accepts=([],)),
)


@operation("UpdateEndpoint")
def update_endpoint(request: Request, context: Context) -> Answer:
    """Builds the fleet of another configuration beside the one that answers, then switches."""
    refuse(request, REFUSED)
    record = _settled(request["EndpointName"], context)
    config = verbs.find(kinds.ENDPOINT_CONFIG, request["EndpointConfigName"], context)
    generation = int(record.doc.get("_generation", 1)) + 1
    fleet = fleets.planned(config.doc, config.key.name, generation=generation, context=context)
    if request.get("RetainAllVariantProperties"):
        _retain(fleet, record.doc.get(fleets.SERVING))
    patch = {fleets.NEXT: fleet, "_generation": generation, "FailureReason": None}
    if "DeploymentConfig" in request:
        patch["LastDeploymentConfig"] = verbs.plain(request["DeploymentConfig"])
    return _change(record, patch, context)


@operation("UpdateEndpointWeightsAndCapacities")
def update_endpoint_weights_and_capacities(request: Request, context: Context) -> Answer:
    """Changes how requests are shared out and how many servers each variant has, without a new fleet."""
    record = _settled(request["EndpointName"], context)
    if record.status != "InService":
        raise errors.Conflict(f"The endpoint is in status {record.status}; it must be InService.")
    fleet = copy.deepcopy(record.doc[fleets.SERVING])
    for wanted in request["DesiredWeightsAndCapacities"]:
        refuse(wanted, (Unsupported(path="ServerlessUpdateConfig"),))
        variant = fleets.variant_of(fleet, wanted["VariantName"])
        variant["weight"] = wanted.get("DesiredWeight", variant["weight"])
        variant["count"] = wanted.get("DesiredInstanceCount", variant["count"])
        if variant["count"] < 1:
            raise errors.Validation(f"The variant {variant['name']} needs at least one instance.")
    now = context.ports.clock.now()
    with context.ports.store.write() as tx:
        events.changed(
            tx,
            kinds.ENDPOINT,
            record,
            now=now,
            patch={fleets.SERVING: fleet},
            due_at=now,
            principal=context.caller.arn,
            request_id=context.request_id,
        )
    context.wake()
    return {"EndpointArn": record.arn}


def _settled(name: str, context: Context) -> Record:
    """The endpoint, when it is not on its way to another state. Raises errors.Conflict."""
    record = verbs.find(kinds.ENDPOINT, name, context)
    if record.status not in ("InService", "Failed"):
        raise errors.Conflict(f'Cannot update in-progress endpoint "{record.arn}".')
    return record


def _retain(fleet: fleets.Fleet, serving: Mapping[str, Any] | None) -> None:
    """Keeps the weights and counts that the variants have now."""
    now = {variant["name"]: variant for variant in (serving or {"variants": []})["variants"]}
    for variant in fleet["variants"]:
        if variant["name"] in now:
            variant |= {member: now[variant["name"]][member] for member in ("weight", "count")}
            fleets.resize(fleet, variant)


def _change(record: Record, patch: Answer, context: Context) -> Answer:
    now = context.ports.clock.now()
    with context.ports.store.write() as tx:
        events.changed(
            tx,
            kinds.ENDPOINT,
            record,
            now=now,
            to="Updating",
            patch=patch,
            due_at=now,
            principal=context.caller.arn,
            request_id=context.request_id,
        )
    context.wake()
    return {"EndpointArn": record.arn}
