"""The libsvm text format: `label[:weight] index:value index:value ...`, one row a line.

An index is the column number as written, which is how XGBoost reads it. In a request body the label may be absent.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from glasskit.data import faults, tables

if TYPE_CHECKING:
    from scipy import sparse


def read(body: bytes, where: str, columns: tables.Columns) -> tables.Table:
    """Rows as CSR. The label is kept when the layout has one; `qid:` is refused."""
    from scipy import sparse

    labels: list[float] = []
    weights: list[float] = []
    data: list[float] = []
    indices: list[int] = []
    starts = [0]
    for number, tokens in _lines(body, where):
        label, weight, pairs = _row(tokens, number, where, labelled=columns.n_labels > 0)
        labels.append(label)
        if weight is not None:
            weights.append(weight)
        for index, value in pairs:
            indices.append(index)
            data.append(value)
        starts.append(len(data))
    if len(starts) == 1:
        raise faults.Unreadable(where, "libsvm", "there are no rows")
    if weights and len(weights) != len(labels):
        raise faults.Unreadable(where, "libsvm", "some rows carry a weight and others do not")
    features: sparse.csr_matrix = sparse.csr_matrix(
        (np.array(data, np.float64), np.array(indices, np.int32), np.array(starts, np.int64)),
        shape=(len(labels), max(indices, default=0) + 1),
    )
    return tables.Table(
        features=features,
        label=np.array(labels) if columns.n_labels else None,
        weights=np.array(weights) if weights else None,
    )


def _lines(body: bytes, where: str) -> Iterator[tuple[int, list[str]]]:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise faults.Unreadable(where, "libsvm", "the bytes are not UTF-8") from exc
    for number, line in enumerate(text.splitlines(), start=1):
        tokens = line.partition("#")[0].split()
        if tokens:
            yield number, tokens


def _row(
    tokens: list[str], number: int, where: str, *, labelled: bool
) -> tuple[float, float | None, list[tuple[int, float]]]:
    """Label, weight and cells of a line.

    Labelled, the first token is `label[:weight]`. Otherwise every token with a colon is a cell and one without
    (a label that the caller left in) is passed over, which is what SageMaker's container does with requests.
    """
    try:
        if not labelled:
            return 0.0, None, [_pair(token) for token in tokens if ":" in token]
        label, colon, weight = tokens[0].partition(":")
        return float(label), float(weight) if colon else None, [_pair(token) for token in tokens[1:]]
    except ValueError as exc:
        raise faults.Unreadable(where, "libsvm", f"row {number} is not `label index:value ...`") from exc


def _pair(token: str) -> tuple[int, float]:
    index, colon, value = token.partition(":")
    if not colon or not index.isdigit():
        raise ValueError(token)
    return int(index), float(value)
