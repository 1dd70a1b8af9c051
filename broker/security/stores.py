"""EDGE: keystores and truststores: PEM in files or in the configuration, PKCS12 in files.

What comes of any of them is PEM: the private key, its certificates, the authorities. PKCS12 is read
through `cryptography`, which is imported only then. JKS is refused with the command that converts.
No text of an error shows a key or a password.
Source: DefaultSslEngineFactory.java. Tests: tests/unit/broker/security/test_stores.py
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..config.listener_security import Store
from ..config.properties import ConfigError

STORE_BYTES_MAX = 1024 * 1024
_BLOCK = re.compile(
    r"-----BEGIN (?P<what>[A-Z0-9 ]+)-----(?P<body>[^-]*)-----END (?P=what)-----", re.DOTALL
)
_HEADER = re.compile(r"^[A-Za-z-]+:.*$", re.MULTILINE)  # of an old encrypted key
_LINE_LENGTH = 64


@dataclass(frozen=True, slots=True, repr=False)
class KeyAndCertificates:
    """A keystore in PEM, and the password of its key."""

    key: str
    certificates: str
    password: str | None


def file_of(store: Store) -> Path | None:
    """The file that a store is in, which may change; None for one in the configuration."""
    return None if store.location is None else Path(store.location)


def read_keystore(store: Store) -> KeyAndCertificates:
    """The private key and its certificates.

    Raises:
        ConfigError: it cannot be read, or holds none; the text says what to do.
    """
    if store.kind == "JKS":
        raise ConfigError(_convert(store))
    password = store.key_password.reveal() if store.key_password is not None else None
    if store.kind == "PKCS12":
        return _pkcs12_keystore(store, password)
    if store.location is not None:
        key = certificates = _text(store)
    else:
        assert store.key is not None
        assert store.certificates is not None
        key, certificates = store.key.reveal(), store.certificates.reveal()
    keys = [block for what, block in _blocks(key) if what.endswith("PRIVATE KEY")]
    chain = [block for what, block in _blocks(certificates) if what == "CERTIFICATE"]
    if len(keys) != 1 or not chain:
        raise ConfigError(
            f"{_name(store)}: expected one private key and its certificates in PEM, found "
            f"{len(keys)} and {len(chain)}"
        )
    return KeyAndCertificates(keys[0], "".join(chain), password)


def read_truststore(store: Store) -> str:
    """The authorities, in PEM. Raises ConfigError: it cannot be read, or holds none."""
    if store.kind == "JKS":
        raise ConfigError(_convert(store))
    if store.kind == "PKCS12":
        return _pkcs12_authorities(store)
    if store.certificates is not None and store.location is None:
        text = store.certificates.reveal()
    else:
        text = _text(store)
    found = [block for what, block in _blocks(text) if what == "CERTIFICATE"]
    if not found:
        raise ConfigError(f"{_name(store)}: there is no certificate in it")
    return "".join(found)


def _name(store: Store) -> str:
    where = f"={store.location}" if store.location is not None else ""
    what = "location" if store.location is not None else "certificates"
    if store.what == "keystore" and store.location is None:
        what = "key"
    return f"ssl.{store.what}.{what}{where}"


def _convert(store: Store) -> str:
    target = (store.location or "store.jks").removesuffix(".jks") + ".p12"
    return (
        f"ssl.{store.what}.type=JKS: that is not read here. Convert it: keytool -importkeystore "
        f"-srckeystore {store.location or 'store.jks'} -destkeystore {target} -deststoretype "
        f"PKCS12 ; then ssl.{store.what}.type=PKCS12 and ssl.{store.what}.location={target}, or "
        f"ssl.{store.what}.type=PEM with a file in PEM"
    )


def _bytes(store: Store) -> bytes:
    assert store.location is not None
    try:
        with Path(store.location).open("rb") as file:
            data = file.read(STORE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{_name(store)}: {error.strerror or error}") from None
    if len(data) > STORE_BYTES_MAX:
        raise ConfigError(f"{_name(store)}: it is longer than {STORE_BYTES_MAX} bytes")
    return data


def _text(store: Store) -> str:
    try:
        return _bytes(store).decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError(
            f"{_name(store)}: that is no PEM; is ssl.{store.what}.type={store.kind} right?"
        ) from None


def _blocks(text: str) -> list[tuple[str, str]]:
    """What each block of PEM is, and the block with its lines as they should be.

    In a properties file all of it may stand in one line, as Kafka reads it.
    """
    blocks = []
    for match in _BLOCK.finditer(text):
        what, body = match["what"], match["body"]
        if _HEADER.search(body):
            blocks.append((what, match[0] + "\n"))
            continue
        letters = "".join(body.split())
        lines = [letters[at : at + _LINE_LENGTH] for at in range(0, len(letters), _LINE_LENGTH)]
        inner = "\n".join(lines)
        blocks.append((what, f"-----BEGIN {what}-----\n{inner}\n-----END {what}-----\n"))
    return blocks


def _pkcs12_keystore(store: Store, key_password: str | None) -> KeyAndCertificates:
    key, own, others = _pkcs12(store, key_password)
    if key is None or own is None:
        raise ConfigError(f"{_name(store)}: there is no private key with a certificate in it")
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    chain = b"".join(each.public_bytes(Encoding.PEM) for each in (own, *others)).decode()
    return KeyAndCertificates(text, chain, None)


def _pkcs12_authorities(store: Store) -> str:
    _, own, others = _pkcs12(store, None)
    from cryptography.hazmat.primitives.serialization import Encoding

    found = [each for each in (own, *others) if each is not None]
    if not found:
        raise ConfigError(f"{_name(store)}: there is no certificate in it")
    return b"".join(each.public_bytes(Encoding.PEM) for each in found).decode()


def _pkcs12(store: Store, key_password: str | None):  # type: ignore[no-untyped-def]
    try:
        from cryptography.hazmat.primitives.serialization.pkcs12 import load_key_and_certificates
    except ImportError:
        raise ConfigError(
            f"ssl.{store.what}.type=PKCS12 needs cryptography: install minibroker[security], or "
            "give the store in PEM"
        ) from None
    password = store.password.reveal() if store.password is not None else key_password
    try:
        return load_key_and_certificates(
            _bytes(store), password.encode() if password is not None else None
        )
    except ValueError:  # its text may quote what it has read
        raise ConfigError(
            f"{_name(store)}: it cannot be opened; is ssl.{store.what}.password right, and is it "
            "a PKCS12 file?"
        ) from None
