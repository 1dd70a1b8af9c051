"""EDGE: one worker: a process that runs process() until SIGTERM, and can be killed at any time.

Forked from a process that has imported everything (multiprocessing's fork server), so that hundreds
of starts cost little. Exit code 0: stopped; FENCED: another one has its id, as it should be told;
anything else is a failure, and its traceback is in the log.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from minibroker.client import Consumer, ConsumerRecord, Fenced, Output, Producer, process

from tests.support.process_worlds.work import outputs_of

PARTITIONS = 6
FENCED = 3
FAILED = 1
HEARTBEAT_PARTS = 5  # of a session
MAX_BLOCK_MS = 240_000  # a coordinator is away for a minute where the machine is busy
RECORDS_MAX = (3, 7, 30, 100)  # 1 each would be most of a run's time; worlds have them


class Task(NamedTuple):
    """What all workers of a run have in common."""

    servers: str
    source: str
    target: str
    dead: str
    group: str
    strategy: tuple[str, ...]
    is_static: bool
    session_ms: int
    transaction_timeout_ms: int


def work(task: Task, name: str, seed: int, log: Path) -> None:
    """The whole life of the process."""
    file = log.open("a", encoding="utf-8")
    os.dup2(file.fileno(), 1)
    os.dup2(file.fileno(), 2)
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s {name} %(message)s", force=True)
    try:
        asyncio.run(_work(task, name, Random(seed)))
    except Fenced:
        traceback.print_exc()
        sys.exit(FENCED)
    except BaseException:
        traceback.print_exc()
        sys.exit(FAILED)


async def _work(task: Task, name: str, random: Random) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    pause_s = random.choice((0.0, 0.0, 0.001, 0.01))

    async def handler(
        record: ConsumerRecord[bytes | None, bytes | None],
    ) -> AsyncIterator[Output]:
        if pause_s and random.random() < 0.2:
            await asyncio.sleep(random.uniform(0, pause_s))
        for each in outputs_of(record, task.target, PARTITIONS):
            yield each

    async with (
        Consumer(
            task.source,
            bootstrap_servers=task.servers,
            group_id=task.group,
            group_instance_id=name if task.is_static else None,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            isolation_level="read_committed",
            partition_assignment_strategy=task.strategy,
            session_timeout_ms=task.session_ms,
            heartbeat_interval_ms=task.session_ms / HEARTBEAT_PARTS,
            fetch_max_wait_ms=100,
        ) as consumer,
        Producer(
            task.servers,
            transactional_id=f"{task.group} {name}",
            transaction_timeout_ms=task.transaction_timeout_ms,
            max_block_ms=MAX_BLOCK_MS,
            linger_ms=random.choice((0, 5)),
        ) as producer,
    ):
        await process(
            consumer,
            producer,
            handler,
            max_records=random.choice(RECORDS_MAX),
            commit_interval_ms=random.choice((0, 5, 50, 200)),
            dead_letter_topic=task.dead,
            stop=stop,
        )
