"""The bodies of answers -> what the model said of each record: scores to explain, labels to judge."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from glasskit.clarify import config, faults, online_expressions
from glasskit.clarify.members import Name

Floats = npt.NDArray[np.float64]


class Unclear(faults.ModelFault):
    """The answer does not hold what was looked for."""

    def __init__(self, reason: str, found: object) -> None:
        text = found if isinstance(found, str) else json.dumps(found)
        shown = text if len(text) <= 120 else f"{text[:117]}..."
        super().__init__(f"The model's answer cannot be read: {reason}. It says {shown!r}.")


def scores(body: bytes, n_records: int, predictor: config.Predictor) -> Floats:
    """The scores of each record: (n, K). Raises ModelFault."""
    place = predictor.probability if predictor.probability is not None else predictor.label
    key = "probability" if predictor.probability is not None else "label"
    found = [_numbers(value) for value in _located(body, n_records, predictor, place, key)]
    width = len(found[0])
    for values in found:
        if len(values) != width:
            raise Unclear(f"one record has {len(values)} scores and the first {width}", values)
    if predictor.label_headers and len(predictor.label_headers) != width:
        raise Unclear(
            f"a record has {width} scores, and predictor.label_headers names {len(predictor.label_headers)}",
            found[0],
        )
    return np.array(found, dtype=np.float64)


def labels(
    body: bytes, n_records: int, predictor: config.Predictor, *, threshold: float, known: Sequence[object]
) -> list[object]:
    """The predicted label of each record.

    A label as the model says it; the label of the greatest of several scores; or, of one score, whether it lies above
    the threshold. known: the values of the observed label, which tell a score from a label.
    """
    headers: Sequence[object] = predictor.label_headers
    if predictor.probability is not None:
        chances = _located(body, n_records, predictor, predictor.probability, "probability")
        named = (
            _located(body, n_records, predictor, predictor.label, "label")
            if predictor.label is not None
            else [None] * n_records
        )
        return [
            _judged(chance, name, headers, threshold, known)
            for chance, name in zip(chances, named, strict=True)
        ]
    values = _located(body, n_records, predictor, predictor.label, "label")
    are_labels = _are_labels(values, headers, known)
    return [value if are_labels else _judged(value, None, headers, threshold, known) for value in values]


def _are_labels(values: Sequence[Any], headers: Sequence[object], known: Sequence[object]) -> bool:
    """Whether they are labels and not scores: texts, or nothing but values that the label has."""
    if any(isinstance(value, list) for value in values):
        return False
    if any(isinstance(value, str) for value in values):
        return True
    spelt = {str(value) for value in known} | {_plain(value) for value in known}
    return not headers and all(_plain(value) in spelt for value in values)


def _plain(value: object) -> str:
    """A number's one spelling: 1, 1.0 and "1" are the same label."""
    try:
        number = float(str(value))
    except ValueError:
        return str(value)
    return f"{number:g}"


def _judged(
    chance: Any, name: Any, headers: Sequence[object], threshold: float, known: Sequence[object]
) -> object:
    """The label of one record's scores."""
    numbers = _numbers(chance)
    if name is not None and not isinstance(name, list):
        return name
    names = name if isinstance(name, list) else headers
    if len(numbers) > 1:
        if names and len(names) != len(numbers):
            raise Unclear(f"there are {len(numbers)} scores and {len(names)} labels", chance)
        best = int(np.argmax(numbers))
        return names[best] if names else best
    is_above = numbers[0] > threshold
    if not names:
        return int(is_above)
    others = [value for value in known if _plain(value) != _plain(names[0])]
    return names[0] if is_above else others[0] if len(others) == 1 else f"not {names[0]}"


def _located(
    body: bytes, n_records: int, predictor: config.Predictor, place: Name | None, key: str
) -> list[Any]:
    """The value at that place of every record."""
    text = body.decode("utf-8", "replace").strip()
    if not text:
        raise Unclear("it is empty", "")
    if predictor.accept_type == "text/csv":
        found = [_cell_at(record, place, key) for record in _csv(text, n_records)]
    elif predictor.accept_type == "application/jsonlines":
        found = [_searched(_document(line), place, key) for line in text.splitlines() if line.strip()]
    else:
        found = _of_document(_document(text), place, key, n_records)
    if len(found) != n_records:
        raise Unclear(f"it holds {len(found)} records and {n_records} were asked about", text)
    return found


def _csv(text: str, n_records: int) -> list[list[Any]]:
    """The records: one a line, or all on one line as SageMaker's XGBoost answers."""
    lines = text.splitlines()
    if len(lines) == 1 and n_records > 1:
        if text.startswith("["):
            return [[one] for one in _document(f"[{text}]")]
        return [[_value(cell)] for cell in next(csv.reader([text]))]
    if text.startswith("["):
        return [[_document(line)] for line in lines]
    return [[_value(cell) for cell in record] for record in csv.reader(lines)]


def _value(cell: str) -> Any:
    """A cell as a number, a list, or a text."""
    cell = cell.strip()
    if cell.startswith("["):
        return _document(cell.replace("'", '"'))
    try:
        return float(cell)
    except ValueError:
        return cell


def _cell_at(record: Sequence[Any], place: Name | None, key: str) -> Any:
    if place is None:
        return record[0] if len(record) == 1 else list(record)
    if not isinstance(place, int):
        raise faults.BadConfig(f"predictor.{key}", f"is a column's place in a CSV answer, not {place!r}.")
    if not 0 <= place < len(record):
        raise Unclear(f"predictor.{key} is column {place} and a record has {len(record)}", list(record))
    return record[place]


def _document(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as exc:
        raise Unclear(f"it is not JSON ({exc})", text) from exc


def _searched(found: Any, place: Name | None, key: str) -> Any:
    """What the expression finds in one record; without one, the record itself or its only member."""
    if isinstance(place, int):
        if isinstance(found, list) and 0 <= place < len(found):
            return found[place]
        raise Unclear(f"predictor.{key} is place {place}", found)
    if place is None:
        if isinstance(found, dict):
            if len(found) != 1:
                raise Unclear(f"a record has several members; name one by predictor.{key}", found)
            return _unwrapped(next(iter(found.values())))
        return found
    try:
        value = online_expressions.compiled(place, at=f"predictor.{key}").of(found)
    except online_expressions.BadExpression as exc:
        raise faults.BadConfig(f"predictor.{key}", f"cannot be used: {exc}.") from exc
    if value is None:
        raise Unclear(f"predictor.{key} {place!r} finds nothing in it", found)
    return _value(value) if isinstance(value, str) else value


def _unwrapped(value: Any) -> Any:
    return _value(value) if isinstance(value, str) else value


def _of_document(document: Any, place: Name | None, key: str, n_records: int) -> list[Any]:
    """The values in one JSON document for all records."""
    found = _searched(document, place, key)
    if n_records == 1 and not (isinstance(found, list) and len(found) == 1):
        return [found]
    if not isinstance(found, list):
        raise Unclear(f"predictor.{key} does not find a list of {n_records} values", found)
    return [_searched(one, None, key) if isinstance(one, dict) else one for one in found]


def _numbers(value: Any) -> list[float]:
    values = value if isinstance(value, list) else [value]
    try:
        return [float(one) for one in values]
    except (TypeError, ValueError) as exc:
        raise Unclear(
            "what should be a score is no number; name its place by predictor.probability", value
        ) from exc
