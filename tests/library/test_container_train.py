"""Script mode, as a real process against a folder laid out as /opt/ml."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from glasshouse.engines import images
from glasshouse.kernel import settings
from glasskit.container import failures, hyperparameters, sources
from tests.library import containers

pytestmark = pytest.mark.slow

SHOW = "import json, os, sys; print('SEEN ' + json.dumps([sys.argv[1:], dict(os.environ), sys.path]))\n"


def seen(ended: containers.Ended) -> tuple[list[str], dict[str, str], list[str]]:
    line = next(line for line in ended.output.splitlines() if line.startswith("SEEN "))
    arguments, environment, path = json.loads(line[5:])
    return arguments, environment, path


@pytest.fixture
def made(tmp_path: Path) -> containers.Container:
    made = containers.Container(tmp_path / "ml")
    made.channels(train="text/csv", validation="text/csv")
    return made


def test_a_script_gets_its_hyperparameters_as_sorted_arguments(made: containers.Container) -> None:
    made.write("code/train.py", SHOW)
    made.hyperparameters(
        {
            "sagemaker_program": '"train.py"',
            "tree-type": '"dart"',
            "n": "5",
            "flag": "true",
            "raw": "s3://bucket/x",
            "layers": "[1, 2]",
            "sagemaker_region": '"us-east-1"',
        }
    )
    arguments, _, _ = seen(made.train())
    assert arguments == [
        *("--flag", "True"),
        *("--layers", "[1, 2]"),
        *("-n", "5"),
        *("--raw", "s3://bucket/x"),
        *("--tree-type", "dart"),
    ]


def test_a_script_sees_the_variables_of_the_training_toolkit(made: containers.Container) -> None:
    made.write("code/train.py", SHOW)
    made.hyperparameters({"sagemaker_program": "train.py", "depth": "2", "sagemaker_mpi_enabled": "false"})
    _, variables, _ = seen(made.train())
    base = str(made.base)
    expected = {
        "SM_HOSTS": '["algo-1"]',
        "SM_CURRENT_HOST": "algo-1",
        "SM_NETWORK_INTERFACE_NAME": "eth0",
        "SM_HPS": '{"depth":2}',
        "SM_HP_DEPTH": "2",
        "SM_USER_ENTRY_POINT": "train.py",
        "SM_MODULE_NAME": "train",
        "SM_FRAMEWORK_PARAMS": '{"sagemaker_mpi_enabled":false}',
        "SM_CHANNELS": '["train","validation"]',
        "SM_CHANNEL_TRAIN": f"{base}/input/data/train",
        "SM_CHANNEL_VALIDATION": f"{base}/input/data/validation",
        "SM_MODEL_DIR": f"{base}/model",
        "SM_MODULE_DIR": f"{base}/code",
        "SM_OUTPUT_DATA_DIR": f"{base}/output/data",
        "SM_OUTPUT_DIR": f"{base}/output",
        "SM_OUTPUT_INTERMEDIATE_DIR": f"{base}/output/intermediate",
        "SM_INPUT_DIR": f"{base}/input",
        "SM_INPUT_CONFIG_DIR": f"{base}/input/config",
        "SM_CURRENT_INSTANCE_TYPE": "ml.m5.large",
        "SM_CURRENT_INSTANCE_GROUP": "homogeneousCluster",
        "SM_CURRENT_INSTANCE_GROUP_HOSTS": '["algo-1"]',
        "SM_INSTANCE_GROUPS": '["homogeneousCluster"]',
        "SM_DISTRIBUTION_INSTANCE_GROUPS": "[]",
        "SM_IS_HETERO": "false",
        "SM_LOG_LEVEL": "20",
        "SM_FRAMEWORK_MODULE": "",
        "SM_NUM_GPUS": "0",
        "SM_NUM_NEURONS": "0",
        "SM_NUM_CPUS": str(len(os.sched_getaffinity(0))),
        "SM_USER_ARGS": '["--depth","2"]',
        "PYTHONUNBUFFERED": "1",
    }
    assert {name: variables.get(name) for name in expected} == expected
    assert json.loads(variables["SM_INPUT_DATA_CONFIG"])["train"]["ContentType"] == "text/csv"
    assert json.loads(variables["SM_RESOURCE_CONFIG"])["hosts"] == ["algo-1"]
    assert json.loads(variables["SM_INSTANCE_GROUPS_DICT"])["homogeneousCluster"]["hosts"] == ["algo-1"]
    assert json.loads(variables["SM_TRAINING_ENV"])["hyperparameters"] == {"depth": 2}


def test_code_comes_from_an_archive_with_its_dependencies_on_the_path(
    made: containers.Container, tmp_path: Path
) -> None:
    files = {"train.py": "import helper.deep; print('ANSWER', helper.deep.X)", "helper/deep.py": "X = 42"}
    archive = containers.archive(tmp_path / "sourcedir.tar.gz", files)
    made.hyperparameters(
        {"sagemaker_program": "train.py", "sagemaker_submit_directory": json.dumps(str(archive))}
    )
    ended = made.train()
    assert "ANSWER 42" in ended.output
    assert (made.base / "code" / "helper" / "deep.py").exists()


def test_code_comes_from_a_folder(made: containers.Container, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "train.py").write_text("print('HERE')")
    made.hyperparameters(
        {"sagemaker_program": "train.py", "sagemaker_submit_directory": str(tmp_path / "src")}
    )
    assert "HERE" in made.train().output


def test_code_in_s3_that_an_isolated_job_cannot_reach_is_told_with_the_way_out(
    made: containers.Container,
) -> None:
    made.hyperparameters(
        {"sagemaker_program": "train.py", "sagemaker_submit_directory": "s3://b/source.tar.gz"}
    )
    ended = made.train()
    assert ended.status == 1
    assert "With network isolation the code must come through a channel" in ended.failure


def test_a_failing_script_gives_its_status_and_the_end_of_its_traceback(made: containers.Container) -> None:
    deep = (
        "def f(n):\n    if n == 0:\n        raise ValueError('the income column is missing')\n    f(n - 1)\n"
    )
    made.write("code/train.py", deep + "print('x' * 5000)\nf(40)\n")
    made.hyperparameters({"sagemaker_program": "train.py", "depth": "3"})
    ended = made.train()
    assert ended.status == 1
    assert ended.failure.startswith("ExecuteUserScriptError:\nExitCode 1\nErrorMessage")
    assert "ValueError: the income column is missing" in ended.failure
    assert "train.py --depth 3" in ended.failure
    assert len(ended.failure) <= failures.REASON_CHARACTERS
    assert "Reporting training FAILURE" in ended.output


def test_the_status_of_a_script_is_the_containers(made: containers.Container) -> None:
    made.write("code/train.py", "import sys\nprint('out of cheese', file=sys.stderr)\nsys.exit(7)")
    made.hyperparameters({"sagemaker_program": "train.py"})
    ended = made.train()
    assert ended.status == 7
    assert "ExitCode 7" in ended.failure
    assert "out of cheese" in ended.failure


def test_a_failure_file_of_the_script_itself_stays(made: containers.Container) -> None:
    made.write(
        "code/train.py", f"open('{made.base}/output/failure', 'w').write('my own words'); raise SystemExit(1)"
    )
    made.hyperparameters({"sagemaker_program": "train.py"})
    assert made.train().failure == "my own words"


def test_a_script_killed_by_a_signal_fails_with_128_and_its_number(made: containers.Container) -> None:
    for number, name in ((9, "SIGKILL"), (11, "SIGSEGV")):
        made.write("code/train.py", f"import os; os.kill(os.getpid(), {number})")
        made.write("output/failure", "")
        made.hyperparameters({"sagemaker_program": "train.py"})
        ended = made.train()
        assert ended.status == 128 + number
        assert f"ExitCode {128 + number}" in ended.failure
        said = f'ErrorMessage "the command was ended by the signal {name} and printed nothing"'
        assert said in ended.failure


def test_a_script_that_says_nothing_fails_with_a_message_all_the_same(made: containers.Container) -> None:
    made.write("code/train.py", "raise SystemExit(3)")
    made.hyperparameters({"sagemaker_program": "train.py"})
    assert 'ErrorMessage "the command printed nothing"' in made.train().failure


@pytest.mark.parametrize("first_line", ["#!/bin/sh\n", ""])
def test_shell_scripts_run_with_arguments_word_for_word(made: containers.Container, first_line: str) -> None:
    made.write("code/bin/train.sh", first_line + 'echo "[$1] [$2] $SM_HP_TEXT"\n')
    made.hyperparameters({"sagemaker_program": "bin/train.sh", "text": "a b; echo harm"})
    ended = made.train()
    assert ended.status == 0
    assert "[--text] [a b; echo harm] a b; echo harm" in ended.output


@pytest.mark.parametrize("name", ["../evil.py", "/bin/ls", "-c", "a b.py", "a/./b.py"])
def test_an_entry_point_outside_the_code_is_refused(made: containers.Container, name: str) -> None:
    made.write("code/train.py", "")
    made.hyperparameters({"sagemaker_program": json.dumps(name)})
    ended = made.train()
    assert ended.status == 1
    assert "cannot be used" in ended.failure


def test_a_missing_program_is_named(made: containers.Container) -> None:
    made.write("code/other.py", "")
    made.hyperparameters({"sagemaker_program": "train.py"})
    assert made.train().failure.startswith("The program train.py is not in the code at ")


def test_nothing_to_run_is_said(made: containers.Container) -> None:
    made.hyperparameters({})
    assert "There is nothing to run" in made.train().failure


def test_a_distribution_that_is_not_offered_is_named(made: containers.Container) -> None:
    made.write("code/train.py", "")
    made.hyperparameters({"sagemaker_program": "train.py", "sagemaker_mpi_enabled": "true"})
    assert "sagemaker_mpi_enabled" in made.train().failure


def test_an_archive_cannot_write_outside_the_code(made: containers.Container, tmp_path: Path) -> None:
    import tarfile

    path = tmp_path / "evil.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        entry = tarfile.TarInfo("../../evil.txt")
        entry.size = 1
        tar.addfile(entry, io.BytesIO(b"x"))
    made.hyperparameters({"sagemaker_program": "train.py", "sagemaker_submit_directory": str(path)})
    ended = made.train()
    assert ended.status == 1
    assert "cannot be unpacked" in ended.failure
    assert not list(tmp_path.rglob("evil.txt"))
    assert not (made.base / "code").exists()


def test_output_comes_while_the_script_runs(made: containers.Container) -> None:
    made.write("code/train.py", "import sys\nprint('early')\nsys.stdin.read()\nprint('late')")
    made.hyperparameters({"sagemaker_program": "train.py"})
    child = subprocess.Popen(
        [sys.executable, "-m", "glasskit.container", "train"],
        env=made.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert any(line == "early\n" for line in iter(child.stdout.readline, ""))
    output, _ = child.communicate("", timeout=60)
    assert "late" in output


def test_sigterm_reaches_the_script_which_may_end_in_good_order(made: containers.Container) -> None:
    script = (
        "import signal, sys, time\n"
        "def bye(*_):\n    print('saved'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, bye)\nprint('ready')\nsignal.pause()\n"
    )
    made.write("code/train.py", script)
    made.hyperparameters({"sagemaker_program": "train.py"})
    child = made.start("train")
    assert child.stdout is not None
    assert any(line == "ready\n" for line in iter(child.stdout.readline, ""))
    child.send_signal(signal.SIGTERM)
    output, _ = child.communicate(timeout=60)
    ended = made.ended(child.returncode, output)
    assert "saved" in ended.output
    assert (ended.status, ended.failure) == (0, "")


def test_a_script_that_dies_of_sigterm_leaves_no_failure(made: containers.Container) -> None:
    made.write("code/train.py", "import signal\nprint('ready')\nsignal.pause()\n")
    made.hyperparameters({"sagemaker_program": "train.py"})
    child = made.start("train")
    assert child.stdout is not None
    assert any(line == "ready\n" for line in iter(child.stdout.readline, ""))
    child.send_signal(signal.SIGTERM)
    output, _ = child.communicate(timeout=60)
    ended = made.ended(child.returncode, output)
    assert (ended.status, ended.failure) == (143, "")


def wheel(folder: Path, name: str, version: str, code: str) -> Path:
    """A wheel of one module, written by hand."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    records = []
    for file, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        records.append(f"{file},sha256={digest},{len(text.encode())}")
    files[f"{info}/RECORD"] = "\n".join([*records, f"{info}/RECORD,,"]) + "\n"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
    return path


@pytest.fixture
def in_environment(tmp_path: Path) -> containers.Container:
    """A container that runs in the environment that jobs get; the tests' own has no pip."""
    catalogue = images.LockedImages(settings.Settings.read().environments_folder, report=print)
    runtime = catalogue.resolve("sagemaker-scikit-learn:1.2-1-cpu-py3")
    path = f"{catalogue.environment(runtime).path}:{os.environ['PATH']}"
    made = containers.Container(tmp_path / "ml", python=path.partition(":")[0] + "/python", PATH=path)
    made.hyperparameters({"sagemaker_program": "train.py"})
    (made.base / "code").mkdir()
    return made


def test_requirements_are_installed_for_the_job_alone(in_environment: containers.Container) -> None:
    base = in_environment.base
    wheel(base / "code", "tinypackage", "1.5", "VERSION = 'one and a half'")
    in_environment.write("code/requirements.txt", "--no-index\n--find-links .\ntinypackage==1.5\n")
    show = "import tinypackage; print('GOT', tinypackage.VERSION, tinypackage.__file__)"
    in_environment.write("code/train.py", show)
    ended = in_environment.train()
    assert ended.status == 0, ended.output
    assert f"GOT one and a half {base}/packages/lib/" in ended.output


def test_what_the_image_has_is_not_installed_again_and_another_version_goes_before_it(
    in_environment: containers.Container,
) -> None:
    wheel(in_environment.base / "code", "joblib", "0.1", "__version__ = '0.1'")
    in_environment.write(
        "code/requirements.txt", "--no-index\n--find-links .\npandas\nnumpy>=2\njoblib==0.1\n"
    )
    show = "import joblib, numpy; print('GOT', joblib.__version__, numpy.__file__)"
    in_environment.write("code/train.py", show)
    ended = in_environment.train()
    assert ended.status == 0, ended.output
    assert "Requirement already satisfied: pandas" in ended.output
    got = next(line for line in ended.output.splitlines() if line.startswith("GOT"))
    assert got.split()[1] == "0.1"
    assert str(in_environment.base) not in got


def test_a_requirement_that_cannot_be_had_fails_the_job_by_name(in_environment: containers.Container) -> None:
    in_environment.write("code/requirements.txt", "--no-index\nno-such-package==1.0\n")
    in_environment.write("code/train.py", "print('never')")
    ended = in_environment.train()
    assert ended.status != 0
    assert ended.failure.startswith("InstallRequirementsError:")
    assert "no-such-package" in ended.failure
    assert "never" not in ended.output


def test_training_scripts_start_without_loading_any_library(made: containers.Container) -> None:
    heavy = "import sys\nimport glasskit.container.train\n"
    listed = "print([m for m in ('numpy', 'boto3', 'botocore', 'http.client', 'ssl', 'asyncio') if m in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", heavy + listed],
        capture_output=True,
        text=True,
        check=True,
        env=made.environment,
    )
    assert found.stdout == "[]\n"


# --- pure parts ----------------------------------------------------------------------------------


def test_one_letter_names_get_one_dash_and_dictionaries_become_pairs() -> None:
    assert hyperparameters.to_arguments({"n": None, "map": {"b": 2, "a": 1}}) == [
        "--map",
        "a=1,b=2",
        "-n",
        "",
    ]


def test_a_long_traceback_loses_its_beginning() -> None:
    lines = "\n".join(f'  File "x.py", line {number}' for number in range(100))
    text = failures.error_text(f"noise\nTraceback (most recent call last):\n{lines}\nKeyError: 'x'\n", 200)
    assert text.startswith("...\n")
    assert text.endswith("KeyError: 'x'")
    assert len(text) <= 200


def test_the_search_path_keeps_what_was_there_and_repeats_nothing() -> None:
    found = sources.search_path(Path("/c"), Path("/p"), {"PYTHONPATH": "/p:/mine"})
    library = f"/p/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    assert found == f"/c:{library}:/p:/mine"
