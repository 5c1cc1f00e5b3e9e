"""The dataset of an analysis: files of a folder as one data frame, and which column plays which part."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from glasskit.clarify import config, faults, online_expressions
from glasskit.clarify.members import Name

if TYPE_CHECKING:
    import pandas as pd

Fetch = Callable[[str], Path]
"""From an S3 address to a folder that holds its files."""

_SNIFFED_ROWS = 20


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """Rows with named columns. features: what the model is sent, in its order; n_files: how many files there were."""

    frame: pd.DataFrame
    features: tuple[str, ...]
    label: str
    predicted: str
    join: str
    n_files: int

    def column(self, name: Name, key: str) -> str:
        """The column of a name or a place. Raises BadConfig naming the key."""
        return column_of([str(one) for one in self.frame.columns], name, key)

    @property
    def inputs(self) -> pd.DataFrame:
        """The features alone."""
        return self.frame[list(self.features)]


def column_of(columns: Sequence[str], name: Name, key: str) -> str:
    """The column of a name, or of a place counted from 0. Raises BadConfig naming the key."""
    if isinstance(name, int):
        if not 0 <= name < len(columns):
            raise faults.BadConfig(key, f"is column {name}, and the dataset has {len(columns)} columns.")
        return columns[name]
    if name not in columns:
        shown = ", ".join(columns[:20]) + (", …" if len(columns) > 20 else "")
        raise faults.BadConfig(key, f"names the column {name!r}, which is not there; there are {shown}.")
    return name


def read(asked: config.Dataset, folder: Path, fetch: Fetch) -> Dataset:
    """The dataset of a job, with what stands in datasets of their own joined on. Raises BadDataset, BadConfig."""
    place = fetch(asked.uri) if asked.uri else folder
    files = _files(place)
    table = (_json if asked.type.startswith("application/json") else _tabular)(asked, files)
    if not len(table.frame):
        raise faults.BadDataset(f"The dataset has no rows ({', '.join(path.name for path in files[:3])}).")
    table = _with_facets(table, asked, fetch)
    table = _with_predictions(table, asked, fetch)
    left_out = {table.label, table.predicted, table.join, *_excluded(table, asked)}
    features = tuple(name for name in table.features if name not in left_out)
    if not features:
        raise faults.BadDataset("No column is left as a feature: all are a label, an identifier or excluded.")
    return dataclasses.replace(table, features=features)


def _excluded(table: Dataset, asked: config.Dataset) -> Iterator[str]:
    for index, name in enumerate(asked.excluded):
        yield column_of(table.features, name, f"excluded_columns[{index}]")


def _files(place: Path) -> list[Path]:
    paths = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
    kept = [path for path in paths if not path.name.startswith((".", "_")) and path.name != config.FILE]
    if not kept:
        raise faults.BadDataset(
            "The dataset holds no file: check the S3Uri of the processing input `dataset`, or dataset_uri."
        )
    return kept


# --- CSV and Parquet


def _tabular(asked: config.Dataset, files: Sequence[Path]) -> Dataset:
    read_one = _parquet if asked.type == "application/x-parquet" else _csv
    frame = _joined_rows([read_one(path, asked.headers) for path in files], files)
    columns = [str(name) for name in frame.columns]

    def named(name: Name | None, key: str) -> str:
        return "" if name is None else column_of(columns, name, key)

    return Dataset(
        frame=frame,
        features=tuple(columns),
        label=named(asked.label, "label"),
        predicted="" if asked.predicted_label_uri else named(asked.predicted_label, "predicted_label"),
        join=named(asked.joinsource, "joinsource_name_or_index"),
        n_files=len(files),
    )


def _joined_rows(frames: Sequence[pd.DataFrame], files: Sequence[Path]) -> pd.DataFrame:
    import pandas as pd

    first = list(frames[0].columns)
    for frame, path in zip(frames, files, strict=True):
        if list(frame.columns) != first:
            raise faults.BadDataset(f"{path.name} has other columns than {files[0].name}.")
    return frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)


def _parquet(path: Path, headers: Sequence[str]) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa

    try:
        frame = pd.read_parquet(path)
    except (pa.ArrowException, OSError, ValueError) as exc:
        raise faults.BadDataset(f"{path.name} cannot be read as Parquet: {exc}") from exc
    if not headers:
        frame.columns = frame.columns.map(str)
        return frame.reset_index(drop=True)
    return _renamed(frame.reset_index(drop=True), headers, path)


def _renamed(frame: pd.DataFrame, headers: Sequence[str], path: Path) -> pd.DataFrame:
    if len(frame.columns) != len(headers):
        raise faults.BadDataset(
            f"{path.name} has {len(frame.columns)} columns, and headers in analysis_config.json names {len(headers)}."
        )
    frame.columns = list(headers)
    return frame


def _csv(path: Path, headers: Sequence[str]) -> pd.DataFrame:
    """Names come from `headers`, else from a first line of names, else they are column_0, column_1 and so on."""
    import pandas as pd

    try:
        top = pd.read_csv(path, header=None, nrows=_SNIFFED_ROWS, dtype=str, keep_default_na=False)
        has_names = _is_header(top, headers)
        frame = pd.read_csv(path, header=0 if has_names else None, low_memory=False)
    except pd.errors.EmptyDataError as exc:
        raise faults.BadDataset(f"{path.name} is empty.") from exc
    except (pd.errors.ParserError, UnicodeDecodeError, OSError) as exc:
        raise faults.BadDataset(f"{path.name} cannot be read as CSV: {str(exc).strip()}") from exc
    if headers:
        return _renamed(frame, headers, path)
    names = map(str, frame.columns) if has_names else (f"column_{index}" for index in range(frame.shape[1]))
    frame.columns = list(names)
    return frame


def _is_header(top: pd.DataFrame, headers: Sequence[str]) -> bool:
    """Whether the first line holds names: those of `headers`, or texts where the lines below hold numbers."""
    first = [str(cell).strip() for cell in top.iloc[0]]
    if headers:
        return first == [name.strip() for name in headers]
    if len(set(first)) < len(first) or any(not cell or _is_number(cell) for cell in first):
        return False
    return any(_is_number(str(cell)) for cell in top.iloc[1:].to_numpy().ravel())


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


# --- JSON and JSON Lines


def _json(asked: config.Dataset, files: Sequence[Path]) -> Dataset:
    documents = [one for path in files for one in _records(path, asked)]
    n_features = len(documents[0].features) if documents else 0
    for number, one in enumerate(documents, start=1):
        if len(one.features) != n_features:
            raise faults.BadDataset(
                f"Record {number} of the dataset has {len(one.features)} features, and the first {n_features}."
            )
    names, label, predicted = _json_names(asked, n_features)
    frame = _frame(names, [one.features for one in documents])
    if label:
        frame[label] = series([one.label for one in documents])
    if predicted:
        frame[predicted] = series([one.predicted for one in documents])
    join = "" if asked.joinsource is None else column_of(names, asked.joinsource, "joinsource_name_or_index")
    return Dataset(
        frame=frame, features=tuple(names), label=label, predicted=predicted, join=join, n_files=len(files)
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Record:
    features: list[Any]
    label: Any
    predicted: Any


def _records(path: Path, asked: config.Dataset) -> Iterator[_Record]:
    find = {key: _expression(asked, key) for key in ("features", "label", "predicted_label")}
    text = path.read_text(encoding="utf-8")
    if asked.type == "application/json":
        found = _parsed(text, f"{path.name}")
        columns = {key: one.of(found) if one else None for key, one in find.items()}
        features = columns["features"]
        if not isinstance(features, list) or not all(isinstance(row, list) for row in features):
            raise faults.BadConfig("features", f"{asked.features!r} finds no list of rows in {path.name}.")
        rows = len(features)
        labels, predicted = (_column(columns[key], rows, key, path) for key in ("label", "predicted_label"))
        yield from (_Record(*parts) for parts in zip(features, labels, predicted, strict=True))
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            found = _parsed(line, f"line {number} of {path.name}")
            values = {key: one.of(found) if one else None for key, one in find.items()}
            features = values["features"]
            if not isinstance(features, list):
                raise faults.BadConfig(
                    "features", f"{asked.features!r} finds no list of values in line {number} of {path.name}."
                )
            yield _Record(features, values["label"], values["predicted_label"])


def _expression(asked: config.Dataset, key: str) -> online_expressions.Expression | None:
    text = getattr(asked, key)
    if text is None or text == "":
        return None
    try:
        return online_expressions.compiled(str(text), at=key)
    except online_expressions.BadExpression as exc:
        raise faults.BadConfig(key, f"cannot be used: {exc}.") from exc


def _column(found: Any, n_rows: int, key: str, path: Path) -> list[Any]:
    if found is None:
        return [None] * n_rows
    if not isinstance(found, list) or len(found) != n_rows:
        raise faults.BadConfig(
            key, f"does not find one value for each of the {n_rows} records of {path.name}."
        )
    return found


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as exc:
        raise faults.BadDataset(f"{where} is not JSON: {exc}") from exc


def _json_names(asked: config.Dataset, n_features: int) -> tuple[list[str], str, str]:
    """Names of features, label and predicted label: `headers` in that order, or made up."""
    has = [key for key in ("label", "predicted_label") if getattr(asked, key) is not None]
    given = list(asked.headers)
    if given and len(given) not in {n_features, n_features + len(has), n_features + min(1, len(has))}:
        raise faults.BadDataset(
            f"headers in analysis_config.json names {len(given)} columns; the records have {n_features} features"
            f"{' and ' + ' and '.join(has) if has else ''}."
        )
    features = given[:n_features] or [f"column_{index}" for index in range(n_features)]
    others = given[n_features:]
    names = {key: others[at] if at < len(others) else _free(key, features) for at, key in enumerate(has)}
    return features, names.get("label", ""), names.get("predicted_label", "")


def _free(name: str, taken: Sequence[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _frame(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({name: series([row[at] for row in rows]) for at, name in enumerate(names)})


def series(values: Sequence[Any]) -> pd.Series[Any]:
    """Numbers as numbers; everything else as it is."""
    import pandas as pd

    known = [value for value in values if value is not None]
    if known and all(isinstance(value, int | float) and not isinstance(value, bool) for value in known):
        return pd.Series([np.nan if value is None else value for value in values])
    return pd.Series(values, dtype=object)


def baseline_rows(rows: Sequence[Any], asked: config.Dataset, dataset: Dataset) -> pd.DataFrame:
    """Rows of the configuration as a frame of the features. Raises BadConfig."""
    key = "methods.shap.baseline"
    expression = _expression(asked, "features")
    taken = []
    for number, row in enumerate(rows):
        found = expression.of(row) if expression and isinstance(row, dict) else row
        if not isinstance(found, list) or len(found) != len(dataset.features):
            size = f"{len(found)} values" if isinstance(found, list) else "no list of values"
            raise faults.BadConfig(
                f"{key}[{number}]",
                f"is {size}; the features are the {len(dataset.features)} columns "
                f"{', '.join(dataset.features[:8])}{', …' if len(dataset.features) > 8 else ''}, without a label.",
            )
        taken.append(found)
    return _frame(dataset.features, taken)


def baseline_file(place: Path, asked: config.Dataset, dataset: Dataset) -> pd.DataFrame:
    """A file of baseline rows, in the format of the dataset. Raises BadDataset."""
    without_label = dataclasses.replace(
        asked, headers=(), label=None, predicted_label=None, joinsource=None, predicted_label_uri=""
    )
    files = _files(place)
    if asked.type.startswith("application/json"):
        table = _json(without_label, files)
    else:
        table = _tabular(_named_as(without_label, dataset, files), files)
    if list(table.frame.columns) != list(dataset.features) and table.frame.shape[1] != len(dataset.features):
        raise faults.BadDataset(
            f"The baseline {files[0].name} has {table.frame.shape[1]} columns; the features are {len(dataset.features)}, "
            "without the label."
        )
    frame = table.frame.copy()
    frame.columns = list(dataset.features)
    return frame


def _named_as(asked: config.Dataset, dataset: Dataset, files: Sequence[Path]) -> config.Dataset:
    """The names of the features as headers, where the first line of a CSV file repeats them."""
    if asked.type != "text/csv":
        return asked
    with files[0].open(encoding="utf-8") as file:
        first = [cell.strip().strip('"') for cell in file.readline().rstrip("\r\n").split(",")]
    return dataclasses.replace(asked, headers=dataset.features) if first == list(dataset.features) else asked


# --- columns that stand in datasets of their own


def _with_facets(table: Dataset, asked: config.Dataset, fetch: Fetch) -> Dataset:
    if not asked.facet_uri:
        return table
    other = _other(table, asked, asked.facet_uri, asked.facet_headers, fetch)
    clash = [name for name in other.columns if name in table.frame.columns]
    if clash:
        raise faults.BadDataset(f"The column {clash[0]!r} of facet_dataset_uri is one of the dataset's too.")
    return dataclasses.replace(table, frame=table.frame.join(other))


def _with_predictions(table: Dataset, asked: config.Dataset, fetch: Fetch) -> Dataset:
    if not asked.predicted_label_uri:
        return table
    other = _other(table, asked, asked.predicted_label_uri, asked.predicted_label_headers, fetch)
    columns = [str(name) for name in other.columns]
    if asked.predicted_label is None and len(columns) > 1:
        raise faults.BadConfig(
            "predicted_label", f"is missing: it names one of the columns {', '.join(columns)}."
        )
    named = 0 if asked.predicted_label is None else asked.predicted_label
    wanted = column_of(columns, named, "predicted_label")
    free = _free(wanted, [str(name) for name in table.frame.columns])
    frame = table.frame.assign(**{free: other[wanted].to_numpy()})
    return dataclasses.replace(table, frame=frame, predicted=free)


def _other(
    table: Dataset, asked: config.Dataset, uri: str, headers: Sequence[str], fetch: Fetch
) -> pd.DataFrame:
    """Another dataset's columns in the order of the table's rows: by the identifier, else row by row."""
    files = _files(fetch(uri))
    other = _joined_rows([_csv(path, headers) for path in files], files)
    if table.join and table.join in other.columns:
        keys = other[table.join]
        if keys.duplicated().any():
            raise faults.BadDataset(f"The identifier {table.join!r} stands more than once in {uri}.")
        rows = other.set_index(table.join).reindex(table.frame[table.join])
        absent = ~table.frame[table.join].isin(keys)
        if absent.any():
            first = table.frame[table.join][absent].tolist()[0]
            raise faults.BadDataset(
                f"{uri} has no row whose {table.join} is {first!r} ({int(absent.sum())} missing)."
            )
        return rows.reset_index(drop=True)
    if len(files) > 1 or table.n_files > 1:
        raise faults.BadConfig(
            "joinsource_name_or_index",
            f"is missing: datasets of several files are joined by a column that {uri} has too.",
        )
    if len(other) != len(table.frame):
        raise faults.BadDataset(f"{uri} has {len(other)} rows, and the dataset {len(table.frame)}.")
    return other
