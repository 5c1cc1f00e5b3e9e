"""Decides whether a request was signed by who it says, now, for here, and over what arrived."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import hmac
import re
from dataclasses import dataclass

from glasshouse.kernel import clock as clocks
from glasshouse.kernel import errors, identity
from glasshouse.kernel.signatures import canonical, claims, payload, refusals, version2
from glasshouse.kernel.signatures.chunks import ChunkVerifier
from glasshouse.kernel.signatures.head import Head

SKEW_S = 15 * 60
GLOBAL_REGION = "us-east-1"
GLOBAL_SERVICES = frozenset({"iam", "sts"})
"""Services whose clients may sign for us-east-1 wherever they are."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEYS_CACHED = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A request whose signature holds. `payload` is what still has to hold for the body when it is read."""

    caller: identity.Caller
    service: str
    region: str
    payload: payload.Payload


class Verifier:
    """Verifies signatures for one region. Safe to share between threads."""

    def __init__(self, *, identities: identity.Identities, clock: clocks.Clock, region: str) -> None:
        self._identities = identities
        self._clock = clock
        self._region = region
        self._signing_key = functools.lru_cache(maxsize=_KEYS_CACHED)(canonical.signing_key)

    def screen(self, head: Head, *, family: refusals.Family = "json") -> None:
        """Everything but the signature itself: refuses strangers and stale requests before their body is read.

        Raises errors.Unauthenticated. `family` words the refusal of a request that names no service.
        """
        if claims.is_presigned_v2(head):
            self._admitted_v2(version2.claimed(head))
        else:
            self._admitted(head, claims.claimed(head, family=family))

    def verify(self, head: Head, *, body: bytes | None = None, family: refusals.Family = "json") -> Verified:
        """The caller and what is left to check of the body. Raises errors.Unauthenticated.

        `body` must be given for every service but S3, whose signature covers it even where no header names its hash;
        it is checked here. S3's bodies are checked by Verified.payload as they are read (or here when given).
        """
        if not head.is_plain:
            raise refusals.refusal(family, "mismatch")
        if claims.is_presigned_v2(head):
            return self._verified_v2(head)
        claim = claims.claimed(head, family=family)
        credential = self._admitted(head, claim)
        word = _payload_word(head, claim, body)
        text = canonical.string_to_sign(claim, canonical.canonical_request(head, claim, payload=word))
        key = self._signing_key(credential.secret_access_key, claim.date, claim.region, claim.service)
        if not _same(canonical.signature(key, text), claim.signature):
            raise refusals.refusal(claim.family, "mismatch")
        check = _payload(word, claim, key)
        if body is not None and isinstance(check, payload.Hashed):
            check.check_body(body)
        return _verified(credential, claim.service, claim.region, check)

    def _admitted(self, head: Head, claim: claims.Claim) -> identity.Credential:
        """The credential, once the claim's place, time and coverage are right."""
        self._check_region(claim)
        self._check_time(claim)
        _check_coverage(head, claim)
        return self._credential(claim.key_id, claim.token, claim.family)

    def _credential(self, key_id: str, token: str | None, family: refusals.Family) -> identity.Credential:
        try:
            return self._identities.find(key_id, token)
        except errors.ExpiredToken as exc:
            raise refusals.refusal(family, "expired_token") from exc
        except errors.InvalidClientToken as exc:
            raise refusals.refusal(family, "bad_token" if token else "unknown_key") from exc

    def _check_region(self, claim: claims.Claim) -> None:
        if claim.region == self._region:
            return
        if claim.service in GLOBAL_SERVICES and claim.region == GLOBAL_REGION:
            return
        detail = f"Credential should be scoped to a valid region, not '{claim.region}'."
        if claim.family == "s3":
            detail = (
                f"The authorization header is malformed; the region '{claim.region}' is wrong; "
                f"expecting '{self._region}'"
            )
        raise refusals.refusal(claim.family, "scope", detail)

    def _check_time(self, claim: claims.Claim) -> None:
        now = self._clock.now()
        lifetime_s = SKEW_S if claim.expires_s is None else claim.expires_s
        if now > claim.signed_at + lifetime_s:
            cause: refusals.Cause = "skewed" if claim.expires_s is None else "expired"
            detail = f"Signature expired: {claim.timestamp} is now earlier than {_stamp(now - lifetime_s)}"
            raise refusals.refusal(claim.family, cause, f"{detail} ({_stamp(now)} - {lifetime_s} s.)")
        if now < claim.signed_at - SKEW_S:
            detail = (
                f"Signature not yet current: {claim.timestamp} is still later than {_stamp(now + SKEW_S)}"
            )
            raise refusals.refusal(claim.family, "skewed", f"{detail} ({_stamp(now)} + {SKEW_S} s.)")

    def _verified_v2(self, head: Head) -> Verified:
        claim = version2.claimed(head)
        credential = self._admitted_v2(claim)
        signed = version2.signatures(head, claim, credential.secret_access_key)
        if not any(_same(signature, claim.signature) for signature in signed):
            raise refusals.refusal("s3", "mismatch")
        return _verified(credential, "s3", self._region, payload.Unsigned())

    def _admitted_v2(self, claim: version2.ClaimV2) -> identity.Credential:
        if self._clock.now() > claim.expires_at:
            raise refusals.refusal("s3", "expired")
        return self._credential(claim.key_id, claim.token, "s3")


def _verified(credential: identity.Credential, service: str, region: str, check: payload.Payload) -> Verified:
    caller = identity.Caller(
        account=credential.account,
        region=region,
        arn=credential.arn,
        user_id=credential.user_id,
        access_key_id=credential.access_key_id,
        is_root=credential.is_root,
    )
    return Verified(caller=caller, service=service, region=region, payload=check)


def _check_coverage(head: Head, claim: claims.Claim) -> None:
    """The host, and every x-amz-* header there is, must be signed."""
    present = {name for name, _ in head.headers}
    needed = {"host"} | {name for name in present if name.startswith("x-amz-")}
    missing = sorted(needed - set(claim.signed_headers))
    if missing:
        named = ", ".join(missing)
        raise refusals.refusal(claim.family, "incomplete", f"These headers must be signed: {named}.")
    absent = not present.issuperset(claim.signed_headers)
    if absent or not canonical.is_normal(head.path, service=claim.service):
        raise refusals.refusal(claim.family, "mismatch")


def _payload_word(head: Head, claim: claims.Claim, body: bytes | None) -> str:
    """What the canonical request says about the body: its hash, or a word that stands for it."""
    word = head.header("x-amz-content-sha256")
    if claim.expires_s is not None and word is None:
        word = dict(head.parameters()).get("X-Amz-Content-Sha256")
    if claim.service == "s3":
        if word is None and claim.expires_s is None:
            raise errors.Unauthenticated(
                "Missing required header for this request: x-amz-content-sha256",
                code="InvalidRequest",
                status=400,
            )
        return word or payload.UNSIGNED
    if body is None:
        raise ValueError(f"the body of a request to {claim.service} is part of what is signed")
    digest = hashlib.sha256(body).hexdigest()
    if word is not None and not _same(word, digest):
        raise refusals.refusal(claim.family, "mismatch")
    return digest


def _payload(word: str, claim: claims.Claim, key: bytes) -> payload.Payload:
    if _SHA256.fullmatch(word):
        return payload.Hashed(sha256=word)
    if word == payload.UNSIGNED:
        return payload.Unsigned()
    if word == payload.UNSIGNED_TRAILER:
        return payload.Unsigned(chunked=True)
    if word in (payload.SIGNED_CHUNKS, payload.SIGNED_CHUNKS_TRAILER):
        chunks = ChunkVerifier(key=key, timestamp=claim.timestamp, scope=claim.scope, seed=claim.signature)
        return payload.Chunked(verifier=chunks, trailer=word == payload.SIGNED_CHUNKS_TRAILER)
    raise errors.Unauthenticated(
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, a STREAMING- form, or a valid sha256 value.",
        code="InvalidArgument",
        status=400,
    )


def _same(a: str, b: str) -> bool:
    return hmac.compare_digest(a.encode(), b.encode())


def _stamp(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y%m%dT%H%M%SZ")
