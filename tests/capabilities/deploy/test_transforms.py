"""Batch transform jobs: the same answers as real time, in order, with the failing records named."""

import gzip
import json

import numpy as np
import numpy.typing as npt
import pytest
import xgboost

from tests.support import workshop as shop
from tests.support.workshop import Workshop

pytestmark = pytest.mark.slow

Booster = tuple[bytes, npt.NDArray[np.float64]]

ROWS = """
import json, os, time
def model_fn(folder): return 1
def transform_fn(model, body, content_type, accept):
    text = body if isinstance(body, str) else body.decode()
    answers = []
    for line in text.split("\\n"):
        if "slow" in line: time.sleep(0.05)
        if "die" in line: os._exit(3)
        if "bad" in line: raise ValueError("row is bad: " + line)
        answers.append(json.dumps({"n": len(line)}))
    return "\\n".join(answers), "application/json"
"""


@pytest.fixture(scope="module")
def rows_model(workshop: Workshop) -> str:
    """Answers the length of each line, and does what lines say."""
    return workshop.served(ROWS)


def request(workshop: Workshop, model: str, source: str, **changes: object) -> shop.Document:
    return {
        "TransformJobName": workshop.name("transform"),
        "ModelName": model,
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": source}},
            "ContentType": "text/csv",
            "SplitType": "Line",
            **changes.pop("input", {}),  # type: ignore[dict-item]  # a dictionary
        },
        "TransformOutput": {
            "S3OutputPath": f"s3://{workshop.bucket}/{workshop.name('scores')}",
            "AssembleWith": "Line",
            **changes.pop("output", {}),  # type: ignore[dict-item]  # a dictionary
        },
        "TransformResources": {
            "InstanceType": shop.INSTANCE,
            "InstanceCount": 1,
            **changes.pop("resources", {}),  # type: ignore[dict-item]  # a dictionary
        },
        **changes,
    }


def ended(workshop: Workshop, wanted: shop.Document, *, expect: str = "Completed") -> shop.Document:
    """Runs the job to its end, which must be the one expected."""
    workshop.sagemaker.create_transform_job(**wanted)
    return followed(workshop, wanted["TransformJobName"], expect=expect)


def followed(workshop: Workshop, name: str, *, expect: str) -> shop.Document:
    def look() -> shop.Document | None:
        found = workshop.sagemaker.describe_transform_job(TransformJobName=name)
        return found if found["TransformJobStatus"] in shop.ENDED else None

    found: shop.Document = workshop.until(look, within_s=90, what=f"the end of {name}")
    log = workshop.log("TransformJobs", name)
    assert found["TransformJobStatus"] == expect, (found.get("FailureReason"), log)
    return found


def outputs(workshop: Workshop, job: shop.Document) -> dict[str, bytes]:
    base = job["TransformOutput"]["S3OutputPath"]
    return {key: workshop.get(f"{base}/{key}") for key in workshop.keys(base)}


@pytest.mark.parametrize("strategy", ["MultiRecord", "SingleRecord"])
def test_batch_scores_equal_real_time_scores(
    workshop: Workshop, scoring: str, booster: Booster, strategy: str
) -> None:
    model, rows = booster
    source = workshop.put_all({"a.csv": shop.as_csv(rows[:40]), "deep/b.csv": shop.as_csv(rows[40:60])})
    job = ended(
        workshop, request(workshop, scoring, source, BatchStrategy=strategy, MaxConcurrentTransforms=3)
    )
    found = outputs(workshop, job)
    assert set(found) == {"a.csv.out", "deep/b.csv.out"}
    scores = [np.float32(line) for name in sorted(found) for line in found[name].split()]
    direct = xgboost.Booster(model_file=bytearray(model)).predict(
        xgboost.DMatrix(rows[:60].astype(np.float32))
    )
    assert scores == direct.tolist()


def test_a_description_has_every_member_that_clients_read(
    workshop: Workshop, scoring: str, booster: Booster
) -> None:
    source = workshop.put_all({"a.csv": shop.as_csv(booster[1][:3])})
    job = ended(workshop, request(workshop, scoring, source, Tags=[{"Key": "team", "Value": "risk"}]))
    assert job["TransformOutput"]["KmsKeyId"] == ""
    assert job["DataProcessing"] == {"InputFilter": "$", "OutputFilter": "$", "JoinSource": "None"}
    assert job["CreationTime"] <= job["TransformStartTime"] <= job["TransformEndTime"]
    name = job["TransformJobName"]
    (summary,) = workshop.sagemaker.list_transform_jobs(NameContains=name)["TransformJobSummaries"]
    assert summary["TransformJobStatus"] == "Completed"
    tags = workshop.sagemaker.list_tags(ResourceArn=job["TransformJobArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "risk"}]
    with workshop.refused("ResourceInUse", "already exists"):
        workshop.sagemaker.create_transform_job(**request(workshop, scoring, source, TransformJobName=name))
    with workshop.refused("ValidationException", "Could not find"):
        workshop.sagemaker.describe_transform_job(TransformJobName="nobody")


def test_gzip_input_joined_with_its_scores_keeps_the_order_under_concurrency(
    workshop: Workshop, rows_model: str
) -> None:
    lines = [f"id{i},{'slow' if i % 7 == 0 else 'x' * (i % 5)}" for i in range(60)]
    source = workshop.put_all({"a.csv.gz": gzip.compress("\n".join(lines).encode())})
    job = ended(
        workshop,
        request(
            workshop,
            rows_model,
            source,
            input={"CompressionType": "Gzip"},
            BatchStrategy="SingleRecord",
            MaxConcurrentTransforms=4,
            DataProcessing={"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$"},
        ),
    )
    (found,) = outputs(workshop, job).values()
    answers = [json.loads(line) for line in found.splitlines()]
    assert [answer["SageMakerInput"] for answer in answers] == [line.split(",") for line in lines]
    assert all(
        answer["SageMakerOutput"]["n"] == len(answer["SageMakerInput"][1] or '""') for answer in answers
    )


def test_failing_records_are_named_and_the_others_are_written(workshop: Workshop, rows_model: str) -> None:
    lines = ["fine", "bad one", "also fine", "bad two", "last"]
    source = workshop.put_all({"a.csv": "\n".join(lines) + "\n", "b.csv": "good\n"})
    wanted = request(workshop, rows_model, source, ModelClientConfig={"InvocationsMaxRetries": 0})
    job = ended(workshop, wanted, expect="Failed")
    found = outputs(workshop, job)
    assert set(found) == {"a.csv.out", "a.csv.err", "b.csv.out"}
    assert [json.loads(line)["n"] for line in found["a.csv.out"].splitlines()] == [4, 9, 4]
    named = [json.loads(line) for line in found["a.csv.err"].splitlines()]
    assert [(one["record"], one["status"]) for one in named] == [(2, 500), (4, 500)]
    assert "row is bad: bad one" in named[0]["message"]
    assert "2 records failed" in job["FailureReason"]
    assert "a.csv record 2" in job["FailureReason"]


def test_a_record_above_the_payload_limit_is_named(workshop: Workshop, rows_model: str) -> None:
    source = workshop.put_all({"a.csv": "small\n" + "x" * (1 << 20) + "y\nlast\n"})
    job = ended(workshop, request(workshop, rows_model, source, MaxPayloadInMB=1), expect="Failed")
    found = outputs(workshop, job)
    assert [json.loads(line)["n"] for line in found["a.csv.out"].splitlines()] == [5, 4]
    assert json.loads(found["a.csv.err"])["record"] == 2
    assert "MaxPayloadInMB" in job["FailureReason"]


def test_two_instances_share_out_the_files(workshop: Workshop, rows_model: str) -> None:
    source = workshop.put_all({f"{i}.csv": "x" * i for i in range(1, 6)})
    job = ended(workshop, request(workshop, rows_model, source, resources={"InstanceCount": 2}))
    found = outputs(workshop, job)
    assert {name: json.loads(content)["n"] for name, content in found.items()} == {
        f"{i}.csv.out": i for i in range(1, 6)
    }
    streams = workshop.logs.describe_log_streams(
        logGroupName="/aws/sagemaker/TransformJobs", logStreamNamePrefix=f"{job['TransformJobName']}/"
    )["logStreams"]
    assert len(streams) == 2


def test_without_a_split_a_file_is_one_request(workshop: Workshop, rows_model: str) -> None:
    source = workshop.put(f"{workshop.name('one')}/doc.json", '{"a": 1}')
    job = ended(
        workshop,
        request(
            workshop,
            rows_model,
            source,
            input={"SplitType": "None", "ContentType": "application/json"},
            output={"AssembleWith": "None", "Accept": "application/json"},
            DataProcessing={"JoinSource": "Input", "OutputFilter": "$.SageMakerOutput.n"},
        ),
    )
    assert outputs(workshop, job) == {"doc.json.out": b"8"}


def test_the_container_is_told_of_the_job(workshop: Workshop) -> None:
    code = (
        "import json, os\n"
        "def model_fn(folder): return 1\n"
        "def transform_fn(model, body, content_type, accept):\n"
        "    told = {k: v for k, v in os.environ.items() if k.startswith(('SAGEMAKER_', 'TRANSFORM_', 'MINE'))}\n"
        "    return json.dumps({**told, 'accept': accept, 'type': content_type}), 'application/json'\n"
    )
    model = workshop.served(code, container={"Environment": {"MINE": "model", "MINE_TOO": "model"}})
    source = workshop.put_all({"a": "x"})
    wanted = request(
        workshop,
        model,
        source,
        input={"ContentType": "application/x-mine; v=1"},
        output={"Accept": "application/json; indent=2"},
        Environment={"MINE": "job"},
        MaxPayloadInMB=2,
        MaxConcurrentTransforms=1,
        BatchStrategy="MultiRecord",
    )
    job = ended(workshop, wanted)
    told = json.loads(outputs(workshop, job)["a.out"])
    assert told["SAGEMAKER_BATCH"] == "true"
    assert (told["SAGEMAKER_MAX_PAYLOAD_IN_MB"], told["SAGEMAKER_MAX_CONCURRENT_TRANSFORMS"]) == ("2", "1")
    assert told["SAGEMAKER_BATCH_STRATEGY"] == "MULTI_RECORD"
    assert told["TRANSFORM_JOB_ARN"] == job["TransformJobArn"]
    assert (told["MINE"], told["MINE_TOO"]) == ("job", "model")
    assert (told["type"], told["accept"]) == ("application/x-mine; v=1", "application/json; indent=2")


def test_a_model_that_does_not_start_fails_the_job_in_its_own_words(workshop: Workshop, broken: str) -> None:
    job = ended(workshop, request(workshop, broken, workshop.put_all({"a": "x"})), expect="Failed")
    assert "RuntimeError: the weights are missing" in job["FailureReason"]


def test_a_model_that_dies_fails_the_job_and_publishes_nothing(workshop: Workshop, rows_model: str) -> None:
    source = workshop.put_all({"a.csv": "fine\ndie\nfine\n"})
    job = ended(
        workshop, request(workshop, rows_model, source, BatchStrategy="SingleRecord"), expect="Failed"
    )
    assert "the model server ended with status 3" in job["FailureReason"]
    assert outputs(workshop, job) == {}


def test_data_that_is_not_there_or_not_gzip_fails_the_job_with_a_sentence(
    workshop: Workshop, rows_model: str
) -> None:
    nowhere = f"s3://{workshop.bucket}/nowhere"
    job = ended(workshop, request(workshop, rows_model, nowhere), expect="Failed")
    assert "No S3 objects found" in job["FailureReason"]
    wanted = request(
        workshop, rows_model, workshop.put_all({"a.csv": "x\n"}), input={"CompressionType": "Gzip"}
    )
    job = ended(workshop, wanted, expect="Failed")
    assert "a.csv is not gzip" in job["FailureReason"]
    wanted = request(
        workshop,
        rows_model,
        workshop.put_all({"a.csv": "x\n"}),
        output={"S3OutputPath": "s3://absent-bucket/x"},
    )
    job = ended(workshop, wanted, expect="Failed")
    assert "cannot be written to s3://absent-bucket/x" in job["FailureReason"]


def test_a_stopped_job_ends_soon_and_publishes_nothing(workshop: Workshop, rows_model: str) -> None:
    source = workshop.put_all({"a.csv": "slow\n" * 10_000})
    wanted = request(workshop, rows_model, source, BatchStrategy="SingleRecord", MaxConcurrentTransforms=2)
    workshop.sagemaker.create_transform_job(**wanted)
    name = wanted["TransformJobName"]
    workshop.until(lambda: "Serving on" in workshop.log("TransformJobs", name), what="the model server")
    workshop.sagemaker.stop_transform_job(TransformJobName=name)
    job = followed(workshop, name, expect="Stopped")
    assert outputs(workshop, job) == {}
    with workshop.refused("ValidationException", "Stopped"):
        workshop.sagemaker.stop_transform_job(TransformJobName=name)


REFUSALS: list[tuple[dict[str, object], tuple[str, ...]]] = [
    ({"input": {"SplitType": "TFRecord"}}, ("TransformInput.SplitType",)),
    ({"output": {"KmsKeyId": "alias/key"}}, ("TransformOutput.KmsKeyId",)),
    ({"resources": {"VolumeKmsKeyId": "alias/key"}}, ("TransformResources.VolumeKmsKeyId",)),
    ({"DataCaptureConfig": {"DestinationS3Uri": "s3://b/x"}}, ("DataCaptureConfig",)),
    ({"ExperimentConfig": {"ExperimentName": "e"}}, ("ExperimentConfig",)),
    ({"DataProcessing": {"InputFilter": "a"}}, ("DataProcessing.InputFilter", "must start with $")),
    ({"DataProcessing": {"OutputFilter": "$[?(@)]"}}, ("DataProcessing.OutputFilter", "from position 1")),
    ({"DataProcessing": {"InputFilter": "$.name"}}, ("CSV records have columns only",)),
    (
        {"DataProcessing": {"JoinSource": "Input"}, "output": {"AssembleWith": "None"}},
        ("SplitType and AssembleWith",),
    ),
    ({"MaxPayloadInMB": 60, "MaxConcurrentTransforms": 2}, ("must not be above 100",)),
    ({"ModelName": "nobody"}, ("Could not find model",)),
]


@pytest.mark.parametrize(("changes", "words"), REFUSALS, ids=[words[0] for _, words in REFUSALS])
def test_a_request_that_cannot_be_carried_out_says_why(
    workshop: Workshop, rows_model: str, changes: dict[str, object], words: tuple[str, ...]
) -> None:
    wanted = {**request(workshop, rows_model, "s3://workshop/x", **dict(changes))}
    with workshop.refused("ValidationException", *words):
        workshop.sagemaker.create_transform_job(**wanted)
