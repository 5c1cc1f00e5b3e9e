"""`python -m glasskit.clarify [BASE]`: what runs in a job with the Clarify image. BASE is /opt/ml, unless told otherwise."""

from __future__ import annotations

import secrets
import signal
import sys
import time
from pathlib import Path
from types import FrameType

STOPPED = 143


def main(arguments: list[str]) -> int:
    """The exit status. What failed stands in output/failure, from where it becomes the job's FailureReason."""
    from glasskit.clarify import faults, job, service

    base = Path(arguments[0]) if arguments else Path("/opt/ml")
    signal.signal(signal.SIGTERM, _stop)
    root = base / "processing"
    places = job.Places(
        config=root / "input" / "config", data=root / "input" / "data", output=root / "output"
    )
    mark = f"{int(time.time())}-{secrets.token_hex(2)}"  # noqa: TID251  # names of endpoints hold the time, as Clarify's do
    try:
        job.run(places, service.Platform(mark=mark, say=_say), _say)
    except faults.ClarifyFault as exc:
        _say(f"Error: {exc}")
        output = base / "output"
        output.mkdir(parents=True, exist_ok=True)
        (output / "failure").write_text(str(exc), encoding="utf-8")
        return 1
    return 0


def _stop(_number: int, _frame: FrameType | None) -> None:
    """Ends the job by an exception, so that its endpoint is taken away."""
    sys.exit(STOPPED)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
