"""Why a model predicts what it predicts: one row in detail, or a table of all rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from glasskit import charts
from glasskit.analyses import many, models, outputs, questions, reasoning, rows, terminal, views
from glasskit.charts import report
from glasskit.explain import outcomes, words
from glasskit.explain.explanations import Attribution

_OF_ONE = (".html", ".svg", ".png", ".pdf", ".json", ".csv", ".parquet")
_OF_MANY = (".csv", ".parquet", ".html", ".svg", ".png", ".pdf")


def run(asked: questions.Explain, around: questions.Around) -> None:
    """Answers the question. Raises ValueError with a sentence when it cannot be answered."""
    is_one = asked.chosen.is_one
    outputs.require_kinds(asked.outputs, _OF_ONE if is_one else _OF_MANY)
    inputs = (asked.model, asked.data, asked.background, asked.groups, asked.reasons, asked.baseline)
    outputs.require_others(asked.outputs, inputs)
    if asked.reasons is not None and not is_one:
        raise questions.Unanswerable("reasons are those of one decision; choose its row with --row or --id")
    if asked.baseline is not None and asked.reasons is None:
        raise questions.Unanswerable(
            "a baseline is what reasons are measured from; give their policy with --reasons"
        )
    ensemble = models.read(asked.model, around.convert)
    view = views.of(asked, ensemble)
    table = rows.read(asked.data, ensemble, chosen=asked.chosen, has_header=asked.has_header)
    if is_one:
        _one(asked, around, view, table, table.number_of(asked.chosen))
    else:
        many.run(asked, around, view, table.rows)


def _one(
    asked: questions.Explain, around: questions.Around, view: views.View, table: rows.Table, number: int
) -> None:
    row = table.rows[number - 1 : number]
    explanation = view.explained(row)
    columns, shown = explanation.row(0), view.shown(explanation, 0)
    chart = charts.waterfall.waterfall(shown, max_features=asked.n_shown)
    pairs = view.interactions(row) if asked.interactions else None
    outcome = reasoning.decided(asked, around, view, row) if asked.reasons is not None else None
    predicted = float(view.predictions(row)[0])
    answer = _as_data(number, predicted, columns, shown, pairs, outcome)
    for path in asked.outputs:
        with outputs.whole(path) as partial:
            kind = path.suffix.lower()
            if kind == ".html":
                page = _page(asked, number, columns, shown, pairs, outcome)
                partial.write_text(page, encoding="utf-8")
            elif kind in outputs.TABLES:
                _write_table(partial, kind, shown)
            elif kind == ".json":
                partial.write_text(_json(answer), encoding="utf-8")
            else:
                outputs.draw(chart, partial)
    if asked.as_json:
        around.say(_json(answer))
        return
    space = terminal.space_of(shown) if view.output is None else f"the {view.space} of class {view.output}"
    told = "" if view.output is None else f"; the model predicts {words.value(predicted)} for it"
    around.say(f"Row {number:,} of {asked.data.name}, explained in {space}{told}.")
    around.say("")
    for line in terminal.waterfall_lines(chart, top="prediction" if view.output is None else view.space):
        around.say(line)
    around.say("")
    whole = "prediction" if view.space == "prediction" else "margin"
    around.say(f"The contributions add up to the model's own {whole}; that was checked.")
    if pairs is not None:
        around.say("")
        around.say("What acts together most:")
        for line in terminal.pair_lines(pairs[0], pairs[1][0].tolist(), asked.n_shown):
            around.say(line)
    for line in reasoning.lines(outcome) if outcome is not None else ():
        around.say(line)
    for path in asked.outputs:
        around.say(f"Written: {path}")


def _as_data(
    number: int,
    predicted: float,
    columns: Attribution,
    shown: Attribution,
    pairs: tuple[list[str], views.Floats] | None,
    outcome: outcomes.Outcome | None,
) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "row": number,
        "prediction": predicted,
        "margin": shown.margin,
        "base_value": shown.base_value,
        "space": terminal.space_of(shown),
        "contributions": [
            {"name": name, "value": _plain(value), "contribution": contribution}
            for name, value, contribution in zip(shown.names, shown.data, shown.values, strict=True)
        ],
    }
    if shown.names != columns.names:
        answer["columns"] = dict(zip(columns.names, columns.values, strict=True))
    if pairs is not None:
        answer["interactions"] = {"names": pairs[0], "values": pairs[1][0].tolist()}
    if outcome is not None:
        answer["outcome"] = outcome.as_dict()
    return answer


def _plain(value: object) -> object:
    """A value that JSON has; missing and infinite numbers are None and texts."""
    if isinstance(value, float) and not np.isfinite(value):
        return None if np.isnan(value) else str(value)
    return value


def _json(answer: object) -> str:
    return json.dumps(answer, indent=1, ensure_ascii=False, allow_nan=False)


def _write_table(path: Path, kind: str, shown: Attribution) -> None:
    """One line a column or group: its value and its contribution."""
    writer = outputs.TableWriter(path, kind)
    try:
        writer.write(
            {
                "name": list(shown.names),
                "value": ["" if value is None else str(_plain(value)) for value in shown.data],
                "contribution": list(shown.values),
            }
        )
    finally:
        writer.close()


def _page(
    asked: questions.Explain,
    number: int,
    columns: Attribution,
    shown: Attribution,
    pairs: tuple[list[str], views.Floats] | None,
    outcome: outcomes.Outcome | None,
) -> str:
    names = pairs[0] if pairs is not None else []
    sections = [reasoning.section(outcome)] if outcome is not None else []
    return report.html(
        report.Report(
            attribution=columns,
            grouped=shown if shown.names != columns.names else None,
            title=f"Explanation of row {number:,} of {asked.data.name}",
            subtitle=f"Model {asked.model.name}",
            outcome="the outcome",
            max_features=asked.n_shown,
            interactions=charts.interaction.heat_map(pairs[1][0], names) if pairs is not None else None,
            sections=sections,
        )
    )
