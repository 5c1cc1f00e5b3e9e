"""XGBoost models: its margins up to its own float32 sums, its contributions, its interactions."""

from __future__ import annotations

import functools
import json
import pathlib

import numpy as np
import pytest
import xgboost

from glasskit import trees
from glasskit.trees import ubj
from glasskit.trees import xgboost as reader

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

N_FEATURES = 8
CATEGORY = 3
TYPES = ["c" if index == CATEGORY else "q" for index in range(N_FEATURES)]
FLOAT32_SUMS = 5e-6


@functools.cache
def training_rows() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    rows = random.normal(size=(1500, N_FEATURES))
    rows[:, CATEGORY] = random.integers(0, 40, len(rows))
    rows[random.random(rows.shape) < 0.1] = np.nan
    score = np.nan_to_num(rows[:, 0]) * np.nan_to_num(rows[:, 1]) + np.isin(rows[:, CATEGORY], [1, 4, 17, 33])
    return rows, score + random.normal(size=len(rows))


def odd_rows() -> np.ndarray:
    rows = training_rows()[0][:80].copy()
    rows[:11, CATEGORY] = [-1, -0.5, 0.5, 1.5, 39.9, 40, 41, 100, 1e6, np.nan, 7]
    rows[:6, 0] = [0.0, -0.0, 1e-40, -1e-40, 3e38, np.nan]
    return rows


def matrix(rows: np.ndarray, labels: np.ndarray | None = None) -> xgboost.DMatrix:
    return xgboost.DMatrix(rows, labels, feature_types=TYPES, enable_categorical=True, nthread=1)


def trained(*, n_rounds: int = 20, **parameters: object) -> xgboost.Booster:
    rows, score = training_rows()
    objective = str(parameters.setdefault("objective", "binary:logistic"))
    labels = np.abs(score) + 0.1
    if objective.startswith(("binary", "reg:logistic")):
        labels = score > 0.3
    elif objective.startswith("multi"):
        labels = np.digitize(score, [-0.5, 0.8])
    settings = {"max_depth": 5, "nthread": 1, "max_cat_to_onehot": 4, "seed": 0, "verbosity": 0}
    return xgboost.train(settings | parameters, matrix(rows, labels.astype(float)), n_rounds)


MODELS: dict[str, dict[str, object]] = {
    "logistic": {},
    "dart": {"booster": "dart", "rate_drop": 0.3},
    "given base score": {"base_score": 0.3},
    "one-hot categories": {"max_cat_to_onehot": 100},
    "raw logistic": {"objective": "binary:logitraw", "base_score": 0.3},
    "hinge": {"objective": "binary:hinge"},
    "regression": {"objective": "reg:squarederror"},
    "absolute error": {"objective": "reg:absoluteerror"},
    "gamma": {"objective": "reg:gamma"},
    "poisson": {"objective": "count:poisson"},
    "cox": {"objective": "survival:cox"},
    "three classes": {"objective": "multi:softprob", "num_class": 3},
    "the likeliest class": {"objective": "multi:softmax", "num_class": 3, "num_parallel_tree": 2},
    "forest": {"num_parallel_tree": 4, "subsample": 0.6, "n_rounds": 3},
}


@pytest.mark.parametrize("name", MODELS)
def test_predictions_and_contributions_are_xgboosts_own(name: str) -> None:
    booster = trained(**dict(MODELS[name]))
    rows, explainer = odd_rows(), trees.Explainer(trees.load(booster))
    data = matrix(rows)
    theirs = booster.predict(data, output_margin=True)
    np.testing.assert_allclose(explainer.predict_margin(rows), theirs, rtol=0, atol=FLOAT32_SUMS)
    np.testing.assert_allclose(explainer.predict(rows), booster.predict(data), rtol=1e-5, atol=1e-6)
    explained = explainer.shap_values(rows)
    contributions = booster.predict(data, pred_contribs=True).reshape(len(rows), -1, N_FEATURES + 1)
    values = np.moveaxis(contributions[:, :, :-1], 1, 2).reshape(explained.values.shape)
    np.testing.assert_allclose(explained.values, values, rtol=0, atol=FLOAT32_SUMS)
    np.testing.assert_allclose(
        explained.base_values, contributions[:, :, -1].reshape(explained.base_values.shape), atol=FLOAT32_SUMS
    )


@pytest.mark.parametrize("name", ["logistic", "dart", "three classes"])
def test_interactions_are_xgboosts_own(name: str) -> None:
    booster = trained(**dict(MODELS[name]))
    rows = odd_rows()[:30]
    ours = trees.Explainer(trees.load(booster)).interaction_values(rows).values
    theirs = booster.predict(matrix(rows), pred_interactions=True)
    theirs = theirs.reshape(len(rows), -1, N_FEATURES + 1, N_FEATURES + 1)[:, :, :-1, :-1]
    np.testing.assert_allclose(ours, np.moveaxis(theirs, 1, 3).reshape(ours.shape), rtol=0, atol=FLOAT32_SUMS)


@pytest.mark.parametrize("suffix", ["json", "ubj"])
def test_files_of_both_formats_load_alike(suffix: str, tmp_path: pathlib.Path) -> None:
    booster = trained(booster="dart", rate_drop=0.3, n_rounds=5)
    path = tmp_path / f"model.{suffix}"
    booster.save_model(path)
    rows = odd_rows()
    from_file = trees.Explainer(trees.load(path)).predict_margin(rows)
    assert np.array_equal(from_file, trees.Explainer(trees.load(booster)).predict_margin(rows))


def test_ubj_and_json_hold_the_same_document() -> None:
    booster = trained(n_rounds=2)
    document = ubj.loads(bytes(booster.save_raw("ubj")))
    assert isinstance(document, dict)
    plain = json.loads(json.dumps(document, default=lambda array: array.tolist()))
    text = json.loads(bytes(booster.save_raw("json")))
    assert plain["learner"]["learner_model_param"] == text["learner"]["learner_model_param"]
    tree, other = (each["learner"]["gradient_booster"]["model"]["trees"][0] for each in (plain, text))
    assert tree["split_indices"] == other["split_indices"]
    assert np.float32(tree["split_conditions"]).tolist() == np.float32(other["split_conditions"]).tolist()


def test_a_pruned_model_keeps_only_the_nodes_in_use() -> None:
    rows, score = training_rows()
    data = xgboost.DMatrix(rows, (score > 0.3).astype(float), nthread=1)
    booster = xgboost.train(
        {"gamma": 5, "tree_method": "exact", "nthread": 1, "objective": "binary:logistic"}, data, 10
    )
    ours = trees.Explainer(trees.load(booster)).predict_margin(rows)
    theirs = booster.predict(xgboost.DMatrix(rows, nthread=1), output_margin=True)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=FLOAT32_SUMS)


@pytest.mark.parametrize("stored", ["5E-1", "[5E-1]", "0.5", "[5E-1,5E-1]"])
def test_base_scores_of_every_release_are_read(stored: str) -> None:
    document = json.loads(bytes(trained(n_rounds=1).save_raw("json")))
    parameters = document["learner"]["learner_model_param"]
    parameters["base_score"] = stored
    parameters["num_target"] = str(stored.count(",") + 1)
    assert set(reader.from_document(document).base_scores) == {0.0}


def test_the_linear_booster_is_refused() -> None:
    rows, score = training_rows()
    data = xgboost.DMatrix(np.nan_to_num(rows), score)
    booster = xgboost.train({"booster": "gblinear", "nthread": 1}, data, 2)
    with pytest.raises(trees.ModelUnsupported, match="gblinear"):
        trees.load(booster)


def test_vector_leaves_are_refused() -> None:
    rows, score = training_rows()
    data = xgboost.DMatrix(rows, np.column_stack([score, -score]), nthread=1)
    booster = xgboost.train(
        {"multi_strategy": "multi_output_tree", "nthread": 1, "tree_method": "hist"}, data, 2
    )
    with pytest.raises(trees.ModelUnsupported, match="one_output_per_tree"):
        trees.load(booster)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_model_that_was_cut_off_is_refused(share: float) -> None:
    booster = trained(n_rounds=2)
    for raw_format in ("ubj", "json"):
        data = bytes(booster.save_raw(raw_format))
        with pytest.raises(trees.ModelUnreadable):
            trees.load(data[: int(len(data) * share)])


def test_every_damaged_byte_gives_a_model_or_a_named_error() -> None:
    data = bytearray(trained(n_rounds=1).save_raw("ubj"))
    random = np.random.default_rng(3)
    for position in random.integers(1, len(data), 400):
        damaged = bytearray(data)
        damaged[position] = random.integers(0, 256)
        try:
            trees.load(bytes(damaged))
        except trees.TreesError:
            continue


def test_nonsense_in_a_well_formed_document_is_refused() -> None:
    document = json.loads(bytes(trained(n_rounds=1).save_raw("json")))
    document["learner"]["gradient_booster"]["model"]["tree_info"] = ["first"]
    with pytest.raises(trees.ModelUnreadable):
        reader.from_document(document)


def test_a_pickle_is_refused_unread() -> None:
    with pytest.raises(trees.ModelUnsupported, match="pickled"):
        trees.load(b"\x80\x04\x95\x00")


def test_anything_else_is_refused() -> None:
    with pytest.raises(trees.ModelUnreadable):
        trees.load(b"\xff\xfe\x00")
    with pytest.raises(trees.ModelUnreadable):
        trees.load("{}")
    with pytest.raises(trees.ModelUnsupported, match="object"):
        trees.load(object())  # type: ignore[arg-type]  # what a caller without types may do
