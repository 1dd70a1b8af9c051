"""A partition on any storage, opened as a broker opens it, and batches of its producers."""

from __future__ import annotations

from minibroker.broker.config.broker import BrokerConfig
from minibroker.broker.config.topic import topic_config
from minibroker.broker.log.log import Log, LogConfig
from minibroker.broker.log.recovery import NOTHING_KNOWN, Known
from minibroker.broker.partitions.partition import Appended, Partition
from minibroker.broker.partitions.producers import Producers
from minibroker.broker.partitions.sequences import Duplicate
from minibroker.broker.storage.port import Storage
from minibroker.protocol.batch.header import BatchHeader
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.errors import Refused

from tests.support.records.logs import DIRECTORY, TOPIC_ID

NOW_MS = 1_700_000_000_000


def batch_from(producer_id: int, sequence: int, value: bytes = b"v") -> bytes:
    """One record of an idempotent producer; its timestamp is years old."""
    return build_batch(
        [(None, value, (), 1000)],
        producer_id=producer_id,
        producer_epoch=min(producer_id, 0),
        base_sequence=sequence,
    )


BATCH_BYTES = len(batch_from(0, 0))


class OnePartition:
    """A partition opened from `storage`; `replayed` has the base offsets that were folded."""

    def __init__(
        self,
        storage: Storage,
        *,
        known: Known = NOTHING_KNOWN,
        leader_epoch: int = 0,
        batches_a_segment: int = 3,
        now_ms: int = NOW_MS,
        flushed: bool = True,
    ) -> None:
        self.replayed: list[int] = []
        self.now_ms = now_ms
        producers = Producers(lambda: self.now_ms)

        def fold(header: BatchHeader) -> None:
            self.replayed.append(header.base_offset)
            producers.on_batch(header)

        segment_bytes = batches_a_segment * BATCH_BYTES
        config = LogConfig(segment_bytes=segment_bytes, index_interval_bytes=1)
        self.log = Log.open(
            storage,
            DIRECTORY,
            config,
            fold,
            TOPIC_ID,
            on_control=producers.on_control,
            producers=producers,
            known=known,
        )
        self.partition = Partition(
            "orders",
            0,
            self.log,
            producers,
            config=topic_config({}, BrokerConfig()),
            flushed=flushed,
            leader_epoch=leader_epoch,
        )

    def send(self, producer_id: int, sequence: int) -> int:
        """Produce one record; the offset it has, now or since before. Refusals fail."""
        answer = self.answer(producer_id, sequence)
        assert not isinstance(answer, Refused), answer
        return answer.base_offset

    def answer(self, producer_id: int, sequence: int) -> Appended | Duplicate | Refused:
        """Produce one record."""
        return self.partition.produce(batch_from(producer_id, sequence), self.now_ms)

    def flush(self) -> None:
        """A round of flushes, on the spot."""
        mark = self.partition.mark()
        for file in self.partition.dirty_files():
            file.flush()
        self.partition.made_durable(mark)

    def stop(self) -> Known:
        """Close, flush, and return what the mark of a clean stop would tell the next start."""
        self.log.close()
        self.flush()
        stopped = self.log.stopped()
        if stopped is None:
            return Known(flushed_offset=0)
        return Known(stopped.last.next_offset, stopped.last, stopped.remembers_nothing)
