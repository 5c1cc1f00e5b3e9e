"""Asks recorded models again: decisions whose model has no trees to read, answered in the environment they were made in.

The model's data, its image, its variables and the digest of its environment are kept with the ledger ("what served"). The model
runs isolated, without network, and its answers are compared byte by byte.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glasshouse.kernel import errors
from glasshouse.kernel.jobs import archives
from glasshouse.kernel.ledger import keeping, records, replaying, serving
from glasshouse.kernel.objects import folders
from glasshouse.kernel.ports import Executor, Exited, Host, Images, Job, Limits, Lost, Mount

OPT_ML = "/opt/ml"
_POLL_S = 0.02
_LONGEST_S = 3600.0
_PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerunner:
    """Runs recorded models. monotonic: seconds, to give up by."""

    folder: Path
    executor: Executor
    images: Images
    monotonic: Callable[[], float]

    def rerun(self, entries: Iterable[records.Entry]) -> Iterator[replaying.Replayed]:
        """What became of each decision. Those of one model are asked together."""
        groups: dict[str, list[records.Entry]] = {}
        for entry in entries:
            groups.setdefault(entry.public["served"], []).append(entry)
        for served, group in groups.items():
            try:
                answers = self._answers(served, group)
            except (errors.Fatal, errors.WireError, OSError, ValueError) as error:
                for entry in group:
                    yield _said(entry, "refused", str(error))
                continue
            for entry in group:
                yield _compared(entry, answers.get(entry.id))

    def _answers(self, digest: str, group: Sequence[records.Entry]) -> dict[str, Any]:
        served = self._served(digest)
        environment = self.images.recorded(served.environment)
        if environment is None:
            raise errors.Fatal(
                f"the environment {served.environment} that it ran in is not on this machine any more"
            )
        runtime = self.images.resolve(served.image)
        with tempfile.TemporaryDirectory(prefix="glasshouse-replay-") as temporary:
            root = Path(temporary)
            self._lay_out(root / "ml", served, group)
            host = Host(
                name="model",
                argv=(*runtime.command["inference"][:-1], "replay"),
                env={**runtime.env, "PATH": f"{environment.path}:{_PATH}", **served.variables},
                mounts=(*environment.mounts, Mount(source=root / "ml", target=OPT_ML, writable=True)),
                log=root / "log",
                workdir=OPT_ML,
            )
            self._run(Job(id="replay", hosts=(host,), run_dir=root / "run", network="none", limits=_limits()))
            return read_answers(root / "ml" / "replay" / "answers.jsonl")

    def _served(self, digest: str) -> serving.Served:
        """What served, checked against its digest. Raises errors.Fatal where it cannot be run again."""
        if not digest:
            raise errors.Fatal("what served it was not kept")
        found = serving.from_bytes(keeping.bundle(self.folder, digest))
        if found.explained:
            raise errors.Fatal("its answers went through an explainer, which is not run again")
        if not found.model:
            raise errors.Fatal("its model was no archive, and was not kept")
        return found

    def _lay_out(self, ml: Path, served: serving.Served, group: Sequence[records.Entry]) -> None:
        (ml / "replay").mkdir(parents=True)
        archive = ml.parent / "model.tar.gz"
        archive.write_bytes(keeping.bundle(self.folder, served.model))
        archives.unpacked(archive, ml / "model")
        with (ml / "replay" / "requests.jsonl").open("w", encoding="utf-8") as file:
            for entry in group:
                private = entry.private or {}
                asked = {
                    "id": entry.id,
                    "body": private.get("input", ""),
                    "headers": private.get("headers", {}),
                }
                file.write(json.dumps(asked) + "\n")

    def _run(self, job: Job) -> None:
        """Raises errors.Fatal with the last lines of its log when the model does not come up."""
        handle = self.executor.submit(job)
        give_up = self.monotonic() + _LONGEST_S
        while not isinstance(state := self.executor.look(handle), Exited | Lost):
            if self.monotonic() > give_up:
                self.executor.stop(handle, grace_s=0)
            time.sleep(_POLL_S)
        if isinstance(state, Lost) or state.code:
            log = job.hosts[0].log
            said = log.read_text(errors="replace").splitlines()[-3:] if log.exists() else []
            raise errors.Fatal(f"its model could not be run again: {' | '.join(said)}")


def read_answers(path: Path) -> dict[str, Any]:
    """The answers that the model wrote, by id. It is the user's code: nothing is followed or believed. Raises ValueError, OSError."""
    found: dict[str, Any] = {}
    with folders.open_regular(path) as descriptor, os.fdopen(os.dup(descriptor), encoding="utf-8") as file:
        for line in file:
            answer = json.loads(line)
            if not isinstance(answer, dict) or _kinds(answer) != (str, int, str):
                raise ValueError("its model wrote something else than answers")
            found[answer["id"]] = answer
    return found


def _kinds(answer: dict[str, Any]) -> tuple[type, ...]:
    return tuple(type(answer.get(name)) for name in ("id", "status", "body"))


def _compared(entry: records.Entry, answer: dict[str, Any] | None) -> replaying.Replayed:
    recorded = (entry.private or {}).get("answer")
    if not isinstance(recorded, str):
        return _said(entry, "refused", "its record has no answer")
    if answer is None:
        return _said(entry, "refused", "its model gave no answer")
    if answer["status"] // 100 != 2:
        return _said(entry, "different", f"it was answered and is refused now: {answer['body'][:200]}")
    if answer["body"] == recorded:
        return replaying.Replayed(id=entry.id, seq=entry.seq, verdict="equal")
    at = next(
        (i for i, (a, b) in enumerate(zip(recorded, answer["body"], strict=False)) if a != b),
        min(len(recorded), len(answer["body"])),
    )
    was, now = recorded[max(0, at - 20) : at + 20], answer["body"][max(0, at - 20) : at + 20]
    return _said(entry, "different", f"the answer differs at character {at}: was {was!r} and is {now!r}")


def _said(entry: records.Entry, verdict: replaying.Verdict, sentence: str) -> replaying.Replayed:
    return replaying.Replayed(id=entry.id, seq=entry.seq, verdict=verdict, details=(sentence,))


def _limits() -> Limits:
    return Limits(time_s=_LONGEST_S)
