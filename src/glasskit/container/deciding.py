"""A model server whose answers are decisions for the ledger: a handler around the model's own.

GLASSHOUSE_DECISIONS names a folder with `config.json`: `rule` (`decisions.Rule`), and JMESPath expressions `subject` (over
a record of the request: whom it is about) and `outcome` (over a record of the answer, for models whose trees cannot be
read); a number alone is the cell of a CSV line, counted from 0. A request with the header RECORD is answered in a frame:

    u32 length, big-endian | JSON: {"content_type", "bundle", "decisions": [...]} | the answer's own body

Where the model's trees can be read, every row is decided by `glasskit.decisions`, whose bundle GET BUNDLE_PATH gives. Any
other model is recorded by what it was asked and what it answered.
"""

from __future__ import annotations

import csv
import datetime
import io
import json
import re
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from glasskit import decisions, trees
from glasskit.clarify import online_expressions, online_trees
from glasskit.container import explaining, failures, requests
from glasskit.data import content_types
from glasskit.decisions import bundles
from glasskit.explain import policies

Floats = npt.NDArray[np.float64]

FOLDER_VARIABLE = "GLASSHOUSE_DECISIONS"
RECORD = "x-glasshouse-record"
FRAMED = "application/x-glasshouse-decisions"
BUNDLE_PATH = "/glasshouse/bundle"
_PROBE_SEED = 20_261_122
_LENGTH = struct.Struct(">I")
_LINE_END = re.compile(r"\r\n|\r|\n")
_RECORDED = ("content-type", "accept", RECORD, requests.CUSTOM_ATTRIBUTES)
"""The headers that an answer may depend on, and that are recorded with it."""
SUBJECT_HEADERS = {
    "custom-attributes": requests.CUSTOM_ATTRIBUTES,
    "inference-id": "x-amzn-sagemaker-inference-id",
}
"""Members of an invocation, as a subject names them (neither is a JMESPath expression), and their headers."""


class DecidingHandler:
    """Answers as `front` does, with decisions where they are asked for. `model` is the handler that scores.

    Raises failures.AlgorithmFailure where the rule asks for what the model cannot give.
    """

    def __init__(self, model: requests.Scorer, front: requests.Handler, folder: Path) -> None:
        self._model, self._front = model, front
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self._subject, self._outcome = _subject(config), _expression(config, "outcome")
        try:
            rule = decisions.Rule.read(config["rule"])
            if rule.policy:
                policies.parse(rule.policy)
            self._decider = self._made(rule)
        except (decisions.RuleInvalid, policies.PolicyInvalid, ValueError) as error:
            raise failures.AlgorithmFailure(
                f"The endpoint's decision rule cannot be used: {error}"
            ) from error
        if self._decider is None and (rule.threshold is not None or rule.policy):
            raise failures.AlgorithmFailure(
                "The endpoint has a threshold or a policy, but the trees of its model cannot be read, or do not "
                "predict what it answers. Leave them out, and say by the tag glasshouse:outcome where its answer "
                "holds the outcome."
            )
        self.bundle = self._decider.bundle.to_bytes() if self._decider else b""
        self._digest = bundles.digest(self.bundle) if self.bundle else ""

    def execution_parameters(self) -> Mapping[str, object]:
        return self._front.execution_parameters()

    def scored_by(self) -> requests.Scored | None:
        return self._front.scored_by()

    def invoke(self, request: requests.Request) -> requests.Answer:
        """The answer, in a frame with its decisions where the request has the header RECORD."""
        answer = self._front.invoke(request)
        if request.headers.get(RECORD) is None or not 200 <= answer.status < 300:
            return answer
        on = datetime.date.fromisoformat(request.headers[RECORD])
        head = {
            "content_type": answer.content_type,
            "bundle": self._digest,
            "decisions": self._decided(request, answer, on),
        }
        text = json.dumps(head).encode()
        return requests.Answer(
            status=answer.status,
            body=_LENGTH.pack(len(text)) + text + answer.body,
            content_type=FRAMED,
            headers=answer.headers,
        )

    def _decided(
        self, asked: requests.Request, answer: requests.Answer, on: datetime.date
    ) -> list[dict[str, Any]]:
        """One decision a row; one for the whole request where nothing is known of its rows."""
        rows = self._model.features(asked) if self._decider else None
        if self._decider is None or rows is None:
            if self._decider is not None:
                raise requests.Rejected(415, "This endpoint records decisions and takes dense rows only.")
            return [self._opaque(asked, answer)]
        found = self._decider.decide(rows, on=on)
        records = _records(asked.body, asked.content_type, len(rows))
        for decision, record in zip(found, records, strict=True):
            decision["input"] = record
            decision["subject"] = self._subject(asked, record)
        return found

    def _opaque(self, asked: requests.Request, answer: requests.Answer) -> dict[str, Any]:
        record = asked.body.decode("utf-8", "surrogateescape")
        said = answer.body.decode("utf-8", "surrogateescape")
        return {
            "input": record,
            "headers": {name: asked.headers[name] for name in _RECORDED if name in asked.headers},
            "answer": said,
            "subject": self._subject(asked, record),
            "outcome": self._outcome(said),
        }

    def _made(self, rule: decisions.Rule) -> decisions.Decider | None:
        """What decides, if the model's trees can be read and predict what it answers."""
        try:
            readable = explaining.readable(self._model)
            made = decisions.Decider(decisions.Bundle(rule=rule, ensemble=readable.ensemble))
            if not self._agrees(readable.ensemble, float32=readable.float32):
                sys.stdout.write("Decisions are recorded whole: the trees do not predict what it answers\n")
                return None
        except (explaining.Unreadable, trees.TreesError) as error:
            sys.stdout.write(f"Decisions are recorded whole: {error}\n")
            return None
        return made

    def _agrees(self, ensemble: trees.Ensemble, *, float32: bool) -> bool:
        """Whether the model answers rows about its trees' thresholds with what the trees predict."""
        start = np.zeros((1, ensemble.n_features))
        probes = online_trees.probes(ensemble, start, np.random.default_rng(_PROBE_SEED))
        probes = online_trees.rounded(probes, float32=float32)
        body = "\n".join(",".join(map(repr, row)) for row in probes.tolist()).encode()
        asked = {"content-type": "text/csv", "accept": "application/json"}
        try:
            answer = self._model.invoke(requests.Request(body=body, headers=asked))
            scores = np.array(list(_numbers(json.loads(answer.body))))
        except (requests.Rejected, ValueError):
            return False
        predicted = np.asarray(trees.Explainer(ensemble).predict(probes))
        return scores.size == predicted.size and online_trees.agree(
            predicted, scores.reshape(predicted.shape)
        )


def _numbers(document: Any) -> Iterator[float]:
    """Every number of a document, in order."""
    if isinstance(document, dict):
        document = list(document.values())
    if isinstance(document, list):
        for one in document:
            yield from _numbers(one)
    else:
        yield float(document)


def _subject(config: Mapping[str, Any]) -> Callable[[requests.Request, str], str]:
    """Whom a record of a request is about; "" where nothing says it. Raises failures.AlgorithmFailure."""
    header = SUBJECT_HEADERS.get(config.get("subject", ""))
    if header is not None:
        return lambda asked, _record: asked.headers.get(header, "")
    find = _expression(config, "subject")
    return lambda _asked, record: find(record)


def _expression(config: Mapping[str, Any], name: str) -> Callable[[str], str]:
    """What the expression finds in a record, as a text; "" for nothing. Raises failures.AlgorithmFailure."""
    text = config.get(name, "")
    if not text:
        return lambda _record: ""
    if text.isdigit():
        text = f"[{text}]"
    try:
        expression = online_expressions.compiled(text, at=f"The tag glasshouse:{name}")
    except online_expressions.BadExpression as error:
        raise failures.AlgorithmFailure(str(error)) from error

    def find(record: str) -> str:
        try:
            found = expression.of(_document(record))
        except (ValueError, RecursionError, csv.Error) as error:  # its text may hold what was asked
            raise requests.Rejected(
                400,
                f"The tag glasshouse:{name} of this endpoint, {text!r}, cannot be read from the record: send each row as a "
                "line of CSV or as JSON.",
            ) from error
        return "" if found is None else found if isinstance(found, str) else json.dumps(found)

    return find


def _records(body: bytes, content_type: str, n_rows: int) -> list[str]:
    """The text of every record as it came; "" where the form does not tell them apart."""
    text = body.decode("utf-8", "surrogateescape")
    if n_rows == 1:
        return [text]
    form = content_types.parse(content_type).format
    lines = [line for line in _LINE_END.split(text) if line.strip()]
    if form in ("csv", "jsonlines", "libsvm") and len(lines) == n_rows:
        return lines
    if form == "json":
        try:
            found = json.loads(text)
        except ValueError:
            return [""] * n_rows
        listed = found.get("instances") if isinstance(found, dict) else found
        if isinstance(listed, list) and len(listed) == n_rows:
            return [json.dumps(one) for one in listed]
    return [""] * n_rows


def _document(text: str) -> Any:
    """A record as data: JSON, or else the cells of a line. Raises ValueError, RecursionError, csv.Error."""
    if not text:
        raise ValueError("it is not told apart from others")
    try:
        return json.loads(text)
    except ValueError:
        return next(csv.reader(io.StringIO(text)), [])
