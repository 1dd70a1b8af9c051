"""EDGE: memory that is free goes back to the system: malloc itself gives back only what lies last.

1. for a second, two hundred requests hold a megabyte each  2. all is freed, but here and there
between them a few bytes stay  3. what is free between those would remain with this process for
ever, against a burst that may not come again.
So where there is glibc, it is asked to, when the process has changed in size. Elsewhere nothing is
done.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from .limits import GIVEN_BACK_EVERY_S, GIVEN_BACK_FROM_BYTES

_STATM = Path("/proc/self/statm")


async def give_back_when_changed(
    trim: Callable[[], None] | None = None, every_s: float = GIVEN_BACK_EVERY_S
) -> None:
    """Look every so often, until cancelled; ends at once where the system does not say its size.

    Args:
        trim: gives back what is free; glibc's by default.
    """
    known = resident_bytes()
    while known:
        await asyncio.sleep(every_s)
        # A process that has become smaller has more that is free, too; one that is as it was when
        # it was asked last has not.
        if abs(resident_bytes() - known) >= GIVEN_BACK_FROM_BYTES:
            trim = trim or malloc_trim()
            trim()
            known = resident_bytes()


def resident_bytes() -> int:
    """The memory this process takes; 0 where the system does not say it in /proc."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def malloc_trim() -> Callable[[], None]:
    """What has malloc give back all that is free; does nothing where malloc has no such thing."""
    import ctypes  # here: it takes milliseconds to import, and starting must be quick

    trim = getattr(ctypes.PyDLL(None), "malloc_trim", None)
    return (lambda: None) if trim is None else lambda: trim(0)
