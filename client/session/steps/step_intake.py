"""EDGE: the intake of a producer with a durable session: marks, and what is sent within steps.

While a step is open every record comes by here, also plain ones; otherwise only what does in a
producer without a session.
Read first: produce/intake.py, step.py.
Tests: tests/system/client/session/test_step.py
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from random import Random

from ....protocol.errors import ErrorCode
from ...config import ProducerConfig
from ...door.mark_door import marked
from ...errors import Fatal
from ...produce.accumulator import Accumulator, Place
from ...produce.batch import ProducerBatch, record_bytes_max
from ...produce.intake import Intake, Partitioner
from ...produce.receipts import Run
from ..entries import Position, Source
from ..leaving.sending import JournaledSending
from .step import CURRENT, Step


def quick_mark(
    new_marks: dict[Source, Position], slow: Callable[[object], None]
) -> Callable[[object], None]:
    """What takes marks: at once where a source that is among the new ones counts, else slowly.

    Most programs have one source, and most positions are numbers: this is called for every record.
    """

    def mark(given: object) -> None:
        if given.__class__ is tuple:
            try:
                source, position = given
            except ValueError:
                slow(given)  # which says what is wrong
            if position.__class__ is int and source in new_marks:
                new_marks[source] = position
                return
        slow(given)

    return mark


class StepIntake(Intake):
    """What stands between `send` and the accumulator, or a step."""

    def __init__(
        self,
        config: ProducerConfig,
        accumulator: Accumulator,
        sending: JournaledSending,
        random: Random,
        partitioner: Partitioner | None,
    ) -> None:
        super().__init__(config, accumulator, sending, random, partitioner)
        self._journaled = sending
        self._open_steps = 0
        self._seen = self.filling  # by Producer.send, which goes straight to what is in it
        self.mark = quick_mark(sending.sender.new_marks, self._slow_mark)

    def check_owner(self) -> None:
        """Raise RuntimeError in another loop, thread or process than the producer's."""
        self._journaled.owner.check()

    def on_awaited(self, batch: ProducerBatch) -> None:
        """Somebody waits for a batch."""
        self._journaled.on_awaited(batch)

    def checked_mark(self, mark: object) -> object:
        """A mark that can be. Raises as marked(); RuntimeError within a step."""
        if CURRENT.get() is not None:
            raise RuntimeError("a step has its own mark: send without one within it")
        return marked(mark)

    def _slow_mark(self, mark: object) -> None:
        source, position = marked(mark)
        self._journaled.sender.keeping.mark(source, position, self._journaled.now_ms())

    def steps_open(self, more: int) -> None:
        """One more, or less: while there are some, Producer.send asks here of every record."""
        if self._open_steps == 0:
            self.filling = dict(self._seen)
            self._seen.clear()
        self._open_steps += more
        if self._open_steps == 0:
            self._seen.update(self.filling)
            self.filling = self._seen

    async def add(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: bytes,
        *,
        partition: int | None,
        timestamp: float,
        mark: object = None,
    ) -> Run:
        """Put one record into its batch."""
        step = CURRENT.get()
        if step is None or not step.is_open:
            return await super().add(
                topic, key, value, headers, partition=partition, timestamp=timestamp, mark=mark
            )
        if mark is not None:
            self.checked_mark(mark)
        size = record_bytes_max(key, value, headers)
        batch = await self._batch_of(step, topic, key, partition, size)
        batch.append(key, value, headers, timestamp, size)
        return Run(batch, batch.count - 1, 1)

    async def add_values(
        self,
        topic: str,
        values: Sequence[bytes],
        partition: int | None,
        timestamp: float,
        runs: list[Run],
    ) -> None:
        """As of any intake; a step refuses, as send_many waits for what it sends."""
        step = CURRENT.get()
        if step is not None and step.is_open:
            raise RuntimeError("send_many waits for its records: within a step use send")
        await super().add_values(topic, values, partition, timestamp, runs)

    def _open(
        self, topic: str, fixed: int | None, available: Sequence[int], size: int, now_ms: float
    ) -> ProducerBatch:
        """A new batch. The one before leaves first, so that its cut does not take this one along.

        1. A batch is full, and the next begins. 2. A turn later there is a cut: it takes all that
        was sent, and with it the next, of which there is little. 3. Half of all batches are small.
        """
        before = self.filling.get(topic) if fixed is None else self._newest((topic, fixed))
        if before is not None and before.room >= 0:
            before.close()
            self._journaled.cut_before_next()
            self.raise_if_closed()
        return super()._open(topic, fixed, available, size, now_ms)

    def _newest(self, place: Place) -> ProducerBatch | None:
        queue = self._accumulator.queues.get(place)
        return queue[-1] if queue else None

    async def hand_over(self, step: Step, source: Source, position: Position) -> None:
        """Let a step's batches join the others, with its mark, in one turn of the loop."""
        self.raise_if_closed()
        await self._until_room_for(step.size_bytes)
        now_ms = self._sending.now_ms()
        for batches in step.batches.values():
            for batch in batches:
                self._accumulator.join(batch)
                batch.home = self._sending
        step.batches.clear()
        self._journaled.sender.keeping.mark(source, position, now_ms)
        self._sending.wake_at(now_ms + self._config.linger_ms)

    async def _until_room_for(self, size: int) -> None:
        if not size or (not self._waiting and self._accumulator.has_room(size)):
            return
        entry = (size, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        try:
            await self._until_room(entry, self._config.max_block_ms)
            self.raise_if_closed()
        finally:
            self._waiting.remove(entry)
            self.give_room()

    async def _batch_of(
        self, step: Step, topic: str, key: bytes | None, partition: int | None, size: int
    ) -> ProducerBatch:
        known = await self._known(topic, partition, size, None)
        if not step.is_open:
            raise RuntimeError("the step that this record was sent in has ended meanwhile")
        if step.size_bytes + size > self._config.buffer_memory:
            raise Fatal(
                f"a step of {step.size_bytes + size} bytes: buffer_memory is "
                f"{self._config.buffer_memory}, and all of a step has to be in it at once",
                code=ErrorCode.MESSAGE_TOO_LARGE,
            )
        step.size_bytes += size
        fixed = self._fixed_partition(known, key, partition)
        if fixed is None:
            fixed = self._sticky.pick(topic, known.available, size)
        place: Place = (topic, fixed)
        batches = step.batches.setdefault(place, [])
        if not batches or batches[-1].room < size:
            room = max(min(self._config.batch_size, self._config.max_request_size), size)
            batch = ProducerBatch(*place, self._config.codec, self._sending.now_ms(), room=room)
            batch.home = step
            batches.append(batch)
        return batches[-1]
