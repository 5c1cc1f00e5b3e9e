"""One port, several doors: who answers what, also to those who do not sign."""

import http.client
import json
from urllib.parse import urlsplit

import pytest

from tests.support.workshop import Workshop

pytestmark = pytest.mark.slow


def asked(
    workshop: Workshop, method: str, path: str, *, body: bytes = b"", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (names in lower case) and body of a request as it stands."""
    address = urlsplit(workshop.server.endpoint)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=10)
    try:
        connection.request(
            method, path, body, {name.replace("_", "-"): value for name, value in headers.items()}
        )
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, found, answer.read()
    finally:
        connection.close()


def test_health_needs_no_signature(workshop: Workshop) -> None:
    assert asked(workshop, "GET", "/_glasshouse/health")[::2] == (200, b'{"status":"ok"}')


@pytest.mark.parametrize("way", ["invocations", "async-invocations", "invocations-response-stream"])
def test_an_invocation_without_a_signature_is_refused_in_json(workshop: Workshop, way: str) -> None:
    status, headers, body = asked(workshop, "POST", f"/endpoints/some/{way}", body=b"1,2")
    assert (status, headers["content-type"]) == (403, "application/json")
    assert headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"
    assert json.loads(body)["Message"]


def test_an_operation_without_a_signature_is_refused_in_json(workshop: Workshop) -> None:
    target = {"X_Amz_Target": "SageMaker.ListModels", "Content_Type": "application/x-amz-json-1.1"}
    status, _, body = asked(workshop, "POST", "/", body=b"{}", **target)
    assert status in (400, 403)
    assert "MissingAuthenticationToken" in body.decode()


def test_what_nobody_signed_is_refused_by_the_files_door_as_s3_does(workshop: Workshop) -> None:
    status, _, body = asked(workshop, "GET", "/some-bucket/some-key")
    assert status == 403
    assert b"<Code>AccessDenied</Code>" in body


def test_a_bucket_may_be_called_endpoints(workshop: Workshop) -> None:
    workshop.s3.create_bucket(Bucket="endpoints")
    workshop.s3.put_object(Bucket="endpoints", Key="some/invocations", Body=b"an object")
    found = workshop.s3.get_object(Bucket="endpoints", Key="some/invocations")
    assert found["Body"].read() == b"an object"


def test_two_requests_on_one_connection_are_two_answers(workshop: Workshop) -> None:
    address = urlsplit(workshop.server.endpoint)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=10)
    try:
        for path, status in (("/_glasshouse/health", 200), ("/x/y", 403), ("/_glasshouse/health", 200)):
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == status
    finally:
        connection.close()
