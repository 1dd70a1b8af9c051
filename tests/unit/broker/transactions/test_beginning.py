"""A start of transactions: tried until it can be written; what nobody can decide is held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from minibroker.broker.limits import ENDING_RETRY_MS
from minibroker.broker.log.recovery import Known
from minibroker.broker.log_lines import Line
from minibroker.broker.storage.names import ADOPTED_TRANSACTIONS
from minibroker.broker.storage.port import NoSpace, StorageError
from minibroker.broker.transactions.beginning import Beginning, knows_all_decisions
from minibroker.broker.transactions.offsets_partition import OFFSETS_TOPIC
from minibroker.protocol.errors import ErrorCode

from tests.support.worlds.driven_transactions import ID, A, B, DrivenTransactions

LAST = Known(last=object())  # type: ignore[arg-type]


@dataclass
class Opened:
    producer_id: int
    producer_epoch: int


@dataclass
class Holder:
    topic: str
    index: int
    transactions: Sequence[Opened]


class Stage(DrivenTransactions):
    """With a start that has not been taken up, and partitions that hold what a test says."""

    def __init__(self) -> None:
        super().__init__()
        self.warned: list[Line] = []
        self.failed: list[StorageError] = []

    def begin(
        self,
        *holders: Holder,
        pending: Sequence[tuple[int, int, Sequence[str]]] = (),
        is_whole: bool = True,
    ) -> None:
        self.transactions._is_begun = False
        Beginning(
            self.transactions,
            self.storage,
            self.clock,
            self.warned.append,
            partitions=lambda: holders,
            pending=lambda: pending,
            is_whole=is_whole,
            refused=self.failed.append,
        ).begin()


def test_a_start_that_cannot_be_written_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    pid = stage.producer()
    stage.add(pid, 0, A)
    stage.round()

    def full(*_: object) -> None:
        raise NoSpace("__transaction_state-0", "the disk is full")

    lost = Holder("t", 1, [Opened(pid, 0)])
    with monkeypatch.context() as patch:
        patch.setattr(stage.ledger.log, "commit", full)
        stage.begin(lost)
        assert len(stage.failed) == 1
        assert stage.init()[0].code is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    stage.pass_ms(ENDING_RETRY_MS)
    assert stage.ledger.state.transactions[ID].partitions == (A, B)
    assert stage.init() == [], "it fences, and waits"


def test_what_is_held_is_named_and_stays_so_over_starts() -> None:
    stage = Stage()
    stage.storage.replace(ADOPTED_TRANSACTIONS, b"")
    assert not knows_all_decisions(stage.storage, LAST, "fsync")
    stage.begin(Holder("t", 0, [Opened(9, 3)]), is_whole=False)
    assert "transaction-held" in str(stage.warned[0])
    assert "t-0" in str(stage.warned[0])
    assert stage.partitions[A].markers == []
    assert not knows_all_decisions(stage.storage, LAST, "fsync")
    stage.begin(is_whole=False)  # whoever was held has been ended by hand
    assert knows_all_decisions(stage.storage, LAST, "fsync")


def test_pending_offsets_are_claimed_like_batches() -> None:
    stage = Stage()
    pid = stage.producer()
    stage.begin(pending=[(pid, 0, ["g"]), (777, 1, ["g"])])
    assert stage.warned == []
    assert stage.offsets.markers[0].producer_id == pid  # nothing of it was Ongoing
    assert [m.producer_id for m in stage.offsets.markers] == [pid, 777]
    assert OFFSETS_TOPIC not in {each.topic for each in stage.partitions}


@pytest.mark.parametrize(
    ("known", "durability", "all_known"),
    [
        (LAST, "page-cache", True),
        (Known(flushed_offset=0), "fsync", True),
        (Known(flushed_offset=7), "page-cache", False),
        (Known(), "fsync", False),
    ],
)
def test_a_log_is_whole_if_its_flushes_are_on_record(
    known: Known, durability: str, all_known: bool
) -> None:
    assert knows_all_decisions(Stage().storage, known, durability) is all_known
