"""Assesses a file: CSV with a header, or Parquet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from glasskit.bias import assessment, faults, questions, reports
from glasskit.data import named

_MISSING = ("", "NA", "NaN", "nan", "null")
_SHOWN = 1000


def from_table(
    source: str | Path | Any,
    *,
    label: str,
    positive: Sequence[object],
    facets: Sequence[str | questions.Facet],
    predicted: str | None = None,
    probability_threshold: float | None = None,
    group: str | None = None,
    features: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    options: questions.Options | None = None,
) -> reports.Report:
    """The report on a CSV or Parquet file, or on a table already in memory, in terms of plain texts and lists.

    A facet is a `Facet`, or a text `column`, `column=value,value` (a result for each) or `column>number`. The other
    arguments are those of `assess`. Raises Unusable naming the column and row that cannot be used.
    """
    asked = [facet if isinstance(facet, questions.Facet) else parse_facet(facet) for facet in facets]
    needed = {label, *(facet.name for facet in asked), *filter(None, (predicted, group))}
    everything = predicted is not None and features is None and (metrics is None or "FT" in metrics)
    only = None if everything else needed | set(features or ())
    table = _read(Path(source), only) if isinstance(source, (str, Path)) else source
    return assessment.assess(
        table,
        label=questions.Label(label, positive),
        facets=asked,
        predicted=predicted,
        probability_threshold=probability_threshold,
        group=group,
        features=features,
        metrics=metrics,
        options=options,
    )


def parse_facet(text: str) -> questions.Facet:
    """The facet that a text means.

    >>> parse_facet("gender=female,other").values
    ('female', 'other')
    >>> parse_facet("age>25").kind
    'continuous'
    """
    for sign in ("=", ">"):
        name, found, values = text.partition(sign)
        if not found:
            continue
        wanted = [value.strip() for value in values.split(",")]
        if not name.strip() or not all(wanted):
            raise faults.Unusable(f"{text!r} is no facet; write column, column=value,value or column>number")
        return questions.Facet(name.strip(), wanted, kind="categorical" if sign == "=" else "continuous")
    return questions.Facet(text.strip())


def _read(path: Path, names: Iterable[str] | None) -> Any:
    """The file as a PyArrow table; of its columns only the named ones that exist."""
    import pyarrow as pa
    from pyarrow import parquet

    if not path.is_file():
        raise faults.Unusable(f"there is no file {path}")
    if not path.stat().st_size:
        raise faults.Unusable(f"{path.name} is empty")
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            known = parquet.read_schema(path).names
            return parquet.read_table(path, columns=_kept(known, names))
        return _csv(path, _kept(named.columns(path), names), use_threads=True)
    except (pa.ArrowException, UnicodeDecodeError, KeyError) as exc:
        raise faults.Unusable(f"{path.name} cannot be read: {exc}") from exc


def _csv(path: Path, kept: Sequence[str], *, use_threads: bool) -> Any:
    """What PyArrow refuses is read again by one thread, whose message names the row."""
    import pyarrow as pa
    from pyarrow import csv

    try:
        return csv.read_csv(
            path,
            read_options=csv.ReadOptions(use_threads=use_threads, block_size=_block_bytes(path)),
            parse_options=csv.ParseOptions(delimiter=named.delimiter(path), newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                include_columns=list(kept), strings_can_be_null=True, null_values=list(_MISSING)
            ),
        )
    except pa.ArrowInvalid:
        if not use_threads:
            raise
        return _csv(path, kept, use_threads=False)


def _block_bytes(path: Path) -> int:
    """A block holds some rows, however many columns there are."""
    with path.open("rb") as file:
        return max(1 << 20, min(1 << 30, 8 * len(file.readline(1 << 28))))


def _kept(known: Sequence[str], names: Iterable[str] | None) -> list[str]:
    """The named columns in the file's order; more of them when one is missing, so that the message can name them."""
    wanted = set(known) if names is None else set(names)
    more = set(known[:_SHOWN]) if wanted - set(known) else set()
    return [name for name in known if name in wanted or name in more]
