"""A table of numbers with a label and weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from glasskit.data import faults

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from scipy import sparse

    Features = npt.NDArray[np.float64] | sparse.csr_matrix
    Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of numbers. `features` is (n_rows, n_features), dense with NaN for missing, or CSR.

    `label` and `weights` are (n_rows,) or None when the data carries none.
    """

    features: Features
    label: Vector | None = None
    weights: Vector | None = None

    @property
    def n_rows(self) -> int:
        return int(self.features.shape[0])

    @property
    def n_features(self) -> int:
        return int(self.features.shape[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """How a row is laid out: labels first, then weights, then features. Used by formats without names."""

    n_labels: int = 1
    has_weights: bool = False


def join(parts: list[Table]) -> Table:
    """The rows of all parts, in order. Sparse parts may differ in width; dense ones may not."""
    if len(parts) == 1:
        return parts[0]
    import numpy as np

    if isinstance(parts[0].features, np.ndarray):
        widths = {part.n_features for part in parts}
        if len(widths) > 1:
            raise faults.DataFault(
                f"Files of one channel differ in their number of columns: {sorted(widths)}"
            )
        features: Any = np.concatenate([part.features for part in parts])
    else:
        features = _stack_sparse([part.features for part in parts])
    return Table(
        features=features,
        label=_concatenate([part.label for part in parts]),
        weights=_concatenate([part.weights for part in parts]),
    )


def _stack_sparse(parts: list[Any]) -> Any:
    from scipy import sparse

    width = max(part.shape[1] for part in parts)
    widened = [
        sparse.csr_matrix((part.data, part.indices, part.indptr), (part.shape[0], width)) for part in parts
    ]
    return sparse.vstack(widened, format="csr")


def _concatenate(vectors: list[Vector | None]) -> Vector | None:
    import numpy as np

    present = [vector for vector in vectors if vector is not None]
    if not present:
        return None
    if len(present) != len(vectors):
        raise faults.DataFault("Some files of one channel carry labels or weights and others do not")
    return np.concatenate(present)
