"""What a handler and a step of work are given: the ports, and who is asking."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glasshouse.kernel.clock import Clock
from glasshouse.kernel.identity import Caller, Identities
from glasshouse.kernel.kinds import Kind
from glasshouse.kernel.ledger import Ledger
from glasshouse.kernel.logs import Logs
from glasshouse.kernel.objects import Objects
from glasshouse.kernel.ports import Executor, Images, Server
from glasshouse.kernel.records import Key, Store
from glasshouse.kernel.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything outside the kernel that the kernel uses. Built once, in the composition root."""

    settings: Settings
    store: Store
    objects: Objects
    logs_folder: Path
    executor: Executor
    server: Server
    images: Images
    identities: Identities
    clock: Clock
    ledger: Ledger
    endpoint_url: Callable[[], str]
    """Where this server answers, as jobs reach it."""


Call = Callable[[str, Mapping[str, Any]], dict[str, Any]]
"""call("DescribeModel", {"ModelName": "m"}): an operation of SageMaker on behalf of the same caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One call: its identity, its ports and the way to call on."""

    caller: Caller
    ports: Ports
    request_id: str
    call: Call
    kinds: Mapping[str, Kind]
    searchable: Callable[[str], frozenset[str]]
    """The properties that a search over a kind of resource knows, by the kind's noun."""
    wake: Callable[[], None]
    """Tells the work loop that something became due."""

    @property
    def logs(self) -> Logs:
        """The log groups of the caller's account and region."""
        return Logs(
            root=self.ports.logs_folder,
            account=self.caller.account,
            region=self.caller.region,
            clock=self.ports.clock,
        )

    def key(self, kind: str, name: str) -> Key:
        return Key(account=self.caller.account, region=self.caller.region, kind=kind, name=name)

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.caller.region}:{self.caller.account}:{resource}"
