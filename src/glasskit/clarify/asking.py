"""The model as a function of coded rows, whoever answers: its endpoint, or its trees read from its own archive."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from glasskit.clarify import answers, coding, config, payloads

Floats = npt.NDArray[np.float64]
FIRST_BATCH = 256
SHORT_S, LONG_S = 1.0, 10.0
"""A request that took less than the one lets the next be larger, one that took more than the other smaller."""

Invoke = Callable[[bytes], bytes]


class Model(Protocol):
    """Scores of coded rows: (n, F) -> (n, K)."""

    def scores(self, matrix: Floats) -> Floats: ...


@dataclass(slots=True, kw_only=True)
class Served:
    """A model behind an endpoint. n_records, n_requests: what it was asked so far; batch: so many at a time."""

    invoke: Invoke
    predictor: config.Predictor
    coding: coding.Coding
    n_records: int = 0
    n_requests: int = 0
    batch: int = FIRST_BATCH
    clock: Callable[[], float] = time.monotonic

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
        """The answers, and how many records each is about. An endpoint has a minute for each request."""
        found, start = [], 0
        while start < len(rows):
            part = rows[start : start + self.batch]
            for body in payloads.bodies(part, self.coding.names, self.predictor):
                began = self.clock()
                found.append((self.invoke(body.content), body.n_records))
                self.n_requests += 1
                self.n_records += body.n_records
                self.batch = paced(self.batch, body.n_records, self.clock() - began)
            start += len(part)
        return found


def paced(batch: int, n_records: int, took_s: float) -> int:
    """How many records to ask about at a time after a request about n_records.

    >>> paced(256, 256, 0.1), paced(256, 256, 5.0), paced(256, 200, 30.0), paced(1, 1, 30.0), paced(256, 10, 0.1)
    (512, 256, 100, 1, 256)
    """
    if took_s > LONG_S:
        return max(1, n_records // 2)
    if took_s < SHORT_S and n_records >= batch:
        return min(2 * batch, payloads.MOST_RECORDS)
    return batch
