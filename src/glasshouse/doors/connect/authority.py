"""A certificate authority of the data folder's own, good for names under amazonaws.com and nothing else."""

from __future__ import annotations

import datetime as dt
import os
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from glasshouse.kernel import clock as clocks
from glasshouse.kernel import ids

DOMAIN = "amazonaws.com"
"""The only domain that a certificate of this authority is valid for, by its own name constraint."""
CERTIFICATE = "ca.pem"
KEY = "ca-key.pem"
LIFETIME = dt.timedelta(days=3650)
RENEW_BEFORE = dt.timedelta(days=90)
LEAF_LIFETIME = dt.timedelta(days=30)
SKEW = dt.timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """Issues server certificates. `bundle` is the file that clients trust (AWS_CA_BUNDLE)."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    bundle: Path

    def __repr__(self) -> str:
        return f"Authority({self.bundle})"

    def context(self, host: str, *, now: dt.datetime) -> ssl.SSLContext:
        """TLS for a server named `host`, with a new key and a certificate of this authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _begun(_name(host), key.public_key(), until=now + LEAF_LIFETIME, now=now)
            .issuer_name(self.certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
            )
            .sign(self.key, hashes.SHA256())
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        with tempfile.TemporaryDirectory(dir=self.bundle.parent) as folder:
            chain = Path(folder) / "leaf.pem"
            _write(chain, _pem_of(key) + certificate.public_bytes(serialization.Encoding.PEM))
            context.load_cert_chain(chain)
        return context


def ends_at_a_root(chain: Path) -> bool:
    """Whether one of the file's certificates is its own issuer; clients that trust no other file need that one."""
    found = x509.load_pem_x509_certificates(chain.read_bytes())
    return any(one.issuer == one.subject for one in found)


def load_or_make(folder: Path, *, clock: clocks.Clock) -> Authority:
    """The authority kept in the folder; a new one when there is none or when it ends soon."""
    now = clocks.as_datetime(clock.now())
    try:
        certificate = x509.load_pem_x509_certificate((folder / CERTIFICATE).read_bytes())
        key = serialization.load_pem_private_key((folder / KEY).read_bytes(), password=None)
    except FileNotFoundError:
        return _make(folder, now)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or certificate.public_key() != key.public_key():
        return _make(folder, now)
    if certificate.not_valid_after_utc - now < RENEW_BEFORE:
        return _make(folder, now)
    return Authority(certificate=certificate, key=key, bundle=folder / CERTIFICATE)


def _make(folder: Path, now: dt.datetime) -> Authority:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"Glasshouse {ids.token(4)}")
    only = x509.NameConstraints(permitted_subtrees=[x509.DNSName(DOMAIN)], excluded_subtrees=None)
    certificate = (
        _begun(name, key.public_key(), until=now + LIFETIME, now=now)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(only, critical=True)
        .add_extension(_signs_certificates(), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(folder / KEY, _pem_of(key))
    _write(folder / CERTIFICATE, certificate.public_bytes(serialization.Encoding.PEM))
    return Authority(certificate=certificate, key=key, bundle=folder / CERTIFICATE)


def _begun(
    subject: x509.Name, public: ec.EllipticCurvePublicKey, *, until: dt.datetime, now: dt.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(until)
    )


def _signs_certificates() -> x509.KeyUsage:
    return x509.KeyUsage(
        key_cert_sign=True,
        crl_sign=True,
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes) -> None:
    """The file appears whole, readable by its owner only, or not at all."""
    draft = path.with_name(f"{path.name}.{ids.token(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
