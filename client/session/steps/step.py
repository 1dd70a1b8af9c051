"""EDGE: a step: several sends and one mark, all of it journaled together, or nothing.

    async with producer.session.step("orders.csv", position):
        await producer.send("orders", order)
        await producer.send("invoices", invoice)

What is sent within it, also by tasks begun there, goes into batches of the step's own, which nobody
sends. When it closes they join those of the producer, and the mark with them, in one turn of the
loop. An exception drops them.
Read next: step_intake.py.
Tests: tests/system/client/session/test_step.py
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from ...errors import ClientError, Fatal
from ...produce.accumulator import Place
from ...produce.batch import ProducerBatch
from ..entries import Position, Source

if TYPE_CHECKING:
    from .step_intake import StepIntake

CURRENT: Final[ContextVar[Step | None]] = ContextVar("minibroker step", default=None)


class Step:
    """One step; made by Session.step(), and used once.

    Leaving `async with` hands everything over; an exception, or a cancellation, drops it.

    Attributes:
        batches: by place, in order; only the last of each still fills.
        size_bytes: of all of them.
        is_open: it takes records.
    """

    def __init__(self, intake: StepIntake, source: Source, position: Position) -> None:
        self._intake = intake
        self._source = source
        self._position = position
        self._has_begun = False
        self._broken: str | None = None
        self._token: Token[Step | None] | None = None
        self.is_open = False
        self.batches: dict[Place, list[ProducerBatch]] = {}
        self.size_bytes = 0

    async def __aenter__(self) -> Self:
        self.open()
        self.enter()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave()
        if error is None:
            await self.close()
        else:
            self.drop()

    def open(self) -> None:
        """Begin; `async with` does so. Raises RuntimeError: a step is open, or this one was."""
        self._intake.check_owner()
        if self._has_begun:
            raise RuntimeError("a step is begun once: ask producer.session.step() for another")
        if CURRENT.get() is not None:
            raise RuntimeError("a step cannot be begun within another: end that one first")
        self._intake.raise_if_closed()
        self._has_begun = self.is_open = True
        self._intake.steps_open(1)

    def enter(self) -> None:
        """What this task, or thread, sends from now on is part of the step."""
        self._token = CURRENT.set(self)

    def leave(self) -> None:
        """It is no more."""
        if self._token is not None:
            CURRENT.reset(self._token)
            self._token = None

    async def close(self) -> None:
        """Hand everything over, with the mark; waits for room in the buffer.

        Raises:
            Retriable: no room within max_block_ms; Fatal: the producer is at its end. Nothing of
                the step is sent then.
            RuntimeError: a delivery of it was awaited within it.
        """
        if not self.is_open:
            return
        self._end()
        try:
            if self._broken is not None:
                raise RuntimeError(self._broken)
            await self._intake.hand_over(self, self._source, self._position)
        except BaseException as error:
            self._fail(f"the step was not handed over: {error}")
            raise

    def drop(self) -> None:
        """Forget what was sent in it."""
        if self.is_open:
            self._end()
            self._fail("the step was left by an exception")

    def on_awaited(self, batch: ProducerBatch) -> None:
        """Somebody waits for a batch of it. Raises RuntimeError: it leaves when the step closes."""
        if self.is_open:
            self._broken = (
                "a delivery was awaited, or send_and_wait or send_many called, within the step "
                "that it is part of: nothing of a step leaves before it closes; await it behind"
            )
            raise RuntimeError(self._broken)
        self._intake.on_awaited(batch)

    def on_unheard(self, batch: ProducerBatch) -> None:
        """A step that fails raises; nobody else need be told."""

    def _end(self) -> None:
        self.is_open = False
        self._intake.steps_open(-1)

    def _fail(self, why: str) -> None:
        for batches in self.batches.values():
            for batch in batches:
                error: ClientError = Fatal(f"{batch.describe()}: not sent: {why}")
                batch.complete(error)
        self.batches.clear()
