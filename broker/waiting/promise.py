"""The one way to answer later: a promise, and what stands for an answer that cannot be made.

1. whoever cannot answer yet returns a Promise instead of the answer  2. `then` makes of the one
and the other what is sent  3. the connection adopts a promise, and abandons it if it ends first
4. whoever knows the answer keeps it. What must be durable is promised by `when_durable`.
Who keeps promises: group_commit.py, parked_fetches.py, long_work.py, groups/members.py.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from ...protocol.errors import ErrorCode
from .isolation import ENDS_THE_BROKER

A = TypeVar("A")
B = TypeVar("B")

logger = logging.getLogger("minibroker")


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
        # 1. a flush fails and refuses who waits  2. its round ends all the same and acknowledges
        # them  3. whichever came second would be an answer to the next request on that connection.
        assert not self._kept, "a promise is kept once"
        self._kept = True
        self.message = message
        if self.on_kept is not None:
            self.on_kept(message)
        # 1. the fetch knows its promise, and the promise how to abandon the fetch; the connection's
        # `deliver` knows it as well  2. in such a cycle what was answered stays until somebody
        # looks for garbage, which is seldom  3. a megabyte of names a request fills the memory.
        self.on_abandoned = None
        # Forgotten before it is called: it may raise, and must not be called again for that.
        deliver, self._deliver = self._deliver, None
        if deliver is not None:
            deliver(message)

    def keep_with(self, make: Callable[[], Any]) -> None:
        """Keep it with what `make` returns or promises, or with a Failure if that raises.

        For whoever keeps one promise among others. It raises only what ends the broker, and then
        this promise has been kept, too.
        """
        # 1. a round has a hundred waiters, and the response of the third cannot be made  2. raised
        # from here, that would end the round, and 97 wait for ever  3. only logged, the third does.
        try:
            message = make()
        except ENDS_THE_BROKER as error:
            self.keep(Failure(error))  # first: whoever raises further keeps no promise any more
            raise
        except Exception as error:
            logger.exception("an answer could not be made")
            message = Failure(error)
        if isinstance(message, Promise):
            message.deliver_to(self.keep)
        else:
            self.keep(message)


def then(outcome: A | Promise, make: Callable[[A], B]) -> B | Promise:
    """What `make` makes of an answer: at once, or as a promise if the answer is one."""
    if not isinstance(outcome, Promise):
        return make(outcome)
    made = Promise(outcome.on_abandoned)
    outcome.deliver_to(lambda answer: made.keep_with(lambda: make(answer)))
    return made
