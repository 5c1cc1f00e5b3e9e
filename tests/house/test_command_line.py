"""The command line as a user runs it: as a process, against a server of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import installation

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[installation.Installation]:
    with installation.installed(tmp_path_factory.mktemp("cli") / "data") as running:
        yield running


def test_help_lists_every_command() -> None:
    done = installation.run("--help")
    assert done.returncode == 0
    for command in ("up", "down", "status", "env", "doctor", "demo", "logs", "call", "operations", "images"):
        assert f"\n    {command}" in done.stdout


@pytest.mark.parametrize("command", ["up", "env", "doctor", "demo", "logs", "call", "create-model"])
def test_a_command_explains_itself(command: str) -> None:
    done = installation.run(command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: glasshouse {command}")


def test_status_says_where_the_server_is(server: installation.Installation) -> None:
    done = installation.run("status", data=server.data)
    assert done.returncode == 0
    assert f"endpoint  {server.endpoint}" in done.stdout


def test_without_a_server_the_sentence_says_how_to_start_one(tmp_path: Path) -> None:
    done = installation.run("status", data=tmp_path)
    assert done.returncode == 3
    assert f"glasshouse up --data {tmp_path}" in done.stderr


def test_a_server_that_was_killed_counts_as_none(tmp_path: Path) -> None:
    one = installation.Installation(tmp_path / "data")
    one.start()
    one.kill()
    assert installation.run("status", data=one.data).returncode == 3


def test_env_points_an_unchanged_client_at_the_server(server: installation.Installation) -> None:
    program = "import boto3; print(boto3.client('sagemaker').list_models()['Models'])"
    environment = installation.environment(server.variables())
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_env_with_the_proxy_answers_the_built_in_address_of_sts(server: installation.Installation) -> None:
    program = (
        "import boto3\n"
        "sts = boto3.client('sts', endpoint_url='https://sts.us-east-1.amazonaws.com')\n"
        "print(sts.get_caller_identity()['Arn'])"
    )
    environment = installation.environment(server.variables("--proxy"))
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "arn:aws:sts::000000000000:assumed-role/GlasshouseRoot/root\n", done.stderr


def test_an_operation_is_a_command_with_the_models_options(server: installation.Installation) -> None:
    asked = ("--max-results", "5", "--name-contains", "nobody-has-this")
    done = installation.run("list-training-jobs", *asked, data=server.data)
    assert json.loads(done.stdout) == {"TrainingJobSummaries": []}


def test_structures_go_into_json_and_options_over_it(server: installation.Installation) -> None:
    body = '{"ModelPackageGroupName": "other", "ModelPackageGroupDescription": "from json"}'
    made = installation.run(
        "create-model-package-group", "--model-package-group-name", "mine", "--json", body, data=server.data
    )
    assert made.returncode == 0, made.stderr
    seen = installation.run(
        "call", "DescribeModelPackageGroup", "--json", '{"ModelPackageGroupName": "mine"}', data=server.data
    )
    assert json.loads(seen.stdout)["ModelPackageGroupDescription"] == "from json"


def test_a_log_of_a_name_that_several_have_is_asked_for_by_kind(server: installation.Installation) -> None:
    role, image = "arn:aws:iam::000000000000:role/GlasshouseRoot", "sagemaker-scikit-learn:1.2-1"
    size = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
    training = {
        "TrainingJobName": "twin",
        "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
        "OutputDataConfig": {"S3OutputPath": "s3://nowhere/"},
        "ResourceConfig": size,
        "RoleArn": role,
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }
    processing = {
        "ProcessingJobName": "twin",
        "AppSpecification": {"ImageUri": image, "ContainerEntrypoint": ["true"]},
        "ProcessingResources": {"ClusterConfig": size},
        "RoleArn": role,
    }
    for operation, body in (("CreateTrainingJob", training), ("CreateProcessingJob", processing)):
        assert (
            installation.run("call", operation, "--json", json.dumps(body), data=server.data).returncode == 0
        )
    unclear = installation.run("logs", "twin", data=server.data)
    assert unclear.returncode == 1
    assert "--of ProcessingJob, --of TrainingJob" in unclear.stderr
    assert installation.run("logs", "twin", "--of", "TrainingJob", data=server.data).returncode == 0
    wrong = installation.run("logs", "twin", "--of", "TransformJob", data=server.data)
    assert "There is no TransformJob named twin." in wrong.stderr


def test_a_refusal_shows_the_servers_own_words(server: installation.Installation) -> None:
    done = installation.run("describe-model", "--model-name", "absent", data=server.data)
    assert done.returncode == 1
    assert "ValidationException: Could not find model" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_misspelt_command_names_the_near_ones() -> None:
    done = installation.run("list-modls")
    assert done.returncode == 2
    assert "Did you mean list-models" in done.stderr


def test_an_operation_that_is_not_offered_is_named_by_the_server(server: installation.Installation) -> None:
    done = installation.run("list-notebook-instances", data=server.data)
    assert done.returncode == 1
    assert "ListNotebookInstances" in done.stderr


@pytest.mark.parametrize("body", ["{", "[]", "@/nowhere/at/all.json"])
def test_a_body_that_cannot_be_read_is_refused(server: installation.Installation, body: str) -> None:
    done = installation.run("call", "DescribeModel", "--json", body, data=server.data)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_doctor_finds_nothing_wrong_with_a_sound_server(server: installation.Installation) -> None:
    done = installation.run("doctor", data=server.data)
    problems = [line for line in done.stdout.splitlines() if line.startswith("PROBLEM")]
    assert problems == [line for line in problems if "runtimes" in line]
    assert f"runs at {server.endpoint}" in done.stdout
    assert "GLASSHOUSE_LEASE_S=15.0" in done.stdout


def test_doctor_names_keys_that_others_can_read(tmp_path: Path) -> None:
    one = installation.Installation(tmp_path / "data")
    one.start()
    one.stop()
    (one.data / "credentials.json").chmod(0o644)
    done = installation.run("doctor", data=one.data)
    assert done.returncode == 1
    assert f"chmod 600 {one.data / 'credentials.json'}" in done.stdout


def test_doctor_names_a_folder_that_others_can_enter(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    done = installation.run("doctor", data=tmp_path)
    assert f"chmod 700 {tmp_path}" in done.stdout


def test_doctor_names_a_clock_that_went_back(tmp_path: Path) -> None:
    file = tmp_path / "glasshouse.db"
    file.touch()
    os.utime(file, (4e9, 4e9))
    assert "in the future" in installation.run("doctor", data=tmp_path).stdout


def test_doctor_names_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = installation.run("doctor", data=tmp_path, extra={"GLASSHOUSE_PORT": port})
    assert f"port {port} of 127.0.0.1 is taken" in done.stdout


def test_doctor_names_a_variable_that_is_no_setting(tmp_path: Path) -> None:
    done = installation.run("doctor", data=tmp_path, extra={"GLASSHOUSE_PROT": "1"})
    assert done.returncode == 1
    assert "GLASSHOUSE_PROT is not a setting" in done.stdout


def test_a_port_that_is_taken_ends_the_start_with_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = installation.run("up", "--port", port, data=tmp_path)
    assert done.returncode == 1
    assert f"Port {port} on 127.0.0.1 cannot be opened" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--store-url", "mysql://user:hidden@host/name"), "must be like postgresql+psycopg://"),
        (
            ("--store-url", "postgresql+psycopg://user:hidden@127.0.0.1:1/name"),
            "names cannot be used: connection failed",
        ),
        (("--tls-certificate", "/nowhere.pem", "--tls-key", "/nowhere.key"), "/nowhere.pem with the key"),
        (("--files-url", "/tmp/objects"), "must be s3://bucket"),
    ],
)
def test_what_a_start_cannot_use_is_told_in_a_sentence(
    options: tuple[str, ...], reason: str, tmp_path: Path
) -> None:
    done = installation.run("up", "--port", "0", *options, data=tmp_path)
    assert done.returncode != 0
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1
    assert "hidden" not in done.stderr


def test_a_data_folder_that_cannot_be_made_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = installation.run("up", "--port", "0", data=tmp_path / "file" / "data")
    assert done.returncode == 1
    assert "cannot be used (Not a directory)" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wider_address_without_tls_is_refused(tmp_path: Path) -> None:
    done = installation.run("up", "--host", "0.0.0.0", "--port", "0", data=tmp_path)
    assert done.returncode == 1
    assert "--insecure" in done.stderr


def test_a_second_server_on_the_same_folder_is_refused(server: installation.Installation) -> None:
    done = installation.run("up", "--port", "0", data=server.data)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_down_ends_the_server_in_order(tmp_path: Path) -> None:
    one = installation.Installation(tmp_path / "data")
    one.start()
    done = installation.run("down", data=one.data)
    assert done.returncode == 0
    assert one.stop() == 0
    assert installation.run("status", data=one.data).returncode == 3


def test_secrets_stay_out_of_the_log(server: installation.Installation) -> None:
    keys = json.loads((server.data / "credentials.json").read_text())
    written = server.log.read_text()
    assert "server.started" in written
    assert [name for name in ("SecretAccessKey", "SessionToken", "SealingKey") if keys[name] in written] == []


def test_demo_of_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    done = installation.run("demo", "nothing", data=tmp_path)
    assert done.returncode == 2
    assert "there is: credit" in done.stderr


def test_the_version_is_printed() -> None:
    assert installation.run("version").stdout.startswith("glasshouse 0.")
