"""The verifier accepts what botocore signs and refuses every change to it."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import urllib.parse
from unittest import mock

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import hypothesis
import hypothesis.strategies as st
import pytest

from glasshouse.kernel import errors, signatures
from glasshouse.kernel.signatures import canonical
from tests.support import identities

CLOCK = identities.StoppedClock()
KEY = identities.credential()
TEMPORARY = identities.credential("ASIATEMPORARY", token="a/session+token==")
VERIFIER = signatures.Verifier(
    identities=identities.KnownIdentities(KEY, TEMPORARY, clock=CLOCK), clock=CLOCK, region="us-east-1"
)
SERVICES = ("sagemaker", "sts", "iam", "logs", "monitoring", "s3")
FAST = hypothesis.settings(max_examples=60, deadline=None)


def sign(
    service: str,
    *,
    method: str = "POST",
    path: str = "/",
    query: str = "",
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    temporary: bool = False,
    presign_s: int | None = None,
    region: str = "us-east-1",
    version2: bool = False,
) -> tuple[signatures.Head, bytes]:
    """The head and body that botocore would send, signed at the stopped clock's time."""
    url = f"http://127.0.0.1:8400{path}" + (f"?{query}" if query else "")
    request = botocore.awsrequest.AWSRequest(method=method, url=url, data=body, headers=headers or {})
    given = TEMPORARY if temporary else KEY
    credentials = botocore.credentials.Credentials(
        given.access_key_id, given.secret_access_key, given.session_token or None
    )
    now = dt.datetime.fromtimestamp(CLOCK.now(), dt.UTC).replace(tzinfo=None)
    with (
        mock.patch("botocore.auth.get_current_datetime", return_value=now),
        mock.patch("botocore.auth.time.time", CLOCK.now),
    ):
        signer(service, credentials, region, presign_s, version2).add_auth(request)
    return received(request), body


def signer(service, credentials, region, presign_s, version2):
    auth = botocore.auth
    if version2:
        return auth.HmacV1QueryAuth(credentials, expires=presign_s)
    if presign_s is not None:
        query = auth.S3SigV4QueryAuth if service == "s3" else auth.SigV4QueryAuth
        return query(credentials, service, region, expires=presign_s)
    header = auth.S3SigV4Auth if service == "s3" else auth.SigV4Auth
    return header(credentials, service, region)


def received(request: botocore.awsrequest.AWSRequest) -> signatures.Head:
    parts = urllib.parse.urlsplit(request.url)
    headers = [(n.encode(), v.encode() if isinstance(v, str) else v) for n, v in request.headers.items()]
    if not any(name.lower() == b"host" for name, _ in headers):
        headers.append((b"Host", parts.netloc.encode()))
    return signatures.Head.received(request.method, parts.path.encode(), parts.query.encode(), headers)


def changed(head: signatures.Head, **changes) -> signatures.Head:
    fields = {"method": head.method, "path": head.path, "query": head.query, "headers": head.headers}
    return signatures.Head(**(fields | changes))


def with_header(head: signatures.Head, name: str, value: str | None) -> signatures.Head:
    kept = tuple((n, v) for n, v in head.headers if n != name)
    return changed(head, headers=kept + (((name, value),) if value is not None else ()))


segment = st.text("abcXYZ019-._~ /ü+@:%&=", min_size=1, max_size=8)
names = st.sampled_from(["x-amz-target", "x-amz-meta-a", "content-type", "x-amz-acl", "x-custom"])
values = st.text("abc XYZ/;=0", min_size=1, max_size=12).map(str.strip).filter(bool)


@st.composite
def requests(draw, services=SERVICES):
    """Arguments of sign()."""
    service = draw(st.sampled_from(services))
    quoted = [urllib.parse.quote(s, safe="~") for s in draw(st.lists(segment, max_size=3))]
    path = "/" + "/".join(s for s in quoted if s not in (".", ".."))
    pairs = draw(st.lists(st.tuples(segment, segment), max_size=3, unique_by=lambda pair: pair[0]))
    return {
        "service": service,
        "method": draw(st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD"])),
        "path": path,
        "query": "&".join(
            f"{urllib.parse.quote(k, safe='-_.~')}={urllib.parse.quote(v, safe='-_.~')}" for k, v in pairs
        ),
        "headers": draw(st.dictionaries(names, values, max_size=3)),
        "body": draw(st.binary(max_size=32)),
        "temporary": draw(st.booleans()),
    }


@FAST
@hypothesis.given(request=requests())
def test_what_botocore_signs_is_accepted(request):
    head, body = sign(**request)
    verified = VERIFIER.verify(head, body=body)
    assert verified.service == request["service"]
    assert verified.caller.access_key_id == (TEMPORARY if request["temporary"] else KEY).access_key_id
    if request["service"] == "s3":
        assert verified.payload == signatures.Hashed(sha256=hashlib.sha256(body).hexdigest())


@FAST
@hypothesis.given(request=requests(), expires_s=st.integers(1, 604_800))
def test_what_botocore_presigns_is_accepted(request, expires_s):
    request["body"] = b""
    head, body = sign(**request, presign_s=expires_s)
    verified = VERIFIER.verify(head, body=body)
    assert verified.service == request["service"]


@FAST
@hypothesis.given(request=requests(services=("s3",)), expires_s=st.integers(1, 604_800))
def test_what_botocore_presigns_with_version_2_is_accepted(request, expires_s):
    request |= {"body": b"", "query": "versionId=a%2Fb", "headers": {"content-type": "text/plain"}}
    head, _ = sign(**request, presign_s=expires_s, version2=True)
    verified = VERIFIER.verify(head)
    assert verified.service == "s3"
    assert verified.payload == signatures.Unsigned()


def mutations(head: signatures.Head, signed: list[str]):
    """Every kind of change that somebody on the way could make."""
    yield "method", changed(head, method="PATCH")
    yield "path", changed(head, path=head.path + "x")
    yield "path up", changed(head, path=head.path.rstrip("/") + "/x/..")
    yield "path slash", changed(head, path="/" + head.path)
    yield "query", changed(head, query=f"{head.query}&extra=1" if head.query else "extra=1")
    yield "fragment", changed(head, path=head.path + "#x")
    for name in signed:
        value = head.header(name)
        yield f"{name} altered", with_header(head, name, f"{value}x")
        yield f"{name} dropped", with_header(head, name, None)
        yield f"{name} twice", changed(head, headers=(*head.headers, (name, "again")))
    yield "unsigned x-amz", changed(head, headers=(*head.headers, ("x-amz-added", "1")))


def is_refused(head: signatures.Head, body: bytes | None = b"") -> bool:
    try:
        verified = VERIFIER.verify(head, body=body)
        if body is not None and isinstance(verified.payload, signatures.Hashed):
            verified.payload.check_body(body)
    except errors.Unauthenticated:
        return True
    return False


def flipped(text: str, at: int) -> str:
    at %= len(text)
    return text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]


@FAST
@hypothesis.given(request=requests(), at=st.integers(0, 63))
def test_every_change_to_a_signed_request_is_refused(request, at):
    head, body = sign(**request)
    authorization = head.header("authorization")
    signed = authorization.split("SignedHeaders=")[1].split(",")[0].split(";")
    accepted = [what for what, mutant in mutations(head, signed) if not is_refused(mutant, body)]
    assert accepted == []
    assert is_refused(head, body + b"x")
    start, _, signature = authorization.rpartition("=")
    assert is_refused(with_header(head, "authorization", f"{start}={flipped(signature, at)}"), body)
    for name in signed:
        fewer = authorization.replace(name + ";", "").replace(";" + name + ",", ",")
        assert is_refused(with_header(head, "authorization", fewer), body), name


@FAST
@hypothesis.given(request=requests(), at=st.integers(0, 63))
def test_every_change_to_a_presigned_url_is_refused(request, at):
    request |= {"body": b"", "headers": {}}
    head, body = sign(**request, presign_s=600)
    assert [what for what, mutant in mutations(head, ["host"]) if not is_refused(mutant, body)] == []
    url, _, signature = head.query.rpartition("=")
    assert is_refused(changed(head, query=f"{url}={flipped(signature, at)}"))
    longer = head.query.replace("X-Amz-Expires=600", "X-Amz-Expires=6000")
    assert longer != head.query
    assert is_refused(changed(head, query=longer))
    if request["service"] != "s3":
        assert is_refused(head, b"x")


@pytest.mark.parametrize(
    "extra",
    ["uploads=", "versionId=x", "attributes=", "X-Amz-Meta=1", "x-amz-acl=public-read", "Expires=9999999999"],
)
def test_version_2_urls_take_no_further_parameters(extra):
    head, _ = sign("s3", method="GET", path="/b/k", presign_s=600, version2=True)
    assert not is_refused(head, None)
    assert is_refused(changed(head, query=f"{head.query}&{extra}"), None)


def test_version_2_urls_bind_method_path_and_expiry():
    head, _ = sign("s3", method="GET", path="/b/k", presign_s=600, version2=True)
    assert is_refused(changed(head, method="PUT"), None)
    assert is_refused(changed(head, path="/b/other"), None)
    expiry = int(CLOCK.now()) + 600
    later = head.query.replace(f"Expires={expiry}", f"Expires={expiry + 1}")
    assert later != head.query
    assert is_refused(changed(head, query=later), None)
    assert is_refused(changed(head, headers=(*head.headers, ("x-amz-acl", "public-read"))), None)


def refused_with(head: signatures.Head, *, body: bytes | None = b"", clock=CLOCK, region: str = "us-east-1"):
    known = identities.KnownIdentities(
        KEY, TEMPORARY, identities.credential("ASIAOLD", token="t", expires_at=1.0), clock=clock
    )
    verifier = signatures.Verifier(identities=known, clock=clock, region=region)
    with pytest.raises(errors.Unauthenticated) as caught:
        verifier.verify(head, body=body)
    return caught.value.code


CODES = {
    "json": {
        "wrong secret": "InvalidSignatureException",
        "unknown key": "UnrecognizedClientException",
        "wrong token": "UnrecognizedClientException",
        "late": "InvalidSignatureException",
        "early": "InvalidSignatureException",
        "elsewhere": "InvalidSignatureException",
        "incomplete": "IncompleteSignatureException",
    },
    "query": {
        "wrong secret": "SignatureDoesNotMatch",
        "unknown key": "InvalidClientTokenId",
        "wrong token": "InvalidClientTokenId",
        "late": "SignatureDoesNotMatch",
        "early": "SignatureDoesNotMatch",
        "elsewhere": "SignatureDoesNotMatch",
        "incomplete": "IncompleteSignature",
    },
    "s3": {
        "wrong secret": "SignatureDoesNotMatch",
        "unknown key": "InvalidAccessKeyId",
        "wrong token": "InvalidToken",
        "late": "RequestTimeTooSkewed",
        "early": "RequestTimeTooSkewed",
        "elsewhere": "AuthorizationHeaderMalformed",
        "incomplete": "AuthorizationHeaderMalformed",
    },
}


@pytest.mark.parametrize(("family", "service"), [("json", "sagemaker"), ("query", "sts"), ("s3", "s3")])
def test_each_refusal_carries_the_familys_own_code(family, service):
    head, _ = sign(service)
    authorization = head.header("authorization")
    temporary, _ = sign(service, temporary=True)
    signature = authorization[-64:]
    found = {
        "wrong secret": refused_with(
            with_header(head, "authorization", authorization[:-64] + flipped(signature, 3))
        ),
        "unknown key": refused_with(
            with_header(head, "authorization", authorization.replace("AKIDEXAMPLE", "AKIDX"))
        ),
        "wrong token": refused_with(with_header(temporary, "x-amz-security-token", "other")),
        "late": refused_with(head, clock=identities.StoppedClock(CLOCK.now() + 901)),
        "early": refused_with(head, clock=identities.StoppedClock(CLOCK.now() - 901)),
        "elsewhere": refused_with(sign(service, region="mars-north-1")[0]),
        "incomplete": refused_with(
            with_header(
                head, "authorization", authorization.replace("host;", "").replace("SignedHeaders=host,", "")
            )
        ),
    }
    assert found == CODES[family]


def test_the_skew_may_be_fifteen_minutes():
    head, _ = sign("sagemaker")
    for shift in (-900, 900):
        clock = identities.StoppedClock(CLOCK.now() + shift)
        known = identities.KnownIdentities(KEY, clock=clock)
        signatures.Verifier(identities=known, clock=clock, region="us-east-1").verify(head, body=b"")


def test_unsigned_requests_are_refused():
    head = signatures.Head(method="POST", path="/", query="", headers=(("host", "h"),))
    assert refused_with(head) == "MissingAuthenticationTokenException"


def test_a_presigned_url_ends_when_it_says():
    for service, code in (("s3", "AccessDenied"), ("sts", "SignatureDoesNotMatch")):
        head, _ = sign(service, method="GET", presign_s=60)
        assert refused_with(head, clock=identities.StoppedClock(CLOCK.now() + 61)) == code
    head, _ = sign("s3", method="GET", presign_s=60, version2=True)
    assert refused_with(head, body=None, clock=identities.StoppedClock(CLOCK.now() + 61)) == "AccessDenied"


def test_iam_and_sts_may_sign_for_us_east_1_anywhere():
    clock = CLOCK
    verifier = signatures.Verifier(
        identities=identities.KnownIdentities(KEY, clock=clock), clock=clock, region="eu-west-1"
    )
    assert verifier.verify(sign("iam")[0], body=b"").region == "us-east-1"
    assert refused_with(sign("sagemaker")[0], region="eu-west-1") == "InvalidSignatureException"


def test_a_stranger_is_refused_before_the_body_is_read():
    head, _ = sign("sagemaker", body=b"body")
    VERIFIER.screen(head)
    stranger = with_header(
        head, "authorization", head.header("authorization").replace("AKIDEXAMPLE", "AKIDX")
    )
    with pytest.raises(errors.Unauthenticated):
        VERIFIER.screen(stranger)


def test_an_altered_body_is_found_when_it_is_read():
    head, _ = sign("s3", method="PUT", path="/b/k", body=b"hello")
    verified = VERIFIER.verify(head)
    verified.payload.check_body(b"hello")
    with pytest.raises(errors.Unauthenticated, match="x-amz-content-sha256"):
        verified.payload.check_body(b"hullo")


@pytest.mark.parametrize("word", ["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", ""])
def test_only_s3_lets_bodies_go_unsigned(word):
    head, _ = sign("sagemaker", headers={"X-Amz-Content-SHA256": word}, body=b"")
    assert refused_with(head) == "InvalidSignatureException"


def test_unsigned_and_streamed_payloads_are_told_apart():
    def payload_of(word):
        return VERIFIER.verify(signed_as(word)).payload

    assert payload_of("UNSIGNED-PAYLOAD") == signatures.Unsigned()
    assert payload_of("STREAMING-UNSIGNED-PAYLOAD-TRAILER") == signatures.Unsigned(chunked=True)
    assert isinstance(payload_of("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), signatures.Chunked)
    assert payload_of("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER").trailer
    with pytest.raises(errors.Unauthenticated):
        payload_of("STREAMING-SOMETHING-ELSE")


def signed_as(word: str) -> signatures.Head:
    """An S3 request whose payload is described by the word."""
    with mock.patch("botocore.auth.S3SigV4Auth.payload", return_value=word):
        return sign("s3", method="PUT", path="/b/k")[0]


# The example of "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks"
# in the Amazon S3 API reference.
EXAMPLE = signatures.Head(
    method="PUT",
    path="/examplebucket/chunkObject.txt",
    query="",
    headers=(
        ("host", "s3.amazonaws.com"),
        ("x-amz-date", "20130524T000000Z"),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
            "SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;"
            "x-amz-decoded-content-length;x-amz-storage-class,"
            "Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        ),
        ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
        ("content-encoding", "aws-chunked"),
        ("x-amz-decoded-content-length", "66560"),
        ("content-length", "66824"),
    ),
)
CHUNKS = (
    (b"a" * 65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
    (b"a" * 1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
    (b"", "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
)


def example_chunks() -> signatures.ChunkVerifier:
    clock = identities.StoppedClock(dt.datetime(2013, 5, 24, tzinfo=dt.UTC).timestamp())
    known = identities.credential("AKIAIOSFODNN7EXAMPLE", secret="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    verifier = signatures.Verifier(
        identities=identities.KnownIdentities(known, clock=clock), clock=clock, region="us-east-1"
    )
    payload = verifier.verify(EXAMPLE).payload
    assert isinstance(payload, signatures.Chunked)
    return payload.verifier


def test_the_chunks_of_awss_own_example_are_accepted():
    verifier = example_chunks()
    for data, signature in CHUNKS:
        verifier.chunk(hashlib.sha256(data).hexdigest(), signature)


@pytest.mark.parametrize("order", [(1, 0, 2), (0, 2), (0, 0), (1,)])
def test_chunks_out_of_order_are_refused(order):
    verifier = example_chunks()

    def read() -> None:
        for data, signature in (CHUNKS[at] for at in order):
            verifier.chunk(hashlib.sha256(data).hexdigest(), signature)

    with pytest.raises(errors.Unauthenticated):
        read()


def test_a_changed_chunk_is_refused():
    with pytest.raises(errors.Unauthenticated):
        example_chunks().chunk(hashlib.sha256(b"b" * 65536).hexdigest(), CHUNKS[0][1])


# The example of "Signature calculations for chunked uploads with trailing headers" in the same reference.
TRAILED = (
    (b"a" * 65536, "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2"),
    (b"a" * 1024, "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7"),
    (b"", "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"),
)
TRAILER = b"x-amz-checksum-crc32c:sOO8/Q==\n"


def test_a_signed_trailer_is_accepted_and_a_changed_one_refused():
    for text, refused in ((TRAILER, False), (TRAILER.replace(b"sOO8", b"sOO9"), True)):
        verifier = signatures.ChunkVerifier(
            key=canonical.signing_key(
                "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20130524", "us-east-1", "s3"
            ),
            timestamp="20130524T000000Z",
            scope="20130524/us-east-1/s3/aws4_request",
            seed="106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
        )
        for data, signature in TRAILED:
            verifier.chunk(hashlib.sha256(data).hexdigest(), signature)
        signature = "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"
        with pytest.raises(errors.Unauthenticated) if refused else contextlib.nullcontext():
            verifier.trailer(text, signature)
