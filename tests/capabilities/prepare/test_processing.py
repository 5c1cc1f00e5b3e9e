"""Processing jobs: what a script finds, what becomes of what it writes, and how it ends."""

import json
from typing import Any

import pytest

from tests.support import workshop as shop
from tests.support.workshop import Workshop

pytestmark = pytest.mark.slow

ROOT = "/opt/ml/processing"


def source(name: str, uri: str, local: str = "", **more: str) -> shop.Document:
    return {
        "InputName": name,
        "S3Input": {
            "S3Uri": uri,
            "LocalPath": local or f"{ROOT}/input/{name}",
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
            **more,
        },
    }


def target(name: str, uri: str, local: str = "", mode: str = "EndOfJob") -> shop.Document:
    return {
        "OutputName": name,
        "S3Output": {"S3Uri": uri, "LocalPath": local or f"{ROOT}/{name}", "S3UploadMode": mode},
    }


def request(workshop: Workshop, code: str, *inputs: shop.Document, **changes: Any) -> shop.Document:
    """As SDK v2's ScriptProcessor sends it: the code is an input of its own."""
    uri = workshop.put_all({"script.py": code})
    cluster = {"InstanceCount": 1, "InstanceType": shop.INSTANCE, "VolumeSizeInGB": 1}
    outputs = changes.pop("outputs", [])
    return {
        "ProcessingJobName": workshop.name("processing"),
        "ProcessingInputs": [source("code", f"{uri}/script.py", f"{ROOT}/input/code"), *inputs],
        "ProcessingOutputConfig": {"Outputs": outputs},
        "ProcessingResources": {"ClusterConfig": {**cluster, **changes.pop("cluster", {})}},
        "AppSpecification": {
            "ImageUri": shop.SKLEARN,
            "ContainerEntrypoint": ["python3", f"{ROOT}/input/code/script.py"],
            "ContainerArguments": changes.pop("arguments", ["--none"]),
        },
        "RoleArn": workshop.role,
        **changes,
    }


def started(workshop: Workshop, wanted: shop.Document) -> str:
    workshop.sagemaker.create_processing_job(**wanted)
    return str(wanted["ProcessingJobName"])


def ended(workshop: Workshop, name: str, *, expect: str = "Completed") -> shop.Document:
    def look() -> shop.Document | None:
        found = workshop.sagemaker.describe_processing_job(ProcessingJobName=name)
        return found if found["ProcessingJobStatus"] in shop.ENDED else None

    found: shop.Document = workshop.until(look, within_s=90, what=f"the end of {name}")
    log = workshop.log("ProcessingJobs", name)
    assert found["ProcessingJobStatus"] == expect, (found.get("FailureReason"), log)
    return found


def run(workshop: Workshop, wanted: shop.Document, *, expect: str = "Completed") -> shop.Document:
    return ended(workshop, started(workshop, wanted), expect=expect)


TELL = """
import json, os, pathlib, sys
root = pathlib.Path("/opt/ml")
told = {
    "args": sys.argv[1:],
    "env": dict(os.environ),
    "config": {p.name: json.loads(p.read_text()) for p in (root / "config").iterdir()},
    "files": sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()),
}
out = root / "processing/told"
(out / "deep").mkdir()
(out / "deep/told.json").write_text(json.dumps(told))
(out / "empty").write_bytes(b"")
(root / "output/message").write_text("42 rows were left out " + "é" * 1000)
"""


@pytest.fixture(scope="module")
def job(workshop: Workshop) -> shop.Document:
    data = workshop.put_all({"a.csv": "1", "deep/b.csv": "2"})
    wanted = request(
        workshop,
        TELL,
        source("data", data),
        outputs=[target("told", f"s3://{workshop.bucket}/told/")],
        arguments=["--rate", "0.5"],
        Environment={"MINE": "yes"},
        Tags=[{"Key": "team", "Value": "risk"}],
    )
    return run(workshop, wanted)


@pytest.fixture(scope="module")
def told(workshop: Workshop, job: shop.Document) -> shop.Document:
    found: shop.Document = json.loads(workshop.get(f"s3://{workshop.bucket}/told/deep/told.json"))
    return found


def test_inputs_lie_where_they_were_asked_for(told: shop.Document) -> None:
    assert {
        "processing/input/code/script.py",
        "processing/input/data/a.csv",
        "processing/input/data/deep/b.csv",
    } <= set(told["files"])
    assert told["args"] == ["--rate", "0.5"]


def test_every_file_of_an_output_is_uploaded(workshop: Workshop, job: shop.Document) -> None:
    assert workshop.keys(f"s3://{workshop.bucket}/told") == ["deep/told.json", "empty"]


def test_the_job_is_described_in_its_config(job: shop.Document, told: shop.Document) -> None:
    config = told["config"]["processingjobconfig.json"]
    assert config["ProcessingJobArn"] == job["ProcessingJobArn"]
    assert config["ProcessingJobName"] == job["ProcessingJobName"]
    assert config["AppSpecification"]["ContainerArguments"] == ["--rate", "0.5"]
    assert config["ProcessingResources"]["ClusterConfig"]["InstanceCount"] == 1
    assert told["config"]["resourceconfig.json"] == {"current_host": "algo-1", "hosts": ["algo-1"]}


def test_the_environment_is_the_requests_and_ours(
    workshop: Workshop, job: shop.Document, told: shop.Document
) -> None:
    env = told["env"]
    assert env["MINE"] == "yes"
    assert env["PROCESSING_JOB_ARN"] == job["ProcessingJobArn"]
    assert env["AWS_ENDPOINT_URL"] == workshop.server.endpoint
    assert not {name for name in env if name.startswith("GLASSHOUSE_")}


def test_a_description_has_every_member_that_clients_read(job: shop.Document) -> None:
    assert job["ProcessingResources"]["ClusterConfig"]["InstanceCount"] == 1
    assert job["ProcessingOutputConfig"]["Outputs"][0]["OutputName"] == "told"
    assert job["ExitMessage"].startswith("42 rows were left out é")
    assert len(job["ExitMessage"].encode()) <= 1024 + 2
    assert job["StoppingCondition"]["MaxRuntimeInSeconds"] == 86400
    assert job["NetworkConfig"]["EnableNetworkIsolation"] is False
    assert job["CreationTime"] <= job["ProcessingStartTime"] <= job["ProcessingEndTime"]


def test_jobs_are_listed_tagged_and_found(workshop: Workshop, job: shop.Document) -> None:
    name = job["ProcessingJobName"]
    (summary,) = workshop.sagemaker.list_processing_jobs(NameContains=name)["ProcessingJobSummaries"]
    assert summary["ProcessingJobStatus"] == "Completed"
    assert "ProcessingEndTime" in summary
    tags = workshop.sagemaker.list_tags(ResourceArn=job["ProcessingJobArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "risk"}]
    with workshop.refused("ResourceInUse", "already exists"):
        workshop.sagemaker.create_processing_job(**request(workshop, "pass", ProcessingJobName=name))
    with workshop.refused("ValidationException", "Could not find"):
        workshop.sagemaker.describe_processing_job(ProcessingJobName="nobody")


def test_two_hosts_share_out_the_files_and_write_to_one_output(workshop: Workshop) -> None:
    code = (
        "import json, pathlib, socket\n"
        "config = json.load(open('/opt/ml/config/resourceconfig.json'))\n"
        "for host in config['hosts']: socket.gethostbyname(host)\n"
        "names = sorted(p.name for p in pathlib.Path('/opt/ml/processing/input/shards').iterdir())\n"
        "pathlib.Path('/opt/ml/processing/out', config['current_host']).write_text(' '.join(names))\n"
    )
    shards = workshop.put_all({f"part-{i}": "x" for i in range(5)})
    place = f"s3://{workshop.bucket}/{workshop.name('out')}"
    wanted = request(
        workshop,
        code,
        source("shards", shards, S3DataDistributionType="ShardedByS3Key"),
        outputs=[target("out", place)],
        cluster={"InstanceCount": 2},
    )
    run(workshop, wanted)
    assert workshop.get(f"{place}/algo-1") == b"part-0 part-2 part-4"
    assert workshop.get(f"{place}/algo-2") == b"part-1 part-3"


def test_a_continuous_output_appears_while_the_job_runs(workshop: Workshop) -> None:
    code = (
        "import pathlib, time\n"
        "folder = pathlib.Path('/opt/ml/processing/live')\n"
        "(folder / 'first').write_text('1')\n"
        "while True: time.sleep(0.05)\n"
    )
    place = f"s3://{workshop.bucket}/{workshop.name('live')}"
    name = started(workshop, request(workshop, code, outputs=[target("live", place, mode="Continuous")]))
    workshop.until(lambda: workshop.keys(place) == ["first"], what="the upload")
    workshop.sagemaker.stop_processing_job(ProcessingJobName=name)
    ended(workshop, name, expect="Stopped")
    assert workshop.get(f"{place}/first") == b"1"


def test_a_stopped_job_uploads_nothing_at_its_end(workshop: Workshop) -> None:
    code = "import time; open('/opt/ml/processing/out/half', 'w').write('x'); print('ready', flush=True)\ntime.sleep(60)"
    place = f"s3://{workshop.bucket}/{workshop.name('out')}"
    name = started(workshop, request(workshop, code, outputs=[target("out", place)]))
    workshop.until(lambda: "ready" in workshop.log("ProcessingJobs", name))
    workshop.sagemaker.stop_processing_job(ProcessingJobName=name)
    ended(workshop, name, expect="Stopped")
    assert workshop.keys(place) == []
    with workshop.refused("ValidationException", "Stopped"):
        workshop.sagemaker.stop_processing_job(ProcessingJobName=name)


def test_a_failing_script_is_quoted(workshop: Workshop) -> None:
    place = f"s3://{workshop.bucket}/{workshop.name('out')}"
    code = "open('/opt/ml/processing/out/half', 'w').write('x')\nraise ValueError('no rows are left')"
    job = run(workshop, request(workshop, code, outputs=[target("out", place)]), expect="Failed")
    assert "ValueError: no rows are left" in job["FailureReason"]
    assert "exit code: 1" in job["FailureReason"]
    assert workshop.keys(place) == []


def test_a_job_that_runs_too_long_says_so(workshop: Workshop) -> None:
    wanted = request(workshop, "import time; time.sleep(60)", StoppingCondition={"MaxRuntimeInSeconds": 1})
    job = run(workshop, wanted, expect="Stopped")
    assert "longer than 1 s" in job["FailureReason"]


def test_an_isolated_job_has_no_network(workshop: Workshop) -> None:
    code = (
        "import os, socket\n"
        f"try: socket.create_connection(('127.0.0.1', {workshop.server.endpoint.rsplit(':', 1)[1]}), timeout=1)\n"
        "except OSError: print('alone', [n for n in os.environ if 'SECRET' in n])\n"
    )
    job = run(workshop, request(workshop, code, NetworkConfig={"EnableNetworkIsolation": True}))
    assert workshop.log("ProcessingJobs", job["ProcessingJobName"]) == "alone []"


def test_inputs_and_outputs_that_have_no_place_fail_the_job_with_a_sentence(workshop: Workshop) -> None:
    nowhere = f"s3://{workshop.bucket}/nowhere"
    job = run(workshop, request(workshop, "pass", source("data", nowhere)), expect="Failed")
    assert f"No S3 objects found under S3 URI {nowhere}" in job["FailureReason"]
    for mode in ("EndOfJob", "Continuous"):
        outputs = [target("out", "s3://absent-bucket/x", mode=mode)]
        job = run(workshop, request(workshop, "print('ran')", outputs=outputs), expect="Failed")
        assert "cannot be written to s3://absent-bucket/x" in job["FailureReason"]
        assert "ran" not in workshop.log("ProcessingJobs", job["ProcessingJobName"])


def test_links_that_a_job_leaves_are_not_followed(workshop: Workshop) -> None:
    folder = workshop.server.data
    code = (
        "import os\n"
        f"os.symlink('{folder}/credentials.json', '/opt/ml/processing/out/link')\n"
        f"os.symlink('{folder}', '/opt/ml/processing/out/folder')\n"
        f"os.symlink('{folder}/credentials.json', '/opt/ml/output/message')\n"
        "open('/opt/ml/processing/out/plain', 'w').write('x')\n"
    )
    place = f"s3://{workshop.bucket}/{workshop.name('out')}"
    job = run(workshop, request(workshop, code, outputs=[target("out", place)]))
    assert workshop.keys(place) == ["plain"]
    assert "SecretAccessKey" not in str(job)
    code = (
        f"import os\nos.rmdir('/opt/ml/processing/out'); os.symlink('{folder}', '/opt/ml/processing/out')\n"
    )
    job = run(workshop, request(workshop, code, outputs=[target("out", place)]), expect="Failed")
    assert "/opt/ml/processing/out is a link" in job["FailureReason"]


def test_a_failed_continuous_upload_cannot_be_turned_into_reading_our_files(workshop: Workshop) -> None:
    """The job swaps a folder for a link, again and again, while its output is copied."""
    folder = workshop.server.data
    code = (
        "import os, pathlib, time\n"
        "out = pathlib.Path('/opt/ml/processing/out'); (out / 'real').mkdir()\n"
        "(out / 'real' / 'credentials.json').write_text('mine')\n"
        f"os.symlink('{folder}', out / 'fake')\n"
        "os.rename(out / 'real', out / 'x')\n"
        "end = time.monotonic() + 2.5\n"
        "while time.monotonic() < end:\n"
        "    os.rename(out / 'x', out / 'a'); os.rename(out / 'fake', out / 'x')\n"
        "    os.rename(out / 'x', out / 'fake'); os.rename(out / 'a', out / 'x')\n"
    )
    place = f"s3://{workshop.bucket}/{workshop.name('out')}"
    run(workshop, request(workshop, code, outputs=[target("out", place, mode="Continuous")]))
    assert all(workshop.get(f"{place}/{key}") == b"mine" for key in workshop.keys(place))


REFUSALS: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"ExperimentConfig": {"ExperimentName": "e"}}, ("ExperimentConfig",)),
    (
        {"NetworkConfig": {"EnableInterContainerTrafficEncryption": True}},
        ("NetworkConfig.EnableInterContainerTrafficEncryption",),
    ),
    (
        {"NetworkConfig": {"VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["s-1"]}}},
        ("NetworkConfig.VpcConfig",),
    ),
    ({"cluster": {"VolumeKmsKeyId": "alias/key"}}, ("ProcessingResources.ClusterConfig.VolumeKmsKeyId",)),
    ({"RoleArn": "arn:aws:iam::999999999999:role/x"}, ("cross-account",)),
    (
        {"outputs": [target("o", "s3://workshop/x", "/etc")]},
        ("output o must start with /opt/ml/processing/",),
    ),
    ({"outputs": [target("o", "s3://workshop/x", f"{ROOT}/../x")]}, ("output o must start with",)),
    (
        {"AppSpecification": {"ImageUri": "nobody/knows:1"}},
        ("nobody/knows:1", "Known images"),
    ),
    ({"AppSpecification": {"ImageUri": shop.SKLEARN}}, ("give AppSpecification.ContainerEntrypoint",)),
    ({"AppSpecification": {"ImageUri": shop.XGBOOST}}, ("is not a processing image",)),
    (
        {"ProcessingInputs": [source("a", "s3://workshop/x"), source("a", "s3://workshop/y")]},
        ("two inputs named a",),
    ),
    (
        {"ProcessingInputs": [source("a", "s3://workshop/x", S3CompressionType="Gzip")]},
        ("ProcessingInputs[0].S3Input.S3CompressionType",),
    ),
    (
        {"ProcessingInputs": [{**source("a", "s3://workshop/x"), "AppManaged": True}]},
        ("ProcessingInputs[0].AppManaged",),
    ),
]


@pytest.mark.parametrize(("changes", "words"), REFUSALS, ids=[words[0] for _, words in REFUSALS])
def test_a_request_that_cannot_be_carried_out_says_why(
    workshop: Workshop, changes: dict[str, Any], words: tuple[str, ...]
) -> None:
    with workshop.refused("ValidationException", *words):
        workshop.sagemaker.create_processing_job(**request(workshop, "pass", **changes))
