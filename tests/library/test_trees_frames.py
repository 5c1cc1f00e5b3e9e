"""Data frames whose columns are categories, and what rows that do not fit are told."""

from __future__ import annotations

import datetime
import decimal
import functools
import json
from typing import Any

import catboost
import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn import ensemble as forests

from glasskit import trees
from glasskit.trees import rows, ubj
from glasskit.trees import xgboost as xgboost_reader

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@functools.cache
def frame() -> pd.DataFrame:
    random = np.random.default_rng(0)
    drawn = pd.DataFrame(
        {
            "loan amount": random.normal(size=500),
            "colour": pd.Categorical(random.choice(["red", "green", "été"], 500)),
            "constant": pd.Categorical(["k"] * 500),
            "rooms": pd.Categorical(random.choice([10, 20, 30], 500)),
            "owner": pd.Categorical(random.choice([True, False], 500)),
        }
    )
    drawn.loc[:20, "colour"] = np.nan
    return drawn


def target() -> np.ndarray:
    given = frame()
    effect = (given.colour == "red") + 1.5 * (given.rooms == 20) + given["loan amount"] * given.owner.eq(True)
    return effect.to_numpy(dtype=float) + np.random.default_rng(1).normal(size=500) * 0.1


def of_lightgbm() -> lightgbm.Booster:
    settings = {
        "objective": "regression",
        "verbose": -1,
        "min_data_per_group": 1,
        "cat_smooth": 1,
        "num_threads": 1,
    }
    return lightgbm.train(settings, lightgbm.Dataset(frame(), target()), 8)


def with_other_codes(given: pd.DataFrame) -> pd.DataFrame:
    """The same values, but coded in another order."""
    turned = given.copy()
    for name in ("colour", "rooms"):
        turned[name] = pd.Categorical(given[name].tolist(), categories=[*given[name].cat.categories[::-1]])
    return turned


def test_categories_of_lightgbms_data_frames_are_known_by_their_values() -> None:
    booster, given = of_lightgbm(), frame()
    explainer = trees.Explainer(trees.load(booster))
    assert explainer.feature_names[0] == "loan_amount"
    expected = booster.predict(given)
    assert np.array_equal(explainer.predict(given), expected)
    assert np.array_equal(explainer.predict(with_other_codes(given)), expected)
    as_texts = given.assign(colour=given.colour.astype(object))
    assert np.array_equal(explainer.predict(as_texts), expected)
    explained = explainer.shap_values(given.iloc[30:40])
    assert explained.data[:, 1].tolist() == given.colour.iloc[30:40].tolist()
    again = trees.Explainer(trees.load(trees.portable.to_bytes(explainer.ensemble)))
    assert np.array_equal(again.predict(given), expected)


def test_a_category_lightgbm_has_not_seen_counts_as_missing() -> None:
    booster, given = of_lightgbm(), frame()[:30].assign(colour=pd.Categorical(["violet"] * 30))
    assert np.array_equal(trees.Explainer(trees.load(booster)).predict(given), booster.predict(given))


def test_numbers_that_could_be_codes_or_values_are_refused() -> None:
    explainer = trees.Explainer(trees.load(of_lightgbm()))
    with pytest.raises(trees.BadInput, match=r"Column 'rooms' holds numbers.*\[10, 20, 30\]"):
        explainer.predict(frame().assign(rooms=20))
    codes = frame().apply(lambda column: column.cat.codes if column.dtype == "category" else column)
    codes["colour"] = codes["colour"].astype(float).replace(-1.0, np.nan)
    assert np.array_equal(explainer.predict(codes.to_numpy(dtype=float)), explainer.predict(frame()))


def test_where_lightgbm_does_not_say_which_columns_its_lists_belong_to_codes_are_asked_for() -> None:
    given = frame()[["loan amount", "colour"]].assign(floor=np.arange(500) % 5)
    data = lightgbm.Dataset(given, target(), categorical_feature=["colour", "floor"])
    booster = lightgbm.train({"objective": "regression", "verbose": -1, "min_data_per_group": 1}, data, 3)
    explainer = trees.Explainer(trees.load(booster))
    with pytest.raises(trees.BadInput, match="Column 'colour' has the type category"):
        explainer.predict(given)
    codes = given.assign(colour=given.colour.cat.codes.astype(float).replace(-1.0, np.nan))
    assert np.array_equal(explainer.predict(codes), booster.predict(given))


def of_xgboost(given: pd.DataFrame) -> xgboost.Booster:
    data = xgboost.DMatrix(given, target(), enable_categorical=True, nthread=1)
    return xgboost.train({"max_depth": 4, "nthread": 1}, data, 8)


def in_ascii() -> pd.DataFrame:
    return (
        frame().assign(colour=frame().colour.cat.rename_categories({"été": "summer"})).drop(columns="owner")
    )


def test_texts_that_xgboost_damages_are_asked_for_as_codes() -> None:
    given = frame().drop(columns="owner")
    explainer = trees.Explainer(trees.load(of_xgboost(given)))
    with pytest.raises(trees.BadInput, match="Column 'colour' has the type category"):
        explainer.predict(given)


@pytest.mark.parametrize("raw_format", ["ubj", "json"])
def test_categories_of_xgboosts_data_frames_are_known_by_their_values(raw_format: str) -> None:
    given = in_ascii()
    booster = of_xgboost(given)
    explainer = trees.Explainer(trees.load(bytes(booster.save_raw(raw_format))))
    for asked in (given, with_other_codes(given)):
        theirs = booster.predict(xgboost.DMatrix(asked, enable_categorical=True, nthread=1))
        np.testing.assert_allclose(explainer.predict(asked), theirs, rtol=0, atol=1e-5)
    with pytest.raises(
        trees.BadInput, match="Column 'colour', row 0: the model has not seen the category 'violet'"
    ):
        explainer.predict(given.assign(colour=pd.Categorical(["violet"] * 500)))


def test_where_the_model_keeps_no_categories_their_codes_are_asked_for() -> None:
    document = ubj.loads(bytes(of_xgboost(frame().drop(columns="owner")).save_raw("ubj")))
    assert isinstance(document, dict)
    del document["learner"]["gradient_booster"]["model"]["cats"]  # as before XGBoost 3.1
    explainer = trees.Explainer(xgboost_reader.from_document(document))
    with pytest.raises(trees.BadInput, match="Column 'colour' has the type category"):
        explainer.predict(frame())


def test_histogram_boosting_takes_a_categorys_values() -> None:
    given = frame()[["loan amount", "rooms"]]
    model = forests.HistGradientBoostingRegressor(categorical_features="from_dtype", max_iter=10).fit(
        given, target()
    )
    ours = trees.Explainer(trees.load(model)).predict(given)
    np.testing.assert_allclose(ours, model.predict(given), rtol=1e-12)
    texts = forests.HistGradientBoostingRegressor(categorical_features="from_dtype", max_iter=2)
    with pytest.raises(trees.ModelUnsupported, match="Encode them first"):
        trees.load(texts.fit(frame()[["loan amount", "colour"]], target()))


@pytest.mark.parametrize("numbers", ["[2E-1,-1E-1,3E-1]", "[5E-1,5E-1,5E-1]"])
def test_a_base_score_for_every_class_is_read(numbers: str) -> None:
    random = np.random.default_rng(0)
    drawn = random.normal(size=(200, 3))
    labels = np.digitize(drawn[:, 0], [-0.5, 0.5])
    data = xgboost.DMatrix(drawn, labels, nthread=1)
    booster = xgboost.train({"objective": "multi:softprob", "num_class": 3, "nthread": 1}, data, 3)
    document = json.loads(bytes(booster.save_raw("json")))
    document["learner"]["learner_model_param"]["base_score"] = numbers
    changed = xgboost.Booster(model_file=bytearray(json.dumps(document), "utf-8"))
    ours = trees.Explainer(xgboost_reader.from_document(document)).predict_margin(drawn)
    np.testing.assert_allclose(ours, changed.predict(data, output_margin=True), rtol=0, atol=5e-6)


NAMES = ("age", "income")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (
            {"age": [decimal.Decimal("NaN"), 10**400, "x"], "income": [0] * 3},
            "'age', row 1: 1000.* is too large",
        ),
        (
            {"age": [1, 2], "income": [3, "7.5"]},
            r"'income', row 1: '7\.5' is not a number\. It is a text that reads",
        ),
        ({"age": [1, 2], "income": [[1], 2]}, r"'income', row 0: \[1\] is not a number"),
        ({"age": [1], "income": [datetime.date(2026, 1, 1)]}, "'income', row 0: datetime.date"),
        ({"age": [1], "income": pd.to_datetime(["2026-01-01"])}, "'income' holds dates or durations"),
        ({"age": [1], "income": [1 + 2j]}, "'income', row 0: .* is not a number"),
    ],
)
def test_what_is_no_number_is_named_by_column_and_row(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(trees.BadInput, match=reason):
        rows.matrix(
            pd.DataFrame({name: pd.Series(column, dtype=dtype(column)) for name, column in given.items()}),
            NAMES,
        )


def dtype(column: Any) -> Any:
    return object if isinstance(column, list) and any(isinstance(value, str) for value in column) else None


def test_numbers_of_every_type_are_read() -> None:
    mixed = [np.float32(0.5), np.int64(2), decimal.Decimal("2.5"), True, None, pd.NA, np.bool_(False), 7]
    given = pd.DataFrame({"age": np.array(mixed, dtype=object), "income": range(8)})
    expected = [0.5, 2.0, 2.5, 1.0, np.nan, np.nan, 0.0, 7.0]
    np.testing.assert_array_equal(rows.matrix(given, NAMES)[:, 0], expected)


def test_a_column_named_twice_is_refused() -> None:
    twice = pd.DataFrame([[1, 2, 3]], columns=["age", "income", "age"])
    with pytest.raises(trees.BadInput, match="2 columns named 'age'"):
        rows.matrix(twice, NAMES)


@pytest.mark.parametrize("nothing", [[], None, 5, "age"])
def test_what_is_no_table_is_refused(nothing: Any) -> None:
    with pytest.raises(trees.BadInput, match="table of rows and columns"):
        rows.matrix(nothing, NAMES)


def test_no_rows_get_no_explanations() -> None:
    explainer = trees.Explainer(trees.load(of_lightgbm()))
    assert explainer.shap_values(frame()[:0]).values.shape == (0, 5)
    assert explainer.predict(np.empty((0, 5))).shape == (0,)
    assert trees.Explainer(explainer.ensemble, frame()[:3]).interaction_values(frame()[:0]).values.shape == (
        0,
        5,
        5,
    )


def test_among_a_million_columns_the_absent_one_is_named() -> None:
    wide = pd.DataFrame(np.zeros((1, 1_000_000)), columns=[f"c{index}" for index in range(1_000_000)])
    with pytest.raises(trees.BadInput, match=r"lack the model's column 'age' \(2 missing in all\)"):
        rows.matrix(wide, NAMES)
    with pytest.raises(trees.BadInput, match="has 2 features, but the rows have 1000000 columns"):
        rows.matrix(wide.to_numpy(), NAMES)
    assert rows.matrix(wide, ("c999999", "c0")).tolist() == [[0.0, 0.0]]


def test_a_model_with_thresholds_that_are_no_numbers_is_refused_by_tree_and_node() -> None:
    lines = of_lightgbm().model_to_string().split("\n")
    at = [number for number, line in enumerate(lines) if line.startswith("threshold=")][2]
    words = lines[at].split("=")[1].split(" ")
    decisions = (
        next(line for line in lines[at:] if line.startswith("decision_type=")).split("=")[1].split(" ")
    )
    node = next(index for index, decision in enumerate(decisions) if not int(decision) & 1)
    lines[at] = "threshold=" + " ".join("nan" if index == node else word for index, word in enumerate(words))
    with pytest.raises(
        trees.ModelUnreadable, match=rf"tree 2: the threshold of its node {node}, .* is not a number"
    ):
        trees.load("\n".join(lines))
    document = json.loads(bytes(of_xgboost(frame()[["loan amount"]]).save_raw("json")))
    document["learner"]["gradient_booster"]["model"]["trees"][1]["split_conditions"][0] = float("nan")
    with pytest.raises(
        trees.ModelUnreadable, match="tree 1: the threshold of its node 0, which asks for feature 0"
    ):
        trees.load(json.dumps(document))


def test_a_catboost_border_that_is_no_number_is_refused(tmp_path: Any) -> None:
    model = catboost.CatBoostRegressor(iterations=2, depth=2, verbose=0, allow_writing_files=False)
    model.fit(frame()[["loan amount"]], target()).save_model(str(tmp_path / "model.json"), format="json")
    document = json.loads((tmp_path / "model.json").read_text())
    document["oblivious_trees"][1]["splits"][0]["border"] = float("nan")
    with pytest.raises(trees.ModelUnreadable, match="tree 1: the threshold"):
        trees.load(json.dumps(document))


def test_a_model_of_a_million_features_is_explained() -> None:
    stump = trees.Tree(
        feature=[999_999, -1, -1], test=[0] * 3, threshold=[0.5, 0, 0], missing=[2] * 3, default_left=[True] * 3,
        left=[1, -1, -1], right=[2, -1, -1], value=[0, 1, 2], cover=[2, 1, 1],
    )  # fmt: skip
    names = tuple(f"c{index}" for index in range(1_000_000))
    explainer = trees.Explainer(trees.Ensemble(trees=(stump,), feature_names=names))
    explained = explainer.shap_values(np.zeros((2, 1_000_000)))
    assert explained.values[:, -1].tolist() == [-0.5, -0.5]


def test_sets_of_enormous_categories_are_refused_before_they_take_the_memory() -> None:
    asks = trees.Tree(
        feature=[0, -1, -1], test=[2, 0, 0], threshold=[0] * 3, missing=[2] * 3, default_left=[True] * 3,
        left=[1, -1, -1], right=[2, -1, -1], value=[0, 1, 2], cover=[2, 1, 1], categories={0: frozenset({16_000_000})},
    )  # fmt: skip
    with pytest.raises(trees.ModelUnsupported, match="MiB of tables"):
        trees.Explainer(trees.Ensemble(trees=(asks,) * 100, feature_names=("a",)))


@pytest.mark.parametrize("library", ["lightgbm", "xgboost", "catboost"])
def test_after_early_stopping_the_trees_are_those_the_estimator_predicts_with(library: str) -> None:
    random = np.random.default_rng(0)
    drawn, labels = random.normal(size=(400, 3)), random.integers(0, 2, 400)
    held_out = [(random.normal(size=(200, 3)), random.integers(0, 2, 200))]
    if library == "lightgbm":
        stop = lightgbm.early_stopping(3, verbose=False)
        model = lightgbm.LGBMClassifier(n_estimators=60, verbose=-1, n_jobs=1)
        model.fit(drawn, labels, eval_set=held_out, callbacks=[stop])
    elif library == "xgboost":
        model = xgboost.XGBClassifier(n_estimators=60, early_stopping_rounds=3, n_jobs=1)
        model.fit(drawn, labels, eval_set=held_out, verbose=False)
        assert trees.load(model.get_booster()).trees[len(trees.load(model).trees) :]
    else:
        model = catboost.CatBoostClassifier(
            iterations=60, verbose=0, allow_writing_files=False, thread_count=1
        )
        model.fit(drawn, labels, eval_set=held_out, early_stopping_rounds=3)
    ensemble = trees.load(model)
    assert len(ensemble.trees) < 60
    predicted = trees.Explainer(ensemble).predict(drawn)
    np.testing.assert_allclose(predicted, model.predict_proba(drawn)[:, 1], rtol=0, atol=1e-6)
