"""The built-in algorithms as jobs: the deck's request, the models of the libraries, metrics without asking."""

import ast
import os
from pathlib import Path

import lightgbm
import numpy as np
import numpy.typing as npt
import pytest
import xgboost

from tests.support import workshop as shop
from tests.support.workshop import Workshop

pytestmark = pytest.mark.slow

DECK = {
    "max_depth": "5",
    "eta": "0.2",
    "gamma": "4",
    "min_child_weight": "6",
    "subsample": "0.8",
    "silent": "0",
    "objective": "binary:logistic",
    "num_round": "20",
}
"""The hyperparameters of the deck; `silent` is of an XGBoost long gone."""
LEAVES = {"num_boost_round": "20"}
Rows = npt.NDArray[np.float64]
SAGEMAKER_XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"


@pytest.fixture(scope="module")
def rows() -> tuple[Rows, Rows]:
    """Made-up training and validation rows."""
    return shop.table(300), shop.table(100, seed=1)


@pytest.fixture(scope="module")
def credit() -> Rows:
    """Real credit data where the environment names its folder, else made-up rows; the label first."""
    folder = os.environ.get("GLASSHOUSE_TEST_DATA")
    if folder is None:
        return shop.table(600)
    path = Path(folder) / "uci_credit_card_default.csv"
    found = np.genfromtxt(path, delimiter=",", skip_header=1, max_rows=3000)
    return np.column_stack([found[:, -1], found[:, 1:-1]])


def request(
    workshop: Workshop, image: str, parameters: dict[str, str], rows: tuple[Rows, ...]
) -> shop.Document:
    names = ("train", "validation")[: len(rows)]
    uri = workshop.put_all({f"{n}/a.csv": shop.as_csv(r) for n, r in zip(names, rows, strict=True)})
    return workshop.training_request(
        AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
        HyperParameters=parameters,
        InputDataConfig=[workshop.channel(name, f"{uri}/{name}", ContentType="csv") for name in names],
        # What SDK v2 sends with every built-in algorithm:
        DebugHookConfig={"S3OutputPath": f"s3://{workshop.bucket}/debug", "CollectionConfigurations": []},
        ProfilerConfig={"S3OutputPath": f"s3://{workshop.bucket}/profile", "DisableProfiler": False},
    )


def model_of(workshop: Workshop, job: shop.Document) -> dict[str, bytes]:
    return shop.unpacked(workshop.get(job["ModelArtifacts"]["S3ModelArtifacts"]))


def as_read(rows: Rows) -> Rows:
    """The rows as a reader of the CSV sees them."""
    return np.array([[float(f"{value:g}") for value in row] for row in rows])


def xgboost_directly(rows: Rows) -> bytes:
    given = {name: value for name, value in DECK.items() if name not in ("silent", "num_round")}
    read = as_read(rows)
    matrix = xgboost.DMatrix(read[:, 1:].astype(np.float32), label=read[:, 0])
    return bytes(xgboost.train(given, matrix, int(DECK["num_round"])).save_raw("ubj"))


@pytest.mark.parametrize("image", [shop.XGBOOST, SAGEMAKER_XGBOOST])
def test_the_xgboost_model_is_the_librarys_own_bit_for_bit(
    workshop: Workshop, credit: Rows, image: str
) -> None:
    job = workshop.train(request(workshop, image, DECK, (credit,)))
    assert model_of(workshop, job) == {"xgboost-model": xgboost_directly(credit)}


def test_the_lightgbm_model_is_the_librarys_own_bit_for_bit(workshop: Workshop, credit: Rows) -> None:
    """Trained here with the parameters that the job says it used."""
    job = workshop.train(request(workshop, shop.LIGHTGBM, LEAVES, (credit,)))
    said = next(line for line in workshop.log_of(job).splitlines() if line.startswith("Parameters: "))
    parameters = ast.literal_eval(said.removeprefix("Parameters: "))
    read = as_read(credit)
    data = lightgbm.Dataset(read[:, 1:].astype(np.float64), label=read[:, 0])
    direct = lightgbm.train(parameters, data, int(LEAVES["num_boost_round"])).model_to_string()
    (saved,) = model_of(workshop, job).values()
    assert saved.decode() == direct


def test_the_metrics_of_an_algorithm_come_without_asking(workshop: Workshop, rows: tuple[Rows, Rows]) -> None:
    job = workshop.train(request(workshop, shop.XGBOOST, {**DECK, "eval_metric": "auc"}, rows))
    found = {one["MetricName"]: one["Value"] for one in job["FinalMetricDataList"]}
    assert set(found) == {"train:auc", "validation:auc"}
    read = as_read(rows[1])
    scores = xgboost.Booster(model_file=bytearray(model_of(workshop, job)["xgboost-model"])).predict(
        xgboost.DMatrix(read[:, 1:].astype(np.float32))
    )
    label = read[:, 0] == 1
    wins = (scores[label][:, None] > scores[~label]).mean() + (
        scores[label][:, None] == scores[~label]
    ).mean() / 2
    assert found["validation:auc"] == pytest.approx(wins, abs=1e-4)
    assert "#011validation-auc:" in workshop.log_of(job)
    names = [one["Name"] for one in job["AlgorithmSpecification"]["MetricDefinitions"]]
    assert "validation:auc" in names


def test_a_hyperparameter_that_means_nothing_is_named(workshop: Workshop, rows: tuple[Rows, Rows]) -> None:
    job = workshop.train(
        request(workshop, shop.XGBOOST, {**DECK, "max_deepness": "5"}, rows), expect="Failed"
    )
    assert "max_deepness" in job["FailureReason"]
    assert job["FailureReason"].startswith("AlgorithmError: Customer Error")


def test_data_that_is_not_csv_is_blamed_on_the_file(workshop: Workshop) -> None:
    uri = workshop.put_all({"a.csv": "1,2,3\n1,oops,3\n"})
    wanted = workshop.training_request(
        AlgorithmSpecification={"TrainingImage": shop.XGBOOST, "TrainingInputMode": "File"},
        HyperParameters=DECK,
        InputDataConfig=[workshop.channel("train", uri, ContentType="text/csv")],
    )
    job = workshop.train(wanted, expect="Failed")
    assert "a.csv" in job["FailureReason"]


def test_a_stopped_xgboost_job_leaves_the_trees_it_has(workshop: Workshop, rows: tuple[Rows, Rows]) -> None:
    wanted = request(workshop, shop.XGBOOST, {**DECK, "num_round": "1000000"}, rows)
    name = workshop.start_training(wanted)
    workshop.running(name, "[10]")
    assert workshop.training(name)["TrainingJobStatus"] == "InProgress"
    workshop.sagemaker.stop_training_job(TrainingJobName=name)
    job = workshop.trained(name)
    assert job["TrainingJobStatus"] == "Stopped"
    booster = xgboost.Booster(model_file=bytearray(model_of(workshop, job)["xgboost-model"]))
    assert booster.num_boosted_rounds() > 10


def test_metrics_appear_while_the_job_runs(workshop: Workshop, rows: tuple[Rows, Rows]) -> None:
    wanted = request(workshop, shop.XGBOOST, {**DECK, "num_round": "1000000", "eval_metric": "error"}, rows)
    name = workshop.start_training(wanted)
    workshop.until(lambda: workshop.training(name)["FinalMetricDataList"], what="a metric")
    workshop.sagemaker.stop_training_job(TrainingJobName=name)
    workshop.trained(name)


def test_xgboost_goes_on_from_a_checkpoint(workshop: Workshop, rows: tuple[Rows, Rows]) -> None:
    place = f"s3://{workshop.bucket}/{workshop.name('checkpoints')}"
    config = {"S3Uri": place}
    half = {**DECK, "num_round": "10"}
    first = workshop.train({**request(workshop, shop.XGBOOST, half, rows), "CheckpointConfig": config})
    assert "xgboost-checkpoint.9" in workshop.keys(place)
    second = workshop.train({**request(workshop, shop.XGBOOST, DECK, rows), "CheckpointConfig": config})
    assert "[9]" not in workshop.log_of(second)
    assert "[10]" in workshop.log_of(second)
    booster = xgboost.Booster(model_file=bytearray(model_of(workshop, second)["xgboost-model"]))
    assert booster.num_boosted_rounds() == 20
    assert model_of(workshop, first) != model_of(workshop, second)
