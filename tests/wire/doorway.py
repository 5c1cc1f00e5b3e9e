"""A wire door over operations that a test makes up, and real boto3 clients for it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
import botocore.config

from glasshouse.doors import wire
from glasshouse.kernel import clock, errors, identity, model, signatures
from tests.support import identities, servers

KEY = identities.credential()
Handler = Callable[[dict[str, Any], identity.Caller], dict[str, Any]]


@dataclass
class Operations:
    """A registry of made-up handlers: reads and writes by the model as the real one does."""

    services: model.Services
    handlers: dict[str, Handler] = field(default_factory=dict)
    seen: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def call(
        self,
        service: str,
        operation: str,
        body: Mapping[str, Any],
        caller: identity.Caller,
        *,
        request_id: str = "",
    ) -> dict[str, Any]:
        if operation not in self.handlers:
            raise errors.NotOffered(operation)
        request = model.read(self.services[service], operation, body)
        self.seen.append((service, operation, request))
        return model.write(self.services[service], operation, self.handlers[operation](request, caller))


@dataclass(frozen=True)
class Doorway:
    url: str
    operations: Operations

    def client(self, service: str, **changes: Any) -> Any:
        options = {
            "endpoint_url": self.url,
            "region_name": "us-east-1",
            "aws_access_key_id": KEY.access_key_id,
            "aws_secret_access_key": KEY.secret_access_key,
            "config": botocore.config.Config(retries={"total_max_attempts": 1}),
        }
        return boto3.client(service, **(options | changes))


@dataclass
class ShiftedClock(clock.SystemClock):
    """The machine's clock, off by so many seconds."""

    shift_s: float = 0.0

    def now(self) -> float:
        return super().now() + self.shift_s


@contextlib.contextmanager
def open_door(
    *credentials: identity.Credential, shifted: ShiftedClock | None = None, **handlers: Handler
) -> Iterator[Doorway]:
    services = model.Services()
    operations = Operations(services=services, handlers=handlers)
    now = shifted or clock.SystemClock()
    known = identities.KnownIdentities(KEY, *credentials, clock=now)
    verifier = signatures.Verifier(identities=known, clock=now, region="us-east-1")
    door = wire.WireDoor(registry=operations, services=services, verifier=verifier, threads=4)
    with servers.serving(door) as url:
        yield Doorway(url=url, operations=operations)
    door.close()
