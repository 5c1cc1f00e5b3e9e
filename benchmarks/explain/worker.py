"""A contender in its own process and environment: one request as a line of JSON, one answer as another.

It makes its explainer once, then times itself whenever it is asked; no other contender works meanwhile. Times are
of the processor, so that what else runs on the machine counts as little as possible; time that passed goes along.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.explain import contenders, drawing

LEAST_S = 0.02
MOST_CALLS = 2000
SINGLE_ROWS = 200


def main() -> int:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints is not an answer
    warnings.simplefilter("ignore")
    request = json.loads(sys.stdin.readline())
    try:
        explain, facts = _set_up(request)
        _answer(answers, facts)
        for line in sys.stdin:
            _answer(answers, _timed(explain, json.loads(line)))
    except Exception as exc:  # the run goes on without this contender, and says why
        _answer(answers, {"failed": f"{type(exc).__name__}: {' '.join(str(exc).split())[:200]}"})
        return 1
    return 0


def _answer(answers: Any, facts: dict[str, Any]) -> None:
    answers.write(json.dumps(facts) + "\n")
    answers.flush()


def _set_up(request: dict[str, Any]) -> tuple[contenders.Explain, dict[str, Any]]:
    task = contenders.Task(
        model=request["model"],
        kind=request["kind"],
        folder=Path(request["folder"]),
        background=drawing.rows(request["n_background"]) if request["n_background"] else None,
    )
    make = (contenders.OWN | contenders.PEERS)[request["contender"]]
    make(task)  # libraries load when they are first used
    before, started = _resident_bytes(), time.process_time()
    explain = make(task)
    facts = {"set_up_s": time.process_time() - started, "set_up_bytes": _resident_bytes() - before}
    return explain, facts


def _timed(explain: contenders.Explain, request: dict[str, Any]) -> dict[str, Any]:
    """Seconds per row over as many calls as fit into a fiftieth of a second, at least one.

    A single row is another one in every call, as it is behind an endpoint: nothing lies in the cache by luck.
    """
    n = request["n"]
    drawn = drawing.rows(n if n > 1 else SINGLE_ROWS, seed=5)
    given = [drawn] if n > 1 else [drawn[row : row + 1].copy() for row in range(SINGLE_ROWS)]
    values = explain(given[0]) if request["first"] else None
    started, working, calls = time.perf_counter(), time.process_time(), 0
    while not calls or (time.perf_counter() - started < LEAST_S and calls < MOST_CALLS):
        explain(given[calls % len(given)])
        calls += 1
    passed, worked = time.perf_counter() - started, time.process_time() - working
    facts: dict[str, Any] = {"seconds": worked / calls / n, "passed_s": passed / calls / n}
    if values is not None:
        facts["values"] = np.asarray(values, dtype=np.float64)[:2].ravel().tolist()
    facts["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return facts


def _resident_bytes() -> int:
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    sys.exit(main())
