"""SHAP values, baselines and partial dependence of an analysis, against definitions and against shap itself."""

import dataclasses
import io
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import xgboost as xgb
from sklearn import ensemble

from glasskit import trees
from glasskit.clarify import attributions, baselines, coding, config, dependence, faults, models
from glasskit.explain import games

Floats = npt.NDArray[np.float64]
ASKED = config.Shap(
    baseline=None,
    n_clusters=None,
    n_samples=None,
    seed=3,
    use_logit=False,
    save_local=True,
    aggregation="mean_abs",
    features=(),
)
LOGIT = dataclasses.replace(ASKED, use_logit=True, n_samples=50)


def table(n_rows: int = 120, width: int = 5) -> tuple[Floats, npt.NDArray[np.int64]]:
    random = np.random.default_rng(8)
    rows = random.normal(size=(n_rows, width))
    return rows, (rows[:, 0] + rows[:, 1] * rows[:, 2] > 0).astype(np.int64)


def booster(**changes: Any) -> xgb.Booster:
    rows, label = table()
    told = {"objective": "binary:logistic", "max_depth": 3, "nthread": 1, **changes}
    return xgb.train(told, xgb.DMatrix(rows, label), 10)


def of_booster(model: xgb.Booster, space: models.Space = "prediction") -> models.Trees:
    return models.Trees(explainer=trees.Explainer(trees.load(model)), file="model", space=space)


def quiet(_done: int, _of: int) -> None:
    """Tells nobody."""


class Function:
    """A model that is a function."""

    def __init__(self, function: Any) -> None:
        self.function = function
        self.n_asked = 0

    def scores(self, matrix: Floats) -> Floats:
        self.n_asked += len(matrix)
        return np.asarray(self.function(matrix), dtype=np.float64).reshape(len(matrix), -1)


def by_definition(scores: Any, row: Floats, baseline: Floats) -> Floats:
    """The Shapley values of one row over all coalitions; (F, K)."""
    members = np.eye(len(row), dtype=np.bool_)
    return games.exact(games.Game(predict=scores, row=row, background=baseline, members=members))


def sums_to(found: attributions.Attributions, scores: Floats) -> None:
    assert found.values.sum(axis=1) + found.expected == pytest.approx(scores, abs=1e-9)


def test_values_of_a_regression_and_of_log_odds_are_the_shapley_values_by_definition() -> None:
    rows, _ = table()
    baseline = rows[:4]
    regression = of_booster(booster(objective="reg:squarederror"))
    found = attributions.of_trees(regression, rows[:9], baseline, asked=ASKED, progress=quiet)
    assert found is not None
    sums_to(found, regression.scores(rows[:9]))
    for row, values in zip(rows[:3], found.values, strict=False):
        assert values == pytest.approx(by_definition(regression.scores, row, baseline), abs=1e-9)
    classes = of_booster(booster())
    found = attributions.of_trees(classes, rows[:9], baseline, asked=LOGIT, progress=quiet)
    assert found is not None
    for row, values in zip(rows[:3], found.values, strict=False):
        assert values == pytest.approx(
            by_definition(classes.explainer.predict_margin, row, baseline), abs=1e-9
        )


@pytest.mark.slow
def test_values_of_probabilities_are_those_of_shap_in_that_space() -> None:
    import shap

    rows, _ = table()
    model = booster()
    found = attributions.of_trees(of_booster(model), rows[:40], rows[40:45], asked=ASKED, progress=quiet)
    assert found is not None
    oracle = shap.TreeExplainer(model, rows[40:45], model_output="probability")
    assert found.values[:, :, 0] == pytest.approx(oracle.shap_values(rows[:40]), abs=1e-6)
    assert found.expected[0] == pytest.approx(oracle.expected_value, abs=1e-6)
    sums_to(found, of_booster(model).scores(rows[:40]))


def test_a_row_equal_to_the_baseline_gets_no_share_of_anything() -> None:
    rows, _ = table()
    found = attributions.of_trees(of_booster(booster()), rows[:1], rows[:1], asked=ASKED, progress=quiet)
    assert found is not None
    assert found.values == pytest.approx(np.zeros((1, 5, 1)), abs=1e-12)


def test_trees_with_several_classes_are_asked_instead() -> None:
    rows, _ = table()
    label = np.digitize(rows[:, 0], [-0.5, 0.5])
    model = xgb.train(
        {"objective": "multi:softprob", "num_class": 3, "nthread": 1}, xgb.DMatrix(rows, label), 4
    )
    several = of_booster(model)
    assert attributions.of_trees(several, rows, rows[:1], asked=ASKED, progress=quiet) is None
    found = asked(several, rows[:4], rows[5:7])
    assert (found.method, found.values.shape) == ("exact", (4, 5, 3))
    sums_to(found, several.scores(rows[:4]))


def asked(model: Any, rows: Floats, baseline: Floats, **changes: Any) -> attributions.Attributions:
    return attributions.of_model(
        model,
        rows,
        baseline,
        names=[f"x{at}" for at in range(rows.shape[1])],
        asked=dataclasses.replace(ASKED, **changes),
        progress=quiet,
        whose="the model",
        asked_model=True,
    )


def test_a_model_that_is_asked_is_explained_exactly_while_all_coalitions_fit() -> None:
    rows, _ = table(6)
    function = Function(lambda x: x[:, 0] * x[:, 1] + np.abs(x[:, 2]))
    found = asked(function, rows, rows[:2])
    assert (found.method, found.largest_error) == ("exact", 0.0)
    assert found.values[4] == pytest.approx(by_definition(function.scores, rows[4], rows[:2]))


def test_many_features_are_sampled_with_a_seed_and_a_stated_error() -> None:
    rows, _ = table(4, width=14)
    function = Function(lambda x: x[:, 0] * x[:, 1] * x[:, 5] + x[:, 3] ** 2)
    found = asked(function, rows, rows[:1], n_samples=200)
    assert found.method == "kernel_shap"
    assert 0 < found.largest_error < 1
    assert (found.values == asked(function, rows, rows[:1], n_samples=200).values).all()
    sums_to(found, function.scores(rows))
    told = asked(function, rows[:1], rows[:1], n_samples=15)
    assert "num_samples was 15; 28 is the least for 14 features, and was taken." in told.account


def test_log_odds_need_probabilities() -> None:
    rows, _ = table(3)
    with pytest.raises(faults.ModelFault, match="use_logit the model has to answer probabilities"):
        asked(Function(lambda x: (x[:, 0] > 0).astype(float)), rows, rows[:1], use_logit=True)


def test_global_values_are_aggregated_as_asked() -> None:
    found = attributions.Attributions(
        values=np.array([[[-3.0]], [[1.0]], [[1.0]]]),
        expected=np.zeros(1),
        method="exact",
        account="",
        largest_error=0.0,
        asked_model=True,
    )
    assert [found.overall(one).item() for one in ("mean_abs", "median", "mean_sq")] == pytest.approx(
        [5 / 3, 1.0, 11 / 3]
    )


# --- the model's own trees


def archive(folder: Path, **files: bytes) -> Path:
    path = folder / "model.tar.gz"
    with tarfile.open(path, "w:gz") as packed:
        for name, data in files.items():
            info = tarfile.TarInfo(name.replace("__", "/"))
            info.size = len(data)
            packed.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.slow
def test_trees_are_found_in_every_form_that_models_are_kept_in(tmp_path: Path) -> None:
    rows, label = table()
    model = booster()
    forest = ensemble.RandomForestClassifier(5, max_depth=3, random_state=0).fit(rows, label)
    forms = {
        "xgboost-model": bytes(model.save_raw("ubj")),
        "model.json": bytes(model.save_raw("json")),
        "model.joblib": pickle.dumps(forest),
        "wrapped.pkl": pickle.dumps(xgb.XGBClassifier(n_estimators=3, max_depth=2).fit(rows, label)),
    }
    for name, data in forms.items():
        found = models.found_in(
            archive(tmp_path, **{"README": b"words", "code__model.json": b"{}", name: data}), 5
        )
        assert not isinstance(found, models.NotUsed), found
        assert [(file, one.n_features) for one, file in found] == [(name, 5)]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"weights.bin": b"\x00\x01"}, "holds no file that is a tree ensemble"),
        ({"m.pkl": pickle.dumps({"a": 1})}, "m.pkl cannot be read as trees"),
        ({"m.pkl": b"\x80\x04broken"}, "m.pkl cannot be read as trees"),
        ({"m.json": bytes(booster().save_raw("json"))}, "m.json has 5 features, and the dataset 4"),
    ],
    ids=["other", "pickle", "broken", "width"],
)
def test_an_archive_without_usable_trees_says_why(
    tmp_path: Path, files: dict[str, bytes], words: str
) -> None:
    found = models.found_in(archive(tmp_path, **files), 4)
    assert isinstance(found, models.NotUsed)
    assert words in found.reason


def test_a_file_that_is_no_archive_says_so(tmp_path: Path) -> None:
    (tmp_path / "model.tar.gz").write_bytes(b"nothing")
    found = models.found_in(tmp_path / "model.tar.gz", 4)
    assert isinstance(found, models.NotUsed)
    assert "its archive cannot be read" in found.reason


@pytest.mark.slow
def test_trees_are_used_where_they_answer_as_the_model_does_and_nowhere_else() -> None:
    rows, _ = table()
    model = booster()
    loaded = trees.load(model)

    def margins(matrix: Floats) -> Floats:
        return np.asarray(model.predict(xgb.DMatrix(matrix), output_margin=True))[:, np.newaxis]

    def chances(matrix: Floats) -> Floats:
        return np.asarray(model.predict(xgb.DMatrix(matrix)))[:, np.newaxis]

    other = trees.load(booster(max_depth=1))
    same = models.checked([(other, "o"), (loaded, "m")], rows, chances)
    assert isinstance(same, models.Trees)
    assert (same.space, same.file) == ("prediction", "m")
    raw = models.checked([(other, "o"), (loaded, "m")], rows, margins)
    assert isinstance(raw, models.Trees)
    assert raw.space == "margin"
    scaled = models.checked([(other, "o"), (loaded, "m")], rows, lambda x: chances(x) * 100)
    assert isinstance(scaled, models.NotUsed)
    assert "so something beside the trees has a say" in scaled.reason
    both = models.checked(
        [(other, "o"), (loaded, "m")], rows, lambda x: np.hstack([1 - chances(x), chances(x)])
    )
    assert isinstance(both, models.NotUsed)
    assert "it answers 2 scores a row" in both.reason


def test_the_check_asks_about_rows_that_do_not_occur_too() -> None:
    rows, _ = table()
    found = models.sample(rows, rows[:2], seed=0)
    known = {tuple(row) for row in rows.tolist()}
    assert 20 <= sum(tuple(row) not in known for row in found.tolist()) <= 24


# --- baselines and partial dependence


@pytest.mark.slow
def test_a_baseline_is_the_middles_of_clusters_of_numbers_and_categories() -> None:
    random = np.random.default_rng(0)
    near = np.repeat([0.0, 100.0], 30) + random.normal(size=60)
    frame = pd.DataFrame(
        {"size": near, "colour": ["red"] * 28 + ["blue"] * 2 + ["green"] * 30, "gap": [np.nan] * 60}
    )
    columns = coding.learned(frame)
    found = columns.decode(baselines.clustered(columns.encode(frame), columns, n_clusters=2, seed=1))
    assert sorted((round(size, -1), colour, gap) for size, colour, gap in found) == [
        (0, "red", None),
        (100, "green", None),
    ]
    automatic = baselines.clustered(columns.encode(frame), columns, n_clusters=None, seed=1)
    assert 2 <= len(automatic) <= baselines.MOST_CLUSTERS


def test_more_clusters_than_different_rows_are_as_many_as_there_are() -> None:
    frame = pd.DataFrame({"a": [1, 1, 2]})
    columns = coding.learned(frame)
    assert len(baselines.clustered(columns.encode(frame), columns, n_clusters=5, seed=0)) == 2


def test_partial_dependence_is_the_mean_of_predictions_with_the_feature_set() -> None:
    frame = pd.DataFrame({"age": [20, 30, 60, 60], "sex": ["f", "m", "m", None]})
    columns = coding.learned(frame)
    matrix = columns.encode(frame)
    model = Function(lambda x: x[:, 0] * 2 + np.where(np.isnan(x[:, 1]), 0, x[:, 1]))
    age, sex = dependence.curves(model, matrix, columns, ["age", "sex"], grid=3, progress=quiet)
    assert (age.values, age.is_number) == ((20, 30, 60), True)
    assert age.predictions[0] == pytest.approx([40.5, 60.5, 120.5])
    assert age.distribution == pytest.approx([0.25, 0.25, 0.5])
    assert (sex.values, sex.is_number) == (("f", "m"), False)
    assert sex.predictions[0] == pytest.approx([85.0, 86.0])
    assert sex.to_json()["data_type"] == "categorical"
