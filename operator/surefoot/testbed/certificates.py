"""A certificate authority for one test bed, and what it signs.

Elliptic curves throughout: RSA keys would cost a second at each start.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import filelock
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from surefoot.testbed.users import User

VALID_FOR = timedelta(days=3650)
SERVER_NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
SERVER_ADDRESSES = (IPv4Address("127.0.0.1"), IPv6Address("::1"), IPv4Address("10.0.0.1"))


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its key as PEM files."""

    certificate: Path
    key: Path


class Authority:
    """The certificate authority in a directory; made on first use, found again after that."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.files = KeyPair(directory / "ca.crt", directory / "ca.key")
        if not (self.files.certificate.exists() and self.files.key.exists()):
            self._create()
        key = serialization.load_pem_private_key(self.files.key.read_bytes(), password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101 - made by _create
        self._key = key
        self._certificate = x509.load_pem_x509_certificate(self.files.certificate.read_bytes())

    def server(self) -> KeyPair:
        """Give the certificate of the servers on loopback."""
        names: list[x509.GeneralName] = [x509.DNSName(name) for name in SERVER_NAMES]
        names += [x509.IPAddress(address) for address in SERVER_ADDRESSES]
        return self._sign(
            "server",
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kube-apiserver")]),
            ExtendedKeyUsageOID.SERVER_AUTH,
            x509.SubjectAlternativeName(names),
        )

    def client(self, user: User) -> KeyPair:
        """Give the certificate by which the API server knows this user and their groups."""
        groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in user.groups]
        name = x509.NameAttribute(NameOID.COMMON_NAME, user.name)
        file_name = "client-" + user.name.replace(":", "-").replace("/", "-")
        return self._sign(file_name, x509.Name([*groups, name]), ExtendedKeyUsageOID.CLIENT_AUTH)

    def service_account_key(self) -> KeyPair:
        """Give the key that signs tokens; in place of a certificate, its public half."""
        files = KeyPair(self._directory / "sa.pub", self._directory / "sa.key")
        if not files.certificate.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            _write_secret(files.key, _pem_of(key))
            public = key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            files.certificate.write_bytes(public)
        return files

    def _create(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "surefoot-testbed")])
        certificate = (
            _dated(name, name, key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .sign(key, hashes.SHA256())
        )
        _write_secret(self.files.key, _pem_of(key))
        self.files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(
        self,
        file_name: str,
        subject: x509.Name,
        purpose: x509.ObjectIdentifier,
        alternative_names: x509.SubjectAlternativeName | None = None,
    ) -> KeyPair:
        files = KeyPair(self._directory / f"{file_name}.crt", self._directory / f"{file_name}.key")
        if not _is_for(files, subject):
            # Several processes share a bed: the others take what the first of them has made.
            with filelock.FileLock(self._directory / "signing.lock"):
                if not _is_for(files, subject):
                    self._make(files, subject, purpose, alternative_names)
        return files

    def _make(
        self,
        files: KeyPair,
        subject: x509.Name,
        purpose: x509.ObjectIdentifier,
        alternative_names: x509.SubjectAlternativeName | None,
    ) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _dated(subject, self._certificate.subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )
        if alternative_names is not None:
            builder = builder.add_extension(alternative_names, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        _write_secret(files.key, _pem_of(key))
        # Last, and renamed into place: whoever sees it finds both, and whole.
        partial = files.certificate.with_suffix(".partial")
        partial.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        partial.replace(files.certificate)


def _is_for(files: KeyPair, subject: x509.Name) -> bool:
    if not (files.certificate.exists() and files.key.exists()):
        return False
    return x509.load_pem_x509_certificate(files.certificate.read_bytes()).subject == subject


def _dated(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)  # noqa: TID251 - a certificate is dated by this machine's own clock
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + VALID_FOR)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not signs_certificates,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write_secret(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
