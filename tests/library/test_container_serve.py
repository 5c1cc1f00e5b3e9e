"""Model servers, as real processes on a Unix socket."""

from __future__ import annotations

import io
import json
import signal
import threading
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path

import lightgbm
import numpy as np
import pytest
import xgboost
from scipy import sparse

from glasskit.container import scoring, server
from glasskit.data import recordio, tables
from tests.library import containers

pytestmark = pytest.mark.slow

MODEL = "def model_fn(model_dir):\n    return open(model_dir + '/weight').read()\n"


def made_with(base: Path, code: str, **environment: str) -> containers.Container:
    made = containers.Container(base, SAGEMAKER_PROGRAM="inference.py", **environment)
    made.write("model/weight", "3")
    made.write("model/code/inference.py", code)
    return made


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> xgboost.Booster:
    random = np.random.default_rng(3)
    features = random.normal(size=(200, 4))
    matrix = xgboost.DMatrix(features, label=features[:, 0] > features[:, 1])
    return xgboost.train({"objective": "binary:logistic", "max_depth": "2"}, matrix, 5)


ROWS = np.array([[0.5, -1.0, 2.0, 0.25], [-0.5, 1.0, np.nan, 0.75]])
ROWS_CSV = "0.5,-1,2,0.25\n-0.5,1,,0.75"


def xgboost_container(base: Path, trained: xgboost.Booster, **environment: str) -> containers.Container:
    made = containers.Container(base, algorithm="xgboost", **environment)
    made.write("model/xgboost-model", bytes(trained.save_raw("ubj")))
    return made


@pytest.fixture(scope="module")
def xgboost_server(
    tmp_path_factory: pytest.TempPathFactory, trained: xgboost.Booster
) -> Iterator[containers.Client]:
    with xgboost_container(tmp_path_factory.mktemp("ml"), trained).serving() as client:
        yield client


def scores_of(trained: xgboost.Booster) -> list[float]:
    return [float(score) for score in trained.predict(xgboost.DMatrix(ROWS))]


def test_realtime_scores_stand_on_one_line(
    xgboost_server: containers.Client, trained: xgboost.Booster
) -> None:
    reply = xgboost_server.invoke(ROWS_CSV, "text/csv")
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/csv")
    assert reply.body.decode() == ",".join(map(str, scores_of(trained)))


@pytest.mark.parametrize("content_type", ["text/libsvm", "text/x-libsvm"])
def test_libsvm_requests_are_scored(
    xgboost_server: containers.Client, trained: xgboost.Booster, content_type: str
) -> None:
    body = "0:0.5 1:-1 2:2 3:0.25\n0:-0.5 1:1 3:0.75"
    assert json.loads(f"[{xgboost_server.invoke(body, content_type).body.decode()}]") == scores_of(trained)


def test_recordio_requests_are_scored(xgboost_server: containers.Client, trained: xgboost.Booster) -> None:
    body = recordio.write(tables.Table(features=ROWS))
    reply = xgboost_server.invoke(body, "application/x-recordio-protobuf")
    assert json.loads(f"[{reply.body.decode()}]") == scores_of(trained)


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [{"features": [0.5, -1, 2, 0.25]}, {"features": [-0.5, 1, None, 0.75]}]},
        {"instances": [{"data": {"features": {"values": list(row)}}} for row in [[0.5, -1, 2, 0.25], [-0.5, 1, None, 0.75]]]},
        [[0.5, -1, 2, 0.25], [-0.5, 1, None, 0.75]],
    ],
)  # fmt: skip
def test_json_requests_are_scored_and_answered_in_json(
    xgboost_server: containers.Client, trained: xgboost.Booster, body: object
) -> None:
    reply = xgboost_server.invoke(json.dumps(body), "application/json", "application/json")
    assert reply.headers["content-type"] == "application/json"
    assert [item["score"] for item in json.loads(reply.body)["predictions"]] == scores_of(trained)


@pytest.mark.parametrize(
    ("body", "content_type", "accept", "status", "text"),
    [
        ("", "text/csv", "*/*", 204, ""),
        ("x", "image/png", "*/*", 415, "image/png is not an accepted ContentType"),
        ("a,b,c,d", "text/csv", "*/*", 415, "row 1 holds 'a'"),
        (
            "1,2",
            "text/csv",
            "*/*",
            400,
            "Feature size of csv inference data 2 is not consistent with feature size of",
        ),
        (
            "0:1 9:1",
            "text/libsvm",
            "*/*",
            400,
            "Feature size of libsvm inference data 10 is larger than feature size",
        ),
        ("1,2,3,4", "text/csv", "image/png", 406, "Accept type image/png is not supported"),
        ("{}", "application/json", "*/*", 415, "Failed to load json data"),
    ],
)
def test_a_wrong_request_gets_its_status_and_a_sentence(
    xgboost_server: containers.Client, body: str, content_type: str, accept: str, status: int, text: str
) -> None:
    reply = xgboost_server.invoke(body, content_type, accept)
    assert reply.status == status
    assert text in reply.body.decode()


def test_a_row_without_its_last_feature_is_scored_as_missing(
    xgboost_server: containers.Client, trained: xgboost.Booster
) -> None:
    reply = xgboost_server.invoke("0.5,-1,2", "text/csv")
    expected = trained.predict(xgboost.DMatrix(np.array([[0.5, -1, 2, np.nan]])))
    assert float(reply.body) == float(expected[0])


def test_execution_parameters_are_offered_to_batch_transform(xgboost_server: containers.Client) -> None:
    found = json.loads(xgboost_server.get("/execution-parameters").body)
    assert found == {
        "MaxConcurrentTransforms": server.default_threads(),
        "BatchStrategy": "MULTI_RECORD",
        "MaxPayloadInMB": 6,
    }


@pytest.mark.parametrize(("path", "status"), [("/ping", 200), ("/models", 404), ("/invocations", 405)])
def test_paths_answer_as_the_contract_says(xgboost_server: containers.Client, path: str, status: int) -> None:
    assert xgboost_server.get(path).status == status


def test_many_clients_at_once_each_get_their_own_answer(xgboost_server: containers.Client) -> None:
    def ask(number: int) -> float:
        return float(xgboost_server.invoke(f"{number / 100},0,0,0", "text/csv").body)

    alone = [ask(number) for number in range(60)]
    with futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(60))) == alone


def test_in_batch_every_score_has_a_line(tmp_path: Path, trained: xgboost.Booster) -> None:
    with xgboost_container(tmp_path, trained, SAGEMAKER_BATCH="true").serving() as client:
        assert client.invoke(ROWS_CSV, "text/csv").body.decode() == "".join(
            f"{s}\n" for s in scores_of(trained)
        )


def test_a_lightgbm_model_is_served(tmp_path: Path) -> None:
    features = np.random.default_rng(1).normal(size=(200, 4))
    data = lightgbm.Dataset(features, label=features[:, 0])
    booster = lightgbm.train({"verbosity": -1, "num_leaves": 4}, data, 5)
    made = containers.Container(tmp_path, algorithm="lightgbm")
    booster.save_model(tmp_path / "model" / "lightgbm-model.txt")
    with made.serving() as client:
        reply = client.invoke(ROWS_CSV, "text/csv")
    assert json.loads(f"[{reply.body.decode()}]") == booster.predict(ROWS).tolist()
    assert client.status == 0


def test_a_model_that_cannot_be_loaded_ends_the_server_with_the_cause(tmp_path: Path) -> None:
    made = containers.Container(tmp_path, algorithm="xgboost")
    made.write("model/xgboost-model", "not a model")
    child = made.start("serve")
    output, _ = child.communicate(timeout=60)
    assert child.returncode == 1
    assert "cannot be loaded" in output


# --- the user's own functions --------------------------------------------------------------------


def test_all_four_functions_and_their_context_are_called(tmp_path: Path) -> None:
    code = MODEL + (
        "def input_fn(body, content_type, context):\n"
        "    return type(body).__name__, body, content_type, context.get_request_header(0, 'X-Amzn-SageMaker-Custom-Attributes')\n"
        "def predict_fn(data, model):\n    return [*data, model]\n"
        "def output_fn(prediction, accept, context):\n"
        "    context.set_response_header(0, 'X-Amzn-SageMaker-Custom-Attributes', 'seen')\n"
        "    return str([*prediction, accept])\n"
    )
    with made_with(tmp_path, code).serving() as client:
        reply = client.invoke(
            "{}",
            "application/json; entities=data,features",
            "a/b;q=1",
            X_Amzn_SageMaker_Custom_Attributes="c1",
        )
        plain = client.invoke("1,2", "text/csv")
    assert reply.body.decode() == str(
        ["bytes", b"{}", "application/json; entities=data,features", "c1", "3", "a/b;q=1"]
    )
    assert reply.headers["content-type"] == "a/b;q=1"
    assert reply.headers["x-amzn-sagemaker-custom-attributes"] == "seen"
    assert plain.body.decode() == str(["str", "1,2", "text/csv", None, "3", "application/json"])


def test_transform_fn_may_answer_with_a_content_type(tmp_path: Path) -> None:
    code = (
        MODEL
        + "def transform_fn(model, body, content_type, accept):\n    return body * int(model), 'text/x-three'\n"
    )
    with made_with(tmp_path, code).serving() as client:
        reply = client.invoke("ab", "text/csv")
    assert (reply.body, reply.headers["content-type"]) == (b"ababab", "text/x-three")


SKLEARN = (
    "import json\n"
    "class Model:\n    def predict(self, rows):\n        return rows.sum(axis=1)\n"
    "def model_fn(model_dir):\n    return Model()\n"
)


@pytest.fixture(scope="module")
def defaults_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[containers.Client]:
    with made_with(tmp_path_factory.mktemp("ml"), SKLEARN).serving() as client:
        yield client


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npz(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    sparse.save_npz(stream, sparse.csr_matrix(array))
    return stream.getvalue()


TWO = np.array([[1.0, 2.0], [3.0, 4.0]])


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"1,2\n3,4", "text/csv"),
        (b"[[1,2],[3,4]]", "application/json"),
        (npy(TWO), "application/x-npy"),
        (npz(TWO), "application/x-npz"),
        (b"1,2\n3,4", "text/csv; charset=utf-8"),
    ],
)
def test_the_default_input_reads_every_toolkit_type(
    defaults_server: containers.Client, body: bytes, content_type: str
) -> None:
    reply = defaults_server.invoke(body, content_type, "application/json")
    assert reply.status == 200, reply.body
    assert np.array(json.loads(reply.body)).ravel().tolist() == [3, 7]


def test_the_default_output_writes_every_toolkit_type(defaults_server: containers.Client) -> None:
    assert defaults_server.invoke("1,2\n3,4", "text/csv", "text/csv").body == b"3.0\n7.0\n"
    raw = defaults_server.invoke("1,2\n3,4", "text/csv", "application/x-npy").body
    assert np.load(io.BytesIO(raw)).tolist() == [3, 7]
    anything = defaults_server.invoke("1,2\n3,4", "text/csv", "*/*")
    assert (anything.body, anything.headers["content-type"]) == (b"[3.0, 7.0]", "application/json")


def test_types_that_the_defaults_do_not_know_are_refused(defaults_server: containers.Client) -> None:
    assert defaults_server.invoke("x", "image/png").status == 415
    assert defaults_server.invoke("1,2", "text/csv", "image/png").status == 406


def test_an_error_of_the_users_code_is_500_with_its_last_line(tmp_path: Path) -> None:
    code = MODEL + "def transform_fn(model, body, content_type, accept):\n    return {}['income']\n"
    with made_with(tmp_path, code).serving() as client:
        reply = client.invoke("x", "text/plain")
    assert (reply.status, reply.body) == (500, b"KeyError: 'income'")
    assert "inference.py" in client.output


def test_another_default_accept_can_be_set(tmp_path: Path) -> None:
    made = made_with(tmp_path, SKLEARN, SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="text/csv")
    with made.serving() as client:
        assert client.invoke("1,2", "text/csv").body == b"3.0\n"


def test_a_script_of_the_xgboost_image_gets_matrices(tmp_path: Path, trained: xgboost.Booster) -> None:
    code = (
        "import xgboost\n"
        "def model_fn(model_dir):\n    b = xgboost.Booster(); b.load_model(model_dir + '/m.ubj'); return b\n"
    )
    made = made_with(tmp_path, code, GLASSHOUSE_ALGORITHM="xgboost")
    trained.save_model(tmp_path / "model" / "m.ubj")
    with made.serving() as client:
        reply = client.invoke(ROWS_CSV, "text/csv", "application/json")
    assert json.loads(reply.body) == scores_of(trained)


def test_code_of_the_model_is_found_without_being_named(tmp_path: Path) -> None:
    made = made_with(tmp_path, MODEL + "def transform_fn(m, b, c, a):\n    return 'found'\n")
    del made.environment["SAGEMAKER_PROGRAM"]
    with made.serving() as client:
        assert client.invoke("x", "text/plain").body == b"found"


def test_code_may_come_from_an_archive(tmp_path: Path) -> None:
    archive = containers.archive(
        tmp_path / "sourcedir.tar.gz",
        {
            "serve_me.py": "from lib import helper\n"
            + MODEL
            + "def transform_fn(m, b, c, a):\n    return helper.NAME\n",
            "lib/helper.py": "NAME = 'helped'",
        },
    )
    made = made_with(tmp_path / "ml", "", SAGEMAKER_SUBMIT_DIRECTORY=str(archive))
    made.environment["SAGEMAKER_PROGRAM"] = "serve_me.py"
    with made.serving() as client:
        assert client.invoke("x", "text/plain").body == b"helped"


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("def predict_fn(d, m): pass", "Please provide a model_fn implementation."),
        (MODEL + "def transform_fn(m, b, c, a): pass\ndef input_fn(b, c): pass", "Cannot use transform_fn"),
        ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("def model_fn(d):\n    raise OSError('model is gone')", "OSError: model is gone"),
    ],
)
def test_a_module_that_cannot_serve_ends_the_server_with_the_cause(
    tmp_path: Path, code: str, complaint: str
) -> None:
    child = made_with(tmp_path, code).start("serve")
    output, _ = child.communicate(timeout=60)
    assert child.returncode == 1
    assert complaint in output


@pytest.mark.parametrize("name", ["SAGEMAKER_MULTI_MODEL", "SAGEMAKER_INFERENCE_OUTPUT"])
def test_what_is_not_offered_is_refused_at_the_start(tmp_path: Path, name: str) -> None:
    child = made_with(tmp_path, MODEL, **{name: "true"}).start("serve")
    output, _ = child.communicate(timeout=60)
    assert child.returncode == 1
    assert name in output


def test_sigterm_lets_requests_in_flight_finish(tmp_path: Path) -> None:
    code = MODEL + (
        "import os, time\n"
        "def transform_fn(model, body, content_type, accept):\n"
        "    open(body.decode() + '/started', 'w').close()\n"
        "    while not os.path.exists(body.decode() + '/go'):\n        time.sleep(0.01)\n"
        "    return 'finished'\n"
    )
    made = made_with(tmp_path, code)
    replies: list[containers.Reply] = []
    with made.serving() as client:
        asking = threading.Thread(target=lambda: replies.append(client.invoke(str(tmp_path), "text/plain")))
        asking.start()
        containers.wait_until((tmp_path / "started").exists)
        client.signal(signal.SIGTERM)
        containers.wait_until(lambda: not client.accepts())
        (tmp_path / "go").touch()
        asking.join(timeout=30)
    assert replies[0].body == b"finished"
    assert client.status == 0


def test_the_server_listens_on_the_asked_port(tmp_path: Path, trained: xgboost.Booster) -> None:
    import http.client
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    made = xgboost_container(tmp_path, trained, SAGEMAKER_BIND_TO_PORT=str(port))
    child = made.start("serve")

    def answers() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/ping")
            return connection.getresponse().status == 200
        except ConnectionRefusedError:
            return False
        finally:
            connection.close()

    try:
        containers.wait_until(answers)
    finally:
        child.terminate()
        child.communicate(timeout=30)
    assert child.returncode == 0


def test_scores_of_several_classes_are_lists_as_in_sagemakers_container() -> None:
    class Classes:
        n_features = 1

        def predict(self, table: tables.Table) -> np.ndarray:
            return np.array([[0.25, 0.75]] * table.n_rows)

    from glasskit.container import requests

    handler = scoring.ScoringHandler(Classes(), batch=False, default_accept="")
    answer = handler.invoke(requests.Request(body=b"1\n2", headers={"content-type": "text/csv"}))
    assert answer.body == b"[0.25, 0.75],[0.25, 0.75]"
