"""What a model answered, record by record: documents for EnableExplanations, scores to explain, label headers."""

from __future__ import annotations

import ast
import csv
import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from glasskit.clarify import online_expressions as expressions
from glasskit.clarify import online_settings

Settings = online_settings.Settings
Floats = npt.NDArray[np.float64]
Document = Any
"""A list of cells for CSV, what the line says for JSON Lines."""


class BadAnswer(ValueError):
    """The model's answer is not one that can be explained; the text says why."""


def documents(body: bytes, content_type: str, n_records: int) -> list[Document]:
    """One document for each record of the request. Raises BadAnswer.

    A CSV answer may have a line for each record, or all records' single values on one line.
    """
    try:
        form = online_settings.form_of(content_type, at="The model's answer of the type")
        text = body.decode("utf-8")
    except (online_settings.Refused, UnicodeDecodeError) as error:
        raise BadAnswer(f"{error}.") from error
    found = _csv(text) if form == "csv" else _json_lines(text)
    if len(found) == 1 and n_records > 1 and form == "csv" and len(found[0]) == n_records:
        return [[cell] for cell in found[0]]
    if len(found) != n_records:
        raise BadAnswer(f"The model answered {n_records} records with {len(found)}.")
    return found


def scores(found: Sequence[Document], settings: Settings) -> Floats:
    """The probabilities or scores of every document; (n, K). Raises BadAnswer."""
    rows = [_score(document, settings, number) for number, document in enumerate(found, start=1)]
    widths = {len(row) for row in rows}
    if len(widths) != 1:
        raise BadAnswer(f"The model answered records with different numbers of scores: {sorted(widths)}.")
    values = np.array(rows, dtype=np.float64)
    if not np.isfinite(values).all():
        number = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0]) + 1
        raise BadAnswer(f"The model's score of record {number} is not a finite number.")
    return values


def label_headers(found: Sequence[Document], settings: Settings) -> list[Any]:
    """The configured headers, else those in the first document; empty where there are none. Raises BadAnswer."""
    if settings.label_headers:
        return list(settings.label_headers)
    if not found:
        return []
    headers = _located(found[0], settings.label_index, settings.label_attribute, "LabelIndex", 1)
    if headers is None:
        return []
    return headers if isinstance(headers, list) else [headers]


def _score(document: Document, settings: Settings, number: int) -> list[float]:
    found = _located(
        document, settings.probability_index, settings.probability_attribute, "ProbabilityIndex", number
    )
    if found is None and settings.probability_attribute is None and settings.probability_index is None:
        found = document
    listed = found if isinstance(found, list) else [found]
    if len(listed) == 1 and isinstance(listed[0], list):
        listed = listed[0]
    if not listed or not all(isinstance(one, int | float) and not isinstance(one, bool) for one in listed):
        raise BadAnswer(
            f"The model's answer to record {number} has no probability or score where it is looked for: "
            f"{str(document)[:120]!r}. Set InferenceConfig.ProbabilityIndex (CSV) or ProbabilityAttribute (JSON Lines)."
        )
    return [float(one) for one in listed]


def _located(
    document: Document, index: int | None, attribute: expressions.Expression | None, member: str, number: int
) -> Any:
    """What an index finds in a list, or an attribute in anything else; None where neither is given."""
    if isinstance(document, list) and index is not None:
        if index >= len(document):
            raise BadAnswer(
                f"InferenceConfig.{member} is {index}, but the model answered record {number} with {len(document)} "
                "cells."
            )
        return document[index]
    if attribute is None:
        return None
    try:
        return attribute.of(document)
    except expressions.BadExpression as error:
        raise BadAnswer(f"{error}.") from error


def _csv(text: str) -> list[Document]:
    if text.startswith("["):
        try:  # how SageMaker's XGBoost writes several classes: [0.1, 0.9],[0.8, 0.2]
            return [json.loads(f"[{line}]") for line in text.splitlines() if line.strip()]
        except ValueError:
            pass
    try:
        return [[_cell(cell) for cell in row] for row in csv.reader(io.StringIO(text)) if row]
    except csv.Error as error:
        raise BadAnswer(f"The model's answer is not CSV: {error}.") from error


def _cell(text: str) -> Any:
    """A number, a list written as JSON or as Python writes it, or the text itself."""
    try:
        return int(text) if text.lstrip("+-").isdigit() else float(text)
    except ValueError:
        pass
    bare = text.strip()
    if bare.startswith("["):
        try:
            listed = ast.literal_eval(bare)
        except (ValueError, SyntaxError):
            return text
        return listed if isinstance(listed, list) else text
    return text


def _json_lines(text: str) -> list[Document]:
    lines = [line for line in text.split("\n") if line.strip()]
    try:
        return [json.loads(line) for line in lines]
    except ValueError as error:
        raise BadAnswer(f"The model's answer is not JSON Lines: {error}.") from error
