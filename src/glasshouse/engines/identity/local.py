"""Keys on this machine: the root identity in a private file, sessions of roles as signed tokens.

A session needs no storage: its token says which role it is and until when, sealed with a key that only the server
has; its secret is derived from the token with the same key. Nothing can be issued or prolonged without that key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
import string
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glasshouse.kernel import errors, ids
from glasshouse.kernel.clock import Clock
from glasshouse.kernel.identity import Credential

ROOT_ROLE = "GlasshouseRoot"
ROOT_SESSION = "root"
_ALPHABET = string.ascii_uppercase + string.digits
_VERSION = 1
_KEY_BYTES = 32


class UnreadableKeys(RuntimeError):
    """The key file is missing, damaged or readable by others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RootKeys:
    """What the private file holds."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    sealing_key: bytes
    account: str

    def __repr__(self) -> str:
        return f"RootKeys({self.access_key_id})"


def load_or_make(path: Path, *, account: str) -> RootKeys:
    """The keys of the data directory; made on the first start, in a file that only its owner can read."""
    if not path.exists():
        _make(path, account)
    keys = load(path)
    if keys.account != account:
        raise UnreadableKeys(
            f"{path} belongs to account {keys.account}, not {account}; name that one instead."
        )
    return keys


def load(path: Path) -> RootKeys:
    """Raises UnreadableKeys with the way to mend it."""
    try:
        if path.stat().st_mode & 0o077:
            raise UnreadableKeys(f"{path} can be read by others; run: chmod 600 {path}")
        found = json.loads(path.read_text())
        keys = RootKeys(
            access_key_id=found["AccessKeyId"],
            secret_access_key=found["SecretAccessKey"],
            session_token=found["SessionToken"],
            sealing_key=base64.b64decode(found["SealingKey"], validate=True),
            account=found["Account"],
        )
        if not _are_whole(keys):
            raise ValueError("a key is missing or too short")
        return keys
    except FileNotFoundError as error:
        raise UnreadableKeys(f"{path} does not exist; start the server once with `glasshouse up`.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableKeys(f"{path} is damaged; restore it from a backup.") from error


def _are_whole(keys: RootKeys) -> bool:
    """Whether nothing is missing: a short sealing key would let anybody make tokens."""
    texts = (keys.access_key_id, keys.secret_access_key, keys.session_token, keys.account)
    return all(isinstance(text, str) and text for text in texts) and len(keys.sealing_key) >= _KEY_BYTES


class LocalIdentities:
    """The identities port over the root keys and sealed session tokens."""

    def __init__(self, root: RootKeys, *, clock: Clock) -> None:
        self._root = root
        self._clock = clock

    def find(self, access_key_id: str, session_token: str | None) -> Credential:
        if hmac.compare_digest(access_key_id.encode(), self._root.access_key_id.encode()):
            return self._root_credential(session_token)
        if not session_token:
            raise errors.InvalidClientToken
        credential = self._opened(session_token)
        if not hmac.compare_digest(credential.access_key_id.encode(), access_key_id.encode()):
            raise errors.InvalidClientToken
        if credential.expires_at is not None and credential.expires_at <= self._clock.now():
            raise errors.ExpiredToken
        return credential

    def issue(self, role_arn: ids.Arn, *, session: str, lifetime_s: float) -> Credential:
        claims = {
            "v": _VERSION,
            "key": "ASIA" + "".join(secrets.choice(_ALPHABET) for _ in range(16)),
            "role": role_arn,
            "session": session,
            "until": self._clock.now() + lifetime_s,
        }
        return self._credential(claims, self._sealed(claims))

    def _root_credential(self, session_token: str | None) -> Credential:
        if session_token and not hmac.compare_digest(
            session_token.encode(), self._root.session_token.encode()
        ):
            raise errors.InvalidClientToken
        return Credential(
            access_key_id=self._root.access_key_id,
            secret_access_key=self._root.secret_access_key,
            session_token=self._root.session_token,
            account=self._root.account,
            arn=ids.Arn(f"arn:aws:sts::{self._root.account}:assumed-role/{ROOT_ROLE}/{ROOT_SESSION}"),
            user_id=f"AROA{self._root.access_key_id[4:]}:{ROOT_SESSION}",
            is_root=True,
        )

    def _sealed(self, claims: dict[str, Any]) -> str:
        body = json.dumps(claims, sort_keys=True, separators=(",", ":")).encode()
        return base64.b64encode(self._mac(b"token", body) + body).decode()

    def _opened(self, token: str) -> Credential:
        try:
            raw = base64.b64decode(token, validate=True)
        except (binascii.Error, ValueError) as error:
            raise errors.InvalidClientToken from error
        seal, body = raw[:32], raw[32:]
        if not hmac.compare_digest(seal, self._mac(b"token", body)):
            raise errors.InvalidClientToken
        claims = json.loads(body)
        if claims["v"] != _VERSION or base64.b64encode(raw).decode() != token:
            raise errors.InvalidClientToken
        return self._credential(claims, token)

    def _credential(self, claims: dict[str, Any], token: str) -> Credential:
        role = ids.split_arn(claims["role"])
        name = role.resource.removeprefix("role/").rsplit("/", 1)[-1]
        arn = f"arn:aws:sts::{role.account}:assumed-role/{name}/{claims['session']}"
        secret = base64.b64encode(self._mac(b"secret", token.encode())).decode()[:40]
        return Credential(
            access_key_id=claims["key"],
            secret_access_key=secret,
            session_token=token,
            account=role.account,
            arn=ids.Arn(arn),
            user_id=f"AROA{hashlib.sha256(claims['role'].encode()).hexdigest()[:16].upper()}:{claims['session']}",
            expires_at=claims["until"],
        )

    def _mac(self, purpose: bytes, body: bytes) -> bytes:
        return hmac.new(self._root.sealing_key, purpose + b"\0" + body, hashlib.sha256).digest()


def _make(path: Path, account: str) -> None:
    """Writes new random keys. The file appears whole, with its permissions, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    content = json.dumps(
        {
            "AccessKeyId": "ASIA" + "".join(secrets.choice(_ALPHABET) for _ in range(16)),
            "SecretAccessKey": base64.b64encode(secrets.token_bytes(30)).decode(),
            "SessionToken": base64.b64encode(secrets.token_bytes(96)).decode(),
            "SealingKey": base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode(),
            "Account": account,
        },
        indent=2,
    )
    draft = path.with_suffix(f".{ids.token(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)  # unlike a rename, never over the keys of a server that started at the same time
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
