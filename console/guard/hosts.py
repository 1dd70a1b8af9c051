"""Which Host and Origin a request may carry. Pure.

DNS rebinding: 1. a page of attacker.example is open in a browser 2. the name is made to mean
127.0.0.1 3. the page reads the console as its own origin. Its requests still say `Host:
attacker.example`; so a name that nobody gave this console is refused, and an address never is.
Tests: tests/unit/console/guard/test_hosts.py
"""

from __future__ import annotations

from ipaddress import ip_address


def host_of(header: str) -> str:
    """The name or address of a Host header, without its port; "" if it is none."""
    text = header.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    host, colon, port = text.rpartition(":")
    if not colon:
        return text
    return host if port.isdecimal() and ":" not in host else ""


def is_ours(header: str, names: frozenset[str]) -> bool:
    """Whether a request with this Host header was meant for this console.

    Args:
        names: in lower case, besides localhost and every address.
    """
    host = host_of(header)
    if host == "localhost" or host in names:
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_from_here(host: str, origin: str | None, fetch_site: str | None) -> bool:
    """Whether a request that changes something comes from a page of this console.

    Args:
        host: the Host header.
        origin: the Origin header; browsers send it with every POST.
        fetch_site: Sec-Fetch-Site, where the browser has it.
    """
    if fetch_site is not None and fetch_site not in ("same-origin", "none"):
        return False
    if origin is None:
        return True
    return origin.partition("://")[2].lower() == host.strip().lower()
