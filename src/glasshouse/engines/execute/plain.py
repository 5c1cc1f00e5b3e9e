"""Jobs without a sandbox, for machines whose owner accepts the risk.

A job then sees the machine as the server's user does. Its mounts become symbolic links at the places
it expects, so that only one such job can run at a time on a machine; a place that is taken by
something else is left alone and the job is not started.
"""

# pathlib would cost every job's start 5 ms
# ruff: noqa: PTH103, PTH108, PTH114, PTH120, PTH211

from __future__ import annotations

import os

from glasshouse.engines.execute import bubblewrap, orphans, records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_LINKS = "links.json"


def link(mounts: Sequence[Mapping[str, Any]]) -> None:
    """Puts the links in place, and keeps the machine to this job until the calling process ends.

    Raises OSError naming what is in the way.
    """
    directory = f"/tmp/glasshouse-unsandboxed-{os.geteuid()}"  # noqa: S108 - owned and checked below
    os.makedirs(directory, mode=0o700, exist_ok=True)
    if os.lstat(directory).st_uid != os.geteuid() or os.path.islink(directory):
        raise OSError(f"{directory} belongs to another user")
    if records.take(directory, "one-at-a-time") is None:
        raise OSError("another job runs without a sandbox on this machine, and only one can at a time")
    earlier = (records.read(directory, _LINKS) or {"targets": []})["targets"]
    records.write(directory, _LINKS, {"targets": sorted({*earlier, *(mount["target"] for mount in mounts)})})
    for mount in mounts:
        source, target = mount["source"], mount["target"]
        if os.path.realpath(target) == os.path.realpath(source):
            continue
        if os.path.islink(target) and target in earlier:
            os.unlink(target)
        elif os.path.lexists(target):
            raise OSError(f"{target} exists, so that it cannot stand for {source} without a sandbox")
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.symlink(source, target)


def environment(host: Mapping[str, Any], mark: str) -> dict[str, str]:
    """As in a sandbox, but for HOME, which is the work directory, and the mark by which orphans are found."""
    return {**bubblewrap.DEFAULTS, "HOME": host["workdir"], **host["env"], orphans.VARIABLE: mark}
