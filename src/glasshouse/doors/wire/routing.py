"""Which service, operation and protocol a request means: by credential scope, then target, then path."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from glasshouse.doors.wire.protocols import http, json, query, rest_json
from glasshouse.kernel import errors, model, signatures
from glasshouse.kernel.signatures import claims

SERVICES: Mapping[str, tuple[str, ...]] = {
    "sagemaker": (
        "sagemaker",
        "sagemaker-runtime",
        "sagemaker-featurestore-runtime",
        "sagemaker-metrics",
        "sagemaker-edge",
        "sagemaker-a2i-runtime",
    ),
    "monitoring": ("cloudwatch",),
}
"""botocore's services by the name they sign with, where the two differ."""

_JSON_TYPES: Mapping[str, json.Version] = {
    "application/x-amz-json-1.0": "1.0",
    "application/x-amz-json-1.1": "1.1",
}
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    service: model.Service
    operation: str


def protocol_of(head: signatures.Head) -> http.WireProtocol:
    """The protocol that the request speaks, from its head alone, so that refusals can be worded in it too."""
    if head.header("x-amz-target") is not None:
        return json.Json(_JSON_TYPES.get(_media_type(head), "1.1"))
    is_query = _media_type(head) == _FORM or any(name == "Action" for name, _ in head.parameters())
    if is_query or claims.signing_name(head) in ("sts", "iam"):
        return query.Query()
    return rest_json.RestJson()


class Router:
    """Finds routes. Safe to share between threads."""

    def __init__(self, services: model.Services) -> None:
        self._services = services
        self._templates = functools.lru_cache(maxsize=64)(self._templates_of)

    def route(self, signing_name: str, request: http.Request) -> Route:
        """The operation that a verified request means. Raises errors.WireError."""
        target = request.head.header("x-amz-target")
        if target is not None:
            return self._by_target(signing_name, target)
        if isinstance(protocol_of(request.head), query.Query):
            return self._by_action(signing_name, request)
        return self._by_path(signing_name, request.head)

    def _candidates(self, signing_name: str) -> tuple[model.Service, ...]:
        names = SERVICES.get(signing_name, (signing_name,))
        try:
            return tuple(self._services[name] for name in names)
        except KeyError:
            return ()

    def _by_target(self, signing_name: str, target: str) -> Route:
        prefix, _, operation = target.rpartition(".")
        for service in self._candidates(signing_name):
            if service.model.metadata.get("targetPrefix") == prefix:
                return _known(service, operation)
        raise _unknown(signing_name, target)

    def _by_action(self, signing_name: str, request: http.Request) -> Route:
        form = query.fields(request)
        action, version = form.get("Action", ""), form.get("Version", "")
        for service in self._candidates(signing_name):
            speaks = service.model.metadata.get("protocols", [service.model.metadata["protocol"]])
            if "query" in speaks and service.model.api_version == version:
                return _known(service, action)
        raise errors.WireError(
            f"Could not find operation {action} for version {version}", code="InvalidAction", status=400
        )

    def _by_path(self, signing_name: str, head: signatures.Head) -> Route:
        found = [
            (template.weight, service, operation)
            for service in self._candidates(signing_name)
            for method, operation, template in self._templates(service.name)
            if method == head.method and template.match(head.path, head.query) is not None
        ]
        if not found:
            raise _unknown(signing_name, f"{head.method} {head.path}")
        _, service, operation = max(found, key=lambda one: one[0])
        return Route(service=service, operation=operation)

    def _templates_of(self, name: str) -> list[tuple[str, str, rest_json.Template]]:
        """Method, operation and path of each operation of a REST service."""
        service = self._services[name]
        if service.model.metadata["protocol"] != "rest-json":
            return []
        https = {operation: service.operation(operation).http for operation in service.operations}
        return [
            (one.get("method", "POST"), operation, rest_json.Template(one["requestUri"]))
            for operation, one in sorted(https.items())
        ]


def _known(service: model.Service, operation: str) -> Route:
    if operation not in service.operations:
        raise _unknown(service.name, operation)
    return Route(service=service, operation=operation)


def _unknown(service: str, what: str) -> errors.WireError:
    return errors.WireError(
        f"{what[:200]} is not an operation of {service}.", code="UnknownOperationException", status=404
    )


def _media_type(head: signatures.Head) -> str:
    return (head.header("content-type") or "").partition(";")[0].strip().lower()
