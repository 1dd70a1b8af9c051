"""The answers in tests/support/*_answers.py are what a real Apache Kafka says."""

import time

import pytest
from minibroker.client.network import Connection

from tests.support import admin_answers, config_answers, partition_answers
from tests.support.admin_answers import Row, shown
from tests.support.kafka import RealKafka, missing_tools

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
]
# A change reaches what a broker tells a moment after it was answered; only telling is repeated.
TELLING = ("Describe", "Metadata", "ListOffsets")
SETTLED_S = 5


async def test_kafkas_answers_are_those_written_down() -> None:
    rows = (
        *admin_answers.ROWS,
        *config_answers.ROWS,
        *partition_answers.ROWS,
        *partition_answers.DELETING,
    )
    with RealKafka() as kafka:
        host, port = kafka.bootstrap_servers.split(":")
        connection = await Connection.open(host, int(port))
        different = []
        for row in rows:
            answer = await _answer(connection, row)
            if answer != row.answer:
                different.append(f"{row.name}: {answer!r}, written: {row.answer!r}")
        await connection.close()
    assert not different, "\n".join(different)


async def _answer(connection: Connection, row: Row) -> str:
    deadline = time.monotonic() + SETTLED_S
    while True:
        answer = shown(await connection.request(row.message, version=row.version))
        is_telling = type(row.message).__name__.startswith(TELLING)
        if answer == row.answer or not is_telling or time.monotonic() > deadline:
            return answer
