"""The operations on offer, and call(): the only way in."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from glasshouse.kernel import errors, ids, search, tags, verbs
from glasshouse.kernel.access import Access
from glasshouse.kernel.audit import Audit
from glasshouse.kernel.capability import Capability
from glasshouse.kernel.context import Context, Ports
from glasshouse.kernel.identity import Caller
from glasshouse.kernel.kinds import Kind
from glasshouse.kernel.model import Service, Services, read, rules, write
from glasshouse.kernel.operations import Handler, Operation, marked

KERNEL_OPERATIONS = (tags, search)


class Ambiguous(RuntimeError):
    """Two handlers for one operation, or a handler for an operation that is not in the model."""


class Registry:
    """Everything that can be called. Built once; read-only and thread-safe afterwards."""

    def __init__(
        self,
        *,
        services: Services,
        capabilities: Iterable[Capability],
        ports: Ports,
        access: Access,
        audit: Audit,
        wake: Callable[[], None],
    ) -> None:
        capabilities = tuple(capabilities)
        self.kinds: Mapping[str, Kind] = _by_noun(capabilities)
        self._services = services
        self._ports = ports
        self._access = access
        self._audit = audit
        self._wake = wake
        self._offered = offers(services, capabilities)

    def call(
        self, service: str, operation: str, body: Mapping[str, Any], caller: Caller, *, request_id: str = ""
    ) -> dict[str, Any]:
        """Permission, read, handler, write; one audit entry whatever happens. Raises errors.WireError."""
        request_id = request_id or ids.request_id()
        resource = _named(body)
        outcome = "InternalFailure"
        try:
            self._access.check(caller, f"{service}:{operation}", resource)
            answer = self._answer(service, operation, body, caller, request_id)
            outcome = "ok"
        except errors.WireError as error:
            outcome = error.code
            raise
        finally:
            self._audit.record(
                caller,
                service=service,
                operation=operation,
                resource=resource,
                outcome=outcome,
                request_id=request_id,
            )
        return answer

    def offered(self, service: str = "sagemaker") -> tuple[str, ...]:
        """The names of the operations that are offered, sorted."""
        return tuple(sorted(name for of, name in self._offered if of == service))

    def services(self) -> tuple[str, ...]:
        return tuple(sorted({service for service, _ in self._offered}))

    def context(self, caller: Caller, *, request_id: str) -> Context:
        """What a handler is given when it works for `caller`."""

        def call_on(operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
            return self.call("sagemaker", operation, body, caller, request_id=request_id)

        return Context(
            caller=caller,
            ports=self._ports,
            request_id=request_id,
            call=call_on,
            kinds=self.kinds,
            searchable=self._searchable,
            wake=self._wake,
        )

    def _searchable(self, noun: str) -> frozenset[str]:
        """The members of a found resource, and of its own description inside it where there is one (Model)."""
        results = self._services["sagemaker"].output("Search").members["Results"]
        record = _members(results.item) if isinstance(results, rules.List) else {}
        shown = _members(record.get(noun))
        return frozenset(shown) | frozenset(_members(shown.get(noun)))

    def _answer(
        self, service: str, operation: str, body: Mapping[str, Any], caller: Caller, request_id: str
    ) -> dict[str, Any]:
        offered = self._offered.get((service, operation))
        if offered is None:
            if not _is_modelled(self._services, service, operation):
                raise errors.WireError(
                    f"{operation} is not an operation of {service}.",
                    code="UnknownOperationException",
                    status=404,
                )
            raise errors.NotOffered(operation)
        model = self._services[service]
        request = read(model, operation, body, patterns=not self._ports.settings.relax_patterns)
        answer = offered.handler(request, self.context(caller, request_id=request_id))
        return write(model, operation, answer)


Offers = Mapping[tuple[str, str], Operation]
"""What is offered, by service and name."""


def offers(services: Services, capabilities: Iterable[Capability]) -> Offers:
    """The operations that these capabilities and the kernel offer. Raises Ambiguous."""
    capabilities = tuple(capabilities)
    found: dict[tuple[str, str], Operation] = {}
    modules = [*KERNEL_OPERATIONS, *(m for c in capabilities for m in c.operations)]
    for one in (one for module in modules for one in marked(module)):
        place = (one.service, one.name)
        if place in found:
            raise Ambiguous(f"{one.service} {one.name} has two handlers.")
        if not _is_modelled(services, *place):
            raise Ambiguous(f"{one.name} is not an operation of {one.service}.")
        found[place] = one
    for kind in _by_noun(capabilities).values():
        for name, handler in _derived(services, kind, found):
            found.setdefault(("sagemaker", name), Operation(service="sagemaker", name=name, handler=handler))
    return found


def _derived(services: Services, kind: Kind, found: Offers) -> Iterable[tuple[str, Handler]]:
    """The regular verbs that the service model has for the kind."""
    candidates: dict[str, Handler] = {
        f"Create{kind.noun}": functools.partial(verbs.create, kind),
        f"Describe{kind.noun}": functools.partial(verbs.describe, kind),
        f"Delete{kind.noun}": functools.partial(verbs.delete, kind),
    }
    if kind.stopping:
        candidates[f"Stop{kind.noun}"] = functools.partial(verbs.stop, kind)
    listing = f"List{kind.plural}"
    if _is_modelled(services, "sagemaker", listing) and ("sagemaker", listing) not in found:
        member = _list_member(services["sagemaker"].operation(listing))
        candidates[listing] = functools.partial(verbs.list_, kind, member=member)
    derived = [(n, h) for n, h in candidates.items() if _is_modelled(services, "sagemaker", n)]
    for name, _ in derived:
        if ("sagemaker", name) not in found:
            _check_members(services["sagemaker"], kind, name)
    return derived


def _check_members(service: Service, kind: Kind, operation: str) -> None:
    """A verb cannot be derived where the model names the resource otherwise. Raises Ambiguous."""
    if operation.startswith("List"):
        return
    if kind.name_member not in service.input(operation).members:
        raise Ambiguous(f"{operation} takes no {kind.name_member}; write an operation for it.")
    if operation.startswith("Create") and kind.arn_member not in service.output(operation).members:
        raise Ambiguous(f"{operation} answers no {kind.arn_member}; write an operation for it.")


def _is_modelled(services: Services, service: str, operation: str) -> bool:
    try:
        return operation in services[service].operations
    except KeyError:
        return False


def _by_noun(capabilities: tuple[Capability, ...]) -> Mapping[str, Kind]:
    kinds: dict[str, Kind] = {}
    for kind in (kind for capability in capabilities for kind in capability.kinds):
        if kind.noun in kinds:
            raise Ambiguous(f"Two capabilities declare the kind {kind.noun}.")
        kinds[kind.noun] = kind
    return kinds


def _list_member(model: Any) -> str:
    lists = [name for name, shape in model.output_shape.members.items() if shape.type_name == "list"]
    if len(lists) != 1:
        raise Ambiguous(f"{model.name} answers {len(lists)} lists; write an operation for it.")
    return str(lists[0])


def _named(body: Mapping[str, Any]) -> str:
    """What the request is about, for permission and audit: the first name or ARN it gives, or *."""
    for member, value in body.items():
        if isinstance(value, str) and member.endswith(("Name", "Arn", "name")):
            return _storable(value[:2048])
    return "*"


def _storable(text: str) -> str:
    """The text without what no database takes: nobody escapes the audit by an odd name."""
    return text.encode("utf-8", "replace").decode().replace("\0", "?")


def _members(rule: rules.Rule | None) -> Mapping[str, rules.Rule]:
    return rule.members if isinstance(rule, rules.Structure) else {}
