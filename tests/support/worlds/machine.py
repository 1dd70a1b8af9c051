"""A broker on a simulated disk in simulated time: the edge without asyncio, with crashes.

Real: Broker, Dispatch, GroupCommit, every handler, log and recovery. Simulated: disk, clock, wire
and the turns of the loop. A flush takes time here: what it keeps is decided when it begins, and
that it is kept when it ends. Who uses what: simulated_clients.py, broker_world.py.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Mapping
from functools import cache, partial
from random import Random
from typing import Any

from minibroker.broker.apis.served import SERVED
from minibroker.broker.broker import Broker
from minibroker.broker.config.broker import BrokerConfig
from minibroker.broker.config.listeners import Listener
from minibroker.broker.config.properties import Value
from minibroker.broker.dispatch import Dispatch
from minibroker.broker.limits import SYNC_ALL_FROM_FILES
from minibroker.broker.session import Session
from minibroker.broker.storage.port import FlushFailed, StorageError
from minibroker.broker.waiting.group_commit import Round
from minibroker.broker.waiting.hooks import Hooks
from minibroker.broker.waiting.long_work import Done, Working, outcome_of
from minibroker.broker.waiting.promise import Promise
from minibroker.broker.world import World
from minibroker.protocol.codec.schema import api_of
from minibroker.protocol.connection import Request, Routes, plain
from minibroker.testing.simulated_disk import Crashed, DiskError, Flush, SimulatedDisk
from minibroker.testing.simulated_storage import SimulatedFile, SimulatedStorage

START_MS = 1_700_000_000_000
RETENTION_CHECK_MS = 20
TURNS_MAX = 200_000
LISTENER = Listener("PLAINTEXT", "sim", 9092, "sim", 9092)
SESSION = Session("sim:1", "PLAINTEXT", "sim", 9092)


@cache
def _routes() -> Routes:
    return Routes(SERVED)


class MachineClock:
    """The broker's view of a machine's time. Implements world.Clock."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def now_ms(self) -> int:
        return int(self._machine.wall_ms)

    def monotonic_ms(self) -> int:
        return int(self._machine.now_ms)


class MachineSlices:
    """Slices of a few steps, as chance has it, and asides that take a while. Implements Slices."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._start = machine.starts

    def first(self) -> Callable[[], bool]:
        left = itertools.count(self._machine.random.choice((0, 1, 5)), -1)
        return lambda: next(left) <= 0

    def next(self) -> Callable[[], bool]:
        return self.first()

    def wanted(self, go_on: Callable[[], None]) -> None:
        self._machine.soon(self._start, lambda: self._turn(go_on))

    def aside(self, call: Callable[[], Any], done: Done) -> None:
        machine = self._machine
        at_ms = machine.now_ms + machine.random.uniform(0, 5)
        turn = partial(self._turn, lambda: done(*outcome_of(call)))
        machine.at(at_ms, lambda: machine.soon(self._start, turn))

    def _turn(self, go_on: Callable[[], None]) -> None:
        try:
            go_on()
        except FlushFailed as error:
            self._machine.disk.is_down = True
            raise Crashed(f"exit 1: a flush failed: {error}") from error


class Slot:
    """A request on its way, at the broker or being answered."""

    __slots__ = ("answer", "is_answered", "on_answer")

    def __init__(self, on_answer: Callable[[Any], None]) -> None:
        self.on_answer = on_answer
        self.answer: Any = None
        self.is_answered = False


class Line:
    """One connection: requests and answers keep their order, until either side is gone.

    Args:
        on_lost: called once, when the client learns that the broker is gone.
    """

    def __init__(self, machine: Machine, on_lost: Callable[[], None]) -> None:
        self._machine = machine
        self._on_lost = on_lost
        self._slots: deque[Slot] = deque()
        self._held: deque[tuple[Slot, Any, int | None]] = (
            deque()
        )  # behind long work of this connection
        self._is_held = False
        self._start = machine.starts
        self._arrives_ms = self._delivers_ms = 0.0
        self._requests_until_ms = float("inf")
        self.is_open = True

    def send(
        self, message: Any, on_answer: Callable[[Any], None], version: int | None = None
    ) -> None:
        """Ask the broker something, in the newest version that is served if none is given."""
        machine = self._machine
        slot = Slot(on_answer)
        self._arrives_ms = max(self._arrives_ms, machine.now_ms) + machine.random.uniform(0.05, 2)
        machine.at(self._arrives_ms, lambda: self._arrive(slot, message, version))

    def cut(self) -> None:
        """The client hangs up: no answer comes any more, though requests may still arrive."""
        self.is_open = False
        if self._machine.random.random() < 0.5:
            self._requests_until_ms = self._machine.now_ms + self._machine.random.uniform(0, 3)

    def broker_gone(self) -> None:
        """The broker ended: answers that have left may still come, then the client learns it."""
        random = self._machine.random
        if self.is_open:
            learns_ms = self._machine.now_ms + random.choice((0.0, 3.0, 30.0))
            self._machine.at(learns_ms, self._learn)

    def _learn(self) -> None:
        if self.is_open:
            self.is_open = False
            self._on_lost()

    def _arrive(self, slot: Slot, message: Any, version: int | None) -> None:
        machine = self._machine
        if machine.broker is None or self._start != machine.starts:
            return
        if machine.now_ms > self._requests_until_ms:
            return
        self._slots.append(slot)
        self._held.append((slot, message, version))
        if not self._is_held:
            self._handle_all()

    def _handle_all(self) -> None:
        self._is_held = False
        while self._held and not self._is_held:
            slot, message, version = self._held.popleft()
            outcome = self._machine.handle(message, partial(self._answered, slot), version)
            if isinstance(outcome, Working) and outcome.is_working:
                self._is_held = True
                outcome.on_worked = self._handle_all

    def _answered(self, slot: Slot, answer: Any) -> None:
        slot.answer, slot.is_answered = answer, True
        machine = self._machine
        while self._slots and self._slots[0].is_answered:
            first = self._slots.popleft()
            delay_ms = machine.random.uniform(0.05, 2)
            self._delivers_ms = max(self._delivers_ms, machine.now_ms) + delay_ms
            machine.at(self._delivers_ms, partial(self._deliver, first))

    def _deliver(self, slot: Slot) -> None:
        if self.is_open:
            slot.on_answer(slot.answer)


class Machine:
    """One computer: a disk, a clock, and a broker that comes and goes.

    Args:
        durability: of the broker, fsync or page-cache.
        settings: of the broker, besides.

    Attributes:
        wall_set_by_ms: by how much somebody has set the wall clock.
        starts: how often a broker has been started or tried to.
        broker: None while it is down.
        crashed: called when a step was the last one, with what it was.
        is_flushing: whether a round of flushes is under way.
    """

    def __init__(
        self, random: Random, durability: str, settings: Mapping[str, Value] | None = None
    ) -> None:
        self.random = random
        self.config = BrokerConfig.of(
            {
                "log.dirs": ("data",),
                "durability": durability,
                "log.retention.check.interval.ms": RETENTION_CHECK_MS,
                **(settings or {}),
            }
        )
        self.disk = SimulatedDisk(random)
        self.now_ms = 0.0
        self.wall_set_by_ms = 0
        self.starts = 0
        self.broker: Broker | None = None
        self.is_flushing = False
        self.transcript: list[str] = []
        self.crashed: Callable[[str], None] = lambda why: None
        self.flush_ms_max = random.choice((0.5, 5.0, 40.0))
        self._armed: float | None = None  # when the broker's timer goes off
        self._dispatch: Dispatch | None = None
        self._lines: list[Line] = []
        self._turns = itertools.count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []

    @property
    def dispatch(self) -> Dispatch | None:
        """What handles requests; None while the broker is down."""
        return self._dispatch

    @property
    def wall_ms(self) -> float:
        """The wall clock, as somebody may have set it."""
        return START_MS + self.now_ms + self.wall_set_by_ms

    def note(self, text: str) -> None:
        """A line of the transcript."""
        self.transcript.append(f"{self.now_ms:10.2f} {text}")

    def at(self, at_ms: float, event: Callable[[], None]) -> None:
        """Let something happen at that time."""
        turn = next(self._turns)
        assert turn < TURNS_MAX, "time stands still"
        heapq.heappush(self._events, (at_ms, turn, event))

    def run(self, until_ms: float, is_done: Callable[[], bool]) -> bool:
        """Let time pass; returns whether it was done in time."""
        while self._events and not is_done():
            at_ms, _, event = heapq.heappop(self._events)
            if at_ms > until_ms:
                return False
            self.now_ms = max(self.now_ms, at_ms)
            try:
                event()
            except Crashed as crash:
                self.crashed(str(crash))
        return is_done()

    def connect(self, on_lost: Callable[[], None]) -> Line | None:
        """A connection; None while the broker is down."""
        if self.broker is None:
            return None
        line = Line(self, on_lost)
        self.connected(line)
        return line

    def connected(self, line: Line) -> None:
        """A connection to the broker that runs; it hears when that is gone."""
        self._lines = [each for each in self._lines if each.is_open]
        self._lines.append(line)

    def start(self) -> None:
        """Start a broker. Raises Crashed, or whatever keeps a broker from starting."""
        self.starts += 1
        start = self.starts
        hooks = Hooks(
            flush_wanted=lambda: self.soon(start, self._begin_round),
            fetches_ready=lambda: self.soon(start, self._answer_fetches),
            deadline_moved=lambda: self.soon(start, self.arm_timer),
            warn=lambda text: self.note(f"broker: {text}"),
            slices=MachineSlices(self),
        )
        storage = SimulatedStorage(self.disk)
        world = World(MachineClock(self), storage, Random(self.random.getrandbits(64)))
        broker = Broker(self.config, [LISTENER], world, hooks)
        self.broker, self._dispatch = broker, Dispatch(broker)

    def end(self) -> None:
        """The broker is gone, by whatever means; the disk is told by the caller."""
        self.broker = self._dispatch = self._armed = None
        self.is_flushing = False
        lines, self._lines = self._lines, []
        for line in lines:
            line.broker_gone()

    def stop(self) -> None:
        """Stop the broker cleanly. Raises Crashed, StorageError."""
        broker = self.broker
        assert broker is not None
        broker.parked.release_all()
        self.flush_now()
        broker.close()
        broker.world.storage.close()
        self.end()

    def flush_now(self) -> None:
        """Flush as long as somebody waits for it; for when no round is under way."""
        broker = self.broker
        assert broker is not None
        while not broker.commit.is_idle:
            round_ = broker.begin_round()
            for file in round_.files:
                file.flush()
            broker.finish_round(round_)

    def handle(
        self, message: Any, on_answer: Callable[[Any], None], version: int | None = None
    ) -> Any:
        """Let the broker handle a request; returns what its handler did. Raises Crashed."""
        assert self._dispatch is not None
        api = api_of(type(message))
        route = _routes().find(api.key, api.newest_spoken if version is None else version)
        try:
            answer = self._dispatch.handle(Request(route, 0, "sim", message), SESSION)
        except FlushFailed as error:
            self.disk.is_down = True
            raise Crashed(f"exit 1: a flush failed: {error}") from error
        if isinstance(answer, Promise):
            answer.deliver_to(lambda message: on_answer(_plain(message)))
        else:
            on_answer(_plain(answer))
        return answer

    def ask(self, message: Any, version: int | None = None) -> Any:
        """Handle a request here and now, flush included. Raises Crashed, StorageError."""
        answers: list[Any] = []
        assert self.broker is not None
        self.handle(message, answers.append, version)
        while not answers:
            self.broker.work.go_on()
            self.flush_now()
        return answers[0]

    def soon(self, start: int, turn: Callable[[], None]) -> None:
        """In a turn of its own, right now, if the broker of that start still runs then."""

        def due() -> None:
            if start == self.starts and self.broker is not None:
                turn()

        self.at(self.now_ms, due)

    def _begin_round(self) -> None:
        assert self.broker is not None
        if self.is_flushing:  # flush_now() was quicker, and others have come since
            return
        self.is_flushing = True
        round_ = self.broker.begin_round()
        files = [file for file in round_.files if isinstance(file, SimulatedFile)]
        assert len(files) == len(round_.files)
        if len(files) >= SYNC_ALL_FROM_FILES:
            flushes = [self.disk.begin_flush_of_all()]
        else:
            flushes = [flush for file in files for flush in file.begin_flushes()]
        start, delay_ms = self.starts, self.random.uniform(0.1, self.flush_ms_max)

        def end() -> None:
            if start == self.starts and self.broker is not None:
                self._end_round(round_, files, flushes)

        self.at(self.now_ms + (delay_ms if files else 0), end)

    def _end_round(self, round_: Round, files: list[SimulatedFile], flushes: list[Flush]) -> None:
        assert self.broker is not None
        try:
            for flush in flushes:
                flush.finish()
        except DiskError as error:
            self.broker.commit.fail(round_)
            self.disk.is_down = True
            raise Crashed(f"exit 1: a flush failed: {error}") from error
        for file in files:
            file.flushed()
        self.is_flushing = False
        self.broker.finish_round(round_)

    def _answer_fetches(self) -> None:
        assert self.broker is not None
        self.broker.parked.take_ready()

    def arm_timer(self) -> None:
        """Have the broker's timer go off; it is armed by itself from its first deadline on."""
        assert self.broker is not None
        deadline_ms = self.broker.next_deadline_ms()
        if deadline_ms is None:
            return
        due_ms = max(self.now_ms, deadline_ms)
        if self._armed is not None and self._armed <= due_ms:
            return
        self._armed, start = due_ms, self.starts

        def due() -> None:
            if self.starts == start and self._armed == due_ms:  # else one before it took its place
                self._armed = None
                self.soon(start, self._on_deadline)

        self.at(due_ms, due)

    def _on_deadline(self) -> None:
        assert self.broker is not None
        try:
            self.broker.on_deadline(int(self.now_ms))
        except StorageError as error:
            self.note(f"timer: {error}")
        self.arm_timer()


def _plain(answer: Any) -> Any:
    return plain(answer)
