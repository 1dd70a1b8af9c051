"""The partitioner agrees with Java's, and is sticky without a key."""

from random import Random

import pytest
from minibroker.client.produce.partitioner import StickyPartitioner, murmur2, partition_for_key

VECTORS = {  # UtilsTest.testMurmur2 of Apache Kafka, and a few more computed with its code
    b"21": -973932308,
    b"foobar": -790332482,
    b"abc": 479470107,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"": 275646681,
    b"a": -1563381124,
    b"\xff\xfe\x00\x80": 1904227184,
    bytes(8): -522759933,
}


@pytest.mark.parametrize("data", VECTORS)
def test_murmur2_is_javas(data: bytes) -> None:
    assert murmur2(data) == VECTORS[data] & 0xFFFFFFFF


@pytest.mark.parametrize(("key", "partition"), [(b"kafka", 4), (b"abc", 3), (b"foobar", 6)])
def test_keys_go_where_java_puts_them(key: bytes, partition: int) -> None:
    assert partition_for_key(key, 12) == partition


def test_without_a_key_a_partition_is_kept_until_a_batch_is_full() -> None:
    sticky = StickyPartitioner(100, Random(3))
    picks = [sticky.pick("t", [0, 1, 2, 3], 25) for _ in range(400)]
    runs = [picks[at : at + 4] for at in range(0, 400, 4)]
    assert all(len(set(run)) == 1 for run in runs)
    assert {run[0] for run in runs} == {0, 1, 2, 3}


def test_a_partition_that_lost_its_leader_is_left() -> None:
    sticky = StickyPartitioner(100, Random(3))
    before = sticky.pick("t", [0, 1], 1)
    assert sticky.pick("t", [1 - before], 1) == 1 - before
