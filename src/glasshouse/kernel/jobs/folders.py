"""Where an attempt of a job lives on disk."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from glasshouse.kernel import errors
from glasshouse.kernel.records import Record
from glasshouse.kernel.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at a job. A second try never sees the files of the first."""

    root: Path
    number: int

    @property
    def run(self) -> Path:
        """The executor's own folder."""
        return self.root / "run"

    def opt_ml(self, host: str) -> Path:
        """What the host sees as /opt/ml."""
        return self.root / host / "ml"

    def inside(self, host: str, *parts: str) -> Path:
        """A path under the host's /opt/ml. The job may have put a link in its place: that is refused.

        Raises errors.Fatal.
        """
        root = self.opt_ml(host).resolve()
        path = root.joinpath(*parts)
        if path.resolve() != path:
            raise errors.Fatal(
                f"AlgorithmError: /opt/ml/{'/'.join(parts)} is a link; it must be a folder or file."
            )
        return path

    def made_fresh(self) -> None:
        """Empties the folder: whatever an interrupted preparation left behind goes."""
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir(parents=True)


def attempt_of(settings: Settings, record: Record, number: int) -> Attempt:
    """The folder of attempt `number`. Names may return after a deletion, so the creation time is part of it."""
    name = f"{int(record.created_at * 1000)}-{number}"
    return Attempt(root=home_of(settings, record) / name, number=number)


def home_of(settings: Settings, record: Record) -> Path:
    """The folder of everything that runs here for the resource, or ran for one of the same name."""
    key = record.key
    return settings.data / "jobs" / key.account / key.region / key.kind / key.name


def attempts_removed(settings: Settings, record: Record, last: int) -> None:
    """Removes what attempts 1 to `last` left on disk, and the job's own folder when nothing else is in it."""
    for number in range(1, last + 1):
        attempt = attempt_of(settings, record, number)
        shutil.rmtree(attempt.root, ignore_errors=True)
    with contextlib.suppress(OSError):
        attempt_of(settings, record, last).root.parent.rmdir()


def host_names(count: int) -> tuple[str, ...]:
    return tuple(f"algo-{i + 1}" for i in range(count))
