"""What a consumer fetches and hands out: bounds, truncation, deserializers, what is settled."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest
from minibroker.client.config import ConsumerConfig, OffsetReset
from minibroker.client.errors import Fatal, LogTruncation
from minibroker.client.fetch.fetcher import FetchCall, Fetcher
from minibroker.client.fetch.position import COMMITTED, NO_POSITION
from minibroker.client.partitions import TopicPartition
from minibroker.protocol.batch.header import HEADER_BYTES
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.errors import ErrorCode
from minibroker.protocol.messages.fetch import (
    FetchableTopicResponse,
    FetchResponse,
    PartitionData,
)

T0, T1 = TopicPartition("t", 0), TopicPartition("t", 1)


def batch(first: int, values: Sequence[bytes | None], epoch: int = 0) -> bytes:
    """A batch as a leader of that epoch stored it."""
    records = [(None, value, (), 0) for value in values]
    return build_batch(records, base_offset=first, leader_epoch=epoch)


class World:
    """A fetcher and the one broker it asks.

    Attributes:
        epoch: that of the leader.
        seen_at_ms: since when the topic is known to be there.
    """

    def __init__(self, *, reset: OffsetReset = "earliest", group: str | None = None, **more: int):
        config = ConsumerConfig(
            bootstrap_servers=(("h", 1),), auto_offset_reset=reset, group_id=group,
            fetch_max_bytes=more.get("fetch_max_bytes", 1_000_000),
        )  # fmt: skip
        self.fetcher = Fetcher[bytes | None, bytes | None](config, Random(1))
        self.epoch = 0
        self.now_ms = self.seen_at_ms = 0.0

    def at(self, *places: TopicPartition, offset: int = 0) -> World:
        self.fetcher.assign(places)
        for place in places:
            self.fetcher.readings[place].move_to(offset)
        return self

    def plan(self) -> list[FetchCall]:
        return self.fetcher.plan(
            self.now_ms,
            lambda *_: 1,
            lambda *_: self.epoch,
            lambda _: True,
            lambda _: self.seen_at_ms,
        )

    def fetch(self, records: bytes, place: TopicPartition = T0) -> None:
        (call,) = self.plan()
        data = PartitionData(
            partition_index=place.partition, error_code=0, high_watermark=99, records=records
        )
        topic = FetchableTopicResponse(topic=place.topic, partitions=[data])
        self.fetcher.answered(call, FetchResponse(responses=[topic]), 0)

    def values(self, count_max: int = 100) -> list[bytes | None]:
        taken = self.fetcher.take(count_max)
        return [record.value for records in taken.values() for record in records]


def test_what_was_handed_out_is_settled_when_the_application_comes_back() -> None:
    world = World().at(T0)
    world.fetch(batch(0, [b"a", b"b", b"c"]))
    reading = world.fetcher.readings[T0]
    assert world.values(2) == [b"a", b"b"]
    assert (reading.position, reading.settled) == (2, 0)
    assert world.fetcher.handed_out.is_application_busy
    world.fetcher.handed_out.settle()
    assert (reading.settled, world.fetcher.handed_out.is_application_busy) == (2, False)


def test_what_is_held_back_is_neither_handed_out_nor_fetched() -> None:
    world = World().at(T0)
    world.fetch(batch(0, [b"a"]))
    world.fetcher.hold_back([T0, T1])
    assert world.values() == []
    assert world.plan() == []
    world.fetcher.let_go([T0])
    assert world.values() == [b"a"]


def test_a_committed_offset_is_where_a_member_begins() -> None:
    world = World(group="g")
    world.fetcher.assign([T0, T1])
    assert world.fetcher.places_to_look_up() == {T0: COMMITTED, T1: COMMITTED}
    world.fetcher.found_committed(T0, 7, 3)
    world.fetcher.found_committed(T1, NO_POSITION, -1)
    assert world.fetcher.readings[T0].position == 7
    assert world.fetcher.places_to_look_up() == {T1: "earliest"}


def test_an_answer_about_a_partition_that_was_given_up_is_none() -> None:
    world = World(group="g")
    world.fetcher.assign([T0])
    asked_for = world.fetcher.readings[T0]
    world.fetcher.assign([])  # another member reads on to 9, and commits
    world.fetcher.assign([T0])
    world.fetcher.found_committed(T0, 7, 3, asked_for)
    assert world.fetcher.places_to_look_up() == {T0: COMMITTED}
    world.fetcher.found_committed(T0, 9, 3, world.fetcher.readings[T0])
    assert world.fetcher.readings[T0].position == 9


def test_going_back_looks_every_position_up() -> None:
    world = World(group="g").at(T0, T1)
    world.fetch(batch(0, [b"a", b"b"]))
    assert world.values() == [b"a", b"b"]
    world.fetcher.go_back()
    assert world.fetcher.places_to_look_up() == {T0: COMMITTED, T1: COMMITTED}
    world.fetcher.found_committed(T0, 1, 0)
    reading = world.fetcher.readings[T0]
    assert (reading.position, reading.committed) == (1, 1)
    assert world.fetcher.handed_out.take(world.fetcher.readings) == set()


def test_a_partition_that_went_and_came_back_has_gone() -> None:
    world = World(group="g").at(T0)
    world.fetch(batch(0, [b"a"]))
    assert world.values() == [b"a"]
    handed_out, readings = world.fetcher.handed_out, world.fetcher.readings
    assert handed_out.take(readings) == set()
    world.fetch(batch(1, [b"b"]))
    assert world.values() == [b"b"]
    world.fetcher.assign([])
    world.fetcher.assign([T0])
    world.fetcher.found_committed(T0, 7, 3)  # of the member that had it meanwhile
    assert handed_out.take(world.fetcher.readings) == {T0}
    assert handed_out.gone_of_taken(world.fetcher.readings) == {T0}
    assert handed_out.take(world.fetcher.readings) == set()
    assert handed_out.gone_of_taken(world.fetcher.readings) == set()


def test_a_seek_is_stronger_than_what_is_committed() -> None:
    world = World(group="g").at(T0, offset=5)
    world.fetcher.found_committed(T0, 7, 3)
    assert world.fetcher.readings[T0].position == 5


def test_without_a_commit_and_without_a_reset_the_application_is_told() -> None:
    world = World(group="g", reset="none")
    world.fetcher.assign([T0])
    world.fetcher.found_committed(T0, NO_POSITION, -1)
    with pytest.raises(Fatal, match="t-0 has no position, and auto_offset_reset is 'none'"):
        world.values()


def read_under_epoch_2(reset: OffsetReset = "earliest") -> World:
    """Three records read, two more fetched, all under epoch 2; then a new leader comes."""
    world = World(reset=reset).at(T0)
    world.epoch = 2
    world.fetch(batch(0, [b"a", b"b", b"c"], epoch=2))
    assert world.values() == [b"a", b"b", b"c"]
    world.fetch(batch(3, [b"d", b"e"], epoch=2))
    world.epoch = 3
    assert world.plan() == []
    return world


def test_a_new_leader_is_asked_before_more_is_read() -> None:
    world = read_under_epoch_2()
    assert world.fetcher.places_to_check() == {T0: 2}
    assert world.values() == []  # what the old leader sent is forgotten
    world.fetcher.checked(T0, 3, 2, 5)
    world.fetch(batch(3, [b"D"], epoch=3))
    assert world.values() == [b"D"]


def test_a_cut_log_is_read_from_where_it_differs() -> None:
    world = read_under_epoch_2()
    world.fetcher.checked(T0, 3, 2, 1)
    assert world.fetcher.readings[T0].position == 1
    world.fetch(batch(1, [b"B"], epoch=3))
    assert world.values() == [b"B"]


def test_a_cut_log_is_told_when_there_is_no_reset() -> None:
    world = read_under_epoch_2("none")
    world.fetcher.checked(T0, 3, 2, 1)
    with pytest.raises(LogTruncation, match=r"t-0: the log was cut.*from offset 1 on") as caught:
        world.values()
    assert (caught.value.offset, caught.value.divergent_offset) == (3, 1)


def test_a_leader_that_knows_nothing_of_the_epoch_means_a_reset() -> None:
    world = read_under_epoch_2()
    world.fetcher.checked(T0, 3, -1, -1)
    assert world.fetcher.places_to_look_up() == {T0: "earliest"}
    world = read_under_epoch_2("none")
    world.fetcher.checked(T0, 3, -1, -1)
    with pytest.raises(LogTruncation, match="an unknown offset"):
        world.values()


def test_an_answer_about_a_position_that_a_seek_has_left_is_dropped() -> None:
    world = read_under_epoch_2()
    world.fetcher.readings[T0].move_to(9)
    world.fetcher.checked(T0, 3, 2, 1)
    assert world.fetcher.readings[T0].position == 9


def test_a_leader_change_before_anything_was_read_asks_nobody() -> None:
    world = World().at(T0)
    world.fetch(batch(0, [b"a"]))
    world.epoch = 1
    (call,) = world.plan()
    assert call.offsets == {T0: 0}  # fetched again, from the new leader
    assert world.values() == []


def test_fetching_stops_while_fetch_max_bytes_are_held() -> None:
    world = World(fetch_max_bytes=500).at(T0, T1)
    (call,) = world.plan()
    data = PartitionData(
        partition_index=0, error_code=0, high_watermark=9, records=batch(0, [b"x" * 600])
    )
    topic = FetchableTopicResponse(topic="t", partitions=[data])
    world.fetcher.answered(call, FetchResponse(responses=[topic]), 0)
    assert world.plan() == []
    assert world.values() == [b"x" * 600]
    assert [{*call.offsets} for call in world.plan()] == [{T0, T1}]


def test_a_batch_that_does_not_fit_is_told_with_place_and_setting() -> None:
    world = World().at(T0)
    world.fetch(batch(0, [b"a" * 500])[: HEADER_BYTES + 10])
    with pytest.raises(Fatal, match=r"t-0 at offset 0: .* max_partition_fetch_bytes=1048576"):
        world.values()


def test_a_corrupt_batch_is_told_with_its_place_and_can_be_passed() -> None:
    world = World().at(T0, offset=7)
    spoilt = bytearray(batch(7, [b"a"]))
    spoilt[-1] ^= 1
    world.fetch(bytes(spoilt))
    with pytest.raises(Fatal, match=r"t-0 at offset 7: the CRC .* seek past it"):
        world.values()
    world.fetcher.readings[T0].move_to(8)
    world.fetch(batch(8, [b"b"]))
    assert world.values() == [b"b"]


def test_deserializers_make_keys_and_values() -> None:
    config = ConsumerConfig(bootstrap_servers=(("h", 1),))
    world = World()
    fetcher = Fetcher(config, Random(1), None, lambda data: int(data or b"-1"))
    world.fetcher = fetcher  # type: ignore[assignment]
    world.at(T0).fetch(batch(0, [b"1", None, b"x", b"4"]))
    (records,) = fetcher.take(10).values()
    assert [(record.value, record.key) for record in records] == [(1, None), (-1, None)]
    for _ in range(2):
        with pytest.raises(Fatal, match=r"t-0 at offset 2: the deserializer raised ValueError"):
            fetcher.take(10)
    fetcher.readings[T0].move_to(3)
    world.fetch(batch(0, [b"1", None, b"x", b"4"]))
    (records,) = fetcher.take(10).values()
    assert [record.value for record in records] == [4]


def test_a_topic_made_again_is_read_from_where_auto_offset_reset_says() -> None:
    world = World().at(T0, offset=7)
    world.epoch = 5
    world.fetch(batch(7, [b"old"], epoch=5))
    world.fetcher.made_again("t")
    assert world.values() == []
    assert world.fetcher.places_to_look_up() == {T0: "earliest"}
    world.fetcher.readings[T0].move_to(0)
    world.epoch = 0
    world.fetch(batch(0, [b"new"]))
    assert world.values() == [b"new"]


def test_a_topic_made_again_needs_a_seek_where_nothing_is_reset() -> None:
    world = World(reset="none").at(T0, offset=7)
    world.fetcher.made_again("t")
    with pytest.raises(Fatal, match="auto_offset_reset is 'none': seek first"):
        world.values()


def test_nothing_is_fetched_from_a_topic_that_may_be_another_until_metadata_has_told() -> None:
    world = World().at(T0, offset=7)
    (call,) = world.plan()
    gone = PartitionData(partition_index=0, error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
                         high_watermark=-1, records=b"")  # fmt: skip
    answer = FetchResponse(responses=[FetchableTopicResponse(topic="t", partitions=[gone])])
    world.now_ms = 10.0
    world.fetcher.answered(call, answer, world.now_ms)
    world.now_ms = 5_000.0  # long after the backoff
    world.seen_at_ms = 10.0  # asked before the broker spoke
    world.fetcher.wants_metadata = False
    assert world.plan() == []
    assert world.fetcher.wants_metadata
    world.now_ms = 10_000.0
    world.seen_at_ms = 5_001.0
    assert len(world.plan()) == 1
