"""EDGE: what faults (there, but disarmed) and explanations (on) cost one Produce, socketless.

The same handler bench runs in fresh processes, by turns with the code as it is and with every
line of faults and explanations taken out of it as it is loaded. Given is the ratio of the minima,
of CPU time: other work on the machine counts less.
As a program it is one of these processes: it prints µs a Produce of each load.
"""

from __future__ import annotations

import asyncio
import json
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType

from rich.table import Table

TURNS = 20
REPEATS = 12
BATCHES = 1_500
RECORD_BYTES = 100
LOADS = ("no producer id", "idempotent")
TIMEOUT_S = 60.0

# module -> (a piece of its source, what is there without faults and explanations)
TAKEN_OUT: dict[str, Sequence[tuple[str, str]]] = {
    "minibroker.broker.connections.client_session": [
        (
            """\
            if self._detour is not None:
                self._detour.serve(request)
                return True
""",
            "",
        ),
    ],
    "minibroker.broker.apis.storing": [
        (
            """\
    client_id = request.client_id or ""
    if len(client_id) > CLIENT_ID_LENGTH_KEPT:
        client_id = client_id[:CLIENT_ID_LENGTH_KEPT]
""",
            "",
        ),
        (
            "partition.produce(records, now_ms, client_id, found)\n",
            'partition.produce(records, now_ms, "", found)\n',
        ),
    ],
    "minibroker.broker.partitions.partition": [
        ("entry, verdict = self.sequences.entry(header.producer_id),", "entry, verdict = None,"),
        (
            """\
        rings = self._rings
        ring = self.verdicts or rings.open(self)
        ring.append((next(rings.numbers), now_ms, client_id, header, entry, outcome))
""",
            "",
        ),
    ],
}


def overhead_table() -> Table:
    """Measure, and show the ratios."""
    best: dict[tuple[str, str], float] = {}
    for _ in range(TURNS):
        for kind in ("with", "without"):
            for load, microseconds in _run(kind).items():
                best[load, kind] = min(best.get((load, kind), float("inf")), microseconds)
    title = f"one Produce of one record, memory, minima of {TURNS} alternating processes each"
    table = Table(title=title)
    for name in ("load", "with faults and explanations", "without", "ratio"):
        table.add_column(name, justify="right")
    for load in LOADS:
        there, gone = best[load, "with"], best[load, "without"]
        table.add_row(load, f"{there:.2f} µs", f"{gone:.2f} µs", f"{there / gone:.3f}")
    return table


def _run(kind: str) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.parts.overhead", kind]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT_S)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def code_without(module: str, path: str) -> CodeType:
    """A module of TAKEN_OUT without the pieces; AssertionError where one is not there."""
    text = Path(path).read_text(encoding="utf-8")
    for piece, instead in TAKEN_OUT[module]:
        assert text.count(piece) == 1, f"{module} no longer has {piece!r}"
        text = text.replace(piece, instead)
    return compile(text, path, "exec")


def _take_out() -> None:
    """Let the modules of TAKEN_OUT be loaded without the pieces."""
    load = SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, fullname: str) -> CodeType | None:
        if fullname not in TAKEN_OUT:
            return load(self, fullname)
        return code_without(fullname, self.path)

    SourceFileLoader.get_code = get_code  # type: ignore[method-assign, assignment]


def _frames(load: str, topic: str) -> list[bytes]:
    """BATCHES requests of one record; those of an idempotent producer in sequence."""
    from minibroker.protocol.batch.writing import build_batch
    from minibroker.protocol.codec.compiler import encoder
    from minibroker.protocol.header import RequestHeader, encode_request_header
    from minibroker.protocol.messages.produce import (
        PartitionProduceData,
        ProduceRequest,
        TopicProduceData,
    )

    from tests.bench.parts.handler import VERSION

    now_ms = time.time_ns() // 1_000_000
    encode = encoder(ProduceRequest, VERSION)
    head = encode_request_header(RequestHeader(0, VERSION, 1, "bench"))
    frames = []
    for number in range(BATCHES * REPEATS):
        known = load == "idempotent"
        batch = build_batch(
            [(None, b"x" * RECORD_BYTES, (), now_ms)],
            producer_id=7 if known else -1,
            producer_epoch=0 if known else -1,
            base_sequence=number if known else -1,
        )
        part = PartitionProduceData(index=0, records=batch)
        data = [TopicProduceData(name=topic, partition_data=[part])]
        body = head + b"".join(encode(ProduceRequest(acks=-1, timeout_ms=1, topic_data=data)))
        frames.append(struct.pack(">i", len(body)) + body)
    return frames


async def _measured(load: str) -> float:
    from tests.bench.loads import TOPIC
    from tests.bench.parts.handler import feed, running_session

    frames = _frames(load, TOPIC)
    async with running_session("memory") as session:
        best = float("inf")
        for repeat in range(REPEATS):
            part = b"".join(frames[repeat * BATCHES : (repeat + 1) * BATCHES])
            began = time.process_time()
            await feed(session, part)
            best = min(best, (time.process_time() - began) / BATCHES * 1e6)
        return best


def main() -> None:
    """Measure every load in this process, "with" or "without"."""
    if sys.argv[1] == "without":
        _take_out()
    print(json.dumps({load: asyncio.run(_measured(load)) for load in LOADS}))


if __name__ == "__main__":
    main()
