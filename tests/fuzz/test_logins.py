"""Logins under any frames: only the documented errors, and nobody gets in by chance."""

from __future__ import annotations

import os
from random import Random

import pytest
from minibroker.broker.security.login import Login, Pass
from minibroker.protocol.sasl.scram import HASHES

from tests.fuzz import logins

SEEDS = int(os.environ.get("SEEDS", "1500"))


def play_all() -> list[logins.Play]:
    """Many connections."""
    return [logins.play(Random(seed)) for seed in range(SEEDS)]


def test_nobody_gets_in_by_chance_and_some_by_what_they_know() -> None:
    through = [each for each in play_all() if each.login.username]
    assert len(through) > SEEDS / 20
    assert {each.login._mechanism for each in through} == {"PLAIN", "OAUTHBEARER", *HASHES}


def test_a_server_that_lets_anybody_in_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minibroker.protocol.sasl.plain.compare_digest", lambda one, other: True)
    with pytest.raises(AssertionError, match="knew nothing"):
        play_all()


def test_a_state_that_lets_requests_pass_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Login, "_tokens", lambda *args: Pass(), raising=True)
    with pytest.raises(AssertionError, match="before a login"):
        play_all()
