"""Ours answers to requests that would change `__consumer_offsets` as is written down."""

from __future__ import annotations

from minibroker.testing import TestBroker

from tests.support.answers.offsets_topic_answers import EXPECTED, answers


async def test_what_would_change_the_offsets_topic_is_refused() -> None:
    async with TestBroker() as broker:
        port = int(broker.bootstrap_servers.rpartition(":")[2])
        assert await answers(port) == {name: each.ours for name, each in EXPECTED.items()}
