"""The server's log on standard error: one line an event, its fields behind it."""

from __future__ import annotations

import datetime as dt
import json
import logging

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_QUIET = ("asyncio", "botocore", "urllib3", "uvicorn")


class Lines(logging.Formatter):
    """2026-05-04T03:02:01.250Z INFO job.moved arn="..." to="Completed"."""

    def format(self, record: logging.LogRecord) -> str:
        at = dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds")
        told = [
            f"{name}={json.dumps(value, default=str, ensure_ascii=False)}"
            for name, value in vars(record).items()
            if name not in _OWN
        ]
        line = " ".join([at.replace("+00:00", "Z"), record.levelname, record.getMessage(), *told])
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def keep() -> None:
    """Writes the log of this process to standard error from now on."""
    handler = logging.StreamHandler()
    handler.setFormatter(Lines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
