"""kill -9 the broker while three clients write; restart it; they go on; then look at the log.

The producers are unmodified and idempotent and share one partition. Judged are only what they were
told and what is stored: every acknowledged record once, at its acknowledged offset, in order for
each producer, nothing else. Then the five newest batches of every PID are sent once more, rebuilt
from the stored bytes, before and after one more kill: each must be answered with its first offset.
One line per run; RUNS sets how many (make crash).
"""

from __future__ import annotations

import os
import random
from itertools import groupby
from pathlib import Path

import pytest
from minibroker.protocol.batch import BatchHeader
from minibroker.protocol.framing import Buffer

from tests.support.broker import BrokerProcess
from tests.support.clients import WRITERS
from tests.support.load import Load, value_of
from tests.support.stored import read_batches, read_records, resend

RUNS = int(os.environ.get("RUNS", "20"))
TOPIC = "load"
WINDOW = 5  # newest batches of a PID that a broker must recognise
RECORDS_AFTER_RESTART = 200

pytestmark = pytest.mark.crash


@pytest.mark.parametrize("run", range(RUNS))
def test_kill_under_load(run: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    durability = ("fsync", "page-cache")[run % 2]
    kill_after = random.Random(run).randrange(50, 1_500)
    with BrokerProcess(data_dir=tmp_path / "data", durability=durability) as broker:
        offsets = write_through_a_kill(broker, kill_after)
        assert_acknowledged_is_stored_once(broker, offsets)
        batches = read_batches(broker.port, TOPIC)
        newest = newest_batches(batches)
        assert_retries_are_recognised(broker, newest)
        broker.kill()
        broker.start()
        assert_retries_are_recognised(broker, newest)
        assert read_batches(broker.port, TOPIC) == batches, "a retry or the restart changed the log"
    with capsys.disabled():
        print(
            f"\nrun {run}: {durability}, killed after {kill_after} records of each client; "
            + ", ".join(f"{client} {len(acked)}" for client, acked in offsets.items())
            + f" acknowledged, all stored once and in order in {len(batches)} batches; "
            f"{2 * len(newest)} retries answered (0, first offset)"
        )


def write_through_a_kill(broker: BrokerProcess, kill_after: int) -> dict[str, list[int]]:
    """All clients write; the broker is killed and restarted; returns the offsets by client."""
    with Load(broker.bootstrap_servers, TOPIC) as load:
        load.wait_for(kill_after)
        broker.kill()
        broker.start()
        load.wait_for(RECORDS_AFTER_RESTART)
        return load.finish()


def assert_acknowledged_is_stored_once(
    broker: BrokerProcess, offsets: dict[str, list[int]]
) -> None:
    stored = {record.offset: record.value for record in read_records(broker.port, TOPIC)}
    promised = {
        offset: value_of(client, number)
        for client, acknowledged in offsets.items()
        for number, offset in enumerate(acknowledged)
    }
    for client, acknowledged in offsets.items():
        assert acknowledged == sorted(acknowledged), f"{client}: not in order"
    assert sum(map(len, offsets.values())) == len(promised), "one offset was promised twice"
    assert stored == promised


def newest_batches(batches: list[tuple[BatchHeader, Buffer]]) -> list[tuple[BatchHeader, Buffer]]:
    """The five newest of every PID, oldest first."""

    def producer_id(entry: tuple[BatchHeader, Buffer]) -> int:
        return entry[0].producer_id

    of_pids = groupby(sorted(batches, key=producer_id), producer_id)  # sorting is stable
    return [entry for _, of_pid in of_pids for entry in list(of_pid)[-WINDOW:]]


def assert_retries_are_recognised(
    broker: BrokerProcess, newest: list[tuple[BatchHeader, Buffer]]
) -> None:
    assert len(newest) == WINDOW * len(WRITERS)
    answers = resend(broker.port, TOPIC, [batch for _, batch in newest])
    assert answers == [(0, header.base_offset) for header, _ in newest]
