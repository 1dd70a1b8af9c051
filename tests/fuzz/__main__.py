"""EDGE: python -m tests.fuzz MINUTES SEED: everything that `make fuzz` does; prints a table.

1. Each target of targets.py alone, a tenth of MINUTES each (guided.py).
2. A broker process on disk. A well-behaved client beside nobody, then for MINUTES beside a flood of
   bad ones; now and then every other topic is deleted, since what clients store is no leak.
3. The bad ones leave; the broker is looked at, restarted, and what the good client was promised is
   compared with what is stored.
Exit code 1 when the broker died or reported a fault of its own, when its memory grew by more than
GROWTH_KB_MAX from the end of the warm-up to the end, when descriptors stayed open, or when the good
client was disturbed: an error, a lost connection, a p99 above P99_MS_MAX, a record lost or twice.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

from minibroker.client.cluster.connection import Connection
from minibroker.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from minibroker.protocol.messages.delete_topics import DeleteTopicsRequest
from minibroker.protocol.messages.metadata import MetadataRequest

from tests.fuzz.bystander import TOPIC as GOOD_TOPIC
from tests.fuzz.bystander import Bystander, Witness
from tests.fuzz.flood import Flood, input_of
from tests.fuzz.guided import keep
from tests.fuzz.seeds import TOPIC
from tests.fuzz.targets import TARGETS
from tests.support.processes.figures import Figures, quantile
from tests.support.processes.observed import Memory, ObservedBroker
from tests.support.processes.vitals import Vitals, vitals
from tests.support.records.stored import broken_promises

GROWTH_KB_MAX = 8 * 1024
HELD_KB_MAX = 3 * 1024
P99_MS_MAX = 50.0
ALONE_S = 10.0
WARM_UP_PART = 5  # the first fifth of the flood, in which caches and the allocator fill
SWEEP_S = 10.0
SETTLE_S = 1.0
REPLAYED_MAX = 2_000
ALONE, BESIDE = 0, 1
OWN_FAULTS = (b"Traceback", b"level=ERROR", b"level=CRITICAL")


def main() -> int:
    """See the file's docstring."""
    minutes, seed = float(sys.argv[1]), int(sys.argv[2])
    figures = Figures(f"make fuzz MINUTES={minutes:g} SEED={seed}")
    for target in TARGETS:
        command = [sys.executable, "-m", "tests.fuzz.guided", target, str(minutes * 6), str(seed)]
        ended = subprocess.run(command, check=False, capture_output=True, text=True)
        print(ended.stdout, end="")
        runs = [line.split()[-1] for line in ended.stderr.splitlines() if "executed_units" in line]
        said = f"{runs[0]} inputs by coverage" if runs else ended.stdout.strip() or "no output"
        figures.note(f"{target}, alone", said)
        figures.demand(ended.returncode == 0, f"{target} failed:\n{ended.stderr[-3_000:]}")
    with (
        tempfile.TemporaryDirectory() as directory,
        ObservedBroker(data_dir=Path(directory) / "data", durability="page-cache") as broker,
    ):
        _beside_a_flood(broker, minutes * 60, seed, figures)
    return figures.print()


def _beside_a_flood(broker: ObservedBroker, seconds: float, seed: int, figures: Figures) -> None:
    wait = threading.Event().wait
    _sweep(broker.port)
    bystander = Bystander(broker.port)
    wait(ALONE_S)
    before = vitals(broker.pid)
    bystander.enter(BESIDE)
    flood = Flood(broker.port, seed)
    began = time.monotonic()
    end, warm_at = began + seconds, began + seconds / WARM_UP_PART
    warm: Looked | None = None
    peak, scanned, is_sound = before.rss_kb, 0, True
    next_sweep = began + SWEEP_S
    while is_sound and time.monotonic() < end:
        wait(0.5)
        scanned, is_sound = _scan(broker, scanned)
        if not broker.is_running or bystander.has_ended:
            break
        peak = max(peak, vitals(broker.pid).rss_kb)
        if time.monotonic() >= next_sweep:
            next_sweep += SWEEP_S
            _sweep(broker.port)
            if warm is None and time.monotonic() >= warm_at:
                warm = Looked.at(broker)
    connections = flood.connections
    flood.finish()
    figures.note("bad connections", f"{connections} ({connections / seconds:.0f}/s)")
    figures.demand(broker.is_running, "the broker died")
    figures.demand(is_sound, "the broker reported a fault of its own")
    if not (broker.is_running and is_sound):
        _find(seed, connections, figures)
        print(broker.said)
        return
    _sweep(broker.port)
    wait(SETTLE_S)
    _judge_memory(figures, before, warm or Looked.at(broker), Looked.at(broker), peak)
    broker.memory(given_back=True)
    figures.note("after what is free was given back", vitals(broker.pid).rss_kb, "kB")
    _judge_bystander(figures, bystander.finish(), broker)


class Looked(NamedTuple):
    """A broker at one moment, from outside and from inside."""

    vitals: Vitals
    memory: Memory

    @classmethod
    def at(cls, broker: ObservedBroker) -> Looked:
        """Now."""
        return cls(vitals(broker.pid), broker.memory())

    @property
    def used_kb(self) -> int:
        """What is held; the rest of what the process has is free, and kept by the allocators."""
        return self.memory.python_used + self.memory.malloc_used


def _judge_memory(figures: Figures, before: Vitals, warm: Looked, after: Looked, peak: int) -> None:
    """Growth, and what it is made of: what is held, and what is free and kept by the allocators.

    Held: a message is compiled when its version is first asked for, 18 kB for each of some 180
    pairs of request and response. Kept: by glibc, in each thread as much as
    broker/waiting/slices.py lets it, which malloc_trim does not touch, and what fell free between
    pieces that are held. Only what is held can be a leak, and has a bound of its own.
    """
    growth = after.vitals.rss_kb - warm.vitals.rss_kb
    sizes = (before.rss_kb, warm.vitals.rss_kb, peak, after.vitals.rss_kb)
    figures.note("broker RSS before, warm, peak, after", sizes, "kB")
    figures.note("growth since the warm-up", f"{growth} kB, at most {GROWTH_KB_MAX} allowed")
    held = after.used_kb - warm.used_kb
    figures.note("of it held", f"{held} kB, at most {HELD_KB_MAX} allowed")
    kept = (warm.memory.malloc_free, after.memory.malloc_free)
    figures.note("free, kept by malloc, warm, after", kept, "kB")
    free = (warm.memory.python_free, after.memory.python_free)
    figures.note("free, kept by Python, warm, after", free, "kB")
    figures.note("descriptors before, after", (before.descriptors, after.vitals.descriptors))
    figures.note("sockets among them", (before.sockets, after.vitals.sockets))
    figures.note("threads before, after", (before.threads, after.vitals.threads))
    figures.demand(growth <= GROWTH_KB_MAX, "the broker's memory grew")
    figures.demand(held <= HELD_KB_MAX, "the broker holds more and more")
    figures.demand(after.vitals.descriptors <= before.descriptors, "descriptors stayed open")


def _judge_bystander(figures: Figures, witness: Witness, broker: ObservedBroker) -> None:
    for phase, name in ((ALONE, "alone"), (BESIDE, "beside the flood")):
        took = witness.latencies.get(phase) or [0.0]
        text = ", ".join(f"p{q:g} {quantile(took, q / 100):.2f}" for q in (50, 99, 99.9))
        figures.note(f"good client {name}", f"{text}, max {max(took):.1f} ms of {len(took)}")
    beside = quantile(witness.latencies.get(BESIDE) or [0.0], 0.99)
    figures.demand(beside <= P99_MS_MAX, f"the good client waited more than {P99_MS_MAX} ms")
    figures.demand(not witness.failure, f"the good client was disturbed: {witness.failure}")
    for when in ("at the end", "after a restart"):
        found = broken_promises(broker.port, GOOD_TOPIC, witness.sent())
        figures.demand(not found, f"{when} the log is not what the client was promised: {found}")
        broker.restart()
    figures.note(
        "records of the good client", f"{len(witness.offsets)}, each stored once, in order"
    )


def _scan(broker: ObservedBroker, position: int) -> tuple[int, bool]:
    """Look through what the broker has written since; (where to go on, whether it was sound)."""
    said = broker.said_from(position)
    return position + len(said), not any(fault in said for fault in OWN_FAULTS)


def _sweep(port: int) -> None:
    """Delete every topic but the good client's, and make the one that is fuzzed anew."""

    async def sweep() -> None:
        connection = await Connection.open("127.0.0.1", port)
        listed = await connection.request(MetadataRequest(topics=None))
        names = [each.name for each in listed.topics if each.name != GOOD_TOPIC]
        await connection.request(
            DeleteTopicsRequest(topic_names=names, timeout_ms=30_000), version=5
        )
        new = [
            CreatableTopic(name=name, num_partitions=2, replication_factor=1)
            for name in (TOPIC, GOOD_TOPIC)
        ]
        await connection.request(CreateTopicsRequest(topics=new))
        await connection.close()

    asyncio.run(sweep())


def _find(seed: int, connections: int, figures: Figures) -> None:
    """Replay what was sent last, without sockets, and keep what fails."""
    for number in range(max(0, connections - REPLAYED_MAX), connections):
        data = input_of(seed, number)
        try:
            TARGETS["connection"](data)
        except Exception as error:
            figures.note("found", f"{keep('connection', data)}: {error}")
            return
    figures.note("found", "nothing that fails alone; the seed makes the same flood again")


if __name__ == "__main__":
    sys.exit(main())
