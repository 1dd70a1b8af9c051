"""EDGE: performs what fetcher.py decides: writes fetches, looks positions up, asks new leaders.

One `_turn` on the loop does all that can be done now and arms one timer. Whoever waits for records
or a position is woken after every answer.
Tests: tests/system/client/test_client.py
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Generic

from ...protocol.messages.fetch import FetchResponse
from ..cluster.cluster import Cluster
from ..cluster.connection import Connection
from ..cluster.list_offsets import EARLIEST, LATEST, OffsetLookup
from ..config import ConsumerConfig
from ..errors import ClientError, ConnectionFailed, Fatal, RequestTimedOut, Retriable, defect
from ..partitions import OffsetAndMetadata, TopicPartition
from .fetcher import NEVER, FetchCall, Fetcher
from .position import COMMITTED, NO_POSITION, ConsumerRecord, K, V

logger = logging.getLogger("minibroker.client")
LOOK_UPS = {"earliest": EARLIEST, "latest": LATEST}
RECHECK_MS = 100.0
NOTHING_COMMITTED = OffsetAndMetadata(NO_POSITION)


class Fetching(Generic[K, V]):
    """The fetches of one consumer.

    Args:
        committed: finds what the group has committed; never called without a group.

    Attributes:
        failure: why nothing is fetched, if nothing is; raised by take().
    """

    def __init__(
        self,
        config: ConsumerConfig,
        cluster: Cluster,
        fetcher: Fetcher[K, V],
        offsets: OffsetLookup,
        committed: Callable[
            [Iterable[TopicPartition]], Awaitable[Mapping[TopicPartition, OffsetAndMetadata]]
        ],
    ) -> None:
        self.fetcher = fetcher
        self.failure: ClientError | None = Fatal("the consumer has not been started")
        self._config = config
        self._cluster = cluster
        self._offsets = offsets
        self._committed = committed
        self._loop = asyncio.get_running_loop()
        self._open: dict[int, tuple[Connection, float]] = {}  # by node: connection, deadline
        self._woken: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._looking_up: asyncio.Task[None] | None = None
        self._checking: asyncio.Task[None] | None = None
        self._waiting: list[asyncio.Future[None]] = []

    def start(self) -> None:
        """Fetch what is assigned."""
        self.failure = None
        self.wake()

    def stop(self) -> None:
        """Fetch no more; whoever waits is told."""
        self.fail(Fatal("the consumer was stopped"))
        for handle in (self._timer, self._woken):
            if handle is not None:
                handle.cancel()

    def fail(self, error: Exception) -> None:
        """Tell whoever reads next, and whoever waits. What is no ClientError is a defect."""
        self.failure = defect("the consumer", error)
        if self.failure is not error:
            logger.error("%s", self.failure, exc_info=error)
            self.failure.__cause__ = error
        self.wake_waiting()

    def take(
        self, count_max: int, among: frozenset[TopicPartition] | None
    ) -> dict[TopicPartition, list[ConsumerRecord[K, V]]]:
        """Records that have come. Raises `failure`, or what a partition suffers from."""
        if self.failure is not None:
            raise self.failure.with_traceback(None)
        taken = self.fetcher.take(count_max, among)
        if taken:
            self.wake()
        return taken

    async def until_more(self) -> None:
        """Wait until something has changed."""
        waiting: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append(waiting)
        self.wake()
        await waiting

    def wake_waiting(self) -> None:
        """End every until_more()."""
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    def wake(self) -> None:
        """Do soon what there is to do."""
        if self._woken is None and self.failure is None:
            self._woken = self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._woken = None
        try:
            self._turn()
        except Exception as error:  # noqa: BLE001  told to whoever reads next
            self.fail(error)

    def _turn(self) -> None:
        fetcher, now_ms = self.fetcher, self._loop.time() * 1000
        for node_id, (connection, deadline_ms) in [*self._open.items()]:
            if deadline_ms <= now_ms:
                text = f"node {node_id} gave no answer to Fetch in time"
                connection.fail(RequestTimedOut(text))
        self._cluster.refresh_if_old(now_ms)
        metadata = self._cluster.metadata
        calls = fetcher.plan(
            now_ms,
            metadata.leader_of,
            metadata.epoch_of,
            self._is_free,
            metadata.seen_at_ms,
        )
        for call in calls:
            self._write(call, now_ms)
        if fetcher.wants_metadata:
            fetcher.wants_metadata = False
            self._cluster.refresh_soon()
        if self._looking_up is None and fetcher.places_to_look_up():
            self._looking_up = self._cluster.spawn(self._look_up(), "look positions up")
        if self._checking is None and fetcher.places_to_check():
            self._checking = self._cluster.spawn(self._check(), "ask new leaders")
        deadlines = (deadline_ms for _, deadline_ms in self._open.values())
        wake_ms = min(fetcher.next_wake_ms(now_ms), min(deadlines, default=NEVER))
        if self._timer is not None:
            self._timer.cancel()
        if wake_ms != NEVER:
            self._timer = self._loop.call_at(wake_ms / 1000, self.wake)

    def _is_free(self, node_id: int) -> bool:
        return node_id not in self._open and self._cluster.connection(node_id) is not None

    def _write(self, call: FetchCall, now_ms: float) -> None:
        connection = self._cluster.connection(call.node_id)
        if connection is None:
            self.fetcher.lost(call, self._cluster.last_problem, now_ms)
            return
        try:
            answer = connection.start_request(call.request)
        except ConnectionFailed as error:
            self.fetcher.lost(call, str(error), now_ms)
            return
        self._open[call.node_id] = connection, now_ms + self._config.request_timeout_ms
        answer.add_done_callback(lambda future: self._on_answer(call, future, now_ms))

    def _on_answer(
        self, call: FetchCall, future: asyncio.Future[FetchResponse], asked_at_ms: float
    ) -> None:
        self._open.pop(call.node_id, None)
        now_ms = self._loop.time() * 1000
        try:
            if future.cancelled():
                self.fetcher.lost(call, "the consumer was stopped", now_ms)
            elif (error := future.exception()) is not None:
                self.fetcher.lost(call, str(error), now_ms)
            else:
                self.fetcher.answered(call, future.result(), now_ms)
                self.fetcher.figures.fetch_ms.add(now_ms - asked_at_ms)
        except Exception as error:  # noqa: BLE001  told to whoever reads next, and logged
            self.fail(error)
        self.wake_waiting()
        self.wake()

    async def _look_up(self) -> None:
        """Find a position for every partition without one: committed, or as auto_offset_reset."""
        try:
            wanted = self.fetcher.places_to_look_up()
            readings = {place: self.fetcher.readings[place] for place in wanted}
            committed = [place for place, where in wanted.items() if where == COMMITTED]
            if committed:
                offsets = await self._committed(committed)
                for place in committed:
                    offset, _, epoch = offsets.get(place, NOTHING_COMMITTED)
                    self.fetcher.found_committed(place, offset, epoch, readings[place])
                return
            asked = {place: LOOK_UPS[where] for place, where in wanted.items()}
            found = await self._offsets.at(asked, self._config.request_timeout_ms)
            for place, reading in readings.items():
                each = found[place]
                if reading.look_up in LOOK_UPS:  # no seek has come in between
                    reading.move_to(each.offset)
        except Retriable as error:  # for as long as somebody waits
            self.fetcher.last_problem = str(error)
            await asyncio.sleep(RECHECK_MS / 1000)
        except Exception as error:  # noqa: BLE001  told to whoever reads next
            self.fail(error)
        finally:
            self._looking_up = None
            self.wake_waiting()
            self.wake()

    async def _check(self) -> None:
        """Ask the new leaders of partitions whether they have what was read."""
        try:
            epochs = self.fetcher.places_to_check()
            positions = {place: self.fetcher.readings[place].position for place in epochs}
            found = await self._offsets.epoch_ends(epochs)
            for place, end in found.items():
                self.fetcher.checked(place, positions[place], end.leader_epoch, end.end_offset)
            if len(found) < len(epochs):
                await asyncio.sleep(RECHECK_MS / 1000)
                await self._cluster.refresh()
        except Retriable as error:
            self.fetcher.last_problem = str(error)
            await asyncio.sleep(RECHECK_MS / 1000)
        except Exception as error:  # noqa: BLE001  told to whoever reads next
            self.fail(error)
        finally:
            self._checking = None
            self.wake_waiting()
            self.wake()
