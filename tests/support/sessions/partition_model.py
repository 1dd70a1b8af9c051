"""A partition as Kafka keeps it, small: what it appends of one producer id, knows again or refuses.

Values only, so that a search can go back to every state. Source: ProducerStateManager.java,
ProducerAppendInfo.java; compared with brokers in settling_cases.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from minibroker.client.produce.answers import Answer
from minibroker.client.session.log_scan import LogScan, Span
from minibroker.client.session.open_batch import NO_SEQUENCE, OpenBatch
from minibroker.client.session.settling import Listed
from minibroker.protocol import sequence
from minibroker.protocol.errors import ErrorCode

KEPT = 5


@dataclass(frozen=True)
class Partition:
    """One partition.

    Attributes:
        log: (epoch, base sequence, count, base offset) of each batch.
        epoch: None when the producer id is not remembered.
        kept: (first, last sequence, base offset) of the newest batches, the newest last.
    """

    log: tuple[tuple[int, int, int, int], ...] = ()
    end: int = 0
    epoch: int | None = None
    kept: tuple[tuple[int, int, int], ...] = ()

    def produce(self, batch: OpenBatch) -> tuple[Partition, Answer]:
        """What it is afterwards, and what it answers."""
        first, last, epoch = batch.base_sequence, batch.last_sequence, batch.producer_epoch
        if self.epoch is not None and epoch < self.epoch:
            return self, Answer(ErrorCode.INVALID_PRODUCER_EPOCH)
        if self.epoch == epoch:
            for known_first, known_last, offset in self.kept:
                if (known_first, known_last) == (first, last):
                    return self, Answer(ErrorCode.NONE, offset)
        expected = sequence.next_of(self.last) if self.epoch == epoch and self.kept else 0
        if self.epoch is not None and first != expected:
            return self, Answer(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
        kept = self.kept if self.epoch == epoch else ()
        after = Partition(
            log=(*self.log, (epoch, first, batch.count, self.end)),
            end=self.end + batch.count,
            epoch=epoch,
            kept=(*kept, (first, last, self.end))[-KEPT:],
        )
        return after, Answer(ErrorCode.NONE, self.end)

    @property
    def last(self) -> int:
        """The last sequence it remembers."""
        return self.kept[-1][1] if self.kept else NO_SEQUENCE

    @property
    def listed(self) -> Listed | None:
        """What DescribeProducers tells of the producer id."""
        return None if self.epoch is None else Listed(self.epoch, self.last)

    def forget(self) -> Partition:
        """The producer id has expired."""
        return replace(self, epoch=None, kept=())

    def restart(self) -> Partition:
        """As from a snapshot: one batch of each producer id."""
        return replace(self, kept=self.kept[-1:])

    def scan(self, from_offset: int) -> LogScan:
        """All of the log from an offset on."""
        spans = [Span(epoch, first, n, at) for epoch, first, n, at in self.log if at >= from_offset]
        return LogScan(end_offset=self.end, spans=tuple(spans), is_anchored=True)

    def times_stored(self, batch: OpenBatch) -> int:
        """How often a batch lies in the log."""
        wanted = (batch.producer_epoch, batch.base_sequence, batch.count)
        return sum(each[:3] == wanted for each in self.log)
