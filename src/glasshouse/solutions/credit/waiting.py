"""Waits for jobs and endpoints: asks again at a short interval, and passes on each status."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from glasshouse.solutions.credit.progress import Progress

INTERVAL_S = 0.2
DEADLINE_S = 600.0
Description = Mapping[str, Any]


class StageFailed(Exception):
    """A job or an endpoint did not get where it should; the message has the platform's own reason."""

    def __init__(self, *, kind: str, name: str, status: str, reason: str) -> None:
        super().__init__(f"{kind} {name} is {status}: {reason}")


def until_done(
    describe: Callable[[], Description],
    *,
    kind: str,
    name: str,
    status_key: str,
    done: str,
    waiting: frozenset[str],
    progress: Progress,
) -> Description:
    """The description once its status is `done`. Raises StageFailed for any status but those to wait in."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        description = describe()
        status = description[status_key]
        progress.status(description.get("SecondaryStatus") or status)
        if status == done:
            return description
        if status not in waiting:
            raise StageFailed(kind=kind, name=name, status=status, reason=_reason(description))
        if time.monotonic() > deadline:
            reason = f"not {done} after {DEADLINE_S:.0f} s"
            raise StageFailed(kind=kind, name=name, status=status, reason=reason)
        time.sleep(INTERVAL_S)


def _reason(description: Description) -> str:
    return str(description.get("FailureReason") or description.get("ExitMessage") or "no reason was given")
