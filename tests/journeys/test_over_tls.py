"""A server with TLS and a certificate of its own making: clients and jobs trust it by what they are told."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.conftest import Client
from tests.support import certificates, installation

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[installation.Installation]:
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = certificates.make(folder)
    server = installation.Installation(folder / "data")
    server.start(("--tls-certificate", str(certificate), "--tls-key", str(key)))
    yield server
    server.stop()


def test_a_job_of_the_sdk_fetches_its_code_and_talks_back(
    secure: installation.Installation, tmp_path: Path
) -> None:
    role = f"arn:aws:iam::{secure.told()['account']}:role/GlasshouseRoot"
    client = Client(name="sdk-v2", home=tmp_path, variables=secure.variables())
    told = client.run("v2/over_tls.py", role)
    assert ":assumed-role/GlasshouseRoot/" in told


def test_files_go_over_tls(secure: installation.Installation, tmp_path: Path) -> None:
    client = Client(name="clients", home=tmp_path, variables=secure.variables())
    client.run("others/frames.py", "frames-over-tls")
