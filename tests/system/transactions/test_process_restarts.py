"""Restarts in the middle, as in rows/restarts.py: of a process, on a real disk, by real kills."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.processes.broker import ForkedBroker
from tests.support.transactions.playing import HOUSES, play
from tests.support.transactions.stage import Peer


@pytest.mark.parametrize(
    ("name", "durability"),
    [*((name, "fsync") for name in HOUSES["restarted"].scenarios), ("restarts.kill", "page-cache")],
)
async def test_ours_answers_as_is_written(name: str, durability: str, tmp_path: Path) -> None:
    with ForkedBroker(data_dir=tmp_path, durability=durability) as broker:

        async def restart(kills: bool) -> None:
            await asyncio.to_thread(broker.kill if kills else broker.stop)
            await asyncio.to_thread(broker.start)

        peer = Peer("127.0.0.1", broker.port, is_kafka=False, restart=restart)
        played = await play(HOUSES["restarted"].scenarios[name], name, peer)
    assert not played.wrong, "\n".join(played.wrong)
