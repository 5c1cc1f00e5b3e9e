"""One Explainer for every model; its explanations are what shap's plots take."""

from __future__ import annotations

import subprocess
import sys

import lightgbm
import numpy as np
import pandas as pd
import pytest
import shap
import xgboost
from sklearn import compose, linear_model, pipeline, preprocessing

import glasskit
from glasskit import explain, trees

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(80, 4))
Y = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int)
FRAME = pd.DataFrame(X, columns=["age", "job__a", "job__b", "income"])
GROUPS = {"job": ["job__a", "job__b"]}
ROUGH = {"n_estimators": 5, "max_depth": 3, "n_jobs": 1}


def booster() -> lightgbm.Booster:
    return lightgbm.LGBMClassifier(**ROUGH, min_child_samples=2, verbose=-1).fit(FRAME, Y).booster_


@pytest.mark.slow
def test_trees_are_explained_exactly_whatever_holds_them() -> None:
    gradient = xgboost.XGBClassifier(**ROUGH).fit(FRAME, Y)
    leaves = lightgbm.LGBMClassifier(**ROUGH, min_child_samples=2, verbose=-1).fit(FRAME, Y)
    for model, source in ((gradient, gradient.get_booster()), (leaves, leaves.booster_)):
        expected = trees.Explainer(trees.load(source)).shap_values(FRAME)
        explainer = glasskit.Explainer(model)
        assert explainer.is_exact
        assert np.array_equal(explainer(FRAME).values, expected.values)


def test_feature_groups_sum() -> None:
    explainer = glasskit.Explainer(booster(), feature_groups=GROUPS)
    plain = glasskit.Explainer(booster())(FRAME)
    explanation = explainer(FRAME)
    assert explanation.feature_names == ("age", "job", "income")
    assert explanation.values[:, 1] == pytest.approx(plain.values[:, 1] + plain.values[:, 2])
    pairs = explainer.interactions(FRAME)
    assert pairs.values.sum(axis=2) == pytest.approx(explanation.values, abs=1e-9)


def test_other_models_are_asked() -> None:
    model = linear_model.LogisticRegression().fit(X, Y)
    explainer = glasskit.Explainer(model, FRAME, GROUPS, space="log-odds")
    explanation = explainer(FRAME[:3])
    assert not explainer.is_exact
    effects = (X[:3] - X.mean(axis=0)) * model.coef_[0]
    assert explanation.values[:, [0, 2]] == pytest.approx(effects[:, [0, 3]])
    assert explanation.values[:, 1] == pytest.approx(effects[:, 1] + effects[:, 2])
    pairs = explainer.interactions(FRAME[:3])
    assert pairs.values.sum(axis=2) == pytest.approx(explanation.values)


def test_a_function_is_explained_and_its_errors_are_told() -> None:
    explainer = glasskit.Explainer(lambda rows: rows @ np.arange(4.0), X, method="permutation")
    sampled = explainer.sampled(X[:2])
    assert sampled.explanation.feature_names == ("feature_0", "feature_1", "feature_2", "feature_3")
    assert sampled.explanation.values == pytest.approx((X[:2] - X.mean(axis=0)) * np.arange(4.0))


def test_a_pipeline_over_a_frame_with_texts_is_asked_with_frames() -> None:
    frame = FRAME.assign(town=["north", "south", "east", "west"] * 20, rooms=np.arange(80) % 5)
    coded = compose.make_column_transformer(
        (preprocessing.OneHotEncoder(), ["town"]), (preprocessing.StandardScaler(), ["age", "rooms"])
    )
    model = pipeline.make_pipeline(coded, linear_model.LogisticRegression()).fit(frame, Y)
    explainer = glasskit.Explainer(model, frame[:20], GROUPS, space="log-odds")
    explanation = explainer(frame[:6])
    assert explanation.feature_names == ("age", "job", "income", "town", "rooms")
    assert explanation.data[:4, 3].tolist() == ["north", "south", "east", "west"]
    assert not explanation.values[:, 1:3].any()
    margin = model.decision_function(frame[:6])
    assert explanation.base_values + explanation.values.sum(axis=1) == pytest.approx(margin)
    weights = model[-1].coef_[0]
    towns = dict(zip(["east", "north", "south", "west"], weights[:4], strict=True))
    mean = np.mean([towns[town] for town in frame["town"][:20]])
    assert explanation.values[:, 3] == pytest.approx([towns[town] - mean for town in frame["town"][:6]])
    with pytest.raises(ValueError, match="must be one too"):
        explainer(X[:2])


def test_a_category_that_the_frames_type_lacks_is_named() -> None:
    frame = FRAME.assign(town=pd.Categorical(["north", "south"] * 40))
    explainer = glasskit.Explainer(lambda rows: (rows["town"] == "north") * 1.0, frame)
    assert explainer(frame[:1]).values[0] == pytest.approx([0, 0, 0, 0, 0.5])
    with pytest.raises(ValueError, match="column 'town', row 0: 'west' is no category"):
        explainer(frame[:1].assign(town="west"))


def test_what_cannot_be_explained_is_said() -> None:
    with pytest.raises(ValueError, match="feature_groups is '__'; it must map groups to their columns"):
        glasskit.Explainer(booster(), feature_groups="__")  # type: ignore[arg-type]  # what a user may try
    with pytest.raises(ValueError, match="background"):
        glasskit.Explainer(lambda rows: rows[:, 0])
    with pytest.raises(trees.TreesError):
        glasskit.Explainer(object())
    with pytest.raises(ValueError, match="'nobody'"):
        glasskit.Explainer(lambda rows: rows[:, 0], X, {"g": ["nobody"]})
    with pytest.raises(ValueError, match="'job__a'"):
        glasskit.Explainer(lambda rows: rows[:, 0], FRAME)(FRAME[["age"]])


def test_an_explanation_is_also_one_of_shaps() -> None:
    explanation = glasskit.Explainer(booster())(FRAME)
    assert isinstance(explanation, explain.Explanation)
    assert isinstance(explanation, shap.Explanation)
    assert explanation.shape == (80, 4)
    assert np.array_equal(explanation[3].values, explanation.values[3])
    assert np.array_equal(explanation[:, "age"].data, X[:, 0])
    assert np.array_equal(explanation.abs.mean(0).values, np.abs(explanation.values).mean(axis=0))
    assert explanation.described({"age": "In years."}).descriptions == {"age": "In years."}
    assert explain.grouped.by_mapping(explanation, {"job__a": "job", "job__b": "job"}).values.shape == (80, 3)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("plot", ["bar", "beeswarm", "heatmap", "waterfall", "scatter", "violin"])
def test_shaps_plots_take_an_explanation(plot: str) -> None:
    matplotlib = pytest.importorskip("matplotlib", reason="shap draws with matplotlib")
    matplotlib.use("Agg")
    explanation = glasskit.Explainer(booster())(FRAME)
    given = {"waterfall": lambda: explanation[0], "scatter": lambda: explanation[:, "age"]}
    getattr(shap.plots, plot)(given.get(plot, lambda: explanation)(), show=False)


@pytest.mark.slow
def test_the_library_starts_without_the_explainers() -> None:
    code = "import glasskit, sys; print('glasskit.explainers' in sys.modules, hasattr(glasskit, 'Explainer'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
