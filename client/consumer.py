"""EDGE: Consumer, the asyncio API that reads partitions from first to last record.

    async with Consumer("orders", bootstrap_servers="127.0.0.1:9092",
                        auto_offset_reset="earliest") as consumer:
        async for record in consumer: ...

Reads every partition of the topics named, or those given to assign(). What to fetch is decided in
fetcher.py; this file writes the fetches, looks offsets up and wakes whoever waits for records.
Names follow aiokafka where it has them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from random import Random
from types import TracebackType
from typing import Self

from ..protocol.errors import EncodeError
from ..protocol.messages.fetch import FetchResponse
from .cluster import Cluster
from .config import ConsumerConfig, OffsetReset, parse_servers
from .errors import Fatal
from .fetcher import NEVER, ConsumerRecord, FetchCall, Fetcher, Reading, TopicPartition
from .network import Connection, ConnectionFailed, RequestTimedOut, UnsupportedApi
from .offsets import EARLIEST, LATEST, OffsetAndTimestamp, Offsets

__all__ = ["Consumer", "ConsumerRecord", "OffsetAndTimestamp", "TopicPartition"]

LOOK_UPS = {"earliest": EARLIEST, "latest": LATEST}
RECHECK_MS = 100.0


class Consumer:
    """A consumer of partitions; made inside a running loop, started by `async with` or start().

    Args:
        topics: every partition of each is read; none leaves the choice to assign().
        bootstrap_servers: "host:port,host:port", or a sequence of "host:port".
        auto_offset_reset: where to begin without a position: "earliest", "latest", or "none",
            which raises.

    Every option has Kafka's name, meaning and default.

    Raises:
        ValueError: an option that cannot work, or a server that is no HOST:PORT.
    """

    def __init__(
        self,
        *topics: str,
        bootstrap_servers: str | Sequence[str] = "127.0.0.1:9092",
        client_id: str = "minibroker",
        auto_offset_reset: OffsetReset = "latest",
        fetch_min_bytes: int = 1,
        fetch_max_bytes: int = 52_428_800,
        fetch_max_wait_ms: int = 500,
        max_partition_fetch_bytes: int = 1_048_576,
        max_poll_records: int = 500,
        check_crcs: bool = True,
        request_timeout_ms: int = 30_000,
        retry_backoff_ms: int = 100,
        retry_backoff_max_ms: int = 1_000,
        reconnect_backoff_ms: int = 50,
        reconnect_backoff_max_ms: int = 1_000,
        metadata_max_age_ms: int = 300_000,
        socket_connection_setup_timeout_ms: int = 10_000,
        allow_auto_create_topics: bool = True,
    ) -> None:
        self._topics = topics
        self._config = ConsumerConfig(
            bootstrap_servers=parse_servers(bootstrap_servers),
            client_id=client_id,
            auto_offset_reset=auto_offset_reset,
            fetch_min_bytes=fetch_min_bytes,
            fetch_max_bytes=fetch_max_bytes,
            fetch_max_wait_ms=fetch_max_wait_ms,
            max_partition_fetch_bytes=max_partition_fetch_bytes,
            max_poll_records=max_poll_records,
            check_crcs=check_crcs,
            request_timeout_ms=request_timeout_ms,
            retry_backoff_ms=retry_backoff_ms,
            retry_backoff_max_ms=retry_backoff_max_ms,
            reconnect_backoff_ms=reconnect_backoff_ms,
            reconnect_backoff_max_ms=reconnect_backoff_max_ms,
            metadata_max_age_ms=metadata_max_age_ms,
            socket_connection_setup_timeout_ms=socket_connection_setup_timeout_ms,
            allow_auto_create_topics=allow_auto_create_topics,
        )
        random = Random()
        self._fetcher = Fetcher(self._config, random)
        self._cluster = Cluster(self._config, random, self._wake)
        self._offsets = Offsets(self._config, self._cluster)
        self._loop = asyncio.get_running_loop()
        self._open: dict[int, tuple[Connection, float]] = {}  # by node: connection, deadline
        self._woken: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._looking_up: asyncio.Task[None] | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._failure: Exception | None = Fatal("the consumer has not been started")

    async def start(self) -> None:
        """Reach a broker and assign the partitions of the topics named.

        Raises:
            ConnectionFailed: none of bootstrap_servers can be reached.
            Fatal, Retriable: a topic cannot be, or has no leader within request_timeout_ms.
        """
        await self._cluster.start()
        try:
            places = [place for topic in self._topics for place in await self._places_of(topic)]
        except BaseException:
            await self._cluster.stop()
            raise
        self._failure = None
        if places:
            self._fetcher.assign(places)
            self._wake()

    async def stop(self) -> None:
        """End all fetching, within seconds."""
        self._failure = Fatal("the consumer was stopped")
        for handle in (self._timer, self._woken):
            if handle is not None:
                handle.cancel()
        self._wake_waiting()
        await self._cluster.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        """Read these partitions from now on; those read before keep their position."""
        self._cluster.metadata.wanted.update(topic for topic, _ in partitions)
        self._fetcher.assign([TopicPartition(*each) for each in partitions])
        self._wake()

    def assignment(self) -> set[TopicPartition]:
        """The partitions that are read."""
        return set(self._fetcher.readings)

    async def partitions_for_topic(
        self, topic: str, *, timeout_ms: float | None = None
    ) -> list[int]:
        """The partitions of a topic, ascending. Raises as start().

        Args:
            timeout_ms: how long it may take to appear; by default request_timeout_ms.
        """
        return [place.partition for place in await self._places_of(topic, timeout_ms)]

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go on at an offset (0 or more)."""
        if offset < 0:
            raise ValueError(f"offset {offset} is below 0")
        self._reading_of(partition).move_to(offset)
        self._wake()

    async def seek_to_beginning(self, *partitions: TopicPartition) -> None:
        """Go on at the first record of these partitions, or of all."""
        places = partitions or tuple(self._fetcher.readings)
        for place, offset in (await self.beginning_offsets(places)).items():
            self.seek(place, offset)

    async def seek_to_end(self, *partitions: TopicPartition) -> None:
        """Go on behind the last record of these partitions, or of all."""
        places = partitions or tuple(self._fetcher.readings)
        for place, offset in (await self.end_offsets(places)).items():
            self.seek(place, offset)

    async def position(self, partition: TopicPartition) -> int:
        """The offset of the next record the application gets. Raises as end_offsets()."""
        reading = self._reading_of(partition)
        if reading.position < 0 and reading.look_up is not None:
            look_up = LOOK_UPS[reading.look_up]
            offsets = await self._offsets.at({partition: look_up}, self._config.request_timeout_ms)
            if reading.position < 0:
                reading.move_to(offsets[partition].offset)
                self._wake()
        return reading.position

    async def beginning_offsets(
        self, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, int]:
        """The offset of the first record of each partition. Raises as end_offsets()."""
        return await self._offsets_at(dict.fromkeys(partitions, EARLIEST))

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset behind the last readable record of each partition.

        Raises:
            Fatal: a partition does not exist, or may not be read.
            Retriable: no answer within request_timeout_ms.
        """
        return await self._offsets_at(dict.fromkeys(partitions, LATEST))

    async def offsets_for_times(
        self, timestamps: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, OffsetAndTimestamp | None]:
        """The first record of each partition at or after a time (ms since 1970), if any."""
        if any(timestamp < 0 for timestamp in timestamps.values()):
            raise ValueError("timestamps are ms since 1970, 0 or more")
        found = await self._offsets.at(timestamps, self._config.request_timeout_ms)
        return {place: each if each.offset >= 0 else None for place, each in found.items()}

    def pause(self, *partitions: TopicPartition) -> None:
        """Hand out no records of these partitions until resume()."""
        for place in partitions:
            self._reading_of(place).is_paused = True

    def resume(self, *partitions: TopicPartition) -> None:
        """Undo pause()."""
        for place in partitions:
            self._reading_of(place).is_paused = False
        self._wake()

    async def getone(self) -> ConsumerRecord:
        """Wait for the next record.

        Raises:
            Fatal: a partition cannot be read, or the consumer was stopped.
        """
        while True:
            for records in self._take(1).values():
                return records[0]
            await self._until_more()

    async def getmany(
        self, *, timeout_ms: float = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[ConsumerRecord]]:
        """Records that have come, by partition; empty if none come within `timeout_ms`.

        Args:
            max_records: at most so many; by default max_poll_records.

        Raises: as getone().
        """
        count_max = self._config.max_poll_records if max_records is None else max_records
        taken = self._take(count_max)
        if taken or timeout_ms <= 0:
            return taken
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                while not taken:
                    await self._until_more()
                    taken = self._take(count_max)
        except TimeoutError:
            pass
        return taken

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ConsumerRecord:
        return await self.getone()

    def _take(self, count_max: int) -> dict[TopicPartition, list[ConsumerRecord]]:
        if self._failure is not None:
            raise self._failure.with_traceback(None)
        taken = self._fetcher.take(count_max)
        if taken:
            self._wake()
        return taken

    async def _until_more(self) -> None:
        waiting: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append(waiting)
        self._wake()
        await waiting

    def _wake_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():
                each.set_result(None)

    def _wake(self) -> None:
        if self._woken is None and self._failure is None:
            self._woken = self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._woken = None
        try:
            self._turn()
        except Exception as error:  # noqa: BLE001  told to whoever reads next
            self._failure = error
            self._wake_waiting()

    def _turn(self) -> None:
        fetcher, now_ms = self._fetcher, self._loop.time() * 1000
        for node_id, (connection, deadline_ms) in [*self._open.items()]:
            if deadline_ms <= now_ms:
                text = f"node {node_id} gave no answer to Fetch in time"
                connection.fail(RequestTimedOut(text))
        self._cluster.refresh_if_old(now_ms)
        metadata = self._cluster.metadata
        calls = fetcher.plan(now_ms, metadata.leader_of, metadata.epoch_of, self._is_free)
        for call in calls:
            self._write(call, now_ms)
        if fetcher.wants_metadata:
            fetcher.wants_metadata = False
            self._cluster.refresh_soon()
        if self._looking_up is None and fetcher.places_to_look_up():
            self._looking_up = self._cluster.spawn(self._look_up(), "look offsets up")
        deadlines = (deadline_ms for _, deadline_ms in self._open.values())
        wake_ms = min(fetcher.next_wake_ms(now_ms), min(deadlines, default=NEVER))
        if self._timer is not None:
            self._timer.cancel()
        if wake_ms != NEVER:
            self._timer = self._loop.call_at(wake_ms / 1000, self._wake)

    def _is_free(self, node_id: int) -> bool:
        return node_id not in self._open and self._cluster.connection(node_id) is not None

    def _write(self, call: FetchCall, now_ms: float) -> None:
        connection = self._cluster.connection(call.node_id)
        if connection is None:
            self._fetcher.lost(call, self._cluster.last_problem, now_ms)
            return
        try:
            answer = connection.start_request(call.request)
        except ConnectionFailed as error:
            self._fetcher.lost(call, str(error), now_ms)
            return
        except (UnsupportedApi, EncodeError) as error:
            raise Fatal(str(error)) from error
        self._open[call.node_id] = connection, now_ms + self._config.request_timeout_ms
        answer.add_done_callback(lambda future: self._on_answer(call, future))

    def _on_answer(self, call: FetchCall, future: asyncio.Future[FetchResponse]) -> None:
        self._open.pop(call.node_id, None)
        now_ms = self._loop.time() * 1000
        if future.cancelled():
            self._fetcher.lost(call, "the consumer was stopped", now_ms)
        elif (error := future.exception()) is not None:
            self._fetcher.lost(call, str(error), now_ms)
        else:
            self._fetcher.answered(call, future.result(), now_ms)
        self._wake_waiting()
        self._wake()

    async def _look_up(self) -> None:
        """Find a position for every partition without one."""
        try:
            wanted = self._fetcher.places_to_look_up()
            asked = {place: LOOK_UPS[where] for place, where in wanted.items()}
            readings = {place: self._fetcher.readings[place] for place in wanted}
            found = await self._offsets.at(asked, self._config.request_timeout_ms)
            for place, each in found.items():
                reading = readings[place]
                if reading.look_up is not None:  # no seek has come in between
                    reading.move_to(each.offset)
        except (Fatal, RequestTimedOut) as error:
            self._failure = error
            self._wake_waiting()
        except Exception as error:  # noqa: BLE001  tried again, for as long as somebody waits
            self._fetcher.last_problem = str(error)
            await asyncio.sleep(RECHECK_MS / 1000)
        finally:
            self._looking_up = None
            self._wake()

    async def _offsets_at(
        self, timestamps: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        found = await self._offsets.at(timestamps, self._config.request_timeout_ms)
        return {place: each.offset for place, each in found.items()}

    async def _places_of(self, topic: str, timeout_ms: float | None = None) -> list[TopicPartition]:
        limit_ms = self._config.request_timeout_ms if timeout_ms is None else timeout_ms
        await self._cluster.ensure_topic(topic, limit_ms)
        known = self._cluster.metadata.topics[topic]
        return [TopicPartition(topic, index) for index in sorted(known.leaders)]

    def _reading_of(self, partition: TopicPartition) -> Reading:
        reading = self._fetcher.readings.get(partition)
        if reading is None:
            raise ValueError(f"{partition.topic}-{partition.partition} is not assigned")
        return reading
