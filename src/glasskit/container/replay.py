"""The command `replay`: a model answers recorded requests again, without a server.

It reads /opt/ml/replay/requests.jsonl, {"id", "body", "headers"} a line, and writes answers.jsonl beside it: {"id", "status",
"body"}. Bodies are UTF-8 with other bytes as surrogate escapes, as they were recorded.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Any

from glasskit.container import failures, layout, requests, serve

REQUESTS, ANSWERS = "requests.jsonl", "answers.jsonl"


def main() -> int:
    """Answers every request; the exit status is not 0 when the model cannot be loaded."""
    where = layout.current()
    folder = where.base / "replay"
    try:
        handler = serve.explained(serve.load(where))
    except failures.ClientFailure as failure:
        sys.stderr.write(f"The model cannot be loaded: {failure}\n")
        return failure.status
    except Exception:  # the door of the user's code: importing it and its model_fn may raise anything
        traceback.print_exc()
        return 1
    _answer(handler, folder)
    return 0


def _answer(handler: requests.Handler, folder: Path) -> None:
    asked = (folder / REQUESTS).read_text(encoding="utf-8").splitlines()
    with (folder / ANSWERS).open("w", encoding="utf-8") as answers:
        for line in asked:
            answers.write(json.dumps(_one(handler, json.loads(line))) + "\n")


def _one(handler: requests.Handler, asked: dict[str, Any]) -> dict[str, Any]:
    body = asked["body"].encode("utf-8", "surrogateescape")
    try:
        answer = handler.invoke(requests.Request(body=body, headers=asked["headers"]))
    except requests.Rejected as error:
        answer = requests.Answer(status=error.status, body=str(error).encode())
    said = answer.body.decode("utf-8", "surrogateescape")
    return {"id": asked["id"], "status": answer.status, "body": said}
