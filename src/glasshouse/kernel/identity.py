"""Who is calling: the identity that every call, job and event carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from glasshouse.kernel.ids import Arn


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """An authenticated identity acting in one tenant (account) and region."""

    account: str
    region: str
    arn: Arn
    user_id: str
    access_key_id: str = ""
    is_root: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A key pair and the identity it stands for. `session_token` is empty for long-lived keys."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    account: str
    arn: Arn
    user_id: str
    is_root: bool = False
    expires_at: float | None = None

    def __repr__(self) -> str:
        return f"Credential({self.access_key_id}, {self.arn})"


class Identities(Protocol):
    """Looks up and issues keys."""

    def find(self, access_key_id: str, session_token: str | None) -> Credential:
        """The credential behind a key id.

        Raises errors.InvalidClientToken (unknown key, or a token that does not belong to it)
        and errors.ExpiredToken.
        """

    def issue(self, role_arn: Arn, *, session: str, lifetime_s: float) -> Credential:
        """Temporary keys for a session of the role."""
