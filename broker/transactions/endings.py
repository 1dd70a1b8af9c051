"""How a transaction ends, step by step, so that it is all or nothing over every crash.

An ending is under way from the moment in which the coordinator says Ends, or a start finds Prepare*
in the state log, until its Complete* is written. Step has the order, and what each step waits for;
in any other order it is an AssertionError.

A crash before Prepare* is durable leaves an Ongoing transaction, or a decision that nobody was told
of; after it, the start appends the markers that are missing (duty 7). That a marker is seen only
when it is durable (duty 6) is the partitions' own. Who does all this: completion.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from ...protocol.batch.control import Marker
from .states import PREPARE_COMMIT, PREPARED
from .transaction import Now, TopicPartition, Transaction, completed


class Step(IntEnum):
    """How far an ending has come. Each step is a fact, which the caller has brought about.

    BEGUN: the partitions refuse the transaction's batches from now on, as nothing may come in
        behind a decision that does not know it. What it has written is being flushed.
    DECIDING: duty 2, all that it has written is durable, offsets too. Prepare* is being written:
        it is in the log if the state says so.
    DECIDED: duty 3, Prepare* is durable; no marker was written before. The markers are being
        appended; one that finds no room is tried again (duty 8).
    MARKED: all markers are appended, and EndTxn is answered (duty 4): one flush lies between the
        two, that of Prepare*. The markers are being flushed.
    COMPLETING: duty 5, the markers are durable; nothing else of this id was written. Complete* is
        being written. When it is in the log, the ending is over, and whoever waited is asked again.
    """

    BEGUN = 0
    DECIDING = 1
    DECIDED = 2
    MARKED = 3
    COMPLETING = 4


class Markers(NamedTuple):
    """The markers to append: the same one in each of the partitions."""

    marker: Marker
    partitions: tuple[TopicPartition, ...]


@dataclass(slots=True)
class Ending:
    """The ending of one transaction.

    Attributes:
        producer_id, producer_epoch: of the transaction; closed in its partitions.
        prepare: the Prepare* that is, or is to be, written.
        unmarked: the partitions whose marker is not appended yet.
    """

    producer_id: int
    producer_epoch: int
    prepare: Transaction
    coordinator_epoch: int
    step: Step
    unmarked: set[TopicPartition]

    @property
    def is_commit(self) -> bool:
        """What is, or is to be, decided."""
        return self.prepare.state is PREPARE_COMMIT

    @property
    def marker(self) -> Marker:
        """The marker of all its partitions. Raises AssertionError before Prepare* is durable."""
        assert self.step is Step.DECIDED, f"markers are due when decided, not {self.step.name}"
        prepare = self.prepare
        return Marker(
            prepare.producer_id, prepare.producer_epoch, self.is_commit, self.coordinator_epoch
        )

    def markers(self) -> Markers:
        """The markers that are due. Raises AssertionError before Prepare* is durable."""
        return Markers(self.marker, tuple(sorted(self.unmarked)))

    def mark(self, partition: TopicPartition) -> bool:
        """Its marker is appended; whether it was the last one."""
        assert self.step is Step.DECIDED, f"no marker is due when {self.step.name}"
        self.unmarked.discard(partition)
        return self.mark_if_all()

    def mark_if_all(self) -> bool:
        """Whether all markers are appended. There are none where nothing was added."""
        if not self.unmarked:
            self.step = Step.MARKED
        return not self.unmarked

    def also(self, partition: TopicPartition) -> None:
        """A start has found the transaction open in a partition: it gets its marker, too."""
        assert self.step in (Step.DECIDED, Step.MARKED), f"found when {self.step.name}"
        self.unmarked.add(partition)
        self.step = Step.DECIDED

    def complete(self, now: Now) -> Transaction:
        """The markers are durable: the Complete* to write."""
        assert self.step in (Step.MARKED, Step.COMPLETING), f"not all is marked: {self.step.name}"
        self.step = Step.COMPLETING
        return completed(self.prepare, now)


def begun(before: Transaction, prepare: Transaction, coordinator_epoch: int) -> Ending:
    """The ending of a transaction that is to be decided so."""
    assert prepare.state in PREPARED
    return Ending(
        producer_id=before.producer_id,
        producer_epoch=before.producer_epoch,
        prepare=prepare,
        coordinator_epoch=coordinator_epoch,
        step=Step.BEGUN,
        unmarked=set(prepare.partitions),
    )


def found(prepare: Transaction, coordinator_epoch: int) -> Ending:
    """The ending that a start finds decided: Prepare* is durable, its markers may be there or not.

    Where they are missing the partitions say: their transaction is open (claims.py). What is listed
    in Prepare* may have been marked, deleted, or be another topic of that name by now.
    Which epoch the transaction had is not known, its own or the one before: both are closed.
    """
    ending = begun(prepare, prepare, coordinator_epoch)
    ending.unmarked = set()
    ending.step = Step.MARKED
    return ending
