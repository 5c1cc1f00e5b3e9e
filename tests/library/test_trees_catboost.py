"""CatBoost models: the same bits as CatBoost predicts, and SHAP values that are the definition's."""

from __future__ import annotations

import functools
import json
import pathlib
from typing import Any

import catboost
import numpy as np
import pandas as pd
import pytest

from glasskit import trees
from glasskit.trees import catboost as reader
from glasskit.trees import portable, texts
from tests.library import tree_games

pytestmark = pytest.mark.slow

ROUGH = {"iterations": 25, "depth": 4, "verbose": 0, "allow_writing_files": False, "thread_count": 1}
POLICIES = ("SymmetricTree", "Depthwise", "Lossguide")
COLOURS = (
    "red",
    "green",
    "",
    "abcd",
    "12345678",
    "été",
    "a somewhat longer text",
    "x" * 40,
    "y" * 64,
    "z" * 150,
)


@functools.cache
def training_rows() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    rows = random.normal(size=(700, 4))
    rows[:, 3] = random.integers(0, 3, len(rows))
    score = rows[:, 0] * rows[:, 1] + 0.3 * random.normal(size=len(rows))
    rows[random.random(rows.shape) < 0.1] = np.nan
    return rows, score


def odd_rows() -> np.ndarray:
    rows = training_rows()[0][:60].copy()
    rows[:8, 0] = [np.inf, -np.inf, 0.0, -0.0, 1e300, -1e300, np.nan, 1e-40]
    return rows


def trained(loss: str = "RMSE", **parameters: Any) -> catboost.CatBoost:
    rows, score = training_rows()
    labels = {
        "Logloss": (score > 0).astype(int),
        "CrossEntropy": (score > 0).astype(float),
        "MultiClass": np.digitize(score, [-0.4, 0.4]),
        "MultiClassOneVsAll": np.digitize(score, [-0.4, 0.4]),
        "MultiLogloss": np.column_stack([score > 0, score > 1]).astype(int),
        "MultiRMSE": np.column_stack([score, -score * score]),
        "Poisson": np.abs(score),
        "Tweedie:variance_power=1.5": np.abs(score),
    }.get(loss, score)
    classes = ("Logloss", "CrossEntropy", "MultiClass", "MultiClassOneVsAll", "MultiLogloss")
    kind = catboost.CatBoostClassifier if loss in classes else catboost.CatBoostRegressor
    return kind(loss_function=loss, **(ROUGH | parameters)).fit(rows, labels)


MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    **{policy: ("RMSE", {"grow_policy": policy}) for policy in POLICIES},
    **{
        f"{policy}, missing high": ("RMSE", {"grow_policy": policy, "nan_mode": "Max"}) for policy in POLICIES
    },
    **{f"{policy}, three classes": ("MultiClass", {"grow_policy": policy}) for policy in POLICIES},
    "two classes": ("Logloss", {}),
    "shares": ("CrossEntropy", {}),
    "one against all": ("MultiClassOneVsAll", {"grow_policy": "Lossguide"}),
    "two targets": ("MultiRMSE", {"depth": 3}),
    "two labels": ("MultiLogloss", {"depth": 3}),
    "poisson": ("Poisson", {}),
    "tweedie": ("Tweedie:variance_power=1.5", {}),
    "absolute": ("MAE", {}),
    "quantile": ("Quantile:alpha=0.3", {}),
    "ordered": ("Logloss", {"boosting_type": "Ordered"}),
    "deep": ("RMSE", {"depth": 10, "iterations": 3}),
}


@pytest.mark.parametrize("name", MODELS)
def test_raw_values_are_catboosts_own_bit_for_bit(name: str) -> None:
    loss, parameters = MODELS[name]
    model, rows = trained(loss, **parameters), odd_rows()
    explainer = trees.Explainer(trees.load(model))
    theirs = model.predict(rows, prediction_type="RawFormulaVal")
    assert np.array_equal(explainer.predict_margin(rows), theirs)
    if loss in ("Logloss", "CrossEntropy", "MultiClass", "MultiClassOneVsAll", "MultiLogloss"):
        shares = model.predict_proba(rows)
        expected = shares if explainer.ensemble.n_outputs > 1 else shares[:, 1]
    else:
        expected = model.predict(rows)
    np.testing.assert_allclose(explainer.predict(rows), expected, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("name", [name for name in MODELS if not name.startswith(("Depth", "Loss", "one"))])
def test_shap_values_of_symmetric_trees_are_catboosts_own(name: str) -> None:
    loss, parameters = MODELS[name]
    model, rows = trained(loss, **parameters), odd_rows()
    theirs = model.get_feature_importance(catboost.Pool(rows), type="ShapValues")
    theirs = np.moveaxis(theirs, 1, 2) if theirs.ndim == 3 else theirs
    explained = trees.Explainer(trees.load(model)).shap_values(rows)
    np.testing.assert_allclose(explained.values, theirs[:, :-1], rtol=0, atol=1e-13)
    np.testing.assert_allclose(explained.base_values, theirs[:, -1], rtol=0, atol=1e-13)


@pytest.mark.parametrize("policy", POLICIES)
def test_shap_values_of_every_shape_of_tree_equal_enumeration(policy: str) -> None:
    """CatBoost's own values of trees with leaves at different depths do not even add up to its predictions."""
    ensemble = trees.load(trained(grow_policy=policy, iterations=4))
    explainer, rows = trees.Explainer(ensemble), odd_rows()[:12]
    for row, ours in zip(rows, explainer.shap_values(rows).values, strict=True):
        expected = tree_games.shapley_values(tree_games.game(ensemble, row, 0))
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-13)


def test_where_nothing_was_missing_in_training_nan_goes_where_catboost_sends_it() -> None:
    rows, score = training_rows()
    model = catboost.CatBoostRegressor(**ROUGH).fit(np.nan_to_num(rows), score)
    ours = trees.Explainer(trees.load(model)).predict_margin(odd_rows())
    assert np.array_equal(ours, model.predict(odd_rows()))


def test_a_rankers_scores_are_its_margins() -> None:
    rows, score = training_rows()
    groups = np.arange(len(rows)) // 10
    pool = catboost.Pool(np.nan_to_num(rows), np.digitize(score, [-1, 0, 1]), group_id=groups)
    model = catboost.CatBoostRanker(**ROUGH).fit(pool)
    assert np.array_equal(trees.Explainer(trees.load(model)).predict(odd_rows()), model.predict(odd_rows()))


def test_a_scale_and_a_bias_are_applied() -> None:
    model, rows = trained(), odd_rows()
    model.set_scale_and_bias(0.7, 1.3)
    ours = trees.Explainer(trees.load(model)).predict_margin(rows)
    np.testing.assert_allclose(ours, model.predict(rows), rtol=1e-14, atol=1e-14)


def test_a_sum_of_models_keeps_its_link(tmp_path: pathlib.Path) -> None:
    both, rows = [trained("Logloss", depth=depth) for depth in (2, 4)], odd_rows()
    summed = catboost.sum_models(both, weights=[0.5, 2.0])
    explainer = trees.Explainer(trees.load(summed))
    theirs = catboost.to_classifier(summed).predict_proba(rows)[:, 1]
    np.testing.assert_allclose(explainer.predict(rows), theirs, rtol=1e-14)
    document = json_of(summed, tmp_path)
    del document["model_info"]["loss_function"]
    with pytest.raises(trees.ModelUnsupported, match="which loss function"):
        reader.from_document(document)


def test_weighted_rows_weigh_in_the_covers() -> None:
    rows, score = training_rows()
    pool = catboost.Pool(rows, score, weight=np.linspace(0.1, 3, len(rows)))
    model = catboost.CatBoostRegressor(**ROUGH).fit(pool)
    theirs = model.get_feature_importance(catboost.Pool(rows[:20]), type="ShapValues")
    ours = trees.Explainer(trees.load(model)).shap_values(rows[:20]).values
    np.testing.assert_allclose(ours, theirs[:, :-1], rtol=0, atol=1e-12)


@functools.cache
def coloured() -> tuple[pd.DataFrame, np.ndarray]:
    random = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "size": random.normal(size=900),
            "colour": random.choice(COLOURS, 900),
            "rooms": random.integers(-2, 6, 900),
            "year": random.choice([1999, 20_240_101, 7_654_321], 900),
        }
    )
    score = frame["size"] + (frame.colour == "red") + frame.rooms.isin([2, 3, -1]) + (frame.year > 10**7)
    return frame, (score + 0.3 * random.normal(size=900) > 1).to_numpy().astype(int)


def with_categories(**parameters: Any) -> catboost.CatBoostClassifier:
    frame, labels = coloured()
    settings = ROUGH | {"one_hot_max_size": 50, "cat_features": ["colour", "rooms", "year"]} | parameters
    return catboost.CatBoostClassifier(**settings).fit(frame, labels)


def strange_colours() -> pd.DataFrame:
    frame = coloured()[0][:80].copy()
    frame.loc[: len(COLOURS) - 1, "colour"] = COLOURS
    frame.loc[20:23, "colour"] = ["never seen", "RED", "1", "2"]
    frame.loc[:5, "rooms"] = [77, 2**21, -7, 5, 2**31, texts.PLAIN + 3]
    return frame


@pytest.mark.parametrize("policy", POLICIES)
def test_one_hot_categories_are_found_by_their_texts(policy: str) -> None:
    model, frame = with_categories(grow_policy=policy), strange_colours()
    explainer = trees.Explainer(trees.load(model))
    pool = catboost.Pool(frame, cat_features=["colour", "rooms", "year"])
    assert np.array_equal(
        explainer.predict_margin(frame), model.predict(pool, prediction_type="RawFormulaVal")
    )
    explained = explainer.shap_values(frame)
    assert explained.data[20].tolist()[1] == "never seen"
    assert np.array_equal(explainer.shap_values(explained.data).values, explained.values)
    if policy == "SymmetricTree":
        theirs = model.get_feature_importance(pool, type="ShapValues")
        np.testing.assert_allclose(explained.values, theirs[:, :-1], rtol=0, atol=1e-13)


def test_a_model_of_texts_keeps_them_in_the_portable_form(tmp_path: pathlib.Path) -> None:
    ensemble = trees.load(with_categories())
    trees.save(ensemble, tmp_path / "model.trees")
    again = trees.load(tmp_path / "model.trees")
    assert trees.digest(again) == trees.digest(ensemble)
    frame = strange_colours()
    assert np.array_equal(
        trees.Explainer(again).predict_margin(frame), trees.Explainer(ensemble).predict_margin(frame)
    )
    assert portable.from_bytes(portable.to_bytes(again)).text_hashes == ensemble.text_hashes


def test_what_is_no_category_is_named_by_column_and_row() -> None:
    explainer, frame = trees.Explainer(trees.load(with_categories())), strange_colours()
    frame["rooms"] = frame["rooms"].astype(object)
    frame.loc[3, "rooms"] = 1.5
    with pytest.raises(trees.BadInput, match=r"Column 'rooms', row 3: 1\.5 is not a category"):
        explainer.predict(frame)
    frame.loc[3, "rooms"] = None
    with pytest.raises(trees.BadInput, match="Column 'rooms', row 3: None is not a category"):
        explainer.predict(frame)


def test_categories_as_target_statistics_are_refused_with_the_way_out() -> None:
    with pytest.raises(trees.ModelUnsupported, match="one_hot_max_size"):
        trees.load(with_categories(one_hot_max_size=2))


@pytest.mark.parametrize("name", [*MODELS, "categories", "categories, not symmetric"])
def test_files_of_both_formats_hold_the_same_model(name: str, tmp_path: pathlib.Path) -> None:
    if name in MODELS:
        loss, parameters = MODELS[name]
        model = trained(loss, **parameters)
    else:
        model = with_categories(grow_policy="SymmetricTree" if name == "categories" else "Lossguide")
    model.set_scale_and_bias(*((1.5, 0.25) if name == "poisson" else model.get_scale_and_bias()))
    digests = set()
    for kind, suffix in (("json", "json"), ("cbm", "cbm")):
        model.save_model(str(tmp_path / f"model.{suffix}"), format=kind)
        digests.add(trees.digest(trees.load(tmp_path / f"model.{suffix}")))
    assert digests == {trees.digest(trees.load(model))}


def test_binary_models_of_statistics_are_refused_too(tmp_path: pathlib.Path) -> None:
    with_categories(one_hot_max_size=2).save_model(str(tmp_path / "model.cbm"))
    with pytest.raises(trees.ModelUnsupported, match="one_hot_max_size"):
        trees.load(tmp_path / "model.cbm")


@pytest.mark.parametrize("policy", POLICIES)
def test_every_damaged_byte_of_a_binary_model_gives_a_model_or_a_named_error(
    policy: str, tmp_path: pathlib.Path
) -> None:
    trained(grow_policy=policy, iterations=1).save_model(str(tmp_path / "model.cbm"))
    data = bytearray((tmp_path / "model.cbm").read_bytes())
    for share in (0.001, 0.2, 0.9):
        with pytest.raises(trees.ModelUnreadable) as refused:
            trees.load(bytes(data[: max(4, int(len(data) * share))]))
        assert str(refused.value).count("readable CatBoost binary model") == 1
    random = np.random.default_rng(3)
    for position in random.integers(4, len(data), 400):
        damaged = bytearray(data)
        damaged[position] = random.integers(0, 256)
        try:
            trees.load(bytes(damaged))
        except trees.TreesError:
            continue


def test_a_model_without_leaf_weights_predicts_but_is_not_explained(tmp_path: pathlib.Path) -> None:
    document = json_of(trained(iterations=2), tmp_path)
    for tree in document["oblivious_trees"]:
        del tree["leaf_weights"]
    explainer = trees.Explainer(reader.from_document(document))
    assert len(explainer.predict(odd_rows())) == len(odd_rows())
    with pytest.raises(trees.ModelUnsupported, match="training rows"):
        explainer.shap_values(odd_rows())


def json_of(model: catboost.CatBoost, folder: pathlib.Path) -> dict[str, Any]:
    model.save_model(str(folder / "model.json"), format="json")
    document: dict[str, Any] = json.loads((folder / "model.json").read_bytes())
    return document


def test_models_of_no_use_here_are_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(trees.ModelUnreadable, match="not been fitted"):
        trees.load(catboost.CatBoostClassifier())
    with pytest.raises(trees.ModelUnsupported, match="RMSEWithUncertainty"):
        trees.load(trained("RMSEWithUncertainty"))
    document = json_of(trained(iterations=2), tmp_path)
    document["oblivious_trees"][0]["leaf_values"].pop()
    with pytest.raises(trees.ModelUnreadable, match="15 leaf values"):
        reader.from_document(document)
    document["oblivious_trees"][0]["leaf_values"].append("many")
    with pytest.raises(trees.ModelUnreadable):
        reader.from_document(document)


@pytest.mark.parametrize("policy", POLICIES)
def test_every_damaged_byte_gives_a_model_or_a_named_error(policy: str, tmp_path: pathlib.Path) -> None:
    document = json_of(trained(grow_policy=policy, iterations=1), tmp_path)
    document["model_info"] = {"params": {"loss_function": {"type": "RMSE"}}}
    data = bytearray(json.dumps(document), "ascii")
    random = np.random.default_rng(3)
    for position in random.integers(1, len(data), 200):
        damaged = bytearray(data)
        damaged[position] = random.integers(32, 127)
        try:
            trees.load(bytes(damaged))
        except trees.TreesError:
            continue


def test_numbers_and_texts_hash_alike() -> None:
    found = texts.plain_numbers(
        [texts.city_hash(str(number).encode()) for number in (0, 9, 10, 99, 123, 4095)]
    )
    assert list(found.values()) == [[0], [9], [10], [99], [123], [4095]]
    hashes = [texts.city_hash(text) for text in (b"17", b"-1", b"4096")]
    assert [texts.number(value, hashes) for value in ("17", -1, 4096, "x")] == [4096, 4097, 4098, 4099]
    assert texts.number(17, hashes) == 17
