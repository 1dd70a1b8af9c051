"""EDGE: the server's halves of the mechanisms that one listener has enabled.

PLAIN knows the users of its JAAS line, SCRAM those of the metadata log, as they are at that moment;
OAUTHBEARER whoever a good token names (tokens.py). Nonces are drawn here.
Tests: tests/system/security/test_logins.py
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping

from ...protocol.sasl.oauthbearer import OAuthBearerServer
from ...protocol.sasl.outcomes import ServerExchange
from ...protocol.sasl.plain import PlainServer
from ...protocol.sasl.scram_credentials import ScramCredential
from ...protocol.sasl.scram_server import ScramServer
from ..config.listener_security import OAUTHBEARER, PLAIN, PREFIX, SaslSettings
from .jaas import plain_users
from .tokens import Judge

NONCE_BYTES = 24


class Mechanisms:
    """What clients of one listener log in by.

    Args:
        listener: its name.
        scram: credentials by user and mechanism; looked into at each login.
        secret: what salts of unknown users are made from.
        judge: of OAUTHBEARER's tokens; None where that is not enabled.

    Raises:
        ConfigError: a JAAS line that is none.
    """

    def __init__(
        self,
        listener: str,
        settings: SaslSettings,
        scram: Callable[[], Mapping[str, Mapping[str, ScramCredential]]],
        secret: bytes,
        judge: Judge | None,
    ) -> None:
        self.settings = settings
        self._scram = scram
        self._secret = secret
        self._judge = judge
        self._users: dict[str, str] = {}
        if PLAIN in settings.mechanisms:
            name = f"{PREFIX}{listener.lower()}.plain.sasl.jaas.config"
            self._users = plain_users(name, settings.jaas[PLAIN])

    def exchange(self, mechanism: str) -> ServerExchange:
        """The server's half of one login by an enabled mechanism."""
        if mechanism == PLAIN:
            return PlainServer(self._users.get)
        if mechanism == OAUTHBEARER:
            assert self._judge is not None
            return OAuthBearerServer(self._judge)

        def credential_of(user: str) -> ScramCredential | None:
            return self._scram().get(user, {}).get(mechanism)

        nonce = secrets.token_urlsafe(NONCE_BYTES)
        return ScramServer(mechanism, credential_of, nonce, self._secret)
