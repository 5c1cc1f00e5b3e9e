"""Fleets as data: the instances that an endpoint wants, has, and shows. Nothing here has an effect.

An endpoint's document keeps `_serving` (the fleet that answers), `_next` (the one being built) and `_old` (instances
that finish what they began). A fleet is {"config", "generation", "explainer", "variants"}; a variant has a
"model_key", which names its copy of the model on this machine, and "instances", which are `replicas.Instance` as written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from glasshouse.capabilities.deploy import containers, recording
from glasshouse.capabilities.deploy.replicas import Instance
from glasshouse.kernel import errors
from glasshouse.kernel.context import Context
from glasshouse.kernel.records import Record

SERVING, NEXT, OLD = "_serving", "_next", "_old"
GENERATION = "_generation"
STARTUP_S = 240
HANDOVER_S = 2.0
"""How long after a switch the door may still send requests to the old fleet."""
Fleet = dict[str, Any]


def planned(config: Mapping[str, Any], name: str, *, generation: int, context: Context) -> Fleet:
    """The fleet of an endpoint configuration. The models are written down whole: they may be deleted later."""
    variants = [
        {**_variant(one, config, context), "model_key": f"{generation}-{number}"}
        for number, one in enumerate(config["ProductionVariants"])
    ]
    fleet: Fleet = {
        "config": name,
        "generation": generation,
        "explainer": config.get("ExplainerConfig"),
        "variants": variants,
    }
    for variant in variants:
        resize(fleet, variant)
    return fleet


def resize(fleet: Fleet, variant: dict[str, Any]) -> list[Instance]:
    """Adds the instances that are missing; returns those that are too many, taken out."""
    have: list[dict[str, Any]] = variant["instances"]
    while len(have) < variant["count"]:
        variant["made"] += 1
        have.append(Instance(id=_id(fleet, variant)).written())
    extra = [Instance.read(one) for one in have[variant["count"] :]]
    del have[variant["count"] :]
    return extra


def limit(fleet: Fleet, policy: Mapping[str, Any] | None) -> None:
    """Notes what a deployment policy says of the fleet: how long it may take to come up."""
    timeout_s = (policy or {}).get("BlueGreenUpdatePolicy", {}).get("MaximumExecutionTimeoutInSeconds")
    if timeout_s is not None:
        for variant in fleet["variants"]:
            variant["startup_s"] = min(variant["startup_s"], timeout_s)


def handover_s(policy: Mapping[str, Any] | None) -> float:
    """How long an old fleet is kept after the switch: what the policy says, and no less than the door needs."""
    blue_green = (policy or {}).get("BlueGreenUpdatePolicy", {})
    waits_s = blue_green.get("TrafficRoutingConfiguration", {}).get("WaitIntervalInSeconds", 0)
    return float(max(HANDOVER_S, waits_s + blue_green.get("TerminationWaitInSeconds", 0)))


def instances(fleet: Fleet | None) -> Iterator[tuple[dict[str, Any], Instance]]:
    """Every (variant, instance) of a fleet."""
    for variant in (fleet or {"variants": []})["variants"]:
        for instance in variant["instances"]:
            yield variant, Instance.read(instance)


def ready(variant: Mapping[str, Any]) -> list[Instance]:
    """The instances of a variant that answer."""
    return [found for one in variant["instances"] if (found := Instance.read(one)).ready]


def retired(doc: Mapping[str, Any]) -> list[Instance]:
    """The instances of an endpoint that are brought to their end."""
    return [Instance.read(one) for one in doc.get(OLD) or ()]


def retire(doc: dict[str, Any], more: Iterable[Instance], *, stop_at: float) -> list[dict[str, Any]]:
    """What OLD becomes with more instances retired, to be told to end at `stop_at`."""
    return [*(doc.get(OLD) or []), *(one.retired(stop_at).written() for one in more)]


def model_keys(*wanted: Fleet | None) -> set[str]:
    """What the fleets' copies of their models are called."""
    return {variant["model_key"] for fleet in wanted if fleet for variant in fleet["variants"]}


def is_ready(fleet: Fleet) -> bool:
    return all(instance.ready for _, instance in instances(fleet))


def shown(record: Record) -> dict[str, Any]:
    """What DescribeEndpoint says of the variants."""
    fleet = record.doc.get(SERVING) or record.doc.get(NEXT)
    if fleet is None:
        return {"ProductionVariants": []}
    return {
        "EndpointConfigName": fleet["config"],
        "ProductionVariants": [_shown(variant, record) for variant in fleet["variants"]],
        **({"ExplainerConfig": fleet["explainer"]} if fleet.get("explainer") else {}),
    }


def _shown(variant: Mapping[str, Any], record: Record) -> dict[str, Any]:
    image = variant["container"]["Image"]
    return {
        "VariantName": variant["name"],
        "DeployedImages": [
            {"SpecifiedImage": image, "ResolvedImage": image, "ResolutionTime": record.created_at}
        ],
        "CurrentWeight": variant["weight"],
        "DesiredWeight": variant["weight"],
        "CurrentInstanceCount": len(ready(variant)),
        "DesiredInstanceCount": variant["count"],
    }


def _variant(one: Mapping[str, Any], config: Mapping[str, Any], context: Context) -> dict[str, Any]:
    model = containers.hosted(context.call("DescribeModel", {"ModelName": one["ModelName"]}), context)
    return {
        "name": one["VariantName"],
        "model": one["ModelName"],
        "container": model["container"],
        "role": model["role"] or config.get("ExecutionRoleArn", ""),
        "isolated": model["isolated"] or config.get("EnableNetworkIsolation", False),
        "count": one["InitialInstanceCount"],
        "weight": one["InitialVariantWeight"],
        "instance_type": one["InstanceType"],
        "recording": config.get(recording.MEMBER, {}).get(one["VariantName"]),
        "startup_s": one.get("ContainerStartupHealthCheckTimeoutInSeconds", STARTUP_S),
        "routing": one.get("RoutingConfig", {}).get("RoutingStrategy", "RANDOM"),
        "made": 0,
        "instances": [],
    }


def variant_of(fleet: Fleet, name: str) -> dict[str, Any]:
    """Raises errors.Validation when the fleet has no variant of that name."""
    for variant in fleet["variants"]:
        if variant["name"] == name:
            found: dict[str, Any] = variant
            return found
    raise errors.Validation(f"The endpoint has no production variant named {name}.")


def _id(fleet: Fleet, variant: Mapping[str, Any]) -> str:
    text = f"{fleet['generation']}/{variant['name']}/{variant['made']}"
    return f"i-{fleet['generation']}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
