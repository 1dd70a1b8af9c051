"""EDGE: the memory of a broker's process: garbage is looked for seldom, what is free goes back.

Garbage: 1. a client lists a megabyte of names  2. of each an object is made, and none is in a cycle
3. looking through all of them, again and again while they are made, takes 20 to 60 ms each time.
What is no longer used is freed without it; cycles are rare here, and most are found young.

Free memory: 1. for a second, two hundred requests hold a megabyte each  2. all is freed, but here
and there between them a few bytes stay  3. what is free between those would remain with this
process for ever, against a burst that may not come again. So where there is glibc, it is asked to
give it back when the process has changed in size. And what is free must lie together: 1. each
thread has an arena of its own  2. long requests are taken apart in threads  3. an arena in which a
few of their bytes live stays as large as it was. So all threads share one, and blocks of megabytes
are none of it. Without glibc nothing is done.
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable
from pathlib import Path

from ...broker.limits import (
    COLLECTED_WHOLE_EVERY,
    GIVEN_BACK_EVERY_S,
    GIVEN_BACK_FROM_BYTES,
    KEPT_FREE_BYTES_MAX,
    MAPPED_FROM_BYTES,
)

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # malloc.h
_STATM = Path("/proc/self/statm")


def collect_rarely() -> None:
    """For a process that is a broker, when it has started: what there is by now stays."""
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, COLLECTED_WHOLE_EVERY)


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


def share_one_arena() -> bool:
    """For a process that is a broker, before its threads begin; False if malloc is not glibc's."""
    import ctypes  # here: it takes milliseconds to import, and starting must be quick

    mallopt = getattr(ctypes.PyDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # Who sets one of these bounds has glibc leave the others as they were at the start: the memory
    # of each batch of a megabyte would be given back, and be had anew, page by page, for the next.
    return bool(
        mallopt(_M_ARENA_MAX, 1)
        and mallopt(_M_MMAP_THRESHOLD, MAPPED_FROM_BYTES)
        and mallopt(_M_TRIM_THRESHOLD, KEPT_FREE_BYTES_MAX)
    )


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
