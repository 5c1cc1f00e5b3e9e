"""The credit solution's training script: what it learns, prints and leaves behind."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import compose, preprocessing

from glasshouse.solutions.credit import requests, statlog, synthetic
from glasshouse.solutions.credit.training import features
from tests.support import credit

PROTECTED = ("personal__age", "personal__gender", "personal__relationship_status")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> credit.Prepared:
    return credit.prepare(tmp_path_factory.mktemp("credit"), synthetic.applicants(1000, seed=42))


@pytest.fixture(scope="module")
def trained(prepared: credit.Prepared, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("model")
    return folder, credit.train(prepared, folder)


def metric(printed: str, name: str) -> float:
    """Reads a metric as the training job does: by its MetricDefinition."""
    found = re.search(f"{name}: ([0-9.]+)", printed)
    assert found is not None, printed
    return float(found.group(1))


@pytest.mark.slow
def test_the_better_model_beats_the_decks(
    prepared: credit.Prepared, trained: tuple[Path, str], tmp_path: Path
) -> None:
    deck = credit.train(prepared, tmp_path, model="deck")
    better = trained[1]
    assert 0.75 < metric(deck, "train_auc_cv") < metric(better, "train_auc_cv") < 0.86
    assert metric(deck, "test_auc") < metric(better, "test_auc")
    assert all(metric(better, name) > 0 for name in requests.METRICS)


@pytest.mark.slow
def test_the_better_model_beats_the_decks_on_the_real_data(tmp_path: Path) -> None:
    prepared = credit.prepare(tmp_path, statlog.read(credit.real_data(), seed=42))
    deck = credit.train(prepared, tmp_path / "deck", model="deck")
    better = credit.train(prepared, tmp_path / "better")
    assert metric(deck, "train_auc_cv") > 0.74
    assert metric(better, "train_auc_cv") > metric(deck, "train_auc_cv") + 0.02
    assert metric(better, "test_auc") > metric(deck, "test_auc")


@pytest.mark.slow
def test_the_same_data_and_parameters_give_the_same_model(
    prepared: credit.Prepared, trained: tuple[Path, str], tmp_path: Path
) -> None:
    credit.train(prepared, tmp_path)
    assert (tmp_path / "model.txt").read_bytes() == (trained[0] / "model.txt").read_bytes()


@pytest.mark.slow
def test_the_artifact_is_text_and_carries_its_explainer(trained: tuple[Path, str]) -> None:
    names = {str(path.relative_to(trained[0])) for path in trained[0].rglob("*") if path.is_file()}
    assert names == {
        *("model.txt", "preprocessor.json", "data.schema.json", "features.schema.json", "evaluation.json"),
        *("code/inference.py", "code/features.py", "code/deciding.py", "code/ways.py"),
        *("policies/consumer-credit.toml", "policies/recourse.toml", "policies/baselines.json"),
    }


@pytest.mark.slow
def test_the_model_has_the_decks_47_features_and_no_protected_one(trained: tuple[Path, str]) -> None:
    model = lightgbm.Booster(model_file=trained[0] / "model.txt")
    described = json.loads((trained[0] / "features.schema.json").read_text())
    names = model.feature_name()
    assert len(names) == 47
    assert names == [item["title"] for item in described["items"]]
    assert not [name for name in names if name.startswith(PROTECTED)]
    texts = {item["title"]: item["description"] for item in described["items"]}
    assert texts["credit__purpose__new_car"] == "What the credit is for is 'new_car' if value is 1.0."


@pytest.mark.slow
def test_the_risk_only_rises_with_what_may_only_raise_it(
    prepared: credit.Prepared, trained: tuple[Path, str]
) -> None:
    model = lightgbm.Booster(model_file=trained[0] / "model.txt")
    encoder = features.Encoder.load(trained[0] / "preprocessor.json")
    rows = prepared.rows("data_test")[:50]
    for name, steps, sign in (
        ("credit__duration", range(6, 73, 6), 1),
        ("credit__installment_rate", range(1, 5), 1),
        ("employment__duration", range(0, 31, 3), -1),
    ):
        risks = [
            np.asarray(model.predict(encoder.transform([{**row, name: step} for row in rows])))
            for step in steps
        ]
        assert (np.diff(risks, axis=0) * sign >= -1e-12).all(), name


@pytest.mark.slow
def test_a_misspelt_hyperparameter_and_a_monotone_text_field_are_refused(
    prepared: credit.Prepared, tmp_path: Path
) -> None:
    result = credit.run_script("training/train.py", "--tree-maximum-depth", "2", check=False)
    assert "unrecognized arguments: --tree-maximum-depth" in result.stderr
    with pytest.raises(subprocess.CalledProcessError) as failure:
        credit.train(prepared, tmp_path, changes={"monotone-increasing": "credit__purpose"})
    assert "only numeric fields can be monotone; credit__purpose is not one" in failure.value.stderr


SCHEMA = {
    "type": "array",
    "items": [
        {"title": "n", "type": "integer", "description": "A number."},
        {"title": "x", "type": "number", "description": "Another."},
        {"title": "a", "type": "string", "description": "A word"},
        {"title": "b", "type": "string", "description": "A second word"},
    ],
}
numbers = st.floats(-1e6, 1e6)
rows_of = st.lists(
    st.fixed_dictionaries(
        {"n": st.integers(-9, 9), "x": numbers, "a": st.text(max_size=2), "b": st.sampled_from("xyz")}
    ),
    min_size=1,
    max_size=8,
)


@settings(deadline=None, max_examples=60)
@given(known=rows_of, others=rows_of)
def test_one_hot_is_scikit_learns(known: list[dict[str, Any]], others: list[dict[str, Any]]) -> None:
    reference = compose.ColumnTransformer(
        [
            ("numbers", "passthrough", ["n", "x"]),
            ("words", preprocessing.OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["a", "b"]),
        ]
    ).fit(pd.DataFrame(known))
    encoder = features.Encoder.fit(known, SCHEMA)
    np.testing.assert_array_equal(encoder.transform(others), reference.transform(pd.DataFrame(others)))


@settings(deadline=None, max_examples=30)
@given(known=rows_of)
def test_an_encoder_survives_its_file(
    known: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("encoder") / "preprocessor.json"
    encoder = features.Encoder.fit(known, SCHEMA)
    encoder.save(path)
    assert features.Encoder.load(path) == encoder
    assert len(encoder.names) == len(encoder.schema(SCHEMA)["items"]) == encoder.transform(known).shape[1]
    assert set(encoder.fields()) == set(encoder.names)


VALID = {"n": 1, "x": 2.5, "a": "word", "b": "x"}


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ([1, 2], "application: expected a JSON object, got [1, 2]"),
        ({"n": 1, "x": 2.5, "a": "word"}, "b: the field is missing"),
        ({**VALID, "c": 1}, "c: the model has no such field"),
        ({**VALID, "n": 1.5}, "n: expected integer, got 1.5"),
        ({**VALID, "n": True}, "n: expected integer, got true"),
        ({**VALID, "n": None}, "n: expected integer, got null"),
        ({**VALID, "x": "2.5"}, 'x: expected number, got "2.5"'),
        ({**VALID, "x": float("inf")}, "x: expected number, got Infinity"),
        ({**VALID, "x": float("nan")}, "x: expected number, got NaN"),
        ({**VALID, "a": 7}, "a: expected string, got 7"),
    ],
)
def test_an_invalid_application_is_refused_by_its_field(row: Any, complaint: str) -> None:
    with pytest.raises(features.InvalidApplication) as refusal:
        features.validate(row, SCHEMA)
    assert str(refusal.value) == complaint


def test_a_whole_number_may_be_written_as_a_fraction() -> None:
    assert features.validate({**VALID, "n": 6.0}, SCHEMA)["n"] == 6.0
