"""EDGE: process(consumer, producer, handler): what is read, and what comes of it, exactly once.

    async def squares(record): return Output("squares", b"%d" % int(record.value) ** 2)

    await process(consumer, producer, squares, dead_letter_topic="squares.dead")

Read next: batches.py. With the blocking clients: ../in_thread/processing.py.
Tests: tests/system/client/test_client_process.py
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ..config import ConsumerConfig, ProducerConfig
from ..consumer import Consumer
from ..door import door
from ..producer import Producer
from .batches import Batches, Settings
from .handling import Handler, Handling
from .output import Progress
from .reads import Reads

MAX_RECORDS = 500  # as max.poll.records
COMMIT_INTERVAL_MS = 100  # as commit.interval.ms of Kafka Streams, exactly once
TASK_TIMEOUT_MS = 300_000  # as task.timeout.ms of Kafka Streams


async def process(
    consumer: Consumer[Any, Any],
    producer: Producer[Any, Any],
    handler: Handler,
    *,
    max_records: int = MAX_RECORDS,
    commit_interval_ms: float = COMMIT_INTERVAL_MS,
    dead_letter_topic: str | None = None,
    task_timeout_ms: float = TASK_TIMEOUT_MS,
    stop: asyncio.Event | None = None,
    on_progress: Callable[[Progress], object] | None = None,
) -> Progress:
    """Read, call the handler, send what it gives: each record's outputs are committed once.

    Args:
        consumer, producer: started; with the options that the first ValueError names. Nobody else
            uses them meanwhile.
        handler: called with one record after the other, as plain function or `async def`; gives
            None, an Output, or an iterable of them (async ones, too).
        max_records: of a transaction, at most.
        commit_interval_ms: a transaction is committed so long after its first record has come, or
            as soon as max_records have; 0 takes what is there.
        dead_letter_topic: a record whose handler raises, or whose outputs no broker takes, goes
            there, with the reason in its headers (KIP-1034), within the transaction. Without it
            the exception ends process().
        task_timeout_ms: how long batches may fail in a row before the error is raised.
        stop: when it is set, the batch in hand is committed, and process() returns.
        on_progress: called after each batch that was committed or aborted.

    Returns: what was done, after stop. Cancelled, it aborts the batch in hand.

    Raises:
        ValueError, TypeError: an argument that cannot be, or a consumer or producer without the
            options this needs.
        Fenced: another producer has the transactional id, or a consumer the group_instance_id.
        Fatal: nothing helps but a change; the text says which.
        Abortable, Retriable, DeliveryTimeout: it failed for task_timeout_ms.
        Exception: what the handler raised; the batch is aborted, nothing of it is committed.
    """
    door.instance("consumer", consumer, Consumer)
    door.instance("producer", producer, Producer)
    if door.call("handler", handler) is None:
        raise TypeError("handler must be callable, not None")
    door.call("on_progress", on_progress)
    asked = Asked(max_records, commit_interval_ms, dead_letter_topic, task_timeout_ms)
    settings = settings_of(consumer._config, producer._config, asked, consumer.subscription())
    stopped = asyncio.Event() if stop is None else door.instance("stop", stop, asyncio.Event)
    reads = Reads(consumer)
    batches = Batches(reads, producer, Handling(handler), settings, stop=stopped, tell=on_progress)
    return await run_until(stopped, batches, reads.stop)


class Asked(NamedTuple):
    """Arguments of process() that are looked at together."""

    max_records: int
    commit_interval_ms: float
    dead_letter_topic: str | None
    task_timeout_ms: float


async def run_until(
    stopped: asyncio.Event, batches: Batches, stop_reading: Callable[[], Any]
) -> Progress:
    """Run, and let the wait for records end when the event is set."""

    async def pass_on() -> None:
        await stopped.wait()
        await stop_reading()

    passing_on = asyncio.create_task(pass_on(), name="process: stop")
    try:
        return await batches.run()
    finally:
        passing_on.cancel()


def settings_of(
    consumer: ConsumerConfig, producer: ProducerConfig, asked: Asked, topics: frozenset[str]
) -> Settings:
    """What was asked for, examined. Raises as process()."""
    dead = door.optional_text("dead_letter_topic", asked.dead_letter_topic)
    settings = Settings(
        max_records=door.whole("max_records", asked.max_records, 1),
        commit_interval_ms=door.number("commit_interval_ms", asked.commit_interval_ms),
        dead_letter_topic=dead,
        task_timeout_ms=door.number("task_timeout_ms", asked.task_timeout_ms),
        backoff_ms=producer.retry_backoff_ms,
        backoff_max_ms=producer.retry_backoff_max_ms,
    )
    if missing := [*_missing(consumer, producer)]:
        raise ValueError("process() needs " + "; ".join(missing))
    longest_ms = min(producer.transaction_timeout_ms, consumer.max_poll_interval_ms)
    if settings.commit_interval_ms >= longest_ms:
        raise ValueError(
            f"commit_interval_ms={settings.commit_interval_ms:g} must be below the producer's "
            f"transaction_timeout_ms={producer.transaction_timeout_ms} and the consumer's "
            f"max_poll_interval_ms={consumer.max_poll_interval_ms}: no transaction would be "
            "committed in time"
        )
    if dead in topics:
        raise ValueError(
            f"dead_letter_topic={dead!r} is one of the topics that are read: what failed would "
            "come back, and fail again, for ever"
        )
    return settings


def _missing(consumer: ConsumerConfig, producer: ProducerConfig) -> Iterator[str]:
    if consumer.group_id is None:
        yield "a Consumer with a group_id, which keeps the positions"
    if consumer.enable_auto_commit:
        yield (
            "a Consumer with enable_auto_commit=False: positions are committed with the "
            "transactions, and by nobody else"
        )
    if not consumer.reads_committed:
        yield (
            'a Consumer with isolation_level="read_committed": it would else handle records of '
            "transactions that are aborted"
        )
    if producer.transactional_id is None:
        yield "a Producer with a transactional_id of its own, the same after each restart"
