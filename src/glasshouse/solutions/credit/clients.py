"""The four AWS clients the solution speaks through, as any client of the platform would make them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
from botocore import config as client_config

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_sagemaker import SageMakerClient
    from types_boto3_sagemaker_runtime import SageMakerRuntimeClient
    from types_boto3_sts import STSClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """Real boto3 clients, all for one endpoint and one identity."""

    s3: S3Client
    sagemaker: SageMakerClient
    runtime: SageMakerRuntimeClient
    sts: STSClient

    @property
    def region(self) -> str:
        return self.sagemaker.meta.region_name

    @property
    def endpoint_url(self) -> str:
        return self.sagemaker.meta.endpoint_url


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who the clients act as: the account, and the role that jobs are given."""

    account: str
    role_arn: str


def connect(
    *, endpoint_url: str, region: str, access_key: str, secret_key: str, session_token: str | None = None
) -> Clients:
    """Clients of the server at `endpoint_url`; URLs they presign are signed with Signature Version 4."""
    session = boto3.Session(
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        aws_session_token=session_token,
        region_name=region,
    )
    settings = client_config.Config(
        signature_version="v4",
        retries={"mode": "standard", "max_attempts": 4},
        read_timeout=120,
        proxies={},
    )
    for_objects = settings.merge(
        client_config.Config(signature_version="s3v4", s3={"addressing_style": "path"})
    )
    return Clients(
        s3=session.client("s3", endpoint_url=endpoint_url, config=for_objects),
        sagemaker=session.client("sagemaker", endpoint_url=endpoint_url, config=settings),
        runtime=session.client("sagemaker-runtime", endpoint_url=endpoint_url, config=settings),
        sts=session.client("sts", endpoint_url=endpoint_url, config=settings),
    )


def identify(clients: Clients) -> Identity:
    """The account and role of the caller; a caller that has taken on no role names one of its account."""
    caller = clients.sts.get_caller_identity()
    account = caller["Account"]
    kind, _, rest = caller["Arn"].split(":", 5)[5].partition("/")
    role = rest.split("/")[0] if kind == "assumed-role" else "GlasshouseRole"
    return Identity(account=account, role_arn=f"arn:aws:iam::{account}:role/{role}")
