"""Numbers by address, as max.connections.per.ip.overrides has them.

Source: KafkaConfig.getMap, Csv.parseCsvMap: the last colon parts the two, so that IPv6 can be said.
Tests: tests/unit/broker/config/test_addresses.py
"""

from __future__ import annotations

from ipaddress import ip_address

from .properties import INT_MAX, ConfigError

NAME = "max.connections.per.ip.overrides"


def counts_of_addresses(text: str) -> dict[str, int]:
    """Counts by address, written as a socket tells it.

    Raises:
        ConfigError: what is no address, or no count.
    """
    found: dict[str, int] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        host, _, count = part.rpartition(":")
        try:
            address = str(ip_address(host.strip().removeprefix("[").removesuffix("]")))
        except ValueError:
            raise ConfigError(f"{NAME}={text}: {host or part!r} is no address") from None
        if not (count.strip().isascii() and count.strip().isdecimal()) or int(count) > INT_MAX:
            raise ConfigError(f"{NAME}={text}: {count!r} is no number of connections")
        found[address] = int(count)
    return found
