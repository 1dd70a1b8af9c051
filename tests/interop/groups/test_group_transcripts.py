"""The transcripts in tests/support/group_transcripts are what a real Apache Kafka says."""

import pytest

from tests.support.groups.group_scenarios import SCENARIOS, play, written
from tests.support.groups.group_stage import SETTINGS, prepare
from tests.support.processes.kafka import RealKafka, missing_tools

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
]


async def test_kafka_says_what_is_written() -> None:
    with RealKafka(settings=SETTINGS) as kafka:
        host, port = kafka.bootstrap_servers.split(":")
        await prepare(host, int(port))
        for name in SCENARIOS:
            assert await play(name, host, int(port)) == written(name)
