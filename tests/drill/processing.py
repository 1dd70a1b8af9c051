"""Bugs to plant in process() and below it, each a method replaced: its worlds must see them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest
from minibroker.client import GroupOffsets, Producer, TopicPartition
from minibroker.client.fetch.fetcher import Fetcher
from minibroker.client.fetch.handed_out import HandedOut
from minibroker.client.fetch.position import Reading
from minibroker.client.processing.batches import Batches
from minibroker.client.processing.output import Output
from minibroker.client.processing.reads import Reads
from minibroker.client.produce.receipts import Delivery
from minibroker.client.produce.transactional import CommitOffsets, Question, Transactional
from minibroker.client.transaction import Transaction
from minibroker.protocol.errors import ErrorCode

from tests.simulation.disk import run_seeds
from tests.simulation.our_transactions import PROCESSING

Plant = Callable[[pytest.MonkeyPatch], None]


def offsets_without_the_membership(patch: pytest.MonkeyPatch) -> None:
    """Positions are committed as nobody's: no rebalance fences them (aiokafka#844)."""
    taken = Reads.group_offsets

    async def planted(self: Reads[Any, Any]) -> GroupOffsets:
        return (await taken(self))._replace(generation=-1, member_id="", group_instance_id=None)

    patch.setattr(Reads, "group_offsets", planted)


def no_way_back_after_an_abort(patch: pytest.MonkeyPatch) -> None:
    """What was aborted is not read again."""
    patch.setattr(Fetcher, "go_back", lambda self: self.handed_out.take(self.readings))


def back_to_where_the_batch_began(patch: pytest.MonkeyPatch) -> None:
    """A commit that nobody knows of is taken for none."""
    begun: dict[TopicPartition, tuple[Reading, int]] = {}
    take = Fetcher.take

    def planted_take(self: Fetcher[Any, Any], *given: Any) -> Any:
        taken = take(self, *given)
        for place, records in taken.items():
            if place not in begun or begun[place][0] is not self.readings[place]:
                begun[place] = self.readings[place], records[0].offset
        return taken

    def planted(self: Fetcher[Any, Any]) -> None:
        self.handed_out.take(self.readings)
        for place, reading in self.readings.items():
            if place in begun and begun[place][0] is reading:
                reading.move_to(begun[place][1])

    def commit_known(self: Batches, *given: Any) -> None:
        begun.clear()
        report(self, *given)

    report = Batches._report
    patch.setattr(Fetcher, "take", planted_take)
    patch.setattr(Fetcher, "go_back", planted)
    patch.setattr(Batches, "_report", commit_known)


def the_offset_of_the_last_record(patch: pytest.MonkeyPatch) -> None:
    """What is committed is what was read last, not what is to be read next."""
    positions = Fetcher.positions

    def planted(self: Fetcher[Any, Any]) -> Any:
        return {
            place: each._replace(offset=max(0, each.offset - 1))
            for place, each in positions(self).items()
        }

    patch.setattr(Fetcher, "positions", planted)


def what_the_group_took_away_is_committed(patch: pytest.MonkeyPatch) -> None:
    """A rebalance in the middle is not noticed."""

    def planted(self: HandedOut, readings: Mapping[TopicPartition, Reading]) -> set[TopicPartition]:
        self._since_taken = {}
        return set()

    patch.setattr(HandedOut, "take", planted)


def a_fenced_group_commit_is_swallowed(patch: pytest.MonkeyPatch) -> None:
    """The group refuses the offsets, and the transaction is committed without them."""
    refused = Transactional._refused

    def planted(self: Transactional, question: Question, code: ErrorCode) -> None:
        if isinstance(question, CommitOffsets):
            self.offsets = None
        else:
            refused(self, question, code)

    patch.setattr(Transactional, "_refused", planted)


def dead_letters_outside_the_transaction(patch: pytest.MonkeyPatch) -> None:
    """They are stored at once, whatever becomes of their batch."""

    async def planted(self: Batches, letter: Output) -> Delivery:
        async with Producer("sim:9092", retry_backoff_ms=5) as producer:
            return await producer.send(letter.topic, letter.value, headers=letter.headers)

    patch.setattr(Batches, "_send_dead", planted)


def offsets_behind_the_transaction(patch: pytest.MonkeyPatch) -> None:
    """They are committed by the consumer, once the transaction is."""

    async def no_offsets(self: Transaction[Any, Any], *_: object) -> None:
        """The transaction goes without."""

    committed = Batches._committed

    async def planted(self: Batches) -> None:
        await self._source._consumer.commit()  # type: ignore[attr-defined]
        await committed(self)

    patch.setattr(Transaction, "_commit_offsets", no_offsets)
    patch.setattr(Batches, "_committed", planted)


def an_aborted_batch_is_taken_for_committed(patch: pytest.MonkeyPatch) -> None:
    """One of three; nobody goes back behind it."""
    commit = Transaction.commit

    async def planted(self: Transaction[Any, Any]) -> None:
        if self._number % 3:
            await commit(self)
        else:
            await self.abort()

    patch.setattr(Transaction, "commit", planted)


_ALL: Final = (
    offsets_without_the_membership,
    no_way_back_after_an_abort,
    back_to_where_the_batch_began,
    the_offset_of_the_last_record,
    what_the_group_took_away_is_committed,
    a_fenced_group_commit_is_swallowed,
    dead_letters_outside_the_transaction,
    offsets_behind_the_transaction,
    an_aborted_batch_is_taken_for_committed,
)
PLANTS: Final = {each.__name__.replace("_", " "): each for each in _ALL}
"""By the name of the bug."""


def hunt(plant: Plant | None, worlds_max: int, first: int = 0) -> tuple[int, str]:
    """Worlds until one goes wrong; returns how many, and what was found."""
    with pytest.MonkeyPatch.context() as patch:
        if plant is not None:
            plant(patch)
        tally = run_seeds(PROCESSING, range(first, first + worlds_max))
    return tally.runs, tally.failure
