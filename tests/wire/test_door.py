"""Real boto3 against the wire door over HTTP: what is answered, and what is refused with which code."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import urllib.error
import urllib.request
from typing import Any

import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.exceptions
import orjson
import pytest

from glasshouse.kernel import errors
from tests.support import identities
from tests.wire import doorway

LATER = dt.datetime(2026, 5, 4, 3, 2, 1, 250_000, tzinfo=dt.UTC)
TEMPORARY = identities.credential("ASIATEMPORARY", token="token")
STALE = identities.credential("ASIASTALE", token="token", expires_at=1.0)
ROLE = "arn:aws:iam::000000000000:role/R"


def describe_model(request: dict[str, Any], _caller: Any) -> dict[str, Any]:
    if request["ModelName"] == "absent":
        raise errors.NotFound('Could not find model "absent".')
    if request["ModelName"] == "broken":
        raise RuntimeError("the secret inside")
    return {
        "ModelName": request["ModelName"],
        "ModelArn": "arn:aws:sagemaker:us-east-1:000000000000:model/m",
        "CreationTime": LATER,
        "NotInTheModel": 1,
    }


def get_caller_identity(_request: dict[str, Any], caller: Any) -> dict[str, Any]:
    return {"Arn": caller.arn, "Account": caller.account, "UserId": caller.user_id}


def create_role(request: dict[str, Any], caller: Any) -> dict[str, Any]:
    if request["RoleName"] == "forbidden":
        raise errors.AccessDenied(principal=caller.arn, action="iam:CreateRole", resource="forbidden")
    return {
        "Role": {
            "Path": "/",
            "RoleName": request["RoleName"],
            "RoleId": "AROAEXAMPLEEXAMPLE",
            "Arn": ROLE,
            "CreateDate": LATER,
            "Description": "<tag> & \x07 bell",
            "Tags": request.get("Tags", []),
        }
    }


HANDLERS: dict[str, doorway.Handler] = {
    "DescribeModel": describe_model,
    "ListModels": lambda request, _: {},
    "DeleteModel": lambda request, _: {},
    "GetCallerIdentity": get_caller_identity,
    "CreateRole": create_role,
    "ListRoles": lambda request, _: {"Roles": [], "IsTruncated": False},
    "SimulatePrincipalPolicy": lambda request, _: {
        "EvaluationResults": [
            {"EvalActionName": name, "EvalDecision": "allowed"} for name in request["ActionNames"]
        ]
    },
    "PutLogEvents": lambda request, _: {"nextSequenceToken": str(len(request["logEvents"]))},
    "GetMetricStatistics": lambda request, _: {
        "Label": request["MetricName"],
        "Datapoints": [{"Timestamp": request["StartTime"], "Average": 0.5}],
    },
    "InvokeEndpoint": lambda request, _: {
        "Body": request["Body"][::-1],
        "ContentType": request["ContentType"],
        "InvokedProductionVariant": request["EndpointName"],
        "CustomAttributes": request.get("CustomAttributes"),
    },
    "GetRecord": lambda request, _: {
        "Record": [{"FeatureName": name, "ValueAsString": "1"} for name in request["FeatureNames"]]
    },
    "BatchPutMetrics": lambda request, _: {"Errors": []},
}


@pytest.fixture(scope="module")
def door():
    with doorway.open_door(TEMPORARY, STALE, **HANDLERS) as opened:
        yield opened


@pytest.fixture(scope="module")
def off_door():
    """A door whose clock is off by as many seconds as the test says."""
    clock = doorway.ShiftedClock()
    with doorway.open_door(shifted=clock, **HANDLERS) as opened:

        @contextlib.contextmanager
        def shift(seconds: float):
            clock.shift_s = seconds
            yield opened
            clock.shift_s = 0.0

        yield shift


def refusal(call, **arguments) -> tuple[str, int, str]:
    """Code, status and message of the error that the call ends with."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"]


# --- answers -------------------------------------------------------------------------------------


def test_json_1_1_answers_what_the_model_knows(door):
    answer = door.client("sagemaker").describe_model(ModelName="m")
    assert answer["ModelName"] == "m"
    assert answer["CreationTime"] == LATER
    assert "NotInTheModel" not in answer
    assert len(answer["ResponseMetadata"]["RequestId"]) == 36
    assert answer["ResponseMetadata"]["HTTPHeaders"]["content-type"] == "application/x-amz-json-1.1"


def test_an_operation_without_output_answers_nothing(door):
    answer = door.client("sagemaker").delete_model(ModelName="m")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_page_without_rows_has_an_empty_list(door):
    assert door.client("sagemaker").list_models()["Models"] == []


def test_logs_speak_json(door):
    events = [{"timestamp": 1, "message": "ü"}]
    answer = door.client("logs").put_log_events(logGroupName="g", logStreamName="s", logEvents=events)
    assert answer["nextSequenceToken"] == "1"


def test_cloudwatch_speaks_json_1_0(door):
    answer = door.client("cloudwatch").get_metric_statistics(
        Namespace="n", MetricName="m", StartTime=LATER, EndTime=LATER, Period=60, Statistics=["Average"]
    )
    assert answer["Label"] == "m"
    assert answer["Datapoints"] == [{"Timestamp": LATER, "Average": 0.5}]
    assert door.operations.seen[-1][0] == "cloudwatch"


def test_sts_speaks_query(door):
    answer = door.client("sts").get_caller_identity()
    assert answer["Arn"] == doorway.KEY.arn
    assert answer["ResponseMetadata"]["RequestId"]


def test_temporary_keys_are_accepted_with_their_token(door):
    client = door.client(
        "sts",
        aws_access_key_id=TEMPORARY.access_key_id,
        aws_secret_access_key=TEMPORARY.secret_access_key,
        aws_session_token=TEMPORARY.session_token,
    )
    assert client.get_caller_identity()["Account"] == "000000000000"


def test_query_forms_carry_structures_and_lists(door):
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}]
    answer = door.client("iam").create_role(
        RoleName="R", AssumeRolePolicyDocument="{}", MaxSessionDuration=3600, Tags=tags
    )
    assert answer["Role"]["Tags"] == tags
    assert answer["Role"]["CreateDate"] == LATER
    assert answer["Role"]["Description"] == "<tag> & \N{REPLACEMENT CHARACTER} bell"
    assert door.operations.seen[-1][2]["MaxSessionDuration"] == 3600


def test_query_answers_carry_lists_of_structures(door):
    actions = ["sagemaker:CreateModel", "s3:PutObject"]
    answer = door.client("iam").simulate_principal_policy(PolicySourceArn=ROLE, ActionNames=actions)
    assert [one["EvalActionName"] for one in answer["EvaluationResults"]] == actions
    assert door.client("iam").list_roles()["Roles"] == []


def test_a_presigned_url_of_sts_is_answered(door):
    url = door.client("sts").generate_presigned_url("get_caller_identity", HttpMethod="GET")
    with urllib.request.urlopen(url) as answer:
        assert doorway.KEY.arn.encode() in answer.read()


def test_rest_json_carries_blobs_headers_and_labels(door):
    client = door.client("sagemaker-runtime")
    answer = client.invoke_endpoint(
        EndpointName="e", Body=b"\x00abc\xff", ContentType="application/x-npy; v=1", CustomAttributes="a=b"
    )
    assert answer["Body"].read() == b"\xffcba\x00"
    assert answer["ContentType"] == "application/x-npy; v=1"
    assert answer["InvokedProductionVariant"] == "e"
    assert answer["CustomAttributes"] == "a=b"


def test_rest_json_carries_query_lists(door):
    answer = door.client("sagemaker-featurestore-runtime").get_record(
        FeatureGroupName="g", RecordIdentifierValueAsString="a b/ü", FeatureNames=["x", "y"]
    )
    assert [one["FeatureName"] for one in answer["Record"]] == ["x", "y"]
    assert door.operations.seen[-1][2]["RecordIdentifierValueAsString"] == "a b/ü"


def test_rest_json_carries_bodies(door):
    data = [{"MetricName": "m", "Timestamp": LATER, "Step": 1, "Value": 0.5}]
    answer = door.client("sagemaker-metrics").batch_put_metrics(TrialComponentName="t", MetricData=data)
    assert answer["Errors"] == []
    assert door.operations.seen[-1][2]["MetricData"][0]["Timestamp"] == LATER


# --- errors --------------------------------------------------------------------------------------


def test_all_problems_of_a_request_are_told_at_once(door):
    body = b'{"ModelName": "a_b", "Other": 1}'
    status, answer = answer_to(signed(door, body, headers={"X-Amz-Target": "SageMaker.DescribeModel"}))
    assert (status, code_of(answer)) == (400, "ValidationException")
    message = orjson.loads(answer)["message"]
    assert message.startswith("2 validation errors detected: Value 'a_b' at 'modelName' failed to satisfy")
    assert "'other'" in message


def test_an_error_keeps_its_code_and_words(door):
    found = refusal(door.client("sagemaker").describe_model, ModelName="absent")
    assert found == ("ValidationException", 400, 'Could not find model "absent".')


def test_what_is_not_offered_answers_501_and_its_name(door):
    code, status, message = refusal(door.client("sagemaker").list_apps)
    assert (code, status) == ("UnsupportedOperation", 501)
    assert "ListApps" in message
    assert refusal(door.client("athena").list_work_groups)[1] == 501


def test_query_services_name_errors_their_own_way(door):
    client = door.client("iam", config=botocore.config.Config(parameter_validation=False))
    code, status, _ = refusal(client.create_role, RoleName="R")
    assert (code, status) == ("ValidationError", 400)
    code, status, message = refusal(client.create_role, RoleName="forbidden", AssumeRolePolicyDocument="{}")
    assert (code, status) == ("AccessDenied", 403)
    assert "is not authorized to perform: iam:CreateRole" in message


def test_a_fault_of_ours_is_logged_once_and_tells_nothing(door, caplog):
    with caplog.at_level(logging.ERROR):
        code, status, message = refusal(door.client("sagemaker").describe_model, ModelName="broken")
    assert (code, status) == ("InternalFailure", 500)
    assert "secret" not in message
    assert len(caplog.records) == 1
    assert caplog.records[0].request_id in message


# --- requests that boto3 does not make -----------------------------------------------------------


def signed(
    door: doorway.Doorway,
    body: bytes = b"{}",
    *,
    service: str = "sagemaker",
    headers: dict[str, str] | None = None,
    path: str = "/",
) -> urllib.request.Request:
    request = botocore.awsrequest.AWSRequest(
        method="POST",
        url=door.url + path,
        data=body,
        headers=headers or {"X-Amz-Target": "SageMaker.ListModels"},
    )
    credentials = botocore.credentials.Credentials(doorway.KEY.access_key_id, doorway.KEY.secret_access_key)
    botocore.auth.SigV4Auth(credentials, service, "us-east-1").add_auth(request)
    return urllib.request.Request(door.url + path, data=body, headers=dict(request.headers), method="POST")


def answer_to(request: urllib.request.Request) -> tuple[int, dict[str, Any] | bytes]:
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def code_of(body: bytes) -> str:
    return str(orjson.loads(body)["__type"])


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{", {"X-Amz-Target": "SageMaker.ListModels"}, 400, "SerializationException"),
        (b"[]", {"X-Amz-Target": "SageMaker.ListModels"}, 400, "SerializationException"),
        (b"[" * 100_000, {"X-Amz-Target": "SageMaker.ListModels"}, 400, "SerializationException"),
        (b"{}", {"X-Amz-Target": "SageMaker.NoSuch"}, 404, "UnknownOperationException"),
        (b"{}", {"X-Amz-Target": "Logs_20140328.DescribeLogGroups"}, 404, "UnknownOperationException"),
        (b"{}", {"X-Amz-Target": "nonsense"}, 404, "UnknownOperationException"),
        (b"{}", {"Content-Type": "application/json"}, 404, "UnknownOperationException"),
    ],
)
def test_requests_that_mean_nothing_are_refused(door, body, headers, status, code):
    found, answer = answer_to(signed(door, body, headers=headers))
    assert (found, code_of(answer)) == (status, code)


def test_a_null_and_an_empty_page_token_count_as_absent(door):
    status, _ = answer_to(signed(door, b'{"NextToken": "", "NameContains": null}'))
    assert status == 200
    assert door.operations.seen[-1][2] == {}


def test_an_unknown_action_is_refused_in_xml(door):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    status, answer = answer_to(signed(door, b"Action=Nope&Version=2011-06-15", service="sts", headers=form))
    assert status == 400
    assert b"<Code>InvalidAction</Code>" in answer


@pytest.mark.parametrize(
    "form",
    [
        b"Action=GetCallerIdentity&Version=2011-06-15&A=1&A=2",
        b"A.b=1&A=2&Action=GetCallerIdentity&Version=2011-06-15",
    ],
)
def test_a_form_that_contradicts_itself_is_refused(door, form):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    status, answer = answer_to(signed(door, form, service="sts", headers=headers))
    assert status == 400
    assert b"MalformedInput" in answer


def test_a_body_that_is_too_large_is_refused(door):
    status, answer = answer_to(signed(door, b" " * (8 * 1024 * 1024 + 1)))
    assert (status, code_of(answer)) == (413, "RequestEntityTooLargeException")


def test_a_large_body_is_answered(door):
    status, _ = answer_to(signed(door, b"{" + b" " * 200_000 + b"}"))
    assert status == 200


# --- signatures ----------------------------------------------------------------------------------

REFUSALS = [
    ("sagemaker", "list_models", "InvalidSignatureException", "UnrecognizedClientException"),
    ("logs", "describe_log_groups", "InvalidSignatureException", "UnrecognizedClientException"),
    ("sts", "get_caller_identity", "SignatureDoesNotMatch", "InvalidClientTokenId"),
    ("iam", "list_roles", "SignatureDoesNotMatch", "InvalidClientTokenId"),
]


@pytest.mark.parametrize(("service", "method", "mismatch", "unknown"), REFUSALS)
def test_a_wrong_secret_and_an_unknown_key_are_refused(door, service, method, mismatch, unknown):
    wrong = door.client(service, aws_secret_access_key="not the secret")
    assert refusal(getattr(wrong, method))[:2] == (mismatch, 403)
    stranger = door.client(service, aws_access_key_id="AKIASTRANGER")
    assert refusal(getattr(stranger, method))[:2] == (unknown, 403)


@pytest.mark.parametrize(("service", "method", "mismatch", "unknown"), REFUSALS)
@pytest.mark.parametrize("shift_s", [-1000.0, 1000.0])
def test_a_clock_that_is_off_is_refused(service, method, mismatch, unknown, shift_s, off_door):
    with off_door(shift_s) as door:
        code, status, message = refusal(getattr(door.client(service), method))
    assert (code, status) == (mismatch, 403)
    assert message.startswith("Signature expired" if shift_s > 0 else "Signature not yet current")


@pytest.mark.parametrize(
    ("service", "code"),
    [("sagemaker", "MissingAuthenticationTokenException"), ("sts", "MissingAuthenticationToken")],
)
def test_unsigned_requests_are_refused(door, service, code):
    client = door.client(service, config=botocore.config.Config(signature_version=botocore.UNSIGNED))
    method = client.list_models if service == "sagemaker" else client.get_caller_identity
    assert refusal(method)[:2] == (code, 403)


@pytest.mark.parametrize(
    ("service", "code"), [("sagemaker", "ExpiredTokenException"), ("sts", "ExpiredToken")]
)
def test_expired_tokens_are_refused(door, service, code):
    client = door.client(
        service,
        aws_access_key_id=STALE.access_key_id,
        aws_secret_access_key=STALE.secret_access_key,
        aws_session_token=STALE.session_token,
    )
    method = client.list_models if service == "sagemaker" else client.get_caller_identity
    assert refusal(method)[:2] == (code, 403)


def test_a_body_altered_under_the_same_signature_is_refused(door):
    request = signed(door, b'{"MaxResults": 1}')
    assert answer_to(request)[0] == 200
    request.data = b'{"MaxResults": 2}'
    status, answer = answer_to(request)
    assert (status, code_of(answer)) == (403, "InvalidSignatureException")


def test_an_expired_presigned_url_is_refused(off_door):
    with off_door(100.0) as door:
        url = door.client("sts").generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod="GET")
        status, answer = answer_to(urllib.request.Request(url))
    assert status == 403
    assert b"<Code>SignatureDoesNotMatch</Code>" in answer
    assert b"Signature expired" in answer


def test_a_wrong_region_is_refused(door):
    code, status, message = refusal(door.client("sagemaker", region_name="eu-west-1").list_models)
    assert (code, status) == ("InvalidSignatureException", 403)
    assert "valid region" in message
