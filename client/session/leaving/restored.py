"""A batch that another process has left in the journal, as the sender knows batches.

Its bytes are what was journaled. Its records are read only if it has to be split.
Tests: tests/unit/client/session/test_restored.py
"""

from __future__ import annotations

from ....protocol.batch.header import HEADER_BYTES, read_header
from ....protocol.batch.reading import records_in
from ....protocol.compression import Codec
from ...door.record_encoding import encoded_headers
from ...produce.batch import ProducerBatch
from ..open_batch import OpenBatch


class RestoredBatch(ProducerBatch):
    """One batch of a journal; it may have been sent, and stored."""

    __slots__ = ("_is_unpacked",)

    def __init__(self, journaled: OpenBatch, now_ms: float) -> None:
        header = read_header(journaled.wire)
        place = (journaled.topic, journaled.partition)
        super().__init__(*place, Codec(header.codec), now_ms, room=len(journaled.wire))
        self.close()
        self.producer_id = journaled.producer_id
        self.producer_epoch = journaled.producer_epoch
        self.base_sequence = journaled.base_sequence
        # Of the records' own timestamps two are in the header, and only those are stamped anew.
        self.timestamps = [header.base_timestamp] * (journaled.count - 1)
        self.timestamps.append(header.max_timestamp)
        if journaled.count == 1:
            self.timestamps[0] = header.base_timestamp
        self.sends = 1
        self.is_unknown = True
        self.is_heard = True  # whoever sent it is dead
        self._sealed = journaled.wire
        self._body = journaled.wire[HEADER_BYTES:]
        self._is_unpacked = False

    def split(self) -> tuple[ProducerBatch, ProducerBatch]:
        """As of any batch; its records are read first."""
        if not self._is_unpacked:
            self._unpack()
        return super().split()

    def _unpack(self) -> None:
        read = records_in(self.wire)
        self.values = [each.value for each in read]
        self.keys = {n: each.key for n, each in enumerate(read) if each.key is not None}
        self.headers = {
            n: encoded_headers([(name.encode(), held) for name, held in each.headers])
            for n, each in enumerate(read)
            if each.headers
        }
        self.timestamps = [each.timestamp for each in read]
        self._is_plain = not self.keys and not self.headers and None not in self.values
        self._is_unpacked = True
