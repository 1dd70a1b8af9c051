"""One item never harms another: whoever serves many does so through each_alone().

A round has many waiters, a deadline many timers, a stop many connections; what is wrong with one
must not keep the others waiting. What ends a broker, and what only a connection, is decided in
docs/decisions/0012: a failed flush, and a broken invariant of a core that others rely on, end it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

from ..storage.port import FlushFailed

T = TypeVar("T")

logger = logging.getLogger("minibroker")

ENDS_THE_BROKER = (FlushFailed, AssertionError)


def each_alone(items: Iterable[T], work: Callable[[T], object], what: str) -> None:
    """Do `work` with each item; what one of them raises is logged, and the others go on.

    Args:
        what: names the work in the log.
    Raises:
        FlushFailed, AssertionError: the first there was, once all the others are done.
    """
    end: Exception | None = None
    for item in items:
        try:
            work(item)
        except ENDS_THE_BROKER as error:
            end = end or error
        except Exception:
            logger.exception("%s failed", what)
    if end is not None:
        raise end


def call(work: Callable[[], object]) -> None:
    """Do it: the `work` of each_alone() where the items are what is to be done."""
    work()
