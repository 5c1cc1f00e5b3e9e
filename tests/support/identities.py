"""Identities for tests: a fixed set of credentials."""

from __future__ import annotations

from glasshouse.kernel import clock as clocks
from glasshouse.kernel import errors, identity, ids


class KnownIdentities:
    """Finds the credentials it was given. Issues none."""

    def __init__(self, *credentials: identity.Credential, clock: clocks.Clock) -> None:
        self._credentials = {c.access_key_id: c for c in credentials}
        self._clock = clock

    def find(self, access_key_id: str, session_token: str | None) -> identity.Credential:
        found = self._credentials.get(access_key_id)
        if found is None or found.session_token != (session_token or ""):
            raise errors.InvalidClientToken
        if found.expires_at is not None and found.expires_at <= self._clock.now():
            raise errors.ExpiredToken
        return found

    def issue(self, role_arn: ids.Arn, *, session: str, lifetime_s: float) -> identity.Credential:
        raise NotImplementedError


def credential(
    key_id: str = "AKIDEXAMPLE",
    *,
    secret: str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    token: str = "",
    expires_at: float | None = None,
) -> identity.Credential:
    return identity.Credential(
        access_key_id=key_id,
        secret_access_key=secret,
        session_token=token,
        account="000000000000",
        arn=ids.Arn("arn:aws:sts::000000000000:assumed-role/Glasshouse/tests"),
        user_id="AROAEXAMPLE:tests",
        is_root=True,
        expires_at=expires_at,
    )


class StoppedClock:
    """A clock that shows what it is set to."""

    def __init__(self, now: float = 1_767_225_600.0) -> None:
        self.time = now

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time
