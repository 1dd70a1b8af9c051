"""The answers in tests/support/admin_answers.py are what a real Apache Kafka says."""

import pytest
from minibroker.client.network import Connection

from tests.support.admin_answers import ROWS, shown
from tests.support.kafka import RealKafka, missing_tools

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
]


async def test_kafkas_answers_are_those_written_down() -> None:
    with RealKafka() as kafka:
        host, port = kafka.bootstrap_servers.split(":")
        connection = await Connection.open(host, int(port))
        different = []
        for row in ROWS:
            answer = shown(await connection.request(row.message, version=row.version))
            if answer != row.answer:
                different.append(f"{row.name}: {answer!r}, written: {row.answer!r}")
        await connection.close()
    assert not different, "\n".join(different)
