"""Pickled models are opened in a sandbox or not at all, and what they do there stays there."""

from __future__ import annotations

import json
import pickle
import socket
from pathlib import Path

import joblib
import lightgbm
import numpy as np
import pytest
import xgboost

from glasshouse import app
from glasshouse.engines.execute.sandbox import SandboxExecutor
from glasshouse.kernel import clock, conversion, errors
from glasshouse.kernel.settings import Settings
from glasskit import trees
from glasskit.trees import convert
from tests.support import model_files

pytestmark = pytest.mark.slow


class Runs:
    """Runs a program where it is unpickled."""

    def __init__(self, program: str) -> None:
        self.program = program

    def __reduce__(self) -> tuple[object, tuple[str, dict[str, object]]]:
        return exec, (self.program, {})


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> model_files.Files:
    return model_files.made(tmp_path_factory.mktemp("pickles"))


@pytest.fixture(scope="module")
def executor() -> SandboxExecutor:
    made = app.make_executor(Settings.read())
    if made.problems():
        pytest.skip("no sandbox on this machine")
    return made


def test_a_joblib_file_of_a_forest_is_explained(files: model_files.Files) -> None:
    done = model_files.run(
        "explain", files.path("model.joblib"), files.path("data.csv"), "--row", "4", "--json"
    )
    assert done.status == 0, done.err
    answer = json.loads(done.out)
    assert answer["prediction"] == pytest.approx(
        files.forest.predict_proba(files.table[list(model_files.COLUMNS)][3:4])[0, 1], rel=1e-9
    )


def test_wrappers_of_other_libraries_are_converted_too(
    files: model_files.Files, executor: SandboxExecutor, tmp_path: Path
) -> None:
    labels = files.table["defaulted"].to_numpy()
    light = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1).fit(files.rows, labels)
    other = xgboost.XGBClassifier(n_estimators=3, n_jobs=1).fit(files.rows, labels)
    for at, model in enumerate((light, other)):
        path = tmp_path / f"{at}.pkl"
        path.write_bytes(pickle.dumps(model))
        ensemble = trees.load(conversion.convert(path, executor, clock.SystemClock()))
        expected = model.predict_proba(files.rows)[:, 1]
        assert np.allclose(trees.Explainer(ensemble).predict(files.rows), expected, rtol=1e-5)


def test_a_malicious_pickle_reaches_neither_the_home_nor_the_network_nor_secrets(tmp_path: Path) -> None:
    escaped, secret = Path.home() / f".escaped-{tmp_path.name}", tmp_path / "secret"
    secret.write_text("hush")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        program = f"""
import os, socket
tried = []
for what, act in (
    ("home", lambda: open({str(escaped)!r}, "w").write("x")),
    ("own home", lambda: open(os.path.expanduser("~/escaped"), "w").write("x")),
    ("secret", lambda: open({str(secret)!r}).read()),
    ("model", lambda: open("/model", "ab").write(b"x")),
    ("library", lambda: open({str(Path(trees.__file__))!r}, "ab").write(b"x")),
    ("network", lambda: socket.create_connection(("127.0.0.1", {listener.getsockname()[1]}), 2)),
):
    try:
        act()
        tried.append(what + " yes")
    except OSError:
        tried.append(what + " no")
raise RuntimeError("it ran: " + ", ".join(tried))
"""
        path = tmp_path / "model.pkl"
        path.write_bytes(pickle.dumps(Runs(program)))
        before = path.read_bytes()
        done = model_files.run("explain", str(path), str(tmp_path / "no.csv"))
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert done.status == 2
    assert "it ran: home no, own home yes, secret no, model no, library no, network no" in done.err
    assert done.err.count("\n") == 1
    assert not escaped.exists()
    assert not (Path.home() / "escaped").exists()
    assert path.read_bytes() == before


def test_a_pickle_cannot_point_at_a_file_outside(executor: SandboxExecutor, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    program = "import os\nos.symlink('/etc/passwd', '/out/model.trees')\nos._exit(0)"
    path.write_bytes(pickle.dumps(Runs(program)))
    with pytest.raises(errors.Fatal, match="nothing was written"):
        conversion.convert(path, executor, clock.SystemClock())


def test_what_a_pickle_says_is_shortened_to_printable_characters(
    executor: SandboxExecutor, tmp_path: Path
) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(Runs("raise RuntimeError('\\x1b[2J' + 'x' * 100_000)")))
    with pytest.raises(errors.Fatal) as caught:
        conversion.convert(path, executor, clock.SystemClock())
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def test_without_a_sandbox_nothing_is_opened(tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    path = tmp_path / "model.joblib"
    joblib.dump(Runs(f"open({str(touched)!r}, 'w')"), path)
    for unsandboxed in (False, True):
        without = SandboxExecutor(bwrap=tmp_path / "no-bwrap", unsandboxed=unsandboxed)
        with pytest.raises(errors.Fatal, match="opened inside a sandbox only"):
            conversion.convert(path, without, clock.SystemClock())
    assert not touched.exists()


def test_the_program_refuses_to_run_outside_a_sandbox(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    touched = tmp_path / "touched"
    path = tmp_path / "model.joblib"
    joblib.dump(Runs(f"open({str(touched)!r}, 'w')"), path)
    assert convert.main([str(path), str(tmp_path / "out")], {}) == 2
    assert "inside a sandbox only" in capsys.readouterr().err
    assert not touched.exists()
