"""How often the process looks for garbage in cycles: seldom, for looking holds the loop.

1. a client lists a megabyte of names  2. of each an object is made, and none is in a cycle
3. looking through all of them, again and again while they are made, takes 20 to 60 ms each time.
What is no longer used is freed without it; cycles are rare here, and most are found young.
"""

from __future__ import annotations

import gc

from .limits import COLLECTED_WHOLE_EVERY


def collect_rarely() -> None:
    """For a process that is a broker, when it has started: what there is by now stays."""
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, COLLECTED_WHOLE_EVERY)
