"""What a request says about itself before anything is believed: which key signed it, when, for whom, and over what."""

from __future__ import annotations

import datetime as dt
import email.utils
import re
import urllib.parse
from dataclasses import dataclass

from glasshouse.kernel.signatures import refusals
from glasshouse.kernel.signatures.head import Head

ALGORITHM = "AWS4-HMAC-SHA256"
LONGEST_PRESIGN_S = 7 * 24 * 3600

_STAMP = "%Y%m%dT%H%M%SZ"
_SIGNATURE = re.compile(r"[0-9a-f]{64}")
_SCOPE = re.compile(
    r"(?P<key>[^/\s]{1,128})/(?P<date>\d{8})/(?P<region>[^/\s]+)/(?P<service>[^/\s]+)/aws4_request"
)
_AUTH_PARAMETERS = (
    "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A Version 4 signature as presented. `expires_s` is set for presigned URLs only."""

    key_id: str
    date: str
    region: str
    service: str
    timestamp: str
    signed_headers: tuple[str, ...]
    signature: str
    token: str | None
    expires_s: int | None = None

    @property
    def scope(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"

    @property
    def family(self) -> refusals.Family:
        return refusals.family(self.service)

    @property
    def signed_at(self) -> float:
        return dt.datetime.strptime(self.timestamp, _STAMP).replace(tzinfo=dt.UTC).timestamp()


def is_signed(head: Head) -> bool:
    """Whether the request carries a signature of any sort."""
    return head.header("authorization") is not None or is_presigned(head) or is_presigned_v2(head)


def is_presigned(head: Head) -> bool:
    return any(name in ("X-Amz-Signature", "X-Amz-Algorithm") for name, _ in head.parameters())


def is_presigned_v2(head: Head) -> bool:
    return any(name == "AWSAccessKeyId" for name, _ in head.parameters())


def signing_name(head: Head) -> str:
    """The service of the credential scope, unverified, or "" where there is none; what doors route by."""
    value = head.header("authorization") or ""
    credential = re.search(r"Credential=([^,\s]+)", value)
    text = credential.group(1) if credential else dict(head.parameters()).get("X-Amz-Credential", "")
    scope = _SCOPE.fullmatch(urllib.parse.unquote(text))
    return scope["service"] if scope else ""


def claimed(head: Head, *, family: refusals.Family) -> Claim:
    """The claim in the Authorization header or in the query. Raises errors.Unauthenticated.

    `family` decides the wording of a refusal while the service is not known.
    """
    if is_presigned(head):
        return _in_query(head, family)
    value = head.header("authorization")
    if value is None:
        raise refusals.refusal(family, "missing")
    return _in_header(head, value, family)


def _in_header(head: Head, value: str, family: refusals.Family) -> Claim:
    algorithm, _, rest = value.partition(" ")
    if algorithm != ALGORITHM:
        raise refusals.refusal(family, "incomplete", f"The authorization mechanism must be {ALGORITHM}.")
    parts = [part.strip().partition("=") for part in rest.split(",")]
    fields = {name: text for name, _, text in parts}
    for name in ("Credential", "Signature", "SignedHeaders"):
        if not fields.get(name):
            raise refusals.refusal(family, "incomplete", f"Authorization header requires '{name}' parameter.")
    if len(parts) != len(fields) or len(fields) != 3:
        raise refusals.refusal(family, "incomplete", "Authorization header has a parameter it must not have.")
    return _claim(
        family,
        credential=fields["Credential"],
        timestamp=_header_timestamp(head, family),
        signed_headers=fields["SignedHeaders"],
        signature=fields["Signature"],
        token=head.header("x-amz-security-token"),
    )


def _in_query(head: Head, family: refusals.Family) -> Claim:
    if head.header("authorization") is not None:
        raise refusals.refusal(family, "incomplete", "Only one auth mechanism allowed.")
    pairs = [(n, urllib.parse.unquote(v)) for n, v in head.parameters() if n.startswith("X-Amz-")]
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise refusals.refusal(family, "incomplete", "A query parameter of the signature is given twice.")
    for name in _AUTH_PARAMETERS:
        if not fields.get(name):
            raise refusals.refusal(family, "incomplete", f"The query requires the parameter '{name}'.")
    if fields["X-Amz-Algorithm"] != ALGORITHM:
        raise refusals.refusal(family, "incomplete", f"X-Amz-Algorithm only supports {ALGORITHM}.")
    return _claim(
        family,
        credential=fields["X-Amz-Credential"],
        timestamp=fields["X-Amz-Date"],
        signed_headers=fields["X-Amz-SignedHeaders"],
        signature=fields["X-Amz-Signature"],
        token=fields.get("X-Amz-Security-Token"),
        expires_s=_lifetime(fields["X-Amz-Expires"], family),
    )


def _claim(
    family: refusals.Family,
    *,
    credential: str,
    timestamp: str,
    signed_headers: str,
    signature: str,
    token: str | None,
    expires_s: int | None = None,
) -> Claim:
    scope = _SCOPE.fullmatch(credential)
    if scope is None:
        detail = "Credential must be KEY/YYYYMMDD/REGION/SERVICE/aws4_request."
        raise refusals.refusal(family, "incomplete", detail)
    family = refusals.family(scope["service"])
    if not _is_timestamp(timestamp):
        raise refusals.refusal(
            family, "incomplete", "Date must be in ISO-8601 'basic format', 20260101T000000Z."
        )
    if scope["date"] != timestamp[:8]:
        detail = (
            f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date: {scope['date']}"
        )
        raise refusals.refusal(family, "scope", detail)
    if not _SIGNATURE.fullmatch(signature):
        raise refusals.refusal(family, "mismatch")
    return Claim(
        key_id=scope["key"],
        date=scope["date"],
        region=scope["region"],
        service=scope["service"],
        timestamp=timestamp,
        signed_headers=tuple(signed_headers.split(";")),
        signature=signature,
        token=token,
        expires_s=expires_s,
    )


def _header_timestamp(head: Head, family: refusals.Family) -> str:
    """X-Amz-Date, or else Date, which the signer turns into the same form."""
    stamp = head.header("x-amz-date")
    if stamp is not None:
        return stamp
    try:
        date = email.utils.parsedate_to_datetime(head.header("date") or "")
    except (ValueError, TypeError, IndexError) as exc:
        detail = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        raise refusals.refusal(family, "incomplete", detail) from exc
    return date.astimezone(dt.UTC).strftime(_STAMP)


def _is_timestamp(text: str) -> bool:
    try:
        return dt.datetime.strptime(text, _STAMP).strftime(_STAMP) == text
    except ValueError:
        return False


def _lifetime(text: str, family: refusals.Family) -> int:
    if not re.fullmatch(r"\d{1,7}", text) or not 0 < int(text) <= LONGEST_PRESIGN_S:
        detail = f"X-Amz-Expires must be a number of seconds from 1 to {LONGEST_PRESIGN_S}"
        raise refusals.refusal(family, "incomplete", detail)
    return int(text)
