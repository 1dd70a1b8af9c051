"""One process that sends the lines of a source through a durable session, until it is done or dies.

The whole Producer runs here, in simulated time, with its journal on a simulated disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from minibroker.client import ClientError, Delivery, DeliveryTimeout, Producer
from minibroker.client.session.journal import Journal
from minibroker.client.session.open_batch import OpenBatch
from minibroker.testing.simulated_disk import SimulatedDisk

from tests.support.sessions.granted_epochs import Epochs, Given, grant_in
from tests.support.sessions.session_judge import SOURCE, SessionJudge, line
from tests.support.sessions.simulated_loop import SimulatedLoop
from tests.support.sessions.simulated_wire import LATE_MS, SimulatedTransport
from tests.support.worlds.machine import Machine

LOOK_S = 0.05
FLUSHES_MAX = 10


@dataclass(frozen=True)
class Plan:
    """What all processes of a world do.

    Args:
        count: lines of the source.
        place_of: the partition of a line.
        options: of the Producer.
        late: how often a request is late.
        stops: how often a process stops by itself, between any two sends.
        steps: how often lines are sent in a step.
    """

    topic: str
    count: int
    place_of: Callable[[int], int]
    options: dict[str, Any]
    late: float
    stops: float
    steps: float


class SessionProcess:
    """A process of a program.

    Attributes:
        journal: of its session, once that is open.
        settled: batches about which people had to decide.
        failure: why it has ended itself; None if it has not, or has stopped well.
        on_end: called when it has.
        epochs: what the coordinator gives.
        granted: the newest grant of its transactional id that has arrived.
        truth: what people find who look for a batch: whether it is stored; None if they cannot.
    """

    def __init__(
        self, machine: Machine, disk: SimulatedDisk, plan: Plan, judge: SessionJudge, seed: int
    ) -> None:
        self.random = Random(seed)
        self.journal: Journal | None = None
        self.failure: Exception | None = None
        self.on_end: Callable[[], None] = lambda: None
        self.epochs = Epochs()
        self.granted: Given | None = None
        self.truth: Callable[[OpenBatch], bool | None] = lambda batch: None
        self.producer: Producer | None = None
        self.settled = 0
        self.loop = SimulatedLoop(machine, self.random, self._connect)
        self.loop.has_died = lambda: disk.is_down
        self._machine = machine
        self._plan = plan
        self._judge = judge
        self._transports: list[SimulatedTransport] = []

    def start(self) -> None:
        """Let it run."""
        self.loop.call_soon(lambda: self.loop.create_task(self._main()))

    def kill(self) -> None:
        """SIGKILL: its connections end, and what it has asked may still arrive."""
        self.loop.kill()
        stuck_ms = self.random.choice((0.0, 0.0, *LATE_MS))
        for transport in self._transports:
            if not transport.is_closing():
                transport.cut(None)
                if stuck_ms:
                    transport.stick(self._machine.now_ms + stuck_ms)

    def dispose(self) -> None:
        """Free what it has left behind, unheard."""
        if self.producer is not None:
            self.producer._made_at = ""  # nobody could have stopped it
        self.loop.dispose()

    def cut(self) -> None:
        """Its connections break: answers are lost."""
        for transport in self._transports:
            transport.cut(ConnectionResetError("cut"))

    async def _main(self) -> None:
        try:
            await self._run()
        except Exception as error:
            self.failure = error
        self._machine.at(self._machine.now_ms, self.on_end)

    async def _connect(self, loop: SimulatedLoop, factory: Callable[[], Any]) -> Any:
        await asyncio.sleep(self.random.uniform(0.0001, 0.002))
        if self._machine.broker is None:
            raise ConnectionRefusedError("the broker is down")
        self._transports = [each for each in self._transports if not each.is_closing()]
        transport = SimulatedTransport(self._machine, loop, self, self._plan.late)
        self._transports.append(transport)
        protocol = factory()
        transport.begin(protocol)
        return transport, protocol

    def leaves(self, message: Any) -> None:
        """See simulated_wire.Watcher, for this and what follows."""
        self._judge.sees(message)

    def arrives(self, message: Any) -> None:
        self.epochs.asks(message)

    def answered(self, message: Any, answer: Any) -> None:
        self._judge.is_told(message, answer)
        self.epochs.gives(message, answer, self._machine.now_ms)

    def heard(self, message: Any, answer: Any) -> None:
        self.granted = grant_in(message, answer) or self.granted

    async def _run(self) -> None:
        plan, random = self._plan, self.random
        producer = self.producer = Producer("sim:9092", **plan.options)
        await producer.start()
        people = asyncio.create_task(self._look_into_topics(producer))
        at = int(producer.session.marks.get(SOURCE, 0))
        while at < plan.count and random.random() >= plan.stops:
            at = await self._send_some(producer, at)
            if random.random() < 0.3:
                await asyncio.sleep(random.choice((0, 0.001, 0.02, 0.2)))
        if at == plan.count:
            for _ in range(FLUSHES_MAX):  # people may have to decide about something first
                with suppress(DeliveryTimeout):
                    await producer.flush()
                if not producer.session.unsettled:
                    break
                await asyncio.sleep(2 * LOOK_S)
        people.cancel()
        await producer.stop()

    async def _look_into_topics(self, producer: Producer) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            for each in producer.session.unsettled:
                is_stored = self.truth(each.batch)
                if is_stored is not None:
                    self.settled += 1
                    await producer.session.settle(each, stored=is_stored)

    async def _send_some(self, producer: Producer, at: int) -> int:
        random, plan = self.random, self._plan
        end = min(at + random.choice((1, 1, 4, 12)), plan.count)
        sent: list[tuple[int, Delivery]] = []
        if random.random() < plan.steps:
            async with producer.session.step(SOURCE, end):
                sent += [(n, await self._send(producer, n)) for n in range(at, end)]
        else:
            marked = [(n, (SOURCE, n + 1)) for n in range(at, end)]
            sent += [(n, await self._send(producer, n, mark)) for n, mark in marked]
        for number, delivery in sent:
            delivery.add_done_callback(partial(self._told, number))
        if random.random() < 0.1:
            with suppress(DeliveryTimeout):
                await (producer.flush() if random.random() < 0.5 else sent[-1][1])
        return end

    async def _send(self, producer: Producer, number: int, mark: Any = None) -> Delivery:
        place = self._plan.place_of(number)
        value = line(number, place)
        return await producer.send(self._plan.topic, value, partition=place, mark=mark)

    def _told(self, number: int, delivery: Delivery) -> None:
        try:
            offset = delivery.result().offset
        except ClientError:
            return  # it is in the session, or the session has ended
        if offset >= 0:
            self._judge.told[number] = offset
