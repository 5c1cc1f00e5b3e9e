"""Script mode whose code lies in S3, as a real process against a bucket that checks signatures."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http import server
from pathlib import Path

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest

from glasskit.container import objects
from tests.library import containers

pytestmark = pytest.mark.slow

KEYS = objects.Keys(
    access_key_id="AKID", secret_access_key="secret", session_token="tok+en/=", region="eu-west-1"
)


class Bucket(server.BaseHTTPRequestHandler):
    """Answers GET of one object when botocore's own signer makes the same signature."""

    content = b""
    failures_left = 0

    def do_GET(self) -> None:
        if type(self).failures_left:
            type(self).failures_left -= 1
            self.answer(503, b"<Error><Code>SlowDown</Code><Message>later</Message></Error>")
        elif self.signature() not in self.headers["authorization"]:
            self.answer(403, b"<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error>")
        elif "missing" in self.path:
            self.answer(404, b"<Error><Code>NoSuchKey</Code><Message>not there</Message></Error>")
        else:
            self.answer(200, type(self).content)

    def signature(self) -> str:
        signer = botocore.auth.S3SigV4Auth(
            botocore.credentials.Credentials(KEYS.access_key_id, KEYS.secret_access_key, KEYS.session_token),
            "s3",
            KEYS.region,
        )
        request = botocore.awsrequest.AWSRequest("GET", f"http://{self.headers['host']}{self.path}")
        for name in ("x-amz-date", "x-amz-content-sha256", "x-amz-security-token"):
            request.headers[name] = self.headers[name]
        request.context["timestamp"] = self.headers["x-amz-date"]
        signer.payload = lambda _: self.headers["x-amz-content-sha256"]
        return str(
            signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
        )

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def made(tmp_path: Path) -> containers.Container:
    return containers.Container(tmp_path / "ml")


@pytest.fixture
def endpoint() -> Iterator[str]:
    Bucket.failures_left = 0
    with server.ThreadingHTTPServer(("127.0.0.1", 0), Bucket) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def with_keys(made: containers.Container, endpoint: str) -> None:
    made.environment |= {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": KEYS.access_key_id,
        "AWS_SECRET_ACCESS_KEY": KEYS.secret_access_key,
        "AWS_SESSION_TOKEN": KEYS.session_token,
        "AWS_REGION": KEYS.region,
    }


@pytest.mark.parametrize("key", ["p/sourcedir.tar.gz", "a b/ü+~%20(1).tar.gz"])
def test_code_is_fetched_with_a_signature_that_botocore_makes_too(
    made: containers.Container, endpoint: str, tmp_path: Path, key: str
) -> None:
    Bucket.content = containers.archive(tmp_path / "a.tar.gz", {"train.py": "print('FETCHED')"}).read_bytes()
    Bucket.failures_left = 1
    with_keys(made, endpoint)
    made.hyperparameters(
        {"sagemaker_program": "train.py", "sagemaker_submit_directory": f"s3://bucket/{key}"}
    )
    ended = made.train()
    assert ended.status == 0, ended.output
    assert "FETCHED" in ended.output


def test_code_is_waited_for_while_the_server_starts_anew(
    made: containers.Container, endpoint: str, tmp_path: Path
) -> None:
    Bucket.content = containers.archive(tmp_path / "a.tar.gz", {"train.py": "print('FETCHED')"}).read_bytes()
    Bucket.failures_left = 5
    with_keys(made, endpoint)
    made.hyperparameters(
        {"sagemaker_program": "train.py", "sagemaker_submit_directory": "s3://b/code.tar.gz"}
    )
    assert made.train().status == 0


def test_code_behind_a_name_that_nobody_has_is_not_waited_for(made: containers.Container) -> None:
    with_keys(made, "http://nowhere.invalid")
    made.hyperparameters(
        {"sagemaker_program": "train.py", "sagemaker_submit_directory": "s3://b/code.tar.gz"}
    )
    assert "s3://b/code.tar.gz cannot be fetched" in made.train().failure


def test_code_that_is_not_in_the_bucket_is_named(made: containers.Container, endpoint: str) -> None:
    with_keys(made, endpoint)
    made.hyperparameters({"sagemaker_program": "t.py", "sagemaker_submit_directory": "s3://b/missing.tar.gz"})
    assert made.train().failure == "s3://b/missing.tar.gz cannot be fetched: 404 NoSuchKey: not there"
