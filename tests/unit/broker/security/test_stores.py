"""Keystores and truststores: PEM in files or in the configuration, PKCS12, JKS."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from minibroker.broker.config.listener_security import Store, TlsSettings
from minibroker.broker.config.properties import ConfigError, Secret
from minibroker.broker.security.stores import read_keystore, read_truststore
from minibroker.broker.security.tls_context import make_context, openssl_name
from minibroker.testing.security.certificates import Certificates

CERTIFICATES = Certificates()
CHAIN, PLAIN_KEY = CERTIFICATES.server
CA = CERTIFICATES.authority_pem
KEY = load_pem_private_key(PLAIN_KEY.encode(), None)
LOCKED_KEY = KEY.private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"key-secret")
).decode()


def keystore(kind: str = "PEM", location: Path | None = None, **more: str | None) -> Store:
    """A keystore as it may be told."""
    secrets = {name: Secret(text) if text is not None else None for name, text in more.items()}
    return Store(
        "keystore",
        kind,
        None if location is None else str(location),
        secrets.get("password"),
        secrets.get("certificates"),
        secrets.get("key"),
        secrets.get("key_password"),
    )


def context(store: Store, truststore: Store | None = None) -> ssl.SSLContext:
    """What OpenSSL makes of it."""
    auth = "none" if truststore is None else "required"
    return make_context(TlsSettings(store, truststore, auth, ("TLSv1.2", "TLSv1.3"), (), "DEFAULT"))


def test_pem_in_one_file_and_in_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "broker.pem"
    file.write_text(f"some words\n{CHAIN}{PLAIN_KEY}")
    context(keystore(location=file))
    context(keystore(certificates=CHAIN, key=PLAIN_KEY))
    in_one_line = CHAIN.replace("\n", " "), PLAIN_KEY.replace("\n", "")
    context(keystore(certificates=in_one_line[0], key=in_one_line[1]))


def test_a_locked_key_needs_its_password() -> None:
    context(keystore(certificates=CHAIN, key=LOCKED_KEY, key_password="key-secret"))
    with pytest.raises(ConfigError, match=r"^ssl\.key\.password: the private key is encrypted"):
        context(keystore(certificates=CHAIN, key=LOCKED_KEY))
    with pytest.raises(ConfigError, match=r"ssl\.key\.password right") as refused:
        context(keystore(certificates=CHAIN, key=LOCKED_KEY, key_password="wrong-secret"))
    assert "secret" not in str(refused.value)


def test_a_key_that_belongs_to_another_certificate_is_refused() -> None:
    other = CERTIFICATES.new_server().key
    with pytest.raises(ConfigError, match="does the key belong to the first certificate"):
        context(keystore(certificates=CHAIN, key=other))


@pytest.mark.parametrize(
    ("certificates", "key"), [(CHAIN, CHAIN), (PLAIN_KEY, PLAIN_KEY), ("", "")]
)
def test_what_is_missing_is_counted_and_not_shown(certificates: str, key: str) -> None:
    with pytest.raises(ConfigError, match=r"ssl\.keystore\.key: expected one private key") as why:
        read_keystore(keystore(certificates=certificates, key=key))
    assert "BEGIN" not in str(why.value)


def test_pkcs12(tmp_path: Path) -> None:
    own = x509.load_pem_x509_certificate(CHAIN.encode())
    authority = x509.load_pem_x509_certificate(CA.encode())
    file = tmp_path / "broker.p12"
    assert isinstance(KEY, ec.EllipticCurvePrivateKey)
    file.write_bytes(
        serialize_key_and_certificates(
            b"broker", KEY, own, [authority], BestAvailableEncryption(b"store-secret")
        )
    )
    context(keystore("PKCS12", file, password="store-secret"))
    trusted = Store("truststore", "PKCS12", str(file), Secret("store-secret"), None)
    assert read_truststore(trusted).count("BEGIN CERTIFICATE") == 2
    with pytest.raises(ConfigError, match=r"ssl\.keystore\.password right") as refused:
        context(keystore("PKCS12", file, password="wrong-secret"))
    assert "secret" not in str(refused.value)


def test_jks_gets_the_command_that_converts_it(tmp_path: Path) -> None:
    command = "keytool -importkeystore -srckeystore a.jks -destkeystore a.p12 -deststoretype PKCS12"
    with pytest.raises(ConfigError, match=command):
        read_keystore(keystore("JKS", Path("a.jks")))
    with pytest.raises(ConfigError, match=command):
        read_truststore(Store("truststore", "JKS", "a.jks", None, None))


def test_a_file_that_is_not_there_or_no_pem(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_keystore(keystore(location=tmp_path / "no"))
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="that is no PEM"):
        read_keystore(keystore(location=tmp_path / "bytes"))
    (tmp_path / "text").write_text("nothing")
    with pytest.raises(ConfigError, match="there is no certificate"):
        read_truststore(Store("truststore", "PEM", str(tmp_path / "text"), None, None))


def tls(**changed: tuple[str, ...]) -> ssl.SSLContext:
    """A context with other versions or suites."""
    settings = {"versions": ("TLSv1.2", "TLSv1.3"), "suites": ()} | changed
    store = keystore(certificates=CHAIN, key=PLAIN_KEY)
    return make_context(
        TlsSettings(store, None, "none", settings["versions"], settings["suites"], "DEFAULT")
    )


def test_versions_and_suites_are_those_allowed() -> None:
    assert tls(versions=("TLSv1.2",)).maximum_version == ssl.TLSVersion.TLSv1_2
    assert tls(versions=("TLSv1.3",)).minimum_version == ssl.TLSVersion.TLSv1_3
    older = tls(suites=("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",))
    assert older.maximum_version == ssl.TLSVersion.TLSv1_2
    names = {each["name"] for each in older.get_ciphers() if each["protocol"] != "TLSv1.3"}
    assert names == {"ECDHE-RSA-AES128-GCM-SHA256"}
    newer = tls(suites=("TLS_AES_256_GCM_SHA384",))
    assert newer.minimum_version == ssl.TLSVersion.TLSv1_3
    with pytest.raises(ConfigError, match="OpenSSL knows no such suite"):
        tls(suites=("TLS_NO_SUCH",))
    with pytest.raises(ConfigError, match="none of them belongs"):
        tls(suites=("TLS_AES_256_GCM_SHA384",), versions=("TLSv1.2",))


@pytest.mark.parametrize(
    ("java", "openssl"),
    [
        ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"),
        ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"),
        ("TLS_DHE_RSA_WITH_AES_256_CBC_SHA256", "DHE-RSA-AES256-SHA256"),
        ("TLS_RSA_WITH_AES_128_CBC_SHA", "AES128-SHA"),
        ("AES256-GCM-SHA384", "AES256-GCM-SHA384"),
    ],
)
def test_javas_names_of_suites_are_known(java: str, openssl: str) -> None:
    assert openssl_name(java) == openssl
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ciphers(f"{openssl}:@SECLEVEL=0")
