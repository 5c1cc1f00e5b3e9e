"""The model as a function of coded rows, whoever answers: its endpoint, or its trees read from its own archive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from glasskit.clarify import answers, coding, config, payloads

Floats = npt.NDArray[np.float64]
Invoke = Callable[[bytes], bytes]


class Model(Protocol):
    """Scores of coded rows: (n, F) -> (n, K)."""

    def scores(self, matrix: Floats) -> Floats: ...


@dataclass(slots=True, kw_only=True)
class Served:
    """A model behind an endpoint. n_records, n_requests: what it was asked so far."""

    invoke: Invoke
    predictor: config.Predictor
    coding: coding.Coding
    n_records: int = 0
    n_requests: int = 0

    def scores(self, matrix: Floats) -> Floats:
        return self.scores_of(self.coding.decode(matrix))

    def scores_of(self, rows: Sequence[payloads.Row]) -> Floats:
        """Scores of rows of values: (n, K)."""
        return np.concatenate([answers.scores(body, n, self.predictor) for body, n in self._asked(rows)])

    def labels(self, matrix: Floats, *, threshold: float, known: Sequence[object]) -> list[object]:
        """The predicted label of each row; see answers.labels."""
        found: list[object] = []
        for body, n_records in self._asked(self.coding.decode(matrix)):
            found += answers.labels(body, n_records, self.predictor, threshold=threshold, known=known)
        return found

    def _asked(self, rows: Sequence[payloads.Row]) -> list[tuple[bytes, int]]:
        found = []
        for body in payloads.bodies(rows, self.coding.names, self.predictor):
            found.append((self.invoke(body.content), body.n_records))
            self.n_requests += 1
            self.n_records += body.n_records
        return found
