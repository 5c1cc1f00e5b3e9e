"""One entry for every call: who asked for what, and what came of it. Refusals are written too."""

from __future__ import annotations

from dataclasses import dataclass

from glasshouse.kernel.clock import Clock
from glasshouse.kernel.identity import Caller
from glasshouse.kernel.records import AuditEntry, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Writes audit entries. They survive a crash of the server; a power cut may lose the last instants."""

    store: Store
    clock: Clock

    def record(
        self,
        caller: Caller,
        *,
        service: str,
        operation: str,
        resource: str,
        outcome: str,
        request_id: str,
    ) -> None:
        """`outcome` is "ok" or the error code that was answered."""
        entry = AuditEntry(
            at=self.clock.now(),
            account=caller.account,
            region=caller.region,
            principal=caller.arn,
            access_key_id=caller.access_key_id,
            service=service,
            operation=operation,
            resource=resource,
            outcome=outcome,
            request_id=request_id,
        )
        with self.store.write(durable=False) as tx:
            tx.append_audit(entry)
