"""The built-in algorithms, run as the container runs them."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Mapping
from pathlib import Path

import lightgbm
import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st

from glasskit import algorithms
from glasskit.algorithms import checkpoints, contract, hyperparameters
from glasskit.algorithms import lightgbm as built_in_lightgbm
from glasskit.algorithms import xgboost as built_in_xgboost
from glasskit.data import recordio, tables
from tests.library import containers

pytestmark = pytest.mark.slow

DECK = {
    "max_depth": "5",
    "eta": "0.2",
    "gamma": "4",
    "min_child_weight": "6",
    "subsample": "0.8",
    "silent": "0",
    "objective": "binary:logistic",
    "num_round": "30",
}
"""The hyperparameters of a SageMaker tutorial that everybody has copied, `silent` included."""


def rows(n_rows: int = 400, seed: int = 7) -> np.ndarray:
    """A label that depends on two of five features, and some missing cells; label first."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(n_rows, 5)).round(4)
    label = features[:, 0] + features[:, 1] ** 2 + random.normal(size=n_rows) > 0.5
    features[random.random(features.shape) < 0.05] = np.nan
    return np.column_stack([label.astype(float), features])


def csv(values: np.ndarray) -> str:
    return "".join(
        ",".join("" if np.isnan(cell) else repr(float(cell)) for cell in row) + "\n" for row in values
    )


def container(
    base: Path,
    algorithm: str,
    parameters: Mapping[str, str],
    train: np.ndarray,
    validation: np.ndarray | None = None,
) -> containers.Container:
    made = containers.Container(base, algorithm=algorithm)
    made.hyperparameters(parameters)
    half = len(train) // 2
    made.write("input/data/train/part-0.csv", csv(train[:half]))
    made.write("input/data/train/part-1.csv", csv(train[half:]))
    if validation is None:
        made.channels(train="csv")
    else:
        made.write("input/data/validation/part-0.csv", csv(validation))
        made.channels(train="csv", validation="text/csv")
    return made


def direct_xgboost(parameters: Mapping[str, str], train: np.ndarray) -> bytes:
    given_to_library = {
        name: value for name, value in parameters.items() if name not in ("silent", "num_round")
    }
    matrix = xgboost.DMatrix(train[:, 1:], label=train[:, 0])
    return bytes(xgboost.train(given_to_library, matrix, int(parameters["num_round"])).save_raw("ubj"))


def test_the_xgboost_model_is_the_librarys_own_bit_for_bit(tmp_path: Path) -> None:
    values = rows()
    made = container(tmp_path, "xgboost", DECK, values[:300], values[300:])
    ended = made.train()
    assert ended.status == 0, ended.output
    assert (tmp_path / "model" / "xgboost-model").read_bytes() == direct_xgboost(DECK, values[:300])


def real_rows(name: str) -> np.ndarray:
    folder = os.environ.get("GLASSHOUSE_TEST_DATA")
    if not folder:
        pytest.skip("GLASSHOUSE_TEST_DATA names no folder with the real data")
    if name == "german.data":
        fields = [line.split() for line in (Path(folder) / name).read_text().splitlines()]
        codes = [sorted({row[index] for row in fields}) for index in range(21)]
        coded = [
            [float(cell) if cell.isdigit() else float(codes[at].index(cell)) for at, cell in enumerate(row)]
            for row in fields
        ]
        table = np.array(coded)
        return np.column_stack([table[:, -1] - 1, table[:, :-1]])
    table = np.genfromtxt(Path(folder) / name, delimiter=",", skip_header=1)
    return np.column_stack([table[:, -1], table[:, 1:-1]])


@pytest.mark.parametrize("name", ["german.data", "uci_credit_card_default.csv"])
def test_on_real_credit_data_both_models_are_the_libraries_own(tmp_path: Path, name: str) -> None:
    values = real_rows(name)
    assert set(np.unique(values[:, 0])) == {0.0, 1.0}
    made = container(tmp_path / "x", "xgboost", DECK, values)
    assert made.train().status == 0
    assert (tmp_path / "x" / "model" / "xgboost-model").read_bytes() == direct_xgboost(DECK, values)
    made = container(tmp_path / "l", "lightgbm", {"num_boost_round": "30"}, values)
    assert made.train().status == 0
    model = (tmp_path / "l" / "model" / built_in_lightgbm.MODEL_FILE).read_text()
    assert model == direct_lightgbm({"num_boost_round": "30"}, values)


SAGEMAKER_LIGHTGBM = {
    "learning_rate": 0.1,
    "num_leaves": 64,
    "feature_fraction": 0.9,
    "bagging_fraction": 0.9,
    "bagging_freq": 1,
    "max_depth": 6,
    "min_data_in_leaf": 3,
    "max_delta_step": 0.0,
    "lambda_l1": 0.0,
    "lambda_l2": 0.0,
    "boosting": "gbdt",
    "min_gain_to_split": 0.0,
    "scale_pos_weight": 1.0,
    "tree_learner": "serial",
    "feature_fraction_bynode": 1.0,
    "is_unbalance": False,
    "max_bin": 255,
    "tweedie_variance_power": 1.5,
    "num_threads": 0,
    "seed": 0,
    "verbosity": 1,
    "deterministic": True,
    "force_row_wise": True,
}
"""Written out here once more: the documented defaults, as the library takes them."""


def direct_lightgbm(parameters: Mapping[str, str], train: np.ndarray, **more: object) -> str:
    data = lightgbm.Dataset(train[:, 1:], label=train[:, 0])
    passed = {**SAGEMAKER_LIGHTGBM, "objective": "binary", **more}
    booster = lightgbm.train(passed, data, int(parameters["num_boost_round"]))
    return str(booster.model_to_string())


def test_the_lightgbm_model_is_the_librarys_own_bit_for_bit(tmp_path: Path) -> None:
    values = rows()
    ended = container(tmp_path, "lightgbm", {"num_boost_round": "20"}, values).train()
    assert ended.status == 0, ended.output
    model = (tmp_path / "model" / built_in_lightgbm.MODEL_FILE).read_text()
    assert model == direct_lightgbm({"num_boost_round": "20"}, values)


def test_the_number_of_lightgbm_threads_changes_no_tree(tmp_path: Path) -> None:
    values, trees = rows(2000), []
    for threads in ("1", "2"):
        made = container(
            tmp_path / threads, "lightgbm", {"num_threads": threads, "num_boost_round": "5"}, values
        )
        assert made.train().status == 0
        model = (made.base / "model" / built_in_lightgbm.MODEL_FILE).read_text()
        trees.append(model.partition("\nparameters:")[0])
    assert trees[0] == trees[1]


def test_lightgbm_stops_early_on_validation_and_logs_lines_that_metric_regexes_match(tmp_path: Path) -> None:
    values = rows()
    ended = container(tmp_path, "lightgbm", {"metric": "auc"}, values[:250], values[250:]).train()
    assert ended.status == 0, ended.output
    scores = [float(found) for found in re.findall(r"validation's auc: ([0-9.]+)", ended.output)]
    best = int(np.argmax(scores)) + 1
    assert len(scores) == best + 10 < 100
    booster = lightgbm.Booster(model_file=tmp_path / "model" / built_in_lightgbm.MODEL_FILE)
    assert booster.num_trees() == best


def test_xgboost_logs_lines_that_sagemakers_metric_regexes_match(tmp_path: Path) -> None:
    values = rows()
    ended = container(tmp_path, "xgboost", DECK, values[:300], values[300:]).train()
    assert len(re.findall(r".*\[[0-9]+\].*#011validation-logloss:(\S+)", ended.output)) == 30
    assert "[0]#011train-logloss:" in ended.output


def test_the_containers_own_metrics_stand_beside_the_librarys(tmp_path: Path) -> None:
    values = rows()
    wanted = {
        **DECK,
        "num_round": "2",
        "eval_metric": "auc,f1",
        "_tuning_objective_metric": "validation:accuracy",
    }
    ended = container(tmp_path, "xgboost", wanted, values[:300], values[300:]).train()
    assert ended.status == 0, ended.output
    line = next(line for line in ended.output.splitlines() if line.startswith("[1]"))
    assert [item.partition(":")[0] for item in line.split("#011")] == [
        "[1]",
        "train-auc",
        "train-f1",
        "train-accuracy",
        "validation-auc",
        "validation-f1",
        "validation-accuracy",
    ]


def test_early_stopping_scores_with_the_best_rounds_only(tmp_path: Path) -> None:
    values = rows()
    wanted = {
        "objective": "binary:logistic",
        "num_round": "200",
        "early_stopping_rounds": "5",
        "eval_metric": "auc",
    }
    ended = container(tmp_path, "xgboost", wanted, values[:250], values[250:]).train()
    scores = [float(found) for found in re.findall(r"validation-auc:(\S+)", ended.output)]
    best = int(np.argmax(scores))
    assert len(scores) == best + 1 + 5
    model = built_in_xgboost.load(tmp_path / "model", allow_pickle=False)
    booster = xgboost.Booster()
    booster.load_model(bytearray((tmp_path / "model" / "xgboost-model").read_bytes()))
    expected = booster.predict(xgboost.DMatrix(values[:, 1:]), iteration_range=(0, best + 1))
    assert (model.predict(tables.Table(features=values[:, 1:])) == expected).all()


def test_csv_weights_are_the_second_column(tmp_path: Path) -> None:
    values = rows()
    weights = np.linspace(0.1, 2, len(values)).round(3)
    weighted = np.insert(values, 1, weights, axis=1)
    ended = container(tmp_path, "xgboost", {**DECK, "csv_weights": "1"}, weighted).train()
    assert ended.status == 0, ended.output
    matrix = xgboost.DMatrix(values[:, 1:], label=values[:, 0], weight=weights)
    passed = {name: value for name, value in DECK.items() if name not in ("silent", "num_round")}
    expected = xgboost.train(passed, matrix, 30).save_raw("ubj")
    assert (tmp_path / "model" / "xgboost-model").read_bytes() == bytes(expected)


@pytest.mark.parametrize("kind", ["libsvm", "recordio-protobuf", "parquet"])
def test_every_input_format_gives_a_model(tmp_path: Path, kind: str) -> None:
    values = np.nan_to_num(rows(), nan=0.5)
    made = containers.Container(tmp_path, algorithm="xgboost")
    made.hyperparameters({**DECK, "num_round": "3"})
    made.channels(train=f"application/x-{kind}" if kind != "libsvm" else "text/libsvm")
    if kind == "libsvm":
        lines = [
            f"{row[0]:g} " + " ".join(f"{i}:{float(v)!r}" for i, v in enumerate(row[1:])) for row in values
        ]
        made.write("input/data/train/a.libsvm", "\n".join(lines))
    elif kind == "parquet":
        import pyarrow as pa
        from pyarrow import parquet

        (tmp_path / "input/data/train").mkdir()
        table = pa.Table.from_arrays(list(values.T), names=list("yabcde"))
        parquet.write_table(table, tmp_path / "input/data/train/a.parquet")
    else:
        table = tables.Table(features=values[:, 1:], label=values[:, 0])
        made.write("input/data/train/a.pbr", recordio.write(table))
    ended = made.train()
    assert ended.status == 0, ended.output
    assert built_in_xgboost.load(tmp_path / "model", allow_pickle=False).n_features == 5


def test_training_resumes_from_the_newest_checkpoint(tmp_path: Path) -> None:
    values = rows()
    whole = {**DECK, "subsample": "1", "num_round": "12"}
    made = container(tmp_path, "xgboost", {**whole, "num_round": "7"}, values)
    (tmp_path / "checkpoints").mkdir()
    assert made.train().status == 0
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == [f"xgboost-checkpoint.{number}" for number in range(2, 7)]
    (tmp_path / "checkpoints" / "xgboost-checkpoint.9").write_text("not a model")
    made.hyperparameters(whole)
    ended = made.train()
    assert ended.status == 0, ended.output
    assert "Resuming from iteration 7" in ended.output
    assert re.findall(r"^\[(\d+)\]", ended.output, re.MULTILINE) == ["7", "8", "9", "10", "11"]
    booster = xgboost.Booster()
    booster.load_model(bytearray((tmp_path / "model" / "xgboost-model").read_bytes()))
    assert booster.num_boosted_rounds() == 12


def test_a_stopped_training_leaves_the_model_of_the_finished_rounds(tmp_path: Path) -> None:
    made = container(tmp_path, "xgboost", {**DECK, "num_round": "1000000"}, rows())
    child = made.start("train")
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith("[3]"):
            break
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=60)
    assert child.returncode == 0
    booster = xgboost.Booster()
    booster.load_model(bytearray((tmp_path / "model" / "xgboost-model").read_bytes()))
    assert booster.num_boosted_rounds() >= 4


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"colour": "red"}, "Extraneous hyperparameter found: colour"),
        ({"eta": "1.5"}, r"Hyperparameter eta: value '1.5' is not in the range \[0, 1\]"),
        ({"num_round": "many"}, "Hyperparameter num_round: value 'many' is not an integer"),
        ({"objective": "multi:softprob"}, "Require input for parameter 'num_class'"),
        ({"eval_metric": "auc,beauty"}, "holds beauty"),
        ({"learning_rate": "0.1"}, "eta is given twice"),
        ({"tree_method": "gpu_hist"}, "needs a GPU"),
    ],
)
def test_a_wrong_hyperparameter_is_named(change: dict[str, str], complaint: str) -> None:
    with pytest.raises(hyperparameters.Invalid, match=complaint):
        built_in_xgboost.SCHEMA.read({**DECK, **change})


def test_a_wrong_hyperparameter_is_named_in_the_failure(tmp_path: Path) -> None:
    ended = container(tmp_path, "xgboost", {**DECK, "colour": "red"}, rows(20)).train()
    assert ended.status == 1
    assert ended.failure == "Customer Error: Extraneous hyperparameter found: colour"


def test_a_label_out_of_range_is_the_customers_error(tmp_path: Path) -> None:
    values = rows(20)
    values[:, 0] += 0.5
    values[0, 0] = -1
    ended = container(tmp_path, "xgboost", DECK, values).train()
    assert ended.status == 1
    assert "label must be in [0,1] for logistic regression" in ended.failure
    assert "Stack trace" not in ended.failure


def test_a_header_in_the_training_data_is_named(tmp_path: Path) -> None:
    made = container(tmp_path, "xgboost", DECK, rows(20))
    made.write("input/data/train/part-0.csv", "label,age\n1,2\n")
    ended = made.train()
    assert (
        "part-0.csv: row 1 holds 'label', which is not a number (the first row must not be a header)"
        in ended.failure
    )


def test_several_hosts_are_refused_in_words(tmp_path: Path) -> None:
    made = container(tmp_path, "xgboost", DECK, rows(20))
    made.resources("algo-1", "algo-2")
    assert "InstanceCount is 2" in made.train().failure


def test_a_removed_hyperparameter_is_told_of(tmp_path: Path) -> None:
    ended = container(tmp_path, "xgboost", {**DECK, "num_round": "1", "sketch_eps": "0.03"}, rows(50)).train()
    assert ended.status == 0
    assert "Hyperparameter sketch_eps has no effect" in ended.output


def test_a_missing_train_channel_is_named(tmp_path: Path) -> None:
    made = containers.Container(tmp_path, algorithm="xgboost")
    made.hyperparameters(DECK)
    assert "Missing required channel: train" in made.train().failure


def test_json_encoded_values_are_read_as_their_text() -> None:
    read = built_in_xgboost.SCHEMA.read(
        {"num_round": '"5"', "objective": '"reg:linear"', "sagemaker_region": "x"}
    )
    assert read.values == {"num_round": "5", "objective": "reg:linear"}
    assert built_in_xgboost.parameters(read)["objective"] == "reg:squarederror"


def test_all_mistakes_are_reported_at_once() -> None:
    with pytest.raises(hyperparameters.Invalid) as caught:
        built_in_xgboost.SCHEMA.read({"eta": "x", "colour": "red"})
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("name", algorithms.names())
def test_every_algorithm_keeps_the_contract(name: str) -> None:
    module = algorithms.find(name)
    assert module.SCHEMA.algorithm == name
    assert callable(module.train)
    assert callable(module.load)
    defaults = {
        parameter.name: parameter.default for parameter in module.SCHEMA.parameters if parameter.default
    }
    assert all(
        not parameter.check(defaults[parameter.name])
        for parameter in module.SCHEMA.parameters
        if parameter.name in defaults
    )


@given(value=st.integers(-5, 15), low=st.integers(-3, 3), high=st.integers(4, 10))
def test_an_integer_is_accepted_exactly_inside_its_range(value: int, low: int, high: int) -> None:
    complaint = hyperparameters.integer("n", low, high).check(str(value))
    assert (complaint == "") == (low <= value <= high)


@given(value=st.floats(-1, 2), ends=st.sampled_from(["[]", "(]", "[)", "()"]))
def test_the_ends_of_a_range_belong_to_it_as_its_brackets_say(value: float, ends: str) -> None:
    inside = (value >= 0 if ends[0] == "[" else value > 0) and (value <= 1 if ends[1] == "]" else value < 1)
    assert (hyperparameters.real("x", 0, 1, ends=ends).check(repr(value)) == "") == inside


def test_a_pickled_model_is_read_only_when_allowed(tmp_path: Path) -> None:
    import pickle

    values = rows(50)
    booster = xgboost.train({}, xgboost.DMatrix(values[:, 1:], label=values[:, 0]), 2)
    (tmp_path / "xgboost-model").write_bytes(pickle.dumps(booster))
    with pytest.raises(contract.Refused, match="not read outside a sandbox"):
        built_in_xgboost.load(tmp_path, allow_pickle=False)
    model = built_in_xgboost.load(tmp_path, allow_pickle=True)
    assert model.n_features == 5


def test_checkpoints_are_ordered_by_number_not_by_name(tmp_path: Path) -> None:
    for number in (9, 10, 8):
        checkpoints.save(tmp_path, "c", number, b"x")
    assert [found.n_rounds for found in checkpoints.found(tmp_path, "c")] == [9, 10, 11]


def test_lightgbm_decides_the_objective_by_the_labels() -> None:
    read = built_in_lightgbm.SCHEMA.read({})

    def objective(*labels: float) -> object:
        table = tables.Table(features=np.zeros((len(labels), 1)), label=np.array(labels))
        return built_in_lightgbm.parameters(read, table)["objective"]

    assert objective(0, 1, 1) == "binary"
    assert objective(0, 1, 2, 2) == "multiclass"
    assert objective(0.5, 1) == "regression"
    assert objective(1, 2) == "regression"
