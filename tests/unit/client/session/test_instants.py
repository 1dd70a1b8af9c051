"""Instants of a session: told to who has armed them, and to nobody else."""

from __future__ import annotations

from minibroker.client.session import instants
from minibroker.client.session.instants import Instant


def test_an_instant_is_told_while_it_is_armed() -> None:
    passed: list[Instant] = []
    instants.at(Instant.SENT)
    instants.arm(passed.append)
    instants.at(Instant.FLUSHED)
    instants.arm(None)
    instants.at(Instant.CONFIRMED)
    assert passed == [Instant.FLUSHED]
