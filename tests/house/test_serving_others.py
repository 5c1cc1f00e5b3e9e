"""A server with TLS, and the log of a job that is still running."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support import installation

pytestmark = pytest.mark.slow
IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1"
TALKS = "import time; [(print('line', n, flush=True), time.sleep(0.3)) for n in range(6)]"


def _certificate(folder: Path, *, issuer: str = "house") -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())

    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    now = dt.datetime.now(dt.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(named(issuer), named("house"), key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "chain.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return folder / "chain.pem", folder / "key.pem"


def test_a_chain_without_its_root_is_refused_since_no_client_could_check_it(tmp_path: Path) -> None:
    chain, key = _certificate(tmp_path, issuer="bank")
    done = installation.run(
        "up", "--port", "0", "--tls-certificate", str(chain), "--tls-key", str(key), data=tmp_path / "data"
    )
    assert done.returncode == 1
    assert "append the authority's chain up to its root" in done.stderr


def test_with_tls_every_way_in_is_the_same(tmp_path: Path) -> None:
    chain, key = _certificate(tmp_path)
    tls = {"GLASSHOUSE_TLS_CERTIFICATE": str(chain), "GLASSHOUSE_TLS_KEY": str(key)}
    program = (
        "import boto3\n"
        "print(boto3.client('sts', endpoint_url='https://sts.us-east-1.amazonaws.com').get_caller_identity()['Account'])\n"
        "print(boto3.client('sagemaker').list_models()['Models'])"
    )
    with installation.installed(tmp_path / "data", extra=tls) as server:
        assert server.endpoint.startswith("https://127.0.0.1:")
        done = installation.run("call", "GetCallerIdentity", "--service", "sts", data=server.data)
        assert json.loads(done.stdout)["Account"] == "000000000000", done.stderr
        environment = installation.environment(server.variables("--proxy"))
        unchanged = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
        )
    assert unchanged.stdout.split() == ["000000000000", "[]"], unchanged.stderr


def test_a_log_is_followed_until_its_job_has_ended(tmp_path: Path) -> None:
    with installation.installed(tmp_path / "data") as server:
        server.client("sagemaker").create_processing_job(
            ProcessingJobName="talks",
            AppSpecification={"ImageUri": IMAGE, "ContainerEntrypoint": ["python3", "-c", TALKS]},
            ProcessingResources={
                "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5}
            },
            RoleArn="arn:aws:iam::000000000000:role/GlasshouseRoot",
        )
        done = installation.run("logs", "talks", "--follow", data=server.data)
        ended = server.client("sagemaker").describe_processing_job(ProcessingJobName="talks")
    assert done.stdout.splitlines() == [f"line {n}" for n in range(6)], done.stderr
    assert ended["ProcessingJobStatus"] == "Completed"


def test_the_log_of_an_unknown_job_is_a_sentence(tmp_path: Path) -> None:
    with installation.installed(tmp_path / "data") as server:
        done = installation.run("logs", "absent", data=server.data)
    assert (done.returncode, done.stderr) == (1, "glasshouse: There is no job or endpoint named absent.\n")
