"""What transactional producers did and were told, and what readers saw, in the order of events.

    history = TransactionHistory()
    history.claim("p1", "app")                      # InitProducerId is asked ...
    history.granted("p1", producer_id=7, epoch=0)   # ... and answered
    history.begin("t1", "p1")
    history.send("t1", partition=0, value=b"a")
    history.answered(b"a", Acknowledged(0))
    history.ask("t1", Fate.COMMITTED)               # then history.tell("t1", Fate.COMMITTED)

A request is noted before it leaves and its answer when it has come; what is never answered is in
doubt. Names of producers and transactions are the caller's, each used once: a producer ends when
the next one is granted its transactional id, also if the same program goes on. Partitions are
numbers, whatever their topics. Every value is sent once. What is judged: transaction_judge.py.
Tests: tests/unit/testing/histories/test_transaction_judge.py
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import count
from typing import NamedTuple, TypeAlias

from .history import Acknowledged, Failed, Kept


class Fate(Enum):
    """How a transaction ends."""

    COMMITTED = "committed"
    ABORTED = "aborted"


@dataclass(slots=True)
class Claim:
    """An InitProducerId.

    Attributes:
        after: the producer whose id and epoch it names, to go on for it; None: it names none.
        answered_at: None while it is not.
    """

    producer: str
    transactional_id: str
    after: str | None
    asked_at: int
    answered_at: int | None = None
    is_granted: bool = False


@dataclass(slots=True)
class HandedRecord:
    """A record that was handed to a producer.

    Attributes:
        transaction: None for one outside of any.
        is_dropped: whether its transaction went on without it.
    """

    transaction: str | None
    producer: str
    partition: int
    value: bytes
    handed_at: int
    outcome: Acknowledged | Failed | None = None
    is_dropped: bool = False


@dataclass(slots=True)
class HandedOffset:
    """An offset of a group that was to be committed in a transaction."""

    transaction: str
    offset: int
    handed_at: int
    accepted_at: int | None = None


@dataclass(slots=True)
class Transaction:
    """A transaction of one producer: when each ending was first asked for and first told."""

    name: str
    producer: str
    asked: dict[Fate, int] = field(default_factory=dict)
    told: dict[Fate, int] = field(default_factory=dict)
    is_overdue: bool = False


class Read(NamedTuple):
    """All that a reader was given of a partition from `begin` to before `end`."""

    partition: int
    begin: int
    end: int
    records: Sequence[Kept]
    is_committed: bool
    at: int


class OffsetRead(NamedTuple):
    """A committed offset that was read; -1 for none."""

    offset: int
    at: int


OffsetKey: TypeAlias = tuple[str, int]
"""(group, partition)."""


class TransactionHistory:
    """A history that is written down while it happens; see the file's docstring.

    Attributes:
        identities: who was granted which (producer id, epoch).
    """

    def __init__(self) -> None:
        self.claims: dict[str, Claim] = {}
        self.fenced_at: dict[str, int] = {}
        self.identities: dict[tuple[int, int], set[str]] = {}
        self.transactions: dict[str, Transaction] = {}
        self.records: dict[bytes, HandedRecord] = {}
        self.offsets: dict[OffsetKey, list[HandedOffset]] = {}
        self.reads: list[Read] = []
        self.offset_reads: dict[OffsetKey, list[OffsetRead]] = {}
        self._steps = count()

    def claim(self, producer: str, transactional_id: str, after: str | None = None) -> None:
        """InitProducerId is asked for, under a new name for whoever will have the answer.

        Args:
            after: the producer whose id and epoch it names (KIP-360); None: it names none.
        """
        _once(producer, self.claims, "a producer of that name has claimed an id before")
        self.claims[producer] = Claim(producer, transactional_id, after, next(self._steps))

    def granted(self, producer: str, producer_id: int = -1, epoch: int = -1) -> None:
        """It was answered; also with what EndTxn v5 grants for the next transaction."""
        claim = self.claims[producer]
        if not claim.is_granted:
            claim.answered_at, claim.is_granted = next(self._steps), True
        if producer_id >= 0:
            self.identities.setdefault((producer_id, epoch), set()).add(producer)

    def refused(self, producer: str) -> None:
        """A claim was refused for good."""
        self.claims[producer].answered_at = next(self._steps)

    def begin(self, transaction: str, producer: str) -> None:
        """A producer begins a transaction."""
        assert self.claims[producer].is_granted, f"{producer} was granted nothing"
        _once(transaction, self.transactions, "a transaction of that name has begun before")
        self.transactions[transaction] = Transaction(transaction, producer)

    def send(
        self, transaction: str | None, partition: int, value: bytes, producer: str = ""
    ) -> None:
        """A record is handed to a producer.

        Args:
            transaction: None: it is in none.
            producer: of a record that is in no transaction.
        """
        _once(value.decode(errors="replace"), self.records, "the value was sent before", value)
        sender = producer if transaction is None else self.transactions[transaction].producer
        at = next(self._steps)
        self.records[value] = HandedRecord(transaction, sender, partition, value, at)

    def answered(self, value: bytes, outcome: Acknowledged | Failed) -> None:
        """What became of a record, as far as its producer was told."""
        self.records[value].outcome = outcome

    def dropped(self, value: bytes) -> None:
        """A record was refused, and its transaction goes on without it.

        It may be stored all the same, in what has been aborted: it tells nothing of the rest.
        """
        self.records[value].outcome = Failed(possibly_persisted=True)
        self.records[value].is_dropped = True

    def send_offset(self, transaction: str, group: str, partition: int, offset: int) -> None:
        """TxnOffsetCommit is asked for."""
        handed = HandedOffset(self.transactions[transaction].name, offset, next(self._steps))
        self.offsets.setdefault((group, partition), []).append(handed)

    def offset_accepted(self, transaction: str, group: str, partition: int, offset: int) -> None:
        """It was answered with a yes."""
        for each in self.offsets[group, partition]:
            if (each.transaction, each.offset) == (transaction, offset):
                each.accepted_at = next(self._steps)

    def ask(self, transaction: str, fate: Fate) -> None:
        """EndTxn is asked for; again for a retry, which changes nothing."""
        self.transactions[transaction].asked.setdefault(fate, next(self._steps))

    def tell(self, transaction: str, fate: Fate) -> None:
        """The producer has learned how its transaction ended, by a yes or by a refusal."""
        self.transactions[transaction].told.setdefault(fate, next(self._steps))

    def overdue(self, transaction: str) -> None:
        """The timeout of a transaction may have passed: it may be aborted without a word."""
        self.transactions[transaction].is_overdue = True

    def fenced(self, producer: str) -> None:
        """A producer was told that it is one no more. For a timeout alone this is not called."""
        self.fenced_at.setdefault(producer, next(self._steps))

    def read(
        self, partition: int, begin: int, end: int, records: Sequence[Kept], *, is_committed: bool
    ) -> None:
        """A reader was given all that a partition holds for it from `begin` to before `end`.

        Args:
            is_committed: whether it reads with isolation read_committed.
        """
        at = next(self._steps)
        self.reads.append(Read(partition, begin, end, tuple(records), is_committed, at))

    def read_offset(self, group: str, partition: int, offset: int) -> None:
        """A group's committed offset was read; -1 for none."""
        read = OffsetRead(offset, next(self._steps))
        self.offset_reads.setdefault((group, partition), []).append(read)


def _once(name: str, known: object, why: str, key: object = None) -> None:
    assert isinstance(known, dict)
    if (name if key is None else key) in known:
        raise ValueError(f"{name}: {why}; every name and value is used once")
