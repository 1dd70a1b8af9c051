"""Producer ids are forgotten after producer.id.expiration.ms, by the broker's clock."""

from __future__ import annotations

from itertools import pairwise

import pytest
from minibroker.broker.cluster.records import BrokerConfigRecord
from minibroker.broker.partitions import producer_expiry, sequences
from minibroker.broker.partitions.partition import Appended, Partition
from minibroker.broker.partitions.sequences import Duplicate
from minibroker.protocol.batch.header import read_header

from tests.support.worlds.timed_broker import NOW_MS, Machine, batch_at

DAY_MS = 86_400_000
CHECK_MS = 600_000
LONG_AGO = 1_000_000


def started() -> tuple[Machine, Partition]:
    machine = Machine()
    machine.start()
    return machine, machine.partition(retention_ms="-1")


def known(partition: Partition) -> list[int]:
    return [state.producer_id for state in partition.sequences.producers()]


def test_a_producer_id_idle_for_a_day_is_as_unknown_as_one_never_seen() -> None:
    machine, partition = started()
    machine.append(partition, 3, producer_id=7)
    machine.flush()
    machine.pass_ms(DAY_MS - 1)
    assert known(partition) == [7]
    retry = batch_at(NOW_MS, 7, 1)
    assert partition.produce(retry, machine.clock.now_ms()) == Duplicate(1, 2, NOW_MS)
    machine.pass_ms(CHECK_MS)
    assert known(partition) == []
    assert isinstance(partition.produce(batch_at(NOW_MS, 7, 500), NOW_MS), Appended), (
        "any first sequence will do"
    )


@pytest.mark.parametrize("days", [-400, 400])
@pytest.mark.parametrize("stops", [False, True])
def test_a_wall_clock_that_is_set_and_time_without_a_broker_make_nobody_forgotten(
    days: int, stops: bool
) -> None:
    machine, partition = started()
    machine.append(partition, 3, producer_id=7)
    machine.flush()
    machine.pass_ms(DAY_MS // 2)
    if stops:
        machine.broker.close()
    machine.clock.set_by_ms = days * DAY_MS
    machine.clock.passed_ms = 50_000  # another boot of the machine
    machine.start()
    partition = machine.partition()
    machine.pass_ms(DAY_MS // 4)
    retry = read_header(batch_at(NOW_MS, 7, 1))  # its timestamp, too, may be refused by then
    assert partition.sequences.check(retry) == Duplicate(1, 2, NOW_MS)
    machine.pass_ms(DAY_MS)
    assert known(partition) == []


def test_who_has_written_since_is_kept() -> None:
    machine, partition = started()
    machine.append(partition, 1, producer_id=7)
    machine.append(partition, 1, producer_id=8)
    machine.pass_ms(DAY_MS // 2)
    assert isinstance(partition.produce(batch_at(NOW_MS, 7, 1), machine.clock.now_ms()), Appended)
    machine.pass_ms(DAY_MS // 2 + CHECK_MS)
    assert known(partition) == [7]


def test_the_times_in_the_records_do_not_count() -> None:
    machine, partition = started()
    old = batch_at(LONG_AGO, 7, 0)
    assert isinstance(partition.produce(old, machine.clock.now_ms()), Appended)
    machine.broker.appended(partition)
    machine.flush()
    machine.pass_ms(CHECK_MS)
    assert partition.produce(old, NOW_MS) == Duplicate(0, 1, LONG_AGO)
    machine.start()
    machine.pass_ms(CHECK_MS)
    assert machine.partition().produce(old, NOW_MS) == Duplicate(0, 1, LONG_AGO)


def test_a_long_table_takes_several_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producer_expiry, "FORGOTTEN_A_TURN", 4)
    machine, partition = started()
    other = machine.partition(index=1)
    for producer_id in range(10):
        machine.append(partition, 1, producer_id)
    machine.append(other, 1, 99)
    machine.clock.passed_ms += DAY_MS + CHECK_MS
    left = []
    while (machine.broker.next_deadline_ms() or 0) <= machine.clock.passed_ms:
        machine.broker.on_deadline(machine.clock.passed_ms)
        machine.flush()
        left.append(len(known(partition)))
    assert 10 in left
    assert {6, 2, 0} <= set(left)
    assert max(a - b for a, b in pairwise(left)) <= 4
    assert known(other) == []


def test_evictions_are_told_once_in_a_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences, "PRODUCERS_MAX", 10)
    monkeypatch.setattr(sequences, "PRODUCERS_EVICTED", 2)
    machine, partition = started()
    for producer_id in range(15):
        machine.append(partition, 1, producer_id)
    assert known(partition) == list(range(6, 15))
    assert machine.warned == []
    machine.pass_ms(CHECK_MS)
    (line,) = machine.warned
    assert "partition=orders-0 count=6 " in line
    machine.pass_ms(CHECK_MS)
    assert len(machine.warned) == 1


def test_less_than_ten_minutes_warns_once_a_value() -> None:
    machine = Machine(producer_id_expiration_ms=599_999)
    machine.start()
    assert sum("producer.id.expiration.ms=599999" in each for each in machine.warned) == 1
    for value in ("599999", "600000", "1000"):
        machine.broker.change_configs(
            [BrokerConfigRecord("", {"producer.id.expiration.ms": value})]
        )
    assert [each[:31] for each in machine.warned if "producer.id" in each] == [
        "producer.id.expiration.ms=59999",
        "producer.id.expiration.ms=1000 ",
    ]
