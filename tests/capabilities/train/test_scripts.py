"""Script mode as SDK v2 sends it: code from S3, hyperparameters as JSON, requirements, SM_ variables."""

import json
import zipfile
from io import BytesIO

import pytest

from tests.support import workshop as shop
from tests.support.workshop import Workshop

pytestmark = pytest.mark.slow

SCRIPT = """
import argparse, json, os, pathlib
import helper, tiny_package
parser = argparse.ArgumentParser()
parser.add_argument("--learning-rate", type=float)
parser.add_argument("--boosting")
parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
asked = parser.parse_args()
print("loss=0.25")
pathlib.Path(asked.model_dir, "told.json").write_text(json.dumps({
    "args": vars(asked),
    "env": {k: v for k, v in os.environ.items() if k.startswith("SM_")},
    "helper": helper.VALUE,
    "package": tiny_package.VALUE,
    "rows": pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "a.csv").read_text(),
}))
"""


def wheel(name: str, code: str) -> bytes:
    """A wheel of one module, made without any tool."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for path, content in files.items():
            packed.writestr(path, content)
    return buffer.getvalue()


def request(workshop: Workshop, files: dict[str, str | bytes], **changes: object) -> shop.Document:
    """As SDK v2's SKLearn estimator sends it: every hyperparameter is a JSON string."""
    code = workshop.put(f"{workshop.name('code')}/sourcedir.tar.gz", shop.archive(files))
    data = workshop.put_all({"a.csv": "1,2\n"})
    given = {
        "learning-rate": "0.1",
        "boosting": '"dart"',
        "sagemaker_program": '"train.py"',
        "sagemaker_submit_directory": json.dumps(code),
        "sagemaker_container_log_level": "20",
        "sagemaker_job_name": '"j"',
        "sagemaker_region": '"us-east-1"',
    }
    return workshop.training_request(
        HyperParameters=given, InputDataConfig=[workshop.channel("train", data)], **changes
    )


def test_a_script_finds_its_code_its_packages_its_arguments_and_its_data(workshop: Workshop) -> None:
    files: dict[str, str | bytes] = {
        "train.py": SCRIPT,
        "helper.py": "VALUE = 'from beside'",
        "requirements.txt": "./tiny_package-1.0-py3-none-any.whl\n",
        "tiny_package-1.0-py3-none-any.whl": wheel("tiny_package", "VALUE = 'installed'"),
    }
    definitions = [{"Name": "loss", "Regex": "loss=(.*)"}]
    algorithm = {
        "TrainingImage": shop.SKLEARN,
        "TrainingInputMode": "File",
        "MetricDefinitions": definitions,
    }
    job = workshop.train(request(workshop, files, AlgorithmSpecification=algorithm))
    model = shop.unpacked(workshop.get(job["ModelArtifacts"]["S3ModelArtifacts"]))
    told = json.loads(model["told.json"])
    assert told["args"] == {"learning_rate": 0.1, "boosting": "dart", "model_dir": "/opt/ml/model"}
    assert (told["helper"], told["package"], told["rows"]) == ("from beside", "installed", "1,2\n")
    env = told["env"]
    assert env["SM_CHANNEL_TRAIN"] == "/opt/ml/input/data/train"
    assert env["SM_OUTPUT_DATA_DIR"] == "/opt/ml/output/data"
    assert env["SM_HP_LEARNING-RATE"] == "0.1"
    assert json.loads(env["SM_HPS"]) == {"boosting": "dart", "learning-rate": 0.1}
    assert (env["SM_CURRENT_HOST"], json.loads(env["SM_HOSTS"])) == ("algo-1", ["algo-1"])
    assert env["SM_NUM_CPUS"] == "2"
    assert job["FinalMetricDataList"][0]["Value"] == 0.25


def test_a_script_that_fails_shows_its_traceback(workshop: Workshop) -> None:
    job = workshop.train(
        request(workshop, {"train.py": "raise ValueError('no such column: age')"}), expect="Failed"
    )
    assert job["FailureReason"].startswith("AlgorithmError: ExecuteUserScriptError:\nExitCode 1")
    assert "ValueError: no such column: age" in job["FailureReason"]


def test_code_that_is_not_there_is_named(workshop: Workshop) -> None:
    wanted = request(workshop, {"other.py": ""})
    job = workshop.train(wanted, expect="Failed")
    assert "train.py" in job["FailureReason"]
    wanted["TrainingJobName"] = workshop.name("train")
    wanted["HyperParameters"]["sagemaker_submit_directory"] = json.dumps(
        f"s3://{workshop.bucket}/gone.tar.gz"
    )
    job = workshop.train(wanted, expect="Failed")
    assert "gone.tar.gz" in job["FailureReason"]


def test_an_isolated_script_takes_its_code_from_a_channel(workshop: Workshop) -> None:
    code = workshop.put_all({"sourcedir.tar.gz": shop.archive({"train.py": "print('ran')"})})
    job = workshop.train(
        workshop.training_request(
            HyperParameters={
                "sagemaker_program": "train.py",
                "sagemaker_submit_directory": "/opt/ml/input/data/code/sourcedir.tar.gz",
            },
            InputDataConfig=[workshop.channel("code", code)],
            EnableNetworkIsolation=True,
        )
    )
    assert "ran" in workshop.log_of(job)
