"""All rows of a table explained: what matters over them, and every contribution in a file."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from glasskit import charts
from glasskit.analyses import outputs, questions, rows, terminal, views
from glasskit.explain.explanations import Explanation

_PART_BYTES = 32 << 20
_MOST_ROWS = 32_768
_MOST_AGAINST = 256
_DOTS = 2000


@dataclasses.dataclass(slots=True, kw_only=True)
class Totals:
    """What is summed up over the rows; arrays by group."""

    names: list[str]
    absolute: views.Floats
    signed: views.Floats
    n_rows: int = 0
    predicted: float = 0.0
    base_value: float = 0.0


def run(asked: questions.Explain, around: questions.Around, view: views.View, given: rows.Rows) -> None:
    """Explains all rows, part by part, so that memory does not grow with their number."""
    tables = [path for path in asked.outputs if path.suffix.lower() in outputs.TABLES]
    pictures = [path for path in asked.outputs if path not in tables]
    names = view.group_names
    totals = Totals(names=names, absolute=np.zeros(len(names)), signed=np.zeros(len(names)))
    pairs = np.zeros((len(names), len(names)))
    with contextlib.ExitStack() as open_tables:
        writers = [open_tables.enter_context(outputs.table(path)) for path in tables]
        for start, stop in _parts(asked, view, len(given)):
            part = given[start:stop]
            explanation = view.explained(part)
            values = view.merged(explanation.values)
            predicted = view.predictions(part)
            _add(totals, values, predicted, explanation)
            matrices = None
            if asked.interactions:
                _, matrices = view.interactions(part)
                pairs += np.abs(matrices).sum(axis=0)
            for writer in writers:
                writer.write(
                    _lines(start, names, values, predicted, explanation)
                    if matrices is None
                    else _pairs(start, names, matrices)
                )
            around.progress(stop, len(given))
        for path in pictures:
            _draw(path, asked, view, given, pairs / len(given))
    _say(asked, around, totals, pairs / len(given), explanation)


def _parts(asked: questions.Explain, view: views.View, n_rows: int) -> Iterator[tuple[int, int]]:
    width = len(view.names) ** (2 if asked.interactions else 1) * view.explainer.ensemble.n_outputs
    size = max(1, min(_MOST_ROWS, _PART_BYTES // (8 * max(1, width))))
    is_slow = view.space == "prediction" or (asked.interactions and asked.background is not None)
    size = min(size, _MOST_AGAINST) if is_slow else size
    for start in range(0, n_rows, size):
        yield start, min(start + size, n_rows)


def _add(totals: Totals, values: views.Floats, predicted: views.Floats, explanation: Explanation) -> None:
    totals.absolute += np.abs(values).sum(axis=0)
    totals.signed += values.sum(axis=0)
    totals.n_rows += len(values)
    totals.predicted += float(predicted.sum())
    totals.base_value = float(explanation.base_values[0])


def _lines(
    start: int,
    names: list[str],
    values: views.Floats,
    predicted: views.Floats,
    explanation: Explanation,
) -> outputs.Columns:
    """row, prediction, base_value, and a column for each contribution."""
    leading: outputs.Columns = {
        _free("row", names): outputs.numbered(start + 1, len(values)),
        _free("prediction", names): predicted,
        _free("base_value", names): explanation.base_values,
    }
    return leading | {name: values[:, at] for at, name in enumerate(names)}


def _free(name: str, names: list[str]) -> str:
    """A column's name that no feature has."""
    while name in names:
        name += "_"
    return name


def _pairs(start: int, names: list[str], matrices: views.Floats) -> outputs.Columns:
    """A line for each row and pair: the effect of a feature with itself, and of two together (both halves)."""
    one, other = np.triu_indices(len(names))
    values = matrices[:, one, other] * np.where(one == other, 1.0, 2.0)
    n_rows, listed = len(matrices), np.array(names, dtype=object)
    return {
        "row": np.repeat(outputs.numbered(start + 1, n_rows), len(one)),
        "feature": np.tile(listed[one], n_rows),
        "with": np.tile(listed[other], n_rows),
        "together": values.ravel(),
    }


def _draw(
    path: Path, asked: questions.Explain, view: views.View, given: rows.Rows, pairs: views.Floats
) -> None:
    """The swarm of evenly spaced rows, or the heat map of all."""
    names = view.group_names
    labels = view.groups.labels
    with outputs.whole(path) as partial:
        if asked.interactions:
            heat_map = charts.interaction.heat_map(pairs, names, max_features=asked.n_shown, labels=labels)
            outputs.draw(heat_map, partial)
            return
        at = np.unique(np.linspace(0, len(given) - 1, min(_DOTS, len(given))).round().astype(np.int64))
        explanation = view.explained(given[at])
        merged = _merged(view, explanation)
        outputs.draw(charts.summary.beeswarm(merged, max_features=asked.n_shown), partial)


def _merged(view: views.View, explanation: Explanation) -> Explanation:
    names, values = view.group_names, view.merged(explanation.values)
    alone = {name: explanation.data[:, at] for at, name in enumerate(explanation.feature_names)}
    data = np.full(values.shape, None, dtype=object)
    for at, name in enumerate(names):
        if name in alone:
            data[:, at] = alone[name]
    return dataclasses.replace(
        explanation, values=values, data=data, feature_names=names, labels=view.groups.labels
    )


def _say(
    asked: questions.Explain,
    around: questions.Around,
    totals: Totals,
    pairs: views.Floats,
    explanation: Explanation,
) -> None:
    absolute, signed = totals.absolute / totals.n_rows, totals.signed / totals.n_rows
    space = terminal.space_of(explanation.row(0))
    if asked.as_json:
        around.say(_json(totals, absolute, signed, space, pairs if asked.interactions else None))
        return
    around.say(
        f"{totals.n_rows:,} rows of {asked.data.name}, explained in {space}; "
        f"the mean prediction is {totals.predicted / totals.n_rows:.4g}."
    )
    around.say("")
    for line in terminal.importance_lines(totals.names, absolute.tolist(), signed.tolist(), asked.n_shown):
        around.say(line)
    if asked.interactions:
        around.say("")
        around.say("What acts together most (mean size):")
        for line in terminal.pair_lines(totals.names, pairs.tolist(), asked.n_shown):
            around.say(line)
    around.say("")
    around.say("Choose one with --row N to see why it got its prediction.")
    for path in asked.outputs:
        is_swarm = path.suffix.lower() not in outputs.TABLES and not asked.interactions
        part = f", of {_DOTS:,} evenly spaced rows" if is_swarm and totals.n_rows > _DOTS else ""
        around.say(f"Written: {path}{part}")


def _json(
    totals: Totals, absolute: views.Floats, signed: views.Floats, space: str, pairs: views.Floats | None
) -> str:
    answer: dict[str, Any] = {
        "rows": totals.n_rows,
        "mean_prediction": totals.predicted / totals.n_rows,
        "base_value": totals.base_value,
        "space": space,
        "features": [
            {"name": name, "mean_absolute": float(size), "mean": float(mean)}
            for name, size, mean in zip(totals.names, absolute, signed, strict=True)
        ],
    }
    if pairs is not None:
        answer["interactions"] = {"names": totals.names, "mean_absolute": pairs.tolist()}
    return json.dumps(answer, indent=1, ensure_ascii=False, allow_nan=False)
