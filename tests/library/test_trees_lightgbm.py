"""LightGBM models: the same bits as LightGBM predicts, the same SHAP values as it contributes."""

from __future__ import annotations

import functools

import lightgbm
import numpy as np
import pandas as pd
import pytest

from glasskit import trees
from tests.library import tree_games

pytestmark = pytest.mark.slow

N_FEATURES = 8
CATEGORY = 3
ODD_CATEGORIES = [
    -1,
    -0.5,
    0.5,
    1.5,
    39.9,
    40,
    41,
    100,
    1e9,
    1e12,
    np.inf,
    -np.inf,
    np.nan,
    2**31,
    -(2**31),
    31.5,
    32,
    63,
]
ODD_NUMBERS = [np.inf, -np.inf, 0.0, -0.0, 1e-36, -1e-36, 1e-300, 1e300, np.nan]


@functools.cache
def training_rows() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    rows = random.normal(size=(1500, N_FEATURES))
    rows[:, CATEGORY] = random.integers(0, 40, len(rows))
    rows[:, 5] = np.where(random.random(len(rows)) < 0.5, 0.0, rows[:, 5])
    rows[random.random(rows.shape) < 0.1] = np.nan
    score = np.nan_to_num(rows[:, 0]) * np.nan_to_num(rows[:, 1]) + np.isin(rows[:, CATEGORY], [1, 4, 17, 33])
    return rows, score + random.normal(size=len(rows))


def odd_rows() -> np.ndarray:
    rows = training_rows()[0][:120].copy()
    rows[: len(ODD_CATEGORIES), CATEGORY] = ODD_CATEGORIES
    rows[: len(ODD_NUMBERS), 0] = ODD_NUMBERS
    rows[: len(ODD_NUMBERS), 5] = ODD_NUMBERS
    return rows


def trained(*, n_trees: int = 30, **parameters: object) -> lightgbm.Booster:
    rows, score = training_rows()
    objective = str(parameters.get("objective", "binary"))
    labels = {
        "binary": score > 0.3,
        "cross_entropy": score > 0.3,
        "poisson": np.floor(np.abs(score)),
        "tweedie": np.abs(score),
        "multiclass": np.digitize(score, [-0.5, 0.8]),
        "multiclassova": np.digitize(score, [-0.5, 0.8]),
    }.get(objective, score)
    settings = {"objective": "binary", "verbose": -1, "num_leaves": 20, "max_depth": 6, "num_threads": 1}
    settings |= {"min_data_per_group": 5, "cat_smooth": 1, "deterministic": True} | parameters
    data = lightgbm.Dataset(rows, labels.astype(float), categorical_feature=[CATEGORY])
    return lightgbm.train(settings, data, n_trees)


MODELS: dict[str, dict[str, object]] = {
    "gbdt": {},
    "dart": {"boosting": "dart"},
    "zero as missing": {"zero_as_missing": True},
    "no missing": {"use_missing": False},
    "one-hot categories": {"max_cat_to_onehot": 64},
    "sigmoid scale": {"sigmoid": 1.7},
    "regression": {"objective": "regression"},
    "regression of the root": {"objective": "regression", "reg_sqrt": True},
    "poisson": {"objective": "poisson"},
    "tweedie": {"objective": "tweedie"},
    "quantile": {"objective": "quantile"},
    "cross entropy": {"objective": "cross_entropy"},
    "multiclass": {"objective": "multiclass", "num_class": 3},
    "one against all": {"objective": "multiclassova", "num_class": 3},
    "stumps that cannot split": {"min_data_in_leaf": 100_000},
}


@pytest.mark.parametrize("name", MODELS)
def test_raw_scores_are_lightgbms_own_bit_for_bit(name: str) -> None:
    booster = trained(**MODELS[name])
    rows = odd_rows()
    explainer = trees.Explainer(trees.load(booster))
    assert np.array_equal(explainer.predict_margin(rows), booster.predict(rows, raw_score=True))
    np.testing.assert_allclose(explainer.predict(rows), booster.predict(rows), rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("name", [name for name in MODELS if "cannot" not in name])
def test_shap_values_are_lightgbms_contributions(name: str) -> None:
    booster = trained(**MODELS[name])
    rows = odd_rows()
    explained = trees.Explainer(trees.load(booster)).shap_values(rows)
    theirs = booster.predict(rows, pred_contrib=True).reshape(len(rows), -1, N_FEATURES + 1)
    values, bases = np.moveaxis(theirs[:, :, :-1], 1, 2), theirs[:, :, -1]
    np.testing.assert_allclose(explained.values, values.reshape(explained.values.shape), rtol=0, atol=1e-11)
    np.testing.assert_allclose(explained.base_values, bases.reshape(explained.base_values.shape), atol=1e-12)


def test_a_random_forest_averages_its_trees() -> None:
    booster = trained(boosting="rf", bagging_freq=1, bagging_fraction=0.6, n_trees=12)
    rows = odd_rows()
    explainer = trees.Explainer(trees.load(booster))
    np.testing.assert_allclose(explainer.predict(rows), booster.predict(rows), rtol=1e-14)
    np.testing.assert_allclose(
        explainer.shap_values(rows).values, booster.predict(rows, pred_contrib=True)[:, :-1] / 12, atol=1e-12
    )


def test_interactions_on_native_categories_equal_enumeration() -> None:
    """The shap package is silently wrong here, so the definition itself is the judge."""
    rows, score = training_rows()
    data = lightgbm.Dataset(rows[:, :4], (score > 0.3).astype(float), categorical_feature=[CATEGORY])
    settings = {
        "objective": "binary",
        "verbose": -1,
        "num_leaves": 12,
        "min_data_per_group": 5,
        "num_threads": 1,
    }
    ensemble = trees.load(lightgbm.train(settings, data, 4))
    sample = odd_rows()[:12, :4]
    values = trees.Explainer(ensemble).interaction_values(sample).values
    for row, ours in zip(sample, values, strict=True):
        worth = tree_games.game(ensemble, row, 0)
        np.testing.assert_allclose(ours, tree_games.shapley_interactions(worth), rtol=0, atol=1e-12)


def test_interactions_on_native_categories_add_up() -> None:
    explainer = trees.Explainer(trees.load(trained()))
    rows = odd_rows()[:40]
    values = explainer.interaction_values(rows).values
    np.testing.assert_allclose(values.sum(axis=2), explainer.shap_values(rows).values, rtol=0, atol=1e-12)


@pytest.mark.filterwarnings("ignore")
def test_numeric_models_agree_with_the_shap_package() -> None:
    import shap

    rows, score = training_rows()
    data = lightgbm.Dataset(rows, (score > 0.3).astype(float))
    settings = {"objective": "binary", "verbose": -1, "num_leaves": 15, "num_threads": 1}
    booster = lightgbm.train(settings, data, 20)
    theirs, ours = shap.TreeExplainer(booster), trees.Explainer(trees.load(booster))
    sample = rows[:60]
    values = ours.shap_values(sample).values
    np.testing.assert_allclose(values, np.asarray(theirs.shap_values(sample)), rtol=0, atol=1e-10)
    np.testing.assert_allclose(
        ours.interaction_values(sample).values,
        np.asarray(theirs.shap_interaction_values(sample)),
        rtol=0,
        atol=1e-8,
    )


def test_a_data_frames_columns_are_found_by_the_models_names() -> None:
    frame = pd.DataFrame({"income": [1.0, 2, 3, 4] * 20, "age": [5.0, 6, 7, 8] * 20})
    data = lightgbm.Dataset(frame, frame["income"] > 2)
    booster = lightgbm.train({"objective": "binary", "verbose": -1, "min_data_in_leaf": 1}, data, 3)
    explainer = trees.Explainer(trees.load(booster.model_to_string()))
    assert explainer.feature_names == ("income", "age")
    swapped = explainer.predict_margin(frame[["age", "income"]])
    assert np.array_equal(swapped, booster.predict(frame, raw_score=True))


def test_linear_trees_are_refused_with_the_way_out() -> None:
    random = np.random.default_rng(1)
    rows = random.normal(size=(300, 2))
    data = lightgbm.Dataset(rows, rows[:, 0], params={"linear_tree": True, "verbose": -1})
    booster = lightgbm.train({"objective": "regression", "linear_tree": True, "verbose": -1}, data, 2)
    with pytest.raises(trees.ModelUnsupported, match="linear_tree=false"):
        trees.load(booster)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("end of trees", "", "cut off"),
        ("leaf_value=", "leaf_value=x ", "not a number"),
        ("threshold=", "threshold=1 ", "entries instead of"),
        ("feature_names=", "names=", "feature_names"),
        ("left_child=", "left_child=999 ", "entries instead of"),
    ],
)
def test_a_damaged_model_is_refused(old: str, new: str, reason: str) -> None:
    text = trained(n_trees=2).model_to_string()
    damaged = text.replace(old, new, 1)
    with pytest.raises(trees.ModelUnreadable, match=reason):
        trees.load(damaged)


def test_a_missing_category_set_is_refused() -> None:
    lines = trained(n_trees=2).model_to_string().split("\n")
    damaged = ["cat_boundaries=0" if line.startswith("cat_boundaries=") else line for line in lines]
    with pytest.raises(trees.ModelUnreadable, match="no category set"):
        trees.load("\n".join(damaged))


def test_every_damaged_character_gives_a_model_or_a_named_error() -> None:
    text = trained(n_trees=1).model_to_string().split("feature_importances")[0]
    random = np.random.default_rng(3)
    for position in random.integers(1, len(text), 300):
        damaged = text[:position] + chr(random.integers(32, 127)) + text[position + 1 :]
        try:
            trees.load(damaged)
        except trees.TreesError:
            continue


def test_an_unknown_objective_is_refused_by_name() -> None:
    text = trained(n_trees=1).model_to_string().replace("objective=binary sigmoid:1", "objective=novel")
    with pytest.raises(trees.ModelUnsupported, match="'novel'"):
        trees.load(text)
