"""isolation_level 1 in Fetch and ListOffsets, and what DescribeProducers tells of transactions.

The answers are those of an Apache Kafka 4.3.1. Batches and markers go to the partition by hand.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from minibroker.broker.partitions.partition import Partition
from minibroker.protocol.batch.control import MARKER_BYTES, Marker
from minibroker.protocol.batch.header import headers_in
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from minibroker.protocol.messages.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersTopic,
)
from minibroker.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from minibroker.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)

from tests.support.records.transactions import NOW_MS, YES, transactional
from tests.support.worlds.judging import create_topic
from tests.support.worlds.machine import Machine

A, B = 5, 6
ALL, COMMITTED = 0, 1
PLAIN = build_batch([(None, b"v", (), NOW_MS)])
LATEST, MAX_TIMESTAMP = -1, -3
Told = list[tuple[int, int]] | None


class Scene:
    """A broker with one partition, written to by hand."""

    def __init__(self, durability: str) -> None:
        self.machine = Machine(Random(1), durability)
        self.machine.start()
        create_topic(self.machine, "t", 1, {})

    @property
    def partition(self) -> Partition:
        assert self.machine.broker is not None
        found = self.machine.broker.partition("t", 0)
        assert found is not None
        return found

    def write(self, batch: bytes) -> None:
        self.partition.produce(batch, NOW_MS, admission=YES)
        self._appended()

    def end(self, producer_id: int, *, commits: bool, timestamp: int = NOW_MS) -> None:
        self.partition.append_marker(Marker(producer_id, 0, commits, 0), timestamp)
        self._appended()

    def _appended(self) -> None:
        assert self.machine.broker is not None
        self.machine.broker.appended(self.partition)

    def flush(self) -> None:
        """What an acknowledgement would wait for."""
        broker = self.machine.broker
        assert broker is not None
        if self.partition.flushed:
            broker.commit.when_durable(None, lambda: None)
            self.machine.flush_now()

    def fetch(self, offset: int, isolation_level: int, max_bytes: int = 2**20) -> Any:
        message = fetch(offset, isolation_level, max_bytes=max_bytes)
        return self.machine.ask(message).responses[0].partitions[0]

    def parked(self, message: FetchRequest) -> list[Any]:
        """Where the answer of a fetch that waits will be."""
        answers: list[Any] = []
        self.machine.handle(message, answers.append)
        assert not answers, "it waits"
        return answers

    def pass_ms(self, elapsed_ms: int) -> None:
        """What is due in that time is done."""
        end_ms = self.machine.now_ms + elapsed_ms
        self.machine.at(end_ms, lambda: None)
        self.machine.run(end_ms, lambda: False)

    def offset(self, timestamp: int, isolation_level: int) -> tuple[int, int]:
        """(timestamp, offset) that ListOffsets answers."""
        asked = ListOffsetsPartition(partition_index=0, timestamp=timestamp)
        topics = [ListOffsetsTopic(name="t", partitions=[asked])]
        message = ListOffsetsRequest(isolation_level=isolation_level, topics=topics)
        (found,) = self.machine.ask(message).topics[0].partitions
        assert not found.error_code
        return found.timestamp, found.offset


def fetch(
    offset: int,
    isolation_level: int,
    *,
    topic: str = "t",
    max_bytes: int = 2**20,
    min_bytes: int = 1,
    max_wait_ms: int = 0,
    last_fetched_epoch: int = -1,
) -> FetchRequest:
    wanted = FetchPartition(
        partition=0,
        fetch_offset=offset,
        partition_max_bytes=max_bytes,
        last_fetched_epoch=last_fetched_epoch,
    )
    return FetchRequest(
        max_wait_ms=max_wait_ms,
        min_bytes=min_bytes,
        isolation_level=isolation_level,
        topics=[FetchTopic(topic=topic, partitions=[wanted])],
    )


def offsets_of(answer: Any) -> list[int]:
    return [header.base_offset for _, header in headers_in(answer.records)]


def told(answer: Any) -> Told:
    if answer.aborted_transactions is None:
        return None
    return [(each.producer_id, each.first_offset) for each in answer.aborted_transactions]


@pytest.fixture(params=["page-cache", "fsync"])
def scene(request: pytest.FixtureRequest) -> Scene:
    return Scene(request.param)


def test_who_names_an_epoch_gets_no_more_than_others(scene: Scene) -> None:
    """As kafka-python does from 3.0 on: where that epoch ends is not where the reader stops."""
    scene.write(PLAIN)
    scene.write(transactional(A, 0))
    scene.flush()
    message = fetch(1, COMMITTED, last_fetched_epoch=0)
    (answer,) = scene.machine.ask(message).responses[0].partitions
    assert (answer.last_stable_offset, offsets_of(answer), told(answer)) == (1, [], [])


@pytest.mark.parametrize("isolation_level", [ALL, COMMITTED])
def test_who_names_the_epoch_before_reads_on(scene: Scene, isolation_level: int) -> None:
    scene.write(PLAIN)
    scene.partition.leader_epoch += 1
    scene.write(PLAIN)
    scene.flush()
    message = fetch(1, isolation_level, last_fetched_epoch=0)
    (answer,) = scene.machine.ask(message).responses[0].partitions
    assert offsets_of(answer) == [1]


def test_each_reader_gets_what_it_may_see(scene: Scene) -> None:
    scene.write(PLAIN)
    scene.write(transactional(A, 0))
    scene.write(PLAIN)
    scene.flush()
    seen: list[tuple[int, list[int], Told]] = [(ALL, [0, 1, 2], None), (COMMITTED, [0], [])]
    for isolation_level, offsets, aborted in seen:
        answer = scene.fetch(0, isolation_level)
        assert (answer.high_watermark, answer.last_stable_offset) == (3, 1)
        assert (offsets_of(answer), told(answer)) == (offsets, aborted)
    scene.end(A, commits=False)
    scene.flush()
    offsets = [0, 1, 2, 3]
    seen = [(ALL, offsets, None), (COMMITTED, offsets, [(A, 1)])]
    for isolation_level, offsets, aborted in seen:
        answer = scene.fetch(0, isolation_level)
        assert (answer.high_watermark, answer.last_stable_offset) == (4, 4)
        assert (offsets_of(answer), told(answer)) == (offsets, aborted)


def test_between_the_last_stable_offset_and_the_high_watermark_there_is_nothing(
    scene: Scene,
) -> None:
    scene.write(transactional(A, 0, 2))
    scene.flush()
    for offset in (0, 1, 2):
        answer = scene.fetch(offset, COMMITTED)
        assert (answer.error_code, answer.records, told(answer)) == (0, b"", [])
    for isolation_level in (ALL, COMMITTED):
        answer = scene.fetch(3, isolation_level)
        assert (answer.error_code, answer.high_watermark, answer.last_stable_offset) == (1, -1, -1)
        assert told(answer) is None


def test_a_fetch_waits_for_the_last_stable_offset_to_move(scene: Scene) -> None:
    scene.write(transactional(A, 0))
    scene.flush()
    answers = scene.parked(fetch(0, COMMITTED, max_wait_ms=500))
    plain = scene.parked(fetch(1, ALL, max_wait_ms=500))
    scene.write(PLAIN)
    scene.pass_ms(100)
    assert not answers, "what comes above does not wake it"
    assert offsets_of(plain[0].responses[0].partitions[0]) == [1]
    scene.end(A, commits=True)
    scene.pass_ms(100)
    answer = answers[0].responses[0].partitions[0]
    assert (answer.last_stable_offset, offsets_of(answer)) == (3, [0, 1, 2])


def test_a_reader_of_commits_wants_what_is_written_to_be_flushed() -> None:
    scene = Scene("fsync")
    answers = scene.parked(fetch(0, COMMITTED, max_wait_ms=500))
    scene.write(PLAIN)  # nobody waits for its answer
    scene.pass_ms(100)
    assert offsets_of(answers[0].responses[0].partitions[0]) == [0]


def test_no_marker_is_seen_before_it_is_durable() -> None:
    scene = Scene("fsync")
    scene.write(transactional(A, 0))
    scene.flush()
    scene.end(A, commits=True)
    for isolation_level in (ALL, COMMITTED):
        answers: list[Any] = []
        scene.machine.handle(fetch(0, isolation_level), answers.append)
        answer = answers[0].responses[0].partitions[0]
        assert (answer.high_watermark, answer.last_stable_offset) == (1, 0)
        assert told(answer) == ([] if isolation_level == COMMITTED else None)
    scene.flush()
    assert scene.offset(LATEST, COMMITTED)[1] == 2


def test_min_bytes_count_what_the_reader_may_see(scene: Scene) -> None:
    scene.write(transactional(A, 0))
    scene.flush()
    batch = len(transactional(A, 0))
    enough = 2 * batch + MARKER_BYTES
    answers = scene.parked(fetch(0, COMMITTED, min_bytes=enough + 1, max_wait_ms=5000))
    scene.write(transactional(A, 1))
    for sequence in range(20):
        scene.write(transactional(B, sequence))
    scene.end(A, commits=True)
    scene.pass_ms(200)
    assert not answers, f"{enough} bytes are not enough"
    scene.end(B, commits=False)
    scene.pass_ms(200)
    assert len(offsets_of(answers[0].responses[0].partitions[0])) == 24


def test_after_a_restart_the_bytes_of_an_open_transaction_count_when_it_ends() -> None:
    scene = Scene("page-cache")
    scene.write(transactional(A, 0))
    scene.machine.stop()
    scene.machine.start()
    enough = len(transactional(A, 0)) + MARKER_BYTES
    answers = scene.parked(fetch(0, COMMITTED, min_bytes=enough, max_wait_ms=5000))
    scene.end(A, commits=True)
    scene.pass_ms(100)
    assert offsets_of(answers[0].responses[0].partitions[0]) == [0, 1]


def test_who_waits_for_commits_hears_that_the_topic_is_deleted(scene: Scene) -> None:
    scene.write(transactional(A, 0))
    scene.flush()
    answers = scene.parked(fetch(0, COMMITTED, max_wait_ms=5000))
    topics = [DeleteTopicState(name="t", topic_id=bytes(16))]
    scene.machine.ask(DeleteTopicsRequest(topics=topics, timeout_ms=1000))
    scene.pass_ms(100)
    answer = answers[0].responses[0].partitions[0]
    assert (answer.error_code, told(answer)) == (3, [])


def test_list_offsets(scene: Scene) -> None:
    early, late = NOW_MS - 1000, NOW_MS
    scene.write(build_batch([(None, b"v", (), early)]))
    scene.write(transactional(A, 0))
    scene.write(PLAIN)
    scene.flush()
    assert scene.offset(LATEST, ALL) == (-1, 3)
    assert scene.offset(LATEST, COMMITTED) == (-1, 1)
    assert scene.offset(early, COMMITTED) == scene.offset(early, ALL) == (early, 0)
    assert scene.offset(late, ALL) == (late, 1)
    assert scene.offset(late, COMMITTED) == (-1, -1)
    assert scene.offset(MAX_TIMESTAMP, ALL) == (late, 1)
    assert scene.offset(MAX_TIMESTAMP, COMMITTED) == (-1, -1)
    scene.end(A, commits=True, timestamp=late)
    scene.flush()
    assert scene.offset(LATEST, COMMITTED) == (-1, 4)
    assert scene.offset(late, COMMITTED) == scene.offset(MAX_TIMESTAMP, COMMITTED) == (late, 1)


def test_describe_producers(scene: Scene) -> None:
    def described() -> dict[int, tuple[int, ...]]:
        topics = [DescribeProducersTopic(name="t", partition_indexes=[0])]
        answer = scene.machine.ask(DescribeProducersRequest(topics=topics))
        (found,) = answer.topics[0].partitions
        return {
            each.producer_id: (
                *(each.producer_epoch, each.last_sequence, each.last_timestamp),
                *(each.coordinator_epoch, each.current_txn_start_offset),
            )
            for each in found.active_producers
        }

    scene.write(PLAIN)
    scene.write(transactional(A, 0, 2))
    assert described() == {A: (0, 1, NOW_MS, -1, 1)}
    scene.end(A, commits=True, timestamp=NOW_MS + 1)
    assert described() == {A: (0, 1, NOW_MS + 1, 0, -1)}
    scene.partition.append_marker(Marker(A, 1, False, 0), NOW_MS + 2)
    assert described() == {A: (1, -1, NOW_MS + 2, 0, -1)}
