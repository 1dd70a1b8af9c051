"""A promise of an answer that becomes known later, and what stands for one that cannot be made.

1. a handler, or whoever it asks, returns a Promise instead of the response message  2. the
connection adopts it, and abandons it if it ends first  3. whoever knows the answer keeps it.
Who keeps promises: group_commit.py, parked_fetches.py, long_work.py, groups/.
Tests: tests/unit/broker/waiting/test_isolation.py
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from ...protocol.errors import ErrorCode
from .isolation import ENDS_THE_BROKER

log = logging.getLogger("minibroker")


@dataclass(frozen=True, slots=True)
class Failure:
    """Stands for an answer that could not be made: the request is answered with -1."""

    error: Exception
    error_code: ClassVar[int] = ErrorCode.UNKNOWN_SERVER_ERROR


class Promise:
    """An answer that becomes known later. Whoever holds it keeps it, at most once.

    `on_abandoned` is for who asked: called when nobody wants the answer any more.
    `on_kept` is for who looks on: called with the answer before it is delivered.
    """

    __slots__ = ("_deliver", "_kept", "message", "on_abandoned", "on_kept")

    def __init__(self, on_abandoned: Callable[[], None] | None = None) -> None:
        self._deliver: Callable[[Any], None] | None = None
        self._kept = False
        self.message: Any = None
        self.on_abandoned = on_abandoned
        self.on_kept: Callable[[Any], None] | None = None

    @property
    def is_kept(self) -> bool:
        """Whether the answer is known."""
        return self._kept

    def deliver_to(self, deliver: Callable[[Any], None]) -> None:
        """Where the response message goes; at once when it is known already."""
        if self._kept:
            deliver(self.message)
        else:
            self._deliver = deliver

    def keep(self, message: Any) -> None:
        """The answer is `message`."""
        assert not self._kept, "a promise is kept once"
        self._kept = True
        self.message = message
        if self.on_kept is not None:
            self.on_kept(message)
        # Both may know this promise: in a cycle a megabyte of names would stay, answered long ago.
        self.on_abandoned = None
        deliver, self._deliver = self._deliver, None
        if deliver is not None:
            deliver(message)

    def keep_with(self, make: Callable[[], Any]) -> None:
        """Keep it with what `make` returns or promises, or with a Failure if that raises.

        For whoever keeps one promise among others. It raises only what ends the broker, and then
        this promise has been kept, too.
        """
        try:
            message = make()
        except ENDS_THE_BROKER as error:
            self.keep(Failure(error))
            raise
        except Exception as error:
            log.exception("an answer could not be made")
            message = Failure(error)
        if isinstance(message, Promise):
            message.deliver_to(self.keep)
        else:
            self.keep(message)
