"""Endpoints with a Clarify explainer: what they answer, for models whose trees are read and for any other."""

import json
import pickle
from collections.abc import Mapping
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
import pytest
import xgboost
from botocore import exceptions
from sklearn import ensemble

from glasskit import trees
from tests.support import workshop as shop
from tests.support.workshop import Workshop

pytestmark = pytest.mark.slow

BASELINE = "0,0,0,0,0\n0.5,-0.5,0.5,-0.5,0.5"
ROWS = shop.table(8, seed=5)[:, 1:]
METHOD = "x-glasshouse-explanation-method"
CALLS = "x-glasshouse-explanation-model-calls"

Floats = npt.NDArray[np.float64]


def background() -> Floats:
    return np.array([[float(cell) for cell in line.split(",")] for line in BASELINE.split("\n")])


def clarify(**changes: Any) -> shop.Document:
    """A ClarifyExplainerConfig; a change of None takes a member away."""
    config = {"ShapConfig": {"ShapBaselineConfig": {"ShapBaseline": BASELINE}}, **changes}
    return {member: value for member, value in config.items() if value is not None}


def configured(workshop: Workshop, model: str, config: shop.Document | None) -> str:
    """An endpoint configuration with an explainer; its name."""
    name = workshop.name("config")
    explainer = {} if config is None else {"ExplainerConfig": {"ClarifyExplainerConfig": config}}
    workshop.sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[workshop.variant(model)], **explainer
    )
    return name


def deployed(workshop: Workshop, model: str, config: shop.Document) -> str:
    """An endpoint in service with an explainer; its name."""
    name = workshop.name("endpoint")
    workshop.sagemaker.create_endpoint(
        EndpointName=name, EndpointConfigName=configured(workshop, model, config)
    )
    found = workshop.settled(name)
    assert found["EndpointStatus"] == "InService", found.get("FailureReason")
    return name


def asked(
    workshop: Workshop, name: str, body: bytes | str, **changes: Any
) -> tuple[shop.Document, Mapping[str, str]]:
    """The document that the endpoint answers, and the headers beside it."""
    request = {"ContentType": "text/csv", "Accept": "text/csv", **changes}
    answer = workshop.runtime.invoke_endpoint(EndpointName=name, Body=body, **request)
    assert answer["ContentType"] == "application/json"
    return json.loads(answer["Body"].read()), answer["ResponseMetadata"]["HTTPHeaders"]


def attributions(answer: shop.Document, record: int = 0) -> Floats:
    """(features, classes) of one record."""
    return np.array(
        [
            attribution["attribution"]
            for feature in answer["explanations"]["kernel_shap"][record]
            for attribution in feature["attributions"]
        ]
    )


def refused(workshop: Workshop, name: str, body: bytes | str, **changes: Any) -> shop.Refusal:
    with pytest.raises(exceptions.ClientError) as caught:
        asked(workshop, name, body, **changes)
    return shop.refusal(caught.value)


def boosted() -> xgboost.Booster:
    rows = shop.table(300)
    return xgboost.train(
        {"objective": "binary:logistic", "max_depth": 3},
        xgboost.DMatrix(rows[:, 1:], label=rows[:, 0]),
        10,
    )


@pytest.fixture(scope="module")
def booster() -> xgboost.Booster:
    return boosted()


@pytest.fixture(scope="module")
def xgboost_model(workshop: Workshop, booster: xgboost.Booster) -> str:
    return workshop.model(shop.archive({"xgboost-model": bytes(booster.save_raw("ubj"))}), image=shop.XGBOOST)


@pytest.fixture(scope="module")
def explaining(workshop: Workshop, xgboost_model: str) -> str:
    return deployed(workshop, xgboost_model, clarify())


# --- built-in models


def test_the_documents_example_answers_in_the_documents_schema(workshop: Workshop, explaining: str) -> None:
    answer, headers = asked(workshop, explaining, "1,2,3,4,5")
    assert list(answer) == ["version", "predictions", "explanations"]
    assert answer["version"] == "1.0"
    assert answer["predictions"]["content_type"] == "text/csv; charset=utf-8"
    (record,) = answer["explanations"]["kernel_shap"]
    assert [list(feature) for feature in record] == [["attributions"]] * 5
    assert all(len(feature["attributions"]) == 1 for feature in record)
    assert all(list(feature["attributions"][0]) == ["attribution"] for feature in record)
    assert all(len(feature["attributions"][0]["attribution"]) == 1 for feature in record)
    assert headers[CALLS] == "0"


def test_probabilities_are_explained_from_the_definition_without_asking_the_model(
    workshop: Workshop, explaining: str, booster: xgboost.Booster
) -> None:
    answer, headers = asked(workshop, explaining, shop.as_csv(ROWS))
    assert (headers[METHOD], headers[CALLS]) == ("exact-shapley", "0")
    predicted = [float(cell) for cell in answer["predictions"]["data"].split(",")]
    assert predicted == pytest.approx(booster.predict(xgboost.DMatrix(ROWS)).tolist())
    base = booster.predict(xgboost.DMatrix(background())).mean()
    for record, prediction in enumerate(predicted):
        assert attributions(answer, record).sum() == pytest.approx(prediction - base, abs=1e-6)


def test_log_odds_of_a_built_in_model_are_explained_by_its_trees(
    workshop: Workshop, xgboost_model: str, booster: xgboost.Booster
) -> None:
    config = clarify(
        ShapConfig={"ShapBaselineConfig": {"ShapBaseline": BASELINE}, "UseLogit": True},
        InferenceConfig={"FeatureHeaders": ["a", "b", "c", "d", "e"], "LabelHeaders": ["default"]},
    )
    name = deployed(workshop, xgboost_model, config)
    answer, headers = asked(workshop, name, shop.as_csv(ROWS))
    assert (headers[METHOD], headers[CALLS]) == ("exact-tree-shap", "0")
    expected = trees.Explainer(trees.load(booster), background()).shap_values(ROWS).values
    found = np.array([attributions(answer, record)[:, 0] for record in range(len(ROWS))])
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert answer["label_headers"] == ["default"]
    assert [one["feature_header"] for one in answer["explanations"]["kernel_shap"][0]] == list("abcde")
    workshop.gone(name)


def test_a_regression_by_lightgbm_is_explained_by_its_trees(workshop: Workshop) -> None:
    rows = shop.table(300, seed=2)
    data = lightgbm.Dataset(rows[:, 1:], label=rows[:, 1] * 2 + rows[:, 2])
    fitted = lightgbm.train({"objective": "regression", "verbosity": -1, "num_leaves": 7}, data, 15)
    archive = shop.archive({"lightgbm-model.txt": fitted.model_to_string()})
    name = deployed(workshop, workshop.model(archive, image=shop.LIGHTGBM), clarify())
    answer, headers = asked(workshop, name, shop.as_csv(ROWS))
    assert (headers[METHOD], headers[CALLS]) == ("exact-tree-shap", "0")
    expected = trees.Explainer(trees.load(fitted), background()).shap_values(ROWS).values
    for record in range(len(ROWS)):
        np.testing.assert_allclose(attributions(answer, record)[:, 0], expected[record], atol=1e-12)
    workshop.gone(name)


# --- EnableExplanations


def test_a_request_decides_which_of_its_records_are_explained(
    workshop: Workshop, explaining: str, booster: xgboost.Booster
) -> None:
    predicted = booster.predict(xgboost.DMatrix(ROWS))
    limit = float(np.median(predicted))
    answer, _ = asked(workshop, explaining, shop.as_csv(ROWS), EnableExplanations=f"[0]>`{limit}`")
    explained = [one is not None for one in answer["explanations"]["kernel_shap"]]
    assert explained == (predicted > limit).tolist()
    nothing, headers = asked(workshop, explaining, shop.as_csv(ROWS), EnableExplanations="`false`")
    assert nothing["explanations"] == {}
    assert nothing["predictions"] == answer["predictions"]
    assert METHOD not in headers


def test_the_configuration_decides_where_the_request_does_not(workshop: Workshop, xgboost_model: str) -> None:
    name = deployed(workshop, xgboost_model, clarify(EnableExplanations="[0]>`1.5`"))
    assert asked(workshop, name, "1,2,3,4,5")[0]["explanations"] == {}
    overridden, _ = asked(workshop, name, "1,2,3,4,5", EnableExplanations="`true`")
    assert len(overridden["explanations"]["kernel_shap"]) == 1
    workshop.gone(name)


# --- what callers can put right


@pytest.mark.parametrize(
    ("body", "changes", "saying"),
    [
        pytest.param(
            "1,2,3,4,5", {"EnableExplanations": "[0] >"}, "not a JMESPath expression", id="expression"
        ),
        pytest.param("1,2,3,4,5", {"EnableExplanations": "[0]"}, "must be true or false", id="no-boolean"),
        pytest.param("1,2,3", {}, "have 3 features, and the SHAP baseline has 5", id="width"),
        pytest.param("{}", {"ContentType": "application/json"}, "ContentType 'application/json'", id="type"),
        pytest.param("1,2,3,4,5", {"Accept": "application/json"}, "Accept 'application/json'", id="accept"),
        pytest.param("[1]", {"ContentType": "application/jsonlines"}, "ContentTemplate", id="json-lines"),
    ],
)
def test_what_a_caller_can_put_right_is_a_validation_error(
    workshop: Workshop, explaining: str, body: str, changes: shop.Document, saying: str
) -> None:
    found = refused(workshop, explaining, body, **changes)
    assert (found.code, found.status) == ("ValidationError", 400)
    assert saying in found.message


def test_errors_of_the_model_stay_errors_of_the_model(workshop: Workshop, explaining: str) -> None:
    found = refused(workshop, explaining, "1,2,x,4,5")
    assert (found.code, found.status) == ("ModelError", 424)
    assert found.response["OriginalStatusCode"] == 415
    assert "not a number" in found.response["OriginalMessage"]


# --- configurations


@pytest.mark.parametrize(
    ("changes", "saying"),
    [
        pytest.param({"EnableExplanations": "`true"}, "EnableExplanations", id="expression"),
        pytest.param({"ShapConfig": {"ShapBaselineConfig": {}}}, "neither is given", id="no-baseline"),
        pytest.param(
            {"ShapConfig": {"ShapBaselineConfig": {"ShapBaseline": "0", "ShapBaselineUri": "s3://b/k"}}},
            "both are given",
            id="two-baselines",
        ),
        pytest.param(
            {"ShapConfig": {"ShapBaselineConfig": {"ShapBaseline": "0", "MimeType": "text/plain"}}},
            "MimeType 'text/plain'",
            id="mime-type",
        ),
        pytest.param({"InferenceConfig": {"FeatureTypes": ["numerical"]}}, "FeatureTypes", id="types"),
        pytest.param(
            {"InferenceConfig": {"ContentTemplate": "$features"}}, "FeaturesAttribute", id="attribute"
        ),
        pytest.param(
            {"InferenceConfig": {"ContentTemplate": "{$features}", "FeaturesAttribute": "f"}},
            "ContentTemplate",
            id="template",
        ),
        pytest.param(
            {"InferenceConfig": {"FeatureHeaders": ["a"]}}, "FeatureHeaders has 1 item", id="headers"
        ),
        pytest.param(
            {"ShapConfig": {"ShapBaselineConfig": {"ShapBaseline": BASELINE}, "NumberOfSamples": 3}},
            "NumberOfSamples is 3",
            id="samples",
        ),
        pytest.param(
            {"ShapConfig": {"ShapBaselineConfig": {"ShapBaseline": "1,2\n3"}}}, "record 2", id="ragged"
        ),
    ],
)
def test_a_configuration_that_cannot_be_carried_out_is_refused(
    workshop: Workshop, xgboost_model: str, changes: shop.Document, saying: str
) -> None:
    with workshop.refused("ValidationException", saying):
        configured(workshop, xgboost_model, clarify(**changes))


def test_descriptions_echo_the_explainer_and_an_update_switches_it(
    workshop: Workshop, xgboost_model: str
) -> None:
    config = clarify(EnableExplanations="`false`", InferenceConfig={"MaxRecordCount": 7})
    name = deployed(workshop, xgboost_model, config)
    found = workshop.endpoint(name)
    assert found["ExplainerConfig"] == {"ClarifyExplainerConfig": config}
    described = workshop.sagemaker.describe_endpoint_config(EndpointConfigName=found["EndpointConfigName"])
    assert described["ExplainerConfig"] == {"ClarifyExplainerConfig": config}
    for other in (clarify(), None):
        workshop.sagemaker.update_endpoint(
            EndpointName=name, EndpointConfigName=configured(workshop, xgboost_model, other)
        )
        workshop.settled(name)
        now = workshop.endpoint(name)
        assert now.get("ExplainerConfig") == (other and {"ClarifyExplainerConfig": other})
    assert workshop.invoke(name, "1,2,3,4,5").count(b",") == 0
    workshop.gone(name)


def test_a_baseline_in_s3_is_copied_when_the_endpoint_is_made(
    workshop: Workshop, xgboost_model: str, explaining: str
) -> None:
    uri = workshop.put("baselines/rows.csv", BASELINE)
    name = deployed(
        workshop, xgboost_model, clarify(ShapConfig={"ShapBaselineConfig": {"ShapBaselineUri": uri}})
    )
    workshop.s3.delete_object(Bucket=workshop.bucket, Key="baselines/rows.csv")
    assert asked(workshop, name, "1,2,3,4,5")[0] == asked(workshop, explaining, "1,2,3,4,5")[0]
    workshop.gone(name)


def test_a_baseline_that_is_not_there_fails_the_endpoint_by_name(
    workshop: Workshop, xgboost_model: str
) -> None:
    config = clarify(ShapConfig={"ShapBaselineConfig": {"ShapBaselineUri": "s3://workshop/nowhere.csv"}})
    name = workshop.name("endpoint")
    workshop.sagemaker.create_endpoint(
        EndpointName=name, EndpointConfigName=configured(workshop, xgboost_model, config)
    )
    found = workshop.settled(name)
    assert found["EndpointStatus"] == "Failed"
    assert "s3://workshop/nowhere.csv" in found["FailureReason"]
    workshop.gone(name)


# --- a model's own code

REGRESSOR = """
import os, pickle
def model_fn(folder): return pickle.load(open(os.path.join(folder, "model.pkl"), "rb"))
"""

PROBABILITIES = (
    REGRESSOR
    + """
def predict_fn(data, model):
    print("asked about", len(data), "rows", flush=True)
    return model.predict_proba(data)
"""
)

LINES = """
import json
def model_fn(folder): return None
def input_fn(body, content_type):
    text = body if isinstance(body, str) else body.decode()
    return [json.loads(line)["data"]["features"] for line in text.splitlines()]
def predict_fn(rows, model):
    if len(rows) > 40: raise ValueError("too many rows at once")
    scores = [0.2 * (row[0] == "own") + 0.1 * row[1] + 0.05 * row[1] * row[2] for row in rows]
    return [{"labels": ["bad"], "result": {"p": score}} for score in scores]
def output_fn(answers, accept):
    return "\\n".join(json.dumps(answer) for answer in answers), accept
"""


def test_a_scikit_learn_model_served_as_it_is_is_explained_by_its_trees(workshop: Workshop) -> None:
    rows = shop.table(200, seed=3)
    fitted = ensemble.RandomForestRegressor(n_estimators=10, max_depth=4, random_state=0)
    fitted.fit(rows[:, 1:], rows[:, 1] + rows[:, 2])
    model = workshop.served(REGRESSOR, files={"model.pkl": pickle.dumps(fitted)})
    name = deployed(workshop, model, clarify())
    answer, headers = asked(workshop, name, shop.as_csv(ROWS))
    assert (headers[METHOD], headers[CALLS]) == ("exact-tree-shap", "0")
    expected = trees.Explainer(trees.load(fitted), background()).shap_values(ROWS).values
    for record in range(len(ROWS)):
        np.testing.assert_allclose(attributions(answer, record)[:, 0], expected[record], atol=1e-9)
    workshop.gone(name)


def test_a_models_own_code_is_asked_about_all_synthetic_records_of_all_records_at_once(
    workshop: Workshop,
) -> None:
    rows = shop.table(200, seed=4)
    fitted = ensemble.RandomForestClassifier(n_estimators=10, max_depth=4, random_state=0)
    fitted.fit(rows[:, 1:], rows[:, 0])
    model = workshop.served(PROBABILITIES, files={"model.pkl": pickle.dumps(fitted)})
    name = deployed(workshop, model, clarify())
    answer, headers = asked(workshop, name, shop.as_csv(ROWS))
    assert (headers[METHOD], headers[CALLS]) == ("exact-shapley", "2")
    log = workshop.log(f"Endpoints/{name}", "AllTraffic")
    assert f"asked about {len(ROWS) * 2 * 30} rows" in log
    base = fitted.predict_proba(background().astype(np.float32)).mean(axis=0)
    predicted = fitted.predict_proba(ROWS.astype(np.float32))
    for record in range(len(ROWS)):
        found = attributions(answer, record)
        assert found.shape == (5, 2)
        np.testing.assert_allclose(found.sum(axis=0), predicted[record] - base, atol=1e-9)
    limited = deployed(workshop, model, clarify(InferenceConfig={"MaxRecordCount": 100}))
    again, headers = asked(workshop, limited, shop.as_csv(ROWS[:2]))
    assert headers[CALLS] == str(1 + 2)
    np.testing.assert_allclose(attributions(again), attributions(answer), atol=1e-12)
    workshop.gone(limited)
    workshop.gone(name)


def test_json_records_with_categories_are_explained_in_as_many_calls_as_the_model_can_bear(
    workshop: Workshop,
) -> None:
    baseline = '{"data":{"features":["rent",0,0]}}'
    config = clarify(
        InferenceConfig={
            "FeaturesAttribute": "data.features",
            "ContentTemplate": '{"data":{"features":$features}}',
            "ProbabilityAttribute": "result.p",
            "LabelAttribute": "labels",
            "FeatureHeaders": ["home", "x", "y"],
        },
        ShapConfig={"ShapBaselineConfig": {"MimeType": "application/jsonlines", "ShapBaseline": baseline}},
    )
    name = deployed(workshop, workshop.served(LINES), config)
    body = "\n".join(json.dumps({"data": {"features": record}}) for record in (["own", 2, 4], ["rent", 3, 0]))
    lines = {"ContentType": "application/jsonlines", "Accept": "application/jsonlines"}
    answer, headers = asked(workshop, name, body, **lines)
    assert headers[METHOD] == "exact-shapley"
    assert answer["label_headers"] == ["bad"]
    np.testing.assert_allclose(attributions(answer)[:, 0], [0.2, 0.2 + 0.2, 0.2], atol=1e-12)
    np.testing.assert_allclose(attributions(answer, 1)[:, 0], [0.0, 0.3, 0.0], atol=1e-12)
    chosen, _ = asked(workshop, name, body, EnableExplanations="result.p>`0.5`", **lines)
    assert [one is None for one in chosen["explanations"]["kernel_shap"]] == [False, True]
    many = "\n".join([body] * 15)
    assert len(asked(workshop, name, many, **lines)[0]["explanations"]["kernel_shap"]) == 30
    workshop.gone(name)
