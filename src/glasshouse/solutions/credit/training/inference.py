"""Serves decisions with their reasons: prediction, SHAP values and interactions, outcome and recourse.

A request is one application (a JSON object of the raw fields) or several (JSON Lines). The parameter
`entities` of its Content-Type names what is wanted, for instance
`application/json; entities=data,prediction,explanation_shap_values`; without it, the prediction. The explainer
itself refuses to hand out contributions that do not add up to the prediction. `decision` is what the bank's
policy of the day makes of the application, with its reasons; `recourse` is what would turn a decline.

An endpoint that records its decisions names the day of the request in the header DAY, so that the same decision can be
taken again on any other day; without it, the day is the clock's, in UTC.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from glasskit import trees
from glasskit.container import contexts, requests
from glasskit.explain import policies, reasons

if TYPE_CHECKING or __package__:
    from glasshouse.solutions.credit.training import deciding, features, ways
else:
    import deciding
    import features
    import ways

ENTITIES = (
    "data",
    "features",
    "descriptions",
    "prediction",
    "explanation_shap_values",
    "explanation_shap_interaction_values",
    "decision",
    "recourse",
)
SYNONYMS = {"predictions": "prediction"}
DEFAULT_ENTITIES = frozenset({"prediction"})
JSON, JSON_LINES = "application/json", "application/jsonlines"
DAY = "x-glasshouse-record"
_LINES = {JSON_LINES, "application/x-jsonlines", "application/jsonl", "application/x-ndjson"}

Floats = npt.NDArray[np.float64]
Answer = dict[str, Any]


class InvalidRequest(requests.Rejected):
    """A request that is not understood; the message says which part. Answered with status 400."""

    def __init__(self, text: str) -> None:
        super().__init__(400, text)


@dataclass(frozen=True, slots=True)
class Model:
    """Everything that is needed to decide and to explain."""

    encoder: features.Encoder
    schema: features.Schema
    descriptions: dict[str, str]
    explainer: trees.Explainer
    decider: deciding.Decider
    rules: ways.Rules


@dataclass(frozen=True, slots=True)
class Request:
    """Applications, what to answer about each, and whether they came as lines."""

    rows: list[Any]
    entities: frozenset[str]
    lines: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """Valid applications, the same as the model's numbers (n, F), and the day on which they are decided."""

    rows: list[dict[str, Any]]
    matrix: Floats
    on: datetime.date


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer per application."""

    answers: list[Answer]
    lines: bool


def model_fn(model_dir: str) -> Model:
    """Loads the model from JSON and LightGBM's text; nothing is unpickled."""
    folder = Path(model_dir)
    schema = json.loads((folder / "data.schema.json").read_text(encoding="utf-8"))
    described = json.loads((folder / "features.schema.json").read_text(encoding="utf-8"))
    encoder = features.Encoder.load(folder / "preprocessor.json")
    explainer = trees.Explainer(trees.load(folder / "model.txt"))
    return Model(
        encoder=encoder,
        schema=schema,
        descriptions={item["title"]: item["description"] for item in described["items"]},
        explainer=explainer,
        decider=deciding.load(folder / "policies", encoder=encoder, explainer=explainer),
        rules=ways.load(folder / "policies" / deciding.RECOURSE),
    )


def input_fn(body: str | bytes, content_type: str) -> Request:
    """Reads the applications and the entities asked for."""
    media_type, parameters = parse_content_type(content_type)
    text = body.decode("utf-8") if isinstance(body, bytes) else body
    lines = media_type in _LINES
    if media_type != JSON and not lines:
        raise InvalidRequest(f"Content-Type: expected {JSON} or {JSON_LINES}, got {media_type!r}")
    texts = [line for line in text.splitlines() if line.strip()] if lines else [text]
    return Request([_parse(text) for text in texts], _entities(parameters.get("entities")), lines)


def predict_fn(request: Request, model: Model, context: contexts.Context | None = None) -> Reply:
    """Decides each application and explains the decision as far as asked."""
    try:
        rows = [features.validate(row, model.schema) for row in request.rows]
    except features.InvalidApplication as error:
        raise InvalidRequest(str(error)) from error
    if not rows:
        return Reply([], request.lines)
    answers: list[Answer] = [{} for _ in rows]
    asked = Asked(rows=rows, matrix=model.encoder.transform(rows), on=_day(context))
    for name in ENTITIES:
        if name in request.entities:
            _PARTS[name](answers, asked, model)
    return Reply(answers, request.lines)


def output_fn(reply: Reply, accept: str) -> tuple[str, str]:
    """The answer as JSON, or one line of JSON per application if they came as lines."""
    wanted = parse_content_type(accept)[0] if accept else "*/*"
    if wanted not in {JSON, "*/*", "application/*", *_LINES}:
        raise InvalidRequest(f"Accept: the explainer answers {JSON} or {JSON_LINES}, not {wanted!r}")
    if not reply.lines and wanted not in _LINES:
        return json.dumps(reply.answers[0]), JSON
    return "".join(json.dumps(answer) + "\n" for answer in reply.answers), JSON_LINES


def parse_content_type(value: str) -> tuple[str, dict[str, str]]:
    """The media type and its parameters, both in lower case but for the parameters' values."""
    media_type, *rest = value.split(";")
    pairs = [part.partition("=") for part in rest if part.strip()]
    parameters = {name.strip().lower(): text.strip().strip('"') for name, _, text in pairs}
    return media_type.strip().lower(), parameters


def _entities(text: str | None) -> frozenset[str]:
    if text is None:
        return DEFAULT_ENTITIES
    names = [SYNONYMS.get(name.strip(), name.strip()) for name in text.split(",")]
    for name in names:
        if name not in ENTITIES:
            raise InvalidRequest(f"entities: {name!r} is not one of {', '.join(ENTITIES)}")
    return frozenset(names)


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidRequest(f"application: not JSON: {error}") from error


def _day(context: contexts.Context | None) -> datetime.date:
    """The day that the request names, by which the policy is chosen; else today."""
    named = context.get_request_header(0, DAY) if context is not None else None
    return deciding.today() if named is None else datetime.date.fromisoformat(named)


def _data(answers: list[Answer], asked: Asked, model: Model) -> None:
    for answer, row in zip(answers, asked.rows, strict=True):
        answer["data"] = row


def _features(answers: list[Answer], asked: Asked, model: Model) -> None:
    for answer, line in zip(answers, asked.matrix.tolist(), strict=True):
        answer["features"] = dict(zip(model.encoder.names, line, strict=True))


def _descriptions(answers: list[Answer], asked: Asked, model: Model) -> None:
    for answer in answers:
        answer["descriptions"] = model.descriptions


def _prediction(answers: list[Answer], asked: Asked, model: Model) -> None:
    for answer, chance in zip(answers, model.explainer.predict(asked.matrix).tolist(), strict=True):
        answer["prediction"] = chance


def _shap_values(answers: list[Answer], asked: Asked, model: Model) -> None:
    values = model.explainer.shap_values(asked.matrix).values
    for answer, line in zip(answers, values.tolist(), strict=True):
        _explanation(answer, model)["shap_values"] = dict(zip(model.encoder.names, line, strict=True))


def _interaction_values(answers: list[Answer], asked: Asked, model: Model) -> None:
    values = model.explainer.interaction_values(asked.matrix).values
    for answer, square in zip(answers, values.tolist(), strict=True):
        table = {"labels": model.encoder.names, "values": square}
        _explanation(answer, model)["shap_interaction_values"] = table


def _decision(answers: list[Answer], asked: Asked, model: Model) -> None:
    for answer, outcome in zip(answers, _outcomes(asked, model), strict=True):
        answer["decision"] = outcome.as_dict()


def _recourse(answers: list[Answer], asked: Asked, model: Model) -> None:
    for answer, row, outcome in zip(answers, asked.rows, _outcomes(asked, model), strict=True):
        answer["recourse"] = ways.find(model.rules, model.decider, row, outcome, on=asked.on)


def _outcomes(asked: Asked, model: Model) -> list[reasons.Outcome]:
    try:
        return model.decider.outcomes(asked.rows, on=asked.on)
    except policies.NoPolicyInForce as error:
        raise requests.Rejected(503, f"decision: {error}") from error


def _explanation(answer: Answer, model: Model) -> dict[str, Any]:
    explanation: dict[str, Any] = answer.setdefault("explanation", {})
    explanation["expected_value"] = float(model.explainer.expected_value)
    return explanation


_PARTS: dict[str, Callable[[list[Answer], Asked, Model], None]] = {
    "data": _data,
    "features": _features,
    "descriptions": _descriptions,
    "prediction": _prediction,
    "explanation_shap_values": _shap_values,
    "explanation_shap_interaction_values": _interaction_values,
    "decision": _decision,
    "recourse": _recourse,
}
