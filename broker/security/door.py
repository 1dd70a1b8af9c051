"""EDGE: what a listener with TLS or SASL needs to let somebody in; made once, before it listens.

Tests: tests/system/security/test_logins.py
"""

from __future__ import annotations

import secrets
import ssl
from collections.abc import Callable, Mapping

from ...protocol.sasl.scram_credentials import ScramCredential
from ..config.listeners import Listener
from .certificate_names import subject_name
from .mechanisms import Mechanisms
from .principal_rules import PrincipalRules
from .tls_context import TlsContext
from .tokens import Tokens

SECRET_BYTES = 32
Credentials = Mapping[str, Mapping[str, ScramCredential]]


class Door:
    """The door of one listener.

    Args:
        scram: the SCRAM credentials there are, by user and mechanism.

    Attributes:
        tls: None at a listener without TLS.
        mechanisms: None at a listener without SASL.

    Raises:
        ConfigError: a store or a setting cannot be used.
    """

    def __init__(self, listener: Listener, scram: Callable[[], Credentials]) -> None:
        security = listener.security
        self.tls: TlsContext | None = None
        self.mechanisms: Mechanisms | None = None
        self._tokens: Tokens | None = None
        if security.tls is not None:
            self.tls = TlsContext(listener.name, security.tls)
            self._rules = PrincipalRules(security.tls.principal_rules)
        if security.sasl is not None:
            judge = None
            if security.sasl.tokens is not None:
                self._tokens = Tokens(listener.name, security.sasl.tokens)
                judge = self._tokens.judge
            secret = secrets.token_bytes(SECRET_BYTES)
            self.mechanisms = Mechanisms(listener.name, security.sasl, scram, secret, judge)

    def close(self) -> None:
        """Nobody is let in any more."""
        if self._tokens is not None:
            self._tokens.close()

    def certificate_user(self, connection: ssl.SSLObject) -> str | None:
        """Who a client's certificate says it is; None if it has none.

        Raises:
            PermissionError: no rule of ssl.principal.mapping.rules gives it a name.
        """
        certificate = connection.getpeercert(binary_form=True)
        if not certificate:
            return None
        name = subject_name(certificate)
        user = self._rules.name_of(name)
        if user is None:
            raise PermissionError(f"no rule of ssl.principal.mapping.rules matches {name!r}")
        return user
