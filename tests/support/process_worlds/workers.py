"""EDGE: a worker of process() in a simulated process.

Read first: process_world.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import Random
from typing import Any, NamedTuple, Protocol

from minibroker.client import Consumer, ConsumerRecord, Fenced, Output, Producer, Progress, process

from tests.support.process_worlds.work import outputs_of
from tests.support.process_worlds.world_loop import WorldLoop


class Habits(NamedTuple):
    """What all workers of a world have in common."""

    partitions: int
    strategy: tuple[str, ...]
    is_static: bool
    session_ms: int
    poll_ms: int
    transaction_timeout_ms: int
    max_block_ms: int
    request_timeout_ms: int
    task_timeout_ms: int

    @classmethod
    def drawn(cls, random: Random, partitions: int) -> Habits:
        """Of one world."""
        session_ms = random.choice((200, 500, 2_000))
        return cls(
            partitions,
            strategy=random.choice(
                (("range",), ("cooperative-sticky",), ("range", "cooperative-sticky"))
            ),
            is_static=random.random() < 0.3,
            session_ms=session_ms,
            poll_ms=random.choice((300, 20_000)),
            transaction_timeout_ms=random.choice((500, 5_000, 20_000)),
            max_block_ms=random.choice((100, 2_000, 20_000)),
            request_timeout_ms=random.choice((300, 5_000, 20_000)),
            task_timeout_ms=random.choice((500, 20_000)),
        )


class World(Protocol):
    """What a worker tells."""

    random: Random
    aborted: int

    def ended(self, worker: Worker, error: BaseException | None) -> None:
        """Its process has come to its end."""


class Worker:
    """One process, from its start on."""

    def __init__(self, world: World, name: str, habits: Habits, loop: WorldLoop) -> None:
        self.name = name
        self.loop = loop
        self.is_stopped = self.was_fenced = False
        self._world = world
        self._habits = habits
        self._stop = asyncio.Event()
        self._task = loop.create_task(self._work())
        self._task.add_done_callback(self._ended)

    @property
    def is_done(self) -> bool:
        """Whether nothing of it runs any more."""
        return self.loop.is_dead or self._task.done()

    def stop(self) -> None:
        """SIGTERM."""
        self.is_stopped = True
        self.loop.call_soon(self._stop.set)

    def kill(self) -> None:
        """SIGKILL."""
        self.loop.kill()

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        self.was_fenced = isinstance(error, Fenced)
        self._world.ended(self, error)

    async def _work(self) -> None:
        habits, random = self._habits, self._world.random
        slow_s = random.choice((0.0, 0.0, 0.005, 0.05))

        async def handler(record: ConsumerRecord[Any, Any]) -> AsyncIterator[Output]:
            if slow_s and random.random() < 0.3:
                await asyncio.sleep(random.uniform(0, slow_s))
            if random.random() < 0.005:  # longer than everybody has patience
                await asyncio.sleep(random.choice((1, 3)) * habits.session_ms / 1000)
            for each in outputs_of(record, "target", habits.partitions):
                yield each

        quick: dict[str, Any] = {
            "retry_backoff_ms": 5,
            "retry_backoff_max_ms": 50,
            "request_timeout_ms": habits.request_timeout_ms,
        }
        async with (
            Consumer(
                "source",
                bootstrap_servers="sim:9092",
                group_id="g",
                group_instance_id=self.name if habits.is_static else None,
                auto_offset_reset="earliest",
                enable_auto_commit=False,
                isolation_level="read_committed",
                partition_assignment_strategy=habits.strategy,
                session_timeout_ms=habits.session_ms,
                heartbeat_interval_ms=habits.session_ms / 5,
                max_poll_interval_ms=habits.poll_ms,
                fetch_max_wait_ms=100,
                **quick,
            ) as consumer,
            Producer(
                "sim:9092",
                transactional_id=self.name,
                transaction_timeout_ms=habits.transaction_timeout_ms,
                max_block_ms=habits.max_block_ms,
                delivery_timeout_ms=max(habits.request_timeout_ms, random.choice((500, 20_000))),
                linger_ms=random.choice((0, 5)),
                **quick,
            ) as producer,
        ):
            await process(
                consumer,
                producer,
                handler,
                max_records=random.choice((1, 7, 500)),
                commit_interval_ms=random.choice((0, 20, 200)),
                dead_letter_topic="dead",
                task_timeout_ms=habits.task_timeout_ms,
                stop=self._stop,
                on_progress=self._progress,
            )

    def _progress(self, progress: Progress) -> None:
        if progress.aborted:
            self._world.aborted += 1
