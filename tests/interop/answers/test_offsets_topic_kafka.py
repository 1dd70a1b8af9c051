"""A real Kafka answers to requests that would change `__consumer_offsets` as is written down."""

from __future__ import annotations

import pytest

from tests.support.answers.offsets_topic_answers import EXPECTED, SETTINGS, answers
from tests.support.processes.kafka import RealKafka, missing_tools


@pytest.mark.interop
@pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools()))
async def test_what_would_change_the_offsets_topic_of_kafka() -> None:
    with RealKafka(settings=SETTINGS) as kafka:
        port = int(kafka.bootstrap_servers.rpartition(":")[2])
        assert await answers(port) == {name: each.kafka for name, each in EXPECTED.items()}
