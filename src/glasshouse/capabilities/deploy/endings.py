"""When the server ends in order, its model servers end too: nobody is left to ask them. They start again with it."""

from __future__ import annotations

from collections.abc import Iterator

from glasshouse.capabilities.deploy import fleets
from glasshouse.capabilities.deploy.replicas import Instance
from glasshouse.capabilities.deploy.supervising import GRACE_S
from glasshouse.kernel.context import Ports
from glasshouse.kernel.jobs import folders
from glasshouse.kernel.records import Query, Record

CHUNK = 200


def stop_servers(ports: Ports) -> None:
    """Tells every model server of this data folder to finish what it has and to end; does not wait.

    Another server may share the store: its model servers have their folders elsewhere and are left alone.
    """
    for record in _endpoints(ports):
        if not folders.home_of(ports.settings, record).is_dir():
            continue
        running = [i for _, i in (*_of(record, fleets.SERVING), *_of(record, fleets.NEXT))]
        for instance in (*running, *fleets.retired(record.doc)):
            if instance.handle is not None:
                ports.server.stop(instance.handle, grace_s=GRACE_S)


def _of(record: Record, member: str) -> Iterator[tuple[dict[str, object], Instance]]:
    return fleets.instances(record.doc.get(member))


def _endpoints(ports: Ports) -> Iterator[Record]:
    after: tuple[str, str] | None = None
    while True:
        query = Query(
            account=ports.settings.account,
            region=ports.settings.region,
            kind="Endpoint",
            sort="name",
            descending=False,
            limit=CHUNK,
            after=after,
        )
        with ports.store.read() as view:
            page = view.page(query)
        yield from page
        if len(page) < CHUNK:
            return
        after = (page[-1].key.name, page[-1].key.name)
