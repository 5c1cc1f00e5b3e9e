"""Answers invocations with a built-in algorithm's model, as SageMaker's XGBoost container does.

Source of statuses and texts: aws/sagemaker-xgboost-container, algorithm_mode/serve.py and serve_utils.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from glasskit.algorithms import contract
from glasskit.container import requests
from glasskit.data import content_types, faults, readers, tables

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_DEFAULT_TYPE = "text/csv"
_READ: tuple[content_types.Format, ...] = ("csv", "libsvm", "recordio-protobuf", "json")
_WRITTEN: tuple[content_types.Format, ...] = ("csv", "json", "jsonlines")


class ScoringHandler:
    """Scores rows. `batch`: one score a line, as batch transform wants it, instead of all on one."""

    def __init__(self, model: contract.Model, *, batch: bool, default_accept: str) -> None:
        self._model = model
        self._batch = batch
        self._default_accept = default_accept or _DEFAULT_TYPE

    def execution_parameters(self) -> Mapping[str, object]:
        return {}

    def scored_by(self) -> requests.Scored:
        return requests.Scored(model=self._model.booster)

    def features(self, request: requests.Request) -> npt.NDArray[np.float64] | None:
        """Dense rows as wide as the model; a missing last column is a missing value. None for sparse ones."""
        import numpy as np

        table, name = _parse(request)
        self._check_width(table, name)
        if not isinstance(table.features, np.ndarray):
            return None
        rows = np.asarray(table.features, dtype=np.float64)
        missing = np.full((len(rows), max(0, self._model.n_features - rows.shape[1])), np.nan)
        return np.hstack([rows, missing])

    def invoke(self, request: requests.Request) -> requests.Answer:
        """204 for an empty body, 415 for one that cannot be read, 400 for rows that do not fit, 406 for Accept."""
        if not request.body:
            return requests.Answer(status=204)
        written = _choose(requests.accepted(request.accept, self._default_accept))
        table, name = _parse(request)
        self._check_width(table, name)
        try:
            scores = self._model.predict(table)
        except ValueError as exc:
            raise requests.Rejected(400, f"Unable to evaluate payload provided: {exc}") from exc
        return requests.Answer(body=self._write(scores, written), content_type=_media(written))

    def _check_width(self, table: tables.Table, name: str) -> None:
        wanted, got = self._model.n_features, table.n_features
        if name == "libsvm":
            if got > wanted + 1:
                raise requests.Rejected(
                    400,
                    f"Unable to evaluate payload provided: Feature size of libsvm inference data {got} is larger "
                    f"than feature size of trained model {wanted}.",
                )
        elif got not in (wanted, wanted - 1):
            raise requests.Rejected(
                400,
                f"Unable to evaluate payload provided: Feature size of {name} inference data {got} is not "
                f"consistent with feature size of trained model {wanted}.",
            )

    def _write(self, scores: npt.NDArray[np.float64], name: content_types.Format) -> bytes:
        values = scores.tolist()
        if name == "json":
            return json.dumps({"predictions": [{"score": value} for value in values]}).encode()
        if name == "jsonlines":
            return "".join(json.dumps({"score": value}) + "\n" for value in values).encode()
        if self._batch:
            return ("\n".join(map(str, values)) + "\n").encode()
        return ",".join(map(str, values)).encode()


def _choose(accept: str) -> content_types.Format:
    """The first offered type of an Accept header. Raises requests.Rejected, 406."""
    for item in accept.split(","):
        parsed = content_types.parse(item)
        if parsed.media == "*/*":
            return "csv"
        if parsed.format in _WRITTEN:
            return parsed.format
    raise requests.Rejected(406, f"Accept type {accept} is not supported. Supported: {', '.join(_WRITTEN)}.")


def _media(name: content_types.Format) -> str:
    return {"csv": "text/csv; charset=utf-8", "json": "application/json"}.get(name, "application/jsonlines")


def _parse(request: requests.Request) -> tuple[tables.Table, str]:
    written = request.content_type or _DEFAULT_TYPE
    try:
        name, _ = content_types.expect(written, _READ)
        if name == "json":
            return _instances(request.body), name
        return readers.parse(request.body, written), name
    except faults.DataFault as exc:
        raise requests.Rejected(415, str(exc)) from exc


def _instances(body: bytes) -> tables.Table:
    """`{"instances": [{"features": [...]} | {"data": {"features": {"values": [...]}}} | [...]]}`, or the list alone.

    null is a missing value. Raises faults.Unreadable.
    """
    import numpy as np

    try:
        found = json.loads(body)
        instances = found["instances"] if isinstance(found, dict) else found
        if not isinstance(instances, list) or not instances:
            raise ValueError("there are no instances")
        if not isinstance(instances[0], list | dict):
            instances = [instances]
        rows = np.array([_features(instance) for instance in instances], dtype=np.float64)
    except (ValueError, KeyError, TypeError) as exc:
        raise faults.Unreadable("the request", "json", str(exc)) from exc
    if rows.ndim != 2:
        raise faults.Unreadable("the request", "json", "the instances are not rows of one length")
    return tables.Table(features=rows)


def _features(instance: Any) -> list[Any]:
    if isinstance(instance, dict):
        instance = instance["features"] if "features" in instance else instance["data"]["features"]["values"]
    return list(instance)
