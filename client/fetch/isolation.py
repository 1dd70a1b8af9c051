"""Which batches of an answer an application may see: no markers, and nothing of what was aborted.

A broker sends whole batches, whatever became of their transactions. To a reader of committed
records only, it stops before the first open transaction and lists the aborted ones that may concern
what it sends: who, and from which offset. An abort marker of theirs ends each.
Read next: fetcher.py.   Source: CompletedFetch.java; KIP-98.
"""

from __future__ import annotations

from collections.abc import Iterable

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
            BatchError: a spoilt marker, on which it depends what is shown.
        """
        # 1. P's transaction from 0 on is aborted; its marker is 10. 2. P commits another, 11 to 15.
        # 3. P's next, from 16 on, is aborted. Taken in all at once, the list would hide 11 to 15.
        while self._to_come and self._to_come[-1][0] <= header.last_offset:
            self._producer_ids.add(self._to_come.pop()[1])
        if header.is_control:
            if self._producer_ids and self._is_spoilt(header, batch):
                # Overlooked, it would hide what its producer commits next.
                raise BatchError("the CRC of a marker does not match its bytes")
            # Which marker it is need not be read: that of an aborted transaction is an abort.
            self._producer_ids.discard(header.producer_id)
            return False
        if not header.is_transactional or header.producer_id not in self._producer_ids:
            return True
        # Spoilt bytes may name any producer. Shown, the batch is refused when its turn comes.
        return self._is_spoilt(header, batch)

    def _is_spoilt(self, header: BatchHeader, batch: Buffer) -> bool:
        return self._check_crcs and not crc_is_valid(batch, header)
