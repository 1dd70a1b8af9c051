"""EDGE: `minibroker secure DIR`: what a broker with SASL_SSL needs, drawn once and written down.

An authority, a certificate for the broker's names, a user with a password, a server.properties that
names them, and a client.properties for --command-config. Everything with a secret has mode 0600;
the password is printed this once. Where the directory has them already nothing is changed.
Tests: tests/system/commands/test_secure_command.py
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import secrets
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate, GeneralName

SUMMARY = "draw certificates and a user for a broker with TLS and logins"
EXAMPLES = (
    "secure ./secure --host broker.example",
    "secure /var/lib/minibroker/secure --user orders",
)
HOSTS = ("localhost", "127.0.0.1")
USER = "admin"
LISTENER = "SASL_SSL"
PASSWORD_BYTES = 24
VALID_DAYS = 825  # what most clients believe at most
OWNER_ONLY = 0o600
DIRECTORY_MODE = 0o700
MODULE = "org.apache.kafka.common.security"
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("directory", metavar="DIR", help="where the files are written")
    parser.add_argument(
        "--host",
        metavar="NAME",
        action="append",
        default=[],
        help="a name or address that clients connect to, beside localhost; repeatable",
    )
    parser.add_argument(
        "--listener",
        metavar="NAME",
        action="append",
        help="which listeners are secured, if it is not one at port 9093 alone; repeatable",
    )
    parser.add_argument("--user", default=USER, help="who may log in (default %(default)s)")


def run(args: Namespace) -> int:
    """Write what is not there yet."""
    directory = Path(args.directory).absolute()
    properties = directory / "server.properties"
    if properties.exists():
        print(f"{properties} is there already; nothing was changed")
        return 0
    try:
        password = _write(directory, [*HOSTS, *args.host], args.user, args.listener or [])
    except ImportError:
        print(
            "minibroker secure: needs cryptography: pip install 'minibroker[security]'",
            file=sys.stderr,
        )
        return 1
    except (OSError, ValueError) as error:
        print(f"minibroker secure: {error}", file=sys.stderr)
        return 1
    print(
        f"user: {args.user}\npassword: {password}\n"
        f"authority: {directory / 'ca.crt'}\n"
        f"broker: minibroker serve --config {properties}\n"
        f"clients: minibroker topics list --command-config {directory / 'client.properties'}"
    )
    return 0


def _write(directory: Path, hosts: Sequence[str], user: str, listeners: Sequence[str]) -> str:
    """Write all files, the one that says that all are there last; returns the password."""
    if not user.isascii() or not user.isidentifier():
        raise ValueError(f"--user {user!r}: letters, digits and _")
    authority, chain, key = _certificates(hosts)
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    (directory / "ca.crt").write_text(authority, encoding="ascii")
    _write_secret(directory / "broker.pem", key + chain)
    login = f'{MODULE}.plain.PlainLoginModule required username="{user}" password="{password}";'
    client = {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.jaas.config": login,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(directory / "ca.crt"),
    }
    _write_secret(directory / "client.properties", _lines(client))
    users = f'{MODULE}.plain.PlainLoginModule required user_{user}="{password}";'
    places = {
        "listeners": f"{LISTENER}://0.0.0.0:9093",
        "advertised.listeners": f"{LISTENER}://{hosts[-1]}:9093",
    }
    names = listeners or (LISTENER,)
    server = {
        **({} if listeners else places),
        "listener.security.protocol.map": ",".join(f"{name}:SASL_SSL" for name in names),
        "sasl.enabled.mechanisms": ",".join(MECHANISMS),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(directory / "broker.pem"),
        **{f"listener.name.{each.lower()}.plain.sasl.jaas.config": users for each in names},
    }
    _write_secret(directory / "server.properties", _lines(server))
    return password


def _lines(properties: dict[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in properties.items())


def _write_secret(path: Path, text: str) -> None:
    """Nobody else could read it at any time: the mode is there before the first letter."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _certificates(hosts: Sequence[str]) -> tuple[str, str, str]:
    """The authority, the broker's certificate and its key, all PEM; the authority's key is gone."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    above, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _signed("minibroker authority", above, above, None, [])
    broker = _signed("minibroker", own, above, authority, [_general_name(each) for each in hosts])
    assert isinstance(authority, x509.Certificate)
    key = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem = [each.public_bytes(Encoding.PEM).decode() for each in (authority, broker)]
    return pem[0], pem[1], key.decode()


def _signed(
    name: str,
    key: EllipticCurvePrivateKey,
    by: EllipticCurvePrivateKey,
    issuer: Certificate | None,
    names: Sequence[GeneralName],
) -> Certificate:
    """A certificate of `key`, signed with the key `by`; without an issuer that of an authority."""
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509.oid import NameOID

    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)  # clocks differ
        .not_valid_after(now + VALID_DAYS * day)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False
        )
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    usage = dict.fromkeys(
        (
            *("content_commitment", "data_encipherment", "encipher_only", "decipher_only"),
            *("key_encipherment", "key_agreement"),
        ),
        False,
    )
    signs = issuer is None
    builder = builder.add_extension(
        x509.KeyUsage(digital_signature=True, key_cert_sign=signs, crl_sign=signs, **usage),
        critical=True,
    )
    return builder.sign(by, SHA256())


def _general_name(host: str) -> GeneralName:
    from cryptography.x509 import DNSName, IPAddress

    try:
        return IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return DNSName(host)
