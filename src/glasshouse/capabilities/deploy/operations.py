"""The operations of endpoints that are not regular."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from glasshouse.capabilities.deploy import fleets, kinds
from glasshouse.kernel import changes, errors, verbs
from glasshouse.kernel.changes import Change
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
    config = verbs.find(kinds.ENDPOINT_CONFIG, request["EndpointConfigName"], context)

    def decide(record: Record) -> Change:
        _must_be(record, "InService", "Failed")
        generation = int(record.doc.get(fleets.GENERATION, 1)) + 1
        fleet = fleets.planned(config.doc, config.key.name, generation=generation, context=context)
        if request.get("RetainAllVariantProperties"):
            _retain(fleet, record.doc.get(fleets.SERVING))
        kept = record.doc.get("LastDeploymentConfig") if request.get("RetainDeploymentConfig") else None
        policy: Mapping[str, Any] | None = request.get("DeploymentConfig", kept)
        fleets.limit(fleet, policy)
        patch = {
            fleets.NEXT: fleet,
            fleets.GENERATION: generation,
            "FailureReason": None,
            "LastDeploymentConfig": policy,
        }
        return Change(to="Updating", patch=patch, is_due=True)

    record = changes.change(kinds.ENDPOINT, request["EndpointName"], context, decide)
    return {"EndpointArn": record.arn}


@operation("UpdateEndpointWeightsAndCapacities")
def update_endpoint_weights_and_capacities(request: Request, context: Context) -> Answer:
    """Changes how requests are shared out and how many servers each variant has, without a new fleet."""
    wanted = request["DesiredWeightsAndCapacities"]
    for one in wanted:
        refuse(one, (Unsupported(path="ServerlessUpdateConfig"),))

    def decide(record: Record) -> Change:
        _must_be(record, "InService")
        fleet = copy.deepcopy(record.doc[fleets.SERVING])
        for one in wanted:
            variant = fleets.variant_of(fleet, one["VariantName"])
            variant["weight"] = one.get("DesiredWeight", variant["weight"])
            variant["count"] = one.get("DesiredInstanceCount", variant["count"])
            if variant["count"] < 1:
                raise errors.Validation(f"The variant {variant['name']} needs at least one instance.")
        return Change(to="Updating", patch={fleets.SERVING: fleet, "FailureReason": None}, is_due=True)

    record = changes.change(kinds.ENDPOINT, request["EndpointName"], context, decide)
    return {"EndpointArn": record.arn}


def _must_be(record: Record, *statuses: str) -> None:
    """Raises errors.Conflict for an endpoint on its way to another state."""
    if record.status not in statuses:
        raise errors.Conflict(
            f'Cannot update in-progress endpoint "{record.arn}"; it is in status {record.status}.'
        )


def _retain(fleet: fleets.Fleet, serving: Mapping[str, Any] | None) -> None:
    """Keeps the weights and counts that the variants have now."""
    now = {variant["name"]: variant for variant in (serving or {"variants": []})["variants"]}
    for variant in fleet["variants"]:
        if variant["name"] in now:
            variant |= {member: now[variant["name"]][member] for member in ("weight", "count")}
            fleets.resize(fleet, variant)
