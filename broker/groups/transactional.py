"""Offsets that are committed within transactions: who may, and how a transaction ends here.

The groups' log is one, so every partition of `__consumer_offsets` that a transaction names means
it: the first marker ends all that its producer has pending, in all groups. Implements
transactions/participant.py: Participant. What is pending is a fold over the log (pending.py);
known only here, and to nobody after a restart, is which transactions are being ended.
Source: GroupCoordinatorService.commitTransactionalOffsets, OffsetMetadataManager and
ClassicGroup.validateOffsetCommit of Kafka; KIP-98, KIP-447.
Tests: tests/unit/broker/groups/test_transactional.py, tests/simulation/test_group_world.py
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from ...protocol.batch.control import Marker
from ...protocol.errors import ErrorCode
from ..limits import OFFSETS_BYTES_MAX
from .rebalances import Ledger
from .records import OffsetCommitValue, OffsetRecord, PendingRecord
from .requests import Speaker
from .roster import Roster
from .sizes import pending_bytes
from .states import ANSWERS, DEAD, EMPTY, Ask, Then, code_of

NONE = ErrorCode.NONE


class TransactionalOffsets:
    """The offsets of all groups that are pending, as producers and their coordinator see them."""

    def __init__(self, ledger: Ledger, roster: Roster) -> None:
        self._ledger = ledger
        self._roster = roster
        self._closed: set[int] = set()
        self._written_to: dict[int, int] = {}  # up to where the log has something of a producer

    def check_commit(self, speaker: Speaker) -> ErrorCode:
        """Whether offsets may be committed to a group; unlike OffsetCommit it is no heartbeat."""
        group = self._roster.find(speaker.group_id)
        state = DEAD if group is None else group.state
        if speaker.is_nobody or (speaker.generation_id < 0 and state in (EMPTY, DEAD)):
            answer = ANSWERS[state, Ask.COMMIT_IN_TRANSACTION_ALONE]
            if answer is Then.CREATE:
                has_room = self._roster.has_room(speaker.group_id)
                return NONE if has_room else ErrorCode.NOT_COORDINATOR
            return code_of(answer)
        if group is not None:
            code = speaker.check(group)
            if code is not NONE:
                return code
        return code_of(ANSWERS[state, Ask.COMMIT_IN_TRANSACTION])

    def has_open(self, group_id: str, producer_id: int, producer_epoch: int) -> bool:
        """Whether a transaction takes more offsets here without a word of the coordinator."""
        known = self._ledger.state.pending.epoch_in(group_id, producer_id)
        return known == producer_epoch and producer_id not in self._closed

    def check_open(self, producer_id: int, producer_epoch: int) -> ErrorCode:
        """Whether a transaction that the coordinator knows may take offsets now."""
        if producer_id in self._closed:
            return ErrorCode.CONCURRENT_TRANSACTIONS
        # 1. the state log has lost that a transaction is in this group, and its offsets are held
        # 2. the producer's next epoch commits here, and its marker comes: it would commit both.
        known = self._ledger.state.pending.epoch_of(producer_id)
        return NONE if known in (None, producer_epoch) else ErrorCode.INVALID_PRODUCER_EPOCH

    def has_room_for(
        self,
        group_id: str,
        topic: str,
        partition: int,
        *,
        producer_id: int,
        value: OffsetCommitValue,
    ) -> bool:
        """Whether an offset can be pending, as far as memory goes."""
        state = self._ledger.state
        had = state.pending.find(group_id, (topic, partition), producer_id)
        more_bytes = pending_bytes(value) - (0 if had is None else pending_bytes(had.value))
        return more_bytes <= 0 or state.offsets_bytes + more_bytes <= OFFSETS_BYTES_MAX

    def commit(
        self,
        group_id: str,
        producer_id: int,
        producer_epoch: int,
        offsets: Sequence[tuple[str, int, OffsetCommitValue]],
    ) -> None:
        """Write offsets as (topic, partition, value) into a transaction, in one batch.

        Raises:
            StorageError: none was written.
        """
        assert self.check_open(producer_id, producer_epoch) is NONE
        self._ledger.commit(
            [
                PendingRecord(producer_id, producer_epoch, at, OffsetRecord(group_id, *each))
                for at, each in enumerate(offsets, self._ledger.next_offset)
            ]
        )
        self._written_to[producer_id] = self._ledger.next_offset
        self._roster.know(group_id)

    def opened(self) -> Iterator[tuple[int, int, Collection[str]]]:
        """(producer id, epoch, groups) of what is pending, closed or not; for a start."""
        return self._ledger.state.pending.opened()

    def close_transaction(self, producer_id: int) -> None:
        """Its ending has begun: what comes of it from now on asks the coordinator, and waits."""
        self._closed.add(producer_id)

    def reopen_transaction(self, producer_id: int) -> None:
        """The ending was withdrawn."""
        self._closed.discard(producer_id)

    def holds_unflushed(self, producer_id: int) -> bool:
        """Whether an offset it has committed here is not durable yet."""
        return not self._ledger.is_durable_to(self._written_to.get(producer_id, 0))

    def append_marker(self, marker: Marker, now_ms: int) -> bool:
        """End what a producer has pending in all groups; False if that is nothing.

        Args:
            now_ms: not looked at: this log has a clock of its own (ledger.py).
        Raises:
            StorageError: nothing was written and nothing has ended.
        """
        is_pending = marker.producer_id in self._ledger.state.pending
        if is_pending:
            self._ledger.commit([marker])
            self._ledger.want_flush()
        self._written_to.pop(marker.producer_id, None)
        self._closed.discard(marker.producer_id)
        return is_pending
