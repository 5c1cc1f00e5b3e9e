"""Batch transform that explains every record, vectorised."""

import csv
import io
import json

import lightgbm
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
import xgboost
from pyarrow import parquet

from glasskit import trees
from tests.support import workshop as shop
from tests.support.workshop import Workshop

pytestmark = pytest.mark.slow

N_RECORDS = 12_000
PARQUET = "application/x-parquet"

Floats = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def rows() -> Floats:
    return shop.table(N_RECORDS, seed=7)[:, 1:]


@pytest.fixture(scope="module")
def booster() -> xgboost.Booster:
    table = shop.table(300)
    return xgboost.train(
        {"objective": "binary:logistic", "max_depth": 3},
        xgboost.DMatrix(table[:, 1:].astype(np.float32), label=table[:, 0]),
        10,
    )


@pytest.fixture(scope="module")
def model(workshop: Workshop, booster: xgboost.Booster) -> str:
    return workshop.model(shop.archive({"xgboost-model": bytes(booster.save_raw("ubj"))}), image=shop.XGBOOST)


def transformed(
    workshop: Workshop, model: str, body: bytes, *, expect: str = "Completed", **changes: shop.Document
) -> tuple[shop.Document, bytes]:
    """The job once it has ended, and its output."""
    name = workshop.name("explained")
    source = workshop.put_all({"part": body})
    workshop.sagemaker.create_transform_job(**request(workshop, name, model, source, **changes))

    def look() -> shop.Document | None:
        found: shop.Document = workshop.sagemaker.describe_transform_job(TransformJobName=name)
        return found if found["TransformJobStatus"] in shop.ENDED else None

    found: shop.Document = workshop.until(look, within_s=90, what=f"the end of {name}")
    log = workshop.log("TransformJobs", name)
    assert found["TransformJobStatus"] == expect, (found.get("FailureReason"), log)
    output = workshop.get(f"s3://{workshop.bucket}/{name}/part.out") if expect == "Completed" else b""
    return found, output


def request(
    workshop: Workshop, name: str, model: str, source: str, **changes: shop.Document
) -> shop.Document:
    return {
        "TransformJobName": name,
        "ModelName": model,
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": source}},
            "ContentType": "text/csv",
            "SplitType": "Line",
            **changes.get("input", {}),
        },
        "TransformOutput": {
            "S3OutputPath": f"s3://{workshop.bucket}/{name}",
            "AssembleWith": "Line",
            **changes.get("output", {}),
        },
        "TransformResources": {"InstanceType": shop.INSTANCE, "InstanceCount": 1},
        "Environment": {"GLASSHOUSE_EXPLAIN": "true", **changes.get("environment", {})},
    }


def calls(workshop: Workshop, job: shop.Document) -> list[int]:
    """How many records each call of the explainer had."""
    log = workshop.log("TransformJobs", job["TransformJobName"])
    return [int(line.split()[1]) for line in log.splitlines() if line.startswith("Explained ")]


def test_twelve_thousand_records_are_explained_in_one_call(
    workshop: Workshop, model: str, booster: xgboost.Booster, rows: Floats
) -> None:
    job, output = transformed(workshop, model, shop.as_csv(rows))
    assert calls(workshop, job) == [N_RECORDS]
    found = np.array(list(csv.reader(io.StringIO(output.decode()))), dtype=np.float64)
    assert found.shape == (N_RECORDS, 1 + 5 + 1)
    given = np.array([[float(cell) for cell in line.split(b",")] for line in shop.as_csv(rows).split()])
    explained = trees.Explainer(trees.load(booster)).shap_values(given)
    np.testing.assert_allclose(found[:, 0], booster.predict(xgboost.DMatrix(given)), rtol=1e-6)
    np.testing.assert_allclose(found[:, 1:6], explained.values, atol=1e-9)
    np.testing.assert_allclose(found[:, 6], explained.base_values, atol=1e-9)
    margins = found[:, 1:].sum(axis=1)
    np.testing.assert_allclose(1 / (1 + np.exp(-margins)), found[:, 0], atol=1e-6)


def test_json_lines_name_the_features_and_explain_against_a_baseline(workshop: Workshop) -> None:
    table = shop.table(300, seed=2)
    data = lightgbm.Dataset(table[:, 1:], label=table[:, 1] + table[:, 2], feature_name=list("abcde"))
    fitted = lightgbm.train({"objective": "regression", "verbosity": -1}, data, 5)
    model = workshop.model(
        shop.archive({"lightgbm-model.txt": fitted.model_to_string()}), image=shop.LIGHTGBM
    )
    lines = b"".join(json.dumps({"features": row}).encode() + b"\n" for row in table[:50, 1:].tolist())
    baseline = workshop.put("baselines/explained.csv", shop.as_csv(table[:10, 1:]))
    for given in (baseline, shop.as_csv(table[:10, 1:]).decode()):
        _, output = transformed(
            workshop,
            model,
            lines,
            input={"ContentType": "application/jsonlines"},
            output={"Accept": "application/jsonlines"},
            environment={"GLASSHOUSE_EXPLAIN_BASELINE": given},
        )
        found = [json.loads(line) for line in output.splitlines()]
        background = np.array([[float(f"{value:g}") for value in row] for row in table[:10, 1:]])
        explained = trees.Explainer(trees.load(fitted), background).shap_values(table[:50, 1:])
        assert [list(one) for one in found] == [["prediction", "shap_values", "base_value"]] * 50
        values = [[one["shap_values"][name] for name in "abcde"] for one in found]
        np.testing.assert_allclose(values, explained.values, atol=1e-12)
        np.testing.assert_allclose([one["prediction"] for one in found], fitted.predict(table[:50, 1:]))
        assert found[0]["base_value"] == pytest.approx(explained.base_values[0])


def test_parquet_comes_back_as_parquet_with_a_column_for_each_feature(workshop: Workshop) -> None:
    table = shop.table(400, seed=8)
    label = (table[:, 1] > 0).astype(int) + (table[:, 2] > 0)
    fitted = xgboost.train(
        {"objective": "multi:softprob", "num_class": 3, "max_depth": 3},
        xgboost.DMatrix(table[:, 1:].astype(np.float32), label=label),
        4,
    )
    model = workshop.model(shop.archive({"xgboost-model": bytes(fitted.save_raw("ubj"))}), image=shop.XGBOOST)
    buffer = io.BytesIO()
    columns = {name: table[:, 1 + at].astype(np.float32) for at, name in enumerate("abcde")}
    parquet.write_table(pa.table(columns), buffer)
    whole = {"SplitType": "None"}
    job, output = transformed(
        workshop,
        model,
        buffer.getvalue(),
        input={"ContentType": PARQUET, **whole},
        output={"Accept": PARQUET, "AssembleWith": "None"},
    )
    found = parquet.read_table(io.BytesIO(output)).to_pydict()
    assert list(found)[:4] == ["prediction_0", "prediction_1", "prediction_2", "shap_a_0"]
    assert (len(found), len(found["shap_e_2"])) == (3 + 15 + 3, 400)
    sums = sum(np.array(found[f"shap_{name}_1"]) for name in "abcde") + np.array(found["base_value_1"])
    rows = table[:, 1:].astype(np.float32)
    margins = fitted.predict(xgboost.DMatrix(rows), output_margin=True)
    np.testing.assert_allclose(sums, margins[:, 1], atol=1e-5)
    assert calls(workshop, job) == [400]


def test_records_that_do_not_fit_are_named_and_the_others_explained(workshop: Workshop, model: str) -> None:
    job, _ = transformed(workshop, model, b"1,2,3,4,5\n1,2\n5,4,3,2,1\n", expect="Failed")
    assert "record 2" in job["FailureReason"]
    output = workshop.get(f"s3://{workshop.bucket}/{job['TransformJobName']}/part.out")
    assert len(output.splitlines()) == 2


def test_a_model_whose_trees_cannot_be_read_fails_the_job_with_the_reason(workshop: Workshop) -> None:
    code = "def model_fn(folder): return None\ndef predict_fn(data, model): return data.sum(axis=1)\n"
    job, _ = transformed(workshop, workshop.served(code), b"1,2\n", expect="Failed")
    assert "GLASSHOUSE_EXPLAIN cannot be carried out" in workshop.log(
        "TransformJobs", job["TransformJobName"]
    )


@pytest.mark.parametrize(
    ("changes", "saying"),
    [
        pytest.param({"environment": {"GLASSHOUSE_EXPLAIN": "yes"}}, "must be true or false", id="value"),
        pytest.param({"environment": {"GLASSHOUSE_EXPLAIN_SPACE": "x"}}, "is not known", id="name"),
        pytest.param(
            {"environment": {"GLASSHOUSE_EXPLAIN": "false", "GLASSHOUSE_EXPLAIN_BASELINE": "1"}},
            "needs GLASSHOUSE_EXPLAIN",
            id="baseline-alone",
        ),
        pytest.param({"input": {"ContentType": "text/libsvm"}}, "TransformInput.ContentType", id="input"),
        pytest.param({"output": {"Accept": "image/png"}}, "TransformOutput.Accept", id="output"),
        pytest.param({"output": {"Accept": PARQUET}}, "leave SplitType", id="parquet-in-lines"),
    ],
)
def test_what_cannot_be_explained_is_refused_when_the_job_is_created(
    workshop: Workshop, model: str, changes: dict[str, shop.Document], saying: str
) -> None:
    with workshop.refused("ValidationException", saying):
        workshop.sagemaker.create_transform_job(
            **request(workshop, workshop.name("refused"), model, "s3://workshop/x", **changes)
        )
