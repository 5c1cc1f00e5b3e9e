"""Keeps a fleet's model servers running: start, look, restart with back-off. Runs inside an endpoint's step."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glasshouse.capabilities.deploy import explaining, fleets, hosting, recording
from glasshouse.capabilities.deploy.fleets import Fleet, Instance
from glasshouse.kernel import errors, routes
from glasshouse.kernel.context import Context
from glasshouse.kernel.jobs import failures, folders, instances
from glasshouse.kernel.ports import Exited, Handle, Lost
from glasshouse.kernel.records import Record

LOG_GROUP = "/aws/sagemaker/Endpoints"
GRACE_S = 30.0
LONGEST_BACKOFF_S = 60.0
UNROUTED_S = 6.0
"""How long a server that was ready may fail its health check before it gets no more requests."""
UNANSWERED_S = 30.0
"""How much longer before it is replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervisor:
    """One look at one endpoint's fleets."""

    record: Record
    context: Context

    def carry_on(self, fleet: Fleet) -> bool:
        """Starts what is missing and restarts what ended; changes the fleet. Returns whether it did."""
        changes = [self._one(fleet, variant, instance) for variant, instance in fleets.instances(fleet)]
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
                explains=bool(fleet.get("explainer")),
                records=variant.get("recording") is not None,
                model=variant["model"],
                model_digest=variant.get("model_digest", ""),
                environment=self._environment(variant) if variant.get("recording") is not None else "",
                addresses=tuple(
                    server.address(Handle(i["handle"])) for i in variant["instances"] if i["ready"]
                ),
            )
            for variant in fleet["variants"]
        )

    def _environment(self, variant: dict[str, Any]) -> str:
        """The digest of what the model server runs in."""
        images = self.context.ports.images
        return images.environment(images.resolve(variant["container"]["Image"])).digest

    def stop(self, instance: Instance, *, grace_s: float = GRACE_S) -> None:
        """Tells a server to end. One that may have been started and was not written down is found first."""
        if "handle" not in instance:
            place = self._place(instance, self._log_of_lost(instance))
            if not (place.folder / "run").exists():
                return
            instance["handle"] = self.context.ports.server.start(hosting.placeholder(place))
        self.context.ports.server.stop(Handle(instance["handle"]), grace_s=grace_s)

    def has_ended(self, instance: Instance) -> bool:
        """Whether the server is gone; its folder goes with it."""
        if "handle" in instance:
            state = self.context.ports.server.look(Handle(instance["handle"]))
            if state.exited is None:
                return False
        shutil.rmtree(self._folder(instance), ignore_errors=True)
        return True

    def forget_models(self, keep: set[str]) -> None:
        """Removes the copies of models that no fleet uses any more."""
        for folder in self._root.glob(f"{self._made}-model-*"):
            if folder.name.removeprefix(f"{self._made}-model-") not in keep:
                shutil.rmtree(folder, ignore_errors=True)

    def forget_all(self) -> None:
        """Removes everything that the endpoint has on disk."""
        for folder in self._root.glob(f"{self._made}-*"):
            shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            self._root.rmdir()

    def last_words(self, variant: dict[str, Any], instance: Instance) -> str:
        """Why the server ended last, from its log."""
        limits = instances.limits_of(variant["instance_type"], time_s=None)
        exited = Exited(code=instance.get("code", 1), reason=instance.get("reason", "exited"))
        return failures.reason_of(
            exited, failure_file=Path("/nonexistent"), log=self._log(variant, instance), limits=limits
        )

    def _one(self, fleet: Fleet, variant: dict[str, Any], instance: Instance) -> bool:
        now = self.context.ports.clock.now()
        if "handle" not in instance:
            if instance["retry_at"] > now:
                return False
            try:
                self._start(fleet, variant, instance, now)
            except errors.Fatal as error:
                self._note_problem(instance, error.reason, now)
            return True
        state = self.context.ports.server.look(Handle(instance["handle"]))
        if state.exited is not None:
            self._note_exit(instance, state.exited, now)
            return True
        return self._note_health(instance, now, is_well=state.ready)

    def _note_health(self, instance: Instance, now: float, *, is_well: bool) -> bool:
        """A server under load may answer late; it is left alone for a while."""
        if is_well:
            changed = not instance["ready"] or "failing_since" in instance
            instance.pop("failing_since", None)
            instance |= {"ready": True, "was_ready": True}
            return changed
        if not instance.get("was_ready"):
            return False
        if "failing_since" not in instance:
            instance["failing_since"] = now
            return True
        failing_s = now - instance["failing_since"]
        if failing_s > UNROUTED_S + UNANSWERED_S:
            self.stop(instance, grace_s=0)
        if failing_s > UNROUTED_S and instance["ready"]:
            instance["ready"] = False
            return True
        return False

    def _start(self, fleet: Fleet, variant: dict[str, Any], instance: Instance, now: float) -> None:
        """Each start has a folder of its own. The model is fetched once for all servers of the variant."""
        place = self._place(instance, self._log(variant, instance))
        instance.setdefault("first_started_at", now)
        store = self._root / f"{self._made}-model-{variant['model_key']}"
        explainer, rule = fleet.get("explainer"), variant.get("recording")
        variant["model_digest"] = hosting.fetch(
            variant["container"], store, self.context, explainer=explainer, rule=rule
        )
        hosting.lay_out(variant["container"], store, place)
        replica = hosting.replica_of(
            variant["container"],
            place,
            self.context,
            instance_type=variant["instance_type"],
            isolated=variant["isolated"],
            role=variant["role"],
            more={
                **explaining.variables(explainer, hosting.OPT_ML),
                **recording.variables(rule, hosting.OPT_ML),
            },
        )
        instance |= {"handle": self.context.ports.server.start(replica), "ready": False, "started_at": now}

    def _note_exit(self, instance: Instance, exited: Exited | Lost, now: float) -> None:
        """The next start uses a fresh folder, after a pause that doubles each time.

        A server that was told to end, as all are when the platform ends, comes back at once.
        """
        shutil.rmtree(self._folder(instance), ignore_errors=True)
        if instance.pop("was_ready", False) and now - instance["started_at"] > LONGEST_BACKOFF_S:
            instance["exits"] = 0
        if isinstance(exited, Exited):
            instance |= {"code": exited.code, "reason": exited.reason}
        instance.pop("failing_since", None)
        del instance["handle"]
        if isinstance(exited, Exited) and exited.reason == "stopped":
            instance |= {"ready": False, "starts": instance["starts"] + 1, "retry_at": now}
        else:
            self._note_pause(instance, now)

    def _note_problem(self, instance: Instance, reason: str, now: float) -> None:
        """The server could not even be started."""
        shutil.rmtree(self._folder(instance), ignore_errors=True)
        instance["problem"] = reason
        self._note_pause(instance, now)

    def _note_pause(self, instance: Instance, now: float) -> None:
        instance["starts"] += 1
        instance["exits"] += 1
        pause_s = min(LONGEST_BACKOFF_S, 0.5 * 2.0 ** min(instance["exits"] - 1, 10))
        instance |= {"ready": False, "retry_at": now + pause_s}

    @property
    def _root(self) -> Path:
        return folders.home_of(self.context.ports.settings, self.record)

    @property
    def _made(self) -> int:
        """Names return after a deletion, so the creation time is part of every folder's name."""
        return int(self.record.created_at * 1000)

    def _folder(self, instance: Instance) -> Path:
        return self._root / f"{self._made}-{instance['id']}-{instance['starts']}"

    def _place(self, instance: Instance, log: Path) -> hosting.Place:
        name = f"{self.record.key.name}-{instance['id']}-{instance['starts']}"
        return hosting.Place(folder=self._folder(instance), name=name, log=log)

    def _log_of_lost(self, instance: Instance) -> Path:
        """Where a placeholder writes the nothing it has to say."""
        return self._folder(instance) / "log"

    def _log(self, variant: dict[str, Any], instance: Instance) -> Path:
        group = f"{LOG_GROUP}/{self.record.key.name}"
        return self.context.logs.path_of(group, f"{variant['name']}/{instance['id']}")
