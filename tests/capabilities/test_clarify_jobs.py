"""Analysis jobs with the Clarify image on a running platform: real models, real endpoints, real files."""

import csv
import io
import json
import pickle
from typing import Any

import numpy as np
import pytest
import xgboost as xgb
from sklearn import ensemble

from tests.support import workshop as shop
from tests.support.workshop import Workshop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

CLARIFY = "205585389593.dkr.ecr.us-east-1.amazonaws.com/sagemaker-clarify-processing:1.0"
ROOT = "/opt/ml/processing"
NAMES = ["approved", "income", "debt", "years", "noise", "woman"]
LINES = """
import json
def model_fn(model_dir):
    return None
def input_fn(body, content_type):
    assert content_type == "application/jsonlines", content_type
    return [json.loads(line)["in"] for line in body.splitlines()]
def predict_fn(rows, model):
    return [{"who": "yes" if row[1] == "red" else "no", "score": row[0] + 2 * (row[1] == "red")} for row in rows]
def output_fn(found, accept):
    return "\\n".join(map(json.dumps, found)), "application/jsonlines"
"""
RATE = """
import json
import numpy as np
def model_fn(model_dir):
    return None
def input_fn(body, content_type):
    return np.loadtxt(body.splitlines(), delimiter=",", ndmin=2)
def predict_fn(rows, model):
    return 1 / (1 + np.exp(-rows[:, 0] - rows[:, 1] * rows[:, 2]))
def output_fn(scores, accept):
    return "\\n".join(map(str, scores.tolist())), "text/csv"
"""


def rows(n_rows: int = 200) -> np.ndarray:
    """The label first; the last column is a sensitive one that the label leans on."""
    random = np.random.default_rng(3)
    features = random.normal(size=(n_rows, 4)).round(3)
    woman = random.integers(0, 2, n_rows)
    label = (features[:, 0] + features[:, 1] * features[:, 2] - 0.4 * woman > 0).astype(float)
    return np.column_stack([label, features, woman])


def booster(table: np.ndarray) -> xgb.Booster:
    matrix = xgb.DMatrix(table[:, 1:], table[:, 0])
    return xgb.train({"objective": "binary:logistic", "max_depth": 3, "nthread": 1}, matrix, 12)


@pytest.fixture(scope="module")
def table() -> np.ndarray:
    return rows()


@pytest.fixture(scope="module")
def model(workshop: Workshop, table: np.ndarray) -> str:
    """A model of the built-in XGBoost; its trees can be read."""
    raw = bytes(booster(table).save_raw("ubj"))
    return workshop.model(shop.archive({"xgboost-model": raw}), image=shop.XGBOOST)


def config(**changes: Any) -> shop.Document:
    return {
        "dataset_type": "text/csv",
        "headers": NAMES,
        "label": "approved",
        "label_values_or_threshold": [1],
        "facet": [{"name_or_index": "woman", "value_or_threshold": [1]}],
        "methods": {"pre_training_bias": {"methods": "all"}},
        **changes,
    }


def predictor(model: str, **changes: Any) -> shop.Document:
    return {
        "model_name": model,
        "instance_type": shop.INSTANCE,
        "initial_instance_count": 1,
        "accept_type": "text/csv",
        "content_type": "text/csv",
        **changes,
    }


def start(
    workshop: Workshop, asked: shop.Document, data: bytes, *, count: int = 1, **changes: Any
) -> tuple[str, str]:
    """A job as the SDK starts it: (name, where its results will be)."""
    name = workshop.name("clarify")
    place = workshop.put_all({"config/analysis_config.json": json.dumps(asked), "data/dataset.csv": data})
    inputs = [
        ("dataset", f"{place}/data/dataset.csv", f"{ROOT}/input/data"),
        ("analysis_config", f"{place}/config/analysis_config.json", f"{ROOT}/input/config"),
    ]
    workshop.sagemaker.create_processing_job(
        ProcessingJobName=name,
        ProcessingInputs=[
            {
                "InputName": kind,
                "S3Input": {
                    "S3Uri": uri,
                    "LocalPath": local,
                    "S3DataType": "S3Prefix",
                    "S3InputMode": "File",
                },
            }
            for kind, uri, local in inputs
        ],
        ProcessingOutputConfig={
            "Outputs": [
                {
                    "OutputName": "analysis_result",
                    "S3Output": {
                        "S3Uri": f"{place}/out",
                        "LocalPath": f"{ROOT}/output",
                        "S3UploadMode": "EndOfJob",
                    },
                }
            ]
        },
        ProcessingResources={
            "ClusterConfig": {"InstanceCount": count, "InstanceType": shop.INSTANCE, "VolumeSizeInGB": 20}
        },
        AppSpecification={"ImageUri": CLARIFY},
        RoleArn=workshop.role,
        **changes,
    )
    return name, f"{place}/out"


def ended(workshop: Workshop, name: str, *, expect: str = "Completed") -> shop.Document:
    def look() -> shop.Document | None:
        found = workshop.sagemaker.describe_processing_job(ProcessingJobName=name)
        return found if found["ProcessingJobStatus"] in shop.ENDED else None

    found: shop.Document = workshop.until(look, within_s=180, what=f"the end of {name}")
    assert found["ProcessingJobStatus"] == expect, (
        found.get("FailureReason"),
        workshop.log("ProcessingJobs", name),
    )
    return found


def analysed(workshop: Workshop, asked: shop.Document, data: bytes) -> tuple[shop.Document, str, str]:
    """(analysis.json, where the results are, the log)"""
    name, place = start(workshop, asked, data)
    ended(workshop, name)
    return json.loads(workshop.get(f"{place}/analysis.json")), place, workshop.log("ProcessingJobs", name)


def read_csv(data: bytes) -> tuple[list[str], np.ndarray]:
    lines = list(csv.reader(io.StringIO(data.decode())))
    return lines[0], np.array(lines[1:], dtype=float)


def endpoints(workshop: Workshop) -> list[str]:
    found = [one["EndpointName"] for one in workshop.sagemaker.list_endpoints()["Endpoints"]]
    found += [
        one["EndpointConfigName"] for one in workshop.sagemaker.list_endpoint_configs()["EndpointConfigs"]
    ]
    return [name for name in found if name.startswith("sm-clarify")]


def none_left(workshop: Workshop) -> None:
    workshop.until(lambda: not endpoints(workshop), what="the end of temporary endpoints")


def test_a_model_is_analysed_in_full_and_its_trees_are_explained_without_asking_it(
    workshop: Workshop, table: np.ndarray, model: str
) -> None:
    methods = {
        "pre_training_bias": {"methods": "all"},
        "post_training_bias": {"methods": "all"},
        "shap": {"baseline": [table[0, 1:].tolist()], "num_samples": 50, "save_local_shap_values": True},
        "pdp": {"grid_resolution": 8, "top_k_features": 2},
        "report": {"name": "report", "title": "Who is approved"},
    }
    asked = config(methods=methods, predictor=predictor(model), group_variable="years")
    found, place, log = analysed(workshop, asked, shop.as_csv(table))
    assert set(workshop.keys(place)) == {
        "analysis.json",
        "report.html",
        "report.pdf",
        "report.ipynb",
        "explanations_shap/out.csv",
        "explanations_shap/baseline.csv",
    }
    scores = booster(table).predict(xgb.DMatrix(table[:, 1:]))
    names, values = read_csv(workshop.get(f"{place}/explanations_shap/out.csv"))
    shap = found["explanations"]["kernel_shap"]["label0"]
    assert names == [f"{name}_label0" for name in NAMES[1:]]
    assert values.sum(axis=1) + shap["expected_value"] == pytest.approx(scores, abs=1e-5)
    assert list(shap["global_shap_values"].values()) == pytest.approx(np.abs(values).mean(axis=0))
    assert (found["details"]["shap"]["method"], found["details"]["shap"]["model_records"]) == ("tree_shap", 0)
    assert [curve["feature_name"] for curve in found["explanations"]["pdp"]] == sorted(
        shap["global_shap_values"], key=lambda name: -shap["global_shap_values"][name]
    )[:2]
    (post,) = found["post_training_bias_metrics"]["facets"]["woman"]
    women = table[:, 5] == 1
    impact = next(one["value"] for one in post["metrics"] if one["name"] == "DI")
    assert impact == pytest.approx((scores[women] > 0.5).mean() / (scores[~women] > 0.5).mean())
    assert workshop.get(f"{place}/report.pdf").startswith(b"%PDF-")
    assert "Tree SHAP on xgboost-model" in log
    assert "SHAP: 100 % (200 of 200)" in log
    none_left(workshop)


def test_a_model_that_is_no_tree_is_asked_and_its_endpoint_stays_when_it_was_there(
    workshop: Workshop, table: np.ndarray
) -> None:
    endpoint = workshop.deployed(workshop.variant(workshop.served(RATE)))
    methods = {"shap": {"baseline": [[0, 0, 0, 0, 0]], "save_local_shap_values": True, "seed": 1}}
    asked = config(
        methods=methods,
        predictor={"endpoint_name": endpoint, "content_type": "text/csv", "accept_type": "text/csv"},
    )
    found, place, log = analysed(workshop, asked, shop.as_csv(table[:10]))
    assert found["details"]["shap"]["method"] == "exact"
    assert found["details"]["shap"]["model_records"] > 0
    assert "not used, because" in found["details"]["shap"]["trees"]
    names, values = read_csv(workshop.get(f"{place}/explanations_shap/out.csv"))
    assert values[:, names.index("noise_label0")] == pytest.approx(np.zeros(10), abs=1e-12)
    assert "records sent to the model" in log
    assert workshop.endpoint(endpoint)["EndpointStatus"] == "InService"
    workshop.gone(endpoint)


def test_everything_may_lie_in_s3_and_be_json_lines(workshop: Workshop) -> None:
    place = workshop.put_all(
        {
            "rows/a.jsonl": '{"x": [1, "red"], "y": "yes"}\n{"x": [4, "blue"], "y": "no"}\n',
            "rows/b.jsonl": '{"x": [2, "blue"], "y": "yes"}\n',
            "base/one.jsonl": '{"x": [0, "blue"]}\n',
        }
    )
    asked = {
        "dataset_type": "application/jsonlines",
        "dataset_uri": f"{place}/rows",
        "headers": ["size", "colour", "answer"],
        "features": "x",
        "label": "y",
        "label_values_or_threshold": ["yes"],
        "facet": [{"name_or_index": "colour", "value_or_threshold": ["red"]}],
        "methods": {
            "post_training_bias": {"methods": ["AD", "DPPL"]},
            "shap": {"baseline": f"{place}/base/one.jsonl", "save_local_shap_values": True},
        },
        "predictor": predictor(
            workshop.served(LINES),
            content_type="application/jsonlines",
            accept_type="application/jsonlines",
            content_template='{"in": $features}',
            label="who",
            probability="score",
            endpoint_name_prefix="mine",
        ),
    }
    found, results, log = analysed(workshop, asked, b"nothing")
    (part,) = found["post_training_bias_metrics"]["facets"]["colour"]
    assert {one["name"]: one["value"] for one in part["metrics"]} == {"AD": -0.5, "DPPL": -1.0}
    names, values = read_csv(workshop.get(f"{results}/explanations_shap/out.csv"))
    assert names == ["size_label0", "colour_label0"]
    assert values == pytest.approx(np.array([[1.0, 2.0], [4.0, 0.0], [2.0, 0.0]]))
    assert "Making the endpoint mine-" in log


def test_one_of_several_hosts_does_the_analysis_and_isolation_is_named(
    workshop: Workshop, model: str
) -> None:
    table = shop.as_csv(rows(20))
    name, place = start(workshop, config(), table, count=2)
    ended(workshop, name)
    assert workshop.keys(place) == ["analysis.json"]
    assert "this one has nothing to do" in workshop.log("ProcessingJobs", name)
    asked = config(methods={"shap": {"baseline": [[0] * 5]}}, predictor=predictor(model))
    name, _ = start(workshop, asked, table, NetworkConfig={"EnableNetworkIsolation": True})
    assert "network isolation" in ended(workshop, name, expect="Failed")["FailureReason"]


def test_trees_that_do_not_answer_as_their_model_are_not_used(workshop: Workshop, table: np.ndarray) -> None:
    """A script may do more than predict: here it answers the complement."""
    code = (
        "import xgboost as xgb, numpy as np\n"
        "def model_fn(d):\n    b = xgb.Booster(); b.load_model(d + '/model.json'); return b\n"
        "def input_fn(body, kind):\n    return np.loadtxt(body.splitlines(), delimiter=',', ndmin=2)\n"
        "def predict_fn(rows, b):\n    return 1 - b.predict(xgb.DMatrix(rows))\n"
        "def output_fn(scores, accept):\n    return '\\n'.join(map(str, scores)), 'text/csv'\n"
    )
    raw = bytes(booster(table).save_raw("json"))
    model = workshop.served(code, files={"model.json": raw})
    asked = config(
        methods={"shap": {"baseline": [table[0, 1:].tolist()]}},
        predictor=predictor(model),
    )
    found, _, _ = analysed(workshop, asked, shop.as_csv(table[:10]))
    assert found["details"]["shap"]["method"] == "exact"
    assert "something beside the trees has a say" in found["details"]["shap"]["trees"]
    none_left(workshop)


def test_a_pickled_forest_behind_a_script_is_explained_exactly(workshop: Workshop, table: np.ndarray) -> None:
    forest = ensemble.RandomForestClassifier(10, max_depth=4, random_state=0, n_jobs=1)
    forest.fit(table[:, 1:], table[:, 0])
    code = (
        "import joblib, numpy as np\n"
        "def model_fn(d):\n    return joblib.load(d + '/model.joblib')\n"
        "def input_fn(body, kind):\n    return np.loadtxt(body.splitlines(), delimiter=',', ndmin=2)\n"
        "def predict_fn(rows, forest):\n    return forest.predict_proba(rows)[:, 1]\n"
        "def output_fn(scores, accept):\n    return '\\n'.join(map(str, scores)), 'text/csv'\n"
    )
    model = workshop.served(code, files={"model.joblib": pickle.dumps(forest)})
    asked = config(
        methods={"shap": {"num_clusters": 2, "save_local_shap_values": True}}, predictor=predictor(model)
    )
    found, place, _ = analysed(workshop, asked, shop.as_csv(table[:30]))
    assert "exact Shapley values of the model's scores" in found["details"]["shap"]["account"]
    _, values = read_csv(workshop.get(f"{place}/explanations_shap/out.csv"))
    expected = found["explanations"]["kernel_shap"]["label0"]["expected_value"]
    assert values.sum(axis=1) + expected == pytest.approx(
        forest.predict_proba(table[:30, 1:])[:, 1], abs=1e-6
    )


def test_the_temporary_endpoint_goes_when_the_job_fails_or_is_stopped(
    workshop: Workshop, table: np.ndarray
) -> None:
    slow = RATE.replace(
        "def predict_fn(rows, model):", "def predict_fn(rows, model):\n    import time; time.sleep(1)"
    )
    asked = config(methods={"shap": {"baseline": [[0] * 5]}}, predictor=predictor(workshop.served(slow)))
    name, _ = start(workshop, asked, shop.as_csv(table[:40]))
    workshop.until(lambda: "SHAP: " in workshop.log("ProcessingJobs", name), what="the first values")
    assert endpoints(workshop)
    workshop.sagemaker.stop_processing_job(ProcessingJobName=name)
    ended(workshop, name, expect="Stopped")
    none_left(workshop)
    broken = workshop.served(RATE.replace("return 1 /", "raise ValueError('no rate')\n    return 1 /"))
    asked = config(methods={"shap": {"baseline": [[0] * 5]}}, predictor=predictor(broken))
    name, _ = start(workshop, asked, shop.as_csv(table))
    assert "no rate" in ended(workshop, name, expect="Failed")["FailureReason"]
    none_left(workshop)


def test_what_is_wrong_with_the_configuration_is_the_reason_of_the_failure(workshop: Workshop) -> None:
    name, _ = start(workshop, config(colour="red"), shop.as_csv(rows(10)))
    reason = ended(workshop, name, expect="Failed")["FailureReason"]
    assert "analysis_config.json: colour is not a key of an analysis" in reason


def test_an_endpoint_that_explains_its_answers_is_refused_by_name(workshop: Workshop, model: str) -> None:
    settings, endpoint = workshop.name("config"), workshop.name("endpoint")
    shap = {"ShapBaselineConfig": {"ShapBaseline": "0,0,0,0,0"}}
    workshop.sagemaker.create_endpoint_config(
        EndpointConfigName=settings,
        ProductionVariants=[workshop.variant(model)],
        ExplainerConfig={"ClarifyExplainerConfig": {"ShapConfig": shap}},
    )
    workshop.sagemaker.create_endpoint(EndpointName=endpoint, EndpointConfigName=settings)
    assert workshop.settled(endpoint)["EndpointStatus"] == "InService"
    asked = config(
        methods={"shap": {"baseline": [[0, 0, 0, 0, 0]]}},
        predictor={"endpoint_name": endpoint, "content_type": "text/csv", "accept_type": "text/csv"},
    )
    name, _ = start(workshop, asked, shop.as_csv(rows(10)))
    reason = ended(workshop, name, expect="Failed")["FailureReason"]
    assert f"predictor.endpoint_name '{endpoint}' explains its answers (ExplainerConfig)" in reason
    workshop.gone(endpoint)
