"""Keeps a fleet's model servers running: start, look, restart with back-off. Runs inside an endpoint's step."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glasshouse.capabilities.deploy import fleets, hosting
from glasshouse.capabilities.deploy.fleets import Fleet, Instance
from glasshouse.kernel import routes
from glasshouse.kernel.context import Context
from glasshouse.kernel.jobs import failures, instances
from glasshouse.kernel.ports import Exited, Handle
from glasshouse.kernel.records import Record

LOG_GROUP = "/aws/sagemaker/Endpoints"
GRACE_S = 30.0
LONGEST_BACKOFF_S = 60.0
UNANSWERED_S = 30.0
"""How long a server that was ready may fail its health check before it is replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervisor:
    """One look at one endpoint's fleets."""

    record: Record
    context: Context

    def carry_on(self, fleet: Fleet) -> bool:
        """Starts what is missing and restarts what ended; changes the fleet. Returns whether it did."""
        changes = [self._one(variant, instance) for variant, instance in fleets.instances(fleet)]
        return any(changes)

    def routes(self, fleet: Fleet) -> list[dict[str, Any]]:
        """Where the door may send requests: the servers that are ready."""
        server = self.context.ports.server
        return routes.written(
            routes.Variant(
                name=variant["name"],
                weight=variant["weight"],
                strategy=variant["routing"],
                log_group=f"{LOG_GROUP}/{self.record.key.name}",
                addresses=tuple(
                    server.address(Handle(i["handle"])) for i in variant["instances"] if i["ready"]
                ),
            )
            for variant in fleet["variants"]
        )

    def stop(self, instance: Instance, *, grace_s: float = GRACE_S) -> None:
        if "handle" in instance:
            self.context.ports.server.stop(Handle(instance["handle"]), grace_s=grace_s)

    def has_ended(self, instance: Instance) -> bool:
        """Whether the server is gone; its folder goes with it."""
        if "handle" in instance:
            state = self.context.ports.server.look(Handle(instance["handle"]))
            if state.exited is None:
                return False
        shutil.rmtree(self._folder(instance), ignore_errors=True)
        return True

    def last_words(self, variant: dict[str, Any], instance: Instance) -> str:
        """Why the server ended last, from its log."""
        limits = instances.limits_of(variant["instance_type"], time_s=None)
        exited = Exited(code=instance.get("code", 1), reason=instance.get("reason", "exited"))
        return failures.reason_of(
            exited, failure_file=Path("/nonexistent"), log=self._log(variant, instance), limits=limits
        )

    def _one(self, variant: dict[str, Any], instance: Instance) -> bool:
        now = self.context.ports.clock.now()
        if "handle" not in instance:
            if instance["retry_at"] > now:
                return False
            self._start(variant, instance, now)
            return True
        state = self.context.ports.server.look(Handle(instance["handle"]))
        if state.exited is not None:
            self._note_exit(instance, state.exited, now)
            return True
        if state.ready != instance["ready"]:
            instance |= {"ready": state.ready, "changed_at": now}
            return True
        if not state.ready and instance.get("was_ready") and now - instance["changed_at"] > UNANSWERED_S:
            self.stop(instance, grace_s=0)
        if state.ready and not instance.get("was_ready"):
            instance["was_ready"] = True
            return True
        return False

    def _start(self, variant: dict[str, Any], instance: Instance, now: float) -> None:
        place = hosting.Place(
            folder=self._folder(instance),
            name=f"{self.record.key.name}-{instance['id']}-{instance['exits']}",
            log=self._log(variant, instance),
        )
        hosting.lay_out(variant["container"], place, self.context)
        replica = hosting.replica_of(
            variant["container"],
            place,
            self.context,
            instance_type=variant["instance_type"],
            isolated=variant["isolated"],
            role=variant["role"],
        )
        handle = self.context.ports.server.start(replica)
        instance |= {"handle": handle, "ready": False, "started_at": now, "changed_at": now}
        instance.setdefault("first_started_at", now)

    def _note_exit(self, instance: Instance, exited: Any, now: float) -> None:
        """The next start uses a fresh folder, after a pause that doubles each time."""
        shutil.rmtree(self._folder(instance), ignore_errors=True)
        lived_s = now - instance["started_at"]
        instance["exits"] = (
            1 if instance.get("was_ready") and lived_s > LONGEST_BACKOFF_S else instance["exits"] + 1
        )
        pause = min(LONGEST_BACKOFF_S, 0.5 * 2 ** (instance["exits"] - 1))
        instance |= {"ready": False, "retry_at": now + pause}
        instance |= {"code": getattr(exited, "code", 1), "reason": getattr(exited, "reason", "exited")}
        del instance["handle"]

    def _folder(self, instance: Instance) -> Path:
        key = self.record.key
        root = self.context.ports.settings.data / "jobs" / key.account / key.region / key.kind / key.name
        made = int(self.record.created_at * 1000)
        return root / f"{made}-{instance['id']}-{instance['exits']}"

    def _log(self, variant: dict[str, Any], instance: Instance) -> Path:
        group = f"{LOG_GROUP}/{self.record.key.name}"
        return self.context.logs.path_of(group, f"{variant['name']}/{instance['id']}")
