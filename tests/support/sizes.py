"""How far loops go: fast in `make test`, which has three minutes for all, whole in `make whole`.

    SEEDS = range(size(fast=5, whole=15))

What is cut down so is a loop over seeds, drawn examples or places that are much alike: a fast run
still goes through each kind of them. Drawn examples are others in each run.
"""

from __future__ import annotations

import os

IS_WHOLE = bool(os.environ.get("WHOLE"))


def size(*, fast: int, whole: int) -> int:
    """One of the two."""
    return whole if IS_WHOLE else fast
