"""What ends a command with a sentence and an exit status instead of a traceback."""

from __future__ import annotations

FAILED = 1
USAGE = 2
NOT_RUNNING = 3
INTERRUPTED = 130


class Failed(Exception):
    """The command cannot do what was asked. The text names the cause and the way out."""

    def __init__(self, text: str, *, status: int = FAILED) -> None:
        super().__init__(text)
        self.status = status
