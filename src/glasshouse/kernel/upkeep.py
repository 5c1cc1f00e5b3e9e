"""What must be done now and then, whoever calls: one thread, one task at a time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """`run` is called every `every_s` seconds, first after that time or at the start; it says how much it removed."""

    name: str
    every_s: float
    run: Callable[[], int]
    at_start: bool = False


class Upkeep:
    """Runs the tasks until it is ended. A task that fails is logged and tried again at its next time."""

    def __init__(self, tasks: Sequence[Task], *, monotonic: Callable[[], float]) -> None:
        self._tasks = tuple(tasks)
        self._monotonic = monotonic
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self, *, within_s: float | None = None) -> bool:
        """Waits for the task in hand; False when it went on for longer than that."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(within_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        now = self._monotonic()
        due = {task.name: now if task.at_start else now + task.every_s for task in self._tasks}
        while self._tasks:
            pause = max(0.0, min(due.values()) - self._monotonic())
            if self._ending.wait(pause):
                return
            for task in self._tasks:
                if due[task.name] <= self._monotonic():
                    self._one(task)
                    due[task.name] = self._monotonic() + task.every_s

    def _one(self, task: Task) -> None:
        try:
            removed = task.run()
        except Exception:
            # One task's trouble must not end the others.
            log.exception("upkeep.failed", extra={"task": task.name})
            return
        if removed:
            log.info("upkeep.done", extra={"task": task.name, "removed": removed})
