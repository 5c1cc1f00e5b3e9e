"""A table of numbers with a label and weights, read from a file, a folder of files, or bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glasskit.data import content_types, faults

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


def data_files(path: Path) -> list[Path]:
    """The files under `path` in name order; hidden ones and those starting with `_` are not data."""
    if path.is_file():
        return [path]
    found = (file for file in path.rglob("*") if file.is_file())
    return sorted(file for file in found if not any(part[0] in "._" for part in file.relative_to(path).parts))


def read(path: Path, content_type: str, *, has_weights: bool = False) -> Table:
    """All files of a training channel as one table, label first.

    Raises faults.UnsupportedType, faults.Unreadable, and faults.DataFault for a folder without files.
    """
    name, parameters = content_types.expect(content_type, content_types.TABULAR)
    columns = columns_of(content_type, parameters, has_weights=has_weights)
    files = data_files(path)
    if not files:
        raise faults.DataFault(f"No data in channel path {path}")
    load = _reader(name)
    parts = [load(file.read_bytes(), file.name, columns) for file in files if file.stat().st_size]
    if not parts:
        raise faults.DataFault(f"No data in channel path {path}")
    return join(parts)


def columns_of(content_type: str, parameters: Mapping[str, str], *, has_weights: bool) -> Columns:
    """The row layout that the parameters of a content type ask for: `label_size` is 0 or 1."""
    size = parameters.get("label_size", "1")
    if size not in ("0", "1"):
        raise faults.DataFault(
            f"{content_type} is not an accepted csv ContentType. Optional parameter label_size must be 0 or 1"
        )
    return Columns(n_labels=int(size), has_weights=has_weights)


def parse(body: bytes, content_type: str, *, columns: Columns | None = None) -> Table:
    """A request body as a table; without `columns` a row is features only."""
    name, _ = content_types.expect(content_type, content_types.TABULAR)
    return _reader(name)(body, "the request", columns or Columns(n_labels=0))


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


def _reader(name: content_types.Format) -> Callable[[bytes, str, Columns], Table]:
    """The reader of a format; its libraries are loaded only now."""
    if name == "csv":
        from glasskit.data import delimited

        return delimited.read
    if name == "libsvm":
        from glasskit.data import libsvm

        return libsvm.read
    if name == "parquet":
        from glasskit.data import parquet

        return parquet.read
    from glasskit.data import recordio

    return recordio.read
