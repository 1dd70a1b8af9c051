"""EDGE: a broker's listeners with TLS and SASL, for ours and for a real Kafka alike.

alice and bob log in by PLAIN, carol and dave by SCRAM. RENEW is a listener whose logins by PLAIN
hold for RENEW_MS, MTLS one that requires client certificates.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

from minibroker.protocol.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequest,
    ScramCredentialUpsertion,
)
from minibroker.protocol.sasl.scram import salted_password
from minibroker.protocol.sasl.scram_credentials import BY_NUMBER
from minibroker.testing.security.certificates import Certificates, write_secret

PROTOCOLS = {
    "PLAINTEXT": "PLAINTEXT",
    "SSL": "SSL",
    "MTLS": "SSL",
    "SASL_PLAINTEXT": "SASL_PLAINTEXT",
    "SASL_SSL": "SASL_SSL",
    "RENEW": "SASL_PLAINTEXT",
}
PLAIN_USERS = {"alice": "alice-secret", "bob": "bob-secret"}
RENEW_MS = 1500
FAILED_DELAY_MS = 150
SALT = b"saltsaltsalt"
CLIENT_NAME = "CN=client,OU=lab,O=tests"


class Authority:
    """One authority; what it issues is written below `home`."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._certificates = Certificates()

    def write_broker(self, host: str = "127.0.0.1") -> Path:
        """A file with the key, as PKCS#8, and the certificates of a broker; written over."""
        path = self._home / "broker.pem"
        write_secret(path, self._certificates.new_server(host, "localhost").pem)
        return path

    def write_authority(self) -> Path:
        """A file with the authority's certificate."""
        return Path(self._certificates.write_authority(self._home))

    def client_context(self, common_name: str | None = None) -> ssl.SSLContext:
        """What a client of its brokers needs; with a certificate if it is named."""
        if common_name is not None:
            return self.client(common_name)[0]
        return ssl.create_default_context(cadata=self._certificates.authority_pem)

    def client(self, common_name: str) -> tuple[ssl.SSLContext, bytes]:
        """The same with a certificate of that name; and the certificate in DER."""
        issued = self._certificates.new_client(common_name)
        context = self.client_context()
        path = self._home / "own.pem"  # `ssl` reads files only
        write_secret(path, issued.pem)
        context.load_cert_chain(path)
        return context, ssl.PEM_cert_to_DER_cert(issued.certificate)


def settings(authority: Authority) -> Mapping[str, str]:
    """The properties of a broker with all listeners, without `listeners` itself."""
    users = "".join(f' user_{name}="{password}"' for name, password in PLAIN_USERS.items())
    plain = f"org.apache.kafka.common.security.plain.PlainLoginModule required{users};"
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    with_sasl = [name.lower() for name, each in PROTOCOLS.items() if each.startswith("SASL")]
    return {
        "listener.security.protocol.map": ",".join(f"{k}:{v}" for k, v in PROTOCOLS.items()),
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(authority.write_broker()),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.write_authority()),
        "connection.failed.authentication.delay.ms": str(FAILED_DELAY_MS),
        "listener.name.mtls.ssl.client.auth": "required",
        "listener.name.renew.plain.connections.max.reauth.ms": str(RENEW_MS),
        **{f"listener.name.{name}.plain.sasl.jaas.config": plain for name in with_sasl},
        **{
            f"listener.name.{name}.scram-sha-{bits}.sasl.jaas.config": scram
            for name in with_sasl
            for bits in (256, 512)
        },
    }


def scram_users() -> list[AlterUserScramCredentialsRequest]:
    """What makes carol (both mechanisms) and dave (SCRAM-SHA-256)."""
    wanted = [("carol", 1, 4096), ("carol", 2, 8192), ("dave", 1, 4096)]
    return [
        AlterUserScramCredentialsRequest(
            deletions=[],
            upsertions=[
                ScramCredentialUpsertion(
                    name=name,
                    mechanism=number,
                    iterations=iterations,
                    salt=SALT,
                    salted_password=salted_password(
                        BY_NUMBER[number], f"{name}-secret", SALT, iterations
                    ),
                )
            ],
        )
        for name, number, iterations in wanted
    ]
