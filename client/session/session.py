"""EDGE: Session, what `producer.session` gives: marks, steps, and what waits for a decision.

    async with Producer("127.0.0.1:9092", session="orders.session") as producer:
        position = producer.session.marks.get("orders.csv", 0)
        ...
        await producer.send("orders", line, mark=("orders.csv", position))

All that is sent is in the directory before it leaves; after a death the next producer with it
settles what was on its way, and the program goes on behind the marks.
Read next: steps/step.py, leaving/sending.py, leaving/gate.py (what leaves when), settling.py (what
follows a death).
Tests: tests/system/client/session/test_session.py
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from random import Random
from types import MappingProxyType

from ..config import ProducerConfig
from ..door import door
from ..door.mark_door import marked
from ..door.owner import Owner
from ..produce.accumulator import Accumulator
from ..produce.intake import Partitioner
from .entries import Position, RefusedBatch, Source
from .leaving.sending import JournaledSending
from .outcomes import Unsettled
from .steps.step import Step
from .steps.step_intake import StepIntake


class Session:
    """A producer's durable session; made by the Producer, open from start() to stop()."""

    def __init__(
        self,
        config: ProducerConfig,
        accumulator: Accumulator,
        random: Random,
        owner: Owner,
        partitioner: Partitioner | None,
    ) -> None:
        self._owner = owner
        # What is sent is no part of a transaction: the id says only who may send.
        name, config = config.transactional_id, replace(config, transactional_id=None)
        self.sending = JournaledSending(config, accumulator, random, owner, name)
        self.intake = StepIntake(config, accumulator, self.sending, random, partitioner)

    @property
    def marks(self) -> Mapping[Source, Position]:
        """By source, the position up to which all is in the journal: stored once, or about to be.

        Raises:
            RuntimeError: the producer has not been started.
        """
        self._check()
        return MappingProxyType(self.sending.sender.keeping.marks)

    @property
    def unsettled(self) -> tuple[Unsettled, ...]:
        """Batches of which nobody can know whether they are stored: settle() them.

        What is behind one in its partition waits; other partitions go on.
        """
        self._check()
        return tuple(self.sending.unsettled.values())

    async def settle(self, batch: Unsettled, *, stored: bool) -> None:
        """Say of an unsettled batch whether it is stored, after a look into the topic.

        Args:
            stored: False has it sent again.

        Raises:
            KeyError: it is not among the unsettled.
            JournalFailed: the decision could not be written.
        """
        self._check()
        door.instance("batch", batch, Unsettled)
        door.flag("stored", stored)
        number = batch.batch.number
        if number not in self.sending.unsettled:
            raise KeyError(f"{batch.batch.describe()} is not among the unsettled")
        await self.sending.decide(number, stored=stored)

    @property
    def refused(self) -> tuple[RefusedBatch, ...]:
        """Batches that brokers will never take, and have not stored; kept until they are taken."""
        self._check()
        assert self.sending.journal is not None, "it is open"
        return tuple(self.sending.journal.state.refused.values())

    async def take_refused(self) -> list[RefusedBatch]:
        """Forget the refused batches; returns them. Look at `refused` first, act, then take.

        Raises:
            JournalFailed: they could not be forgotten.
        """
        self._check()
        return await self.sending.take_refused()

    def step(self, source: Source, position: Position) -> Step:
        """Several sends and one mark, journaled together: `async with` it.

        Args:
            position: of the source, when everything sent within is done.

        Raises:
            TypeError, ValueError: a source or position that cannot be.
        """
        self._owner.check()
        return Step(self.intake, *marked((source, position)))

    def stamp(self, given: float | None) -> float:
        """A record's timestamp. Raises ValueError for one that is too old to be recognised by."""
        now_ms = time.time() * 1000
        if given is None:
            return now_ms
        stamp = door.timestamp_ms("timestamp_ms", given)
        patience_ms = self.sending.sender.patience_ms
        if now_ms - stamp > patience_ms:
            raise ValueError(
                f"timestamp_ms={given:.0f} is {(now_ms - stamp) / 1000:.0f} s old: with a session "
                f"up to {patience_ms / 1000:.0f} s can be, half of the broker's "
                "producer.id.expiration.ms. Brokers forget producers by their records' own "
                "timestamps, and would not know a batch again that is this old: leave it out, and "
                "put the time into a header"
            )
        return stamp

    def _check(self) -> None:
        self._owner.check()
        if self.sending.journal is None:
            raise RuntimeError("the session is not open: start the producer first")
