"""Backups made and put back under load, a few rounds; `make restore` plays many."""

from __future__ import annotations

import pytest

from tests.crash.restoring import play

pytestmark = pytest.mark.crash


def test_a_restore_loses_nothing_it_promised_and_doubles_nothing() -> None:
    assert play(5, 1) == []
