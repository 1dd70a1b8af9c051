"""Transactions in one partition, by hand: batches and markers, and what readers get."""

from __future__ import annotations

from minibroker.broker.config.broker import BrokerConfig
from minibroker.broker.config.topic import topic_config
from minibroker.broker.log.log import Log, LogConfig
from minibroker.broker.log.recovery import NOTHING_KNOWN, Known
from minibroker.broker.partitions.admission import Admission
from minibroker.broker.partitions.partition import Appended, Partition
from minibroker.broker.partitions.producers import Producers
from minibroker.broker.partitions.sequences import Duplicate
from minibroker.broker.storage.memory import MemoryStorage
from minibroker.broker.storage.port import Storage
from minibroker.protocol.batch.control import Marker
from minibroker.protocol.batch.header import TRANSACTIONAL_BIT, headers_in
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.errors import Refused

NOW_MS = 1_700_000_000_000
YES = Admission(0)
Outcome = Appended | Duplicate | Refused


def transactional(
    producer_id: int, sequence: int, count: int = 1, epoch: int = 0, value: bytes = b"v"
) -> bytes:
    """A batch of a transaction, as a producer sends it."""
    return build_batch(
        [(None, value, (), NOW_MS)] * count,
        attributes=TRANSACTIONAL_BIT,
        producer_id=producer_id,
        producer_epoch=epoch,
        base_sequence=sequence,
    )


class OneLog:
    """A partition on a storage, with producers whose sequences run on by themselves."""

    def __init__(
        self,
        storage: Storage | None = None,
        *,
        flushed: bool = False,
        known: Known = NOTHING_KNOWN,
        segment_bytes: int = 2**30,
        index_interval_bytes: int = 4096,
    ) -> None:
        self.storage = MemoryStorage() if storage is None else storage
        producers = Producers(lambda: 0)
        self.log = Log.open(
            self.storage,
            "t-0",
            LogConfig(segment_bytes=segment_bytes, index_interval_bytes=index_interval_bytes),
            producers.on_batch,
            bytes(range(16)),
            on_control=producers.on_control,
            producers=producers,
            known=known,
        )
        self.partition = Partition(
            "t",
            0,
            self.log,
            producers,
            config=topic_config({}, BrokerConfig()),
            flushed=flushed,
            leader_epoch=max(self.log.latest_epoch, 0),
        )
        self.producers = producers

    def produce(self, batch: bytes, admission: Admission | None = YES) -> Outcome:
        """Store a batch, or hear why not; the coordinator agrees unless told otherwise."""
        return self.partition.produce(batch, NOW_MS, admission=admission)

    def write(self, producer_id: int, count: int = 1, value: bytes = b"v") -> int:
        """The next batch of a producer's transaction; its base offset."""
        epoch = max(self.partition.sequences.epochs_of(producer_id)[0], 0)
        known = {each.producer_id: each for each in self.partition.sequences.producers()}
        newest = known.get(producer_id)
        sequence = 0 if newest is None else newest.last_sequence + 1
        answer = self.produce(transactional(producer_id, sequence, count, epoch, value))
        assert isinstance(answer, Appended), answer
        return answer.base_offset

    def plain(self, value: bytes = b"v") -> int:
        """One record of nobody."""
        answer = self.partition.produce(build_batch([(None, value, (), NOW_MS)]), NOW_MS)
        assert isinstance(answer, Appended), answer
        return answer.base_offset

    def end(self, producer_id: int, *, commits: bool, bumps: bool = False) -> int:
        """Append a marker, under the next epoch if it bumps; its offset."""
        epoch = max(self.partition.sequences.epochs_of(producer_id)[0], 0) + bumps
        offset = self.log.log_end_offset
        assert self.partition.append_marker(Marker(producer_id, epoch, commits, 0), NOW_MS)
        return offset

    def flush(self) -> None:
        """A round of flushes, on the spot."""
        mark = self.partition.mark()
        for file in self.partition.dirty_files():
            file.flush()
        self.partition.made_durable(mark)

    def told(self, fetch_offset: int = 0, max_bytes: int = 2**20) -> list[tuple[int, int]]:
        """(producer id, first offset) of the aborted transactions that a reader is told."""
        end = self.partition.last_stable_offset
        if fetch_offset >= end:
            return []
        return self.told_of(fetch_offset, len(self.log.read(fetch_offset, end, max_bytes)))

    def told_of(self, fetch_offset: int, count_bytes: int) -> list[tuple[int, int]]:
        """The same, for a reader who gets so many bytes."""
        found = self.log.told_aborted(fetch_offset, count_bytes)
        return [(each.producer_id, each.first_offset) for each in found]

    def returned(self, fetch_offset: int = 0) -> list[int]:
        """The base offsets of the batches that a reader of commits gets."""
        end = self.partition.last_stable_offset
        if fetch_offset >= end:
            return []
        records = self.log.read(fetch_offset, end, 2**20)
        return [header.base_offset for _, header in headers_in(records)]

    def stop(self) -> Known:
        """Close, flush, and return what the mark of a clean stop tells the next start."""
        self.log.close()
        self.flush()
        stopped = self.log.stopped()
        assert stopped is not None
        return Known(stopped.last.next_offset, stopped.last, stopped.remembers_nothing)
