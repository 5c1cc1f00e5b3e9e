"""A program that records decisions from several threads and says, a line each, which were acknowledged."""

from __future__ import annotations

import itertools
import sys
import threading
from pathlib import Path

from glasshouse.kernel.clock import SystemClock
from glasshouse.kernel.ledger import Draft, Ledger, anchoring

THREADS = 8


def main(folder: Path, life: str) -> None:
    anchors = anchoring.FileAnchors(folder / "anchors")
    ledger = Ledger(folder / "ledger", clock=SystemClock(), anchor=lambda _ledger: anchors)
    numbers = itertools.count()
    lock = threading.Lock()

    def work() -> None:
        while True:
            drafts = [draft(f"{life}-{next(numbers)}") for _ in range(1 + next(numbers) % 3)]
            ledger.record(drafts).result()
            with lock:
                sys.stdout.write("".join(f"{one.id}\n" for one in drafts))
                sys.stdout.flush()

    def draft(name: str) -> Draft:
        number = int(name.rsplit("-", 1)[1])
        return Draft(
            kind="decision",
            id=name,
            at=number,
            public={"endpoint": "credit"},
            private={"input": name, "blank": "x" * (number * 37 % 3000)},
            subject=f"person {number % 40}" if number % 3 else "",
        )

    for _ in range(THREADS):
        threading.Thread(target=work, daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
