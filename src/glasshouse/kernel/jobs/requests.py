"""Checks of a job's request that the service model cannot make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from glasshouse.kernel import errors, ids
from glasshouse.kernel.context import Context
from glasshouse.kernel.unsupported import Unsupported


def unsupported_sources(at: str) -> tuple[Unsupported, ...]:
    """What a data source may not ask for."""
    return (
        Unsupported(path=f"{at}.FileSystemDataSource"),
        Unsupported(path=f"{at}.DatasetSource"),
        Unsupported(path=f"{at}.S3DataSource.S3DataType", accepts=("S3Prefix", "ManifestFile")),
        Unsupported(path=f"{at}.S3DataSource.AttributeNames", accepts=([],)),
        Unsupported(path=f"{at}.S3DataSource.InstanceGroupNames", accepts=([],)),
        Unsupported(path=f"{at}.S3DataSource.ModelAccessConfig"),
        Unsupported(path=f"{at}.S3DataSource.HubAccessConfig"),
    )


def must_have(doc: Mapping[str, Any], members: Iterable[str], *, at: str = "") -> None:
    """Raises errors.Validation for members that the model calls optional and the work cannot do without."""
    missing = [f"{at}.{member}" if at else member for member in members if doc.get(member) is None]
    if missing:
        raise errors.Validation(f"{' and '.join(missing)} must be given.")


def check_uri(uri: str, *, at: str) -> None:
    if not uri.startswith("s3://") or len(uri) <= len("s3://"):
        raise errors.Validation(f"{at} must be an S3 address such as s3://bucket/prefix, not {uri!r}.")


def check_role(arn: str, context: Context) -> None:
    """A job's role must belong to the caller's account, as in IAM."""
    try:
        role = ids.split_arn(arn)
    except ValueError as error:
        raise errors.Validation(f"RoleArn {arn!r} is not an ARN.") from error
    if role.account != context.caller.account:
        raise errors.Validation(
            f"RoleArn: cross-account pass role is not allowed; the role belongs to account {role.account}, "
            f"this server is account {context.caller.account}."
        )


def check_channels(channels: Iterable[Mapping[str, Any]]) -> None:
    """Channel names are unique and each has an S3 source."""
    seen: set[str] = set()
    for channel in channels:
        name = channel["ChannelName"]
        if name in seen:
            raise errors.Validation(f"InputDataConfig has two channels named {name}.")
        seen.add(name)
        source = channel["DataSource"].get("S3DataSource")
        if source is None:
            raise errors.Validation(f"The channel {name} needs a DataSource.S3DataSource.")
        check_uri(source["S3Uri"], at=f"The S3Uri of channel {name}")
