"""The composition root: reads settings, picks engines, loads capabilities, opens doors."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from glasshouse.doors import connect, gateway, listen
from glasshouse.doors.files import FilesDoor
from glasshouse.doors.runtime import Recorder, RuntimeDoor
from glasshouse.doors.wire import WireDoor
from glasshouse.engines.execute.sandbox import SandboxExecutor
from glasshouse.engines.files.local import LocalFiles
from glasshouse.engines.identity import local as identity
from glasshouse.engines.images import LockedImages
from glasshouse.engines.serve.process import ProcessServer
from glasshouse.engines.store.sqlite import SqliteStore
from glasshouse.kernel.access import Access
from glasshouse.kernel.audit import Audit
from glasshouse.kernel.capability import Capability
from glasshouse.kernel.clock import Clock, SystemClock
from glasshouse.kernel.context import Context, Ports
from glasshouse.kernel.identity import Caller
from glasshouse.kernel.ids import Arn
from glasshouse.kernel.jobs import leftovers
from glasshouse.kernel.ledger import Ledger, anchoring, journal
from glasshouse.kernel.model import Services
from glasshouse.kernel.objects import Objects
from glasshouse.kernel.ports import Files
from glasshouse.kernel.records import Record, Store
from glasshouse.kernel.registry import Registry
from glasshouse.kernel.settings import Settings
from glasshouse.kernel.signatures import Verifier
from glasshouse.kernel.upkeep import Task, Upkeep
from glasshouse.kernel.work import WorkLoop

if TYPE_CHECKING:
    from glasshouse.engines.files.anchors import S3Anchors

CAPABILITIES = ("prepare", "train", "registry", "deploy", "monitor", "govern")
"""The stages of the lifecycle that are offered, in its order."""

log = logging.getLogger(__name__)

ACCEPT_RISK = "accept-the-risk"
CREDENTIALS = "credentials.json"
HOUR_S = 3600.0
STEPS_S = 5.0
"""How long the work in hand may go on once the last request is answered. It is made to be cut off at any point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """A server's parts, put together and not yet started."""

    settings: Settings
    ports: Ports
    services: Services
    registry: Registry
    access: Access
    audit: Audit
    work: WorkLoop
    upkeep: Upkeep
    stops: tuple[Callable[[Ports], None], ...]
    """What the capabilities want done when the server is told to end."""


def serve(settings: Settings, *, announce: Callable[[str], None] = lambda _url: None) -> int:
    """Runs the server until it is told to end; the exit status. Raises listen.CannotListen.

    announce: told the address once requests are answered.
    """
    listen.hold_folder(settings.data)
    listener = listen.open_port(settings)
    if settings.tls_certificate and not connect.ends_at_a_root(Path(settings.tls_certificate)):
        raise listen.CannotListen(
            f"{settings.tls_certificate} does not hold the authority's own certificate, without which clients and jobs "
            "cannot check the server's; append the authority's chain up to its root."
        )
    platform = assemble(settings, endpoint_url=lambda: listener.url)
    authority = connect.load_or_make(settings.data / "ca", clock=platform.ports.clock)
    proxy = connect.Proxy(
        authority=authority,
        clock=platform.ports.clock,
        server=listener.url,
        server_ca=settings.tls_certificate,
    )

    def started() -> None:
        platform.work.start()
        platform.upkeep.start()
        proxy.start()
        listen.write_record(settings, listener, proxy=proxy.url)
        log.info("server.started", extra={"url": listener.url, "data": str(settings.data)})
        announce(listener.url)

    verifier = Verifier(
        identities=platform.ports.identities, clock=platform.ports.clock, region=settings.region
    )
    wire = WireDoor(registry=platform.registry, verifier=verifier, services=platform.services)

    def ended() -> None:
        listen.remove_record(settings.data)
        proxy.stop()
        wire.close()
        has_rested = platform.upkeep.end(within_s=STEPS_S) & platform.work.end(within_s=STEPS_S)
        for stop in platform.stops:
            stop(platform.ports)
        platform.ports.ledger.close()
        log.info("server.ended", extra={"cut_off": not has_rested})
        if not has_rested:
            _cut_off()
        platform.ports.store.close()

    runtime = RuntimeDoor(
        ports=platform.ports,
        verifier=verifier,
        access=platform.access,
        audit=platform.audit,
        recorder=Recorder(platform.ports.ledger, platform.ports.clock),
    )
    door = _gateway(platform, wire, runtime, verifier)
    listen.serve(door, listener, settings, started=started, closing=runtime.close, ended=ended)
    return 0


def _cut_off() -> NoReturn:
    """Ends the process with work in hand, which an orderly end would wait for. It is taken up again after a start."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)


def _gateway(platform: Platform, wire: WireDoor, runtime: RuntimeDoor, verifier: Verifier) -> gateway.Gateway:
    """Every door behind the one port."""
    ports, settings = platform.ports, platform.settings
    return gateway.Gateway(
        wire=wire,
        files=FilesDoor(
            objects=ports.objects,
            verify=verifier,
            access=platform.access,
            audit=platform.audit,
            region=settings.region,
        ),
        runtime=runtime,
    )


def assemble(settings: Settings, *, endpoint_url: Callable[[], str]) -> Platform:
    """Builds every part. Raises what the engines raise when the data folder cannot be used."""
    clock = SystemClock()
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    keys = identity.load_or_make(settings.data / CREDENTIALS, account=settings.account)
    store = open_store(settings)
    ports = _ports(settings, store, clock, identity.LocalIdentities(keys, clock=clock), endpoint_url)
    services = Services()
    access = Access(settings.account)
    audit = Audit(store=store, clock=clock)
    capabilities = tuple(load_capabilities())
    work: list[WorkLoop] = []
    registry = Registry(
        services=services,
        capabilities=capabilities,
        ports=ports,
        access=access,
        audit=audit,
        wake=lambda: work[0].wake(),
    )
    work.append(_work_loop(settings, ports, registry, capabilities))
    return Platform(
        settings=settings,
        ports=ports,
        services=services,
        registry=registry,
        access=access,
        audit=audit,
        work=work[0],
        upkeep=_upkeep(settings, ports),
        stops=tuple(one.at_end for one in capabilities if one.at_end is not None),
    )


def load_capabilities() -> Iterator[Capability]:
    for name in CAPABILITIES:
        yield importlib.import_module(f"glasshouse.capabilities.{name}").CAPABILITY


def open_store(settings: Settings) -> Store:
    """SQLite in the data folder, or the PostgreSQL database that the settings name."""
    if not settings.store_url:
        return SqliteStore(settings.data / "glasshouse.db")
    from glasshouse.engines.store.postgres import PostgresStore

    return PostgresStore(settings.store_url)


def open_files(settings: Settings, clock: Clock) -> Files:
    """The data folder, or the bucket that the settings name."""
    if not settings.files_url:
        return LocalFiles(settings.data / "blobs", clock=clock)
    from glasshouse.engines.files.s3 import Access as Entry
    from glasshouse.engines.files.s3 import S3Files

    bucket, _, prefix = settings.files_url.removeprefix("s3://").partition("/")
    return S3Files(
        Entry(
            bucket=bucket,
            prefix=prefix,
            endpoint=settings.files_endpoint,
            region=settings.files_region,
            access_key_id=settings.files_access_key_id,
            secret_access_key=settings.files_secret_access_key,
            session_token=settings.files_session_token,
        )
    )


def open_ledger(settings: Settings, clock: Clock) -> Ledger:
    """The decision ledger of the data folder, for the one process that holds it."""
    bucket, ends = open_anchors(settings), contextlib.ExitStack()

    def anchor(ledger: str) -> journal.Anchor:
        file = anchoring.FileAnchors(settings.anchor_file(ledger))
        if bucket is None:
            return file
        later = anchoring.LaterAnchors(bucket.put, file)
        ends.callback(later.close)
        return later

    return Ledger(settings.data / "ledger", clock=clock, anchor=anchor, ended=ends.close)


def open_anchors(settings: Settings) -> S3Anchors | None:
    """The bucket that takes the ledger's anchors besides, if the settings name one."""
    if not settings.ledger_anchor_url:
        return None
    from glasshouse.engines.files.anchors import S3Anchors
    from glasshouse.engines.files.s3 import Access as Entry

    bucket, _, prefix = settings.ledger_anchor_url.removeprefix("s3://").partition("/")
    return S3Anchors(
        Entry(
            bucket=bucket,
            prefix=prefix,
            endpoint=settings.ledger_anchor_endpoint,
            region=settings.ledger_anchor_region,
            access_key_id=settings.ledger_anchor_access_key_id,
            secret_access_key=settings.ledger_anchor_secret_access_key,
        )
    )


def make_executor(settings: Settings) -> SandboxExecutor:
    return SandboxExecutor(unsandboxed=settings.unsandboxed_jobs == ACCEPT_RISK, hide=(settings.data,))


def make_images(settings: Settings, report: Callable[[str], None]) -> LockedImages:
    return LockedImages(folder=settings.environments_folder, report=report)


def _ports(
    settings: Settings,
    store: Store,
    clock: Clock,
    identities: identity.LocalIdentities,
    endpoint_url: Callable[[], str],
) -> Ports:
    executor = make_executor(settings)
    return Ports(
        settings=settings,
        store=store,
        objects=Objects(store=store, files=open_files(settings, clock), clock=clock),
        logs_folder=settings.data / "logs",
        executor=executor,
        server=ProcessServer(executor, sockets=settings.data / "run"),
        images=make_images(settings, _reported),
        identities=identities,
        clock=clock,
        ledger=open_ledger(settings, clock),
        endpoint_url=endpoint_url,
    )


def _work_loop(
    settings: Settings, ports: Ports, registry: Registry, capabilities: tuple[Capability, ...]
) -> WorkLoop:
    def context_for(record: Record) -> Context:
        """Work is done in the platform's own name, within the resource's account and region."""
        caller = Caller(
            account=record.key.account,
            region=record.key.region,
            arn=Arn(f"arn:aws:iam::{record.key.account}:role/GlasshouseWork"),
            user_id="work",
            is_root=True,
        )
        return registry.context(caller, request_id=f"work-{record.rev}-{record.key.name}")

    return WorkLoop(
        store=ports.store,
        clock=ports.clock,
        kinds=registry.kinds,
        steps={noun: step for c in capabilities for noun, step in c.steps.items()},
        context_for=context_for,
        threads=settings.workers,
        lease_s=settings.lease_s,
    )


def _upkeep(settings: Settings, ports: Ports) -> Upkeep:
    def remove_leftovers() -> int:
        return leftovers.remove(settings.data / "jobs", ports.store)

    tasks = (
        Task(name="unnamed-blobs", every_s=HOUR_S, run=ports.objects.sweep),
        Task(name="finished-attempts", every_s=HOUR_S, run=remove_leftovers, at_start=True),
    )
    return Upkeep(tasks, monotonic=ports.clock.monotonic)


def _reported(text: str) -> None:
    log.info("environment.progress", extra={"text": text})
