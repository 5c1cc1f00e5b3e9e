"""What a training container finds, may do and leaves behind."""

import itertools
import json
import time

import pytest

from tests.support import workshop as shop
from tests.support.workshop import Workshop

pytestmark = pytest.mark.slow

TELL = """
import json, os, pathlib, socket
root = pathlib.Path("/opt/ml")
told = {
    "env": dict(os.environ),
    "config": {p.name: json.loads(p.read_text()) for p in (root / "input/config").iterdir()},
    "files": sorted(str(p.relative_to(root)) for p in root.rglob("*")),
    "here": os.getcwd(),
}
(root / "model/told.json").write_text(json.dumps(told))
"""


def told_by(workshop: Workshop, job: shop.Document) -> shop.Document:
    files = shop.unpacked(workshop.get(job["ModelArtifacts"]["S3ModelArtifacts"]))
    found: shop.Document = json.loads(files["told.json"])
    return found


@pytest.fixture(scope="module")
def job(workshop: Workshop) -> shop.Document:
    """A job that tells what it saw, with all that a request can give it."""
    data = workshop.put_all({"a.csv": "1,2\n", "deep/b.csv": "3,4\n"})
    request = workshop.program(
        TELL,
        channels=[workshop.channel("train", data, ContentType="csv", InputMode="FastFile")],
        HyperParameters={"plain": "5", "quoted": '"dart"', "odd": "a b 'c' ü"},
        Environment={"MY_OWN": "value with spaces"},
        Tags=[{"Key": "team", "Value": "risk"}],
    )
    return workshop.train(request)


@pytest.fixture(scope="module")
def told(workshop: Workshop, job: shop.Document) -> shop.Document:
    return told_by(workshop, job)


def test_hyperparameters_arrive_word_for_word(told: shop.Document) -> None:
    assert told["config"]["hyperparameters.json"] == {"plain": "5", "quoted": '"dart"', "odd": "a b 'c' ü"}


def test_the_channels_are_described_and_their_files_are_there(told: shop.Document) -> None:
    assert told["config"]["inputdataconfig.json"]["train"] == {
        "ContentType": "csv",
        "TrainingInputMode": "FastFile",
        "S3DistributionType": "FullyReplicated",
        "RecordWrapperType": "None",
    }
    assert {"input/data/train/a.csv", "input/data/train/deep/b.csv"} <= set(told["files"])


def test_the_host_knows_itself_and_its_peers(told: shop.Document) -> None:
    found = told["config"]["resourceconfig.json"]
    assert found["current_host"] == "algo-1"
    assert found["hosts"] == ["algo-1"]
    assert found["current_instance_type"] == shop.INSTANCE
    assert found["instance_groups"][0]["hosts"] == ["algo-1"]
    assert found["network_interface_name"]


def test_checkpoints_have_no_folder_unless_they_were_asked_for(told: shop.Document) -> None:
    assert "checkpoints" not in told["files"]
    assert "checkpointconfig.json" not in told["config"]


def test_the_environment_names_the_job_and_leads_back_to_this_server(
    workshop: Workshop, job: shop.Document, told: shop.Document
) -> None:
    env = told["env"]
    assert env["TRAINING_JOB_NAME"] == job["TrainingJobName"]
    assert env["TRAINING_JOB_ARN"] == job["TrainingJobArn"]
    assert env["MY_OWN"] == "value with spaces"
    assert env["AWS_REGION"] == env["AWS_DEFAULT_REGION"] == "us-east-1"
    assert env["AWS_ENDPOINT_URL"] == env["S3_ENDPOINT_URL"] == workshop.server.endpoint
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} <= set(env)


def test_the_servers_own_environment_does_not_reach_the_job(told: shop.Document) -> None:
    assert not {name for name in told["env"] if name.startswith("GLASSHOUSE_")}


def test_a_description_has_every_member_that_clients_read(job: shop.Document) -> None:
    assert job["OutputDataConfig"]["KmsKeyId"] == ""
    assert job["OutputDataConfig"]["CompressionType"] == "GZIP"
    assert job["StoppingCondition"]["MaxRuntimeInSeconds"] == 120
    assert job["ResourceConfig"]["InstanceCount"] == 1
    assert job["FinalMetricDataList"] == []
    assert job["HyperParameters"]["quoted"] == '"dart"'
    assert job["EnableNetworkIsolation"] is False
    assert job["EnableManagedSpotTraining"] is False
    assert job["TrainingTimeInSeconds"] >= 1
    assert job["BillableTimeInSeconds"] >= 1
    assert job["CreationTime"] <= job["TrainingStartTime"] <= job["TrainingEndTime"]


def test_the_secondary_statuses_follow_one_another_without_gaps(job: shop.Document) -> None:
    passed = job["SecondaryStatusTransitions"]
    assert [one["Status"] for one in passed] == [
        "Starting",
        "Downloading",
        "Training",
        "Uploading",
        "Completed",
    ]
    assert job["SecondaryStatus"] == "Completed"
    assert all(one["StatusMessage"] for one in passed)
    for before, after in itertools.pairwise(passed):
        assert before["EndTime"] == after["StartTime"]


def test_the_model_is_where_the_output_path_says(workshop: Workshop, job: shop.Document) -> None:
    name = job["TrainingJobName"]
    assert (
        job["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{workshop.bucket}/out/{name}/output/model.tar.gz"
    )
    assert workshop.keys(f"s3://{workshop.bucket}/out/{name}") == ["output/model.tar.gz"]


def test_other_outputs_become_an_archive_beside_the_model(workshop: Workshop) -> None:
    job = workshop.train(
        workshop.program(
            "import pathlib\n"
            "pathlib.Path('/opt/ml/output/data/plots').mkdir(parents=True)\n"
            "pathlib.Path('/opt/ml/output/data/plots/roc.svg').write_text('<svg/>')\n"
        )
    )
    uri = f"s3://{workshop.bucket}/out/{job['TrainingJobName']}/output/output.tar.gz"
    assert shop.unpacked(workshop.get(uri)) == {"plots/roc.svg": b"<svg/>"}


def test_without_compression_the_outputs_are_single_objects(workshop: Workshop) -> None:
    request = workshop.program(
        "import pathlib\n"
        "pathlib.Path('/opt/ml/model/deep').mkdir()\n"
        "pathlib.Path('/opt/ml/model/deep/model.bin').write_bytes(b'm')\n"
        "pathlib.Path('/opt/ml/output/data/o.txt').write_bytes(b'o')\n",
        OutputDataConfig={"S3OutputPath": f"s3://{workshop.bucket}/out/", "CompressionType": "NONE"},
    )
    job = workshop.train(request)
    base = f"s3://{workshop.bucket}/out/{job['TrainingJobName']}/output"
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == f"{base}/model/"
    assert workshop.keys(base) == ["data/o.txt", "model/deep/model.bin"]


def test_the_same_files_make_the_same_archive(workshop: Workshop) -> None:
    code = "import pathlib; pathlib.Path('/opt/ml/model/model.bin').write_bytes(bytes(1000))"
    addresses = [
        workshop.train(workshop.program(code))["ModelArtifacts"]["S3ModelArtifacts"] for _ in range(2)
    ]
    assert workshop.get(addresses[0]) == workshop.get(addresses[1])


def test_the_job_can_use_the_keys_it_was_given(workshop: Workshop) -> None:
    uri = workshop.put("secret.txt", "for the job")
    request = workshop.program(
        "from glasskit.container import objects\n"
        "from pathlib import Path\n"
        f"objects.download('{uri}', Path('/opt/ml/model/got'))\n"
    )
    job = workshop.train(request)
    assert shop.unpacked(workshop.get(job["ModelArtifacts"]["S3ModelArtifacts"])) == {"got": b"for the job"}


def test_logs_can_be_read_while_the_job_runs(workshop: Workshop) -> None:
    release = f"s3://{workshop.bucket}/{workshop.name('release')}"
    request = workshop.program(
        "import time\n"
        "from pathlib import Path\n"
        "from glasskit.container import objects\n"
        "print('first line')\n"
        "while True:\n"
        "    try:\n"
        f"        objects.download('{release}', Path('/tmp/released'))\n"
        "        break\n"
        "    except Exception:\n"
        "        time.sleep(0.05)\n"
        "print('last line')\n"
    )
    name = workshop.start_training(request)
    workshop.running(name, "first line")
    assert workshop.training(name)["TrainingJobStatus"] == "InProgress"
    workshop.put(release.rsplit("/", 1)[1], "go")
    workshop.trained(name)
    assert workshop.log("TrainingJobs", name).splitlines() == ["first line", "last line"]


def test_a_log_stream_is_named_after_the_job_and_its_host(workshop: Workshop, job: shop.Document) -> None:
    found = workshop.logs.describe_log_streams(
        logGroupName="/aws/sagemaker/TrainingJobs",
        logStreamNamePrefix=f"{job['TrainingJobName']}/",
        orderBy="LogStreamName",
        limit=1,
    )["logStreams"]
    stem, _, epoch = found[0]["logStreamName"].rpartition("-")
    assert stem == f"{job['TrainingJobName']}/algo-1"
    assert abs(int(epoch) - time.time()) < 3600


def test_metrics_are_read_off_the_log_by_the_requests_expressions(workshop: Workshop) -> None:
    request = workshop.program(
        "for i in range(3): print(f'epoch={i}; loss={1 / (i + 1):.3f}; nan={float(\"nan\")}')",
        AlgorithmSpecification={
            "MetricDefinitions": [
                {"Name": "loss", "Regex": "loss=([0-9.]+)"},
                {"Name": "never", "Regex": "absent=([0-9.]+)"},
                {"Name": "nan", "Regex": "nan=(\\S+)"},
            ]
        },
    )
    job = workshop.train(request)
    assert [(one["MetricName"], round(one["Value"], 3)) for one in job["FinalMetricDataList"]] == [
        ("loss", 0.333)
    ]
    filters = [
        {"Name": "TrainingJobName", "Operator": "Equals", "Value": job["TrainingJobName"]},
        {"Name": "Metrics.loss", "Operator": "LessThan", "Value": "0.34"},
    ]
    found = workshop.sagemaker.search(Resource="TrainingJob", SearchExpression={"Filters": filters})[
        "Results"
    ]
    assert [one["TrainingJob"]["TrainingJobName"] for one in found] == [job["TrainingJobName"]]


def test_an_isolated_job_has_no_network_and_no_keys(workshop: Workshop) -> None:
    request = workshop.program(
        "import os, socket\n"
        "from urllib.parse import urlsplit\n"
        "print('keys', [n for n in os.environ if n.startswith('AWS_') and 'KEY' in n])\n"
        f"address = urlsplit('{workshop.server.endpoint}')\n"
        "try:\n"
        "    socket.create_connection((address.hostname, address.port), timeout=2)\n"
        "    print('reached')\n"
        "except OSError as error:\n"
        "    print('not reached')\n",
        EnableNetworkIsolation=True,
    )
    job = workshop.train(request)
    assert workshop.log_of(job).splitlines() == ["keys []", "not reached"]


TWO_HOSTS = """
import json, os, pathlib, socket, time
config = json.loads(pathlib.Path("/opt/ml/input/config/resourceconfig.json").read_text())
me, peers = config["current_host"], [h for h in config["hosts"] if h != config["current_host"]]
port = 7777
if me == "algo-1":
    with socket.create_server((socket.gethostbyname(me), port)) as server:
        channel, _ = server.accept()
        print("heard", channel.recv(100).decode())
else:
    for _ in range(200):
        try:
            channel = socket.create_connection((peers[0], port), timeout=5)
            break
        except OSError:
            time.sleep(0.05)
    channel.sendall(me.encode())
files = sorted(p.name for p in pathlib.Path("/opt/ml/input/data/shards").iterdir())
pathlib.Path("/opt/ml/model", me).write_text(json.dumps(files))
pathlib.Path("/opt/ml/model/same").write_text(me)
"""


@pytest.mark.parametrize("isolated", [False, True])
def test_two_hosts_find_each_other_and_share_out_the_files(workshop: Workshop, isolated: bool) -> None:
    shards = workshop.put_all({f"part-{i}": str(i) for i in range(5)})
    request = workshop.program(
        TWO_HOSTS,
        channels=[workshop.channel("shards", shards, S3DataDistributionType="ShardedByS3Key")],
        ResourceConfig={"InstanceType": shop.INSTANCE, "InstanceCount": 2, "VolumeSizeInGB": 1},
        EnableNetworkIsolation=isolated,
    )
    job = workshop.train(request)
    files = shop.unpacked(workshop.get(job["ModelArtifacts"]["S3ModelArtifacts"]))
    assert json.loads(files["algo-1"]) == ["part-0", "part-2", "part-4"]
    assert json.loads(files["algo-2"]) == ["part-1", "part-3"]
    assert files["same"] == b"algo-1"
    assert "heard algo-2" in workshop.log_of(job)


def test_a_manifest_names_the_files_of_a_channel(workshop: Workshop) -> None:
    base = workshop.put_all({"a": "A", "b": "B", "c": "C"})
    manifest = workshop.put("manifest.json", json.dumps([{"prefix": f"{base}/"}, "a", "c"]))
    request = workshop.program(
        "import pathlib; print(sorted(p.name for p in pathlib.Path('/opt/ml/input/data/some').iterdir()))",
        channels=[workshop.channel("some", manifest, S3DataType="ManifestFile")],
    )
    assert workshop.log_of(workshop.train(request)) == "['a', 'c']"
