"""What a restart makes of segments whose removal had begun.

Up to where segments may go is made durable before the first of them goes, so a crash may leave any
of them behind: the oldest, some in the middle, one cut short. None is read again: a gap between two
of them, or a half removed one, is no damage. What goes and when: log.py, ../retention.py.
"""

from __future__ import annotations

import re
from typing import Final

from ..storage.port import Storage

_SEGMENT_FILE: Final = re.compile(r"(\d{20})\.(log|index|timeindex|txnindex|summary)")


def finish_removal(storage: Storage, directory: str, removed_offset: int) -> None:
    """Remove the files of every segment that ends at or before an offset, never the newest.

    Raises StorageError.
    """
    if not removed_offset:
        return
    found = [each for each in map(_SEGMENT_FILE.fullmatch, storage.list_dir(directory)) if each]
    bases = sorted(int(each[1]) for each in found if each[2] == "log")
    begins = max((base for base in bases if base <= removed_offset), default=0)
    for name in found:
        if int(name[1]) < begins:
            storage.remove(f"{directory}/{name[0]}")
