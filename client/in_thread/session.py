"""EDGE: Session of the blocking face: `producer.session`, and `with producer.session.step(...)`.

Tests: tests/system/client/test_client_blocking.py
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

from .loop_thread import LoopThread

if TYPE_CHECKING:  # not for those who have no session
    from ..session.entries import Position, RefusedBatch, Source
    from ..session.outcomes import Unsettled
    from ..session.session import Session as AsyncSession
    from ..session.steps.step import Step as AsyncStep


class Session:
    """A producer's durable session; made by the Producer, open from start() to stop()."""

    def __init__(self, loop: LoopThread, session: AsyncSession) -> None:
        self._loop = loop
        self._inner = session

    @property
    def marks(self) -> Mapping[Source, Position]:
        """By source, the position up to which all is in the journal: stored once, or about to be.

        Raises:
            RuntimeError: the producer has not been started.
        """
        return self._loop.do(lambda: dict(self._inner.marks))

    @property
    def unsettled(self) -> tuple[Unsettled, ...]:
        """Batches of which nobody can know whether they are stored: settle() them."""
        return self._loop.do(lambda: self._inner.unsettled)

    def settle(self, batch: Unsettled, *, stored: bool) -> None:
        """Say of an unsettled batch whether it is stored, after a look into the topic.

        Args:
            stored: False has it sent again.

        Raises:
            KeyError: it is not among the unsettled.
            JournalFailed: the decision could not be written.
        """
        self._loop.run(lambda: self._inner.settle(batch, stored=stored))

    @property
    def refused(self) -> tuple[RefusedBatch, ...]:
        """Batches that brokers will never take, and have not stored; kept until they are taken."""
        return self._loop.do(lambda: self._inner.refused)

    def take_refused(self) -> list[RefusedBatch]:
        """Forget the refused batches; returns them. Look at `refused` first, act, then take."""
        return self._loop.run(self._inner.take_refused)

    def step(self, source: Source, position: Position) -> Step:
        """Several sends of this thread and one mark, journaled together: `with` it.

        Args:
            position: of the source, when everything sent within is done.

        Raises:
            TypeError, ValueError: a source or position that cannot be.
        """
        return Step(self._loop, self._loop.do(lambda: self._inner.step(source, position)))


class Step:
    """One step; made by Session.step(), and used once.

    Leaving `with` hands everything over; an exception drops it.
    """

    def __init__(self, loop: LoopThread, step: AsyncStep) -> None:
        self._loop = loop
        self._inner = step

    def __enter__(self) -> Self:
        # What is called from here on runs in this thread's context, also over there in the loop.
        self._loop.do(self._inner.open)
        self._inner.enter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._inner.leave()
        if error is None:
            self._loop.run(self._inner.close)
        else:
            self._loop.do(self._inner.drop)
