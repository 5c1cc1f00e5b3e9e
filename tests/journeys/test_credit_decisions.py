"""The main job from end to end: real boto3 against a real server, from raw tables to an explained decision."""

import html
import io
import json
import math
import re
import shlex
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore import exceptions

from glasshouse.solutions.credit import clients as credit_clients
from glasshouse.solutions.credit import demo, layout, objects, requests
from glasskit.explain import outcomes
from tests.support import installation

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
N_APPLICANTS = 500


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[installation.Installation]:
    with installation.installed(tmp_path_factory.mktemp("credit") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def clients(server: installation.Installation) -> credit_clients.Clients:
    keys = json.loads((server.data / "credentials.json").read_text())
    return credit_clients.connect(
        endpoint_url=server.endpoint,
        region=server.told()["region"],
        access_key=keys["AccessKeyId"],
        secret_key=keys["SecretAccessKey"],
        session_token=keys["SessionToken"],
    )


def check_decision(outcome: demo.Outcome) -> None:
    """The reasons add up, the counterfactual raises the risk, and the model is worth asking."""
    attribution = outcome.decision.by_feature
    margin = attribution.base_value + math.fsum(attribution.values)
    assert 1 / (1 + math.exp(-margin)) == pytest.approx(outcome.decision.prediction, abs=1e-9)
    assert math.fsum(map(math.fsum, outcome.decision.interactions)) == pytest.approx(
        math.fsum(attribution.values), abs=1e-8
    )
    assert outcome.counterfactual.prediction > outcome.decision.prediction
    assert isinstance(outcome.decision.outcome, outcomes.Declined)
    assert outcome.decision.outcome.reasons
    assert outcome.decision.outcome.measure.margin == pytest.approx(margin, abs=1e-9)
    assert 0.7 < outcome.metrics["train_auc_cv"] < 0.9


def check_telling(outcome: demo.Outcome, told: str) -> None:
    """Each stage was named, with a time; the end is the decision in words and the report's address."""
    assert told.count("done in") == demo.N_STAGES
    assert f"[{demo.N_STAGES}/{demo.N_STAGES}]" in told
    assert outcome.decision.in_words() in " ".join(told.split())
    assert outcome.decision.outcome_in_words() in " ".join(told.split())
    assert outcome.bias.summary["worst"] in " ".join(told.split())
    assert outcome.url in told


def check_letter(clients: credit_clients.Clients, outcome: demo.Outcome) -> None:
    """The letter is to the applicant by name, and says each reason and each way out; it says nothing protected."""
    place = layout.Layout(bucket=outcome.bucket, run=outcome.run)
    people = objects.json_lines(clients, place, "datasets/people")
    person = next(row for row in people if row["person_id"] == outcome.decision.applicant)
    text = objects.text(clients, place, f"letters/{outcome.decision.applicant}.txt")
    told = " ".join(text.split())
    assert f"Dear {person['personal']['name']}," in told
    assert isinstance(outcome.decision.outcome, outcomes.Declined)
    for reason in outcome.decision.outcome.reasons:
        assert reason.text in told
    for option in outcome.decision.options:
        assert option["sentence"] in told
    assert person["personal"]["relationship_status"] not in told
    assert objects.text(clients, place, f"letters/{outcome.decision.applicant}.html").startswith("<!DOCTYPE")


def check_recourse(clients: credit_clients.Clients, outcome: demo.Outcome) -> None:
    """Whoever follows a proposal is approved, by the endpoint's own word."""
    assert outcome.decision.options
    for option in outcome.decision.options:
        body = json.dumps(option["application"])
        asked = requests.invocation(body, entities=("prediction", "decision"))
        answer = json.loads(clients.runtime.invoke_endpoint(**asked)["Body"].read())
        assert answer["decision"]["outcome"] == "Approved"
        assert answer["prediction"] == option["prediction"]


def check_bias(clients: credit_clients.Clients, outcome: demo.Outcome) -> None:
    """The report on bias is of the decisions that the batch made, and is there for whoever has its address."""
    place = layout.Layout(bucket=outcome.bucket, run=outcome.run)
    answers = objects.json_lines(clients, place, "explanations")
    people = objects.json_lines(clients, place, "transformed/protected_test")
    women = [
        answer["decision"]["outcome"] == "Approved"
        for answer, person in zip(answers, people, strict=True)
        if person["personal__gender"] == "female"
    ]
    group = next(one for one in outcome.bias.summary["groups"] if one["title"] == "gender = female")
    assert group["approved"] == pytest.approx(sum(women) / len(women))
    with urllib.request.urlopen(outcome.bias.url, timeout=20) as answer:
        assert outcome.bias.summary["worst"] in html.unescape(answer.read().decode())


def check_report(outcome: demo.Outcome, copy: Path) -> None:
    """The printed address shows the report to whoever has it, and to nobody without its signature."""
    with urllib.request.urlopen(outcome.url, timeout=20) as answer:
        page = answer.read()
        assert answer.headers["Content-Type"].startswith("text/html")
    assert page == copy.read_bytes()
    shown = html.unescape(re.sub(r"<[^>]+>", " ", page.decode()))
    for title in ("Summary", "In detail", "Reasons", "Letter", "What would change the decision", "Bias"):
        assert f"<h2>{title}</h2>" in page.decode()
    assert outcome.decision.applicant in shown
    assert outcome.decision.decision_id in shown
    assert outcome.bias.summary["worst"] in shown
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(outcome.url.partition("?")[0], timeout=20)


def check_explanations(clients: credit_clients.Clients, outcome: demo.Outcome) -> None:
    """The batch explained every line of the test set, in its order."""
    place = layout.Layout(bucket=outcome.bucket, run=outcome.run)
    rows = objects.json_lines(clients, place, "transformed/data_test")
    answers = objects.json_lines(clients, place, "explanations")
    assert [answer["data"] for answer in answers] == rows
    assert len(rows) == outcome.n_explained > N_APPLICANTS / 10


def check_bad_application(clients: credit_clients.Clients) -> None:
    """What the explainer refuses reaches the caller with the name of the field."""
    with pytest.raises(exceptions.ClientError) as refusal:
        clients.runtime.invoke_endpoint(**requests.invocation("{}", entities=("prediction",)))
    assert refusal.value.response["Error"]["Code"] == "ModelError"
    assert refusal.value.response["OriginalStatusCode"] == 400  # type: ignore[typeddict-item]  # ModelError's own
    assert "contact__has_telephone: the field is missing" in str(refusal.value)


def check_guide(server: installation.Installation) -> None:
    """The guide's own client, as printed, with the variables that `glasshouse env` prints."""
    guide = installation.REPOSITORY / "docs/guides/credit-decisions.md"
    blocks = re.findall(r"```python\n(.*?)```", guide.read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)],
        env=installation.environment(server.variables()),
        check=True,
        timeout=60,
    )


def check_ledger(server: installation.Installation, outcome: demo.Outcome, told: str) -> None:
    """The decisions were verified and came out equal, and the commands that were told say so again."""
    assert outcome.proof is not None
    assert outcome.proof.n_decisions == len(set(outcome.decision_ids)) > 12
    assert outcome.proof.whole.startswith("WHOLE: ")
    assert f"all {len(outcome.decision_ids)} are equal, byte by byte." in " ".join(told.split())
    assert outcome.decision.decision_id in outcome.decision_ids
    for command, last in ((outcome.proof.verify, "WHOLE: "), (outcome.proof.replay, "1 decisions: 1 equal")):
        assert command in told
        done = subprocess.run(
            [*installation.PROGRAM, *shlex.split(command)[1:]], capture_output=True, text=True, check=True
        )
        assert done.stdout.startswith(last)
    ledger = server.client("glasshouse")
    found = ledger.describe_decision(DecisionId=outcome.decision.decision_id)
    assert found["Subject"] == outcome.decision.applicant
    assert found["Outcome"] == "Declined"
    assert found["InferenceId"].startswith(outcome.run)
    about = ledger.list_decisions(Subject=outcome.decision.applicant)["Decisions"]
    assert outcome.decision.decision_id in {one["DecisionId"] for one in about}


def check_nothing_is_left(clients: credit_clients.Clients, outcome: demo.Outcome) -> None:
    sagemaker = clients.sagemaker
    assert sagemaker.list_endpoints()["Endpoints"] == []
    assert sagemaker.list_endpoint_configs()["EndpointConfigs"] == []
    assert sagemaker.list_models()["Models"] == []
    assert sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"] == []
    assert outcome.bucket not in {bucket["Name"] for bucket in clients.s3.list_buckets()["Buckets"]}


def test_raw_tables_become_an_explained_decision_and_leave_nothing(
    server: installation.Installation,
    clients: credit_clients.Clients,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in server.extra.items():
        monkeypatch.setenv(name, value)
    out = io.StringIO()
    options = demo.Options(n_applicants=N_APPLICANTS, report=tmp_path / "report.html", data=server.data)
    outcome = demo.run(clients, options, out=out)
    check_decision(outcome)
    check_telling(outcome, out.getvalue())
    assert f"Its copy  {tmp_path / 'report.html'}" in out.getvalue()
    check_report(outcome, tmp_path / "report.html")
    check_ledger(server, outcome, out.getvalue())
    check_letter(clients, outcome)
    check_recourse(clients, outcome)
    check_bias(clients, outcome)
    check_explanations(clients, outcome)
    check_bad_application(clients)
    check_guide(server)

    again = demo.run(clients, demo.Options(n_applicants=N_APPLICANTS, model="deck"), out=io.StringIO())
    assert again.n_explained == outcome.n_explained
    assert again.package_arn != outcome.package_arn
    assert again.decision.by_feature.base_value != outcome.decision.by_feature.base_value

    demo.clean(clients, objects=True, out=io.StringIO())
    check_nothing_is_left(clients, again)
    demo.clean(clients, objects=True, out=io.StringIO())
