"""The converter's own part: which models it reads, and what it says of others."""

from __future__ import annotations

from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from glasskit import trees
from glasskit.trees import convert

INSIDE = {convert.SANDBOX: "yes"}


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    values = random.normal(size=(120, 3))
    return values, (values[:, 0] + random.normal(size=120) > 0).astype(int)


@pytest.mark.slow
@pytest.mark.parametrize("compress", [0, 3])
def test_the_portable_form_predicts_as_the_pickled_model(
    tmp_path: Path, rows: tuple[np.ndarray, np.ndarray], compress: int
) -> None:
    model = HistGradientBoostingClassifier(max_iter=5).fit(*rows)
    joblib.dump(model, tmp_path / "model", compress=compress)
    assert convert.main([str(tmp_path / "model"), str(tmp_path / "out")], INSIDE) == 0
    explainer = trees.Explainer(trees.load(tmp_path / "out"))
    assert np.allclose(explainer.predict(rows[0]), model.predict_proba(rows[0])[:, 1], rtol=1e-12)


@pytest.mark.slow
def test_what_is_no_tree_model_is_refused_with_a_sentence(
    tmp_path: Path, rows: tuple[np.ndarray, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    for model, sentence in (
        (LogisticRegression().fit(*rows), "LogisticRegression cannot be evaluated here"),
        (make_pipeline(StandardScaler(), LogisticRegression()).fit(*rows), "Pipeline of 2 steps cannot"),
        ({"a": 1}, "dict cannot be evaluated here"),
    ):
        joblib.dump(model, tmp_path / "model")
        assert convert.main([str(tmp_path / "model"), str(tmp_path / "out")], INSIDE) == convert.REFUSED
        assert sentence in capsys.readouterr().err
    (tmp_path / "model").write_bytes(b"\x80\x04nonsense")
    assert convert.main([str(tmp_path / "model"), str(tmp_path / "out")], INSIDE) == convert.REFUSED
    assert "not a readable pickled model" in capsys.readouterr().err
    assert convert.main([], INSIDE) == convert.REFUSED
    assert not (tmp_path / "out").exists()
