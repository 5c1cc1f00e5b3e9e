"""Predictions with their explanations, as a SageMaker endpoint with a Clarify explainer answers.

`Explainer` stands between a request and a model: it passes the request on, decides by EnableExplanations which
records are explained, and answers with predictions and attributions in Clarify's schema. Source: SageMaker developer
guide, "Online explainability", "Invoke the endpoint".
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from glasskit import trees
from glasskit.clarify import online_answers as answers
from glasskit.clarify import online_expressions as expressions
from glasskit.clarify import online_questions as questions
from glasskit.clarify import online_records as records
from glasskit.clarify import online_rows, online_settings
from glasskit.clarify import online_sampling as sampling
from glasskit.clarify import online_texts as texts
from glasskit.clarify import online_trees as exact

Floats = npt.NDArray[np.float64]

VERSION = "1.0"
CSV, JSON_LINES = "text/csv", "application/jsonlines"


class BadRequest(ValueError):
    """The request cannot be explained as it is; the text says what to change."""


class ExplanationFailed(ValueError):
    """The model's predictions could not be explained; the text says why."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Readable:
    """A model whose trees can be read. float32: its code rounds features to float32 first."""

    ensemble: trees.Ensemble
    float32: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request. enable: its own EnableExplanations, "" for the configured one."""

    body: bytes
    content_type: str
    accept: str = ""
    enable: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A JSON body, how the attributions were found ("" for none), and the calls of the model they cost."""

    body: bytes
    method: str = ""
    n_calls: int = 0


class Explainer:
    """Explains one model against one baseline.

    readable: the model's trees, which are used when they predict what the model answers, checked here on the
    baseline and on rows about the trees' thresholds, and again on every explained record.
    Raises online_settings.Refused and online_rows.BadRecords for a baseline that does not fit the settings.
    """

    def __init__(
        self,
        settings: online_settings.Settings,
        baseline: bytes,
        ask: questions.Ask,
        *,
        readable: Readable | None = None,
    ) -> None:
        self._settings = settings
        self._ask = ask
        self._baseline = records.read(baseline, settings.baseline_form, settings, what="the SHAP baseline")
        online_settings.check_width(settings, self._baseline.shape[1])
        self._kinds = texts.kinds(settings, self._baseline) if settings.text is not None else ()
        self._budget = sampling.Budget(n_samples=settings.n_samples, seed=settings.seed)
        self._trees = self._verified(readable) if readable is not None and settings.text is None else None

    @property
    def reads_trees(self) -> bool:
        """Whether attributions come from the model's own trees."""
        return self._trees is not None

    def answer(self, asked: Asked, *, first: questions.Ask | None = None) -> questions.Reply | Explained:
        """Predictions and explanations; the model's own reply where that is an error.

        first: how to ask for the predictions, where it matters (the caller's headers); else like everything.
        Raises BadRequest for what the caller can put right, ExplanationFailed for what the model answered.
        """
        try:
            return self._answer(asked, first or self._ask)
        except (online_settings.Refused, online_rows.BadRecords) as error:
            raise BadRequest(_sentence(error)) from error
        except (answers.BadAnswer, questions.ModelFailed) as error:
            raise ExplanationFailed(_sentence(error)) from error

    def _answer(self, asked: Asked, first: questions.Ask) -> questions.Reply | Explained:
        form = online_settings.form_of(asked.content_type, at="ContentType")
        enable = online_settings.enabled(asked.enable) if asked.enable else self._settings.enable
        accept = asked.accept if asked.accept.strip() not in ("", "*/*") else _media(form)
        online_settings.form_of(accept, at="Accept")
        cells = self._cells(asked, form)
        reply = first(asked.body, asked.content_type, accept)
        if not reply.is_well:
            return reply
        if enable.constant == (False,):
            return Explained(body=self._written(reply, [], None))
        found = answers.documents(reply.body, reply.content_type, len(cells))
        chosen = [at for at, document in enumerate(found) if _is_wanted(enable, document)]
        if not chosen:
            return Explained(body=self._written(reply, found, None))
        scores = answers.scores([found[at] for at in chosen], self._settings)
        questioner = questions.Questioner(
            self._ask, self._settings, form=form, content_type=asked.content_type, accept=accept
        )
        values, method = self._attributed(cells[chosen], scores, questioner)
        listed: list[Any] = [None] * len(cells)
        for at, one in zip(chosen, values, strict=True):
            listed[at] = one
        return Explained(body=self._written(reply, found, listed), method=method, n_calls=questioner.n_calls)

    def _cells(self, asked: Asked, form: online_settings.Form) -> records.Cells:
        if form == "jsonlines" and not self._settings.template:
            raise BadRequest(
                "JSON Lines are explained only where the endpoint configuration has FeaturesAttribute and "
                "ContentTemplate in its InferenceConfig."
            )
        cells = records.read(asked.body, form, self._settings, what="the request")
        wanted = self._baseline.shape[1]
        if cells.shape[1] != wanted:
            raise BadRequest(
                f"The records of the request have {cells.shape[1]} features, and the SHAP baseline has {wanted}."
            )
        return cells

    # --- attributions

    def _attributed(
        self, cells: records.Cells, scores: Floats, questioner: questions.Questioner
    ) -> tuple[list[Any], str]:
        """Clarify's list of features for each record, and the method."""
        rows = records.numbers(cells) if self._trees is not None else None
        if self._trees is not None and rows is not None and self._trees.agrees(rows, scores):
            try:
                found = self._trees.explain(rows)
            except ValueError as error:
                raise ExplanationFailed(_sentence(error)) from error
            return [_features(row) for row in found.values], found.method
        return self._asked(cells, scores, questioner)

    def _asked(
        self, cells: records.Cells, scores: Floats, questioner: questions.Questioner
    ) -> tuple[list[Any], str]:
        """The same by asking the model about synthetic records."""
        players = [self._record(row) for row in cells]
        bases = self._bases(players, questioner)
        if bases.shape[1] != scores.shape[1]:
            raise ExplanationFailed(
                f"The model answers the baseline with {bases.shape[1]} scores and the request with "
                f"{scores.shape[1]}."
            )
        solved = sampling.solve(
            players,
            np.stack([bases, self._in_space(scores)], axis=1),
            lambda some: self._in_space(questioner.scores(some.astype(object))),
            n_background=len(self._baseline),
            budget=self._budget,
        )
        found = [
            texts.attributions(one, values, self._kinds)
            if isinstance(one, texts.Record)
            else _features(_spread(one, values))
            for one, values in zip(players, solved.values, strict=True)
        ]
        return found, solved.method

    def _record(self, row: records.Cells) -> sampling.Tabular | texts.Record:
        text = self._settings.text
        if text is None:
            players = np.flatnonzero(exact.differs(row, self._baseline))
            return sampling.Tabular(row=row, background=self._baseline, players=players)
        found = texts.record(row, self._baseline, self._kinds, text)
        online_settings.check_samples(self._settings, found.n_players)
        return found

    def _bases(
        self, players: Sequence[sampling.Tabular | texts.Record], questioner: questions.Questioner
    ) -> Floats:
        """What nobody is worth for each record; (R, K). Without texts that is the baseline for all."""
        nobody = players[:1] if self._settings.text is None else players
        rows = np.concatenate([one.mixed(np.zeros((1, one.n_players), dtype=np.bool_)) for one in nobody])
        scores = self._in_space(questioner.scores(rows.astype(object)))
        bases = scores.reshape(len(nobody), len(self._baseline), -1).mean(axis=1)
        return np.tile(bases, (len(players) // len(nobody), 1))

    def _in_space(self, scores: Floats) -> Floats:
        if not self._settings.use_logit:
            return scores
        try:
            return exact.log_odds(scores)
        except ValueError as error:
            raise ExplanationFailed(_sentence(error)) from error

    def _written(
        self, reply: questions.Reply, found: list[answers.Document], listed: list[Any] | None
    ) -> bytes:
        document: dict[str, Any] = {
            "version": VERSION,
            "predictions": {
                "content_type": reply.content_type,
                "data": reply.body.decode("utf-8", "replace"),
            },
        }
        headers = answers.label_headers(found, self._settings)
        if headers:
            document["label_headers"] = headers
        for record in listed or ():
            for feature, header in zip(record or (), self._settings.feature_headers, strict=False):
                feature["feature_header"] = header
        document["explanations"] = {} if listed is None else {"kernel_shap": listed}
        return json.dumps(document).encode()

    # --- trees

    def _verified(self, readable: Readable) -> exact.Explainer | None:
        """The trees' explainer if the trees predict what the model answers; None, and a line in the log, if not."""
        background = records.numbers(self._baseline)
        if background is None or background.shape[1] != readable.ensemble.n_features:
            _say("the baseline does not have the trees' features")
            return None
        form = self._settings.baseline_form
        accept = JSON_LINES if self._settings.probability_attribute is not None else CSV
        questioner = questions.Questioner(
            self._ask, self._settings, form=form, content_type=_media(form), accept=accept
        )
        try:
            explainer = exact.Explainer(
                readable.ensemble,
                background,
                use_logit=self._settings.use_logit,
                budget=self._budget,
                float32=readable.float32,
            )
            probes = exact.probes(readable.ensemble, background, np.random.default_rng(exact.PROBE_SEED))
            scores = questioner.scores(probes.astype(object))
        except (trees.TreesError, answers.BadAnswer, questions.ModelFailed) as error:
            _say(str(error))
            return None
        if not explainer.adopt(probes, scores):
            _say("the trees do not predict what the model answers")
            return None
        sys.stdout.write("Explanations are exact: the model's own trees predict what it answers\n")
        return explainer


def _is_wanted(enable: expressions.Expression, document: answers.Document) -> bool:
    try:
        wanted = enable.constant[0] if enable.constant else enable.of(document)
    except expressions.BadExpression as error:
        raise BadRequest(_sentence(error)) from error
    if not isinstance(wanted, bool):
        raise BadRequest(
            f"EnableExplanations {enable.text!r} is {json.dumps(wanted)} for the answer {str(document)[:80]!r}; "
            "it must be true or false."
        )
    return wanted


def _spread(record: sampling.Tabular, values: Floats) -> Floats:
    """The players' values as those of all features; (F, K)."""
    spread = np.zeros((len(record.row), values.shape[1]))
    spread[record.players] = values
    return spread


def _features(values: Floats) -> list[dict[str, Any]]:
    """One record's values, (F, K), in Clarify's schema."""
    return [{"attributions": [{"attribution": by_output}]} for by_output in values.tolist()]


def _media(form: online_settings.Form) -> str:
    return CSV if form == "csv" else JSON_LINES


def _say(reason: str) -> None:
    sys.stdout.write(f"Explanations ask the model (Kernel SHAP), because {reason}\n")


def _sentence(error: Exception) -> str:
    text = str(error)
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."
