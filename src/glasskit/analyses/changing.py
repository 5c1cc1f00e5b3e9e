"""What would have to change for a row to be decided otherwise, and how sure that is."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from glasskit import recourse, trees
from glasskit.analyses import models, outputs, questions, rows
from glasskit.explain import words
from glasskit.recourse import constraints

Floats = npt.NDArray[np.float64]

_KINDS = (".json",)
_STATUS = {
    "optimal": "proved nearest",
    "feasible": "feasible; the time ran out before the proof",
    "none_exists": "proved none",
    "timed_out": "time out; neither found nor excluded",
}


def run(asked: questions.Recourse, around: questions.Around) -> None:
    """Answers the question. Raises ValueError with a sentence when it cannot be answered."""
    outputs.require_kinds(asked.outputs, _KINDS)
    outputs.require_others(asked.outputs, (asked.model, asked.data, asked.policy))
    _check(asked)
    ensemble = models.read(asked.model, around.convert)
    if ensemble.n_outputs != 1:
        raise questions.Unanswerable(
            f"the model has {ensemble.n_outputs} classes, but recourse needs one output"
        )
    table = rows.read(asked.data, ensemble, chosen=asked.chosen, has_header=asked.has_header)
    number = table.number_of(asked.chosen)
    codes = _codes(table.rows, ensemble)
    allowed = _constraints(asked, ensemble, codes, number)
    found = recourse.find(
        trees.Explainer(ensemble),
        codes[number - 1],
        allowed.levers,
        at_most=asked.at_most,
        at_least=asked.at_least,
        count=asked.n_options,
        most_changes=allowed.most_changes,
        time_limit_s=asked.time_limit_s,
        clock=around.monotonic,
    )
    answer = json.dumps(_as_data(number, found), indent=1, ensure_ascii=False, allow_nan=False)
    for path in asked.outputs:
        with outputs.whole(path) as partial:
            partial.write_text(answer, encoding="utf-8")
    if asked.as_json:
        around.say(answer)
        return
    for line in _lines(asked, allowed, number, found):
        around.say(line)
    for path in asked.outputs:
        around.say(f"Written: {path}")


def _check(asked: questions.Recourse) -> None:
    if (asked.at_most is None) == (asked.at_least is None):
        raise questions.Unanswerable(
            "give the prediction to reach with either --threshold (at most) or --at-least"
        )
    limit = asked.at_least if asked.at_most is None else asked.at_most
    if limit is None or not math.isfinite(limit):
        raise questions.Unanswerable(f"the threshold {limit} is no finite number")
    if asked.n_options < 1:
        raise questions.Unanswerable(f"{asked.n_options} options were asked for; ask for at least one")
    if not 0 < asked.time_limit_s < math.inf:
        raise questions.Unanswerable(
            f"the time limit {asked.time_limit_s:g} s is not a positive number of seconds"
        )
    if asked.policy is not None and asked.immutable:
        raise questions.Unanswerable("what is immutable stands in the policy file when there is one")


def _codes(given: rows.Rows, ensemble: trees.Ensemble) -> Floats:
    """The rows as numbers: of a category, the number of its level. Raises Unanswerable for texts without one."""
    found = given.copy()
    for at in ensemble.text_hashes:
        text = next((value for value in given[:, at].tolist() if isinstance(value, str)), None)
        if text is not None:
            raise questions.Unanswerable(
                f"column {ensemble.feature_names[at]!r} holds {text!r}: the model knows the texts of its categories by their "
                "hashes alone, which recourse cannot choose among; train on whole numbers in their place"
            )
    for at, levels in ensemble.levels.items():
        if isinstance(levels[0], str):
            code = {level: float(number) for number, level in enumerate(levels)}
            found[:, at] = [code.get(value, math.nan) for value in given[:, at].tolist()]
    return found.astype(np.float64)


def _constraints(
    asked: questions.Recourse, ensemble: trees.Ensemble, codes: Floats, number: int
) -> constraints.Constraints:
    if asked.policy is None:
        return constraints.observed(ensemble, codes, codes[number - 1], immutable=asked.immutable)
    if not asked.policy.is_file():
        raise questions.Unanswerable(f"there is no file {asked.policy}")
    names = ensemble.feature_names
    named = {names[at]: levels for at, levels in ensemble.levels.items()}
    return constraints.load(asked.policy, names, levels=named)


def _as_data(number: int, found: recourse.Recourse) -> dict[str, Any]:
    return {
        "row": number,
        "status": found.status,
        "goal": found.goal,
        "prediction": found.prediction,
        "best_possible": found.best_possible,
        "has_all": found.has_all,
        "low_cost": found.low_cost if math.isfinite(found.low_cost) else None,
        "elapsed_s": found.elapsed_s,
        "options": [
            {
                "cost": option.cost,
                "prediction": option.prediction,
                "is_nearest": option.is_nearest,
                "changes": {
                    name: {"from": _plain(old), "to": _plain(new)}
                    for name, (old, new) in option.changes.items()
                },
                "columns": {
                    name: {"from": _plain(old), "to": _plain(new)}
                    for name, (old, new) in option.columns.items()
                },
            }
            for option in found.options
        ],
    }


def _plain(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _lines(
    asked: questions.Recourse,
    allowed: constraints.Constraints,
    number: int,
    found: recourse.Recourse,
) -> Iterator[str]:
    yield f"Row {number:,} of {asked.data.name}: the prediction is {words.value(found.prediction)}, wanted: {found.goal}."
    if asked.policy is None:
        yield (
            f"No constraints were given: {len(allowed.levers)} fields may take any value that the table shows. "
            "Give a file with --policy."
        )
    yield f"Status: {_STATUS[found.status]} ({found.elapsed_s:.1f} s)."
    for rank, option in enumerate(found.options, start=1):
        sure = "; proved the nearest of its kind" if option.is_nearest else ""
        yield ""
        yield f"{rank}. cost {option.cost:.4g}, prediction {words.value(option.prediction)}, checked with the model{sure}"
        if not option.changes:
            yield "   nothing has to change"
        for name, (old, new) in option.changes.items():
            was = f" (now {words.value(old)})" if old is not None else ""
            yield f"   {words.readable(name)}: {words.value(new)}{was}"
        along = [name for name in option.columns if name not in option.changes and not _is_part(name, option)]
        for name in along:
            old, new = option.columns[name]
            yield f"   and with it {words.readable(name)}: {words.value(new)} (now {words.value(old)})"
    if found.options and found.status == "feasible":
        yield ""
        yield f"No option costs less than {found.low_cost:.4g}."
    if not found.options:
        yield f"No change within these bounds is known to bring the prediction beyond {words.value(found.best_possible)}."


def _is_part(column: str, option: recourse.Counterfactual) -> bool:
    """Whether the column is one of a one-hot field that changes."""
    return any(column.startswith(f"{name}__") for name in option.changes)
