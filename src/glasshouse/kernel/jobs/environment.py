"""The environment variables of a job's hosts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from glasshouse.kernel.context import Context
from glasshouse.kernel.ids import Arn
from glasshouse.kernel.ports import Environment, Mount, Network, Runtime

SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
CERTIFICATE = "/etc/glasshouse/certificate.pem"
"""Where a job finds the certificate of this server, when it speaks TLS."""

SPARE_S = 3600.0
"""How much longer than the job its keys live."""


def variables(
    context: Context,
    *,
    runtime: Runtime,
    environment: Environment,
    network: Network,
    requested: Mapping[str, str],
    own: Mapping[str, str],
) -> dict[str, str]:
    """From the least to the most specific: the runtime's, the way to this server, the request's, the job's own."""
    return {
        **runtime.env,
        "PATH": f"{environment.path}:{SYSTEM_PATH}",
        "AWS_REGION": context.caller.region,
        "AWS_DEFAULT_REGION": context.caller.region,
        **(_reaching_us(context) if network == "host" else {}),
        **requested,
        **own,
    }


def mounts(context: Context, *, environment: Environment, network: Network) -> tuple[Mount, ...]:
    """What every host sees beside its own folder: its packages, and the certificate it needs to reach this server."""
    certificate = context.ports.settings.tls_certificate
    if network != "host" or not certificate:
        return environment.mounts
    return (*environment.mounts, Mount(source=Path(certificate).resolve(), target=CERTIFICATE))


def keys_for(context: Context, role_arn: str, *, session: str, lifetime_s: float) -> dict[str, str]:
    """Temporary keys of the job's role."""
    issued = context.ports.identities.issue(Arn(role_arn), session=session, lifetime_s=lifetime_s + SPARE_S)
    return {
        "AWS_ACCESS_KEY_ID": issued.access_key_id,
        "AWS_SECRET_ACCESS_KEY": issued.secret_access_key,
        "AWS_SESSION_TOKEN": issued.session_token,
    }


def _reaching_us(context: Context) -> dict[str, str]:
    url = context.ports.endpoint_url()
    inherited = dict(context.ports.settings.job_environment)
    direct = [name for name in inherited.get("NO_PROXY", "").split(",") if name]
    return {
        **inherited,
        "NO_PROXY": ",".join(dict.fromkeys([*direct, "127.0.0.1", "localhost"])),
        "AWS_ENDPOINT_URL": url,
        "S3_ENDPOINT_URL": url,
        **({"AWS_CA_BUNDLE": CERTIFICATE} if url.startswith("https:") else {}),
    }
