"""What the command line is given by the composition root."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from glasshouse.kernel.clock import Clock
from glasshouse.kernel.ports import Images, Problem
from glasshouse.kernel.settings import Settings
from glasskit.analyses import questions

if TYPE_CHECKING:
    from glasshouse.kernel.ledger import Entry
    from glasshouse.kernel.ledger.replaying import Replayed
    from glassproof import anchors


class Keys(Protocol):
    """The root identity's keys."""

    @property
    def access_key_id(self) -> str: ...
    @property
    def secret_access_key(self) -> str: ...
    @property
    def session_token(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was asked of a demo, and the server it speaks to, on `data`. `folder` takes copies of what it makes."""

    endpoint: str
    region: str
    keys: Keys
    data: Path
    folder: Path
    source: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """A solution, as the command line runs it: `run` does the job, `clean` removes what it made.

    Both print their progress and raise RuntimeError with a sentence when a stage fails.
    """

    run: Callable[[Wish], None]
    clean: Callable[[Wish], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Analyses:
    """What is asked of a model file and a table. Each raises ValueError with a sentence for bad input."""

    explain: Callable[[questions.Explain, questions.Around], None]
    bias: Callable[[questions.Bias, questions.Around], None]
    recourse: Callable[[questions.Recourse, questions.Around], None]


Recorded = Mapping[str, Any]
"""A recorded decision, as `glasskit.decisions.exporting` reads it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """Recorded decisions as rows of a table. Both raise ValueError with a sentence.

    row: texts, numbers and truth values by their columns. export: writes the file that a path names by its ending, and says
    how many rows and columns it has; it reads the records twice.
    """

    row: Callable[[Recorded], dict[str, Any]]
    export: Callable[[Callable[[], Iterable[Recorded]], Path], tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """Functions that import what they need only when they are called, so that the command line starts fast.

    serve: runs the server until it is told to end, and returns the exit status; tells its address when it answers.
    keys: the root keys of a data folder; raises RuntimeError with the way to mend it.
    offered: the operations on offer, by service; needs no server.
    problems: what keeps jobs from running isolated on this machine.
    images: the catalogue of runtimes; the second argument is told of progress.
    analyses: what is asked of a model file and a table, without a server.
    decisions: tables of recorded decisions, with what decided in a folder of bundles.
    anchors: those of a ledger, by its id, that the settings have put elsewhere besides; raises OSError.
    rerun: asks recorded models again, in the environments that they ran in.
    convert: a pickled model file -> the portable form, in a sandbox; raises Fatal where it cannot be had.
    """

    serve: Callable[[Settings, Callable[[str], None]], int]
    keys: Callable[[Settings], Keys]
    offered: Callable[[], Mapping[str, tuple[str, ...]]]
    problems: Callable[[Settings], tuple[Problem, ...]]
    images: Callable[[Settings, Callable[[str], None]], Images]
    analyses: Callable[[], Analyses]
    convert: Callable[[Path], bytes]
    rerun: Callable[[Settings], Callable[[Iterable[Entry]], Iterator[Replayed]]]
    decisions: Callable[[Path], Decisions]
    anchors: Callable[[Settings, str], list[anchors.Anchor]]
    clock: Clock
    demos: Mapping[str, Callable[[], Demo]] = field(default_factory=dict)
