"""What a client's file of properties says of security: two families of names, and refusals."""

from __future__ import annotations

import pytest
from minibroker.broker.config.properties import ConfigError
from minibroker.cli.asking.client_properties import client_properties, holds_secrets

PASSWORD = "do-not-show-me"
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
BEARER = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule"
KAFKAS = {
    "bootstrap.servers": "kafka:9093",
    "security.protocol": "SASL_SSL",
    "sasl.mechanism": "SCRAM-SHA-512",
    "sasl.jaas.config": f'{SCRAM} required username="carol" password="{PASSWORD}";',
    "ssl.truststore.location": "ca.p12",
    "ssl.truststore.password": "store",
    "acks": "all",
    "session.timeout.ms": "45000",
}
LIBRDKAFKAS = {
    "bootstrap.servers": "kafka:9093",
    "security.protocol": "sasl_ssl",
    "sasl.mechanisms": "SCRAM-SHA-512",
    "sasl.username": "carol",
    "sasl.password": PASSWORD,
    "ssl.ca.location": "ca.pem",
}


@pytest.mark.parametrize("given", [KAFKAS, LIBRDKAFKAS])
def test_both_families_of_names_say_the_same(given: dict[str, str]) -> None:
    found = client_properties(given)
    assert (found.protocol, found.servers) == ("SASL_SSL", "kafka:9093")
    login = found.login
    assert login is not None
    assert login.password is not None
    assert (login.mechanism, login.username) == ("SCRAM-SHA-512", "carol")
    assert login.password.reveal() == PASSWORD
    assert found.truststore is not None
    assert found.checks_hostname
    assert found.keystore is None
    assert PASSWORD not in repr(found) + repr(login)
    assert holds_secrets(given)


def test_types_of_stores() -> None:
    for location, told, kind in (
        ("a.jks", None, "JKS"),
        ("a", None, "JKS"),
        ("a.p12", None, "PKCS12"),
        ("a.pem", None, "PEM"),
        ("a.pem", "PKCS12", "PKCS12"),
    ):
        given = {"security.protocol": "SSL", "ssl.keystore.location": location}
        store = client_properties(given | ({"ssl.keystore.type": told} if told else {})).keystore
        assert store is not None
        assert store.kind == kind
    inline = {"ssl.keystore.key": "k", "ssl.keystore.certificate.chain": "c"}
    store = client_properties({"security.protocol": "SSL", **inline}).keystore
    assert store is not None
    assert (store.kind, store.location) == ("PEM", None)


@pytest.mark.parametrize("value", ["", "none"])
def test_no_name_of_a_host_is_looked_at(value: str) -> None:
    given = {"security.protocol": "SSL", "ssl.endpoint.identification.algorithm": value}
    assert not client_properties(given).checks_hostname


def test_tokens_of_an_issuer_of_a_file_and_unsecured_ones() -> None:
    bearer = {"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER"}
    url = "sasl.oauthbearer.token.endpoint.url"
    jaas = f'{BEARER} required clientId="id" clientSecret="{PASSWORD}" scope="all";'
    login = client_properties({**bearer, url: "https://i/t", "sasl.jaas.config": jaas}).login
    assert login is not None
    assert login.token is not None
    assert (login.token.client_id, login.token.scope) == ("id", "all")
    assert PASSWORD not in repr(login.token)
    login = client_properties({**bearer, url: "file:///tmp/t"}).login
    assert login is not None
    assert login.token is not None
    unsecured = f'{BEARER} required unsecuredLoginStringClaim_sub="eve";'
    login = client_properties({**bearer, "sasl.jaas.config": unsecured}).login
    assert login is not None
    assert login.token is not None
    assert login.token.subject == "eve"


TLS = {"security.protocol": "SSL"}
SASL = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN"}
USER = {"sasl.username": "u", "sasl.password": "p"}
REFUSED: list[tuple[dict[str, str], str]] = [
    ({"security.protocol": "TLS"}, "expected one of PLAINTEXT, SSL"),
    ({"sasl.usrname": "u"}, "did you mean sasl.username?"),
    ({"ssl.ca.location": "ca"}, "ssl.ca.location needs security.protocol=SSL"),
    (TLS | USER, "sasl.username needs security.protocol=SASL_SSL"),
    (SASL, "needs a user: sasl.username and sasl.password"),
    ({"security.protocol": "SASL_SSL"}, "sasl.mechanism is missing"),
    (SASL | {"sasl.mechanisms": "PLAIN"}, "are both given, and mean the same"),
    (SASL | {"sasl.jaas.config": f"{SCRAM} required;"}, "PlainLoginModule is"),
    (SASL | {"sasl.jaas.config": f"{PLAIN} required"}, "sasl.jaas.config: expected MODULE"),
    (SASL | USER | {"sasl.jaas.config": f"{PLAIN} required;"}, "not both"),
    (SASL | {"sasl.mechanism": "OAUTHBEARER"}, "needs sasl.oauthbearer.token.endpoint.url"),
    (
        SASL
        | {
            "sasl.mechanism": "OAUTHBEARER",
            "sasl.oauthbearer.token.endpoint.url": "http://issuer/t",
            "sasl.jaas.config": f'{BEARER} required clientId="i" clientSecret="s";',
        },
        "expected https:// or file://",
    ),
    (TLS | {"ssl.ca.location": "a", "ssl.truststore.location": "b"}, "give one of ssl.truststore"),
    (TLS | {"ssl.key.location": "k"}, "ssl.key.location needs ssl.certificate.location"),
    (TLS | {"ssl.keystore.key": "k"}, "belong together"),
    (TLS | {"enable.ssl.certificate.verification": "false"}, "protects from nobody"),
]


@pytest.mark.parametrize(("given", "why"), REFUSED)
def test_what_cannot_be_is_refused_in_words(given: dict[str, str], why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        client_properties(given)
    assert why in str(caught.value)
    assert PASSWORD not in str(caught.value)
