"""EDGE: what parts of the broker cost one Produce, socketless: faults and explanations, counting.

The same handler bench runs in fresh processes, by turns with the code as it is, as it is once more
(how far two equal ones lie apart is what a ratio is worth), and with every line of the part taken
out of it as it is loaded. Given are ratios of the minima, of CPU time: other work on the machine
counts less. Faults are there, but disarmed; explanations are on, and so is counting.
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

Pieces = dict[str, Sequence[tuple[str, str]]]
"""module -> (a piece of its source, what is there without the part)"""

FAULTS_AND_EXPLANATIONS: Pieces = {
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
    (each,) = topic.partition_data
    client_id = (request.client_id or "")[:CLIENT_ID_LENGTH_KEPT]
""",
            "    (each,) = topic.partition_data\n",
        ),
        (
            "partition.produce(each.records, broker.clock.now_ms(), client_id)\n",
            'partition.produce(each.records, broker.clock.now_ms(), "")\n',
        ),
    ],
    "minibroker.broker.partitions.partition": [
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


COUNTING: Pieces = {
    "minibroker.protocol.connection": [("        self.began_s = 0.0\n", "")],
    "minibroker.broker.connections.client_session": [
        ("        request.began_s = self._now_s if self._server.measures else 0.0\n", ""),
        (
            """\
        if request.began_s:  # somebody measures, and it is not that of a login
            self._now_s = monotonic()
            request.route.took.append(self._now_s - request.began_s)
""",
            "",
        ),
    ],
    "minibroker.broker.partitions.partition": [
        (
            "Duplicate | Refused\n        self.produce_count += 1\n        header, newest,",
            "Duplicate | Refused\n        header, newest,",
        ),
    ],
    "minibroker.broker.waiting.group_commit": [("        self._write_count += 1\n", "")],
}
TAKEN_OUT: dict[str, Pieces] = {
    "faults and explanations": FAULTS_AND_EXPLANATIONS,
    "counting": COUNTING,
}


def overhead_table(part: str, turns: int = TURNS) -> Table:
    """Measure a part, and show the ratios."""
    best: dict[tuple[str, str], float] = {}
    for turn in range(turns):
        kinds = ["as it is", "once more", "without"]
        for kind in kinds[turn % 3 :] + kinds[: turn % 3]:
            for load, microseconds in _run(part if kind == "without" else "").items():
                best[load, kind] = min(best.get((load, kind), float("inf")), microseconds)
    title = f"one Produce of one record, memory, minima of {turns} alternating processes each"
    table = Table(title=title)
    for name in ("load", f"with {part}", "without", "ratio", "ratio of two equal ones"):
        table.add_column(name, justify="right")
    for load in LOADS:
        there, again, gone = (best[load, kind] for kind in ("as it is", "once more", "without"))
        both = min(there, again)
        ratios = f"{both / gone:.3f}", f"{there / again:.3f}"
        table.add_row(load, f"{both:.2f} µs", f"{gone:.2f} µs", *ratios)
    return table


def _run(part: str) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.parts.overhead", part]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT_S)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def code_without(part: str, module: str, path: str) -> CodeType:
    """A module without the pieces of a part; AssertionError where one is not there."""
    text = Path(path).read_text(encoding="utf-8")
    for piece, instead in TAKEN_OUT[part][module]:
        assert text.count(piece) == 1, f"{module} no longer has {piece!r}"
        text = text.replace(piece, instead)
    return compile(text, path, "exec")


def _take_out(part: str) -> None:
    """Let the modules of a part be loaded without its pieces."""
    load = SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, fullname: str) -> CodeType | None:
        if fullname not in TAKEN_OUT[part]:
            return load(self, fullname)
        return code_without(part, fullname, self.path)

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
    from minibroker.broker.metrics.requests import RequestTimes

    from tests.bench.loads import TOPIC
    from tests.bench.parts.handler import feed, running_session

    frames = _frames(load, TOPIC)
    async with running_session("memory") as session:
        session._server.measures = True  # as with --metrics
        times = RequestTimes()
        best = float("inf")
        for repeat in range(REPEATS):
            part = b"".join(frames[repeat * BATCHES : (repeat + 1) * BATCHES])
            began = time.process_time()
            await feed(session, part)
            times.take_in(session._server.routes.used())  # without counting there is nothing
            best = min(best, (time.process_time() - began) / BATCHES * 1e6)
        return best


def main() -> None:
    """Measure every load in this process, without a part if one is named."""
    if sys.argv[1]:
        _take_out(sys.argv[1])
    print(json.dumps({load: asyncio.run(_measured(load)) for load in LOADS}))


if __name__ == "__main__":
    main()
