"""Has the run's decisions verified and taken again, by the commands that anybody may repeat."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from glasshouse.solutions.credit import stages

WITHIN_S = 300


class NotProved(RuntimeError):
    """The ledger is not whole, or a decision came out otherwise when it was taken again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What was proved of the run's decisions. `whole` is the verifier's own sentence."""

    n_decisions: int
    whole: str
    verify: str
    replay: str

    def in_words(self) -> str:
        return (
            f"{self.n_decisions} decisions of this run are in the ledger. It is {self.whole} "
            f"Taken again from the ledger, all {self.n_decisions} are equal, byte by byte."
        )


def prove(run: stages.Run, decision_ids: Sequence[str], *, shown: str, data: Path | None) -> Proof | None:
    """Verifies the ledger of the server's data folder and takes the decisions again.

    shown: the decision whose replay is told as a command. None without `data`, the folder of a server elsewhere.
    Raises NotProved.
    """
    where = ["--data", str(data)] if data else []
    told = Proof(
        n_decisions=len(decision_ids),
        whole="",
        verify=shlex.join(["glasshouse", "verify", *where]),
        replay=shlex.join(["glasshouse", "replay", shown, *where]),
    )
    if data is None:
        run.progress.note(f"{len(decision_ids)} decisions recorded; on the server's machine:")
        run.progress.note(told.verify)
        run.progress.note(told.replay)
        return None
    whole = _said("verify", *where).splitlines()[0]
    run.progress.note(whole)
    replayed = _said("replay", *decision_ids, *where).splitlines()[-1]
    run.progress.note(replayed)
    if replayed != f"{len(decision_ids)} decisions: {len(decision_ids)} equal":
        raise NotProved(f"of {len(decision_ids)} decisions, {replayed}")
    return Proof(n_decisions=told.n_decisions, whole=whole, verify=told.verify, replay=told.replay)


def _said(*words: str) -> str:
    """What `glasshouse WORDS` prints. Raises NotProved where its exit status is not 0."""
    done = subprocess.run(
        [sys.executable, "-m", "glasshouse", *words],
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    if done.returncode:
        raise NotProved(f"glasshouse {words[0]}: {(done.stdout + done.stderr).strip()}")
    return done.stdout.strip()
