"""Which partition a record goes to when the caller names none.

With a key: murmur2 as Java computes it, over all partitions, so that every client agrees. Without:
sticky, the same partition until a batch's worth of bytes went there, so that batches fill.
Source: Utils.murmur2, BuiltInPartitioner.java; KIP-480, KIP-794.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

_SEED: Final = 0x9747B28C
_M: Final = 0x5BD1E995
_WORD: Final = 0xFFFFFFFF
_POSITIVE: Final = 0x7FFFFFFF


def murmur2(data: bytes) -> int:
    """The 32-bit hash of `data`, unsigned (Java shows the same bits as a signed number)."""
    size = len(data)
    h = _SEED ^ size
    whole = size & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * _M & _WORD
        k ^= k >> 24
        h = (h * _M & _WORD) ^ (k * _M & _WORD)
    if whole != size:
        h = (h ^ int.from_bytes(data[whole:], "little")) * _M & _WORD
    h = (h ^ h >> 13) * _M & _WORD
    return h ^ h >> 15


def partition_for_key(key: bytes, count: int) -> int:
    """The partition (0 to count - 1) where every Java-compatible client puts this key."""
    return (murmur2(key) & _POSITIVE) % count


class StickyPartitioner:
    """Partitions for records without a key.

    Args:
        batch_size: bytes that go to a partition before the next is chosen.
    """

    def __init__(self, batch_size: int, random: Random) -> None:
        self._batch_size = batch_size
        self._random = random
        self._current: dict[str, tuple[int, int]] = {}  # topic -> (partition, bytes left)

    def pick(self, topic: str, available: Sequence[int], spent_bytes: int) -> int:
        """The partition of the next batch.

        Args:
            available: partitions that have a leader; not empty.
            spent_bytes: what went to the present partition since the last pick.
        """
        partition, left = self._current.get(topic, (-1, 0))
        left -= spent_bytes
        if left <= 0 or partition not in available:
            partition, left = self._random.choice(available), self._batch_size
        self._current[topic] = partition, left
        return partition

    def forget(self, topic: str) -> None:
        """Choose anew when the topic is next asked for."""
        self._current.pop(topic, None)
