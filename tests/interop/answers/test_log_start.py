"""The answers in tests/support/answers/log_start_answers.py are what a real Apache Kafka says."""

import pytest
from minibroker.client.cluster.connection import Connection

from tests.support.answers.log_start_answers import SETTINGS, differences
from tests.support.processes.kafka import RealKafka, missing_tools

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
]


async def test_kafkas_answers_are_those_written_down() -> None:
    with RealKafka(settings=SETTINGS) as kafka:
        host, port = kafka.bootstrap_servers.split(":")
        connection = await Connection.open(host, int(port))
        different = await differences(connection)
        await connection.close()
    assert not different, "\n".join(different)
