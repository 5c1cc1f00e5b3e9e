"""`glasshouse env`: the lines that point AWS's clients at this server."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from glasshouse.doors.cli import failures, running
from glasshouse.doors.cli.root import Keys
from glasshouse.kernel import own_services

SDK_CONFIG = """\
# Read by the SageMaker SDKs through SAGEMAKER_USER_CONFIG_OVERRIDE. A default bucket named here keeps them
# from asking the hard-wired AWS address of STS for the account; telemetry would go to an AWS address too.
SchemaVersion: '1.0'
SageMaker:
  PythonSDK:
    Modules:
      TelemetryOptOut: true
      Session:
        DefaultS3Bucket: sagemaker-{region}-{account}
"""


def variables(data: Path, server: running.Server, keys: Keys) -> dict[str, str]:
    """What every AWS client reads. Writes the SDKs' configuration file into the data folder."""
    trust = {"AWS_CA_BUNDLE": server.certificate} if server.certificate else {}
    config = data / "sagemaker-sdk.yaml"
    config.write_text(SDK_CONFIG.format(region=server.region, account=server.account))
    return {
        "AWS_ENDPOINT_URL": server.endpoint,
        "AWS_ACCESS_KEY_ID": keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
        "AWS_SESSION_TOKEN": keys.session_token,
        "AWS_DEFAULT_REGION": server.region,
        "AWS_REGION": server.region,
        "AWS_DATA_PATH": str(own_services.FOLDER),
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(config),
        **trust,
    }


def proxy_variables(data: Path, server: running.Server) -> dict[str, str]:
    """What sends the hard-wired STS address to this server. Every other https address is refused."""
    bundle = data / "ca" / "ca.pem"
    if not server.proxy or not bundle.exists():
        raise failures.Failed("The running server answers no CONNECT; start it again with this version.")
    if server.certificate:
        both = data / "ca" / "trusted.pem"
        both.write_text(bundle.read_text() + Path(server.certificate).read_text())
        bundle = both
    return {
        "HTTPS_PROXY": server.proxy,
        "AWS_CA_BUNDLE": str(bundle),
        "NO_PROXY": "127.0.0.1,localhost,::1",
    }


def exports(values: Mapping[str, str]) -> str:
    """Lines for a POSIX shell."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())
