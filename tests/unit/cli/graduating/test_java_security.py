"""What Java's clients are told of TLS and SASL."""

from __future__ import annotations

from pathlib import Path

import pytest
from minibroker.broker.config.properties import ConfigError
from minibroker.cli.graduating.java_security import JAAS, java_security

PLAIN_MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule"


def test_nothing_is_said_without_security() -> None:
    assert java_security({}) == java_security({"bootstrap.servers": "a:1"}) == {}
    with pytest.raises(ConfigError, match=r"needs security\.protocol"):
        java_security({"sasl.mechanism": "PLAIN"})


def test_librdkafkas_names_become_kafkas(tmp_path: Path) -> None:
    chain, key = tmp_path / "c.pem", tmp_path / "k.pem"
    chain.write_text("chain\n")
    key.write_text("key\n")
    given = {
        "security.protocol": "sasl_ssl",
        "ssl.ca.location": "ca.pem",
        "ssl.certificate.location": str(chain),
        "ssl.key.location": str(key),
        "ssl.key.password": "opens",
        "sasl.mechanisms": "PLAIN",
        "sasl.username": "alice",
        "sasl.password": 'a"b\\c',
        "client.id": "not of security",
    }
    assert java_security(given) == {
        "security.protocol": "SASL_SSL",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(Path("ca.pem").absolute()),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.certificate.chain": "chain\n",
        "ssl.keystore.key": "key\n",
        "ssl.key.password": "opens",
        "sasl.mechanism": "PLAIN",
        JAAS: f'{PLAIN_MODULE} required username="alice" password="a\\"b\\\\c";',
    }
    with pytest.raises(FileNotFoundError):
        java_security({**given, "ssl.key.location": "gone.pem"})


def test_kafkas_names_stay_and_types_are_said() -> None:
    jaas = f'{PLAIN_MODULE} required username="a" password="b" more="c";'
    given = {
        "security.protocol": "SASL_SSL",
        "ssl.truststore.location": "/s/t.p12",
        "ssl.truststore.password": "p",
        "ssl.endpoint.identification.algorithm": "",
        "ssl.enabled.protocols": "TLSv1.3",
        "sasl.mechanism": "PLAIN",
        JAAS: jaas,
    }
    assert java_security(given) == {**given, "ssl.truststore.type": "PKCS12"}


def test_tokens_of_an_issuer_need_a_handler() -> None:
    given = {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.oauthbearer.token.endpoint.url": "https://issuer/token",
        "sasl.oauthbearer.client.credentials.client.id": "me",
        "sasl.oauthbearer.client.credentials.client.secret": "hush",
        "sasl.oauthbearer.scope": "kafka",
    }
    found = java_security(given)
    assert found["sasl.login.callback.handler.class"].endswith(".OAuthBearerLoginCallbackHandler")
    assert found[JAAS].endswith('required clientId="me" clientSecret="hush" scope="kafka";')
