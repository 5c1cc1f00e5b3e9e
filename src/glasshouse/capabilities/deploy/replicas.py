"""One model server of a fleet as data, and how it changes. Nothing here has an effect.

An instance is kept in the endpoint's document as what differs from a new one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from glasshouse.kernel.ports import Exited, ExitReason, Handle, Lost

LONGEST_BACKOFF_S = 60.0
FIRST_BACKOFF_S = 0.5


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A server that is wanted. Times are seconds since the epoch, None for what has not happened.

    starts: how often it was started, which names its folder; exits: how often in a row it ended by itself.
    handle: the engine's, from a start to the end of what was started. ready: it answered its health check lately.
    code, reason: how it ended last; problem: why it could not be started. stop_at: when a retired one is told to end.
    """

    id: str
    starts: int = 0
    exits: int = 0
    retry_at: float = 0.0
    handle: Handle | None = None
    ready: bool = False
    was_ready: bool = False
    first_started_at: float | None = None
    started_at: float | None = None
    failing_since: float | None = None
    code: int = 1
    reason: ExitReason = "exited"
    problem: str = ""
    stop_at: float | None = None
    stopped: bool = False

    @classmethod
    def read(cls, doc: Mapping[str, Any]) -> Instance:
        """The instance of a document."""
        return cls(**doc)

    def written(self) -> dict[str, Any]:
        """What a document keeps of it."""
        fields = ((field, getattr(self, field.name)) for field in dataclasses.fields(self))
        return {field.name: value for field, value in fields if value != field.default}

    @property
    def has_problem(self) -> bool:
        """Whether it could not even be started."""
        return bool(self.problem) and self.handle is None

    def begun(self, now: float) -> Instance:
        """It is about to be started, for the first time or again."""
        return self if self.first_started_at is not None else dataclasses.replace(self, first_started_at=now)

    def started(self, handle: Handle, now: float) -> Instance:
        """It was started."""
        return dataclasses.replace(self, handle=handle, ready=False, started_at=now)

    def well(self) -> Instance:
        """It answered its health check."""
        return dataclasses.replace(self, failing_since=None, ready=True, was_ready=True)

    def unwell(self, now: float, *, unrouted_s: float) -> Instance:
        """It did not. After `unrouted_s` it gets no more requests; one that was never ready is waited for."""
        if not self.was_ready:
            return self
        if self.failing_since is None:
            return dataclasses.replace(self, failing_since=now)
        is_still_asked = self.ready and now - self.failing_since <= unrouted_s
        return dataclasses.replace(self, ready=is_still_asked)

    def ended(self, exited: Exited | Lost, now: float) -> Instance:
        """It ended. One that was told to, as all are when the platform ends, comes back at once."""
        had_served = (
            self.was_ready and self.started_at is not None and now - self.started_at > LONGEST_BACKOFF_S
        )
        found = dataclasses.replace(
            self,
            handle=None,
            was_ready=False,
            failing_since=None,
            exits=0 if had_served else self.exits,
        )
        if not isinstance(exited, Exited):
            return found.paused(now)
        found = dataclasses.replace(found, code=exited.code, reason=exited.reason)
        if exited.reason == "stopped":
            return dataclasses.replace(found, ready=False, starts=found.starts + 1, retry_at=now)
        return found.paused(now)

    def refused(self, problem: str, now: float) -> Instance:
        """It could not be started."""
        return dataclasses.replace(self, problem=problem).paused(now)

    def paused(self, now: float) -> Instance:
        """The next start comes after a pause that doubles each time."""
        pause_s = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(self.exits, 10))
        return dataclasses.replace(
            self, starts=self.starts + 1, exits=self.exits + 1, ready=False, retry_at=now + pause_s
        )

    def retired(self, stop_at: float) -> Instance:
        """It is not wanted any more from `stop_at` on."""
        return dataclasses.replace(self, stop_at=stop_at)
