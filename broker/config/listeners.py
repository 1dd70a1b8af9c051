"""Listeners: `NAME://HOST:PORT` texts to values, and what each tells its clients to connect to.

An empty host or 0.0.0.0 listens everywhere. Such a listener without an advertised name tells each
client the address that client has itself reached, which is right wherever no address is translated
on the way; Kafka refuses to start instead (docs/deviations.md).
Source: Kafka's `listeners`, `advertised.listeners` and `listener.security.protocol.map`.
Tests: tests/unit/broker/config/test_config.py
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .listener_security import PLAINTEXT, ListenerSecurity, SecurityProtocol
from .properties import ConfigError

_TEXT = re.compile(
    r"(?P<name>[A-Za-z0-9_.-]+)://(?:\[(?P<six>[^\]]*)\]|(?P<host>[^:/]*)):(?P<port>\d+)"
)
_EVERYWHERE = ("", "0.0.0.0", "::")
LOOPBACK = ("localhost", "::1")


@dataclass(frozen=True, slots=True)
class Listener:
    """One place to listen at.

    Args:
        host: to bind; "" for every interface.
        port: to bind; 0 for any free one.
        advertised_host: told to clients; None for the address the client has reached.
        advertised_port: told to clients; 0 for the port that was bound.
        security: what it demands of its clients.
    """

    name: str
    host: str
    port: int
    advertised_host: str | None
    advertised_port: int
    security: ListenerSecurity = PLAINTEXT

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    return host in LOOPBACK or host.startswith("127.")


def _without_security(name: str, protocol: SecurityProtocol) -> ListenerSecurity:
    return ListenerSecurity(protocol)


def parse_listeners(
    listeners: tuple[str, ...],
    advertised: tuple[str, ...],
    protocols: Mapping[str, str] | None = None,
    security: Callable[[str, SecurityProtocol], ListenerSecurity] = _without_security,
) -> tuple[Listener, ...]:
    """The listeners of a configuration.

    Args:
        listeners, advertised: texts as `NAME://HOST:PORT`.
        protocols: security protocol by listener name, where the name does not say it.
        security: what a listener of a name and a protocol demands; may raise ConfigError.

    Raises:
        ConfigError: a text that is no listener, a name given twice, an advertised name without
            its listener, a security protocol nobody knows, nothing to listen at.
    """
    places = _by_name("listeners", listeners)
    told = _by_name("advertised.listeners", advertised)
    if not places:
        raise ConfigError("listeners: give at least one, as PLAINTEXT://127.0.0.1:9092")
    for name, (host, _) in told.items():
        if name not in places:
            raise ConfigError(f"advertised.listeners: {name} is not among the listeners")
        if host in _EVERYWHERE:
            raise ConfigError(
                f"advertised.listeners: {name} needs a host that clients can reach, not {host!r}"
            )
    spoken = {name: protocol_of(name, protocols or {}) for name in places}
    return tuple(
        _listener(name, *place, told.get(name), security(name, spoken[name]))
        for name, place in places.items()
    )


def protocol_of(name: str, protocols: Mapping[str, str]) -> SecurityProtocol:
    """What is spoken at a listener: what the map says, or its name, or else PLAINTEXT.

    Raises:
        ConfigError: the map says what no listener can speak.
    """
    text = protocols.get(name)
    if text is None:
        known = SecurityProtocol.__members__
        return known.get(name.upper(), SecurityProtocol.PLAINTEXT)
    try:
        return SecurityProtocol[text.upper()]
    except KeyError:
        choices = ", ".join(SecurityProtocol.__members__)
        raise ConfigError(
            f"listener.security.protocol.map={name}:{text}: expected one of {choices}"
        ) from None


def _listener(
    name: str, host: str, port: int, told: tuple[str, int] | None, security: ListenerSecurity
) -> Listener:
    everywhere = host in _EVERYWHERE
    advertised = told if told is not None else (None if everywhere else host, 0)
    return Listener(name, "" if everywhere else host, port, *advertised, security)


def _by_name(prop: str, texts: tuple[str, ...]) -> dict[str, tuple[str, int]]:
    found: dict[str, tuple[str, int]] = {}
    for text in texts:
        match = _TEXT.fullmatch(text)
        if match is None or int(match["port"]) > 65535:
            raise ConfigError(f"{prop}={text}: expected NAME://HOST:PORT with a port to 65535")
        if match["name"] in found:
            raise ConfigError(f"{prop}: {match['name']} is given twice")
        found[match["name"]] = (match["six"] or match["host"] or "", int(match["port"]))
    return found
