"""Every record of a table predicted and explained at once, for batch transform.

The model's trees explain, in the space of their margin (log-odds for a logistic model): base value + SHAP values =
margin. Without a baseline the values are path-dependent, with one they are interventional. A table is one call of
the model for its predictions and one of the explainer; the predictions must be those of the trees, row by row.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from glasskit import trees
from glasskit.clarify import online, online_rows, online_settings
from glasskit.clarify import online_answers as answers
from glasskit.clarify import online_questions as questions
from glasskit.clarify import online_records as records
from glasskit.clarify import online_trees as exact

Floats = npt.NDArray[np.float64]

PARQUET = "application/x-parquet"
_PLAIN = online_settings.Settings(enable=online_settings.enabled(online_settings.ALWAYS))
_LINES = dataclasses.replace(_PLAIN, features=online_settings.enabled("features || @"))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """Rows of numbers, and the names of their columns where the table has some."""

    rows: Floats
    names: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explained:
    """predictions: (n, K) of the model; values: (n, F, K); bases: (K,); names: of the F features."""

    predictions: Floats
    values: Floats
    bases: Floats
    names: tuple[str, ...]


class Explainer:
    """The trees of a model against a baseline of rows, or along their own paths without one.

    Raises online.ExplanationFailed where the trees do not predict what the model answers.
    """

    def __init__(self, readable: online.Readable, ask: questions.Ask, baseline: Floats | None) -> None:
        self._ask = ask
        self._float32 = readable.float32
        ensemble = readable.ensemble
        given = np.zeros((1, ensemble.n_features)) if baseline is None else baseline
        if given.shape[1] != ensemble.n_features:
            raise online.ExplanationFailed(
                f"The baseline has {given.shape[1]} features, and the model {ensemble.n_features}."
            )
        background = None if baseline is None else self._rounded(baseline)
        self._trees = trees.Explainer(ensemble, background)
        probes = exact.probes(ensemble, given, np.random.default_rng(exact.PROBE_SEED))
        self._checked(probes)

    def explain(self, table: Table) -> Explained:
        """All rows of the table. Raises online.BadRequest and online.ExplanationFailed."""
        wanted = self._trees.ensemble.n_features
        if table.rows.shape[1] != wanted:
            raise online.BadRequest(
                f"The records have {table.rows.shape[1]} features, and the model {wanted}."
            )
        predictions = self._checked(table.rows)
        found = self._trees.shap_values(self._rounded(table.rows))
        values = found.values if found.values.ndim == 3 else found.values[..., np.newaxis]
        return Explained(
            predictions=predictions,
            values=values,
            bases=np.atleast_1d(np.asarray(self._trees.expected_value)),
            names=table.names or self._trees.feature_names,
        )

    def _checked(self, rows: Floats) -> Floats:
        """The model's predictions, which must be the trees'."""
        body = records.written(rows.astype(object), "csv", "")
        reply = self._ask(body, online.CSV, online.CSV)
        if not reply.is_well:
            said = reply.body[:500].decode(errors="replace")
            raise online.ExplanationFailed(f"The model answered {reply.status}: {said}")
        try:
            scores = answers.scores(answers.documents(reply.body, reply.content_type, len(rows)), _PLAIN)
        except answers.BadAnswer as error:
            raise online.ExplanationFailed(str(error)) from error
        predicted = self._trees.predict(self._rounded(rows))
        if not exact.agree(predicted[:, np.newaxis] if predicted.ndim == 1 else predicted, scores):
            raise online.ExplanationFailed("The model's trees do not predict what it answers.")
        return scores

    def _rounded(self, rows: Floats) -> Floats:
        return exact.rounded(rows, float32=self._float32)


def read(body: bytes, content_type: str) -> Table:
    """The records of CSV, JSON Lines (a list, or an object with `features`) or Parquet. Raises online.BadRequest."""
    if content_type.partition(";")[0].strip().lower() == PARQUET:
        return _parquet(body)
    try:
        form = online_settings.form_of(content_type, at="ContentType")
        cells = records.read(body, form, _LINES if form == "jsonlines" else _PLAIN, what="the request")
    except (online_settings.Refused, online_rows.BadRecords) as error:
        raise online.BadRequest(f"{error}.") from error
    rows = records.numbers(cells)
    if rows is None:
        raise online.BadRequest("The records hold a cell that is not a number.")
    return Table(rows=rows)


def written(explained: Explained, accept: str) -> tuple[bytes, str]:
    """The body and its media type: CSV unless JSON Lines or Parquet are accepted. Raises online.BadRequest."""
    media = accept.partition(";")[0].strip().lower() or online.CSV
    if media == PARQUET:
        return _as_parquet(explained), PARQUET
    if media in ("*/*", online.CSV):
        return _as_csv(explained), online.CSV
    if media in online_settings.TYPES:
        return _as_lines(explained), online.JSON_LINES
    raise online.BadRequest(f"Accept {accept!r} is none of {online.CSV}, {online.JSON_LINES} and {PARQUET}.")


def columns(explained: Explained) -> Mapping[str, Floats]:
    """By name: prediction, shap_NAME for every feature, base_value; each with _k for output k of several."""
    n_rows, n_outputs = explained.predictions.shape
    ends = [f"_{output}" for output in range(n_outputs)] if n_outputs > 1 else [""]
    by_output = list(enumerate(ends))
    return {
        **{f"prediction{end}": explained.predictions[:, k] for k, end in by_output},
        **{
            f"shap_{name}{end}": explained.values[:, feature, k]
            for k, end in by_output
            for feature, name in enumerate(explained.names)
        },
        **{f"base_value{end}": np.full(n_rows, explained.bases[k]) for k, end in by_output},
    }


def _as_csv(explained: Explained) -> bytes:
    buffer = io.StringIO()
    table = np.column_stack(list(columns(explained).values()))
    csv.writer(buffer, lineterminator="\n").writerows(table.tolist())
    return buffer.getvalue().encode()


def _as_lines(explained: Explained) -> bytes:
    bases = _single(explained.bases.tolist())
    lines = []
    for prediction, values in zip(explained.predictions.tolist(), explained.values.tolist(), strict=True):
        named = {name: _single(value) for name, value in zip(explained.names, values, strict=True)}
        record = {"prediction": _single(prediction), "shap_values": named, "base_value": bases}
        lines.append(json.dumps(record) + "\n")
    return "".join(lines).encode()


def _single(by_output: Sequence[float]) -> Any:
    return by_output[0] if len(by_output) == 1 else by_output


def _as_parquet(explained: Explained) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    buffer = io.BytesIO()
    parquet.write_table(pa.table(dict(columns(explained))), buffer)
    return buffer.getvalue()


def _parquet(body: bytes) -> Table:
    from pyarrow import parquet

    from glasskit.data import faults, readers

    try:
        table = readers.parse(body, PARQUET)
    except faults.DataFault as error:
        raise online.BadRequest(f"{error}.") from error
    names = parquet.read_schema(io.BytesIO(body)).names
    return Table(rows=np.asarray(table.features, dtype=np.float64), names=tuple(names))
