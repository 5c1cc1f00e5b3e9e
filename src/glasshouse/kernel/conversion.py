"""A pickled model -> the portable form, in a job of its own: no network, nothing writable but one folder.

Opening a pickle runs the code it holds. So it is opened where that code finds no home, no network and nothing of the
server's, by the same Python and the same packages as ours, and only the portable form comes back, which holds
numbers. Where a sandbox cannot be had, nothing is opened.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import tempfile
import threading
from pathlib import Path

import glasskit
from glasshouse.kernel import errors, ids, ports
from glasshouse.kernel.clock import Clock

INSIDE_MODEL = "/model"
INSIDE_OUT = "/out"
LIMITS = ports.Limits(memory_bytes=4 << 30, time_s=300.0, n_processes=256, grace_s=1.0)
_NAME = "model.trees"
_LARGEST_BYTES = 2 << 30
_LOOK_EVERY_S = 0.02
_LONGEST_SENTENCE = 400


def convert(model: Path, executor: ports.Executor, clock: Clock) -> bytes:
    """The portable bytes of a pickled model file. Raises errors.Fatal with a sentence."""
    problems = executor.problems()
    if problems:
        told = " ".join(f"{problem.what} {problem.fix}" for problem in problems)
        raise errors.Fatal(f"{model.name} is pickled, and is opened inside a sandbox only. {told}")
    with tempfile.TemporaryDirectory(prefix="glasshouse-convert-", ignore_cleanup_errors=True) as folder:
        out = Path(folder, "out")
        out.mkdir(mode=0o700)
        log = Path(folder, "log")
        job = ports.Job(
            id=f"convert-{ids.token()[:12]}",
            hosts=(_host(model.resolve(), out, log),),
            run_dir=Path(folder, "run"),
            network="none",
            limits=LIMITS,
        )
        ended = _ended(job, executor, clock)
        if isinstance(ended, ports.Lost) or ended.code:
            raise errors.Fatal(_reason(model, ended, log))
        return _written(out / _NAME, model)


def _host(model: Path, out: Path, log: Path) -> ports.Host:
    ours = Path(glasskit.__file__).resolve().parent
    own = [Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve(), ours]
    shared = [path for path in dict.fromkeys(own) if not path.is_relative_to("/usr")]
    return ports.Host(
        name="convert",
        argv=(sys.executable, "-m", "glasskit.trees.convert", INSIDE_MODEL, f"{INSIDE_OUT}/{_NAME}"),
        env={
            "GLASSKIT_SANDBOX": "yes",
            "PYTHONPATH": str(ours.parent),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONWARNINGS": "ignore",
            "OMP_NUM_THREADS": "1",
        },
        mounts=(
            *(ports.Mount(source=path, target=str(path)) for path in _outermost(shared)),
            ports.Mount(source=model, target=INSIDE_MODEL),
            ports.Mount(source=out, target=INSIDE_OUT, writable=True),
        ),
        log=log,
    )


def _outermost(paths: list[Path]) -> list[Path]:
    """The paths without those that lie inside another."""
    return [
        path for path in paths if not any(path != other and path.is_relative_to(other) for other in paths)
    ]


def _ended(job: ports.Job, executor: ports.Executor, clock: Clock) -> ports.Exited | ports.Lost:
    """Runs the job to its end. It is stopped when the caller is interrupted."""
    pause = threading.Event()
    handle = executor.submit(job)
    deadline = clock.monotonic() + (LIMITS.time_s or 0.0) + 60.0
    found: ports.Running | ports.Exited | ports.Lost = ports.Running(started_at=clock.now())
    try:
        while isinstance(found := executor.look(handle), ports.Running):
            if clock.monotonic() > deadline:
                raise errors.Fatal("The conversion of the model did not come to an end.")
            pause.wait(_LOOK_EVERY_S)
    finally:
        if isinstance(found, ports.Running):
            executor.stop(handle, grace_s=0.0)
    return found


def _reason(model: Path, ended: ports.Exited | ports.Lost, log: Path) -> str:
    if isinstance(ended, ports.Lost):
        return f"{model.name} could not be converted: its sandbox was lost."
    why = {
        "out_of_memory": "it took more than 4 GiB of memory",
        "timed_out": f"it took longer than {LIMITS.time_s:.0f} s",
    }.get(ended.reason)
    return f"{model.name} could not be converted: {why or _last_line(log) or f'exit status {ended.code}'}"


def _last_line(log: Path) -> str:
    """The last thing that was said inside, which may be anything: shortened, and printable characters alone."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    told = [_message(line) for line in lines[-20:]]
    last = next((text for text in reversed(told) if text.strip()), "")
    return "".join(character if character.isprintable() else " " for character in last)[:_LONGEST_SENTENCE]


def _message(line: str) -> str:
    try:
        return str(json.loads(line)["m"])
    except (ValueError, KeyError, TypeError):
        return ""


def _written(path: Path, model: Path) -> bytes:
    """The bytes of the file that was written inside; never those of a file that it only points to."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise errors.Fatal(f"{model.name} could not be converted: nothing was written.") from error
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST_BYTES:
            raise errors.Fatal(f"{model.name} could not be converted: what was written is no model file.")
        return file.read(_LARGEST_BYTES + 1)
