"""EDGE: tokens for OAUTHBEARER, as commands get them: from an issuer, from a file, or made here.

Made here are only those that nobody has signed, for brokers of tests that take them. Errors show no
secret and no token.
Source: OAuth 2.0 client credentials (RFC 6749 4.4); ClientCredentialsJwtRetriever.java,
FileJwtRetriever.java, OAuthBearerUnsecuredLoginCallbackHandler.java.
Tests: tests/unit/cli/asking/test_tokens.py
"""

from __future__ import annotations

import json
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from .client_properties import TokenEndpoint

TIMEOUT_S = 10
ANSWER_BYTES_MAX = 1_048_576
LIFETIME_S = 3_600


def tokens_of(endpoint: TokenEndpoint) -> Callable[[], str]:
    """What gives a fresh token each time it is called; it may wait up to TIMEOUT_S."""
    if endpoint.subject:
        return lambda: unsecured_token(endpoint.subject, time.time())
    if endpoint.url.startswith("file:"):
        path = Path(unquote(urlsplit(endpoint.url).path))
        return lambda: path.read_text(encoding="ascii").strip()
    return lambda: _issued(endpoint)


def unsecured_token(subject: str, now_s: float, lifetime_s: float = LIFETIME_S) -> str:
    """A token that nobody has signed (RFC 7515, alg none)."""
    claims = {"sub": subject, "iat": now_s, "exp": now_s + lifetime_s}
    return f"{_part({'alg': 'none'})}.{_part(claims)}."


def _part(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _issued(endpoint: TokenEndpoint) -> str:
    from urllib.error import HTTPError
    from urllib.parse import quote_plus, urlencode
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    class Nowhere(HTTPRedirectHandler):
        """Follows nobody elsewhere: the secret would go along, perhaps without TLS."""

        def redirect_request(self, *_: Any) -> None:
            return None

    secret = "" if endpoint.client_secret is None else endpoint.client_secret.reveal()
    both = f"{quote_plus(endpoint.client_id)}:{quote_plus(secret)}".encode()
    asked = {"grant_type": "client_credentials"}
    if endpoint.scope:
        asked["scope"] = endpoint.scope
    # Which schemes there are is decided in client_properties.py: https, and http on loopback.
    request = Request(  # noqa: S310
        endpoint.url,
        data=urlencode(asked).encode(),
        headers={
            "Authorization": f"Basic {b64encode(both).decode()}",
            "Accept": "application/json",
        },
    )
    try:
        with build_opener(Nowhere).open(request, timeout=TIMEOUT_S) as answer:
            told: Any = json.loads(answer.read(ANSWER_BYTES_MAX))
    except HTTPError as error:
        error.close()
        raise OSError(f"{endpoint.url} answered {error.code} {error.reason}") from None
    token = told.get("access_token") if isinstance(told, dict) else None
    if not isinstance(token, str):
        raise OSError(f"{endpoint.url} answered without an access_token")
    return token
