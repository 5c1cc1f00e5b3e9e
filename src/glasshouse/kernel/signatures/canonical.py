"""What a client must have signed for the request that was received, computed by botocore's own signers."""

from __future__ import annotations

import hashlib
import hmac
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.compat
import botocore.credentials
import botocore.utils

from glasshouse.kernel.signatures.claims import Claim
from glasshouse.kernel.signatures.head import Head

_SAFE = "-_.~"
_NOBODY = botocore.credentials.Credentials("nobody", "nothing")


def is_normal(path: str, *, service: str) -> bool:
    """Whether the path is its own normal form. Only S3 takes paths as they are; no client sends others elsewhere."""
    return service == "s3" or botocore.utils.normalize_url_path(path) == path


def canonical_request(head: Head, claim: Claim, *, payload: str) -> str:
    """The canonical request; `payload` is the hash, or the word that stands for it."""
    signer = _S3(claim, head, payload) if claim.service == "s3" else _Other(claim, head, payload)
    query = _canonical_query(head, is_presigned=claim.expires_s is not None)
    request = botocore.awsrequest.AWSRequest(method=head.method, url=f"http://host{head.path}?{query}")
    text: str = signer.canonical_request(request)
    return text


def string_to_sign(claim: Claim, canonical: str) -> str:
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return "\n".join(["AWS4-HMAC-SHA256", claim.timestamp, claim.scope, digest])


def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """The key that signs within a scope."""
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def signature(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _canonical_query(head: Head, *, is_presigned: bool) -> str:
    """Names and values decoded and encoded again, so that both "/" and "%2F" stand for what was signed."""
    return "&".join(
        f"{_encoded(name)}={_encoded(value)}"
        for name, value in head.parameters()
        if not (is_presigned and name == "X-Amz-Signature")
    )


def _encoded(text: str) -> str:
    return urllib.parse.quote(urllib.parse.unquote_to_bytes(text), safe=_SAFE)


class _Other(botocore.auth.SigV4Auth):
    """botocore's signer, told which headers and which payload hash count."""

    def __init__(self, claim: Claim, head: Head, payload: str) -> None:
        super().__init__(_NOBODY, claim.service, claim.region)
        self._signed = frozenset(claim.signed_headers)
        self._head = head
        self._payload = payload

    def headers_to_sign(self, request: botocore.awsrequest.AWSRequest) -> botocore.compat.HTTPHeaders:
        headers = botocore.compat.HTTPHeaders()
        for name, value in self._head.headers:
            if name in self._signed:
                headers[name] = value
        return headers

    def payload(self, request: botocore.awsrequest.AWSRequest) -> str:
        return self._payload


class _S3(_Other, botocore.auth.S3SigV4Auth):
    """The same with S3's rule: the path is signed as it is."""
