"""What a listener is told of TLS and SASL: its own properties over the general ones."""

from __future__ import annotations

import pytest
from minibroker.broker.cluster.described_configs import describe_broker
from minibroker.broker.cluster.running_config import RunningConfig
from minibroker.broker.config.listener_security import ListenerSecurity, SecurityProtocol
from minibroker.broker.config.properties import HIDDEN, ConfigError, Secret
from minibroker.broker.config.sources import Layer, Loaded, environment_layer, load

USERS = 'x.PlainLoginModule required user_alice="alice-secret";'
PEM = {"ssl.keystore.type": "PEM", "ssl.keystore.location": "broker.pem"}


def loaded(**texts: str) -> Loaded:
    """The configuration of these properties, `__` for a dot."""
    return load([Layer("test", {name.replace("__", "."): text for name, text in texts.items()})])


def security(listeners: str, texts: dict[str, str]) -> list[ListenerSecurity]:
    """What the listeners demand."""
    return [
        each.security for each in load([Layer("t", {"listeners": listeners, **texts})]).listeners
    ]


def test_a_name_or_the_map_says_what_is_spoken() -> None:
    texts = {
        "listener.security.protocol.map": "IN:PLAINTEXT,OUT:ssl,SASL_SSL:SASL_SSL",
        "sasl.enabled.mechanisms": "SCRAM-SHA-256",
        **PEM,
    }
    places = "IN://:1,OUT://:2,SASL_SSL://:3,SASL_PLAINTEXT://:4,ELSE://:5"
    assert [each.protocol for each in security(places, texts)] == [
        SecurityProtocol.PLAINTEXT,
        SecurityProtocol.SSL,
        SecurityProtocol.SASL_SSL,
        SecurityProtocol.SASL_PLAINTEXT,
        SecurityProtocol.PLAINTEXT,
    ]
    with pytest.raises(ConfigError, match="A:TLS: expected one of PLAINTEXT, SSL"):
        security("A://:1", {"listener.security.protocol.map": "A:TLS"})


def test_a_listeners_own_property_is_stronger_and_a_mechanisms_own_strongest() -> None:
    one, two = security(
        "ONE://:1,my.TWO://:2",
        {
            "listener.security.protocol.map": "ONE:SASL_PLAINTEXT,my.TWO:SASL_PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
            "connections.max.reauth.ms": "1",
            "listener.name.my.two.connections.max.reauth.ms": "2",
            "listener.name.my.two.plain.connections.max.reauth.ms": "3",
            "listener.name.one.plain.sasl.jaas.config": USERS,
            "listener.name.my.two.sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
            "listener.name.my.two.plain.sasl.jaas.config": USERS,
        },
    )
    assert one.sasl is not None
    assert two.sasl is not None
    assert one.sasl.reauth_ms == {"PLAIN": 1, "SCRAM-SHA-512": 1}
    assert two.sasl.reauth_ms == {"SCRAM-SHA-512": 2, "PLAIN": 3}
    assert one.sasl.jaas == {"PLAIN": Secret(USERS)}


def test_at_sasl_ssl_a_client_certificate_is_asked_for_by_name_only() -> None:
    texts = {
        "sasl.enabled.mechanisms": "SCRAM-SHA-256",
        "ssl.client.auth": "required",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": "ca.pem",
        **PEM,
    }
    loaded_ = load([Layer("t", {"listeners": "SSL://:1,SASL_SSL://:2", **texts})])
    ssl, sasl = (each.security.tls for each in loaded_.listeners)
    assert ssl is not None
    assert sasl is not None
    assert (ssl.client_auth, sasl.client_auth) == ("required", "none")
    assert any("listener.name.sasl_ssl.ssl.client.auth" in each for each in loaded_.warnings)
    own = {**texts, "listener.name.sasl_ssl.ssl.client.auth": "requested"}
    (only,) = security("SASL_SSL://:2", own)
    assert only.tls is not None
    assert only.tls.client_auth == "requested"


@pytest.mark.parametrize(
    ("listeners", "texts", "why"),
    [
        ("SSL://:1", {}, r"ssl\.keystore\.location: listener SSL is SSL and has no certificate"),
        ("SSL://:1", {**PEM, "ssl.client.auth": "required"}, r"ssl\.truststore\.location"),
        ("SSL://:1", {**PEM, "ssl.enabled.protocols": "TLSv1"}, "TLSv1.2, TLSv1.3"),
        ("SASL_PLAINTEXT://:1", {}, "GSSAPI: listener SASL_PLAINTEXT can have PLAIN"),
        ("SASL_PLAINTEXT://:1", {"sasl.enabled.mechanisms": ""}, "needs one of"),
        ("SASL_PLAINTEXT://:1", {"sasl.enabled.mechanisms": "PLAIN"}, "PLAIN has no users"),
        ("A://:1", {"listener.name.a.no.such": "1"}, "unknown property listener.name.a.no.such"),
        ("A://:1", {"listener.name.a.ssl.client.auht": "1"}, "did you mean ssl.client.auth"),
    ],
)
def test_what_is_missing_or_wrong_is_named(listeners: str, texts: dict[str, str], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        security(listeners, texts)


def test_a_prefix_without_its_listener_warns() -> None:
    warnings = loaded(listeners="A://:1", listener__name__b__ssl__client__auth="none").warnings
    assert any("listener.name.b.ssl.client.auth: there is no such" in each for each in warnings)


def test_what_has_no_meaning_for_one_listener_warns() -> None:
    for name in (
        "listener.name.a.ssl.endpoint.identification.algorithm",
        "listener.name.a.scram-sha-256.sasl.login.callback.handler.class",
        "listener.name.a.max.connections",
    ):
        (warning,) = load([Layer("f", {"listeners": "A://:1", name: "1"})]).warnings
        assert warning == f"f: {name} is Kafka's and has no effect here"
    wrong = {"KAFKA_LISTENERS": "A://:1", "KAFKA_LISTENER_NAME_A_NO_SUCH": "1"}
    (warning,) = load([environment_layer(wrong)]).warnings
    assert "unknown property listener.name.a.no.such" in warning


def test_the_environment_can_say_all_of_it() -> None:
    environ = {
        "KAFKA_LISTENERS": "SASL_PLAINTEXT://:1",
        "KAFKA_SASL_ENABLED_MECHANISMS": "PLAIN",
        "KAFKA_LISTENER_NAME_SASL__PLAINTEXT_PLAIN_SASL_JAAS_CONFIG": USERS,
    }
    (listener,) = load([environment_layer(environ)]).listeners
    assert listener.security.sasl is not None
    assert listener.security.sasl.jaas == {"PLAIN": Secret(USERS)}


def test_no_text_shows_a_secret() -> None:
    texts = {"ssl.key.password": "top-secret", "ssl.keystore.key": "top-secret", **PEM}
    found = load([Layer("t", {"listeners": "SSL://:1", **texts})])
    assert "top-secret" not in f"{found!r}"
    assert HIDDEN in repr(found.config.ssl_key_password)
    described = {each.name: each for each in describe_broker(RunningConfig(found.config, {}, {}))}
    for name in ("ssl.key.password", "ssl.keystore.key"):
        assert described[name].value is None
        assert all(each.value is None for each in described[name].synonyms)
