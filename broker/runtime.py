"""EDGE: a running broker: real clock and disk, listening sockets, flush threads, one timer.

    async with Runtime(config, listeners) as runtime: ...      or start() / stop()

It performs what the cores decide: begins the rounds of waiting/group_commit.py, answers parked
fetches when they are due, and ends the broker when a flush has failed (`failed` is then set). It
installs no signal handlers and prints nothing; that is for `minibroker serve`.
Tests: tests/system/answers/test_server.py
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .broker import Broker
from .config.broker import BrokerConfig
from .config.listeners import Listener
from .connections.descriptors import shares
from .connections.server import Server
from .dispatch import Dispatch
from .limits import (
    CLOSE_MS_MAX,
    FLUSH_THREADS,
    GATHER_SHARE,
    OPEN_FILES_MAX,
    STOP_MS_MAX,
    SYNC_ALL_FROM_FILES,
    WATCH_MS,
)
from .log_lines import Event
from .storage.data_directory import verify
from .storage.files import FileStorage
from .storage.memory import MemoryStorage
from .storage.port import StorageError
from .waiting.group_commit import Round
from .waiting.hooks import Hooks
from .waiting.isolation import ENDS_THE_BROKER, call, each_alone
from .waiting.slices import LoopSlices
from .world import Crashed, World

if TYPE_CHECKING:
    from .faults.detour import FaultPath
    from .faults.endings import EndingFaults
    from .faults.rules import ArmedRule, Faults
    from .security.door import Door

logger = logging.getLogger("minibroker")
EVERYWHERE = "0.0.0.0"
BACKLOG = 1024  # connections the kernel accepts ahead of us


class RealClock:
    """The operating system's clocks."""

    def now_ms(self) -> int:
        """Wall clock, ms since 1970."""
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        """For deadlines, in ms."""
        return time.monotonic_ns() // 1_000_000


def real_world(config: BrokerConfig, open_files_max: int = OPEN_FILES_MAX) -> World:
    """The real clock and chance, and the disk unless durability is memory.

    Raises:
        DirectoryInUse: another broker has the data directory.
        StorageError: the data directory cannot be used.
    """
    if config.durability == "memory":
        return World(RealClock(), MemoryStorage(), random.Random())
    storage = FileStorage.of_broker(config.log_dirs[0], open_files_max)
    return World(RealClock(), storage, random.Random())


class ListenError(OSError):
    """A listener cannot be bound; the text names it and what to do."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A listener and the port it really has."""

    listener: Listener
    port: int

    def __str__(self) -> str:
        host = self.listener.host or EVERYWHERE
        return f"{self.listener.name}://{host}:{self.port}"


def kill_itself(armed: ArmedRule) -> None:
    """SIGKILL to this process: what the fault `crash` does outside of simulated worlds."""
    os.kill(os.getpid(), signal.SIGKILL)


class Runtime:
    """One broker in the running event loop.

    Args:
        world: the real one by default.
        faults: the broker does what rules say that are armed here, at any time; None for never.
        die: performs a crash.

    Attributes:
        bound: the listeners with their real ports, once started.
        fault_path: history and barriers, once started with faults; else None.
    """

    def __init__(
        self,
        config: BrokerConfig,
        listeners: Sequence[Listener],
        world: World | None = None,
        *,
        faults: Faults | None = None,
        die: Callable[[ArmedRule], None] = kill_itself,
    ) -> None:
        self.config = config
        self.bound: list[Bound] = []
        self._listeners = listeners
        self._world = world
        self._faults = faults
        self._die = die
        self.fault_path: FaultPath | None = None
        self._ending_faults: EndingFaults | None = None
        self._sockets: list[asyncio.Server] = []
        self._timer: asyncio.TimerHandle | None = None
        self._watching: asyncio.TimerHandle | None = None
        self._flushers: ThreadPoolExecutor | None = None
        self._flushing: asyncio.Future[Any] | None = None
        self._flush_began = self._flush_s = self._gather_until = 0.0

    async def start(self) -> None:
        """Open the data, then the sockets; clients are answered once this returns.

        Raises:
            DirectoryInUse, StorageError, DamagedLog, MetadataError: the data cannot be used.
            ListenError: a port is taken or may not be used.
            ConfigError: a listener's certificates or users cannot be used.
        """
        self._loop = asyncio.get_running_loop()
        self.failed: asyncio.Future[Exception] = self._loop.create_future()
        share = shares()
        self._world = self._world or real_world(self.config, share.open_files_max)
        if self._faults is not None:
            self._world = self._faulty_world(self._world, self._faults)
        self._slices = LoopSlices(self._break)
        hooks = Hooks(
            flush_wanted=self._round_wanted,
            fetches_ready=self._fetches_ready,
            deadline_moved=self._arm_timer,
            warn=logger.warning,
            tell=logger.info,
            slices=self._slices,
        )
        try:
            self.broker = Broker(self.config, self._listeners, self._world, hooks)
            self.broker.faults = self._faults
            if self._faults is not None:
                self.fault_path = self._make_fault_path(self._faults)
            self.server = Server(self.config, Dispatch(self.broker), self._break, self.fault_path)
            self.server.doors = self._make_doors()
            self.server.connections_max = min(self.config.max_connections, share.connections_max)
            for listener in self._listeners:
                await self._listen(listener)
            self._arm_timer()
            self._watch()
        except BaseException:
            for server in self._sockets:
                server.close()
            self._world.storage.close()
            raise

    async def stop(self) -> None:
        """Stop accepting, answer what waits for a flush, close every log.

        Raises:
            StorageError: a log could not be flushed at the end.
        """
        for server in self._sockets:
            server.close()
        self._isolated(self.broker.parked.release_all)
        self._isolated(self.broker.groups.release_all)
        await self._drain()
        await self.server.close(CLOSE_MS_MAX)
        for timer in (self._timer, self._watching):
            if timer is not None:
                timer.cancel()
        if self._ending_faults is not None:
            self._ending_faults.close()
        self.broker.work.abandon()
        try:
            self._slices.close(wait=True)
            if not self.failed.done():
                self.broker.close()
        finally:
            if self._flushers is not None:
                self._flushers.shutdown()
            assert self._world is not None
            self._world.storage.close()

    def kill(self) -> None:
        """End at once, as a crash would: nothing is flushed, answered or closed with a word."""
        for server in self._sockets:
            server.close()
        for session in tuple(self.server.connections):
            session.abort()
        self.server.strangers.turn_all_away()
        self.server.end()
        for timer in (self._timer, self._watching):
            if timer is not None:
                timer.cancel()
        if self._flushing is not None:
            self._flushing.cancel()
        if self._ending_faults is not None:
            self._ending_faults.close()
        self.broker.work.abandon()
        self._slices.close(wait=False)
        if self._flushers is not None:
            self._flushers.shutdown(wait=False, cancel_futures=True)
        assert self._world is not None
        self._world.storage.close()

    async def __aenter__(self) -> Runtime:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    def _faulty_world(self, world: World, faults: Faults) -> World:
        from .faults.storage import FaultyStorage

        return replace(world, storage=FaultyStorage(world.storage, faults, self._die))

    def _make_fault_path(self, faults: Faults) -> FaultPath:
        from .faults.detour import FaultPath
        from .faults.endings import EndingFaults

        path = FaultPath(self.broker, faults, self._die)
        self._ending_faults = EndingFaults(path, self._break)
        self.broker.transactions.completion.at = self._ending_faults.at
        return path

    def _make_doors(self) -> dict[str, Door]:
        """The doors of listeners with TLS or SASL. Raises ConfigError."""
        secured = [each for each in self._listeners if each.security.is_secured]
        if not secured:
            return {}
        from .security.door import Door

        return {each.name: Door(each, lambda: self.broker.state.scram) for each in secured}

    async def _listen(self, listener: Listener) -> None:
        port = listener.port

        def accept() -> asyncio.BaseProtocol:
            return self.server.accept(listener, port)

        # Everywhere means IPv4 and IPv6; but of two sockets each would take a free port of its own.
        everywhere = None if listener.port else EVERYWHERE
        try:
            server = await self._loop.create_server(
                accept, listener.host or everywhere, listener.port, backlog=BACKLOG
            )
        except OSError as error:
            why = error.strerror or str(error)
            raise ListenError(
                f"cannot listen at {listener.host or '*'}:{listener.port} ({listener.name}): "
                f"{why}; stop what uses the port, or choose another with --listeners"
            ) from error
        self._sockets.append(server)
        port = server.sockets[0].getsockname()[1]
        self.bound.append(Bound(listener, port))

    def _round_wanted(self) -> None:
        self._gather_until = self._loop.time() + GATHER_SHARE * self._flush_s
        self._loop.call_soon(self._gather)

    def _gather(self) -> None:
        """Begin the round, or serve one more turn of the loop before that."""
        if self.broker.commit.awaits_company and self._loop.time() < self._gather_until:
            self._loop.call_soon(self._gather)  # timers of the loop are too coarse
        else:
            self._start_round()

    def _fetches_ready(self) -> None:
        self._loop.call_soon(self._isolated, self.broker.parked.take_ready)

    def _isolated(self, work: Callable[[], object]) -> None:
        """Do what the loop asks for; what it raises is logged, or ends the broker."""
        try:
            each_alone((work,), call, "work of the loop")
        except ENDS_THE_BROKER as error:
            self._break(error)

    def _break(self, error: Exception) -> None:
        """Nothing that waits for a flush can be acknowledged any more: refuse it, and stop."""
        logger.critical(Event("broken", why=error, then="the broker stops"), exc_info=error)
        if not self.failed.done():
            self._fail(error)
            self._isolated(self.broker.commit.refuse_all)

    def _start_round(self) -> None:
        # 1. of five logs of a round, one cannot say what is to be flushed, or no thread can be had
        # 2. its round ends all the same  3. what was never flushed is acknowledged. So the broker
        # stops, as after a flush that failed.
        try:
            round_ = self.broker.begin_round()
        except Exception as error:  # noqa: BLE001  _break logs it
            self._break(error)
            return
        if not round_.files:
            self._isolated(lambda: self.broker.finish_round(round_))
            return
        try:
            self._flush(round_)
        except Exception as error:  # noqa: BLE001  _break logs it
            self._isolated(lambda: self.broker.commit.fail(round_))
            self._break(error)

    def _flush(self, round_: Round) -> None:
        if self._flushers is None:
            self._flushers = ThreadPoolExecutor(FLUSH_THREADS, "flush")
        flushes: list[Callable[[], None]] = [each.flush for each in round_.files]
        if len(flushes) >= SYNC_ALL_FROM_FILES:
            assert self._world is not None
            flushes = [self._world.storage.sync_all]
        self._flush_began = self._loop.time()
        futures = [self._loop.run_in_executor(self._flushers, each) for each in flushes]
        # A lone flush is awaited as it is: the way from disk to answer is what clients wait for.
        self._flushing = futures[0] if len(futures) == 1 else asyncio.gather(*futures)
        self._flushing.add_done_callback(lambda flushing: self._end_round(round_, flushing))

    def _end_round(self, round_: Round, flushing: asyncio.Future[Any]) -> None:
        if flushing.cancelled():  # with the loop, by whoever ends it without stop()
            return
        error = flushing.exception()
        if isinstance(error, Crashed):
            return
        if error is None:
            self._flush_s = self._loop.time() - self._flush_began
            figures = self.broker.figures
            figures.flush_seconds.add(self._flush_s)
            figures.flush_batches.add(round_.write_count)
            self._isolated(lambda: self.broker.finish_round(round_))
        else:
            self.broker.figures.flush_failures += 1
            logger.critical(Event("flush-failed", why=error, then="the broker stops"))
            self._isolated(lambda: self.broker.commit.fail(round_))
            self._fail(error if isinstance(error, Exception) else RuntimeError(str(error)))
        if self.fault_path is not None:
            self.fault_path.note()

    async def _drain(self) -> None:
        """Wait until all work and every flush that somebody waits for is done, for STOP_MS_MAX."""
        deadline = self._loop.time() + STOP_MS_MAX / 1000
        commit, work = self.broker.commit, self.broker.work
        while not (commit.is_idle and work.is_idle) and not self.failed.done():
            if self._flushing is None or self._flushing.done():
                await asyncio.sleep(0)  # a round is about to begin, or a slice of work
            else:
                await asyncio.wait([self._flushing], timeout=deadline - self._loop.time())
            if self._loop.time() >= deadline:
                logger.error(Event("stop-does-not-end", waited_ms=STOP_MS_MAX))
                return
        await asyncio.sleep(0)  # lets promises kept in this turn reach their connections

    def _watch(self) -> None:
        """End the broker when its data directory is no longer there, or no longer the same.

        What is written would still arrive, in files that nobody can find again, and would be
        acknowledged; so connections end at once, without an answer.
        """
        assert self._world is not None
        try:
            verify(self._world.storage)
        except StorageError as error:
            logger.critical(Event("data-directory-lost", why=error))
            for server in self._sockets:
                server.close()
            self.broker.commit.refuse_all()
            for session in tuple(self.server.connections):
                session.abort()
            self._fail(error)
            return
        self._watching = self._loop.call_later(WATCH_MS / 1000, self._watch)

    def _arm_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline_ms = self.broker.next_deadline_ms()
        if deadline_ms is not None:
            delay_ms = max(deadline_ms - self.broker.clock.monotonic_ms(), 0)
            self._timer = self._loop.call_later(delay_ms / 1000, self._on_deadline)

    def _on_deadline(self) -> None:
        self._timer = None
        try:
            self._isolated(lambda: self.broker.on_deadline(self.broker.clock.monotonic_ms()))
        finally:
            self._arm_timer()

    def _fail(self, error: Exception) -> None:
        if not self.failed.done():
            self.failed.set_result(error)
