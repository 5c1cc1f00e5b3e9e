"""A model server whose answers come with explanations: a handler around the model's own.

GLASSHOUSE_EXPLAINER names a folder with `config.json` (a ClarifyExplainerConfig) and, where the baseline lies in S3,
`baseline`. The model is asked about synthetic records through the very handler that answers requests, in this
process. What the caller can put right is answered with status 400 and marked by a header, so that the platform can
tell it from an error of the model.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from glasskit import trees
from glasskit.clarify import online, online_questions, online_rows, online_settings
from glasskit.container import failures, requests

ENABLE = "x-amzn-sagemaker-enable-explanations"
METHOD = "x-glasshouse-explanation-method"
CALLS = "x-glasshouse-explanation-model-calls"
FAULT = "x-glasshouse-fault"
_NOT_OF_THE_MODEL = frozenset({"content-type", "accept", "content-length", ENABLE})


class ExplainingHandler:
    """Answers with predictions and explanations as Clarify does; errors of the model go through as they are.

    Raises failures.AlgorithmFailure for a baseline that does not fit the configuration.
    """

    def __init__(self, handler: requests.Handler, folder: Path) -> None:
        self._handler = handler
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        try:
            self._explainer = online.Explainer(
                online_settings.read(config),
                _baseline(config, folder),
                lambda body, content_type, accept: self._reply(body, content_type, accept, {}),
                readable=_readable_or_none(handler),
            )
        except (online_settings.Refused, online_rows.BadRecords) as error:
            raise failures.AlgorithmFailure(str(error)) from error

    def execution_parameters(self) -> Mapping[str, object]:
        return self._handler.execution_parameters()

    def scored_by(self) -> requests.Scored | None:
        return self._handler.scored_by()

    def invoke(self, request: requests.Request) -> requests.Answer:
        """400 for what the caller can put right, 500 for predictions that could not be explained."""
        asked = online.Asked(
            body=request.body,
            content_type=request.content_type,
            accept=request.accept,
            enable=request.headers.get(ENABLE, ""),
        )
        own = {name: value for name, value in request.headers.items() if name not in _NOT_OF_THE_MODEL}
        answers: list[requests.Answer] = []
        try:
            found = self._explainer.answer(
                asked,
                first=lambda body, content_type, accept: self._reply(
                    body, content_type, accept, own, answers
                ),
            )
        except online.BadRequest as error:
            return requests.Answer(status=400, body=str(error).encode(), headers={FAULT: "request"})
        except online.ExplanationFailed as error:
            sys.stderr.write(f"The predictions could not be explained: {error}\n")
            raise requests.Rejected(500, str(error)) from error
        if isinstance(found, online_questions.Reply):
            return answers[0]
        headers = {METHOD: found.method, CALLS: str(found.n_calls)} if found.method else {}
        return requests.Answer(
            body=found.body,
            content_type="application/json",
            headers={**answers[0].headers, **headers},
        )

    def _reply(
        self,
        body: bytes,
        content_type: str,
        accept: str,
        headers: Mapping[str, str],
        kept: list[requests.Answer] | None = None,
    ) -> online_questions.Reply:
        """What the model answers; `kept` gets the answer with its headers."""
        wanted = {**headers, "content-type": content_type, "accept": accept}
        answer, reply = reply_of(self._handler, requests.Request(body=body, headers=wanted))
        if kept is not None:
            kept.append(answer)
        return reply


class Unreadable(ValueError):
    """The model is no tree ensemble that can be read, or the user's code scores; the text says which."""


def readable(handler: requests.Handler) -> online.Readable:
    """The trees of what scores. Raises Unreadable."""
    scored = handler.scored_by()
    if scored is None:
        raise Unreadable("the model has a predict_fn or transform_fn of its own")
    try:
        ensemble = trees.load(_source(scored.model))
    except trees.TreesError as error:
        raise Unreadable(f"the model is not read as trees: {error}") from error
    return online.Readable(ensemble=ensemble, float32=scored.float32)


def reply_of(
    handler: requests.Handler, request: requests.Request
) -> tuple[requests.Answer, online_questions.Reply]:
    """The handler's answer, a refusal too, as it is and as an explainer reads it."""
    try:
        answer = handler.invoke(request)
    except requests.Rejected as error:
        answer = requests.Answer(status=error.status, body=str(error).encode())
    return answer, online_questions.Reply(
        status=answer.status, body=answer.body, content_type=answer.content_type
    )


def _readable_or_none(handler: requests.Handler) -> online.Readable | None:
    try:
        return readable(handler)
    except Unreadable as error:
        sys.stdout.write(f"Explanations ask the model (Kernel SHAP), because {error}\n")
        return None


def _source(model: Any) -> Any:
    """The booster inside an estimator of LightGBM or XGBoost, or the model itself."""
    if hasattr(model, "booster_"):
        return model.booster_
    return model.get_booster() if hasattr(model, "get_booster") else model


def _baseline(config: Mapping[str, Any], folder: Path) -> bytes:
    inline: str = config["ShapConfig"]["ShapBaselineConfig"].get("ShapBaseline", "")
    return inline.encode() if inline else (folder / "baseline").read_bytes()
