"""Keys and session tokens: nothing is believed that the server did not seal."""

from __future__ import annotations

import base64
import json
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasshouse.engines.identity import local
from glasshouse.kernel import errors, ids
from tests.support.clocks import HandClock

ACCOUNT = "000000000000"
ROLE = ids.Arn(f"arn:aws:iam::{ACCOUNT}:role/path/to/Scientist")
KEYS = local.RootKeys(
    access_key_id="ASIAROOTROOTROOTROOT",
    secret_access_key="root-secret",
    session_token="root-token",
    sealing_key=bytes(range(32)),
    account=ACCOUNT,
)
IDENTITIES = local.LocalIdentities(KEYS, clock=HandClock())
ISSUED = IDENTITIES.issue(ROLE, session="ada", lifetime_s=900)


def test_a_session_is_found_again_as_it_was_issued() -> None:
    assert IDENTITIES.find(ISSUED.access_key_id, ISSUED.session_token) == ISSUED
    assert ISSUED.arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/Scientist/ada"
    assert ISSUED.user_id.endswith(":ada")
    assert not ISSUED.is_root


def test_a_restarted_server_knows_the_sessions_it_issued() -> None:
    again = local.LocalIdentities(KEYS, clock=HandClock())
    assert again.find(ISSUED.access_key_id, ISSUED.session_token) == ISSUED


def test_two_sessions_share_nothing() -> None:
    other = IDENTITIES.issue(ROLE, session="ada", lifetime_s=900)
    assert other.access_key_id != ISSUED.access_key_id
    assert other.secret_access_key != ISSUED.secret_access_key
    with pytest.raises(errors.InvalidClientToken):
        IDENTITIES.find(ISSUED.access_key_id, other.session_token)


def test_a_session_ends_when_its_time_is_over() -> None:
    clock = HandClock()
    identities = local.LocalIdentities(KEYS, clock=clock)
    issued = identities.issue(ROLE, session="ada", lifetime_s=900)
    clock.move(899.9)
    assert identities.find(issued.access_key_id, issued.session_token) == issued
    clock.move(0.1)
    with pytest.raises(errors.ExpiredToken):
        identities.find(issued.access_key_id, issued.session_token)


def test_the_root_identity_is_an_assumed_role_of_the_account() -> None:
    root = IDENTITIES.find(KEYS.access_key_id, KEYS.session_token)
    assert root.is_root
    assert root.arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/GlasshouseRoot/root"
    assert root.expires_at is None
    assert IDENTITIES.find(KEYS.access_key_id, None) == root


@pytest.mark.parametrize("token", ["root-toke", "root-token ", "x", ISSUED.session_token])
def test_the_root_keys_with_another_token_are_refused(token: str) -> None:
    with pytest.raises(errors.InvalidClientToken):
        IDENTITIES.find(KEYS.access_key_id, token)


@pytest.mark.parametrize("token", [None, "", "=", "AAAA", "not base64 \u00fc", "A" * 10_000])
def test_a_key_without_its_token_is_refused(token: str | None) -> None:
    with pytest.raises(errors.InvalidClientToken):
        IDENTITIES.find(ISSUED.access_key_id, token)


def test_another_servers_tokens_are_refused() -> None:
    other = local.LocalIdentities(
        local.RootKeys(
            access_key_id=KEYS.access_key_id,
            secret_access_key="s",
            session_token="t",
            sealing_key=b"x" * 32,
            account=ACCOUNT,
        ),
        clock=HandClock(),
    ).issue(ROLE, session="ada", lifetime_s=900)
    with pytest.raises(errors.InvalidClientToken):
        IDENTITIES.find(other.access_key_id, other.session_token)


@st.composite
def edits(draw: st.DrawFn) -> str:
    """The token with one piece of it replaced, left out, or put in."""
    token = ISSUED.session_token
    start = draw(st.integers(0, len(token)))
    end = draw(st.integers(start, min(len(token), start + 4)))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/= -_\n\u00e9"
    return token[:start] + draw(st.text(alphabet, max_size=4)) + token[end:]


@given(edited=edits())
def test_an_edited_token_is_refused(edited: str) -> None:
    if edited == ISSUED.session_token:
        return
    with pytest.raises(errors.InvalidClientToken):
        IDENTITIES.find(ISSUED.access_key_id, edited)


def test_no_last_character_stands_for_another() -> None:
    """Base64 leaves bits of its last character unused: another spelling of the same bytes is another token."""
    issued = next(
        one
        for one in (IDENTITIES.issue(ROLE, session="s" * n, lifetime_s=9) for n in range(1, 9))
        if one.session_token.endswith("=")
    )
    body, padding = issued.session_token.rstrip("="), "=" * issued.session_token.count("=")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    for last in set(alphabet) - {body[-1]}:
        with pytest.raises(errors.InvalidClientToken):
            IDENTITIES.find(issued.access_key_id, body[:-1] + last + padding)


@given(
    claims=st.dictionaries(
        st.sampled_from(["v", "key", "role", "session", "until"]), st.integers() | st.text()
    )
)
def test_a_forged_token_is_refused(claims: dict[str, Any]) -> None:
    body = json.dumps({"v": 1, "key": "ASIAX", "role": ROLE, "session": "s", "until": 9e12} | claims).encode()
    for seal in (b"", bytes(32), b"\xff" * 32):
        token = base64.b64encode(seal + body).decode()
        with pytest.raises(errors.InvalidClientToken):
            IDENTITIES.find("ASIAX", token)


# --- the key file


def test_the_first_start_makes_keys_that_only_the_owner_can_read(tmp_path: Path) -> None:
    path = tmp_path / "data" / "credentials.json"
    made = local.load_or_make(path, account=ACCOUNT)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["credentials.json"]
    assert local.load_or_make(path, account=ACCOUNT) == made
    assert local.load_or_make(tmp_path / "other" / "c.json", account=ACCOUNT) != made


def test_servers_that_start_at_the_same_time_agree_on_the_keys(tmp_path: Path) -> None:
    found: list[local.RootKeys] = []
    path = tmp_path / "credentials.json"

    def start() -> None:
        found.append(local.load_or_make(path, account=ACCOUNT))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [found[0]] * 8


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o610, 0o602])
def test_keys_that_others_can_reach_are_not_used(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "credentials.json"
    local.load_or_make(path, account=ACCOUNT)
    path.chmod(mode)
    with pytest.raises(local.UnreadableKeys, match="chmod 600"):
        local.load(path)


@pytest.mark.parametrize(
    "change",
    [
        {"SealingKey": ""},
        {"SealingKey": "c2hvcnQ="},
        {"SealingKey": "!!!!"},
        {"SecretAccessKey": ""},
        {"SecretAccessKey": None},
        {"SessionToken": 5},
        {"AccessKeyId": None},
        {"Account": None},
    ],
)
def test_a_damaged_key_file_is_not_used(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "credentials.json"
    local.load_or_make(path, account=ACCOUNT)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(local.UnreadableKeys, match="damaged"):
        local.load(path)


@pytest.mark.parametrize("content", ["", "{}", "[]", "5", "\ufeff{"])
def test_a_file_that_is_no_key_file_is_not_used(tmp_path: Path, content: str) -> None:
    path = tmp_path / "credentials.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(local.UnreadableKeys, match="damaged"):
        local.load(path)


def test_a_missing_key_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(local.UnreadableKeys, match="glasshouse up"):
        local.load(tmp_path / "credentials.json")


def test_keys_of_another_account_are_refused_by_its_name(tmp_path: Path) -> None:
    local.load_or_make(tmp_path / "c.json", account=ACCOUNT)
    with pytest.raises(local.UnreadableKeys, match=f"account {ACCOUNT}, not 111111111111"):
        local.load_or_make(tmp_path / "c.json", account="111111111111")


def test_no_secret_is_ever_shown() -> None:
    for shown in (repr(KEYS), str(KEYS), f"{ISSUED}", repr([ISSUED]), repr(IDENTITIES)):
        for secret in (
            KEYS.secret_access_key,
            KEYS.session_token,
            str(KEYS.sealing_key),
            ISSUED.secret_access_key,
            ISSUED.session_token,
        ):
            assert secret not in shown
