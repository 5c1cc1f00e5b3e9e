"""Asking the model in the endpoint about many synthetic records with few requests."""

from __future__ import annotations

import dataclasses
from typing import Protocol

import numpy as np
import numpy.typing as npt

from glasskit.clarify import online_answers as answers
from glasskit.clarify import online_records as records
from glasskit.clarify.online_settings import Form, Settings

Floats = npt.NDArray[np.float64]
_ROWS_MEASURED = 64


class ModelFailed(ValueError):
    """The model could not be asked about synthetic records; the text has its status and words."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the model answered."""

    status: int
    body: bytes
    content_type: str

    @property
    def is_well(self) -> bool:
        return 200 <= self.status < 300


class Ask(Protocol):
    """One invocation of the model, without its explainer."""

    def __call__(self, body: bytes, content_type: str, accept: str) -> Reply: ...


class Questioner:
    """Asks in the form, content type and accepted type of one request; counts its calls.

    A request holds MaxRecordCount records at most, and MaxPayloadInMB. Without MaxRecordCount the model is asked as
    much as the payload allows, and less after it has failed.
    """

    def __init__(self, ask: Ask, settings: Settings, *, form: Form, content_type: str, accept: str) -> None:
        self._ask = ask
        self._settings = settings
        self._form = form
        self._content_type = content_type
        self._accept = accept
        self._most = settings.max_records or 0
        self.n_calls = 0

    def scores(self, cells: records.Cells) -> Floats:
        """The model's scores of rows; (n, K). Raises ModelFailed and answers.BadAnswer."""
        parts, start = [], 0
        while start < len(cells):
            most = self._most or self._guess(cells)
            parts.append(self._part(cells[start : start + most]))
            start += most
        return np.concatenate(parts)

    def _part(self, cells: records.Cells) -> Floats:
        """One request, or two halves where it is too large or too much for the model."""
        body = records.written(cells, self._form, self._settings.template)
        if len(body) > self._settings.max_payload_bytes and len(cells) > 1:
            return self._halves(cells)
        self.n_calls += 1
        reply = self._ask(body, self._content_type, self._accept)
        try:
            if not reply.is_well:
                raise ModelFailed(
                    f"The model answered {reply.status} to {len(cells)} synthetic records: "
                    f"{reply.body[:500].decode(errors='replace')}"
                )
            found = answers.documents(reply.body, reply.content_type, len(cells))
        except (ModelFailed, answers.BadAnswer):
            if self._settings.max_records is not None or len(cells) == 1:
                raise
            self._most = len(cells) // 2
            return self._halves(cells)
        return answers.scores(found, self._settings)

    def _halves(self, cells: records.Cells) -> Floats:
        half = len(cells) // 2
        return np.concatenate([self._part(cells[:half]), self._part(cells[half:])])

    def _guess(self, cells: records.Cells) -> int:
        """How many records the payload holds, judging by the first ones."""
        some = cells[:_ROWS_MEASURED]
        each = len(records.written(some, self._form, self._settings.template)) / len(some)
        return max(1, int(0.9 * self._settings.max_payload_bytes / each))
