"""Where rows about transactions are asked: one broker, and what one scenario needs of it.

A scenario (rows/*.py) makes requests one after the other and writes beside each what Apache Kafka
4.3.1 answers; where ours answers otherwise on purpose, it names the difference (differences.py).
Answers are short texts: `0 p 1` is error code, producer id and epoch, where `p` is the first
producer id that the transactional id was given and `q` the second; `51.. 0 p 2` was 51 some times
first; `0 @4` is a batch stored at offset 4; messages stand in `<>`. Topics are `A`, `B`; what is -1
or empty is left out. Every wait is bounded.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple, ParamSpec
from uuid import uuid4

from minibroker.client.cluster.connection import Connection
from minibroker.client.errors import ClientError
from minibroker.protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from minibroker.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from minibroker.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from minibroker.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic

from tests.support.in_loop.looking import pause
from tests.support.transactions.differences import Ours
from tests.support.transactions.markers import Markers
from tests.support.transactions.offsets import Groups
from tests.support.transactions.producer import Producer
from tests.support.transactions.readers import Readers

WAIT_S = 20.0
BROKER = 4  # a resource type
SILENCE_MS = 1500  # after which a request that nobody answers counts as unanswered
BUSY = "51"
WAITING = {BUSY, "19"}
AT_FIRST = "51.. "
MESSAGE = re.compile(" <[^>]*>")

Asked = ParamSpec("Asked")
Hold = Callable[[], AbstractAsyncContextManager[None]]
_APART: ContextVar[Connection | None] = ContextVar("apart", default=None)


@dataclass
class Peer:
    """A broker that is asked.

    Attributes:
        hold_markers: keeps the coordinator from writing markers for a while (ours).
        raise_epoch: gives an id another epoch at once, where nobody wants to wait (ours).
        restart: stops it, cleanly or by a kill, and starts it again on the same port and data.
    """

    host: str
    port: int
    is_kafka: bool
    hold_markers: Hold | None = None
    raise_epoch: Callable[[str, int], None] | None = None
    restart: Callable[[bool], Awaitable[None]] | None = None


class Row(NamedTuple):
    """A row that is asked together with others."""

    step: str
    answer: Coroutine[Any, Any, str]
    kafka: str | tuple[str, ...]
    ours: Ours | None = None


def maybe_busy(answer: str) -> tuple[str, str]:
    """What comes at once, or after some times 51: how quick an ending was."""
    return answer, AT_FIRST + answer


class Stage:
    """One scenario on one broker."""

    def __init__(self, peer: Peer, name: str) -> None:
        self.peer = peer
        self.wrong: list[str] = []
        self.row_count = 0
        self.readers = Readers(self)
        self.groups = Groups(self)
        self.markers = Markers(self)
        self.unique = f"{name}-{uuid4().hex[:6]}"
        self._topics: dict[str, str] = {}  # by letter
        self._topic_ids: dict[str, bytes] = {}  # by name
        self._producers: list[Producer] = []
        self._connections: list[Connection] = []

    async def row(
        self,
        step: str,
        answer: Awaitable[str] | str,
        kafka: str | tuple[str, ...],
        ours: Ours | None = None,
    ) -> None:
        """Compare an answer with what is written: of several texts any will do (a race)."""
        self.row_count += 1
        try:
            said = answer if isinstance(answer, str) else await answer
        except ClientError as error:
            said = f"no answer: {error}"
        written = kafka if ours is None or self.peer.is_kafka else ours.answer
        texts = self._as_told(written)
        if self._as_told(said)[0] not in texts:
            self.wrong.append(f"{step}: {said!r}, written: {' or '.join(map(repr, texts))}")

    def _as_told(self, written: str | tuple[str, ...]) -> tuple[str, ...]:
        """What ours may say instead: without 51 at first, and in its own words."""
        texts = (written,) if isinstance(written, str) else written
        if self.peer.is_kafka:
            return texts
        return tuple(dict.fromkeys(MESSAGE.sub("", each.removeprefix(AT_FIRST)) for each in texts))

    async def rows(self, *rows: Row) -> None:
        """Ask one after the other; of ours, those that wait for a moment together at the end.

        Behind one that waits ours keeps all others of the same id. Kafka, asked for much at once,
        says 19 or 14 here and there.
        """
        together = []
        for each in rows:
            written = each.kafka if each.ours is None else each.ours.answer
            if self.peer.is_kafka or not {written[:2], written[0][:2]} & WAITING:
                await self.row(*each)
            else:
                asked = self.apart(each.answer)
                together.append(self.row(each.step, asked, each.kafka, each.ours))
        await asyncio.gather(*together)

    async def apart(self, answer: Awaitable[str]) -> str:
        """Ask on a connection of its own; to be run as a task."""
        _APART.set(await self.connect())
        return await answer

    async def connect(self) -> Connection:
        """One more connection, closed with the stage."""
        connection = await Connection.open(self.peer.host, self.peer.port, client_id=self.unique)
        self._connections.append(connection)
        return connection

    async def ask(
        self, message: Any, version: int | None = None, *, on: Connection | None = None
    ) -> Any:
        """Make a request, on the first connection unless told otherwise."""
        on = on or _APART.get()
        if on is None:
            open_ones = [each for each in self._connections if each.is_open]
            on = open_ones[0] if open_ones else await self.connect()
        timeout_ms = WAIT_S * 1000
        return await on.request(message, version=version, timeout_ms=timeout_ms)

    async def silence(self, message: Any, version: int) -> str:
        """Make a request to which perhaps no answer comes, on a connection of its own."""
        connection = await self.connect()
        try:
            await connection.request(message, version=version, timeout_ms=SILENCE_MS)
        except ClientError:
            return "no answer"
        return "an answer"

    async def becomes(
        self,
        step: str,
        written: str,
        ask: Callable[Asked, Awaitable[str]],
        *args: Asked.args,
        **kwargs: Asked.kwargs,
    ) -> None:
        """A row whose answer comes after some time: it is asked until it is as written."""
        await self.row(step, self.until(written, ask, *args, **kwargs), written)

    async def until(
        self,
        written: str,
        ask: Callable[Asked, Awaitable[str]],
        *args: Asked.args,
        **kwargs: Asked.kwargs,
    ) -> str:
        """Ask until it is as written: the last answer, also when that did not come in time."""
        answer = await ask(*args, **kwargs)
        try:
            async with asyncio.timeout(WAIT_S):
                while self._as_told(answer) != self._as_told(written):
                    answer = await ask(*args, **kwargs)
        except TimeoutError:
            return answer
        return answer

    async def settled(
        self, ask: Callable[Asked, Awaitable[str]], *args: Asked.args, **kwargs: Asked.kwargs
    ) -> str:
        """Ask until it is not 51: the last answer, told when it was not the first."""
        was_busy = False
        async with asyncio.timeout(WAIT_S):
            while (answer := await ask(*args, **kwargs)).split(" ")[0] == BUSY:
                was_busy = True
        return AT_FIRST + answer if was_busy else answer

    async def given(
        self, ask: Callable[Asked, Awaitable[str]], *args: Asked.args, **kwargs: Asked.kwargs
    ) -> None:
        """Ask what must work for the rows to mean anything."""
        answer = (await self.settled(ask, *args, **kwargs)).removeprefix(AT_FIRST)
        assert answer.split(" ")[0] == "0", f"a scenario cannot go on: {answer}"

    async def at_once(self, *asks: Awaitable[str]) -> str:
        """Ask together: the answers in the order of their texts."""
        return " | ".join(sorted(await asyncio.gather(*asks)))

    async def in_a_row(self, *asks: Awaitable[str]) -> str:
        """Ask without waiting for answers in between: the answers, as they came."""
        return " | ".join(await asyncio.gather(*asks))

    async def configure(self, name: str, value: str) -> None:
        """Change a property of the broker while it runs."""
        config = AlterableConfig(name=name, config_operation=0, value=value)
        resource = AlterConfigsResource(resource_type=BROKER, resource_name="1", configs=[config])
        answer = await self.ask(
            IncrementalAlterConfigsRequest(resources=[resource], validate_only=False)
        )
        assert answer.responses[0].error_code == 0, answer.responses[0].error_message

    async def topic(self, partitions: int = 1, **configs: str) -> str:
        """Make the next topic and wait until it has leaders; its letter."""
        letter = "ABCDEFGH"[len(self._topics)]
        self._topics[letter] = f"{self.unique}-{letter}"
        await self.make_topic(letter, partitions, **configs)
        return letter

    async def make_topic(self, letter: str, partitions: int = 1, **configs: str) -> None:
        """Make a topic (again)."""
        name = self._topics[letter]
        settings = [
            CreatableTopicConfig(name=key.replace("_", "."), value=value)
            for key, value in configs.items()
        ]
        new = CreatableTopic(
            name=name, num_partitions=partitions, replication_factor=1, configs=settings
        )
        request = CreateTopicsRequest(topics=[new], timeout_ms=10_000)
        async with asyncio.timeout(WAIT_S):
            while (code := (await self.ask(request)).topics[0].error_code) == 36:  # exists still
                await pause()
            assert code == 0, f"a topic cannot be made: {code}"
            while not await self._has_leaders(name, partitions):
                await pause()
            for index in range(partitions):
                while not (await self.readers.position(-2, of=f"{letter}-{index}")).startswith("@"):
                    await pause()

    async def delete_topic(self, letter: str) -> None:
        """Delete a topic, and wait until it is gone."""
        state = DeleteTopicState(name=self._topics[letter])
        request = DeleteTopicsRequest(topics=[state], topic_names=[], timeout_ms=10_000)
        assert (await self.ask(request)).responses[0].error_code == 0
        async with asyncio.timeout(WAIT_S):
            while (await self._found(self._topics[letter])).error_code != 3:
                await pause()

    def part(self, where: int | str) -> tuple[str, int]:
        """Topic and partition: 3 is `A-3`; what is no letter of a topic is a name."""
        letter, _, index = (f"A-{where}" if isinstance(where, int) else where).rpartition("-")
        return self._topics.get(letter, letter), int(index)

    def shown_part(self, topic: str, index: int) -> str:
        """The other way round; a partition of committed offsets as the group that it is for."""
        for letter, name in self._topics.items():
            topic = letter if topic == name else topic
        return self.groups.shown(topic, index) or f"{topic}-{index}"

    def topic_id(self, name: str) -> bytes:
        """The id of a topic; of an unknown one, one that nobody has."""
        return self._topic_ids.get(name, bytes(15) + b"\7")

    def producer(self, *, tv: int = 1, timeout_ms: int = 60_000) -> Producer:
        """A transactional id that nobody has used, by a client of that transaction version."""
        letter = "abcdefghijklmnopqrstuvwxyz"[len(self._producers)]
        new = Producer(self, letter, f"{self.unique}-{letter}", tv=tv, timeout_ms=timeout_ms)
        self._producers.append(new)
        return new

    async def ready(self, *, tv: int = 1, timeout_ms: int = 60_000) -> Producer:
        """The same with its first producer id."""
        new = self.producer(tv=tv, timeout_ms=timeout_ms)
        await self.given(new.init)
        return new

    def who(self, producer_id: int) -> str:
        """The producer of a producer id; `a` had it first, `a2` as its second."""
        for producer in self._producers:
            for index, each in enumerate(producer.ids.values()):
                if each == producer_id:
                    return producer.letter + (str(index + 1) if index else "")
        return "" if producer_id == -1 else "?"

    def letter_of(self, transactional_id: str, producer_id: int | None = None) -> str:
        """The letter of a transactional id, or of a producer id that it has; else the id."""
        for producer in self._producers:
            if producer.name == transactional_id:
                return producer.letter if producer_id is None else producer.shown(producer_id)
        return "?" if producer_id is None else str(producer_id)

    async def close(self) -> None:
        """Hang up."""
        for each in self._connections:
            await each.close()

    async def _found(self, name: str) -> Any:
        topics = [MetadataRequestTopic(name=name)]
        request = MetadataRequest(topics=topics, allow_auto_topic_creation=False)
        return (await self.ask(request, 12)).topics[0]

    async def _has_leaders(self, name: str, count: int) -> bool:
        found = await self._found(name)
        self._topic_ids[name] = bytes(found.topic_id)
        leaders = [each for each in found.partitions if each.error_code == 0]
        return found.error_code == 0 and len(leaders) == count
