"""The AWS command line as a user types it, one process a command."""

import json
import os
import re
import urllib.request
from pathlib import Path

import pytest

from tests.journeys.conftest import Client
from tests.support import installation

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
CLIENT = "clients"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
MIB = 1024 * 1024


@pytest.fixture
def client(by_settings: Client) -> Client:
    return by_settings


def aws(client: Client, words: str, *more: str, stdin: str = "", status: int = 0) -> str:
    """The output of `aws WORDS MORE`; words are split at spaces."""
    return client.call("aws", *words.split(), *more, stdin=stdin, status=status)


def test_s3_commands_make_fill_copy_and_empty_buckets(client: Client) -> None:
    aws(client, "s3 mb s3://cli-one")
    aws(client, "s3 mb s3://cli-two")
    here = client.home / "here"
    (here / "deep").mkdir(parents=True)
    (here / "deep" / "a b ü.txt").write_text("grüße")
    (here / "empty.txt").write_bytes(b"")
    (here / "big.bin").write_bytes(os.urandom(18 * MIB))
    aws(client, "s3 sync here s3://cli-one/there")
    assert aws(client, "s3 sync here s3://cli-one/there") == ""
    listed = aws(client, "s3 ls s3://cli-one --recursive --summarize")
    assert re.findall(r"there/(.*)", listed) == ["big.bin", "deep/a b ü.txt", "empty.txt"]
    assert "Total Objects: 3" in listed
    assert "PRE deep/" in aws(client, "s3 ls s3://cli-one/there/")
    aws(client, "s3 cp s3://cli-one/there/big.bin s3://cli-two/copied.bin --no-progress")
    aws(client, "s3 mv s3://cli-two/copied.bin moved.bin --no-progress")
    assert (client.home / "moved.bin").read_bytes() == (here / "big.bin").read_bytes()
    assert aws(client, "s3 ls s3://cli-two") == ""
    aws(client, "s3 cp - s3://cli-two/said.txt", stdin="from a pipe")
    assert aws(client, "s3 cp s3://cli-two/said.txt -") == "from a pipe"
    (here / "empty.txt").unlink()
    assert "delete: s3://cli-one/there/empty.txt" in aws(client, "s3 sync here s3://cli-one/there --delete")
    assert "BucketNotEmpty" in aws(client, "s3 rb s3://cli-one", status=1)
    aws(client, "s3 rm s3://cli-one --recursive --exclude *.bin")
    assert aws(client, "s3 ls s3://cli-one --recursive").split()[-1] == "there/big.bin"
    aws(client, "s3 rb s3://cli-one --force")
    aws(client, "s3 rb s3://cli-two --force")
    assert not re.search("cli-(one|two)", aws(client, "s3 ls"))


def test_a_presigned_address_needs_no_keys(client: Client) -> None:
    aws(client, "s3 mb s3://cli-signed")
    aws(client, "s3 cp - s3://cli-signed/one.txt", stdin="open for a while")
    address = aws(client, "s3 presign s3://cli-signed/one.txt --expires-in 60").strip()
    with urllib.request.urlopen(address) as answer:
        assert answer.read() == b"open for a while"


def test_s3api_reads_and_writes_what_is_asked(client: Client) -> None:
    aws(client, "s3api create-bucket --bucket cli-api")
    aws(client, "s3api put-bucket-versioning --bucket cli-api --versioning-configuration Status=Enabled")
    for text in ("first", "second"):
        (client.home / "file").write_text(text)
        put = (
            "s3api put-object --bucket cli-api --key k --body file --metadata colour=blue --content-type x/y"
        )
        aws(client, f"{put} --checksum-algorithm SHA256")
    versions = json.loads(aws(client, "s3api list-object-versions --bucket cli-api"))["Versions"]
    assert [one["IsLatest"] for one in versions] == [True, False]
    got = f"s3api get-object --bucket cli-api --key k --version-id {versions[1]['VersionId']} --range bytes=1-3 out"
    assert json.loads(aws(client, got))["ContentRange"] == "bytes 1-3/5"
    assert (client.home / "out").read_text() == "irs"
    head = json.loads(aws(client, "s3api head-object --bucket cli-api --key k --checksum-mode ENABLED"))
    assert (head["ContentType"], head["Metadata"]) == ("x/y", {"colour": "blue"})
    assert head["ChecksumSHA256"]
    aws(client, "s3api put-object-tagging --bucket cli-api --key k --tagging TagSet=[{Key=kind,Value=test}]")
    tags = json.loads(aws(client, "s3api get-object-tagging --bucket cli-api --key k"))
    assert tags["TagSet"] == [{"Key": "kind", "Value": "test"}]
    assert "PreconditionFailed" in aws(
        client, "s3api put-object --bucket cli-api --key k --body file --if-none-match *", status=255
    )
    assert "Not Found" in aws(client, "s3api head-object --bucket cli-api --key none", status=255)


def test_the_caller_is_known(client: Client, shared_server: installation.Installation) -> None:
    told = json.loads(aws(client, "sts get-caller-identity"))
    assert told["Account"] == shared_server.told()["account"]
    assert ":assumed-role/" in told["Arn"]


def test_a_job_a_model_and_an_endpoint_from_the_command_line(client: Client, role: str) -> None:
    aws(client, "s3 mb s3://cli-jobs")
    rows = "".join(f"{n % 2},{n % 2 + n / 1000},{n % 7}\n" for n in range(200))
    aws(client, "s3 cp - s3://cli-jobs/train/rows.csv", stdin=rows)
    train(client, role)
    read_logs(client)
    serve(client, role, client.home)
    assert "Could not find" in aws(client, "sagemaker describe-model --model-name none", status=255)


def train(client: Client, role: str) -> None:
    """Creates a training job from a JSON document, waits for it and finds it in lists."""
    request = {
        "TrainingJobName": "cli-job",
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "RoleArn": role,
        "InputDataConfig": [
            {
                "ChannelName": "train",
                "ContentType": "text/csv",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://cli-jobs/train"}},
            }
        ],
        "OutputDataConfig": {"S3OutputPath": "s3://cli-jobs/output"},
        "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 10},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        "HyperParameters": {"objective": "binary:logistic", "num_round": "5"},
        "Tags": [{"Key": "from", "Value": "the command line"}],
    }
    (client.home / "job.json").write_text(json.dumps(request))
    made = json.loads(aws(client, "sagemaker create-training-job --cli-input-json file://job.json"))
    aws(client, "sagemaker wait training-job-completed-or-stopped --training-job-name cli-job")
    shown = aws(
        client, "sagemaker describe-training-job --training-job-name cli-job --query TrainingJobStatus"
    )
    assert json.loads(shown) == "Completed"
    listed = aws(client, "sagemaker list-training-jobs --name-contains cli- --output text")
    assert made["TrainingJobArn"] in listed
    tags = json.loads(aws(client, f"sagemaker list-tags --resource-arn {made['TrainingJobArn']}"))
    assert tags["Tags"] == [{"Key": "from", "Value": "the command line"}]


def read_logs(client: Client) -> None:
    """The job's log by stream, by pattern and in whole."""
    group = "/aws/sagemaker/TrainingJobs"
    listed = aws(
        client, f"logs describe-log-streams --log-group-name {group} --log-stream-name-prefix cli-job/"
    )
    stream = json.loads(listed)["logStreams"][0]["logStreamName"]
    assert stream.startswith("cli-job/algo-1-")
    events = f"logs get-log-events --log-group-name {group} --log-stream-name {stream} --start-from-head"
    messages = [event["message"] for event in json.loads(aws(client, events))["events"]]
    assert sum("#011train-logloss:" in message for message in messages) == 5
    found = (
        f"logs filter-log-events --log-group-name {group} --log-stream-name-prefix cli-job --filter-pattern"
    )
    assert "[4]#011" in aws(client, found, '"train-logloss"', "--query", "events[].message")


def serve(client: Client, role: str, home: Path) -> None:
    """A model behind an endpoint with the shorthand syntax, invoked and taken down."""
    container = f"Image={IMAGE},ModelDataUrl=s3://cli-jobs/output/cli-job/output/model.tar.gz"
    aws(
        client,
        f"sagemaker create-model --model-name cli --execution-role-arn {role} --primary-container {container}",
    )
    variant = "VariantName=A,ModelName=cli,InitialInstanceCount=1,InstanceType=ml.m5.xlarge"
    aws(
        client,
        f"sagemaker create-endpoint-config --endpoint-config-name cli --production-variants {variant}",
    )
    aws(client, "sagemaker create-endpoint --endpoint-name cli --endpoint-config-name cli")
    aws(client, "sagemaker wait endpoint-in-service --endpoint-name cli")
    (home / "rows").write_bytes(b"1.1,3\n0.1,3")
    told = aws(
        client,
        "sagemaker-runtime invoke-endpoint --endpoint-name cli --content-type text/csv --body fileb://rows out",
    )
    assert json.loads(told)["InvokedProductionVariant"] == "A"
    high, low = map(float, (home / "out").read_text().split(","))
    assert high > 0.5 > low
    aws(client, "sagemaker delete-endpoint --endpoint-name cli")
    aws(client, "sagemaker wait endpoint-deleted --endpoint-name cli")
    aws(client, "sagemaker delete-endpoint-config --endpoint-config-name cli")
    aws(client, "sagemaker delete-model --model-name cli")
