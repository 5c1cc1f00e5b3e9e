"""S3's old presigned URLs (AWSAccessKeyId, Signature, Expires), which boto3 still makes for custom endpoints."""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass
from typing import Any

import botocore.auth
import botocore.compat
import botocore.credentials

from glasshouse.kernel.signatures import refusals
from glasshouse.kernel.signatures.head import Head

_AUTH = frozenset({"AWSAccessKeyId", "Signature", "Expires"})
_BODY_HEADERS = ("content-md5", "content-type")
_HARMLESS = frozenset(
    "x-id list-type prefix delimiter max-keys marker continuation-token start-after fetch-owner encoding-type "
    "key-marker version-id-marker upload-id-marker max-uploads max-parts part-number-marker".split()
)
"""Parameters that Version 2 leaves unsigned and that do not change which operation is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimV2:
    key_id: str
    signature: str
    expires_at: int
    token: str | None


def claimed(head: Head) -> ClaimV2:
    """The claim in the query. Raises errors.Unauthenticated, also for parameters that nobody vouches for."""
    if head.header("authorization") is not None:
        raise refusals.refusal("s3", "incomplete", "Only one auth mechanism allowed.")
    pairs = [(name, urllib.parse.unquote_plus(value)) for name, value in head.parameters()]
    fields = {name: value for name, value in pairs if name in _AUTH or name.startswith("x-amz-")}
    if any(not fields.get(name) for name in _AUTH) or not re.fullmatch(r"\d{1,11}", fields["Expires"]):
        detail = "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters"
        raise refusals.refusal("s3", "missing", detail)
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names) or not all(_is_covered(name) for name in names):
        raise refusals.refusal("s3", "mismatch")
    return ClaimV2(
        key_id=fields["AWSAccessKeyId"],
        signature=fields["Signature"],
        expires_at=int(fields["Expires"]),
        token=fields.get("x-amz-security-token") or head.header("x-amz-security-token"),
    )


def signatures(head: Head, claim: ClaimV2, secret: str) -> tuple[str, ...]:
    """What the holder of the secret would have signed; botocore signs the path of a bucket alone with a slash."""
    return tuple(_signature(head, claim, secret, path) for path in _signed_paths(head.path))


def _signed_paths(path: str) -> tuple[str, ...]:
    return (path,) if "/" in path[1:] or path == "/" else (path, f"{path}/")


def _signature(head: Head, claim: ClaimV2, secret: str, path: str) -> str:
    signer = _Signer(botocore.credentials.Credentials(claim.key_id, secret), claim.expires_at)
    headers: Any = botocore.compat.HTTPHeaders()
    query = {n: urllib.parse.unquote_plus(v) for n, v in head.parameters()}
    for name in _BODY_HEADERS:
        value = head.header(name) or query.get(name)
        if value:
            headers[name] = value
    for name, value in dict.fromkeys([*head.headers, *query.items()]):
        if name.startswith("x-amz-"):
            headers[name] = value
    url = botocore.compat.urlsplit(f"http://host{head.path}?{head.query}")
    text: str = signer.get_signature(head.method, url, headers, auth_path=path)
    return text


def _is_covered(name: str) -> bool:
    signed = botocore.auth.HmacV1Auth.QSAOfInterest
    return (
        name in _AUTH
        or name in signed
        or name in _HARMLESS
        or name in _BODY_HEADERS
        or name.startswith("x-amz-")
    )


class _Signer(botocore.auth.HmacV1QueryAuth):
    """botocore's signer with the expiry that the URL gives."""

    def __init__(self, credentials: botocore.credentials.Credentials, expires_at: int) -> None:
        super().__init__(credentials)
        self._expires_at = expires_at

    def _get_date(self) -> str:
        return str(self._expires_at)
