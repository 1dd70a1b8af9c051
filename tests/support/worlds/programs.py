"""Clients written as a program: ask, be answered, go on. Here they run on a simulated machine.

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
from random import Random
from typing import Any, Protocol, TypeAlias

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


class Surroundings(Protocol):
    """Where a program runs: a Machine, or the real world.

    Attributes:
        starts: how often the broker has been started.
    """

    random: Random
    starts: int

    @property
    def now_ms(self) -> float:
        """Since it began."""

    @property
    def wall_ms(self) -> float:
        """The wall clock, which may be set."""

    def note(self, text: str) -> None:
        """A line of the transcript."""


class Program:
    """What a client does.

    Attributes:
        is_stopped: whether it is to come to its end, where it has none of its own.
        wrong: answers that no client may be given.
    """

    def __init__(self, where: Surroundings, name: str) -> None:
        self.where = where
        self.random = where.random
        self.name = name
        self.is_stopped = False
        self.wrong: list[str] = []

    def program(self) -> Doing:
        """What it does, from its beginning to its end."""
        raise NotImplementedError

    def again(self) -> Pause:
        """A little later."""
        return Pause(self.random.uniform(*AGAIN_MS))


class Running:
    """A program on a machine, with one connection at a time, made when there is something to ask.

    Attributes:
        is_done: whether it has come to its end.
    """

    def __init__(self, machine: Machine, program: Program) -> None:
        self.is_done = False
        self._machine = machine
        self._run = program.program()
        self._line: Line | None = None
        self._answers: list[Any] = []
        self._left = 0
        self._turn = 0

    def start(self) -> None:
        """Begin."""
        self._step(None)

    def cut(self) -> None:
        """Hang up in the middle of everything."""
        if self._line is not None:
            self._line.cut()
            self._lost()

    def _step(self, answers: Any) -> None:
        try:
            wanted = self._run.send(answers)
        except StopIteration:
            self.is_done = True
            return
        self._turn += 1
        machine = self._machine
        if isinstance(wanted, Pause):
            machine.at(machine.now_ms + wanted.duration_ms, lambda: self._step(None))
            return
        self._answers = [None] * len(wanted.requests)
        self._left = len(wanted.requests)
        if self._line is None:
            self._line = machine.connect(self._lost)
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
        self._machine.at(self._machine.now_ms, lambda: self._step(answers))
