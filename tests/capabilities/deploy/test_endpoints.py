"""Endpoints from creation to deletion: what they answer and what they survive."""

import itertools
import json
import os
import signal
import threading
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import xgboost
from botocore import exceptions

from tests.support import workshop as shop
from tests.support.workshop import Workshop

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def endpoint(workshop: Workshop, echo: str) -> Iterator[str]:
    name = workshop.deployed(workshop.variant(echo))
    yield name
    workshop.gone(name)


def failed(workshop: Workshop, name: str, body: bytes | str = b"x", **changes: object) -> shop.Refusal:
    with pytest.raises(exceptions.ClientError) as caught:
        workshop.invoke(name, body, **changes)
    return shop.refusal(caught.value)


# --- answers


def test_a_built_in_model_answers_as_the_library_does(
    workshop: Workshop, scoring: str, booster: tuple[bytes, npt.NDArray[np.float64]]
) -> None:
    name = workshop.deployed(workshop.variant(scoring))
    model, rows = booster
    expected = xgboost.Booster(model_file=bytearray(model)).predict(
        xgboost.DMatrix(rows[:20].astype(np.float32))
    )
    answer = workshop.runtime.invoke_endpoint(
        EndpointName=name, ContentType="text/csv", Body=shop.as_csv(rows[:20])
    )
    assert [np.float32(x) for x in answer["Body"].read().split(b",")] == expected.tolist()
    assert answer["ContentType"].startswith("text/csv")
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    as_json = workshop.invoke(name, shop.as_csv(rows[:1]), Accept="application/json")
    assert json.loads(as_json)["predictions"][0]["score"] == pytest.approx(float(expected[0]))
    wrong_width = failed(workshop, name, b"1,2")
    assert (wrong_width.code, wrong_width.status) == ("ModelError", 424)
    assert wrong_width.response["OriginalStatusCode"] == 400
    assert failed(workshop, name, ContentType="image/png").response["OriginalStatusCode"] == 415
    workshop.gone(name)


def test_content_type_and_accept_reach_the_model_word_for_word(workshop: Workshop, endpoint: str) -> None:
    answer = workshop.runtime.invoke_endpoint(
        EndpointName=endpoint,
        Body=b"\x00\xff",
        ContentType="application/x-mine; charset=ISO-8859-15; Version=2",
        Accept="application/y+mine; q=0.5",
        CustomAttributes="c=1,d=2",
        InferenceId="call-7",
    )
    seen = json.loads(answer["Body"].read())["headers"]
    assert seen["content-type"] == "application/x-mine; charset=ISO-8859-15; Version=2"
    assert seen["accept"] == "application/y+mine; q=0.5"
    assert seen["x-amzn-sagemaker-custom-attributes"] == "c=1,d=2"
    assert seen["x-amzn-sagemaker-inference-id"] == "call-7"
    assert answer["ContentType"] == "application/y+mine; q=0.5"
    assert answer["CustomAttributes"] == "set by the model"
    assert not {"authorization", "x-amz-security-token", "cookie"} & set(seen)


def test_a_request_without_headers_gets_none_from_us(workshop: Workshop, endpoint: str) -> None:
    answer = workshop.runtime.invoke_endpoint(EndpointName=endpoint, Body=b"x")
    seen = json.loads(answer["Body"].read())["headers"]
    assert set(seen) <= {"host", "content-length", "content-type", "connection", "accept"}
    assert "content-type" not in seen


def test_an_error_of_the_model_comes_with_its_own_status_and_words(workshop: Workshop, endpoint: str) -> None:
    raised = failed(workshop, endpoint, json.dumps({"raise": "age is missing"}))
    assert (raised.code, raised.status) == ("ModelError", 424)
    assert raised.response["OriginalStatusCode"] == 500
    assert raised.response["OriginalMessage"] == "ValueError: age is missing"
    assert f"/aws/sagemaker/Endpoints/{endpoint}" in raised.response["LogStreamArn"]
    assert (
        'Received server error (500) from primary with message "ValueError: age is missing"' in raised.message
    )
    chosen = failed(workshop, endpoint, json.dumps({"status": 418}))
    assert chosen.response["OriginalStatusCode"] == 418
    assert "Received client error (418)" in chosen.message


def test_what_a_model_writes_is_in_the_endpoints_log(workshop: Workshop, endpoint: str) -> None:
    failed(workshop, endpoint, json.dumps({"raise": "look for me in the log"}))
    workshop.until(
        lambda: "look for me in the log" in workshop.log(f"Endpoints/{endpoint}", "AllTraffic"),
        what="the traceback in the log",
    )


def test_a_large_body_passes_and_a_larger_one_is_refused(workshop: Workshop, endpoint: str) -> None:
    assert json.loads(workshop.invoke(endpoint, bytes(8 << 20)))["bytes"] == 8 << 20
    refused = failed(workshop, endpoint, bytes((25 << 20) + 1))
    assert (refused.code, refused.status) == ("ValidationError", 413)


def test_what_is_not_there_is_named(workshop: Workshop, endpoint: str) -> None:
    unknown = failed(workshop, "nobody")
    assert (unknown.code, unknown.status) == ("ValidationError", 400)
    assert "Endpoint nobody of account" in unknown.message
    variant = failed(workshop, endpoint, TargetVariant="Nobody")
    assert (variant.code, variant.status) == ("ValidationError", 400)
    assert "Variant Nobody not found" in variant.message


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("TargetModel", "a.tar.gz"),
        ("TargetContainerHostname", "host"),
        ("EnableExplanations", "`true`"),
        ("InferenceComponentName", "part"),
        ("SessionId", "NEW_SESSION"),
    ],
)
def test_what_is_not_carried_out_is_refused_by_name(
    workshop: Workshop, endpoint: str, member: str, value: str
) -> None:
    refused = failed(workshop, endpoint, **{member: value})
    assert refused.code == "ValidationError"
    assert "not supported" in refused.message


def test_other_ways_to_invoke_are_answered_501(workshop: Workshop, endpoint: str) -> None:
    calls = {
        "InvokeEndpointAsync": lambda: workshop.runtime.invoke_endpoint_async(
            EndpointName=endpoint, InputLocation="s3://workshop/x"
        ),
        "InvokeEndpointWithResponseStream": lambda: workshop.runtime.invoke_endpoint_with_response_stream(
            EndpointName=endpoint, Body=b"x"
        ),
    }
    for operation, call in calls.items():
        with pytest.raises(exceptions.ClientError) as caught:
            call()
        assert shop.refusal(caught.value).status == 501
        assert operation in str(caught.value)


# --- descriptions


def test_a_description_has_every_member_that_clients_read(
    workshop: Workshop, endpoint: str, echo: str
) -> None:
    found = workshop.endpoint(endpoint)
    (variant,) = found["ProductionVariants"]
    assert variant["DeployedImages"][0]["SpecifiedImage"] == shop.SKLEARN
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (1, 1)
    assert (variant["CurrentWeight"], variant["DesiredWeight"]) == (1.0, 1.0)
    config = workshop.sagemaker.describe_endpoint_config(EndpointConfigName=found["EndpointConfigName"])
    assert config["ProductionVariants"][0]["ModelName"] == echo
    assert {"CreationTime", "EndpointConfigArn"} <= set(config)


def test_error_texts_are_those_that_clients_look_for(workshop: Workshop, endpoint: str, echo: str) -> None:
    sagemaker = workshop.sagemaker
    with workshop.refused("ValidationException", "Could not find endpoint"):
        sagemaker.describe_endpoint(EndpointName="nobody")
    with workshop.refused("ValidationException", "Could not find endpoint"):
        sagemaker.delete_endpoint(EndpointName="nobody")
    with workshop.refused("ValidationException", "Could not find endpoint configuration"):
        sagemaker.describe_endpoint_config(EndpointConfigName="nobody")
    with workshop.refused("ValidationException", "Could not find endpoint configuration"):
        sagemaker.create_endpoint(EndpointName="fresh", EndpointConfigName="nobody")
    with workshop.refused("ValidationException", "Could not find model"):
        sagemaker.describe_model(ModelName="nobody")
    with workshop.refused("ValidationException", "Could not find model"):
        sagemaker.create_endpoint_config(
            EndpointConfigName="fresh", ProductionVariants=[workshop.variant("nobody")]
        )
    config = workshop.endpoint(endpoint)["EndpointConfigName"]
    with workshop.refused("ValidationException", "Cannot create already existing endpoint"):
        sagemaker.create_endpoint(EndpointName=endpoint, EndpointConfigName=config)
    with workshop.refused("ValidationException", "Cannot create already existing endpoint configuration"):
        sagemaker.create_endpoint_config(
            EndpointConfigName=config, ProductionVariants=[workshop.variant(echo)]
        )
    with workshop.refused("ValidationException", "Cannot create already existing model"):
        sagemaker.create_model(
            ModelName=echo, PrimaryContainer={"Image": shop.SKLEARN}, ExecutionRoleArn=workshop.role
        )


# --- variants


def test_variants_share_requests_by_weight_and_can_be_asked_for(
    workshop: Workshop, echo: str, other_echo: str
) -> None:
    name = workshop.deployed(
        workshop.variant(echo, VariantName="A", InitialVariantWeight=3, InitialInstanceCount=2),
        workshop.variant(other_echo, VariantName="B", InitialVariantWeight=1),
    )
    answers = [json.loads(workshop.invoke(name, b"x")) for _ in range(60)]
    words = [answer["word"] for answer in answers]
    assert 5 <= words.count("two") <= 30
    assert len({answer["pid"] for answer in answers if answer["word"] == "one"}) <= 2
    asked = workshop.runtime.invoke_endpoint(EndpointName=name, Body=b"x", TargetVariant="B")
    assert json.loads(asked["Body"].read())["word"] == asked["InvokedProductionVariant"].replace("B", "two")
    change = workshop.sagemaker.update_endpoint_weights_and_capacities
    change(
        EndpointName=name,
        DesiredWeightsAndCapacities=[
            {"VariantName": "A", "DesiredWeight": 0},
            {"VariantName": "B", "DesiredWeight": 1, "DesiredInstanceCount": 2},
        ],
    )
    found = workshop.settled(name)
    counts = {one["VariantName"]: one["CurrentInstanceCount"] for one in found["ProductionVariants"]}
    assert (found["EndpointStatus"], counts) == ("InService", {"A": 2, "B": 2})
    workshop.until(
        lambda: {json.loads(workshop.invoke(name, b"x"))["word"] for _ in range(10)} == {"two"},
        what="all requests at B",
    )
    with workshop.refused("ValidationException", "no production variant named C"):
        change(EndpointName=name, DesiredWeightsAndCapacities=[{"VariantName": "C", "DesiredWeight": 1}])
    workshop.gone(name)


# --- survival


def servers_of(workshop: Workshop, name: str) -> set[int]:
    """Process ids of model servers as this machine knows them, found by their folder."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environ, mounts = (process / "environ").read_bytes(), (process / "mountinfo").read_text()
        except OSError:
            continue
        if b"GLASSHOUSE_SOCKET" in environ and f"/{name}/" in mounts:
            found.add(int(process.name))
    return found


def test_requests_are_answered_while_a_killed_server_is_started_again(workshop: Workshop, echo: str) -> None:
    name = workshop.deployed(workshop.variant(echo, InitialInstanceCount=2))
    first = servers_of(workshop, name)
    assert len(first) == 2
    os.kill(min(first), signal.SIGKILL)
    for _ in range(40):
        assert json.loads(workshop.invoke(name, b"x"))["word"] == "one"
    workshop.until(
        lambda: len(servers_of(workshop, name) - first) == 1 and len(servers_of(workshop, name)) == 2,
        what="another server",
    )
    workshop.until(
        lambda: workshop.endpoint(name)["ProductionVariants"][0]["CurrentInstanceCount"] == 2,
        what="two ready servers",
    )
    workshop.gone(name)
    assert not servers_of(workshop, name)


def test_a_server_that_ends_itself_comes_back_although_its_model_is_gone(
    workshop: Workshop, echo: str
) -> None:
    """The configuration, the model and its data are deleted while the endpoint serves."""
    model = workshop.model(workshop.get(f"s3://{workshop.bucket}/{echo}/model.tar.gz"))
    name = workshop.deployed(workshop.variant(model))
    config = workshop.endpoint(name)["EndpointConfigName"]
    workshop.sagemaker.delete_endpoint_config(EndpointConfigName=config)
    workshop.sagemaker.delete_model(ModelName=model)
    workshop.s3.delete_object(Bucket=workshop.bucket, Key=f"{model}/model.tar.gz")
    before = json.loads(workshop.invoke(name, b"x"))
    ended = failed(workshop, name, json.dumps({"exit": 9}))
    assert (ended.code, ended.status) == ("ServiceUnavailable", 503)

    def answers() -> bool:
        try:
            return bool(json.loads(workshop.invoke(name, b"x"))["word"] == before["word"])
        except workshop.runtime.exceptions.ServiceUnavailable:
            return False

    workshop.until(answers, what="an answer after the restart")
    assert workshop.endpoint(name)["EndpointStatus"] == "InService"
    workshop.gone(name)


def test_a_server_that_ends_again_and_again_is_started_ever_more_seldom(workshop: Workshop) -> None:
    code = (
        "import os, threading\n"
        "def model_fn(folder):\n"
        "    print('started', flush=True); threading.Timer(0.3, os._exit, [1]).start()\n"
        "def transform_fn(*, model=None): pass\n"
    )
    name = workshop.deployed(workshop.variant(workshop.served(code)))

    def moments() -> list[int]:
        events = workshop.logs.filter_log_events(
            logGroupName=f"/aws/sagemaker/Endpoints/{name}", filterPattern="started"
        )["events"]
        return [event["timestamp"] for event in events]

    workshop.until(lambda: len(moments()) >= 4, what="the fourth start")
    pauses = [later - earlier for earlier, later in itertools.pairwise(moments())]
    assert pauses[2] > pauses[0] > 500
    assert workshop.endpoint(name)["EndpointStatus"] == "InService"
    workshop.gone(name)


def test_an_endpoint_that_failed_can_be_mended_by_an_update(
    workshop: Workshop, echo: str, broken: str
) -> None:
    name = workshop.start_endpoint(workshop.variant(broken))
    assert workshop.settled(name)["EndpointStatus"] == "Failed"
    config = workshop.config(workshop.variant(echo))
    workshop.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)
    found = workshop.settled(name)
    assert (found["EndpointStatus"], "FailureReason" in found) == ("InService", False)
    assert json.loads(workshop.invoke(name, b"x"))["word"] == "one"
    workshop.gone(name)


class Load:
    """Clients that ask without pause, and what they were answered."""

    def __init__(self, workshop: Workshop, name: str, *, clients: int = 3) -> None:
        self.words: list[str] = []
        self._workshop, self._name = workshop, name
        self._over = threading.Event()
        self._pool = futures.ThreadPoolExecutor(clients)
        self._clients = [self._pool.submit(self._ask) for _ in range(clients)]

    def _ask(self) -> None:
        runtime = self._workshop.server.client("sagemaker-runtime")
        while not self._over.wait(0.005):
            answer = runtime.invoke_endpoint(EndpointName=self._name, Body=b'{"sleep": 0.02}')
            self.words.append(json.loads(answer["Body"].read())["word"])

    def end(self) -> list[str]:
        """All answers. Raises what a client was refused with."""
        self._over.set()
        for client in self._clients:
            client.result()
        self._pool.shutdown()
        return self.words


def test_an_update_under_load_drops_no_request(workshop: Workshop, echo: str, other_echo: str) -> None:
    name = workshop.deployed(workshop.variant(echo))
    load = Load(workshop, name)
    workshop.until(lambda: len(load.words) > 10)
    config = workshop.config(workshop.variant(other_echo))
    workshop.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)
    assert workshop.endpoint(name)["EndpointStatus"] == "Updating"
    with workshop.refused("ValidationException", "Cannot update in-progress endpoint"):
        workshop.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)
    found = workshop.settled(name)
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", config)
    switched = len(load.words)
    # Until the old server has ended: that is when requests would be lost.
    workshop.until(lambda: len(servers_of(workshop, name)) == 1, what="the end of the old server")
    workshop.until(lambda: len(load.words) > switched + 20)
    words = load.end()
    assert set(words) == {"one", "two"}
    assert set(words[-10:]) == {"two"}
    workshop.gone(name)


def test_an_update_to_a_broken_model_is_rolled_back_and_the_endpoint_answers_throughout(
    workshop: Workshop, echo: str, broken: str
) -> None:
    name = workshop.deployed(workshop.variant(echo))
    before = workshop.endpoint(name)["EndpointConfigName"]
    load = Load(workshop, name, clients=1)
    config = workshop.config(workshop.variant(broken))
    workshop.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)
    found = workshop.settled(name)
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", before)
    assert "the weights are missing" in found["FailureReason"]
    assert set(load.end()) == {"one"}
    workshop.until(lambda: len(servers_of(workshop, name)) == 1)
    workshop.gone(name)


def test_an_endpoint_of_a_broken_model_fails_in_the_models_own_words(workshop: Workshop, broken: str) -> None:
    name = workshop.start_endpoint(workshop.variant(broken))
    found = workshop.settled(name)
    assert found["EndpointStatus"] == "Failed"
    assert "did not pass the ping health check" in found["FailureReason"]
    assert "RuntimeError: the weights are missing" in found["FailureReason"]
    refused = failed(workshop, name)
    assert (refused.code, refused.status) == ("ValidationError", 400)
    assert "Failed" in refused.message
    workshop.gone(name)


def test_an_endpoint_whose_model_data_is_not_there_any_more_says_so(workshop: Workshop) -> None:
    model = workshop.model(b"gone before anyone has looked")
    absent = f"s3://{workshop.bucket}/{model}/model.tar.gz"
    workshop.s3.delete_object(Bucket=workshop.bucket, Key=f"{model}/model.tar.gz")
    name = workshop.start_endpoint(workshop.variant(model))
    found = workshop.settled(name)
    assert (found["EndpointStatus"], absent in found["FailureReason"]) == ("Failed", True)
    assert found["FailureReason"].startswith("Could not find model data")
    workshop.gone(name)
    model = workshop.model(b"this is no archive")
    name = workshop.start_endpoint(workshop.variant(model))
    assert "is not a tar.gz archive" in workshop.settled(name)["FailureReason"]
    workshop.gone(name)


def test_a_busy_endpoint_that_is_deleted_answers_what_it_has_begun(workshop: Workshop, echo: str) -> None:
    name = workshop.deployed(workshop.variant(echo))
    with futures.ThreadPoolExecutor(1) as pool:
        slow = pool.submit(workshop.invoke, name, json.dumps({"sleep": 1.5}))
        workshop.until(lambda: slow.running() and not failing(workshop, name))
        workshop.sagemaker.delete_endpoint(EndpointName=name)
        assert json.loads(slow.result())["word"] == "one"
    workshop.until(lambda: "Could not find" in error_of(workshop, name), what="the end of the endpoint")


def failing(workshop: Workshop, name: str) -> bool:
    """Asks once, so that a request begun before is certainly on its way."""
    workshop.invoke(name, b"x")
    return False


def error_of(workshop: Workshop, name: str) -> str:
    try:
        workshop.endpoint(name)
    except exceptions.ClientError as error:
        return str(error)
    return ""


def test_an_endpoint_deleted_while_it_is_created_leaves_nothing_running(
    workshop: Workshop, echo: str
) -> None:
    for _ in range(5):
        name = workshop.start_endpoint(workshop.variant(echo))
        workshop.gone(name)
        workshop.until(lambda name=name: not servers_of(workshop, name), what="the end of the servers")
        folder = workshop.folder_of("Endpoint", name)
        workshop.until(lambda folder=folder: not folder.exists(), what=f"the end of {folder}")


def test_an_isolated_model_has_no_network_and_answers(workshop: Workshop) -> None:
    code = (
        "import socket\n"
        "def model_fn(d): return 0\n"
        "def transform_fn(model, body, content_type, accept):\n"
        f"    port = {int(workshop.server.endpoint.rsplit(':', 1)[1])}\n"
        "    try: socket.create_connection(('127.0.0.1', port), timeout=1)\n"
        "    except OSError: return 'alone', 'text/plain'\n"
        "    return 'connected', 'text/plain'\n"
    )
    model = workshop.served(code, EnableNetworkIsolation=True)
    name = workshop.deployed(workshop.variant(model))
    assert workshop.invoke(name, b"x") == b"alone"
    workshop.gone(name)


def test_a_model_may_be_a_folder_of_objects(workshop: Workshop) -> None:
    code = (
        "def model_fn(folder): return open(folder + '/deep/word').read()\n"
        "def transform_fn(model, body, content_type, accept): return model, 'text/plain'\n"
    )
    files = workshop.put_all({"code/inference.py": code, "deep/word": "found"})
    source = {"S3DataSource": {"S3Uri": f"{files}/", "S3DataType": "S3Prefix", "CompressionType": "None"}}
    model = workshop.model(None, container={"ModelDataSource": source})
    name = workshop.deployed(workshop.variant(model))
    assert workshop.invoke(name, b"x") == b"found"
    workshop.gone(name)
