"""EDGE: listeners of a real Kafka with TLS and SASL, users and certificates.

    with RealKafka(secured=SecureListeners()) as kafka:
        kafka.servers("SASL_SSL"); secured.cafile

alice and bob log in by PLAIN, carol and dave by SCRAM, and whoever says so by OAUTHBEARER
(unsecured tokens). RENEW is SASL_PLAINTEXT with sessions of RENEW_MS.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from minibroker.testing.security.certificates import Certificates

from tests.support.processes.kafka import RealKafka

LISTENERS = {
    "SSL": "SSL",
    "MTLS": "SSL",
    "SASL_PLAINTEXT": "SASL_PLAINTEXT",
    "SASL_SSL": "SASL_SSL",
    "RENEW": "SASL_PLAINTEXT",
}
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
PLAIN_USERS = {"alice": "alice-secret", "bob": "bob-secret"}
SCRAM_USERS = {"carol": "carol-secret", "dave": "dave-secret"}
RENEW_MS = 3_000
MODULES = "org.apache.kafka.common.security"


class SecureListeners:
    """For RealKafka(secured=...)."""

    listeners: Sequence[str] = tuple(LISTENERS)

    @cached_property
    def certificates(self) -> Certificates:
        """An authority, and what it has signed."""
        return Certificates()

    @property
    def scram_credentials(self) -> Sequence[str]:
        """As kafka-storage takes them."""
        return [
            f"{mechanism}=[name={name},password={password}]"
            for name, password in SCRAM_USERS.items()
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
        ]

    def settings(self, home: Path) -> Mapping[str, str]:
        """Lines for server.properties."""
        server = home / "server.pem"
        server.write_text(self.certificates.server.pem, encoding="ascii")
        authority = home / "ca.pem"
        authority.write_text(self.certificates.authority_pem, encoding="ascii")
        protocols = {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT", **LISTENERS}
        return {
            "listener.security.protocol.map": ",".join(f"{k}:{v}" for k, v in protocols.items()),
            "sasl.enabled.mechanisms": ",".join(MECHANISMS),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(server),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(authority),
            "listener.name.mtls.ssl.client.auth": "required",
            **{
                f"listener.name.renew.{mechanism.lower()}.connections.max.reauth.ms": str(RENEW_MS)
                for mechanism in MECHANISMS
            },
            **{
                f"listener.name.{name}.{mechanism.lower()}.sasl.jaas.config": _jaas(mechanism)
                for name in ("sasl_plaintext", "sasl_ssl", "renew")
                for mechanism in MECHANISMS
            },
        }


def _jaas(mechanism: str) -> str:
    if mechanism == "PLAIN":
        users = "".join(f' user_{name}="{secret}"' for name, secret in PLAIN_USERS.items())
        return f"{MODULES}.plain.PlainLoginModule required{users};"
    if mechanism == "OAUTHBEARER":
        return f"{MODULES}.oauthbearer.OAuthBearerLoginModule required;"
    return f"{MODULES}.scram.ScramLoginModule required;"


def unsecured_token(subject: str, lifetime_s: float = 3600) -> str:
    """A token that nobody has signed, which Kafka takes where no validator is named."""
    now = time.time()
    claims = {"sub": subject, "iat": now, "exp": now + lifetime_s}
    return f"{_part({'alg': 'none'})}.{_part(claims)}."


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


LOGINS: dict[str, dict[str, Any]] = {
    "PLAIN": {"sasl_plain_username": "alice", "sasl_plain_password": "alice-secret"},
    "SCRAM-SHA-256": {"sasl_plain_username": "carol", "sasl_plain_password": "carol-secret"},
    "SCRAM-SHA-512": {"sasl_plain_username": "dave", "sasl_plain_password": "dave-secret"},
    "OAUTHBEARER": {"sasl_oauth_token_provider": lambda: unsecured_token("eve")},
}


class Secured(NamedTuple):
    """A running cluster, and files of certificates."""

    kafka: RealKafka
    authority: str
    client: tuple[str, str]

    @classmethod
    def of(cls, kafka: RealKafka, listeners: SecureListeners, files: Path) -> Secured:
        """Write what clients need below `files`."""
        certificates = listeners.certificates
        authority = certificates.write_authority(files)
        return cls(kafka, authority, certificates.write(files, "client"))

    def options(self, listener: str, mechanism: str = "") -> dict[str, Any]:
        """For each of our faces."""
        protocol = {"MTLS": "SSL", "RENEW": "SASL_PLAINTEXT"}.get(listener, listener)
        options: dict[str, Any] = {
            "bootstrap_servers": self.kafka.servers(listener),
            "security_protocol": protocol,
        }
        if protocol.endswith("SSL"):
            options["ssl_cafile"] = self.authority
        if listener == "MTLS":
            options |= {"ssl_certfile": self.client[0], "ssl_keyfile": self.client[1]}
        if mechanism:
            options |= {"sasl_mechanism": mechanism, **LOGINS[mechanism]}
        return options
