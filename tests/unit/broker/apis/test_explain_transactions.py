"""What is explained of a batch of a transaction: pending, committed, aborted, fenced."""

from __future__ import annotations

from minibroker.broker.apis.explain_produce import told
from minibroker.broker.partitions.verdicts import explained
from minibroker.protocol.messages.explain_produce import ProduceVerdict

from tests.support.records.transactions import OneLog, transactional


def verdicts(one: OneLog) -> list[ProduceVerdict]:
    return [told(one.partition, explained(noted)) for noted in one.partition.verdicts or ()]


def test_a_batch_of_an_open_transaction_is_pending() -> None:
    one = OneLog()
    one.write(7)
    one.plain()
    first, plain = verdicts(one)
    assert (first.transaction, plain.transaction) == ("pending", "")
    assert first.reason.endswith("; its transaction is open: readers of committed records wait for"
                                 " its end")  # fmt: skip
    one.partition.close_transaction(7)
    assert verdicts(one)[0].reason.endswith("; its transaction is being ended")


def test_it_is_told_how_a_transaction_ended() -> None:
    one = OneLog()
    one.write(7)
    one.write(8)
    one.end(8, commits=False)
    one.end(7, commits=True)
    one.write(8)
    kept, lost, next_of_8 = verdicts(one)
    assert [each.transaction for each in (kept, lost, next_of_8)] == [
        *("committed", "aborted", "pending"),
    ]
    assert "its transaction was aborted by the marker at offset 2: readers of" in lost.reason


def test_a_retry_tells_of_the_batch_that_it_repeats() -> None:
    one = OneLog()
    batch = transactional(7, 0)
    one.produce(batch)
    one.end(7, commits=True)
    one.produce(batch)
    retry = verdicts(one)[-1]
    assert (retry.verdict, retry.transaction) == ("duplicate", "committed")


def test_a_producer_whose_epoch_is_over_is_fenced() -> None:
    one = OneLog()
    one.write(7)
    one.end(7, commits=False, bumps=True)
    one.produce(transactional(7, 1))
    late = verdicts(one)[-1]
    assert (late.verdict, late.transaction) == ("refused", "")
    assert late.reason.startswith("fenced: epoch 0 is over, epoch 1 has begun here")


def test_nothing_is_told_of_what_has_been_deleted() -> None:
    one = OneLog()
    one.write(7)
    one.end(7, commits=False)
    one.log.raise_start(2)
    assert verdicts(one)[0].transaction == ""
