"""What can be asked of a model file and a table. Imports nothing heavy, so that the command line starts fast."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Literal

Space = Literal["margin", "prediction"]


class Unanswerable(ValueError):
    """The question does not fit the model, the table or itself; the sentence says how it would."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What an analysis is given by whoever runs it.

    convert: a pickled model file -> portable bytes, in a sandbox. say: takes a line of the answer.
    progress: takes (done, in all). today: for policies that hold from a day on. monotonic: a clock, in seconds.
    """

    convert: Callable[[Path], bytes]
    say: Callable[[str], None]
    progress: Callable[[int, int], None]
    today: datetime.date
    monotonic: Callable[[], float]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A row of a table: by its number (the first is 1), or by the value of a column."""

    row: int | None = None
    column: str = ""
    value: str = ""

    @property
    def is_one(self) -> bool:
        """Whether a row was chosen at all."""
        return self.row is not None or bool(self.column)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Explain:
    """Why a model predicts what it predicts, for one row or for all.

    groups: a TOML file; group_by: columns count as one by the part of their names before it. reasons: a policy file;
    baseline: the rows of the population that the policy measures from. output_index: which class, where there are
    several. outputs: files, each told by its ending what to hold.
    """

    model: Path
    data: Path
    chosen: Chosen = Chosen()
    background: Path | None = None
    groups: Path | None = None
    group_by: str = ""
    interactions: bool = False
    reasons: Path | None = None
    baseline: Path | None = None
    outputs: tuple[Path, ...] = ()
    space: Space = "margin"
    output_index: int | None = None
    has_header: bool = True
    n_shown: int = 10
    as_json: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Bias:
    """Whether a group fares worse than all others. metrics: all that apply if empty."""

    data: Path
    label: str
    positive: tuple[str, ...]
    facets: tuple[str, ...]
    predicted: str | None = None
    threshold: float | None = None
    group: str | None = None
    metrics: tuple[str, ...] = ()
    intervals: Literal["auto", "formula", "bootstrap", "none"] = "auto"
    confidence: float = 0.95
    replicates: int = 1000
    seed: int = 0
    minimum_rows: int = 1
    missing: Literal["refuse", "drop"] = "refuse"
    compat: bool = False
    outputs: tuple[Path, ...] = ()
    as_json: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Recourse:
    """What would have to change for a row to be decided otherwise.

    policy: a TOML file of constraints; without one, `immutable` columns stay and all others may take the values that
    the table shows. at_most, at_least: the prediction to reach; exactly one is given. n_options: how many, all different.
    """

    model: Path
    data: Path
    chosen: Chosen
    at_most: float | None = None
    at_least: float | None = None
    policy: Path | None = None
    immutable: tuple[str, ...] = ()
    n_options: int = 3
    time_limit_s: float = 10.0
    has_header: bool = True
    outputs: tuple[Path, ...] = ()
    as_json: bool = False
