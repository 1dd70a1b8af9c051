"""EDGE: the keys that sign tokens, from a file or from an address.

A file is read anew when it has changed. An address is asked in a thread of its own: at the start,
every sasl.oauthbearer.jwks.endpoint.refresh.ms, and when a token names a key that is not known, but
not more often than once in ASK_AGAIN_S: else whoever sends such tokens would have us ask all day.
Logins never wait for it. Keys of before stay in force where none can be had.
Source: RefreshingHttpsJwks.java, VerificationKeyResolverFactory.java; RFC 7517.
Tests: tests/unit/broker/security/test_jwks.py
"""

from __future__ import annotations

import json
import logging
import threading
import time
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

from ..config.properties import ConfigError
from ..log_lines import Event

logger = logging.getLogger("minibroker")

URL = "sasl.oauthbearer.jwks.endpoint.url"
JWKS_BYTES_MAX = 1024 * 1024
KEYS_MAX = 1000
ASK_TIMEOUT_S = 10.0
ASK_AGAIN_S = 60.0
LOOK_EVERY_S = 1.0


class Keys(Protocol):
    """Where keys come from."""

    def key(self, name: str | None) -> Any:
        """The key of that name, the first where none is named; None if there is no such."""


def jwks_of(url: str, refresh_ms: int) -> JwksFile | JwksUrl:
    """The keys at a URL.

    Raises:
        ConfigError: it is neither file://, http:// nor https://, or the file holds no keys.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        return JwksFile(Path(unquote(parts.path)))
    if parts.scheme in ("http", "https") and parts.hostname:
        return JwksUrl(url, refresh_ms / 1000)
    raise ConfigError(f"{URL}={url}: expected https://HOST/PATH or file:///PATH")


def parsed(text: bytes) -> dict[str | None, Any]:
    """The signing keys of a JWKS by name.

    Raises:
        ValueError: that is no JWKS, or there is no key in it that is understood here.
    """
    import jwt

    try:
        listed = json.loads(text)["keys"][:KEYS_MAX]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"that is no JWKS: {type(error).__name__}") from None
    found: dict[str | None, Any] = {}
    for each in listed:
        if (
            not isinstance(each, dict)
            or each.get("use", "sig") != "sig"
            or each.get("kty") == "oct"
        ):
            continue  # a secret that both sides share is none for a list that anybody may read
        try:
            found[each.get("kid")] = jwt.PyJWK(each)
        except jwt.PyJWTError:
            continue  # of a kind that is not known here; others may be
    if not found:
        raise ValueError("there is no public key in it that is understood here")
    return found


def _picked(keys: dict[str | None, Any], name: str | None) -> Any:
    return next(iter(keys.values()), None) if name is None else keys.get(name)


class JwksFile:
    """Keys in a file. Raises ConfigError: there are none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._looked_at = time.monotonic()
        try:
            self._changed_at = path.stat().st_mtime_ns
            self._keys = parsed(path.read_bytes())
        except (OSError, ValueError) as error:
            raise ConfigError(f"{URL}=file://{path}: {error}") from None

    def key(self, name: str | None) -> Any:
        """As in Keys."""
        now = time.monotonic()
        if now - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = now
            self._look()
        return _picked(self._keys, name)

    def close(self) -> None:
        """Nothing is to be ended."""

    def _look(self) -> None:
        try:
            changed_at = self._path.stat().st_mtime_ns
            if changed_at == self._changed_at:
                return
            self._keys = parsed(self._path.read_bytes())
            self._changed_at = changed_at
        except (OSError, ValueError) as error:
            logger.warning(Event("token-keys-not-read", file=self._path, why=error))


class JwksUrl:
    """Keys at an address."""

    def __init__(self, url: str, refresh_s: float) -> None:
        self._url = url
        self._refresh_s = refresh_s
        self._keys: dict[str | None, Any] = {}
        self._asked_at = -ASK_AGAIN_S
        self._closed = threading.Event()
        self._wanted = threading.Event()
        self._wanted.set()
        threading.Thread(target=self._run, name="token-keys", daemon=True).start()

    def key(self, name: str | None) -> Any:
        """As in Keys; asks again if there is no such."""
        found = _picked(self._keys, name)
        if found is None:
            self._wanted.set()
        return found

    def close(self) -> None:
        """Ask no more."""
        self._closed.set()
        self._wanted.set()

    def _run(self) -> None:
        while not self._closed.is_set():
            self._wanted.wait(self._refresh_s)
            self._closed.wait(max(self._asked_at + ASK_AGAIN_S - time.monotonic(), 0))
            self._wanted.clear()
            if not self._closed.is_set():
                self._asked_at = time.monotonic()
                self._ask()

    def _ask(self) -> None:
        try:
            with urlopen(self._url, timeout=ASK_TIMEOUT_S) as answer:  # noqa: S310  http(s) only
                text = answer.read(JWKS_BYTES_MAX + 1)
            if len(text) > JWKS_BYTES_MAX:
                raise ValueError(f"more than {JWKS_BYTES_MAX} bytes")
            self._keys = parsed(text)
        except (OSError, ValueError) as error:
            logger.warning(
                Event("token-keys-not-fetched", url=self._url, why=error, known=len(self._keys))
            )
