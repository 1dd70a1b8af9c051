"""EDGE: a program: creates topics, writes to each, deletes old ones, until its input ends.

    python -m tests.crash.founding HOST:PORT FILE

Each step is a line of FILE: `create N`, `created N`, `stored N`, `delete N`, `deleted N`; the words
in the present tense are written before the request leaves, the others when it was answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from typing import Any

from minibroker.client.cluster.connection import Connection, ConnectionFailed, RequestTimedOut
from minibroker.protocol.errors import ErrorCode
from minibroker.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from minibroker.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState

from tests.support.in_loop.requests import produce

KEPT = 3
PARTITIONS = 3
PAUSE_S = 0.05


def name_of(number: int) -> str:
    """The `number`-th topic."""
    return f"founded-{number}"


class Founding:
    """One connection at a time, and the request that must be answered before the next."""

    def __init__(self, server: str, path: str) -> None:
        host, _, port = server.rpartition(":")
        self._host, self._port = host, int(port)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._connection: Connection | None = None
        self.stopped = threading.Event()
        threading.Thread(target=self._await_end, daemon=True).start()

    async def run(self) -> None:
        """Found and delete."""
        number = 0
        while not self.stopped.is_set():
            await self._create(number)
            await self._store(number)
            if number >= KEPT:
                await self._delete(number - KEPT)
            number += 1
            await _pause()
        if self._connection is not None:
            await self._connection.close()

    async def _create(self, number: int) -> None:
        self._note("create", number)
        wanted = CreatableTopic(
            name=name_of(number), num_partitions=PARTITIONS, replication_factor=1
        )
        answer = await self._ask(CreateTopicsRequest(topics=[wanted]))
        code = answer.topics[0].error_code
        assert code in (ErrorCode.NONE, ErrorCode.TOPIC_ALREADY_EXISTS), code
        self._note("created", number)

    async def _store(self, number: int) -> None:
        answer = await self._ask(produce(b"%d" % number, topic=name_of(number)))
        (part,) = answer.responses[0].partition_responses
        assert not part.error_code, part.error_code
        self._note("stored", number)

    async def _delete(self, number: int) -> None:
        self._note("delete", number)
        topic = DeleteTopicState(name=name_of(number))
        answer = await self._ask(DeleteTopicsRequest(topics=[topic], timeout_ms=10_000))
        code = answer.responses[0].error_code
        assert code in (ErrorCode.NONE, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION), code
        self._note("deleted", number)

    async def _ask(self, message: Any) -> Any:
        """Ask until there is an answer; what was asked may have been done before."""
        while True:
            try:
                if self._connection is None:
                    self._connection = await Connection.open(self._host, self._port)
                return await self._connection.request(message)
            except (ConnectionFailed, RequestTimedOut):
                if self._connection is not None:
                    await self._connection.close()
                self._connection = None
                await _pause()

    def _note(self, word: str, number: int) -> None:
        os.write(self._file, f"{word} {number}\n".encode())

    def _await_end(self) -> None:
        sys.stdin.read()
        self.stopped.set()


async def _pause() -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), PAUSE_S)


def main(arguments: list[str]) -> int:
    """See the file's docstring."""
    asyncio.run(Founding(*arguments).run())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
