"""Why a signature is refused, in the code, status and words that each family of AWS services uses for the cause."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from glasshouse.kernel import errors

Family = Literal["json", "query", "s3"]
Cause = Literal[
    "missing",
    "incomplete",
    "unknown_key",
    "mismatch",
    "bad_token",
    "expired_token",
    "skewed",
    "expired",
    "scope",
]

_QUERY_SERVICES = frozenset({"sts", "iam"})

_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
)
_NOT_KNOWN = "The security token included in the request is invalid."
_TOO_OLD = "The security token included in the request is expired"

_TABLE: Mapping[Family, Mapping[Cause, tuple[str, int, str]]] = {
    "json": {
        "missing": ("MissingAuthenticationTokenException", 403, "Missing Authentication Token"),
        "incomplete": ("IncompleteSignatureException", 403, "The request signature is not complete."),
        "unknown_key": ("UnrecognizedClientException", 403, _NOT_KNOWN),
        "bad_token": ("UnrecognizedClientException", 403, _NOT_KNOWN),
        "expired_token": ("ExpiredTokenException", 403, _TOO_OLD),
        "mismatch": ("InvalidSignatureException", 403, _MISMATCH),
        "skewed": ("InvalidSignatureException", 403, "Signature expired."),
        "expired": ("InvalidSignatureException", 403, "Signature expired."),
        "scope": ("InvalidSignatureException", 403, "Credential should be scoped to a valid region."),
    },
    "query": {
        "missing": ("MissingAuthenticationToken", 403, "Request is missing Authentication Token"),
        "incomplete": ("IncompleteSignature", 400, "The request signature is not complete."),
        "unknown_key": ("InvalidClientTokenId", 403, _NOT_KNOWN),
        "bad_token": ("InvalidClientTokenId", 403, _NOT_KNOWN),
        "expired_token": ("ExpiredToken", 403, _TOO_OLD),
        "mismatch": ("SignatureDoesNotMatch", 403, _MISMATCH),
        "skewed": ("SignatureDoesNotMatch", 403, "Signature expired."),
        "expired": ("SignatureDoesNotMatch", 403, "Signature expired."),
        "scope": ("SignatureDoesNotMatch", 403, "Credential should be scoped to a valid region."),
    },
    "s3": {
        "missing": ("AccessDenied", 403, "Access Denied"),
        "incomplete": ("AuthorizationHeaderMalformed", 400, "The authorization header is malformed."),
        "unknown_key": (
            "InvalidAccessKeyId",
            403,
            "The AWS Access Key Id you provided does not exist in our records.",
        ),
        "bad_token": ("InvalidToken", 400, "The provided token is malformed or otherwise invalid."),
        "expired_token": ("ExpiredToken", 400, "The provided token has expired."),
        "mismatch": (
            "SignatureDoesNotMatch",
            403,
            "The request signature we calculated does not match the signature you provided. "
            "Check your key and signing method.",
        ),
        "skewed": (
            "RequestTimeTooSkewed",
            403,
            "The difference between the request time and the current time is too large.",
        ),
        "expired": ("AccessDenied", 403, "Request has expired"),
        "scope": ("AuthorizationHeaderMalformed", 400, "The authorization header is malformed."),
    },
}


def family(service: str) -> Family:
    """The family of a signing name."""
    return "s3" if service == "s3" else "query" if service in _QUERY_SERVICES else "json"


def refusal(of: Family, cause: Cause, detail: str = "") -> errors.Unauthenticated:
    """The error for the cause; `detail` replaces the usual sentence, but S3 keeps its own for what it names itself."""
    code, status, message = _TABLE[of][cause]
    keeps_own = of == "s3" and cause in ("skewed", "expired", "mismatch")
    return errors.Unauthenticated(message if keeps_own or not detail else detail, code=code, status=status)
