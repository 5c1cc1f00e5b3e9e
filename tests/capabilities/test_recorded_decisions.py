"""Endpoints whose decisions go into the ledger: recorded before they are answered, verified, and taken again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from botocore import exceptions

from glasshouse.kernel.ledger import Entry, keeping, replaying
from glassproof import anchors, ledgers
from tests.support import installation
from tests.support import workshop as shop
from tests.support.workshop import Workshop

pytestmark = pytest.mark.slow

ROWS = shop.table(8, seed=5)[:, 1:]
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
IDS = "x-glasshouse-decision-id"


@pytest.fixture(scope="module")
def booster() -> xgboost.Booster:
    rows = shop.table(300)
    return xgboost.train(
        {"objective": "binary:logistic", "max_depth": 3}, xgboost.DMatrix(rows[:, 1:], label=rows[:, 0]), 10
    )


@pytest.fixture(scope="module")
def model(workshop: Workshop, booster: xgboost.Booster) -> str:
    return workshop.model(shop.archive({"xgboost-model": bytes(booster.save_raw("ubj"))}), image=shop.XGBOOST)


def configured(workshop: Workshop, model: str, **tags: str) -> str:
    name = workshop.name("config")
    workshop.sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[workshop.variant(model)],
        Tags=[{"Key": f"glasshouse:{key.replace('_', '-')}", "Value": value} for key, value in tags.items()],
    )
    return name


def deployed(workshop: Workshop, model: str, **tags: str) -> str:
    name = workshop.name("endpoint")
    workshop.sagemaker.create_endpoint(
        EndpointName=name, EndpointConfigName=configured(workshop, model, **tags)
    )
    found = workshop.settled(name)
    assert found["EndpointStatus"] == "InService", found.get("FailureReason")
    return name


@pytest.fixture(scope="module")
def deciding(workshop: Workshop, model: str) -> str:
    return deployed(
        workshop, model, threshold="0.5", adverse_name="declined", favourable_name="approved", subject="4"
    )


def asked(workshop: Workshop, name: str, body: str | bytes, **changes: Any) -> tuple[str, list[str]]:
    """The answer's text and the ids of its decisions."""
    request = {"ContentType": "text/csv", "Accept": "text/csv", **changes}
    answer = workshop.runtime.invoke_endpoint(EndpointName=name, Body=body, **request)
    ids = answer["ResponseMetadata"]["HTTPHeaders"].get(IDS, "")
    return answer["Body"].read().decode(), ids.split(",") if ids else []


def recorded(workshop: Workshop) -> dict[str, Entry]:
    reader = keeping.Reader(folder(workshop))
    return {entry.id: entry for _, entry in reader.entries()}


def folder(workshop: Workshop) -> Path:
    return workshop.server.data / "ledger"


def test_a_decision_is_recorded_with_all_that_made_it(
    workshop: Workshop, deciding: str, booster: xgboost.Booster
) -> None:
    text, (decision_id,) = asked(workshop, deciding, shop.as_csv(ROWS[:1]), InferenceId="loan-17")
    entry = recorded(workshop)[decision_id]
    assert entry.private is not None
    score = float(booster.predict(xgboost.DMatrix(ROWS[:1]))[0])
    assert float(text) == pytest.approx(score)
    assert entry.private["prediction"] == pytest.approx(score, rel=1e-6)
    assert entry.private["outcome"] == ("declined" if score > 0.5 else "approved")
    assert entry.private["features"].tolist() == ROWS[0].tolist()
    assert entry.private["inference_id"] == "loan-17"
    assert entry.private["subject"] == str(ROWS[0, 4])
    assert entry.private["input"].strip() == shop.as_csv(ROWS[:1]).decode().strip()
    parts = entry.private["explanation"]
    assert parts["base"] + sum(parts["values"]) == pytest.approx(entry.private["margin"])
    assert entry.public["endpoint"] == deciding
    assert entry.public["variant"] == "AllTraffic"
    assert len(entry.public["model_digest"]) == len(entry.public["bundle"]) == 64
    assert entry.public["environment"]
    assert entry.public["caller"].startswith("arn:aws:")


def test_many_rows_are_many_decisions(workshop: Workshop, deciding: str) -> None:
    text, ids = asked(workshop, deciding, shop.as_csv(ROWS))
    assert len(ids) == len(set(ids)) == len(ROWS) == len(text.split(","))
    found = recorded(workshop)
    assert [found[one].private["features"].tolist() for one in ids] == ROWS.tolist()


def test_decisions_are_taken_again_bit_for_bit(workshop: Workshop, deciding: str) -> None:
    _, ids = asked(workshop, deciding, shop.as_csv(ROWS))
    entries = [entry for entry in recorded(workshop).values() if entry.id in ids]
    verdicts = list(replaying.replay(folder(workshop), entries))
    assert [one.id for one in verdicts] == ids
    assert {one.verdict for one in verdicts} == {"equal"}


def test_an_altered_leaf_is_named_and_the_model_refused(workshop: Workshop, deciding: str) -> None:
    _, ids = asked(workshop, deciding, shop.as_csv(ROWS[:1]))
    entry = recorded(workshop)[ids[0]]
    path = folder(workshop) / keeping.BUNDLES / entry.public["bundle"]
    before = path.read_bytes()
    changed = bytearray(before)
    changed[-8 * 3] ^= 1  # a cover of the last tree
    path.write_bytes(changed)
    try:
        (verdict,) = replaying.replay(folder(workshop), [entry])
    finally:
        path.write_bytes(before)
    assert verdict.verdict == "refused"
    assert "tree 9 of the stored model is not the one that was recorded" in verdict.details[0]


def test_the_ledger_verifies_while_the_server_runs(workshop: Workshop, deciding: str) -> None:
    asked(workshop, deciding, shop.as_csv(ROWS))
    known = anchors.read(workshop.server.anchors) if workshop.server.anchors.exists() else []
    report = ledgers.verify(folder(workshop) / keeping.SEGMENTS, known)
    assert report.is_whole, report.findings


def test_an_endpoint_without_a_rule_records_nothing(workshop: Workshop, model: str) -> None:
    name = deployed(workshop, model)
    before = len(recorded(workshop))
    _, ids = asked(workshop, name, shop.as_csv(ROWS))
    assert ids == []
    assert len(recorded(workshop)) == before


def test_a_models_own_tags_make_its_endpoints_record(workshop: Workshop, booster: xgboost.Booster) -> None:
    model = workshop.model(
        shop.archive({"xgboost-model": bytes(booster.save_raw("ubj"))}), image=shop.XGBOOST
    )
    arn = workshop.sagemaker.describe_model(ModelName=model)["ModelArn"]
    workshop.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "glasshouse:threshold", "Value": "0.9"}])
    name = deployed(workshop, model)
    _, (decision_id,) = asked(workshop, name, shop.as_csv(ROWS[:1]))
    assert recorded(workshop)[decision_id].private["threshold"] == 0.9


@pytest.mark.parametrize(
    ("tags", "says"),
    [
        ({"treshold": "1"}, "glasshouse:treshold of the endpoint configuration is not known"),
        ({"threshold": "high"}, "glasshouse:threshold must be a number"),
        ({"record": "perhaps"}, "glasshouse:record must be true or false"),
        ({"record": "true", "adverse": "left"}, "glasshouse:adverse must be above or below"),
        ({"policy": "here"}, "glasshouse:policy must be an S3 URI"),
        ({"policy": "s3://a/b", "threshold": "1"}, "leave the tag glasshouse:threshold out"),
        ({"record": "true", "policy-baseline": "s3://a/b"}, "needs glasshouse:policy"),
    ],
    ids=range(7),
)
def test_a_tag_that_cannot_be_used_is_refused_by_name(
    workshop: Workshop, model: str, tags: dict[str, str], says: str
) -> None:
    with pytest.raises(exceptions.ClientError, match=says):
        configured(workshop, model, **tags)


def test_a_users_own_model_is_recorded_whole(workshop: Workshop) -> None:
    code = (
        "import json\n"
        "def model_fn(d): return 2\n"
        "def input_fn(b, t): return json.loads(b)\n"
        "def predict_fn(x, m): return {'decision': 'approved', 'score': x['income'] * m}\n"
    )
    model = workshop.model(
        shop.archive({"code/inference.py": code.encode(), "weights": b"2"}), image=shop.SKLEARN
    )
    name = deployed(workshop, model, outcome="decision", subject="applicant")
    body = json.dumps({"income": 21, "applicant": "A-7"})
    text, (decision_id,) = asked(
        workshop, name, body, ContentType="application/json", Accept="application/json"
    )
    entry = recorded(workshop)[decision_id]
    assert entry.private["outcome"] == "approved"
    assert entry.private["answer"] == text
    (verdict,) = replaying.replay(folder(workshop), [entry])
    assert verdict.verdict == "opaque"
    done = workshop.server.run("replay", decision_id)
    assert (done.returncode, done.stdout) == (0, "1 decisions: 1 equal\n"), done.stderr


def test_an_answer_that_comes_out_otherwise_is_shown(workshop: Workshop) -> None:
    code = (
        "import random\n"
        "def model_fn(d): return 2\n"
        "def input_fn(b, t): return b\n"
        "def predict_fn(x, m): return {'score': random.SystemRandom().random()}\n"
    )
    model = workshop.model(shop.archive({"code/inference.py": code.encode()}), image=shop.SKLEARN)
    name = deployed(workshop, model, record="true")
    _, (decision_id,) = asked(workshop, name, "{}", ContentType="application/json", Accept="application/json")
    done = workshop.server.run("replay", decision_id)
    assert done.returncode == 1
    assert "different: the answer differs at character" in done.stdout


def test_no_applicant_lies_open_anywhere_in_the_data_folder(workshop: Workshop, deciding: str) -> None:
    marked = ROWS[:1].copy()
    marked[0, 4] = 77123.0625
    asked(workshop, deciding, shop.as_csv(marked), InferenceId="a-very-private-reference")
    for path in workshop.server.data.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"77123.0625" not in content, path
            assert b"a-very-private-reference" not in content
    assert np.isclose(marked[0, 4], 77123.0625)


@pytest.fixture(scope="module")
def client(workshop: Workshop) -> Any:
    return workshop.server.client("glasshouse")


class TestTheServiceGlasshouse:
    """Decisions found, joined with the truth, erased: over the wire, as any client of AWS would."""

    def test_decisions_are_found_by_every_filter(
        self, workshop: Workshop, deciding: str, client: Any
    ) -> None:
        _, ids = asked(workshop, deciding, "1,2,3,4,41\n5,6,7,8,42\n", InferenceId="batch-9")
        of_subject = client.list_decisions(Subject="41")["Decisions"]
        assert [one["DecisionId"] for one in of_subject] == ids[:1]
        assert of_subject[0]["EndpointName"] == deciding
        found = client.list_decisions(InferenceId="batch-9", EndpointName=deciding)["Decisions"]
        assert [one["DecisionId"] for one in found] == ids
        outcome = found[0]["Outcome"]
        assert outcome in ("approved", "declined")
        assert ids[0] in [one["DecisionId"] for one in pages(client, Outcome=outcome)]
        moment = found[0]["CreationTime"]
        assert pages(client, CreationTimeBefore=moment, InferenceId="batch-9") == []
        assert client.list_decisions(Subject="nobody")["Decisions"] == []
        assert pages(client, ModelName="another") == []

    def test_pages_joined_are_all_decisions(self, workshop: Workshop, deciding: str, client: Any) -> None:
        asked(workshop, deciding, shop.as_csv(ROWS))
        whole = client.list_decisions(EndpointName=deciding, MaxResults=1000)["Decisions"]
        assert pages(client, EndpointName=deciding, MaxResults=3) == whole

    def test_a_decision_is_described_whole_with_the_truth(
        self, workshop: Workshop, deciding: str, client: Any
    ) -> None:
        _, (decision_id,) = asked(workshop, deciding, "1,2,3,4,51", InferenceId="loan-51")
        client.put_ground_truth(InferenceId="loan-51", Label='{"defaulted": true}')
        client.put_ground_truth(DecisionId=decision_id, Label="0.25")
        told = client.describe_decision(DecisionId=decision_id)
        document = json.loads(told["Document"])
        assert document["features"] == [1, 2, 3, 4, 51]
        assert [json.loads(one["Label"]) for one in told["GroundTruths"]] == [{"defaulted": True}, 0.25]
        assert told["Subject"] == "51"

    def test_an_erased_person_is_gone_for_every_reader(
        self, workshop: Workshop, deciding: str, client: Any
    ) -> None:
        _, (first,) = asked(workshop, deciding, "1,2,3,4,61")
        _, (second,) = asked(workshop, deciding, "9,2,3,4,61")
        client.erase_subject(Subject="61", Reason="asked for on paper")
        assert client.list_decisions(Subject="61")["Decisions"] == []
        for decision_id in (first, second):
            told = client.describe_decision(DecisionId=decision_id)
            assert told["IsErased"]
            assert not {"Document", "Subject", "Outcome"} & set(told)
        with pytest.raises(exceptions.ClientError, match="was erased"):
            client.put_ground_truth(DecisionId=first, Label="1")
        with pytest.raises(exceptions.ClientError, match="erased before"):
            client.erase_subject(DecisionId=second, Reason="again")
        report = ledgers.verify(folder(workshop) / keeping.SEGMENTS)
        assert report.is_whole, report.findings

    @pytest.mark.parametrize(
        ("operation", "request_", "says"),
        [
            ("describe_decision", {"DecisionId": "none"}, "There is no decision none"),
            ("put_ground_truth", {"Label": "1"}, "Give either DecisionId or InferenceId"),
            ("put_ground_truth", {"InferenceId": "none", "Label": "1"}, "0 decisions have the InferenceId"),
            ("erase_subject", {"Reason": "x"}, "Give either DecisionId or Subject"),
            ("erase_subject", {"Reason": "x", "Subject": "nobody"}, "No decision"),
        ],
        ids=range(5),
    )
    def test_what_is_not_there_is_said(
        self, client: Any, operation: str, request_: dict[str, str], says: str
    ) -> None:
        with pytest.raises(exceptions.ClientError, match=says):
            getattr(client, operation)(**request_)

    def test_a_session_of_a_role_may_not_read_or_erase_a_decision(
        self, workshop: Workshop, deciding: str
    ) -> None:
        _, (decision_id,) = asked(workshop, deciding, "1,2,3,4,71")
        role = workshop.iam.create_role(RoleName=workshop.name("role"), AssumeRolePolicyDocument=TRUST)[
            "Role"
        ]
        keys = workshop.sts.assume_role(RoleArn=role["Arn"], RoleSessionName="job")["Credentials"]
        client = workshop.server.client("glasshouse", keys=keys)
        for operation, request in (
            ("describe_decision", {"DecisionId": decision_id}),
            ("list_decisions", {}),
            ("erase_subject", {"DecisionId": decision_id, "Reason": "mine"}),
        ):
            with pytest.raises(exceptions.ClientError, match="AccessDenied"):
                getattr(client, operation)(**request)

    def test_the_ledger_says_what_it_is_verified_by(self, workshop: Workshop, client: Any) -> None:
        told = client.describe_ledger()
        assert told["LedgerId"] == ledgers.id_of(folder(workshop) / keeping.SEGMENTS)
        assert told["AnchorFile"] == str(workshop.server.anchors)


def pages(client: Any, **query: Any) -> list[dict[str, Any]]:
    found, token = [], {}
    while True:
        page = client.list_decisions(**query, **token)
        found += page["Decisions"]
        if "NextToken" not in page:
            return found
        token = {"NextToken": page["NextToken"]}


class TestTheCommandLine:
    def test_it_verifies_and_replays(self, workshop: Workshop, deciding: str) -> None:
        _, (decision_id, *_) = asked(workshop, deciding, shop.as_csv(ROWS))
        verified = workshop.server.run("verify")
        assert (verified.returncode, verified.stderr) == (0, "")
        assert verified.stdout.startswith("WHOLE: ")
        one = workshop.server.run("replay", decision_id)
        assert (one.returncode, one.stdout) == (0, "1 decisions: 1 equal\n")
        every = workshop.server.run("replay", "--all")
        assert " equal" in every.stdout.splitlines()[-1]
        assert "refused" not in every.stdout

    def test_it_names_the_record_that_was_changed(
        self, workshop: Workshop, deciding: str, tmp_path: Path
    ) -> None:
        asked(workshop, deciding, shop.as_csv(ROWS))
        copied = tmp_path / "copy" / "ledger"
        shutil.copytree(folder(workshop), copied)
        path = sorted((copied / "segments").iterdir())[0]
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        done = installation.run("verify", data=copied.parent)
        assert done.returncode == 1
        assert "BROKEN" in done.stdout
        assert "fault: record " in done.stdout

    @pytest.mark.parametrize(
        ("words", "says", "status"),
        [
            (["replay"], "Name decisions, or give --since or --all", 2),
            (["replay", "none"], "There is no such decision", 1),
            (["replay", "--since", "yesterday"], "is not a time", 2),
        ],
        ids=["nothing", "missing", "time"],
    )
    def test_it_says_what_it_needs(
        self, workshop: Workshop, words: list[str], says: str, status: int
    ) -> None:
        done = workshop.server.run(*words)
        assert (done.returncode, says in done.stderr) == (status, True)

    def test_a_verb_of_the_service_is_a_command(self, workshop: Workshop, deciding: str) -> None:
        asked(workshop, deciding, shop.as_csv(ROWS))
        done = workshop.server.run("list-decisions", "--endpoint-name", deciding, "--max-results", "1")
        assert done.returncode == 0, done.stderr
        assert len(json.loads(done.stdout)["Decisions"]) == 1
