"""The rows of a file as a model reads them: numbers, and texts where its categories are texts."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from glasskit import trees
from glasskit.analyses import questions
from glasskit.data import named

Rows = npt.NDArray[Any]
"""(n, F): float64, or objects where there are texts."""

_WHOLE = re.compile("0|-?[1-9][0-9]{0,17}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """rows: in the order of the model's columns. texts: further columns as they stand."""

    rows: Rows
    texts: Mapping[str, tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.rows)

    def number_of(self, chosen: questions.Chosen) -> int:
        """The number of the chosen row. Raises Unanswerable."""
        if chosen.row is not None:
            if not 1 <= chosen.row <= len(self):
                raise questions.Unanswerable(f"there is no row {chosen.row:,}, only 1 to {len(self):,}")
            return chosen.row
        found = [at for at, text in enumerate(self.texts[chosen.column], start=1) if text == chosen.value]
        if len(found) != 1:
            some = f"rows {', '.join(map(str, found[:5]))} have" if found else "no row has"
            raise questions.Unanswerable(f"{some} the value {chosen.value!r} in column {chosen.column!r}")
        return found[0]


def read(
    path: Path, ensemble: trees.Ensemble, *, chosen: questions.Chosen | None = None, has_header: bool = True
) -> Table:
    """The rows of a file for a model. Raises ValueError naming the column and the row that cannot be used."""
    names = _spelt(path, ensemble.feature_names) if has_header else ensemble.feature_names
    texts = [chosen.column] if chosen is not None and chosen.column else []
    categories = {names[at] for at in (*ensemble.levels, *ensemble.text_hashes)}
    found = named.read(path, names, texts=texts, has_header=has_header, kept_as_texts=categories)
    if not categories:
        return Table(rows=found.numbers, texts=found.texts)
    rows: Rows = found.numbers.astype(object)
    for at in ensemble.text_hashes:
        rows[:, at] = [_whole(text) for text in found.texts[names[at]]]
    for at, levels in ensemble.levels.items():
        rows[:, at] = _of_levels(found.texts[names[at]], levels)
        if ensemble.source == "xgboost" and isinstance(levels[0], str):
            _require_known(path, names[at], rows[:, at].tolist(), frozenset(levels))
    return Table(rows=rows, texts=found.texts)


def _spelt(path: Path, names: Sequence[str]) -> tuple[str, ...]:
    """The model's columns as the file spells them: LightGBM writes blanks in names as underscores."""
    known = named.columns(path)
    present = set(known)
    if present.issuperset(names):
        return tuple(names)
    blank = {name.replace(" ", "_"): name for name in known if " " in name}
    return tuple(name if name in present else blank.get(name, name) for name in names)


def _whole(text: str) -> str | int:
    """A whole number as such: a category is the same whether it was written as a number or as its text."""
    return int(text) if _WHOLE.fullmatch(text) else text


def _of_levels(column: Sequence[str], levels: Sequence[object]) -> list[object]:
    """A category's values: as texts where its levels are texts, else their codes; missing and unseen ones are NaN."""
    if isinstance(levels[0], str):
        return [text if text or "" in levels else None for text in column]
    codes = {float(level): float(code) for code, level in enumerate(levels) if isinstance(level, int | float)}
    return [codes.get(_number(text), math.nan) for text in column]


def _require_known(path: Path, name: str, values: Sequence[object], levels: frozenset[object]) -> None:
    """Raises Unanswerable for the first category that a model of XGBoost's, which refuses it, has not seen."""
    for number, value in enumerate(values, start=1):
        if value is not None and value not in levels:
            raise questions.Unanswerable(
                f"{path.name} holds {value!r} in row {number:,} of column {name!r}, a category that the model has not seen"
            )


def _number(text: str) -> float:
    bare = text.strip().lower()
    try:
        return {"true": 1.0, "false": 0.0}[bare] if bare in ("true", "false") else float(bare)
    except ValueError:
        return math.nan
