"""EDGE: python -m tests.soak.client MINUTES SEED: our client for long, through connection cuts.

One producer and one consumer in a group, in this process, through a proxy that cuts connections,
loses answers and tears them at random. Exit code 1 unless at the end every record sent is stored
once and in order, the consumer has been handed each, this process holds no task more than at the
start, and its memory is at most GROWTH_KB_MAX above what it was after the first WARM_UP part.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from minibroker.client import Consumer, Producer
from minibroker.testing import Acknowledged, Sent

from tests.soak.cuts import Cuts
from tests.support.processes.broker import BrokerProcess
from tests.support.processes.figures import Figures, quantile
from tests.support.processes.vitals import vitals
from tests.support.records.stored import broken_promises, create_topic

TOPIC = "soak"
VALUE_BYTES = 100
PORTION = 100  # values of one send_many; as many go one by one after them
PORTIONS_PER_S = 10
GROWTH_KB_MAX = 8 * 1024
WARM_UP = 0.2  # of the whole time
END_WAIT_S = 60.0


class ClientSoak:
    """A producer and a consumer at work."""

    def __init__(self, proxied: str) -> None:
        self._proxied = proxied
        self.sent = 0
        self.misplaced = 0  # acknowledged at another offset than that of its place in the order
        self.handed_out = bytearray()
        self._missing = 0
        self._is_all_read = asyncio.Event()
        self.rss_kb: list[int] = []
        self.tasks: list[int] = []

    async def run(self, seconds: float) -> None:
        """Write and read for so long, then read what is left."""
        until = time.monotonic() + seconds
        async with (
            Producer(self._proxied) as producer,
            Consumer(
                TOPIC,
                bootstrap_servers=self._proxied,
                group_id="soak",
                auto_offset_reset="earliest",
            ) as consumer,
        ):
            reading = asyncio.create_task(self._read(consumer))
            while (now := time.monotonic()) < until:
                await self._write(producer)
                self.rss_kb.append(vitals(os.getpid()).rss_kb)
                self.tasks.append(len(asyncio.all_tasks()))
                pause = max(now + 1 / PORTIONS_PER_S - time.monotonic(), 0)
                ended, _ = await asyncio.wait([reading], timeout=pause)
                assert not ended, reading.result()
            if self._missing:
                self._is_all_read.clear()
                async with asyncio.timeout(END_WAIT_S):
                    await self._is_all_read.wait()
            reading.cancel()
            await asyncio.wait([reading])

    async def _write(self, producer: Producer[bytes, bytes]) -> None:
        first, self.sent = self.sent, self.sent + 2 * PORTION
        self._missing += 2 * PORTION
        self.handed_out.extend(bytes(2 * PORTION))
        together = await producer.send_many(TOPIC, [*map(value_of, range(first, first + PORTION))])
        singly = [
            await producer.send(TOPIC, value_of(number))
            for number in range(first + PORTION, self.sent)
        ]
        offsets = [each.offset for each in together] + [(await each).offset for each in singly]
        self.misplaced += offsets != list(range(first, self.sent))

    async def _read(self, consumer: Consumer[bytes | None, bytes | None]) -> None:
        async for record in consumer:
            number = int(record.value or b"")
            self._missing -= not self.handed_out[number]
            self.handed_out[number] = 1
            if not self._missing:
                self._is_all_read.set()


def value_of(number: int) -> bytes:
    """A value like no other."""
    return b"%0*d" % (VALUE_BYTES, number)


def main() -> int:
    """Run, judge, print."""
    minutes, seed = float(sys.argv[1]), int(sys.argv[2])
    figures = Figures(f"python -m tests.soak.client {minutes:g} {seed}")
    with (
        tempfile.TemporaryDirectory() as data,
        BrokerProcess(data_dir=Path(data), durability="page-cache") as broker,
    ):
        create_topic(broker.port, TOPIC)
        cuts = Cuts(broker.bootstrap_servers, seed)
        soak = ClientSoak(cuts.bootstrap_servers)
        asyncio.run(_supervised(soak, minutes * 60, figures))
        for name, count in cuts.finish().items():
            figures.note(name, count)
        # Each was acknowledged at its number, or is counted in soak.misplaced.
        sent = [Sent(0, value_of(each), Acknowledged(each)) for each in range(soak.sent)]
        found = broken_promises(broker.port, TOPIC, sent)
    figures.note("records sent, handed out", (soak.sent, soak.handed_out.count(1)))
    figures.demand(not found, f"the log does not hold every record once and in order: {found}")
    figures.demand(not soak.misplaced, "offsets promised are not those stored")
    warm = int(WARM_UP * len(soak.rss_kb))
    early, late = soak.rss_kb[warm : 2 * warm], soak.rss_kb[-warm:]
    before, after = quantile(early, 0.5), quantile(late, 0.5)
    figures.note("RSS after warm-up, at the end", (before, after), "kB")
    figures.demand(after - before <= GROWTH_KB_MAX, "memory grew")
    return figures.print()


async def _supervised(soak: ClientSoak, seconds: float, figures: Figures) -> None:
    before = len(asyncio.all_tasks())
    await soak.run(seconds)
    await asyncio.sleep(0)  # lets what was cancelled end
    after = len(asyncio.all_tasks())
    figures.note("tasks before, at most, after", (before, max(soak.tasks), after))
    figures.demand(after == before, "tasks were left behind")


if __name__ == "__main__":
    sys.exit(main())
