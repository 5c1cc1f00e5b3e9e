"""Rows in a Parquet file -> their predictions and SHAP values in another, in bounded memory.

The file is read, explained and written a slice at a time. The target appears when it is whole: until
then the rows go to a file beside it, which disappears when the work ends early, however it ends.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from glasskit.trees import errors, explainer

Progress = Callable[[int, int], None]
"""Called with (rows written, rows in all) after every slice; what it raises ends the work."""

ROWS_AT_ONCE = 65_536


def explain_parquet(
    model: explainer.Explainer,
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    keep: Sequence[str] = (),
    progress: Progress | None = None,
    rows_at_once: int = ROWS_AT_ONCE,
    compression: str = "none",
) -> int:
    """Explains every row of a Parquet file; returns how many there were.

    The target has, in the order of the source's rows, the columns to `keep`, "prediction" and one "shap.NAME"
    for every feature; with K outputs "prediction.0" to "prediction.K-1" and "shap.0.NAME" and so on.
    Its metadata tell the base value of every output ("base_values") and the link from margins to predictions.
    An Explainer with tables is the quickest here; n_threads is the explainer's.
    Raises BadInput when the source has not the model's columns, AdditivityViolated with the row's number.
    """
    from pyarrow import parquet

    if rows_at_once < 1:
        raise errors.BadInput(f"rows_at_once is {rows_at_once}, but a slice has one row at least.")
    with parquet.ParquetFile(source) as given:
        columns = _columns(model, given.schema_arrow.names, keep)
        n_rows, done = given.metadata.num_rows, 0
        schema = _schema(model, [given.schema_arrow.field(name) for name in keep])
        with contextlib.ExitStack() as stack:
            unfinished = stack.enter_context(_appears_whole(Path(target)))
            settings = {"compression": compression, "use_dictionary": list(keep), "write_statistics": False}
            writer = stack.enter_context(parquet.ParquetWriter(unfinished, schema, **settings))
            for batch in given.iter_batches(batch_size=rows_at_once, columns=columns):
                writer.write_batch(_explained(model, batch, schema, keep, first_row=done))
                done += batch.num_rows
                if progress:
                    progress(done, n_rows)
    return done


def _columns(model: explainer.Explainer, present: Sequence[str], keep: Sequence[str]) -> list[str]:
    """The source's columns that are read."""
    absent = [name for name in keep if name not in present]
    if absent:
        raise errors.BadInput(f"The file has no column {absent[0]!r} to keep.")
    wanted = {name.replace(" ", "_") for name in model.feature_names} | set(keep)
    return [name for name in present if name in keep or name.replace(" ", "_") in wanted]


def _schema(model: explainer.Explainer, kept: Sequence[Any]) -> Any:
    import pyarrow as pa

    made = [
        pa.field(name, pa.float64()) for name in [*_names(model, "prediction", [""]), *_value_names(model)]
    ]
    taken = {field.name for field in kept} & {field.name for field in made}
    if taken:
        raise errors.BadInput(f"The column {min(taken)!r} cannot be kept: the result has one of that name.")
    bases = np.atleast_1d(model.expected_value).tolist()
    return pa.schema([*kept, *made], metadata={"base_values": repr(bases), "link": model.ensemble.link.name})


def _value_names(model: explainer.Explainer) -> list[str]:
    return _names(model, "shap", [f".{name}" for name in model.feature_names])


def _names(model: explainer.Explainer, what: str, ends: Sequence[str]) -> list[str]:
    n_outputs = model.ensemble.n_outputs
    outputs = [""] if n_outputs == 1 else [f".{output}" for output in range(n_outputs)]
    return [f"{what}{output}{end}" for output in outputs for end in ends]


def _explained(
    model: explainer.Explainer, batch: Any, schema: Any, keep: Sequence[str], *, first_row: int
) -> Any:
    import pyarrow as pa

    given = _Slice(batch)
    try:
        values = model.shap_values(given).values
    except errors.AdditivityViolated as exc:
        raise exc.moved(first_row) from exc
    predictions = np.asarray(model.predict(given), dtype=np.float64).reshape(len(given), -1)
    if predictions.shape[1] != len(_names(model, "prediction", [""])):
        raise errors.ModelUnsupported("A file of predictions that are fewer than the model's outputs")
    by_output = values.reshape(len(given), values.shape[1], -1).transpose(2, 1, 0)
    columns = [*predictions.T, *by_output.reshape(-1, len(given))]
    arrays = [pa.array(np.ascontiguousarray(column)) for column in columns]
    return pa.record_batch([*(batch.column(name) for name in keep), *arrays], schema=schema)


class _Slice:
    """A slice of a Parquet file as the explainer reads tables: null means missing."""

    def __init__(self, batch: Any) -> None:
        self._batch = batch

    @property
    def columns(self) -> Sequence[str]:
        names: list[str] = self._batch.schema.names
        return names

    def __len__(self) -> int:
        return int(self._batch.num_rows)

    def __getitem__(self, name: str) -> npt.ArrayLike:
        import pyarrow as pa

        column = self._batch.column(name)
        if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
            numbers: npt.NDArray[Any] = column.to_numpy(zero_copy_only=False)
            return numbers
        series: npt.ArrayLike = column.to_pandas()
        return series


@contextlib.contextmanager
def _appears_whole(target: Path) -> Iterator[Path]:
    """A file to write to that takes the target's place at the end, or disappears."""
    unfinished = target.with_name(f".{target.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        yield unfinished
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
