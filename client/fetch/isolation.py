"""Which batches of an answer an application may see: no markers, and nothing of what was aborted.

A broker sends whole batches, whatever became of their transactions. To a reader of committed
records only, it stops before the first open transaction and lists the aborted ones that may concern
what it sends: who, and from which offset. An abort marker of theirs ends each.
Read next: fetcher.py.   Source: CompletedFetch.java; KIP-98.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...protocol.batch.control import read_marker
from ...protocol.batch.header import BatchError, BatchHeader, Buffer, crc_is_valid
from ...protocol.messages.fetch import AbortedTransaction


class Visibility:
    """Judges the batches of one partition in one answer, in the order of their offsets.

    Args:
        aborted: as the answer lists them, in any order: brokers order them by their markers.
        check_crcs: whether to trust only what has a good CRC.
    """

    def __init__(self, aborted: Iterable[AbortedTransaction], *, check_crcs: bool) -> None:
        begun = sorted(((each.first_offset, each.producer_id) for each in aborted), reverse=True)
        self._to_come = begun  # the next one last
        self._producer_ids: set[int] = set()  # whose transaction here was aborted
        self._check_crcs = check_crcs

    def shows(self, header: BatchHeader, batch: Buffer) -> bool:
        """Whether the batch holds records for the application.

        Raises:
            BatchError: a marker that cannot be read, on which it depends what is shown.
        """
        # 1. P's transaction from 0 on is aborted; its marker is 10. 2. P commits another, 11 to 15.
        # 3. P's next, from 16 on, is aborted. Taken in all at once, the list would hide 11 to 15.
        while self._to_come and self._to_come[-1][0] <= header.last_offset:
            self._producer_ids.add(self._to_come.pop()[1])
        is_aborted = header.producer_id in self._producer_ids
        if header.is_control:
            if is_aborted and self._is_abort(header, batch):
                self._producer_ids.discard(header.producer_id)
            return False
        if not is_aborted or not header.is_transactional:
            return True
        # Spoilt bytes may name any producer. Shown, the batch is refused when its turn comes.
        return self._check_crcs and not crc_is_valid(batch, header)

    def _is_abort(self, header: BatchHeader, batch: Buffer) -> bool:
        if self._check_crcs and not crc_is_valid(batch, header):
            raise BatchError("the CRC of a marker does not match its bytes")
        marker = read_marker(batch)
        return marker is not None and not marker.is_commit
