"""EDGE: which tokens OAUTHBEARER takes: signed ones, or unsigned ones where a setting says so.

A signed token is looked at by PyJWT, which is imported only then, with the keys of
sasl.oauthbearer.jwks.endpoint.url (jwks.py). Kafka takes unsigned tokens from anybody unless it is
told otherwise; here it must be told to.
Source: OAuthBearerUnsecuredJws.java, OAuthBearerUnsecuredValidatorCallbackHandler.java,
BrokerJwtValidator.java, ClaimValidationUtils.java; RFC 7519.
Tests: tests/unit/broker/security/test_tokens.py
"""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from typing import Any

from ...protocol.sasl.oauthbearer import BadToken, GoodToken
from ..config.listener_security import TokenSettings
from ..config.properties import ConfigError
from .jaas import parse_jaas
from .jwks import JwksFile, JwksUrl, Keys, jwks_of

Judge = Callable[[str], GoodToken | BadToken]

TOKEN_CHARACTERS_MAX = 64 * 1024
UNSECURED = "OAuthBearerUnsecuredValidatorCallbackHandler"
SIGNED = ("OAuthBearerValidatorCallbackHandler",)
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
_MS = 1000
_FAR_S = 2**53


class Tokens:
    """What judges the tokens of one listener.

    Raises:
        ConfigError: it is not said which tokens are good, or PyJWT is missing.
    """

    def __init__(self, listener: str, settings: TokenSettings) -> None:
        self._jwks: JwksFile | JwksUrl | None = None
        handler = (settings.handler_class or "").rpartition(".")[2]
        if handler == UNSECURED:
            self.judge: Judge = _unsecured(listener, settings)
            return
        if handler and handler not in SIGNED:
            raise ConfigError(
                f"sasl.server.callback.handler.class={settings.handler_class}: no class is loaded "
                f"here; {SIGNED[0]} and {UNSECURED} are known"
            )
        if settings.jwks_url is None:
            raise ConfigError(
                f"sasl.oauthbearer.jwks.endpoint.url: listener {listener} has OAUTHBEARER and no "
                "keys to check tokens with: give the URL or file://PATH of a JWKS; or, to take "
                f"tokens that nobody signed, sasl.server.callback.handler.class={UNSECURED}"
            )
        self._jwks = jwks_of(settings.jwks_url, settings.refresh_ms)
        self.judge = _signed(settings, self._jwks)

    def close(self) -> None:
        """Fetch no keys any more."""
        if self._jwks is not None:
            self._jwks.close()


def _unsecured(listener: str, settings: TokenSettings) -> Judge:
    """Takes tokens whose algorithm is "none"."""
    options: Mapping[str, str] = {}
    if settings.jaas is not None:
        name = f"listener.name.{listener.lower()}.oauthbearer.sasl.jaas.config"
        options = parse_jaas(name, settings.jaas).options
    prefix = "unsecuredValidator"
    subject = options.get(f"{prefix}PrincipalClaimName", "sub")
    scope_claim = options.get(f"{prefix}ScopeClaimName", "scope")
    required = options.get(f"{prefix}RequiredScope", "").split()
    skew_ms = int(options.get(f"{prefix}AllowableClockSkewMs", "0"))

    def judge(token: str) -> GoodToken | BadToken:
        parts = token.split(".")
        if len(parts) != 3 or len(token) > TOKEN_CHARACTERS_MAX:
            return BadToken("that is no token")
        header, claims = _json(parts[0]), _json(parts[1])
        if header is None or claims is None or header.get("alg") != "none" or parts[2]:
            return BadToken("that is no unsigned token")
        now_ms = time.time() * _MS
        return judged(claims, subject, scope_claim, required, now_ms=now_ms, skew_ms=skew_ms)

    return judge


def judged(
    claims: Mapping[str, Any],
    subject: str,
    scope_claim: str,
    required: list[str],
    *,
    now_ms: float,
    skew_ms: float,
) -> GoodToken | BadToken:
    """Whose a token is and until when, by its claims.

    Args:
        subject, scope_claim: the claims that name the user, and the scopes.
        required: the scopes it must have.
    """
    user, expires = claims.get(subject), claims.get("exp")
    issued = claims.get("iat", 0)
    if not isinstance(user, str) or not user.strip():
        return BadToken(f"claim {subject} names nobody")
    expires_ms, issued_ms = _in_ms(expires), _in_ms(issued)
    if expires_ms is None or issued_ms is None:
        return BadToken("exp or iat is no number")
    if now_ms >= expires_ms + skew_ms:
        return BadToken(f"it expired {round(now_ms - expires_ms)} ms ago")
    if issued_ms > now_ms + skew_ms or issued_ms >= expires_ms:
        return BadToken("it was issued in the future, or behind its end")
    scopes = claims.get(scope_claim, [])
    found = scopes if isinstance(scopes, list) else [scopes]  # a text is one scope, blanks and all
    if not set(required) <= {str(each) for each in found}:
        listed = f"[{', '.join(required)}]"  # as Java writes a list
        return BadToken("a scope is missing", "insufficient_scope", listed)
    return GoodToken(user, expires_ms)


def _signed(settings: TokenSettings, jwks: Keys) -> Judge:
    """Takes tokens that one of the keys has signed."""
    try:
        import jwt
    except ImportError:
        raise ConfigError(
            "OAUTHBEARER with signed tokens needs PyJWT: install minibroker[security]"
        ) from None

    def judge(token: str) -> GoodToken | BadToken:
        if len(token) > TOKEN_CHARACTERS_MAX:
            return BadToken("it is too long")
        try:
            key = jwks.key(jwt.get_unverified_header(token).get("kid"))
            if key is None:
                return BadToken("no key of the JWKS is the one it names")
            claims = jwt.decode(
                token,
                key,
                algorithms=[*ALGORITHMS, "EdDSA"],
                audience=settings.audience or None,
                issuer=settings.issuer,
                leeway=settings.clock_skew_s,
                options={
                    "require": ["exp", "iat", settings.subject_claim],
                    "verify_aud": bool(settings.audience),
                    "verify_sub": False,  # judged() looks at the claim that names the user
                },
            )
        except jwt.PyJWTError as error:
            return BadToken(f"{type(error).__name__}: {error}")
        return judged(
            claims,
            settings.subject_claim,
            settings.scope_claim,
            [],
            now_ms=time.time() * _MS,
            skew_ms=settings.clock_skew_s * _MS,
        )

    return judge


def _json(part: str) -> dict[str, Any] | None:
    """The object in a part of a token; None if there is none."""
    try:
        found = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _in_ms(seconds: object) -> int | None:
    """A claim's seconds in ms; None if it is no number: a bool, infinity and NaN are to Python."""
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        return None
    return int(seconds * _MS) if abs(seconds) < _FAR_S else None
