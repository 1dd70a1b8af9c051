"""Which Host and Origin headers are let in."""

from __future__ import annotations

import pytest
from minibroker.console.guard.hosts import host_of, is_from_here, is_ours

NAMES = frozenset({"console.example"})


@pytest.mark.parametrize(
    ("header", "ours"),
    [
        ("localhost:8080", True),
        ("127.0.0.1:8080", True),
        ("10.1.2.3", True),
        ("[::1]:8080", True),
        ("Console.Example:8080", True),
        ("attacker.example", False),
        ("localhost.attacker.example:8080", False),
        ("", False),
        ("127.0.0.1.attacker.example", False),
        ("::1", False),
    ],
)
def test_a_name_nobody_gave_is_refused(header: str, ours: bool) -> None:
    assert is_ours(header, NAMES) is ours


def test_a_port_is_no_part_of_a_name() -> None:
    assert host_of("a:80") == "a"
    assert host_of("[::1]:80") == "::1"


@pytest.mark.parametrize(
    ("origin", "site", "here"),
    [
        (None, None, True),
        ("http://localhost:8080", None, True),
        ("https://localhost:8080", "same-origin", True),
        ("http://localhost:8081", None, False),
        ("http://attacker.example", None, False),
        ("null", None, False),
        ("http://localhost:8080", "cross-site", False),
        ("http://localhost:8080", "same-site", False),
    ],
)
def test_forms_of_others_are_refused(origin: str | None, site: str | None, here: bool) -> None:
    assert is_from_here("localhost:8080", origin, site) is here
