"""Removes blobs that nothing names any more, while others may be taking them up again.

A blob that is unnamed and older than the grace is first condemned, in a transaction of its own. Then, one at a
time and with the blob held, it is looked at again: if it was named or written meanwhile it is pardoned, else
removed. Whoever names a condemned blob waits for that, and finds out whether it is still there.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Iterator

from glasshouse.kernel.ports import Files
from glasshouse.kernel.records import Store

log = logging.getLogger(__name__)

_AT_ONCE = 500
_UNFINISHED_S = 24 * 3600.0
"""Uploads that were completed, and files of writers that never finished, are kept so long."""


def sweep(store: Store, files: Files, *, now: float, grace_s: float) -> int:
    """How many blobs were removed."""
    n_removed = 0
    for digests in _groups(files.digests(), _AT_ONCE):
        unnamed = _unnamed(store, digests)
        old = [digest for digest in unnamed if _is_old(files, digest, now - grace_s)]
        if old:
            with store.write() as tx:
                tx.catalog.condemn(old, now)
            n_removed += sum(_remove(store, files, digest, before=now - grace_s) for digest in old)
    files.remove_unfinished(now - _UNFINISHED_S)
    _tidy(store, files, now - _UNFINISHED_S)
    if n_removed:
        log.info("blobs.swept", extra={"n_removed": n_removed})
    return n_removed


def _unnamed(store: Store, digests: list[str]) -> list[str]:
    with store.read() as tx:
        named = tx.catalog.referenced(digests)
    return [digest for digest in digests if digest not in named]


def _is_old(files: Files, digest: str, before: float) -> bool:
    try:
        return files.written_at(digest) < before
    except KeyError:
        return False


def _remove(store: Store, files: Files, digest: str, *, before: float) -> bool:
    with store.write(durable=False) as tx:
        tx.catalog.hold_blob(digest, to_remove=True)
        if tx.catalog.referenced([digest]) or not _is_old(files, digest, before):
            tx.catalog.pardon(digest)
            return False
        files.remove(digest)
    return True


def _tidy(store: Store, files: Files, before: float) -> None:
    """Forgets what was condemned long ago, and completed uploads nobody will ask about again."""
    with store.write(durable=False) as tx:
        tx.catalog.remove_completed_uploads(before)
        for digest in tx.catalog.condemned_before(before):
            tx.catalog.pardon(digest)


def _groups(digests: Iterable[str], size: int) -> Iterator[list[str]]:
    rest = iter(digests)
    while group := list(itertools.islice(rest, size)):
        yield group
