"""Failures as SageMaker's training toolkit words them, and the file that carries them out.

ClientFailure                     the user's side of things; its text is the reason shown for the job
├── ExecuteUserScriptError        the script ended with a status other than 0
├── InstallRequirementsError      requirements.txt could not be installed
├── CodeNotFound                  the code, or the program in it, is not to be had
└── AlgorithmFailure              a built-in algorithm refused its input
"""

from __future__ import annotations

import signal
from pathlib import Path

REASON_CHARACTERS = 1024
"""So much of the failure file becomes the job's FailureReason."""


class ClientFailure(Exception):
    """Ends the container with `status`; str() is the text for the failure file."""

    status = 1


class CodeNotFound(ClientFailure):
    """The text says what was looked for and where."""


class AlgorithmFailure(ClientFailure):
    """The text is the algorithm's own sentence."""


class CommandFailure(ClientFailure):
    """A command ended badly. `tail` is the end of what it printed."""

    def __init__(self, *, command: str, status: int, tail: str) -> None:
        self.status = status if 0 < status < 256 else 1
        head = f"{type(self).__name__}:\nExitCode {status}\nErrorMessage "
        end = f"\nCommand {_shortened(command, 240)!r}"
        room = REASON_CHARACTERS - len(head) - len(end) - 8
        super().__init__(f'{head}"{error_text(tail, room) or _unsaid(status)}"{end}')


class ExecuteUserScriptError(CommandFailure):
    """The user's script failed."""


class InstallRequirementsError(CommandFailure):
    """The installer failed."""


def error_text(tail: str, room: int) -> str:
    """The part of a log's end that says what went wrong, in at most `room` characters.

    The last traceback when there is one, else the last lines. What is too long loses its beginning, because the
    error itself stands last.
    """
    start = tail.rfind("Traceback (most recent call last)")
    text = (tail[start:] if start >= 0 else "\n".join(tail.strip().splitlines()[-10:])).strip()
    if len(text) <= room:
        return text
    kept = text[-(room - 4) :]
    return "...\n" + (kept.partition("\n")[2] or kept)


def _unsaid(status: int) -> str:
    """What can be said of a command that printed nothing."""
    try:
        name = signal.Signals(status - 128).name
    except ValueError:
        return "the command printed nothing"
    return f"the command was ended by the signal {name} and printed nothing"


def write(output: Path, text: str) -> None:
    """Leaves the reason in `failure`; one that a script wrote itself stays."""
    output.mkdir(parents=True, exist_ok=True)
    path = output / "failure"
    if not path.exists() or not path.stat().st_size:
        path.write_text(text, encoding="utf-8")


def _shortened(text: str, size: int) -> str:
    return text if len(text) <= size else text[: size - 3] + "..."
