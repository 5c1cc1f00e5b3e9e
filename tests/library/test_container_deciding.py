"""Model servers that answer with decisions for a ledger, as real processes."""

from __future__ import annotations

import datetime
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost

from glasskit import decisions
from glasskit.container import deciding
from glasskit.decisions import bundles, replaying
from tests.library import containers

pytestmark = pytest.mark.slow

ON = "2026-03-01"
ROWS = np.array([[0.5, -1.0, 2.0, 0.25], [-0.5, 1.0, np.nan, 0.75]])
ROWS_CSV = "0.5,-1,2,0.25\n-0.5,1,,0.75"
RULE = {"threshold": 0.5, "adverse_name": "declined", "favourable_name": "approved"}


def data() -> tuple[np.ndarray, np.ndarray]:
    features = np.random.default_rng(3).normal(size=(300, 4))
    return features, (features[:, 0] > features[:, 1]).astype(float)


def xgboost_model() -> bytes:
    features, labels = data()
    trained = xgboost.train(
        {"objective": "binary:logistic", "max_depth": "3"}, xgboost.DMatrix(features, label=labels), 8
    )
    return bytes(trained.save_raw("ubj"))


def container(
    base: Path, config: dict[str, Any], *, algorithm: str = "xgboost", **more: str
) -> containers.Container:
    folder = base / "decisions"
    made = containers.Container(base, algorithm=algorithm, GLASSHOUSE_DECISIONS=str(folder), **more)
    made.write("decisions/config.json", json.dumps(config))
    return made


def unframed(reply: containers.Reply) -> tuple[dict[str, Any], bytes]:
    assert reply.status == 200, reply.body
    assert reply.headers["content-type"] == deciding.FRAMED
    (size,) = struct.unpack(">I", reply.body[:4])
    return json.loads(reply.body[4 : 4 + size]), reply.body[4 + size :]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[containers.Client]:
    made = container(tmp_path_factory.mktemp("ml"), {"rule": RULE, "subject": "3", "outcome": ""})
    made.write("model/xgboost-model", xgboost_model())
    with made.serving() as found:
        yield found


def asked(client: containers.Client, body: str | bytes, kind: str, accept: str = "*/*") -> containers.Reply:
    return client._send(
        "POST",
        "/invocations",
        body.encode() if isinstance(body, str) else body,
        {"Content-Type": kind, "Accept": accept, deciding.RECORD: ON},
    )


def test_every_row_is_a_decision_that_replays_from_the_bundle(client: containers.Client) -> None:
    head, answer = unframed(asked(client, ROWS_CSV, "text/csv"))
    assert head["content_type"].startswith("text/csv")
    scores = [float(score) for score in answer.decode().split(",")]
    found = head["decisions"]
    assert [one["prediction"] for one in found] == pytest.approx(scores, rel=1e-6)
    assert [one["outcome"] for one in found] == ["declined" if s > 0.5 else "approved" for s in scores]
    assert [one["input"] for one in found] == ROWS_CSV.split("\n")
    assert [one["subject"] for one in found] == ["0.25", "0.75"]
    assert np.array_equal(np.array([one["features"] for one in found]), ROWS, equal_nan=True)
    stored = client.get(deciding.BUNDLE_PATH).body
    decider = decisions.Decider(bundles.from_bytes(stored, expected=head["bundle"]))
    assert all(replaying.differences(decider, one) == [] for one in found)


def test_without_the_header_the_answer_is_as_it_was(client: containers.Client) -> None:
    plain = client.invoke(ROWS_CSV, "text/csv")
    assert plain.headers["content-type"].startswith("text/csv")
    assert plain.body == unframed(asked(client, ROWS_CSV, "text/csv"))[1]


@pytest.mark.parametrize(
    ("body", "kind", "inputs"),
    [
        (
            '{"instances": [{"features": [0.5, -1, 2, 0.25]}, {"features": [1, 2, 3, 4]}]}',
            "application/json",
            2,
        ),
        ("[[0.5, -1, 2, 0.25]]", "application/json", 1),
        ("0.5,-1,2", "text/csv", 1),
    ],
    ids=["instances", "list", "without-the-last-column"],
)
def test_records_of_every_dense_form_are_decided(
    client: containers.Client, body: str, kind: str, inputs: int
) -> None:
    head, _ = unframed(asked(client, body, kind))
    assert len(head["decisions"]) == inputs
    assert all(one["input"] for one in head["decisions"])


def test_errors_are_not_decisions(client: containers.Client) -> None:
    assert asked(client, "a,b", "text/csv").status in (400, 415)
    sparse = asked(client, "0:1 1:2", "text/libsvm")
    assert (sparse.status, b"dense" in sparse.body) == (415, True)


def test_a_users_model_with_its_own_predict_is_recorded_whole(tmp_path: Path) -> None:
    code = (
        "import json\n"
        "def model_fn(d): return 2\n"
        "def input_fn(b, t): return json.loads(b)\n"
        "def predict_fn(x, m): return {'outcome': {'name': 'approved'}, 'score': x['income'] * m}\n"
    )
    made = container(
        tmp_path,
        {"rule": {}, "subject": "applicant", "outcome": "outcome.name"},
        algorithm="",
        SAGEMAKER_PROGRAM="inference.py",
    )
    made.write("model/code/inference.py", code)
    with made.serving() as client:
        head, answer = unframed(asked(client, '{"income": 21, "applicant": "A-7"}', "application/json"))
        assert client.get(deciding.BUNDLE_PATH).status == 404
    assert json.loads(answer)["score"] == 42
    (one,) = head["decisions"]
    assert (head["bundle"], one["subject"], one["outcome"]) == ("", "A-7", "approved")
    assert json.loads(one["input"])["income"] == 21
    assert one["answer"].encode() == answer


def test_answers_that_are_neither_json_nor_csv_are_recorded_whole(tmp_path: Path) -> None:
    code = (
        "def model_fn(d): return 2\n"
        "def input_fn(b, t): return b\n"
        "def predict_fn(x, m): return x\n"
        "def output_fn(y, t): return y\n"
    )
    made = container(
        tmp_path, {"rule": {}, "subject": "", "outcome": ""}, algorithm="", SAGEMAKER_PROGRAM="inference.py"
    )
    made.write("model/code/inference.py", code)
    odd = [b"x" * 200_000, b"a\rb\x00c", b"[" * 50_000, bytes(range(256)), b'"']
    with made.serving() as client:
        for body in odd:
            head, answer = unframed(asked(client, body, "application/octet-stream"))
            assert answer == body
            (one,) = head["decisions"]
            assert one["answer"].encode("utf-8", "surrogateescape") == body


def test_a_record_whose_subject_cannot_be_read_is_refused_without_telling_it(tmp_path: Path) -> None:
    code = "def model_fn(d): return 2\ndef input_fn(b, t): return b\ndef predict_fn(x, m): return [1]\n"
    config = {"rule": {}, "subject": "abs(name)", "outcome": ""}
    made = container(tmp_path, config, algorithm="", SAGEMAKER_PROGRAM="inference.py")
    made.write("model/code/inference.py", code)
    with made.serving() as client:
        for body in (b'{"name": "Ada"}', b"Ada" * 50_000, b"[" * 50_000):
            refused = asked(client, body, "application/json", accept="application/json")
            assert refused.status == 400
            assert b"glasshouse:subject" in refused.body
            assert b"Ada" not in refused.body


def test_lightgbm_with_several_classes_is_decided_without_an_outcome(tmp_path: Path) -> None:
    features, labels = data()
    booster = lightgbm.train(
        {"objective": "multiclass", "num_class": 3, "verbose": -1, "num_leaves": 7},
        lightgbm.Dataset(features, labels + (features[:, 2] > 1)),
        num_boost_round=4,
    )
    made = container(tmp_path, {"rule": {}}, algorithm="lightgbm")
    made.write("model/lightgbm-model.txt", booster.model_to_string())
    with made.serving() as client:
        head, _ = unframed(asked(client, ROWS_CSV, "text/csv"))
        stored = client.get(deciding.BUNDLE_PATH).body
    decider = decisions.Decider(bundles.from_bytes(stored, expected=head["bundle"]))
    for one in head["decisions"]:
        assert one["outcome"] == ""
        assert len(one["prediction"]) == 3
        assert replaying.differences(decider, one) == []


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"rule": {"threshold": 0.5}}, "the trees of its model cannot be read"),
        ({"rule": {"threshold": "x"}}, "threshold is 'x'"),
        ({"rule": {"policy": "name ="}}, "decision rule cannot be used"),
        ({"rule": {}, "subject": "a["}, "glasshouse:subject 'a\\[' is not a JMESPath"),
    ],
    ids=["unreadable", "threshold", "policy", "subject"],
)
def test_a_rule_that_cannot_be_used_ends_the_server_with_a_sentence(
    tmp_path: Path, config: dict[str, Any], says: str
) -> None:
    made = container(tmp_path, config, algorithm="", SAGEMAKER_PROGRAM="inference.py")
    made.write("model/code/inference.py", "def model_fn(d): return 2\ndef predict_fn(x, m): return x\n")
    with pytest.raises(AssertionError, match=says), made.serving():
        pass


def test_a_decision_is_of_its_day(client: containers.Client) -> None:
    head, _ = unframed(asked(client, "1,2,3,4", "text/csv"))
    assert datetime.date.fromisoformat(head["decisions"][0]["on"]) == datetime.date(2026, 3, 1)


@pytest.mark.parametrize("subject", ["inference-id", "custom-attributes"])
def test_a_member_of_the_invocation_may_name_the_subject(tmp_path: Path, subject: str) -> None:
    made = container(tmp_path, {"rule": RULE, "subject": subject, "outcome": ""})
    made.write("model/xgboost-model", xgboost_model())
    header = f"X-Amzn-SageMaker-{subject.title()}"
    with made.serving() as client:
        kind = {"Content-Type": "text/csv", deciding.RECORD: ON}
        named = client._send("POST", "/invocations", ROWS_CSV.encode(), {**kind, header: "person 7"})
        unnamed = client._send("POST", "/invocations", ROWS_CSV.encode(), kind)
    assert [one["subject"] for one in unframed(named)[0]["decisions"]] == ["person 7", "person 7"]
    assert [one["subject"] for one in unframed(unnamed)[0]["decisions"]] == ["", ""]
