"""EDGE: the loop of process(): one batch after the other, each a transaction.

A batch is taken, handled and sent, the positions behind it are committed with it. Whatever goes
wrong in between aborts it, and reading goes back to what is committed; what may go better is done
again. Only then does the group get the partitions it wants (reads.py).
Read next: reads.py, handling.py, ../transaction.py.
Tests: tests/system/client/test_client_process.py
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from time import time
from typing import Any, NamedTuple, Protocol

from ...protocol.errors import ErrorCode
from ..cluster.backoff import backoff_ms
from ..door import door
from ..errors import Abortable, ClientError, DeliveryTimeout, Fatal, Retriable
from ..fetch.position import ConsumerRecord
from ..partitions import GroupOffsets, TopicPartition
from ..produce.answers import OF_ONE_RECORD
from ..produce.receipts import Delivery
from ..producer import Producer
from ..transaction import Transaction
from .dead_letters import dead_letter
from .handling import Handles, Outcome
from .output import Output, Progress

logger = logging.getLogger("minibroker.client")
AGAIN = (Abortable, Retriable, DeliveryTimeout)
# A record whose outputs can never be sent is as bad as one that cannot be handled.
UNSENDABLE = (*OF_ONE_RECORD, ErrorCode.INVALID_TOPIC_EXCEPTION)
PORTIONS = 8  # of commit_interval_ms: after each it is looked up whether the batch must end
PORTION_MS_MIN = 2.0
PORTION_MAX = 500

Record = ConsumerRecord[Any, Any]


class Source(Protocol):
    """Reads, in this loop or in another."""

    async def first(self, count_max: int) -> list[Record]:
        """As Reads.first."""

    async def more(self, count_max: int, left_ms: float) -> list[Record]:
        """As Reads.more."""

    async def group_offsets(self) -> GroupOffsets:
        """As Reads.group_offsets."""

    async def group_offsets_again(self, taken: GroupOffsets) -> GroupOffsets:
        """As Reads.group_offsets_again."""

    async def go_back(self) -> dict[TopicPartition, int]:
        """As Reads.go_back."""

    async def lag(self) -> dict[TopicPartition, int]:
        """As Reads.lag."""


class Settings(NamedTuple):
    """How process() was called."""

    max_records: int
    commit_interval_ms: float
    dead_letter_topic: str | None
    task_timeout_ms: float
    backoff_ms: float
    backoff_max_ms: float


class HandlerFailed(Exception):
    """A record could not be handled, and there is no dead letter topic."""

    def __init__(self, record: Record, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error
        error.add_note(
            f"{record.topic}-{record.partition} at offset {record.offset} could not be handled; "
            "its batch was aborted, and nothing of it is committed. process() with a "
            "dead_letter_topic goes on behind such records"
        )


class Spoilt(Exception):
    """Some outputs of a record are sent, and the next one cannot be."""

    def __init__(self, record: Record, error: Exception) -> None:
        super().__init__(str(error))
        self.place = place_of(record)
        self.error = error


def place_of(record: Record) -> tuple[str, int, int]:
    """Which record it is."""
    return record.topic, record.partition, record.offset


class Batches:
    """What process() does until it is stopped.

    Args:
        stop: set when nothing more is to be begun.
        tell: called after each batch.
    """

    def __init__(
        self,
        source: Source,
        producer: Producer[Any, Any],
        handles: Handles,
        settings: Settings,
        *,
        stop: asyncio.Event,
        tell: Callable[[Progress], object] | None,
    ) -> None:
        self.progress = Progress()
        self._source = source
        self._producer = producer
        self._handles = handles
        self._settings = settings
        self._stop = stop
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._random = Random()
        self._portion = 1
        self._condemned: dict[tuple[str, int, int], Exception] = {}
        self._sent: list[tuple[Record, Delivery]] = []  # in the batch in hand
        self._outputs = self._dead_letters = self._records = 0  # of the batch in hand

    async def run(self) -> Progress:
        """Batch after batch; returns after stop. Raises as process()."""
        failures, failing_since_ms = 0, 0.0
        while not self._stop.is_set():
            try:
                await self._batch()
                failures = 0
                self._condemned.clear()
            except Spoilt as spoilt:
                await self._aborted(spoilt.error)
                self._condemned[spoilt.place] = spoilt.error
            except HandlerFailed as failed:
                await self._aborted(failed.error)
                raise failed.error from None
            except AGAIN as error:
                failing_since_ms = failing_since_ms if failures else self._now_ms
                await self._aborted(error)
                if self._condemn_one():
                    continue
                failing_ms = self._now_ms - failing_since_ms
                if failing_ms >= self._settings.task_timeout_ms:
                    error.add_note(f"{failures + 1} batches in a row failed in {failing_ms:.0f} ms")
                    raise
                logger.info("a batch was aborted, and is done again: %s", error)
                await self._rest(failures)
                failures += 1
            except BaseException:
                # Cancelled, fenced, or at an end: whoever uses the consumer next finds it where
                # nothing is skipped.
                await self._source.go_back()
                raise
        return self.progress

    def _condemn_one(self) -> bool:
        """If it was one record's fault, that is a dead letter from now on; whether it was.

        Raises:
            Fatal: there is no topic for dead letters, or brokers refuse that as well.
        """
        # A broker refuses a batch, and its halves, until the record at fault stands alone: only
        # that one fails for this reason, all others of the transaction because of it.
        for record, delivery in self._sent:
            error = delivery.exception() if delivery.done else None
            if not isinstance(error, Fatal) or error.code not in UNSENDABLE:
                continue
            if self._settings.dead_letter_topic is None or place_of(record) in self._condemned:
                raise HandlerFailed(record, error).error from None
            self._condemned[place_of(record)] = error
            return True
        return False

    @property
    def _now_ms(self) -> float:
        return self._loop.time() * 1000

    async def _batch(self) -> None:
        """One transaction, if there is something to do."""
        settings = self._settings
        records = await self._source.first(min(self._portion, settings.max_records))
        if not records:
            return
        self._outputs = self._dead_letters = self._records = 0
        self._sent = []
        until_ms = self._now_ms + settings.commit_interval_ms
        async with self._producer.transaction() as tx:
            while records:
                await self._handle(tx, records)
                room = settings.max_records - self._records
                if room <= 0 or self._stop.is_set():
                    break
                # The loop turns: what was sent leaves meanwhile, and heartbeats do.
                await asyncio.sleep(0)
                left_ms = until_ms - self._now_ms
                if left_ms <= 0:
                    break
                records = await self._source.more(min(room, self._portion), left_ms)
            taken = await self._source.group_offsets()
            await tx._commit_offsets(taken, self._source.group_offsets_again)
        await self._committed()

    async def _handle(self, tx: Transaction[Any, Any], records: Sequence[Record]) -> None:
        """Handle a portion, and send what comes of it."""
        began_ms = self._now_ms
        dead = self._settings.dead_letter_topic
        sound = [each for each in records if place_of(each) not in self._condemned]
        outcomes = iter(await self._handles(sound, ends_at_failure=dead is None))
        for record in records:
            condemned = self._condemned.get(place_of(record))
            await self._send(tx, record, next(outcomes) if condemned is None else condemned)
            self._records += 1
        # 1. A handler takes a second, and 500 records have come. 2. Handled at one go, they hold
        # the transaction open for longer than transaction_timeout_ms. So portions follow the time.
        took_ms = self._now_ms - began_ms
        portion_ms = max(self._settings.commit_interval_ms / PORTIONS, PORTION_MS_MIN)
        is_quick = took_ms * 2 < portion_ms
        self._portion = min(self._portion * 2, PORTION_MAX) if is_quick else self._portion
        if took_ms > portion_ms:
            self._portion = max(1, self._portion // 2)

    async def _send(self, tx: Transaction[Any, Any], record: Record, outcome: Outcome) -> None:
        if isinstance(outcome, list):
            try:
                await self._send_all(tx, record, outcome)
            except _Unsendable as unsendable:
                outcome = unsendable.error
            else:
                return
        if isinstance(outcome, Abortable):
            raise outcome  # the handler has met that the transaction is broken
        topic = self._settings.dead_letter_topic
        if topic is None:
            raise HandlerFailed(record, outcome)
        logger.warning(
            "%s-%d at offset %d goes to %s: %r",
            *place_of(record), topic, outcome,
        )  # fmt: skip
        delivery = await self._send_dead(dead_letter(topic, record, outcome))
        self._sent.append((record, delivery))
        self._dead_letters += 1

    async def _send_all(
        self, tx: Transaction[Any, Any], record: Record, outputs: Sequence[Output]
    ) -> None:
        for number, each in enumerate(outputs):
            try:
                delivery = await tx.send(
                    each.topic,
                    each.value,
                    key=each.key,
                    partition=each.partition,
                    timestamp_ms=each.timestamp_ms,
                    headers=each.headers,
                )
            except (TypeError, ValueError, Fatal) as error:
                if isinstance(error, ClientError) and error.code not in UNSENDABLE:
                    raise
                # What was sent of the same record cannot be taken back alone.
                raise (Spoilt(record, error) if number else _Unsendable(error)) from error
            self._sent.append((record, delivery))
            self._outputs += 1

    async def _send_dead(self, letter: Output) -> Delivery:
        """As it was read: bytes stay bytes, whatever serializers the producer has."""
        producer = self._producer
        run = await producer._intake.add(
            letter.topic,
            _as_read("key", letter.key, producer._key_serializer),
            _as_read("value", letter.value, producer._value_serializer),
            door.headers("headers", letter.headers),
            partition=None,
            timestamp=time() * 1000 if letter.timestamp_ms is None else letter.timestamp_ms,
        )
        return Delivery(run.batch, run.first)

    async def _committed(self) -> None:
        before = self.progress
        self._report(
            replace(
                before,
                records=before.records + self._records,
                outputs=before.outputs + self._outputs,
                dead_letters=before.dead_letters + self._dead_letters,
                batches=before.batches + 1,
                lag=await self._source.lag(),
            )
        )

    async def _aborted(self, error: Exception) -> None:
        lag = await self._source.go_back()
        before = self.progress
        self._report(replace(before, aborted=before.aborted + 1, problem=str(error), lag=lag))

    def _report(self, progress: Progress) -> None:
        self.progress = progress
        if self._tell is not None:
            self._tell(progress)

    async def _rest(self, failures: int) -> None:
        settings = self._settings
        wait_ms = backoff_ms(settings.backoff_ms, settings.backoff_max_ms, failures, self._random)
        try:
            async with asyncio.timeout(wait_ms / 1000):
                await self._stop.wait()
        except TimeoutError:
            return


class _Unsendable(Exception):
    """The first output of a record cannot be sent."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def _as_read(name: str, value: Any, serializer: Callable[[Any], bytes] | None) -> bytes | None:
    return door.content(name, value, None if isinstance(value, bytes) else serializer)
