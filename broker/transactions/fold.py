"""The durable state of all transactional ids: a fold over the records of `__transaction_state`.

A change holds all there is to know of one id afterwards, so the newest one counts and a snapshot is
one change an id. Applying is the only way in which the state moves, at the start and while running.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from ..limits import TRANSACTIONAL_IDS_BYTES_MAX
from ..log.state_log import PlainState
from .records import TransactionLogValue, TransactionRecord, decode, encode
from .states import DEAD, NEXT, TransactionState
from .transaction import NONE, Transaction, from_value, to_value

ID_BYTES: Final = 700  # of a transactional id without its characters: estimated, rounded up
PARTITION_BYTES: Final = 150  # of a partition in a transaction
SNAPSHOT_STEP: Final = 200  # changes written at a time when the log is rewritten


class Change(NamedTuple):
    """What a transactional id is from now on; None: there is no such id any more."""

    transactional_id: str
    transaction: Transaction | None


class TransactionsState(PlainState[Change]):
    """What the log says of all ids. Implements state_log.State.

    Args:
        level: the finalized transaction.version, 0 to 2; it decides the version of the values.

    Attributes:
        transactions: by transactional id.
        held_bytes: what they take in memory, about.
    """

    def __init__(self, level: int) -> None:
        self.level = level
        self.transactions: dict[str, Transaction] = {}
        self.held_bytes = 0

    def encode(self, record: Change) -> tuple[bytes, bytes | None]:
        """Key and value of a change."""
        name, transaction = record
        if transaction is None:
            return encode(TransactionRecord(name, None), 1)
        value = to_value(transaction)
        return encode(TransactionRecord(name, value), self._version_of(value))

    def decode(self, key: bytes | None, value: bytes | None) -> Change:
        """The change of a key and value. Raises UnknownRecord, DecodeError."""
        record = decode(key or b"", value)
        transaction = None if record.value is None else from_value(record.value)
        return Change(record.transactional_id, transaction)

    def apply(self, record: Change) -> None:
        """Take one change into the state."""
        name, transaction = record
        had = self.transactions.get(name)
        self.held_bytes += _bytes_of(name, transaction) - _bytes_of(name, had)
        if transaction is None:
            self.transactions.pop(name, None)
        else:
            self.transactions[name] = transaction

    def producer_ids(self) -> Iterator[int]:
        """Every producer id that is known here; some more than once."""
        for each in self.transactions.values():
            yield from (each.producer_id, each.previous_producer_id, each.next_producer_id)

    def has_room(self) -> bool:
        """Whether one more id may come into being."""
        return self.held_bytes < TRANSACTIONAL_IDS_BYTES_MAX

    def state_of(self, transactional_id: str) -> TransactionState:
        """Dead for an id that is not there."""
        found = self.transactions.get(transactional_id)
        return DEAD if found is None else found.state

    def allows(self, change: Change) -> bool:
        """Whether states.py knows a way from what an id is to what it is to be."""
        after = DEAD if change.transaction is None else change.transaction.state
        return after in NEXT[self.state_of(change.transactional_id)]

    def live_count(self) -> int:
        """How many records `snapshot` would give."""
        return len(self.transactions)

    def snapshot(self) -> Iterator[Sequence[Change]]:
        """All there is, as it is when asked for, in portions; changes may come in between."""
        names = list(self.transactions)
        for begin in range(0, len(names), SNAPSHOT_STEP):
            portion = [
                Change(name, found)
                for name in names[begin : begin + SNAPSHOT_STEP]
                if (found := self.transactions.get(name)) is not None
            ]
            if portion:
                yield portion

    def _version_of(self, value: TransactionLogValue) -> int:
        # 1. level 2, an epoch runs out: Prepare names the next producer id  2. the level is set to
        # 0  3. a rewrite would drop the id that the client has been told. Kafka reads both.
        needs_v1 = value.next_producer_id != NONE or value.client_transaction_version != 0
        return 1 if self.level > 0 or needs_v1 else 0


def _bytes_of(name: str, transaction: Transaction | None) -> int:
    if transaction is None:
        return 0
    return ID_BYTES + len(name) + PARTITION_BYTES * len(transaction.partitions)
