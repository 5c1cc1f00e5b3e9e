"""`python -m glasskit.clarify [BASE]`: what runs in a job with the Clarify image. BASE is /opt/ml, unless told otherwise."""

from __future__ import annotations

import json
import secrets
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

STOPPED = 143


def main(arguments: list[str]) -> int:
    """The exit status. What failed stands in output/failure, from where it becomes the job's FailureReason."""
    base = Path(arguments[0]) if arguments else Path("/opt/ml")
    signal.signal(signal.SIGTERM, _stop)
    if not _is_first(base):
        _say("The first host does the whole analysis; this one has nothing to do")
        return 0
    from glasskit.clarify import faults, job, service

    root = base / "processing"
    places = job.Places(
        config=root / "input" / "config", data=root / "input" / "data", output=root / "output"
    )
    mark = f"{int(time.time())}-{secrets.token_hex(2)}"  # noqa: TID251  # names of endpoints hold the time, as Clarify's do
    try:
        if part := _shared_out(base):
            raise faults.BadDataset(
                f"The input {part} is ShardedByS3Key over several hosts, and the first host does the whole analysis; "
                "make it FullyReplicated."
            )
        job.run(places, service.Platform(mark=mark, say=_say), _say)
    except faults.ClarifyFault as exc:
        _say(f"Error: {exc}")
        output = base / "output"
        output.mkdir(parents=True, exist_ok=True)
        (output / "failure").write_text(str(exc), encoding="utf-8")
        return 1
    return 0


def _is_first(base: Path) -> bool:
    """Whether this is the job's first host, or its only one."""
    told = _told(base, "resourceconfig.json")
    return not told or bool(told["current_host"] == told["hosts"][0])


def _shared_out(base: Path) -> str:
    """The name of an input of which this host has only a part, "" if it has all there is."""
    if len(_told(base, "resourceconfig.json").get("hosts", ())) < 2:
        return ""
    for one in _told(base, "processingjobconfig.json").get("ProcessingInputs", ()):
        if one.get("S3Input", {}).get("S3DataDistributionType") == "ShardedByS3Key":
            return str(one["InputName"])
    return ""


def _told(base: Path, name: str) -> dict[str, Any]:
    """What the platform says about the job, empty outside of one."""
    path = base / "config" / name
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


def _stop(_number: int, _frame: FrameType | None) -> None:
    """Ends the job by an exception, so that its endpoint is taken away; told twice, it does not start over."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(STOPPED)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
