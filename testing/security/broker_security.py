"""EDGE: what a test broker with security has: a listener, certificates, users, ready-made options.

    async with TestBroker(security="SASL_SSL") as broker:
        Producer(broker.bootstrap_servers, **broker.security.options())

Certificates are made by `trustme` (the extra `testing`) and lie, with their keys, in a temporary
directory that goes with this object.
Tests: tests/system/testing/test_secured_brokers.py
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

from .certificates import Certificates, write_secret

Protocol = Literal["SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
MECHANISMS: tuple[Mechanism, ...] = get_args(Mechanism)
USERS: Mapping[str, str] = {"alice": "alice-secret", "bob": "bob-secret"}
MODULES = "org.apache.kafka.common.security"
LISTENER = "listener.name"
PASSWORD_BYTES = 12


@dataclass(frozen=True, slots=True, repr=False)
class Prepared:
    """What a broker itself needs of it; everything else is for clients.

    Attributes:
        users: passwords by name; those of SCRAM are stored at the first start.
        settings: Kafka broker properties.
    """

    protocol: str
    users: Mapping[str, str]
    settings: Mapping[str, str] = field(default_factory=dict)


class BrokerSecurity:
    """TLS and SASL of one test broker.

    Args:
        protocol: "SSL", "SASL_PLAINTEXT" or "SASL_SSL".
        users: passwords by name; each may log in by PLAIN and by SCRAM, and do everything.
        certificate: "server", or a wrong one: "expired", "wrong_host".
        client_auth: "none", "requested" or "required".

    Raises:
        ImportError: trustme is not installed.
    """

    def __init__(
        self,
        protocol: Protocol = "SASL_SSL",
        *,
        users: Mapping[str, str] = USERS,
        certificate: str = "server",
        client_auth: str = "none",
    ) -> None:
        if protocol not in get_args(Protocol):
            known = ", ".join(get_args(Protocol))
            raise ValueError(f"security={protocol!r}: expected one of {known}")
        self.protocol: Protocol = protocol
        self.users = dict(users)
        self._super_users = tuple(users)
        self.certificates = Certificates()
        self._client_auth = client_auth
        self._directory = Path(tempfile.mkdtemp(prefix="minibroker-security-"))
        self._clean = weakref.finalize(self, shutil.rmtree, self._directory, ignore_errors=True)
        if self.is_encrypted:
            self.use_certificate(certificate)

    def __repr__(self) -> str:
        return f"<BrokerSecurity {self.protocol}, users {', '.join(self.users)}>"

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS is spoken."""
        return self.protocol.endswith("SSL")

    @property
    def logs_in(self) -> bool:
        """Whether clients log in."""
        return self.protocol.startswith("SASL")

    def use_certificate(self, name: str) -> None:
        """Let the broker show another certificate; a running one sees it within a second or two.

        Args:
            name: "server", "expired" or "wrong_host".
        """
        aside = self._directory / "new.pem"
        write_secret(aside, getattr(self.certificates, name).pem)
        aside.replace(self._server_file)  # never half a file

    @property
    def _server_file(self) -> Path:
        return self._directory / "server.pem"

    @cached_property
    def authority(self) -> str:
        """The file of the authority that clients trust, in PEM."""
        return self.certificates.write_authority(self._directory)

    @cached_property
    def client_files(self) -> tuple[str, str]:
        """The files of a client's certificate and key."""
        return self.certificates.write(self._directory, "client")

    @cached_property
    def prepared(self) -> Prepared:
        """For the broker."""
        settings: dict[str, str] = {}
        if self.is_encrypted:
            settings |= {
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": str(self._server_file),
                "ssl.truststore.type": "PEM",
                "ssl.truststore.location": self.authority,
                "ssl.client.auth": self._client_auth,
            }
        if self.logs_in:
            users = "".join(f' user_{name}="{secret}"' for name, secret in self.users.items())
            lines = {"PLAIN": f"{MODULES}.plain.PlainLoginModule required{users};"}
            settings["sasl.enabled.mechanisms"] = ",".join(MECHANISMS)
            for mechanism in MECHANISMS:
                line = lines.get(mechanism, f"{MODULES}.scram.ScramLoginModule required;")
                name = f"{self.protocol.lower()}.{mechanism.lower()}"
                settings[f"{LISTENER}.{name}.sasl.jaas.config"] = line
            from ...broker.config.broker import STANDARD_AUTHORIZER

            # Nothing is asked of those users; whoever else may log in has the rights it was given.
            settings["authorizer.class.name"] = STANDARD_AUTHORIZER
            settings["super.users"] = ";".join(f"User:{name}" for name in self._super_users)
        return Prepared(self.protocol, self.users, settings)

    def add_user(self, name: str) -> str:
        """Let clients log in as somebody who has only the rights it is given, by SCRAM.

        Returns: the password, drawn at the first call.

        Raises:
            ValueError: nobody logs in here, or this user may do everything.
        """
        if not self.logs_in:
            raise ValueError(f"nobody logs in by {self.protocol}: take SASL_PLAINTEXT or SASL_SSL")
        if name in self._super_users:
            raise ValueError(f"{name} may do everything; take another name")
        return self.users.setdefault(name, secrets.token_urlsafe(PASSWORD_BYTES))

    def options(
        self,
        mechanism: Mechanism = "SCRAM-SHA-512",
        *,
        user: str = "",
        password: str | None = None,
        is_known: bool = False,
    ) -> dict[str, Any]:
        """For our clients, and for kafka-python, which has the same names.

        Args:
            mechanism: how to log in.
            user: who; by default the first of the users.
            password: by default the right one.
            is_known: show a client's certificate, too.
        """
        options: dict[str, Any] = {"security_protocol": self.protocol}
        if self.is_encrypted:
            options["ssl_cafile"] = self.authority
            if is_known:
                options["ssl_certfile"], options["ssl_keyfile"] = self.client_files
        if self.logs_in:
            name = user or next(iter(self.users))
            options["sasl_mechanism"] = mechanism
            options["sasl_plain_username"] = name
            options["sasl_plain_password"] = self.users[name] if password is None else password
        return options

    def aiokafka(
        self, mechanism: Mechanism = "SCRAM-SHA-512", *, user: str = "", password: str | None = None
    ) -> dict[str, Any]:
        """For aiokafka, which takes an ssl.SSLContext."""
        import ssl

        options = self.options(mechanism, user=user, password=password)
        if self.is_encrypted:
            options["ssl_context"] = ssl.create_default_context(cafile=options.pop("ssl_cafile"))
        return options

    def confluent_kafka(
        self, mechanism: Mechanism = "SCRAM-SHA-512", *, user: str = "", password: str | None = None
    ) -> dict[str, str]:
        """For confluent-kafka, and all else that stands on librdkafka."""
        names = {
            "security_protocol": "security.protocol",
            "ssl_cafile": "ssl.ca.location",
            "sasl_mechanism": "sasl.mechanisms",
            "sasl_plain_username": "sasl.username",
            "sasl_plain_password": "sasl.password",
        }
        options = self.options(mechanism, user=user, password=password)
        return {names[name]: value for name, value in options.items()}

    def properties(
        self, mechanism: Mechanism = "SCRAM-SHA-512", *, user: str = "", password: str | None = None
    ) -> dict[str, str]:
        """For Java's clients and tools, and for --command-config of ours."""
        options = self.options(mechanism, user=user, password=password)
        found = {"security.protocol": str(self.protocol)}
        if self.is_encrypted:
            found |= {
                "ssl.truststore.type": "PEM",
                "ssl.truststore.location": options["ssl_cafile"],
            }
        if self.logs_in:
            module = "plain.PlainLoginModule" if mechanism == "PLAIN" else "scram.ScramLoginModule"
            name, secret = options["sasl_plain_username"], options["sasl_plain_password"]
            line = f'{MODULES}.{module} required username="{name}" password="{secret}";'
            found |= {"sasl.mechanism": mechanism, "sasl.jaas.config": line}
        return found

    def write_properties(self, mechanism: Mechanism = "SCRAM-SHA-512") -> str:
        """A file of properties() with mode 0600; returns the path."""
        path = self._directory / f"client-{mechanism.lower()}.properties"
        text = "".join(f"{k}={v}\n" for k, v in self.properties(mechanism).items())
        write_secret(path, text)
        return str(path)


def security_of(given: str | BrokerSecurity | None) -> BrokerSecurity | None:
    """A protocol's name stands for one with everything as it is by default; PLAINTEXT for none."""
    if given is None or given == "PLAINTEXT":
        return None
    if isinstance(given, BrokerSecurity):
        return given
    return BrokerSecurity(given)  # type: ignore[arg-type]  # looked at there
