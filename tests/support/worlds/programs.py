"""Clients of a simulated machine written as a program: ask, be answered, go on.

    class Teller(Program):
        def program(self) -> Doing:
            (answer,) = yield Asked([(SomeRequest(...), 4)])
            if answer is None:
                yield Pause(5)

What is asked at once is pipelined on one connection. An answer is None when the connection was lost
first, by a crash or by cut(); whether the request arrived nobody knows then.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from tests.support.worlds.machine import Line, Machine

AGAIN_MS = (1.0, 10.0)


@dataclass(frozen=True)
class Pause:
    """Do nothing for so long."""

    duration_ms: float


@dataclass(frozen=True)
class Asked:
    """Requests, each with its version; sent at once, in their order."""

    requests: Sequence[tuple[Any, int]]


Doing: TypeAlias = Generator[Pause | Asked, Any, None]


class Program:
    """One program with one connection at a time, which is made when there is something to ask.

    Attributes:
        is_done: whether it has come to its end.
        is_stopped: whether it is to come to its end, where it has none of its own.
        wrong: answers that no client may be given.
    """

    def __init__(self, machine: Machine, name: str) -> None:
        self.machine = machine
        self.random = machine.random
        self.name = name
        self.is_done = self.is_stopped = False
        self.wrong: list[str] = []
        self._run: Doing | None = None
        self._line: Line | None = None
        self._answers: list[Any] = []
        self._left = 0
        self._turn = 0

    def program(self) -> Doing:
        """What it does, from its beginning to its end."""
        raise NotImplementedError

    def start(self) -> None:
        """Begin."""
        self._run = self.program()
        self._step(None)

    def cut(self) -> None:
        """Hang up in the middle of everything."""
        if self._line is not None:
            self._line.cut()
            self._lost()

    def again(self) -> Pause:
        """A little later."""
        return Pause(self.random.uniform(*AGAIN_MS))

    def _step(self, answers: Any) -> None:
        assert self._run is not None
        try:
            wanted = self._run.send(answers)
        except StopIteration:
            self.is_done = True
            return
        self._turn += 1
        if isinstance(wanted, Pause):
            self.machine.at(self.machine.now_ms + wanted.duration_ms, lambda: self._step(None))
            return
        self._answers = [None] * len(wanted.requests)
        self._left = len(wanted.requests)
        if self._line is None:
            self._line = self.machine.connect(self._lost)
        if self._line is None:
            self._settle()
            return
        for number, (message, version) in enumerate(wanted.requests):
            self._line.send(message, partial(self._take, self._turn, number), version)

    def _take(self, turn: int, number: int, answer: Any) -> None:
        if turn != self._turn:
            return
        self._answers[number] = answer
        self._left -= 1
        if not self._left:
            self._settle()

    def _lost(self) -> None:
        self._line = None
        if self._left:
            self._settle()

    def _settle(self) -> None:
        """Go on with the answers that there are, in a turn of its own."""
        self._left = 0
        self._turn += 1
        answers = self._answers
        self.machine.at(self.machine.now_ms, lambda: self._step(answers))
