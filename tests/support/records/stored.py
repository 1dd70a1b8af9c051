"""Topics and what they hold, for blocking tests: one connection a call, no proxy between."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from minibroker.client.cluster.connection import Connection
from minibroker.protocol.batch.header import BatchHeader
from minibroker.protocol.framing import Buffer
from minibroker.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from minibroker.testing import Kept, Sent, findings
from minibroker.testing.stored import Stored, stored_batches, stored_records

T = TypeVar("T")


def create_topic(port: int, topic: str) -> None:
    """A fresh topic of one partition; fails if there is one of that name."""
    wanted = CreatableTopic(
        name=topic, num_partitions=1, replication_factor=1, assignments=[], configs=[]
    )

    async def create(connection: Connection) -> None:
        response = await connection.request(CreateTopicsRequest(topics=[wanted]))
        assert not response.topics[0].error_code, response.topics[0].error_message

    _ask(port, create)


def read_records(port: int, topic: str) -> list[Stored]:
    """Every record of partition 0, in offset order."""
    return _ask(port, lambda connection: stored_records(connection, topic))


def broken_promises(port: int, topic: str, sent: Sequence[Sent]) -> str:
    """What minibroker.testing.findings finds wrong with partition 0, in short; "" for nothing."""
    stored = {0: [Kept(each.offset, each.value or b"") for each in read_records(port, topic)]}
    found = [f"{each.broken.value}: {each.text}" for each in findings(sent, stored)]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"{found[0][:300]}{more}" if found else ""


def read_batches(port: int, topic: str) -> list[tuple[BatchHeader, Buffer]]:
    """Every batch of partition 0 as it is stored, in offset order."""
    return _ask(port, lambda connection: stored_batches(connection, topic))


def _ask(port: int, question: Callable[[Connection], Awaitable[T]]) -> T:
    async def ask() -> T:
        connection = await Connection.open("127.0.0.1", port)
        try:
            return await question(connection)
        finally:
            await connection.close()

    return asyncio.run(ask())
