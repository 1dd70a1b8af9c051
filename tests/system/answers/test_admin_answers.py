"""Our answers to requests other than Produce are Apache Kafka's."""

from pathlib import Path

import pytest

from tests.support.answers import (
    admin_answers,
    config_answers,
    field_answers,
    node_answers,
    partition_answers,
)
from tests.support.answers.admin_answers import Row, shown
from tests.support.answers.node_answers import answer_to
from tests.support.in_loop.runtime import connect, running_broker


@pytest.mark.parametrize(
    "rows",
    [
        admin_answers.ROWS,
        config_answers.ROWS,
        partition_answers.ROWS,
    ],
    ids=["topics", "configs", "partitions"],
)
async def test_our_answers_are_kafkas(rows: tuple[Row, ...], tmp_path: Path) -> None:
    async with running_broker(tmp_path, {"durability": "page-cache"}) as runtime:
        connection = await connect(runtime)
        different = []
        for row in rows:
            answer = shown(await connection.request(row.message, version=row.version))
            if answer != row.answer:
                different.append(f"{row.name}: {answer!r}, Kafka: {row.answer!r}")
        await connection.close()
    assert not different, "\n".join(different)


async def test_we_answer_as_one_node_of_kafka_does(tmp_path: Path) -> None:
    async with running_broker(tmp_path, {"durability": "page-cache"}) as runtime:
        port = runtime.bound[0].port
        answers = {row.name: await answer_to(port, row) for row in node_answers.ROWS}
    assert answers == {row.name: row.answer for row in node_answers.ROWS}


async def test_each_field_acts_as_in_kafka(tmp_path: Path) -> None:
    async with running_broker(tmp_path, {"durability": "page-cache"}) as runtime:
        port = runtime.bound[0].port
        rows = field_answers.ROWS
        answers = {row.name: await answer_to(port, row, field_answers.HIDDEN) for row in rows}
    assert answers == {row.name: row.answer for row in rows}
