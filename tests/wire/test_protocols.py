"""Our parsers understand what botocore's serialisers write, and botocore's parsers what ours write."""

from __future__ import annotations

import urllib.parse
from typing import Any

import botocore.awsrequest
import botocore.model
import botocore.parsers
import botocore.serialize
import hypothesis
import hypothesis.strategies as st
import pytest

from glasshouse.doors.wire import routing
from glasshouse.doors.wire.protocols import http, query, rest_json
from glasshouse.kernel import errors, model, signatures
from glasshouse.kernel.model import rules
from tests.support import shapes

SERVICES = model.Services()
ROUTER = routing.Router(SERVICES)
FEW = hypothesis.settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
QUERY = [(name, operation) for name in ("sts", "iam") for operation in sorted(SERVICES[name].operations)]
REST = [
    (name, operation)
    for name in ("sagemaker-runtime", "sagemaker-featurestore-runtime", "sagemaker-metrics")
    for operation in sorted(SERVICES[name].operations)
    if operation != "InvokeEndpointWithResponseStream"
]


def sent(operation: botocore.model.OperationModel, value: dict[str, Any], protocol: str) -> http.Request:
    """The request that botocore makes of the value."""
    serializer = botocore.serialize.create_serializer(protocol, include_validation=False)
    request = serializer.serialize_to_request(value, operation)
    url = f"http://h{request['url_path']}"
    prepared = botocore.awsrequest.AWSRequest(
        method=request["method"],
        url=url,
        params=request["query_string"],
        headers=request["headers"],
        data=request["body"],
    ).prepare()
    parts = urllib.parse.urlsplit(prepared.url)
    headers = [
        (k.encode(), v if isinstance(v, bytes) else str(v).encode()) for k, v in prepared.headers.items()
    ]
    body = prepared.body or b""
    head = signatures.Head.received(prepared.method, parts.path.encode(), parts.query.encode(), headers)
    return http.Request(head=head, body=body.encode() if isinstance(body, str) else bytes(body))


def received(answer: http.Answer, operation: botocore.model.OperationModel, protocol: str) -> dict[str, Any]:
    """What botocore makes of our answer."""
    body: Any = answer.body
    payload = operation.output_shape.serialization.get("payload") if operation.output_shape else None
    headers = {"content-type": answer.content_type, **answer.headers}
    response = {
        "status_code": answer.status,
        "headers": botocore.awsrequest.HeadersDict(headers),
        "body": body,
    }
    if payload:
        response["body"] = b"" if operation.output_shape.members[payload].type_name == "blob" else body
    parsed: dict[str, Any] = botocore.parsers.create_parser(protocol).parse(response, operation.output_shape)
    parsed.pop("ResponseMetadata", None)
    if payload:
        parsed[payload] = answer.body
    return parsed


def without_nothing(value: Any) -> Any:
    """The value without empty maps and structures, for which forms and headers have no sign."""
    if isinstance(value, dict):
        kept = {k: without_nothing(v) for k, v in value.items()}
        return {k: v for k, v in kept.items() if v != {}}
    if isinstance(value, list):
        return [without_nothing(item) for item in value]
    return value


@pytest.mark.parametrize(("service", "name"), QUERY)
def test_forms_are_read_as_botocore_writes_them(service, name):
    operation = SERVICES[service].operation(name)

    @FEW
    @hypothesis.given(value=shapes.values(SERVICES[service].input(name)).map(without_nothing))
    def law(value):
        hypothesis.assume(_has_no_gaps(value) and _is_allowed(SERVICES[service].input(name), value))
        request = sent(operation, value, "query")
        route = ROUTER.route(service, request)
        assert (route.service.name, route.operation) == (service, name)
        parsed = query.Query().parse(operation, request)
        assert without_nothing(model.read(SERVICES[service], name, parsed)) == value

    law()


def _is_allowed(rule: rules.Structure, value: dict[str, Any]) -> bool:
    try:
        model.checked(rule, value)
    except errors.Validation:
        return False
    return True


def _has_no_gaps(value: Any) -> bool:
    """Lists of empty structures vanish from forms."""
    if isinstance(value, dict):
        return all(_has_no_gaps(v) for v in value.values())
    if isinstance(value, list):
        return {} not in value and all(_has_no_gaps(v) for v in value)
    return True


@pytest.mark.parametrize(("service", "name"), QUERY)
def test_xml_answers_are_read_by_botocore(service, name):
    operation = SERVICES[service].operation(name)

    @FEW
    @hypothesis.given(value=shapes.values(SERVICES[service].output(name)))
    def law(value):
        hypothesis.assume(_is_xml(value))
        written = model.shaped(SERVICES[service].output(name), value)
        answer = query.Query().answer(operation, written, "request-1")
        assert received(answer, operation, "query") == value

    law()


def _is_xml(value: Any) -> bool:
    """Whether all text in the value survives XML: no control characters, and no carriage return."""
    if isinstance(value, dict):
        return all(_is_xml(k) and _is_xml(v) for k, v in value.items())
    if isinstance(value, list):
        return all(map(_is_xml, value))
    return not isinstance(value, str) or not any(c < " " or c in "\x7f\ufffe\uffff" for c in value)


@pytest.mark.parametrize(("service", "name"), REST)
def test_rest_requests_are_read_as_botocore_writes_them(service, name):
    operation = SERVICES[service].operation(name)
    located = _in_head(operation.input_shape)

    @FEW
    @hypothesis.given(value=shapes.values(SERVICES[service].input(name)))
    def law(value):
        value = {k: v for k, v in value.items() if k not in located or _travels(v)}
        hypothesis.assume(all(n in value for n in SERVICES[service].input(name).required))
        request = sent(operation, value, "rest-json")
        route = ROUTER.route("sagemaker", request)
        assert (route.service.name, route.operation) == (service, name)
        parsed = rest_json.RestJson().parse(operation, request)
        read = model.read(SERVICES[service], name, parsed)
        if (payload := operation.input_shape.serialization.get("payload")) and payload not in value:
            assert read.pop(payload) == b""
        given_type = read.pop("ContentType", None)
        assert given_type == value.pop("ContentType", given_type)
        assert read == value

    law()


@pytest.mark.parametrize(("service", "name"), REST)
def test_rest_answers_are_read_by_botocore(service, name):
    operation = SERVICES[service].operation(name)
    located = _in_head(operation.output_shape)

    @FEW
    @hypothesis.given(value=shapes.values(SERVICES[service].output(name)))
    def law(value):
        value = {k: v for k, v in value.items() if k not in located or _travels(v)}
        written = model.shaped(SERVICES[service].output(name), value)
        answer = rest_json.RestJson().answer(operation, written, "request-1")
        assert answer.headers[http.REQUEST_ID] == "request-1"
        found = received(answer, operation, "rest-json")
        if "ContentType" in located:
            value.setdefault("ContentType", "application/octet-stream")
        assert found == value

    law()


def _in_head(shape: botocore.model.StructureShape | None) -> set[str]:
    members = shape.members.items() if shape is not None else ()
    return {name for name, member in members if "location" in member.serialization}


def _travels(value: Any) -> bool:
    """Whether the value can be told from its absence in a URL or header."""
    if isinstance(value, str):
        return bool(value) and value == value.strip() and all(" " <= c <= "~" for c in value)
    return not isinstance(value, list) or (bool(value) and all(map(_travels, value)))


# --- routing -------------------------------------------------------------------------------------


def request(method: str, target: str, body: bytes = b"", **headers: str) -> http.Request:
    path, _, found = target.partition("?")
    lines = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
    return http.Request(
        head=signatures.Head.received(method, path.encode(), found.encode(), lines), body=body
    )


@pytest.mark.parametrize(
    ("signing_name", "given", "service", "operation"),
    [
        ("sagemaker", request("POST", "/", x_amz_target="SageMaker.ListModels"), "sagemaker", "ListModels"),
        ("sagemaker", request("POST", "/endpoints/e/invocations"), "sagemaker-runtime", "InvokeEndpoint"),
        ("sagemaker", request("POST", "/endpoints/e%2Ff/async-invocations"), "sagemaker-runtime", "InvokeEndpointAsync"),
        ("sagemaker", request("GET", "/FeatureGroup/g"), "sagemaker-featurestore-runtime", "GetRecord"),
        ("sagemaker", request("PUT", "/FeatureGroup/g"), "sagemaker-featurestore-runtime", "PutRecord"),
        ("sagemaker", request("PUT", "/BatchPutMetrics"), "sagemaker-metrics", "BatchPutMetrics"),
        ("logs", request("POST", "/", x_amz_target="Logs_20140328.PutLogEvents"), "logs", "PutLogEvents"),
        ("sts", request("GET", "/?Action=GetCallerIdentity&Version=2011-06-15"), "sts", "GetCallerIdentity"),
        ("monitoring", request("POST", "/", x_amz_target="GraniteServiceVersion20100801.ListMetrics"), "cloudwatch", "ListMetrics"),
        (
            "monitoring",
            request("POST", "/", b"Action=ListMetrics&Version=2010-08-01", content_type="application/x-www-form-urlencoded"),
            "cloudwatch",
            "ListMetrics",
        ),
        ("athena", request("POST", "/", x_amz_target="AmazonAthena.ListWorkGroups"), "athena", "ListWorkGroups"),
    ],
)  # fmt: skip
def test_a_request_means_what_its_scope_target_or_path_says(signing_name, given, service, operation):
    route = ROUTER.route(signing_name, given)
    assert (route.service.name, route.operation) == (service, operation)


@pytest.mark.parametrize(
    ("signing_name", "given"),
    [
        ("sagemaker", request("DELETE", "/endpoints/e/invocations")),
        ("sagemaker", request("POST", "/endpoints/e/f/invocations")),
        ("sagemaker", request("POST", "/", x_amz_target="Logs_20140328.PutLogEvents")),
        ("logs", request("POST", "/endpoints/e/invocations")),
        ("../sagemaker", request("POST", "/", x_amz_target="SageMaker.ListModels")),
        ("", request("POST", "/")),
        ("s3", request("GET", "/bucket")),
        ("sts", request("POST", "/", b"Action=GetCallerIdentity&Version=2000-01-01")),
    ],
)
def test_what_means_nothing_is_no_operation(signing_name, given):
    with pytest.raises(errors.WireError) as caught:
        ROUTER.route(signing_name, given)
    assert caught.value.code in ("UnknownOperationException", "InvalidAction")


def test_the_heavier_template_wins():
    plain, special = rest_json.Template("/a/{B}"), rest_json.Template("/a/special")
    assert special.weight > plain.weight
    assert rest_json.Template("/{Bucket}/{Key+}").match("/b/k/l%20m", "") == {"Bucket": "b", "Key": "k/l m"}
    assert rest_json.Template("/a?list").match("/a", "x=1") is None
    assert rest_json.Template("/a?list").match("/a", "x=1&list") == {}


# --- forms by example ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [
        b"Tags.member.x.Key=a",
        b"Tags.entry.1.Key=a",
        b"Tags=text",
        b"Tags.member=text",
        b"RoleName.member.1=R",
        b"MaxSessionDuration=soon",
        b"Unknown=1",
        b"Tags.member.1.Unknown=1",
    ],
)
def test_a_form_that_does_not_fit_is_refused_by_the_model(form):
    body = b"AssumeRolePolicyDocument=%7B%7D&" + (b"" if b"RoleName" in form else b"RoleName=R&") + form
    parsed = query.Query().parse(SERVICES["iam"].operation("CreateRole"), request("POST", "/", body))
    with pytest.raises(errors.Validation):
        model.read(SERVICES["iam"], "CreateRole", parsed)


@pytest.mark.parametrize(
    "form",
    [
        b"A.B=1&A=2",
        b"A=1&A.B=2",
        b"A=1&A=1",
        b"A=%FF",
        b"A." * 40 + b"B=1",
        b"&".join(b"A%d=1" % i for i in range(10_001)),
    ],
)
def test_a_form_that_cannot_be_read_is_refused(form):
    with pytest.raises(errors.WireError) as caught:
        query.Query().parse(SERVICES["iam"].operation("CreateRole"), request("POST", "/", form))
    assert caught.value.code == "SerializationException"


def test_items_of_a_list_keep_their_order():
    form = b"&".join(b"ActionNames.member.%d=s3:A%d" % (i, i) for i in (10, 9, 1, 2))
    parsed = query.Query().parse(
        SERVICES["iam"].operation("SimulatePrincipalPolicy"), request("POST", "/", form)
    )
    assert parsed["ActionNames"] == ["s3:A1", "s3:A2", "s3:A9", "s3:A10"]


@hypothesis.given(message=st.text(max_size=30))
def test_any_error_text_makes_wellformed_xml(message):
    answer = query.Query().error(errors.WireError(message, code="X", status=400), "request-1")
    parsed = botocore.parsers.QueryParser().parse(
        {"status_code": 400, "headers": {}, "body": answer.body}, None
    )
    assert parsed["Error"]["Code"] == "X"
    assert parsed["ResponseMetadata"]["RequestId"] == "request-1"
