"""What is asked: which outcome is favourable, whose bias is in question, and how sure the answer shall be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from glasskit.bias import faults

Kind = Literal["categorical", "continuous"]


@dataclass(frozen=True, slots=True)
class Label:
    """The label's column and its favourable outcome.

    positive: the favourable values; or one threshold, above which (exclusively) a number is favourable. kind says
    which of the two; without it a column of many different numbers is continuous. every_value: the distances between
    label distributions (KL, JS, LP, TVD, KS) look at every value of the label instead of favourable or not.
    """

    name: str
    positive: Sequence[object]
    kind: Kind | None = None
    every_value: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "positive", _values("positive", self.name, self.positive))
        if not self.positive:
            raise faults.Unusable(f"no favourable value of column {self.name!r} is named")
        if self.kind == "continuous" and len(self.positive) != 1:
            raise faults.Unusable(
                f"column {self.name!r} is continuous and needs one threshold, not {len(self.positive)}"
            )


@dataclass(frozen=True, slots=True)
class Facet:
    """The facet's column and the values (or thresholds, exclusive) that make a row one of the disfavoured facet d.

    Each value is compared with all other rows, in a result of its own; `together` makes one facet d of all of them,
    as Clarify does. Without values each value that occurs is compared with the rest.
    """

    name: str
    values: Sequence[object] = ()
    kind: Kind | None = None
    together: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", _values("values", self.name, self.values))
        if self.kind == "continuous" and not self.values:
            raise faults.Unusable(f"facet {self.name!r} is continuous and needs a threshold")


def _values(field: str, name: str, values: Sequence[object]) -> tuple[object, ...]:
    if isinstance(values, (str, bytes)) or not isinstance(values, Sequence):
        raise faults.Unusable(f"{field} of column {name!r} is a list of values, not {values!r}")
    return tuple(values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the answer is found.

    interval: "auto" is a formula where there is one and the bootstrap otherwise; "formula" and "bootstrap" insist;
    "none" leaves intervals out. The bootstrap draws `replicates` tables with `seed`, each facet's rows apart, so CI, which
    is about their numbers, always has its formula.
    minimum_rows: with fewer rows in a facet, or below the line of a ratio, a metric is refused; at 1 only empty
    facets are. missing: rows without a value are refused, or dropped and counted. flip_rows: the flip test looks at
    that many rows of each facet, drawn with the seed; None is all of them. compat: smclarify's published values where
    they differ from the definitions (zero mass in KL, JS, LP, TVD and KS; the sign of FT; what counts as continuous).
    """

    confidence: float = 0.95
    interval: Literal["auto", "formula", "bootstrap", "none"] = "auto"
    replicates: int = 1000
    seed: int = 0
    minimum_rows: int = 1
    missing: Literal["refuse", "drop"] = "refuse"
    flip_rows: int | None = 10_000
    compat: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.confidence < 1:
            raise faults.Unusable(f"confidence {self.confidence} does not lie between 0 and 1")
        if (
            self.replicates < 1
            or self.minimum_rows < 1
            or (self.flip_rows is not None and self.flip_rows < 1)
        ):
            raise faults.Unusable("replicates, minimum_rows and flip_rows are at least 1")
