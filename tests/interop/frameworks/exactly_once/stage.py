"""EDGE: one framework that counts words exactly once, while it and the broker are killed.

A program is called with BOOTSTRAP SOURCE TARGET NAME FOLDER WORDS COUNT and runs until SIGTERM. It
sends, with the word as key, how often each word has come so far: from SOURCE, or, where that is
"-", words it draws itself, COUNT in all, WORDS in turn. FOLDER is its own and outlives it.
Who reads committed has to find 1, 2, 3, ... of every word: each once, none missing.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from minibroker.client import Admin, Consumer, Producer

from tests.interop.matrix.environments import Runnable
from tests.interop.transactional_clients.session import Broker

PARTITIONS: Final = 2
WORDS: Final = tuple(f"word-{letter}" for letter in "abcdefgh")
BACKLOG: Final = 200  # words that are there to be counted, as long as there are some
STEP_S: Final = 120.0  # of a start, a kill and what follows it, while other tests run
END_S: Final = 30.0
STARTS_MAX: Final = 12
QUOTED_CHARS: Final = 4_000


class Kill(NamedTuple):
    """Who is killed once so many counts were read, in the middle of a transaction."""

    share: float
    is_broker: bool


KILLS: Final = (Kill(0.25, False), Kill(0.5, True), Kill(0.75, False))


class Stage:
    """One run of one framework.

    Args:
        draws_itself: the program makes up the words.
        folder: for what the program keeps and says.
        count: of words.
    """

    def __init__(
        self,
        name: str,
        runnable: Runnable,
        broker: Broker,
        folder: Path,
        *,
        draws_itself: bool,
        count: int,
    ) -> None:
        self.name = name
        self.read: dict[str, list[int]] = {word: [] for word in WORDS}
        self.open_at_kills: list[list[str]] = []
        self._runnable = runnable
        self._broker = broker
        self._kept = folder / "kept"
        self._said = folder / "said.txt"
        self._count = count
        self._source = "-" if draws_itself else f"{name}-source"
        self._target = f"{name}-target"
        self._has_read = asyncio.Condition()
        self._program: asyncio.subprocess.Process | None = None
        self._starts = 0
        self._steps_at: list[float] = []

    async def run(self) -> str:
        """All of it; returns a line for people. What was read is in `read`."""
        began = time.monotonic()
        self._kept.mkdir()
        await self._make_topics()
        async with asyncio.TaskGroup() as group:
            others = [group.create_task(self._read_on())]
            if self._source != "-":
                others.append(group.create_task(self._feed()))
            try:
                async with self._running():
                    for kill in KILLS:
                        await self._until(int(kill.share * self._count))
                        await self._kill(kill)
                    await self._until(self._count)
            finally:
                for each in others:
                    each.cancel()
        open_ids = [len(each) for each in self.open_at_kills]
        steps_s = [f"{at - before:.0f}" for before, at in pairwise([began, *self._steps_at])]
        return (
            f"{self.name}: {self._count} words; started {self._starts} times; transactions open "
            f"at each kill: {open_ids}; seconds from kill to kill: {', '.join(steps_s)}"
        )

    def said(self) -> str:
        """The end of what the program wrote."""
        return self._said.read_text(errors="replace")[-QUOTED_CHARS:]

    async def read_anew(self) -> dict[str, list[int]]:
        """What is committed, from the beginning, when all has ended."""
        found: dict[str, list[int]] = {word: [] for word in WORDS}
        async with self._reader(consumer_timeout_ms=3_000) as consumer:
            async for record in consumer:
                found[_text(record.key)].append(int(_text(record.value)))
        return found

    def _reader(self, consumer_timeout_ms: float | None = None) -> Consumer:
        return Consumer(
            self._target,
            bootstrap_servers=self._broker.bootstrap_servers,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            consumer_timeout_ms=consumer_timeout_ms,
        )

    async def _make_topics(self) -> None:
        async with Admin(self._broker.bootstrap_servers) as admin:
            for topic in (self._source, self._target):
                if topic != "-":
                    await admin.create_topic(topic, num_partitions=PARTITIONS)

    async def _read_on(self) -> None:
        async with self._reader() as consumer:
            async for record in consumer:
                self.read[_text(record.key)].append(int(_text(record.value)))
                async with self._has_read:
                    self._has_read.notify_all()

    async def _feed(self) -> None:
        """Words, so that there are always some to count."""
        fed = 0
        async with Producer(self._broker.bootstrap_servers) as producer:
            while fed < self._count:
                more = range(fed, min(self._count, self.read_count + BACKLOG))
                words = [WORDS[each % len(WORDS)].encode() for each in more]
                await producer.send_many(self._source, words, words)
                fed += len(words)
                low = fed - BACKLOG // 2
                async with self._has_read:
                    while self.read_count < low:
                        await self._has_read.wait()

    @property
    def read_count(self) -> int:
        """How many counts were read so far."""
        return sum(map(len, self.read.values()))

    async def _until(self, count: int) -> None:
        """So many counts were read."""
        try:
            async with asyncio.timeout(STEP_S), self._has_read:
                await self._has_read.wait_for(lambda: self.read_count >= count)
        except TimeoutError:
            raise AssertionError(
                f"{self.name}: {self.read_count} of {count} read after {STEP_S:g} s; transactions "
                f"open: {await self._open_transactions()}\n{self.said()}"
            ) from None
        self._steps_at.append(time.monotonic())

    async def _kill(self, kill: Kill) -> None:
        """In the middle of a transaction."""
        async with asyncio.timeout(STEP_S):
            while not (open_ids := await self._open_transactions()):
                pass
        if kill.is_broker:
            await asyncio.to_thread(self._broker.kill)
            await asyncio.to_thread(self._broker.start)
        else:
            assert self._program is not None
            self._program.kill()
        self.open_at_kills.append(open_ids)

    async def _open_transactions(self) -> list[str]:
        async with Admin(self._broker.bootstrap_servers) as admin:
            listed = await admin.list_transactions(["Ongoing"])
            return [each.transactional_id for each in listed]

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        """Start the program again whenever it has ended, as its operator would; then end it."""
        async with asyncio.TaskGroup() as group:
            supervising = group.create_task(self._supervise())
            try:
                yield
            finally:
                supervising.cancel()
                await self._end()

    async def _supervise(self) -> None:
        while True:
            self._starts += 1
            assert self._starts <= STARTS_MAX, f"{self.name} ends and ends\n{self.said()}"
            self._program = await self._launch()
            await self._program.wait()

    async def _launch(self) -> asyncio.subprocess.Process:
        arguments = (
            *(self._broker.bootstrap_servers, self._source, self._target, self.name),
            *(str(self._kept), ",".join(WORDS), str(self._count)),
        )
        with self._said.open("ab") as said:
            said.write(f"--- start {self._starts}\n".encode())
            said.flush()
            return await asyncio.create_subprocess_exec(
                *(*self._runnable.command, *arguments),
                env={**os.environ, **self._runnable.environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=said,
                stderr=asyncio.subprocess.STDOUT,
            )

    async def _end(self) -> None:
        program = self._program
        if program is None or program.returncode is not None:
            return
        program.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(END_S):
                await program.wait()
        except TimeoutError:
            program.kill()
            await program.wait()
            raise AssertionError(
                f"{self.name} runs {END_S:g} s after SIGTERM\n{self.said()}"
            ) from None


def faults_in(read: dict[str, list[int]], count: int) -> list[str]:
    """What is wrong with the counts of each word, which came in turn."""
    faults = []
    for number, word in enumerate(WORDS):
        wanted = len(range(number, count, len(WORDS)))
        found = read[word]
        if found == [*range(1, wanted + 1)]:
            continue
        times = Counter(found)
        twice = [each for each, seen in times.items() if seen > 1][:5]
        missing = [each for each in range(1, wanted + 1) if not times[each]][:5]
        faults.append(f"{word}: {len(found)} of {wanted}; twice {twice}, missing {missing}")
    return faults


def _text(content: bytes | None) -> str:
    assert content is not None
    return content.decode()
