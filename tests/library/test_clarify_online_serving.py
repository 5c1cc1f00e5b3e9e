"""Explaining model servers, as real processes on a Unix socket."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent import futures
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost

from glasskit import trees
from glasskit.algorithms import xgboost as built_in
from glasskit.container import explaining, requests, scoring
from glasskit.data import tables
from tests.library import containers

pytestmark = pytest.mark.slow

SHAP = {"ShapBaselineConfig": {"ShapBaseline": "0,0,0,0"}}

OWN = """
def model_fn(folder): return None
def predict_fn(rows, model, context):
    context.set_response_header(0, "X-Amzn-SageMaker-Custom-Attributes", context.get_request_header(0, "x-mark") or "none")
    if (rows == 13).any(): raise ValueError("thirteen")
    return rows[:, 0] * rows[:, 1] + rows[:, 2]
"""


def explaining_container(
    made: containers.Container, config: Mapping[str, Any], *, baseline: str = ""
) -> containers.Container:
    made.write("explainer/config.json", json.dumps(config))
    if baseline:
        made.write("explainer/baseline", baseline)
    made.environment["GLASSHOUSE_EXPLAINER"] = str(made.base / "explainer")
    return made


def own(base: Path, config: Mapping[str, Any], **more: str) -> containers.Container:
    made = containers.Container(base, SAGEMAKER_PROGRAM="inference.py")
    made.write("model/code/inference.py", OWN)
    return explaining_container(made, config, **more)


def test_headers_reach_the_model_and_come_back_and_faults_are_told_apart(tmp_path: Path) -> None:
    with own(tmp_path, {"ShapConfig": SHAP}).serving() as client:
        reply = client.invoke("1,2,3,4", "text/csv", "text/csv", x_mark="mine")
        assert reply.headers["x-amzn-sagemaker-custom-attributes"] == "mine"
        assert reply.headers["content-type"] == "application/json"
        assert json.loads(reply.body)["predictions"]["data"] == "5.0\n"
        mine = client.invoke("1,2", "text/csv", "text/csv")
        assert (mine.status, mine.headers[explaining.FAULT]) == (400, "request")
        models = client.invoke("13,2,3,4", "text/csv", "text/csv")
        assert (models.status, explaining.FAULT in models.headers) == (500, False)
        assert models.body == b"ValueError: thirteen"
    assert "predict_fn or transform_fn of its own" in client.output


def test_a_model_that_fails_for_synthetic_records_only_fails_the_request_in_its_words(tmp_path: Path) -> None:
    shap = {"ShapBaselineConfig": {"ShapBaseline": "0,0,0,13"}}
    with own(tmp_path, {"ShapConfig": shap}).serving() as client:
        reply = client.invoke("1,2,3,4", "text/csv", "text/csv")
        assert reply.status == 500
        assert b"The model answered 500 to 1 synthetic records: ValueError: thirteen" in reply.body
        silent = client.invoke(
            "1,2,3,4", "text/csv", "text/csv", x_amzn_sagemaker_enable_explanations="`false`"
        )
        assert json.loads(silent.body)["explanations"] == {}


def test_a_baseline_that_does_not_fit_its_configuration_keeps_the_server_from_starting(
    tmp_path: Path,
) -> None:
    config = {
        "ShapConfig": {"ShapBaselineConfig": {"ShapBaselineUri": "s3://b/k"}},
        "InferenceConfig": {"FeatureHeaders": ["a", "b"]},
    }
    with (
        pytest.raises(AssertionError, match=r"FeatureHeaders has 2 items and the SHAP baseline has 3"),
        own(tmp_path, config, baseline="1,2,3").serving(),
    ):
        pass


@pytest.mark.parametrize(
    ("value", "saying"), [("yes", "must be true or false"), ("true", "exclude each other")]
)
def test_what_the_environment_asks_for_must_fit_together(tmp_path: Path, value: str, saying: str) -> None:
    made = own(tmp_path, {"ShapConfig": SHAP})
    made.environment["GLASSHOUSE_EXPLAIN"] = value
    with pytest.raises(AssertionError, match=saying), made.serving():
        pass


def test_many_requests_at_once_get_the_answers_they_get_alone(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    rows = random.normal(size=(200, 4)).round(3)
    fitted = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 3},
        xgboost.DMatrix(rows, label=rows[:, 0] > rows[:, 1]),
        8,
    )
    made = containers.Container(tmp_path, algorithm="xgboost")
    made.write("model/xgboost-model", bytes(fitted.save_raw("ubj")))
    with explaining_container(made, {"ShapConfig": {**SHAP, "UseLogit": True}}).serving() as client:

        def asked(row: Any) -> Any:
            body = ",".join(map(str, row))
            return json.loads(client.invoke(body, "text/csv", "text/csv").body)

        with futures.ThreadPoolExecutor(8) as pool:
            together = list(pool.map(asked, rows[:40].tolist()))
        assert together == [asked(row) for row in rows[:40].tolist()]
    expected = trees.Explainer(trees.load(fitted), np.zeros((1, 4))).shap_values(rows[:40]).values
    found = [
        [feature["attributions"][0]["attribution"][0] for feature in one["explanations"]["kernel_shap"][0]]
        for one in together
    ]
    np.testing.assert_allclose(found, expected, atol=1e-12)


# --- what is read


class Regressor:
    """A handler whose model is an estimator behind code that rounds."""

    def __init__(self, estimator: object) -> None:
        self._estimator = estimator

    def invoke(self, request: requests.Request) -> requests.Answer:
        return requests.Answer()

    def scored_by(self) -> requests.Scored:
        return requests.Scored(model=self._estimator, float32=True)

    def execution_parameters(self) -> Mapping[str, object]:
        return {}


def test_only_the_rounds_that_score_are_read() -> None:
    random = np.random.default_rng(1)
    rows = random.normal(size=(300, 3))
    label = rows[:, 0] + random.normal(size=300)
    fitted = xgboost.train(
        {"objective": "reg:squarederror", "max_depth": 4, "eta": 0.9},
        xgboost.DMatrix(rows[:150], label=label[:150]),
        60,
        evals=[(xgboost.DMatrix(rows[150:], label=label[150:]), "validation")],
        early_stopping_rounds=5,
        verbose_eval=False,
    )
    assert fitted.best_iteration + 1 < fitted.num_boosted_rounds()
    model = built_in.Model(fitted)
    handler = scoring.ScoringHandler(model, batch=False, default_accept="")
    ensemble = explaining.readable(handler).ensemble
    scored = model.predict(tables.Table(features=rows))
    np.testing.assert_allclose(trees.Explainer(ensemble).predict(rows), scored, rtol=1e-5, atol=1e-6)


def test_an_estimator_is_read_by_its_booster() -> None:
    rows = np.random.default_rng(2).normal(size=(100, 3))
    estimator = lightgbm.LGBMRegressor(n_estimators=5, verbosity=-1).fit(rows, rows[:, 0])

    found = explaining.readable(Regressor(estimator))
    assert found.float32
    np.testing.assert_allclose(trees.Explainer(found.ensemble).predict(rows), estimator.predict(rows))
