"""Denials are told, and neither log nor memory is filled by who is denied all the time."""

from __future__ import annotations

import logging

import pytest
from minibroker.broker.security.rights.audit import (
    LINES_A_SECOND,
    REMEMBERED_MAX,
    REPEATED_AFTER_MS,
    Audit,
)
from minibroker.broker.security.rights.authorizer import Who
from minibroker.protocol.acls import AclOperation, AclResourceType

BOB = Who("User:bob", "127.0.0.1")


class Time:
    """A clock that is set."""

    ms = 0

    def now_ms(self) -> int:
        return self.ms

    def monotonic_ms(self) -> int:
        return self.ms


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.WARNING, "minibroker.authorizer")
    return caplog


def deny(audit: Audit, name: str) -> None:
    audit.denied(BOB, AclOperation.READ, AclResourceType.TOPIC, name)


def test_a_denial_is_told_once_a_minute_with_how_often_it_was(
    lines: pytest.LogCaptureFixture,
) -> None:
    time = Time()
    audit = Audit(time)
    for _ in range(5):
        deny(audit, "orders")
    (line,) = lines.messages
    assert "principal=User:bob" in line
    assert "operation=read" in line
    assert "resource=topic:orders" in line
    time.ms = REPEATED_AFTER_MS
    deny(audit, "orders")
    assert "more=4" in lines.messages[-1]
    assert audit.denied_count == 6


def test_lines_and_memory_are_bounded(lines: pytest.LogCaptureFixture) -> None:
    time = Time()
    audit = Audit(time)
    for number in range(10 * LINES_A_SECOND):
        deny(audit, f"topic-{number}")
    assert len(lines.messages) == LINES_A_SECOND
    for number in range(2 * REMEMBERED_MAX):
        time.ms += 1000
        deny(audit, f"another-{number}")
    assert audit.remembered_count <= REMEMBERED_MAX
