"""EDGE: process() of the blocking face: the handler is called in the thread that calls process().

Consumer and producer have loops of their own. The batches run in the producer's, and ask the
consumer's for records; the calling thread waits for errands: records to handle, progress to tell.
Read next: ../processing/process.py.
Tests: tests/system/client/test_client_process_blocking.py
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from threading import Event
from typing import Any, Protocol, TypeAlias, TypeVar

from ..consumer import Consumer
from ..door import door
from ..fetch.position import ConsumerRecord
from ..partitions import GroupOffsets, TopicPartition
from ..processing.batches import Batches, Record
from ..processing.handling import Given, Outcome, outputs_in
from ..processing.output import Progress
from ..processing.process import (
    COMMIT_INTERVAL_MS,
    MAX_RECORDS,
    TASK_TIMEOUT_MS,
    Asked,
    run_until,
    settings_of,
)
from ..processing.reads import Reads
from ..producer import Producer
from .loop_thread import LoopThread

T = TypeVar("T")
PlainHandler: TypeAlias = Callable[[ConsumerRecord[Any, Any]], Given]
LOOK_S = 0.1  # how soon a stop is seen while nothing is to be done
END_S = 10.0


class OfConsumer(Protocol):
    """A blocking Consumer."""

    _loop: LoopThread
    _inner: Consumer[Any, Any]


class OfProducer(Protocol):
    """A blocking Producer."""

    _loop: LoopThread
    _inner: Producer[Any, Any]


def process(
    consumer: OfConsumer,
    producer: OfProducer,
    handler: PlainHandler,
    *,
    max_records: int = MAX_RECORDS,
    commit_interval_ms: float = COMMIT_INTERVAL_MS,
    dead_letter_topic: str | None = None,
    task_timeout_ms: float = TASK_TIMEOUT_MS,
    stop: Event | None = None,
    on_progress: Callable[[Progress], object] | None = None,
) -> Progress:
    """Read, call the handler, send what it gives: each record's outputs are committed once.

    As minibroker.client.process, with a Consumer and a Producer of this face. Handler and
    on_progress are called in this thread, and are plain functions; interrupted (Ctrl-C), it aborts
    the batch in hand.

    Args:
        stop: a threading.Event: when it is set, the batch in hand is committed.
    """
    for name, given, kind in (("consumer", consumer, Consumer), ("producer", producer, Producer)):
        if not isinstance(getattr(given, "_inner", None), kind):
            raise TypeError(f"{name} must be a blocking {kind.__name__}, not {door.shown(given)}")
    if door.call("handler", handler) is None:
        raise TypeError("handler must be callable, not None")
    door.call("on_progress", on_progress)
    if stop is not None:
        door.instance("stop", stop, Event)
    asked = Asked(max_records, commit_interval_ms, dead_letter_topic, task_timeout_ms)
    source, target = consumer._inner, producer._inner
    topics = consumer._loop.do(source.subscription)
    settings = settings_of(source._config, target._config, asked, topics)
    errands = Errands(handler)
    elsewhere = Elsewhere(consumer._loop, source)
    stopped: list[asyncio.Event] = []

    async def run() -> Progress:
        stopped.append(asyncio.Event())
        tell = None if on_progress is None else lambda told: errands.leave(on_progress, told)
        batches = Batches(elsewhere, target, errands, settings, stop=stopped[0], tell=tell)
        return await run_until(stopped[0], batches, elsewhere.stop)

    def look() -> None:
        if stop is not None and stop.is_set() and stopped:
            producer._loop.do(stopped[0].set)

    running = producer._loop.begin(run)
    running.add_done_callback(lambda _: errands.end())
    with _interrupted(running):
        errands.serve(look)
        return running.result()


@contextmanager
def _interrupted(running: Any) -> Iterator[None]:
    """Whatever ends the caller's wait ends what runs behind it."""
    try:
        yield
    except BaseException:
        if running.cancel():
            with suppress(BaseException):  # what it met on its way out is not what is told
                running.exception(END_S)
        raise


class Errands:
    """What the calling thread is asked to do. Implements Handles."""

    def __init__(self, handler: PlainHandler) -> None:
        self._handler = handler
        self._queue: SimpleQueue[Callable[[], object] | None] = SimpleQueue()

    async def __call__(self, records: Sequence[Record], *, ends_at_failure: bool) -> list[Outcome]:
        """Let the records be handled there."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[Outcome]] = loop.create_future()

        def give(outcomes: list[Outcome]) -> None:
            if not answer.done():  # else nobody waits any more
                answer.set_result(outcomes)

        def errand() -> None:
            loop.call_soon_threadsafe(give, self._handle_all(records, ends_at_failure))

        self._queue.put(errand)
        return await answer

    def leave(self, tell: Callable[[Progress], object], progress: Progress) -> None:
        """Let something be told there; nobody waits for that."""
        self._queue.put(lambda: tell(progress))

    def end(self) -> None:
        """Nothing comes any more."""
        self._queue.put(None)

    def serve(self, look: Callable[[], None]) -> None:
        """Run errands until the end; look around between them."""
        while True:
            try:
                errand = self._queue.get(timeout=LOOK_S)
            except Empty:
                look()
                continue
            if errand is None:
                return
            errand()
            look()

    def _handle_all(self, records: Sequence[Record], ends_at_failure: bool) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for record in records:
            try:
                given = self._handler(record)
                if asyncio.iscoroutine(given):
                    given.close()
                    raise TypeError("here the handler is a plain function, no async def")
                outcomes.append(outputs_in(given))
            except Exception as error:  # noqa: BLE001  whatever the application's code raises
                outcomes.append(error)
                if ends_at_failure:
                    break
        return outcomes


class Elsewhere:
    """Reads in the loop of its consumer, asked from another. Implements Source."""

    def __init__(self, loop: LoopThread, consumer: Consumer[Any, Any]) -> None:
        self._loop = loop
        self._reads = Reads(consumer)

    async def stop(self) -> None:
        """As Reads.stop."""
        await self._ask(self._reads.stop)

    async def first(self, count_max: int) -> list[Record]:
        """As Reads.first."""
        return await self._ask(lambda: self._reads.first(count_max))

    async def more(self, count_max: int, left_ms: float) -> list[Record]:
        """As Reads.more."""
        return await self._ask(lambda: self._reads.more(count_max, left_ms))

    async def group_offsets(self) -> GroupOffsets:
        """As Reads.group_offsets."""
        return await self._ask(self._reads.group_offsets)

    async def group_offsets_again(self, taken: GroupOffsets) -> GroupOffsets:
        """As Reads.group_offsets_again."""
        return await self._ask(lambda: self._reads.group_offsets_again(taken))

    async def go_back(self) -> dict[TopicPartition, int]:
        """As Reads.go_back."""
        return await self._ask(self._reads.go_back)

    async def lag(self) -> dict[TopicPartition, int]:
        """As Reads.lag."""
        return await self._ask(self._reads.lag)

    async def _ask(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return await asyncio.wrap_future(self._loop.begin(work))
