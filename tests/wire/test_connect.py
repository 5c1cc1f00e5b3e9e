"""A real STS client with its built-in https address, sent through HTTPS_PROXY to the CONNECT door."""

from __future__ import annotations

import contextlib
import datetime as dt
import http.client
import ssl
import stat
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.config
import botocore.exceptions
import pytest

from glasshouse.doors import connect
from glasshouse.kernel import clock as clocks
from tests.wire import doorway

ACCOUNT = "000000000000"


def caller_identity(_request: dict[str, Any], caller: Any) -> dict[str, Any]:
    return {"Account": ACCOUNT, "Arn": caller.arn, "UserId": caller.user_id}


@contextlib.contextmanager
def open_proxy(folder: Path) -> Iterator[tuple[connect.Proxy, connect.Authority]]:
    clock = clocks.SystemClock()
    authority = connect.load_or_make(folder / "ca", clock=clock)
    with doorway.open_door(GetCallerIdentity=caller_identity) as door:
        proxy = connect.Proxy(authority=authority, clock=clock, server=door.url)
        proxy.start()
        try:
            yield proxy, authority
        finally:
            proxy.stop()


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[connect.Proxy, connect.Authority]]:
    with open_proxy(tmp_path_factory.mktemp("connect")) as opened:
        yield opened


def client(proxy: connect.Proxy, authority: connect.Authority, *, region: str = "us-east-1") -> Any:
    """As the SDKs make it: the regional address of AWS, whatever the endpoint setting says."""
    return boto3.client(
        "sts",
        region_name=region,
        endpoint_url=f"https://sts.{region}.amazonaws.com",
        verify=str(authority.bundle),
        aws_access_key_id=doorway.KEY.access_key_id,
        aws_secret_access_key=doorway.KEY.secret_access_key,
        config=botocore.config.Config(proxies={"https": proxy.url}, retries={"total_max_attempts": 1}),
    )


def asked(proxy: connect.Proxy, host: str, port: int = 443) -> tuple[int, str]:
    """Status and text of the answer to CONNECT host:port."""
    where = urllib.parse.urlsplit(proxy.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=10)
    try:
        connection.request("CONNECT", f"{host}:{port}")
        answer = connection.getresponse()
        return answer.status, answer.read().decode() if answer.status != 200 else ""
    finally:
        connection.close()


@pytest.mark.slow
def test_the_built_in_address_of_sts_is_answered_by_this_server(
    door: tuple[connect.Proxy, connect.Authority],
) -> None:
    sts = client(*door)
    assert [sts.get_caller_identity()["Account"] for _ in range(3)] == [ACCOUNT] * 3


@pytest.mark.parametrize(
    "host",
    [
        "sm-pysdk-t-us-east-1.s3.us-east-1.amazonaws.com",
        "s3.amazonaws.com",
        "sts.amazonaws.com.example.org",
        "xsts.us-east-1.amazonaws.com",
        "sts.us-east-1.amazonaws.com.",
        "127.0.0.1",
        "localhost",
    ],
)
def test_every_other_host_is_refused(door: tuple[connect.Proxy, connect.Authority], host: str) -> None:
    status, text = asked(door[0], host)
    assert (status, host in text) == (403, True)


def test_another_port_of_sts_is_refused(door: tuple[connect.Proxy, connect.Authority]) -> None:
    assert asked(door[0], "sts.us-east-1.amazonaws.com", 22)[0] == 403


def test_a_plain_request_is_refused(door: tuple[connect.Proxy, connect.Authority]) -> None:
    where = urllib.parse.urlsplit(door[0].url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=10)
    connection.request("GET", "http://sts.us-east-1.amazonaws.com/")
    assert connection.getresponse().status == 405
    connection.close()


@pytest.mark.slow
def test_a_client_that_does_not_trust_the_authority_refuses_it(
    door: tuple[connect.Proxy, connect.Authority], tmp_path: Path
) -> None:
    stranger = connect.load_or_make(tmp_path / "other", clock=clocks.SystemClock())
    with pytest.raises(botocore.exceptions.SSLError):
        client(door[0], stranger).get_caller_identity()


def test_the_authority_stays_and_its_key_is_private(tmp_path: Path) -> None:
    clock = clocks.SystemClock()
    first = connect.load_or_make(tmp_path / "ca", clock=clock)
    second = connect.load_or_make(tmp_path / "ca", clock=clock)
    assert first.certificate == second.certificate
    for file in (tmp_path / "ca").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_authority_that_ends_soon_is_made_anew(tmp_path: Path) -> None:
    first = connect.load_or_make(tmp_path / "ca", clock=clocks.SystemClock())
    late = doorway.ShiftedClock(shift_s=dt.timedelta(days=3600).total_seconds())
    assert connect.load_or_make(tmp_path / "ca", clock=late).certificate != first.certificate


@pytest.mark.slow
def test_the_authority_vouches_for_no_host_outside_its_domain(tmp_path: Path) -> None:
    clock = clocks.SystemClock()
    authority = connect.load_or_make(tmp_path / "ca", clock=clock)
    now = clocks.as_datetime(clock.now())
    trusting = ssl.create_default_context(cafile=str(authority.bundle))

    def handshake(host: str) -> None:
        """In memory: client and server pass each other their bytes."""
        to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = authority.context(host, now=now).wrap_bio(to_server, to_client, server_side=True)
        caller = trusting.wrap_bio(to_client, to_server, server_hostname=host)
        for side in (caller, server) * 3:
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()

    handshake("sts.eu-west-1.amazonaws.com")
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        handshake("bank.example.org")
