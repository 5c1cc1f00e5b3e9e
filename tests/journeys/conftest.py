"""One real server for all journeys, and real clients in environments of their own against it.

A journey is a script below tests/sdk that a client's own interpreter runs. It knows of the server what
`glasshouse env` prints and nothing else, and nothing of the client is replaced but the length of its pauses.
"""

from __future__ import annotations

import json
import subprocess
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import installation

SDK = installation.REPOSITORY / "tests" / "sdk"
ENVIRONMENTS = installation.REPOSITORY / ".venvs"
WITHIN_S = 580
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client's environment, pointed at a server by the variables that a user would set."""

    name: str
    home: Path
    variables: Mapping[str, str]

    def run(self, script: str, *arguments: str) -> str:
        """What the script prints. Fails with all of it when the script does."""
        return self.call("python", "-W", "ignore", str(SDK / script), *arguments)

    def call(self, program: str, *arguments: str, stdin: str = "", status: int = 0) -> str:
        """What a program of the environment prints, stdout and stderr together."""
        path = ENVIRONMENTS / self.name / "bin" / program
        assert path.exists(), f"{path} is missing; run: make sdk-envs"
        done = self._done([str(path), *arguments], stdin)
        shown = done.stdout[-12000:]
        assert done.returncode == status, f"{program} ended with status {done.returncode}:\n{shown}"
        return done.stdout

    def _done(self, command: Sequence[str], stdin: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.home,
            env=installation.environment(
                {
                    **self.variables,
                    "HOME": str(self.home),
                    "PYTHONPATH": str(SDK / "quick"),
                    "SAGEMAKER_SUPPRESS_V2_WARNING": "1",
                    "COLUMNS": "200",
                }
            ),
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[installation.Installation]:
    """The server of all journeys."""
    with installation.installed(tmp_path_factory.mktemp("journeys") / "data") as running:
        yield running


@pytest.fixture(scope="session")
def role(shared_server: installation.Installation) -> str:
    """A role that a user made for jobs, as against the root's own."""
    made = shared_server.client("iam").create_role(
        RoleName="Journeys", Path="/service-role/", AssumeRolePolicyDocument=json.dumps(TRUST)
    )
    return str(made["Role"]["Arn"])


@pytest.fixture(scope="session")
def code(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder of user's code with a requirements file, which needs no index: the package lies beside it."""
    folder = tmp_path_factory.mktemp("code")
    for path in (SDK / "code").iterdir():
        if path.is_file():
            (folder / path.name).write_text(path.read_text())
    make_wheel(folder)
    return str(folder)


def make_wheel(folder: Path) -> None:
    """salutation 1.0, as small as a package can be."""
    about = "salutation-1.0.dist-info"
    content = {
        "salutation.py": 'TEXT = "good morning"\n',
        f"{about}/METADATA": "Metadata-Version: 2.1\nName: salutation\nVersion: 1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in [*content, f"{about}/RECORD"])
    with zipfile.ZipFile(folder / "salutation-1.0-py3-none-any.whl", "w") as wheel:
        for name, text in {**content, f"{about}/RECORD": record}.items():
            wheel.writestr(name, text)


@pytest.fixture
def by_settings(
    request: pytest.FixtureRequest, shared_server: installation.Installation, tmp_path: Path
) -> Client:
    """A client that the SDKs' configuration file keeps from AWS's own addresses. The test names it by a mark."""
    return Client(name=named(request), home=tmp_path, variables=shared_server.variables())


@pytest.fixture
def by_proxy(
    request: pytest.FixtureRequest, shared_server: installation.Installation, tmp_path: Path
) -> Client:
    """A client that reaches the server through CONNECT, without the configuration file."""
    variables = shared_server.variables("--proxy")
    del variables["SAGEMAKER_USER_CONFIG_OVERRIDE"]
    return Client(name=named(request), home=tmp_path, variables=variables)


def named(request: pytest.FixtureRequest) -> str:
    """The environment that the test's module is about."""
    return str(request.module.CLIENT)
