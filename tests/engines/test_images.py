"""Images: which URI is which runtime, and environments that are built once."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasshouse.engines import images
from glasshouse.engines.images import locked, runtimes, trees
from glasshouse.kernel import errors, ports, settings

REGISTRIES = ("811284229777.dkr.ecr.us-east-1.amazonaws.com/", "localhost:5000/", "localhost/", "")


@pytest.mark.parametrize("registry", REGISTRIES)
def test_an_image_is_known_by_repository_and_tag_whatever_its_registry(registry: str) -> None:
    runtime = runtimes.resolve(f"{registry}sagemaker-xgboost:1.7-1")
    assert (runtime.name, runtime.tag) == ("sagemaker-xgboost", "1.7-1")
    assert runtime.purposes == {"training", "inference", "processing"}
    assert runtime.env["GLASSHOUSE_ALGORITHM"] == "xgboost"
    assert runtime.command["training"] == ("python", "-m", "glasskit.container", "train")
    assert runtime.command["inference"] == ("python", "-m", "glasskit.container", "serve")
    assert "processing" not in runtime.command


def test_a_missing_tag_is_latest() -> None:
    assert runtimes.resolve("246618743249.dkr.ecr.us-west-2.amazonaws.com/xgboost").tag == "latest"


@pytest.mark.parametrize(
    "uri", ["xgboost:3", "other:latest", "example.com/x/xgboost:1", "xgboost@sha256:abc", ""]
)
def test_an_unknown_image_lists_the_known_ones(uri: str) -> None:
    with pytest.raises(errors.Validation) as caught:
        runtimes.resolve(uri)
    assert uri in str(caught.value)
    assert all(name in str(caught.value) for name in runtimes.known())


@given(
    account=st.from_regex(r"[0-9]{12}", fullmatch=True),
    region=st.from_regex(r"[a-z]{2}-[a-z]+-[1-9]", fullmatch=True),
)
def test_account_and_region_never_matter(account: str, region: str) -> None:
    uri = f"{account}.dkr.ecr.{region}.amazonaws.com/xgboost:1"
    assert runtimes.resolve(uri) == runtimes.resolve("xgboost:1")


@pytest.mark.parametrize(
    ("image", "line", "expected"),
    [
        (
            "xgboost:1",
            "[3]#011train-auc:0.51#011validation-auc:0.62",
            {"train:auc": "0.51", "validation:auc": "0.62"},
        ),
        ("lightgbm:1", "[3]\tvalidation's auc: 0.62", {"validation:auc": "0.62"}),
        ("sagemaker-scikit-learn:1.2-1-cpu-py3", "auc: 1", {}),
    ],
)
def test_a_built_in_algorithm_brings_the_patterns_of_its_metrics(
    image: str, line: str, expected: dict[str, str]
) -> None:
    found = {name: re.search(pattern, line) for name, pattern in runtimes.resolve(image).metrics.items()}
    assert {name: match[1] for name, match in found.items() if match} == expected


def test_every_known_image_has_a_lock_with_hashes_and_no_address() -> None:
    for name in {family.environment for family in runtimes.FAMILIES}:
        text = (Path(locked.__file__).with_name("locks") / f"{name}.txt").read_text()
        assert text.count("--hash=sha256:") > text.count("==") > 10
        assert "://" not in text


def test_the_lock_has_the_versions_that_the_platform_itself_is_tested_with() -> None:
    import importlib.metadata as metadata

    text = (Path(locked.__file__).with_name("locks") / "tabular.txt").read_text()
    for name in ("numpy", "lightgbm", "xgboost-cpu", "scikit-learn", "pandas", "pyarrow"):
        assert f"{name}=={metadata.version(name)} " in text


# --- building ------------------------------------------------------------------------------------


def wheel(folder: Path, name: str) -> str:
    """Writes a wheel of one module; returns its line for a lock file."""
    info, path = f"{name}-1.0.dist-info", folder / f"{name}-1.0-py3-none-any.whl"
    files = {
        f"{name}.py": "ANSWER = 42\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name}=builtins:print\n",
    }
    lines = []
    for file, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        lines.append(f"{file},sha256={digest},{len(text)}")
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
        archive.writestr(f"{info}/RECORD", "\n".join([*lines, f"{info}/RECORD,,\n"]))
    return f"{name} @ file://{path} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@pytest.fixture
def locks(tmp_path: Path) -> Path:
    folder = tmp_path / "locks"
    folder.mkdir()
    (folder / "tabular.txt").write_text(wheel(folder, "tinypackage"))
    return folder


@pytest.fixture
def runtime() -> ports.Runtime:
    return runtimes.resolve("xgboost:latest")


def run(environment: ports.Environment, *argv: str, **more: str) -> str:
    found = subprocess.run(
        argv, capture_output=True, text=True, env={"PATH": f"{environment.path}:{os.environ['PATH']}", **more}
    )
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


@pytest.mark.slow
def test_an_environment_has_its_packages_glasskit_and_nothing_else(
    tmp_path: Path, locks: Path, runtime: ports.Runtime
) -> None:
    lines: list[str] = []
    catalogue = images.LockedImages(tmp_path / "envs", report=lines.append, locks=locks)
    environment = catalogue.environment(runtime)
    program = "import sys, tinypackage, glasskit.container.train as t; print(sys.prefix, tinypackage.ANSWER, t.__file__)"
    for python in ("python", "python3"):
        prefix, answer, file = run(environment, python, "-c", program).split()
        assert prefix == str(environment.mounts[1].source)
        assert answer == "42"
        assert file.startswith(prefix)
    script = (
        "import sys, importlib.util as u; print([m for m in ('hypothesis', 'glasshouse') if u.find_spec(m)])"
    )
    assert run(environment, "python", "-c", script) == "[]"
    assert run(environment, "tinypackage") == ""
    assert any("Building the environment tabular" in line for line in lines)
    assert all(mount.target == str(mount.source) and not mount.writable for mount in environment.mounts)
    if not sys.base_prefix.startswith("/usr"):
        assert Path(sys.base_prefix).resolve() in {mount.source for mount in environment.mounts}


@pytest.mark.slow
def test_an_environment_is_built_once_by_many_builders(
    tmp_path: Path, locks: Path, runtime: ports.Runtime
) -> None:
    lines: list[str] = []
    found: list[ports.Environment] = []

    def build() -> None:
        catalogue = images.LockedImages(tmp_path / "envs", report=lines.append, locks=locks)
        found.append(catalogue.environment(runtime))

    builders = [threading.Thread(target=build) for _ in range(4)]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join()
    assert len(found) == 4
    assert len({environment.digest for environment in found}) == 1
    assert sum("Building the environment" in line for line in lines) == 1


@pytest.mark.slow
def test_a_half_built_environment_is_built_anew(tmp_path: Path, locks: Path, runtime: ports.Runtime) -> None:
    catalogue = images.LockedImages(tmp_path / "envs", report=lambda line: None, locks=locks)
    first = catalogue.environment(runtime)
    base = first.mounts[0].source
    (base / "glasshouse-environment.json").unlink()
    partial = base.with_name(f".{base.name}.partial")
    partial.mkdir()
    (partial / "rubbish").touch()
    again = images.LockedImages(tmp_path / "envs", report=lambda line: None, locks=locks).environment(runtime)
    assert again == first
    assert (base / "glasshouse-environment.json").exists()
    assert not (base / "rubbish").exists()


@pytest.mark.slow
def test_a_package_that_is_not_the_locked_one_is_refused(
    tmp_path: Path, locks: Path, runtime: ports.Runtime
) -> None:
    lock = locks / "tabular.txt"
    lock.write_text(lock.read_text()[:-5] + "0000\n")
    catalogue = images.LockedImages(tmp_path / "envs", report=lambda line: None, locks=locks)
    with pytest.raises(errors.Fatal, match="The environment cannot be built"):
        catalogue.environment(runtime)
    assert not [path for path in (tmp_path / "envs").iterdir() if not path.name.startswith(".")]


@pytest.mark.slow
def test_another_lock_is_another_digest(tmp_path: Path, locks: Path, runtime: ports.Runtime) -> None:
    def digest() -> str:
        return (
            images.LockedImages(tmp_path / "envs", report=lambda line: None, locks=locks)
            .environment(runtime)
            .digest
        )

    before = digest()
    lock = locks / "tabular.txt"
    lock.write_text("# another\n" + lock.read_text())
    assert digest() != before


def test_the_digest_of_a_tree_covers_names_and_contents_but_no_bytecode(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1")
    first = trees.digest(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_text("2")
    assert trees.digest(tmp_path) == first
    (tmp_path / "a.py").write_text("2")
    changed = trees.digest(tmp_path)
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert len({first, changed, trees.digest(tmp_path)}) == 3


@pytest.mark.slow
def test_the_real_environment_trains_and_serves(tmp_path: Path, runtime: ports.Runtime) -> None:
    """The one that jobs use, built where the set-up builds it."""
    folder = settings.Settings.read().environments_folder
    environment = images.LockedImages(folder, report=print).environment(runtime)
    (tmp_path / "ml/input/config").mkdir(parents=True)
    (tmp_path / "ml/input/data/train").mkdir(parents=True)
    (tmp_path / "ml/input/config/hyperparameters.json").write_text('{"num_round": "2"}')
    (tmp_path / "ml/input/config/inputdataconfig.json").write_text('{"train": {"ContentType": "csv"}}')
    (tmp_path / "ml/input/data/train/a.csv").write_text("1,2\n0,3\n1,4\n")
    variables = {**runtime.env, "SAGEMAKER_BASE_DIR": str(tmp_path / "ml")}
    output = run(environment, *runtime.command["training"], **variables)
    assert "[1]#011train-rmse:" in output
    assert (tmp_path / "ml/model/xgboost-model").exists()
    libraries = "import boto3, duckdb, joblib, lightgbm, pandas, pip, pyarrow, scipy, sklearn, uvicorn, uvloop, xgboost"
    assert run(environment, "python", "-c", libraries) == ""
    assert run(environment, "uv", "--version").startswith("uv ")
    assert run(environment, "pip", "--version").startswith("pip ")
