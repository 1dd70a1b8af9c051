"""EDGE: an event loop in simulated time, so that whole clients run in a simulated world.

Its callbacks are events of a Machine (tests/support/worlds/machine.py), its clock is the machine's.
What would run in a thread runs a while later, at once and whole. `kill` ends it as SIGKILL does:
nothing of it goes on, no `finally` and no callback; `dispose` frees what is left, unheard.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from random import Random
from typing import Any

from minibroker.testing.simulated_disk import Crashed

from tests.support.worlds.machine import Machine

AWAITS_MAX = 20  # what a coroutine may still await while it is closed
TICK_MS = 1e-6  # a timer is never early by what floats lose


def _tell(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    """What came of work, to who may wait for it."""
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def _close(coroutine: Coroutine[Any, Any, Any]) -> None:
    """Whatever it still awaits or raises: it is dead, and nobody can be told."""
    frame = getattr(coroutine, "cr_frame", None)
    if frame is not None and inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
        for value in [*frame.f_locals.values()]:  # what it was to await, and never began
            if inspect.iscoroutine(value):
                value.close()
    for value in [] if frame is None else [*frame.f_locals.values()]:
        if isinstance(value, asyncio.TaskGroup):
            value._tasks.clear()  # for which it would wait
    for _ in range(AWAITS_MAX):
        try:
            coroutine.close()
        except BaseException:
            continue
        return


class SimulatedLoop(asyncio.BaseEventLoop):
    """The event loop of one simulated process.

    Args:
        connect: what create_connection does.

    Attributes:
        is_dead: it was killed.
        has_died: whether the process has ended, asked behind all that runs.
        on_death: told once when it has.
        wrong: what nobody in it has caught.
    """

    def __init__(self, machine: Machine, random: Random, connect: Callable[..., Any]) -> None:
        super().__init__()
        self.is_dead = False
        self.has_died: Callable[[], bool] = lambda: False
        self.on_death: Callable[[], None] = lambda: None
        self.wrong: list[str] = []
        self._machine = machine
        self._random = random
        self._connect = connect
        self._due: deque[events.Handle] = deque()
        self._is_armed = False
        self._tasks: list[asyncio.Task[Any]] = []
        self.set_exception_handler(self._on_exception)

    def time(self) -> float:
        return self._machine.now_ms / 1000

    def call_soon(  # type: ignore[override]
        self,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> events.Handle:
        handle = events.Handle(callback, args, self, context)
        self._due.append(handle)
        self._arm()
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> events.TimerHandle:
        timer = events.TimerHandle(when, callback, args, self, context)

        def due() -> None:
            if not timer.cancelled():
                self._due.append(timer)
                self._arm()

        if not self.is_dead:
            self._machine.at(max(self._machine.now_ms, when * 1000 + TICK_MS), due)
        return timer

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, Any], **kwargs: Any
    ) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = super().create_task(coro, **kwargs)
        self._tasks = [each for each in self._tasks if not each.done()]
        self._tasks.append(task)
        return task

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> Any:
        future = self.create_future()

        def work() -> None:
            if self.is_dead:
                return
            try:
                told = partial(_tell, future, func(*args), None)
            except BaseException as error:
                told = partial(_tell, future, None, error)
            self.call_soon(told)
            self._look_for_death()

        self._machine.at(self._machine.now_ms + self._random.uniform(0.05, 5), work)
        return future

    async def create_connection(  # type: ignore[override]
        self, factory: Any, host: Any, port: Any, **kwargs: Any
    ) -> Any:
        return await self._connect(self, factory)

    def kill(self) -> None:
        """Nothing of it goes on."""
        self.is_dead = True
        self._due.clear()

    def dispose(self) -> None:
        """Free what was left where it stood when it was killed; whatever it says goes unheard."""
        self.kill()
        for task in self._tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            coroutine = task.get_coro()
            if inspect.iscoroutine(coroutine):
                _close(coroutine)
        self._tasks.clear()
        self.close()

    def _look_for_death(self) -> bool:
        if self.has_died() and not self.is_dead:
            self.kill()
            self._machine.at(self._machine.now_ms, self.on_death)
        return self.is_dead

    def _arm(self) -> None:
        if not self._is_armed and not self.is_dead:
            self._is_armed = True
            self._machine.at(self._machine.now_ms, self._turn)

    def _turn(self) -> None:
        """As a loop does: all that is due by now, and not what becomes due by it."""
        self._is_armed = False
        if self.is_dead:
            return
        events._set_running_loop(self)
        try:
            for _ in range(len(self._due)):
                handle = self._due.popleft()
                if not handle.cancelled():
                    handle._run()
                if self._look_for_death():
                    return
        finally:
            events._set_running_loop(None)
        if self._due:
            self._arm()

    def _on_exception(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not self.is_dead and not isinstance(error, Crashed):
            self.wrong.append(f"{context.get('message')}: {error!r}")
