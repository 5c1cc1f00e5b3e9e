"""Parquet to Parquet: the rows' explanations, in bounded slices, and a target that is whole or not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from glasskit import trees
from tests.library.test_trees_laws import chain

N_ROWS, N_FEATURES = 1000, 5


def explainer(*, n_outputs: int = 1) -> trees.Explainer:
    names = tuple(f"x{index}" for index in range(N_FEATURES))
    grown = tuple(
        trees.Tree(**{**{key: getattr(tree, key) for key in KEYS}, "output": output})
        for output in range(n_outputs)
        for tree in (chain(N_FEATURES), chain(2))
    )
    ensemble = trees.Ensemble(trees=grown, feature_names=names, base_scores=(0.5,) * n_outputs)
    return trees.Explainer(ensemble, n_threads=1)


KEYS = ("feature", "test", "threshold", "missing", "default_left", "left", "right", "value", "cover")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    drawn = np.random.default_rng(0).normal(size=(N_ROWS, N_FEATURES))
    columns = {f"x{index}": pa.array(drawn[:, index]) for index in reversed(range(N_FEATURES))}
    columns["x1"] = pa.array([None if row % 7 == 0 else row % 3 for row in range(N_ROWS)], pa.int32())
    table = pa.table({"id": pa.array([f"row {row}" for row in range(N_ROWS)]), **columns})
    parquet.write_table(table, tmp_path / "rows.parquet", row_group_size=130)
    return tmp_path / "rows.parquet"


def rows_of(source: Path) -> np.ndarray:
    table = parquet.read_table(source)
    columns = [table[f"x{index}"].to_numpy().astype(np.float64) for index in range(N_FEATURES)]
    return np.column_stack(columns)


def test_every_row_gets_the_explanation_it_gets_in_memory(source: Path, tmp_path: Path) -> None:
    model, reports = explainer(), []
    done = trees.explain_parquet(
        model, source, tmp_path / "out.parquet", keep=["id"], rows_at_once=300,
        progress=lambda *report: reports.append(report),
    )  # fmt: skip
    told, rows = parquet.read_table(tmp_path / "out.parquet"), rows_of(source)
    assert (done, told.num_rows) == (N_ROWS, N_ROWS)
    assert reports[-1] == (N_ROWS, N_ROWS)
    assert (
        max(after - before for (before, _), (after, _) in zip([(0, 0), *reports], reports, strict=False))
        <= 300
    )
    assert told.column_names == ["id", "prediction", *(f"shap.x{index}" for index in range(N_FEATURES))]
    assert told["id"].to_pylist()[:2] == ["row 0", "row 1"]
    values = np.column_stack([told[f"shap.x{index}"].to_numpy() for index in range(N_FEATURES)])
    assert np.array_equal(values, model.shap_values(rows).values)
    assert np.array_equal(told["prediction"].to_numpy(), model.predict(rows))
    assert told.schema.metadata[b"base_values"].decode() == repr([model.expected_value])


def test_a_model_of_several_outputs_names_them(source: Path, tmp_path: Path) -> None:
    model = explainer(n_outputs=2)
    trees.explain_parquet(model, source, tmp_path / "out.parquet")
    told, explained = parquet.read_table(tmp_path / "out.parquet"), model.shap_values(rows_of(source))
    assert np.array_equal(told["shap.1.x3"].to_numpy(), explained.values[:, 3, 1])
    assert np.array_equal(told["prediction.1"].to_numpy(), model.predict(rows_of(source))[:, 1])


def test_work_that_is_interrupted_leaves_the_old_target_and_nothing_else(
    source: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    target = folder / "out.parquet"
    target.write_bytes(b"what was there")

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trees.explain_parquet(explainer(), source, target, rows_at_once=100, progress=stop)
    assert [path.name for path in folder.iterdir()] == ["out.parquet"]
    assert target.read_bytes() == b"what was there"


def test_a_row_that_does_not_add_up_is_named_by_its_place_in_the_file(tmp_path: Path) -> None:
    huge = chain(1, values=[1.0, 1e308])
    model = trees.Explainer(trees.Ensemble(trees=(huge, huge), feature_names=("a",)))
    column = np.full(90, -1.0)
    column[70] = 1.0
    parquet.write_table(pa.table({"a": column}), tmp_path / "rows.parquet")
    with pytest.raises(trees.AdditivityViolated, match="row 70 "):
        trees.explain_parquet(model, tmp_path / "rows.parquet", tmp_path / "out.parquet", rows_at_once=50)
    assert not (tmp_path / "out.parquet").exists()


def test_bad_requests_name_the_column(source: Path, tmp_path: Path) -> None:
    other = trees.Explainer(trees.Ensemble(trees=(chain(1),), feature_names=("income",)))
    with pytest.raises(trees.BadInput, match="'income'"):
        trees.explain_parquet(other, source, tmp_path / "out.parquet")
    with pytest.raises(trees.BadInput, match="no column 'name' to keep"):
        trees.explain_parquet(explainer(), source, tmp_path / "out.parquet", keep=["name"])
    with pytest.raises(trees.BadInput, match="one row at least"):
        trees.explain_parquet(explainer(), source, tmp_path / "out.parquet", rows_at_once=0)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]
