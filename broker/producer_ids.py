"""Producer ids: each is given out once, also across kill -9.

Ids are reserved in blocks. The end of a block is written to the metadata log before its first id
is answered, and the answer waits until that record is durable; after a crash the rest of a block
is lost, never given out again. In memory nothing survives that could be written, so the first
block is drawn at random: a client that outlives the broker must not find its id in other hands.
Source: RPCProducerIdManager, ProducerIdsBlock; KIP-98.
"""

from __future__ import annotations

from random import Random

from .limits import PRODUCER_ID_BLOCK
from .metadata import Record

RANDOM_BLOCKS = 2**31  # keeps ids far below 2**53, where some clients' numbers end


class ProducerIds:
    """Hands out producer ids from the reserved block."""

    def __init__(self) -> None:
        self._next = 0
        self._end = 0

    @property
    def is_exhausted(self) -> bool:
        """Whether a block must be reserved before the next id."""
        return self._next >= self._end

    def reserve(self, next_producer_id: int) -> Record:
        """Take the block at `next_producer_id`; the record returned must be committed."""
        self._next = next_producer_id
        self._end = next_producer_id + PRODUCER_ID_BLOCK
        return {"type": "producer-ids", "next": self._end}

    def take(self) -> int:
        """The next id. A block must be at hand."""
        assert not self.is_exhausted
        producer_id = self._next
        self._next += 1
        return producer_id


def random_block(random: Random) -> int:
    """Where ids start when nothing is kept on disk."""
    return random.randrange(RANDOM_BLOCKS) * PRODUCER_ID_BLOCK
