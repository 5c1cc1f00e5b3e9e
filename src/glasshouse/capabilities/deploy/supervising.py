"""Keeps a fleet's model servers running: start, look, restart with back-off. Runs inside an endpoint's step."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glasshouse.capabilities.deploy import explaining, fleets, hosting, recording
from glasshouse.capabilities.deploy.fleets import Fleet
from glasshouse.capabilities.deploy.replicas import Instance
from glasshouse.kernel import errors, routes
from glasshouse.kernel.context import Context
from glasshouse.kernel.jobs import failures, folders, instances
from glasshouse.kernel.ports import Exited, Handle
from glasshouse.kernel.records import Record

LOG_GROUP = "/aws/sagemaker/Endpoints"
GRACE_S = 30.0
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
        changed = False
        for variant in fleet["variants"]:
            before = [Instance.read(one) for one in variant["instances"]]
            now = [self._one(fleet, variant, instance) for instance in before]
            changed = changed or now != before
            variant["instances"] = [instance.written() for instance in now]
        return changed

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
                served=variant.get("served", ""),
                addresses=tuple(
                    server.address(i.handle) for i in fleets.ready(variant) if i.handle is not None
                ),
            )
            for variant in fleet["variants"]
        )

    def _environment(self, variant: dict[str, Any]) -> str:
        """The digest of what the model server runs in."""
        images = self.context.ports.images
        return images.environment(images.resolve(variant["container"]["Image"])).digest

    def stop(self, instance: Instance, *, grace_s: float = GRACE_S) -> Instance:
        """Tells a server to end. One that may have been started and was not written down is found first."""
        handle = instance.handle
        if handle is None:
            place = self._place(instance, self._log_of_lost(instance))
            if not (place.folder / "run").exists():
                return instance
            handle = self.context.ports.server.start(hosting.placeholder(place))
        self.context.ports.server.stop(handle, grace_s=grace_s)
        return dataclasses.replace(instance, handle=handle)

    def has_ended(self, instance: Instance) -> bool:
        """Whether the server is gone; its folder goes with it."""
        if instance.handle is not None and self.context.ports.server.look(instance.handle).exited is None:
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
        exited = Exited(code=instance.code, reason=instance.reason)
        return failures.reason_of(
            exited, failure_file=Path("/nonexistent"), log=self._log(variant, instance), limits=limits
        )

    def _one(self, fleet: Fleet, variant: dict[str, Any], instance: Instance) -> Instance:
        now = self.context.ports.clock.now()
        if instance.handle is None:
            return (
                instance if instance.retry_at > now else self._tried(fleet, variant, instance.begun(now), now)
            )
        state = self.context.ports.server.look(instance.handle)
        if state.exited is not None:
            shutil.rmtree(self._folder(instance), ignore_errors=True)
            return instance.ended(state.exited, now)
        if state.ready:
            return instance.well()
        return self._unwell(instance, now)

    def _unwell(self, instance: Instance, now: float) -> Instance:
        """A server under load may answer late; it is left alone for a while, and then ended."""
        failing_since = instance.failing_since
        if failing_since is not None and now - failing_since > UNROUTED_S + UNANSWERED_S:
            instance = self.stop(instance, grace_s=0)
        return instance.unwell(now, unrouted_s=UNROUTED_S)

    def _tried(self, fleet: Fleet, variant: dict[str, Any], instance: Instance, now: float) -> Instance:
        """The instance started, or with the problem that kept it from being."""
        try:
            return instance.started(self._start(fleet, variant, instance), now)
        except errors.Fatal as error:
            shutil.rmtree(self._folder(instance), ignore_errors=True)
            return instance.refused(error.reason, now)

    def _start(self, fleet: Fleet, variant: dict[str, Any], instance: Instance) -> Handle:
        """Each start has a folder of its own. The model is fetched once for all servers of the variant."""
        place = self._place(instance, self._log(variant, instance))
        store = self._root / f"{self._made}-model-{variant['model_key']}"
        explainer, rule = fleet.get("explainer"), variant.get("recording")
        variant["model_digest"] = hosting.fetch(
            variant["container"], store, self.context, explainer=explainer, rule=rule
        )
        if rule is not None:
            variant["served"] = recording.keep(variant, store, self._environment(variant), self.context)
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
        return self.context.ports.server.start(replica)

    @property
    def _root(self) -> Path:
        return folders.home_of(self.context.ports.settings, self.record)

    @property
    def _made(self) -> int:
        """Names return after a deletion, so the creation time is part of every folder's name."""
        return int(self.record.created_at * 1000)

    def _folder(self, instance: Instance) -> Path:
        return self._root / f"{self._made}-{instance.id}-{instance.starts}"

    def _place(self, instance: Instance, log: Path) -> hosting.Place:
        name = f"{self.record.key.name}-{instance.id}-{instance.starts}"
        return hosting.Place(folder=self._folder(instance), name=name, log=log)

    def _log_of_lost(self, instance: Instance) -> Path:
        """Where a placeholder writes the nothing it has to say."""
        return self._folder(instance) / "log"

    def _log(self, variant: dict[str, Any], instance: Instance) -> Path:
        group = f"{LOG_GROUP}/{self.record.key.name}"
        return self.context.logs.path_of(group, f"{variant['name']}/{instance.id}")
