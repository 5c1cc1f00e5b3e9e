"""STS and IAM as the SDKs ask them."""

import json
import sqlite3
import urllib.parse
from collections.abc import Iterator

import boto3
import pytest
from botocore.config import Config

from tests.support import workshop as shop
from tests.support.workshop import Workshop

pytestmark = pytest.mark.slow

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)


@pytest.fixture(scope="module")
def role(workshop: Workshop) -> Iterator[str]:
    """A role of our own; its ARN."""
    answer = workshop.iam.create_role(
        RoleName="Analyst", AssumeRolePolicyDocument=TRUST, Tags=[{"Key": "team", "Value": "risk"}]
    )
    yield str(answer["Role"]["Arn"])
    workshop.iam.delete_role(RoleName="Analyst")


def test_the_root_identity_is_an_assumed_role_as_get_execution_role_needs(workshop: Workshop) -> None:
    found = workshop.sts.get_caller_identity()
    assert found["Account"] == workshop.account
    assert found["Arn"].startswith(f"arn:aws:sts::{workshop.account}:assumed-role/GlasshouseRoot/")
    shown = workshop.iam.get_role(RoleName="GlasshouseRoot")["Role"]
    assert shown["Arn"] == f"arn:aws:iam::{workshop.account}:role/GlasshouseRoot"
    (statement,) = shown["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "sagemaker.amazonaws.com"}


def test_a_role_can_be_made_read_listed_and_removed(workshop: Workshop, role: str) -> None:
    shown = workshop.iam.get_role(RoleName="Analyst")["Role"]
    assert (shown["Arn"], shown["MaxSessionDuration"]) == (role, 3600)
    assert shown["Tags"] == [{"Key": "team", "Value": "risk"}]
    assert shown["AssumeRolePolicyDocument"] == json.loads(TRUST)
    workshop.iam.create_role(RoleName="Deep", Path="/teams/risk/", AssumeRolePolicyDocument=TRUST)
    pages = workshop.iam.get_paginator("list_roles").paginate(PaginationConfig={"PageSize": 1})
    names = [one["RoleName"] for page in pages for one in page["Roles"]]
    assert names == sorted(names)
    assert {"Analyst", "Deep", "GlasshouseRoot"} <= set(names)
    below = workshop.iam.list_roles(PathPrefix="/teams/")["Roles"]
    assert [one["Arn"] for one in below] == [f"arn:aws:iam::{workshop.account}:role/teams/risk/Deep"]
    workshop.iam.delete_role(RoleName="Deep")
    with workshop.refused("NoSuchEntity", "Deep"):
        workshop.iam.get_role(RoleName="Deep")


def test_errors_have_iams_own_codes(workshop: Workshop, role: str) -> None:
    for name in ("Analyst", "GlasshouseRoot"):
        with workshop.refused("EntityAlreadyExists", name):
            workshop.iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    with workshop.refused("MalformedPolicyDocument"):
        workshop.iam.create_role(RoleName="Fresh", AssumeRolePolicyDocument="no json")
    with workshop.refused("UnmodifiableEntity"):
        workshop.iam.delete_role(RoleName="GlasshouseRoot")
    with workshop.refused("NoSuchEntity"):
        workshop.iam.delete_role(RoleName="nobody")


def session(workshop: Workshop, role: str, **changes: int) -> tuple[dict[str, str], shop.Document]:
    """Keys of a new session, and what STS said of it."""
    answer = workshop.sts.assume_role(RoleArn=role, RoleSessionName="monday", **changes)
    keys = answer["Credentials"]
    return {
        "aws_access_key_id": keys["AccessKeyId"],
        "aws_secret_access_key": keys["SecretAccessKey"],
        "aws_session_token": keys["SessionToken"],
    }, answer


def test_a_session_of_a_role_works_and_is_not_root(workshop: Workshop, role: str) -> None:
    keys, answer = session(workshop, role)
    config = Config(retries={"total_max_attempts": 1}, proxies={})
    options = {"endpoint_url": workshop.server.endpoint, "region_name": "us-east-1", "config": config, **keys}
    found = boto3.client("sts", **options).get_caller_identity()
    assert found["Arn"] == answer["AssumedRoleUser"]["Arn"]
    assert found["Arn"] == f"arn:aws:sts::{workshop.account}:assumed-role/Analyst/monday"
    boto3.client("sagemaker", **options).list_training_jobs()
    with workshop.refused("AccessDenied", "iam:CreateRole"):
        boto3.client("iam", **options).create_role(RoleName="Evil", AssumeRolePolicyDocument=TRUST)
    with workshop.refused("AccessDenied", "sts:AssumeRole"):
        boto3.client("sts", **options).assume_role(RoleArn=role, RoleSessionName="again")
    with workshop.refused("SignatureDoesNotMatch"):
        boto3.client("sts", **{**options, "aws_secret_access_key": "x" * 40}).get_caller_identity()
    changed = keys["aws_session_token"][:-4] + "AAAA"
    with workshop.refused("InvalidClientTokenId"):
        boto3.client("sts", **{**options, "aws_session_token": changed}).get_caller_identity()


def test_a_role_that_cannot_be_assumed_says_why(workshop: Workshop, role: str) -> None:
    with workshop.refused("AccessDenied", "sts:AssumeRole"):
        session(workshop, "arn:aws:iam::999999999999:role/Other")
    with workshop.refused("NoSuchEntity"):
        session(workshop, f"arn:aws:iam::{workshop.account}:role/nobody")
    with workshop.refused("ValidationError", "MaxSessionDuration"):
        session(workshop, role, DurationSeconds=7200)


def test_a_simulation_says_what_the_permission_step_would(workshop: Workshop, role: str) -> None:
    pages = workshop.iam.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=role,
        ActionNames=["sagemaker:CreateTrainingJob", "iam:CreateRole"],
        ResourceArns=["arn:aws:s3:::b/*"],
    )
    found = {one["EvalActionName"]: one for page in pages for one in page["EvaluationResults"]}
    assert found["sagemaker:CreateTrainingJob"]["EvalDecision"] == "allowed"
    assert found["sagemaker:CreateTrainingJob"]["EvalResourceName"] == "arn:aws:s3:::b/*"
    assert found["iam:CreateRole"]["EvalDecision"] == "implicitDeny"
    as_session = f"arn:aws:sts::{workshop.account}:assumed-role/GlasshouseRoot/root"
    answer = workshop.iam.simulate_principal_policy(
        PolicySourceArn=as_session, ActionNames=["iam:CreateRole"]
    )
    assert answer["EvaluationResults"][0]["EvalDecision"] == "allowed"
    with workshop.refused("NoSuchEntity"):
        workshop.iam.simulate_principal_policy(
            PolicySourceArn=f"arn:aws:iam::{workshop.account}:role/nobody", ActionNames=["s3:PutObject"]
        )


def audited(workshop: Workshop, operation: str) -> list[tuple[str, str, str, str]]:
    """Service, resource, outcome and principal of every call of the operation, oldest first."""
    with sqlite3.connect(
        f"file:{urllib.parse.quote(str(workshop.server.data))}/glasshouse.db?mode=ro", uri=True
    ) as db:
        rows = db.execute(
            "SELECT service, resource, outcome, principal FROM audit WHERE operation = ? ORDER BY seq",
            (operation,),
        ).fetchall()
    db.close()
    return rows


def test_every_call_is_in_the_audit_with_its_outcome(workshop: Workshop) -> None:
    name = workshop.name("audited")
    with workshop.refused("ValidationException"):
        workshop.sagemaker.describe_model(ModelName=name)
    service, resource, outcome, principal = audited(workshop, "DescribeModel")[-1]
    assert (service, resource, outcome) == ("sagemaker", name, "ValidationException")
    assert "assumed-role/GlasshouseRoot" in principal
    with workshop.refused("ValidationError"):
        workshop.invoke(name, b"x")
    service, resource, outcome, _ = audited(workshop, "InvokeEndpoint")[-1]
    assert (service, resource, outcome) == ("sagemaker-runtime", name, "ValidationError")
    workshop.s3.list_buckets()
    assert audited(workshop, "ListBuckets")[-1][2] == "ok"


@pytest.mark.parametrize(
    ("call", "operation"),
    [
        ("list_domains", "ListDomains"),
        ("list_pipelines", "ListPipelines"),
        ("list_notebook_instances", "ListNotebookInstances"),
    ],
)
def test_an_operation_that_is_not_offered_is_answered_501_by_name(
    workshop: Workshop, call: str, operation: str
) -> None:
    with workshop.refused("UnsupportedOperation", operation, "not offered"):
        getattr(workshop.sagemaker, call)()
    assert audited(workshop, operation)[-1][2] == "UnsupportedOperation"
