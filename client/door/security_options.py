"""What clients can be told of TLS and SASL: kafka-python's names; contradictions are refused.

Values only: certificates are read, and logins made, in security/. A client without security
imports nothing of that.
Tests: tests/unit/client/door/test_security_options.py
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, TypedDict, get_args

from . import door

if TYPE_CHECKING:
    from ssl import SSLContext

SecurityProtocol: TypeAlias = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism: TypeAlias = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]

BEARER = "OAUTHBEARER"
CERTIFICATES_BYTES_MAX = 1_048_576  # of a text that holds them
EXAMINE = "examine"  # in a field's metadata: called with name and value, raises for what cannot be
TEXT = {EXAMINE: door.optional_text}


class TokenSource(Protocol):
    """An object that gives tokens, as kafka-python and aiokafka take it.

    It may also have `extensions() -> Mapping[str, str]`, such as a managed service asks for.
    """

    def token(self) -> str | Awaitable[str]:
        """A token that is valid now."""


TokenProvider: TypeAlias = Callable[[], str | Awaitable[str]] | TokenSource
"""Called at each login and each one that renews it: the token, or what to await for it."""


class SecurityArguments(TypedDict, total=False):
    """Arguments of Producer, Consumer and Admin, kept by programs that make several of them."""

    security_protocol: SecurityProtocol
    ssl_context: SSLContext
    sasl_mechanism: SaslMechanism
    sasl_plain_username: str
    sasl_plain_password: str
    sasl_oauth_token_provider: TokenProvider


def one_of(literal: object) -> dict[str, Callable[[str, object], None]]:
    """One of the words of a Literal: metadata for a field."""
    known = get_args(literal)

    def examine(name: str, value: object) -> None:
        if value not in known:
            raise ValueError(f"{name}={value!r}: expected one of {', '.join(known)}")

    return {EXAMINE: examine}


def _mechanism(name: str, value: object) -> None:
    known = get_args(SaslMechanism)
    if value is not None and value not in known:
        raise ValueError(f"{name}={value!r}: expected one of {', '.join(known)}")


def _provider(name: str, value: object) -> None:
    if value is not None and not callable(value) and not callable(getattr(value, "token", None)):
        raise TypeError(f"{name} must be callable, or have a token(), not {door.shown(value)}")


def _context(name: str, value: object) -> None:
    if value is not None and not callable(getattr(value, "wrap_bio", None)):
        raise TypeError(f"{name} must be an ssl.SSLContext, not {door.shown(value)}")


def _certificates(name: str, value: object) -> None:
    if value is not None:
        door.text(name, value, CERTIFICATES_BYTES_MAX)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)  # quick to import
class SecurityOptions:
    """Whether connections are encrypted, whom they trust, and who logs in."""

    security_protocol: SecurityProtocol = field(
        default="PLAINTEXT", metadata=one_of(SecurityProtocol)
    )
    ssl_context: SSLContext | None = field(default=None, metadata={EXAMINE: _context})
    ssl_check_hostname: bool = field(default=True, metadata={EXAMINE: door.flag})
    ssl_cafile: str | None = field(default=None, metadata=TEXT)
    ssl_cadata: str | None = field(default=None, metadata={EXAMINE: _certificates})
    ssl_certfile: str | None = field(default=None, metadata=TEXT)
    ssl_keyfile: str | None = field(default=None, metadata=TEXT)
    ssl_password: str | None = field(default=None, metadata=TEXT)
    sasl_mechanism: SaslMechanism | None = field(default=None, metadata={EXAMINE: _mechanism})
    sasl_plain_username: str | None = field(default=None, metadata=TEXT)
    sasl_plain_password: str | None = field(default=None, metadata=TEXT)
    sasl_oauth_token_provider: TokenProvider | None = field(
        default=None, metadata={EXAMINE: _provider}
    )

    def check_security(self) -> None:
        """Raise ValueError for options that contradict each other."""
        self._check_tls()
        self._check_sasl()

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS is spoken."""
        return self.security_protocol in ("SSL", "SASL_SSL")

    @property
    def logs_in(self) -> bool:
        """Whether SASL is spoken."""
        return self.security_protocol.startswith("SASL_")

    def _given(self, prefix: str) -> list[str]:
        return [
            name
            for name, each in SecurityOptions.__dataclass_fields__.items()
            if name.startswith(prefix) and getattr(self, name) != each.default
        ]

    def _check_tls(self) -> None:
        given = self._given("ssl_")
        if given and not self.is_encrypted:
            raise ValueError(
                f"{given[0]} is for TLS, and security_protocol={self.security_protocol!r} has "
                "none: take 'SSL' or 'SASL_SSL'"
            )
        if self.ssl_context is not None and len(given) > 1:
            other = next(name for name in given if name != "ssl_context")
            raise ValueError(f"give ssl_context or {other}, not both: a context has its own")
        if self.ssl_certfile is None:
            for name in ("ssl_keyfile", "ssl_password"):
                if name in given:
                    raise ValueError(f"{name} belongs to ssl_certfile, which is not given")

    def _check_sasl(self) -> None:
        given = self._given("sasl_")
        if not self.logs_in:
            if given:
                wanted = "SASL_SSL" if self.is_encrypted else "SASL_PLAINTEXT' or 'SASL_SSL"
                raise ValueError(
                    f"{given[0]} is for a login, and security_protocol={self.security_protocol!r} "
                    f"has none: take '{wanted}'"
                )
            return
        if self.sasl_mechanism is None:
            known = ", ".join(get_args(SaslMechanism))
            raise ValueError(
                f"security_protocol={self.security_protocol!r} needs sasl_mechanism: one of {known}"
            )
        wanted_names = ["sasl_plain_username", "sasl_plain_password"]
        if self.sasl_mechanism == BEARER:
            wanted_names = ["sasl_oauth_token_provider"]
        for name in wanted_names:
            if not getattr(self, name):
                raise ValueError(f"sasl_mechanism={self.sasl_mechanism!r} needs {name}")
        for name in given:
            if name not in (*wanted_names, "sasl_mechanism"):
                raise ValueError(f"{name} is not for sasl_mechanism={self.sasl_mechanism!r}")
