"""Records that have gone, seen by clients: their errors, what a parked fetch gets, restarts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from minibroker.protocol.messages.fetch import FetchRequest

from tests.support.answers import log_start_answers
from tests.support.answers.admin_answers import create
from tests.support.answers.log_start_answers import (
    FIRST_AT_MS,
    SETTINGS,
    delete_records,
    delete_topic,
    fetch,
    produce,
    shown,
    where,
)
from tests.support.in_loop.looking import until
from tests.support.in_loop.runtime import connect, running_broker

LONG_MS = 60_000
FOR_EVER = {"retention.ms": "-1"}


@pytest.mark.parametrize("durability", ["fsync", "page-cache", "memory"])
async def test_our_answers_are_kafkas(durability: str, tmp_path: Path) -> None:
    settings = {**SETTINGS, "durability": durability}
    data_dir = None if durability == "memory" else tmp_path
    async with running_broker(data_dir, settings) as runtime:
        connection = await connect(runtime)
        different = await log_start_answers.differences(connection)
        await connection.close()
    assert not different, "\n".join(different)


async def test_deleted_records_stay_deleted_after_a_clean_stop(tmp_path: Path) -> None:
    for number, expected in enumerate(("0 offset=0", "0 offset=3", "0 offset=3")):
        async with running_broker(tmp_path) as runtime:
            connection = await connect(runtime)
            if not number:
                await connection.request(create("s", configs=FOR_EVER))
                await connection.request(produce(*[FIRST_AT_MS] * 5))
            assert shown(await connection.request(where(-2))).startswith(expected)
            assert shown(await connection.request(delete_records(3))) == "0 start=3"
            await connection.close()


def parked(offset: int, min_bytes: int) -> FetchRequest:
    """A fetch that waits for more than there is."""
    request = fetch(offset)
    request.max_wait_ms, request.min_bytes = LONG_MS, min_bytes
    return request


async def test_a_parked_fetch_below_the_new_start_is_refused_when_it_looks_again() -> None:
    async with running_broker(settings={"durability": "memory"}) as runtime:
        reader, writer = await connect(runtime), await connect(runtime)
        await writer.request(create("s", configs=FOR_EVER))
        await writer.request(produce(*[FIRST_AT_MS] * 5))
        answer = asyncio.ensure_future(reader.request(parked(2, min_bytes=150), version=12))
        partition = runtime.broker.partitions["s", 0]
        await until(lambda: partition.waiting is not None)
        await writer.request(delete_records(4))
        await writer.request(produce(*[FIRST_AT_MS] * 5))
        assert shown(await answer) == "0 1 hw=-1 lso=-1 start=-1 bytes=0"
        await reader.close()
        await writer.close()


async def test_a_parked_fetch_at_the_new_start_gets_what_comes() -> None:
    async with running_broker(settings={"durability": "memory"}) as runtime:
        reader, writer = await connect(runtime), await connect(runtime)
        await writer.request(create("s", configs=FOR_EVER))
        await writer.request(produce(*[FIRST_AT_MS] * 5))
        answer = asyncio.ensure_future(reader.request(parked(5, min_bytes=1), version=12))
        partition = runtime.broker.partitions["s", 0]
        await until(lambda: partition.waiting is not None)
        await writer.request(delete_records(-1))
        await writer.request(produce(*[FIRST_AT_MS] * 5))
        assert shown(await answer) == "0 0 hw=10 lso=10 start=5 bytes=101"
        await reader.close()
        await writer.close()


async def test_a_deleted_topic_answers_its_parked_fetch_and_a_new_one_begins_at_0(
    tmp_path: Path,
) -> None:
    async with running_broker(tmp_path) as runtime:
        reader, writer = await connect(runtime), await connect(runtime)
        await writer.request(create("s", configs=FOR_EVER))
        await writer.request(produce(*[FIRST_AT_MS] * 5))
        await writer.request(delete_records(3))
        answer = asyncio.ensure_future(reader.request(parked(5, min_bytes=1), version=12))
        await until(lambda: runtime.broker.partitions["s", 0].waiting is not None)
        await writer.request(delete_topic("s"))
        assert shown(await answer) == "0 3 hw=-1 lso=-1 start=-1 bytes=0"
        await writer.request(create("s", configs=FOR_EVER))
        assert shown(await writer.request(where(-2))).startswith("0 offset=0")
        assert shown(await writer.request(produce(FIRST_AT_MS), version=9)) == "0 offset=0 start=0"
        await reader.close()
        await writer.close()
