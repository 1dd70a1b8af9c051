"""EDGE: one broker, transactional producers and readers through many crashes, judged at the end.

The clients are programs of their own (transacting.py, reading.py) and go on all the time. A run:
1. the broker works until a rule of faults kills it on the way of a transaction, or SIGKILL does
2. a second broker opens the same directory on another port, where no client is; what both
   isolations are given there is written down
3. that one is killed, or stopped, and the first is started again
At the end of a session its ids are claimed once more, and all that was noted is judged.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from random import Random

from minibroker.client.cluster.connection import Connection
from minibroker.protocol.errors import ErrorCode
from minibroker.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from minibroker.protocol.messages.init_producer_id import InitProducerIdRequest
from minibroker.testing import Kept, TransactionHistory, transaction_findings

from tests.crash.transactions.reading import READERS
from tests.crash.transactions.transacting import CLIENTS, PARTITIONS
from tests.crash.transactions.written import WrittenHistory, history_of, lines_of
from tests.support.processes.broker import BrokerProcess, BrokerProcessError
from tests.support.transaction_worlds.transaction_readers import (
    FETCH,
    OFFSET_FETCH,
    fetch,
    offset_fetch,
    offset_in,
    seen_in,
)

TOPIC = "t"
REACH_S = 5.0  # a crash point that is not reached by then is none: SIGKILL
AGAIN_S = 10.0  # by then somebody has committed again, or it is killed all the same
BEGIN_S = 60.0
FINISH_S = 120.0
QUOTED_CHARS = 2_000
FETCH_BYTES = 4 * 1024 * 1024
CLAIMS_MAX = 100
INIT = 4
LATER = frozenset((14, 15, 16, 51))
LOGS = ("t-*/*.log", "__transaction_state-0/*.log", "__consumer_offsets-0/*.log")
POINTS = {
    **{
        f"{log.partition('/')[0]}, a write {when}": f"crash: {{{{at: write, path: '{log}', "
        f"nth: {{n}}{side}}}}}"
        for log in LOGS
        for when, side in (("before", ""), ("after", ", side: after"))
    },
    **{
        f"{log.partition('/')[0]}, a write torn": f"shorten_write: {{{{path: '{log}', "
        "bytes_written: {n}, then: crash, nth: {n}}}"
        for log in LOGS
    },
    "a flush, before": "crash: {{at: flush, nth: {n}}}",
    "a flush, after": "crash: {{at: flush, nth: {n}, side: after}}",
    "txn.prepared": "crash: {{at: txn.prepared, nth: {n}}}",
    "txn.marker": "crash: {{at: txn.marker, nth: {n}}}",
    "txn.completed": "crash: {{at: txn.completed, nth: {n}}}",
}


class TransactionSession:
    """A broker, a data directory, clients.

    Args:
        durability: of the broker, fsync or page-cache.
        directory: for everything this session writes.
    """

    def __init__(self, seed: int, durability: str, directory: Path) -> None:
        self.random = Random(seed)
        self._seed = seed
        self._durability = durability
        self._directory = directory
        self._rules = directory / "faults.yaml"
        self._rules.write_text("")
        self._stack = ExitStack()
        self._armed = ""
        self._died_early = False
        self._programs: dict[str, subprocess.Popen[str]] = {}
        self._seen = WrittenHistory(str(directory / "looking"))
        data = directory / "data"
        self._broker = BrokerProcess(
            data_dir=data, durability=durability, options=["--faults", str(self._rules)]
        )
        self._second = BrokerProcess(data_dir=data, durability=durability)

    def __enter__(self) -> TransactionSession:
        self._broker.start()
        self._stack.callback(self._end)
        asyncio.run(_create_topic(self._broker.port))
        servers = self._broker.bootstrap_servers
        for number, client in enumerate(CLIENTS):
            name = f"transacting-{client}"
            arguments = [client, servers, TOPIC, self._file(name), str(self._seed + number)]
            self._launch("transacting", name, arguments)
        for client in READERS:
            name = f"reading-{client}"
            self._launch("reading", name, [client, servers, TOPIC, self._file(name)])
        deadline = time.monotonic() + BEGIN_S
        while not all(self._committed(client) for client in CLIENTS):
            assert time.monotonic() < deadline, self._said("a client does not begin")
            self._broker.wait_for_end(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def crash(self, number: int) -> str:
        """One run; `number` is for its line, which is returned."""
        began = time.monotonic()
        before = sum(map(self._committed, CLIENTS))
        where = self._await_crash()
        self._broker.kill()
        self._second.start()
        total = sum(map(self._committed, CLIENTS))
        read = asyncio.run(self._look(self._second.port))
        is_stopped = self.random.random() < 0.3
        if is_stopped:
            self._second.stop()
        else:
            self._second.kill()
        self._arm()
        self._start_armed()
        return (
            f"run {number}: transactions, {self._durability}, killed {where}; {total - before} "
            f"committed since the last, {total} in all, {read} records readable; "
            f"{'stopped' if is_stopped else 'killed again'}; {time.monotonic() - began:.1f} s"
        )

    def finish(self) -> list[str]:
        """Let the clients come to their end; returns what is wrong with the whole session."""
        self._rules.write_text("")
        self._broker.kill()
        self._broker.start()
        for name, program in self._programs.items():
            program.communicate("", FINISH_S)
            assert program.returncode == 0, self._said(f"{name} failed")
        self._broker.kill()
        self._broker.start()
        files = [Path(self._file(name)) for name in (*self._programs, "looking")]
        history = history_of([*lines_of(files)])
        found = asyncio.run(self._judge(history))
        self._broker.stop()
        return found

    async def _judge(self, history: TransactionHistory) -> list[str]:
        connection = await Connection.open("127.0.0.1", self._broker.port)
        found: list[str] = []
        try:
            for client in CLIENTS:
                await _claim(connection, history, f"id of {client}")
            committed, stored, offsets = {}, {}, {}
            for each in range(PARTITIONS):
                stable, committed[each] = await _read_all(connection, each, is_committed=True)
                end, stored[each] = await _read_all(connection, each, is_committed=False)
                if stable != end:
                    found.append(
                        f"{each} is stable up to {stable}, and nothing is open up to {end}"
                    )
            for key in history.offsets:
                answer = await connection.request(offset_fetch(key, True), version=OFFSET_FETCH)
                code, offsets[key] = offset_in(answer)
                assert not code, f"OffsetFetch of {key}: {code}"
        finally:
            await connection.close()
        return found + [
            f"{each.broken.value}: {each.text}"
            for each in transaction_findings(
                history, committed=committed, stored=stored, offsets=offsets
            )
        ]

    async def _look(self, port: int) -> int:
        """Write down what can be read; how many records with read_committed."""
        connection = await Connection.open("127.0.0.1", port)
        count = 0
        try:
            for partition in range(PARTITIONS):
                for is_committed in (True, False):
                    end, kept = await _read_all(connection, partition, is_committed=is_committed)
                    self._seen.read(partition, 0, end, kept, is_committed=is_committed)
                    count += len(kept) if is_committed else 0
        finally:
            await connection.close()
        return count

    def _await_crash(self) -> str:
        """Wait for the armed crash, or kill the broker; returns where it ended."""
        point = self._armed
        if not point:
            before, deadline = sum(map(self._committed, CLIENTS)), time.monotonic() + AGAIN_S
            while sum(map(self._committed, CLIENTS)) == before and time.monotonic() < deadline:
                self._broker.wait_for_end(0.05)
            delay_s = self.random.uniform(0, 0.8)
            self._broker.wait_for_end(delay_s)
            return f"{delay_s:.2f} s after a commit"
        if self._died_early:
            self._died_early = False
            return f"at {point}, while it started"
        if self._broker.wait_for_end(REACH_S) is None:
            return f"({point}: not reached)"
        return f"at {point}"

    def _start_armed(self) -> None:
        """Start the broker; it may die on the way, if that is where it was armed."""
        try:
            self._broker.start()
        except BrokerProcessError:
            if not self._armed:
                raise
            self._died_early = True

    def _arm(self) -> None:
        self._armed = self.random.choice(["", "", *POINTS])
        rule = POINTS[self._armed].format(n=self.random.choice((1, 3, 20))) if self._armed else ""
        self._rules.write_text(f"- {rule}\n" if rule else "")

    def _committed(self, client: str) -> int:
        path = Path(self._file(f"transacting-{client}"))
        return path.read_text().count("'COMMITTED'") // 2 if path.exists() else 0

    def _file(self, name: str) -> str:
        return str(self._directory / name)

    def _launch(self, module: str, name: str, arguments: list[str]) -> None:
        with open(f"{self._file(name)}.err", "w") as errors:
            self._programs[name] = subprocess.Popen(
                [sys.executable, "-m", f"tests.crash.transactions.{module}", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def _said(self, what: str) -> str:
        said = [
            f"--- {name}\n{Path(f'{self._file(name)}.err').read_text()[-QUOTED_CHARS:]}"
            for name in self._programs
        ]
        return "\n".join([what, *said])

    def _end(self) -> None:
        for program in self._programs.values():
            program.kill()
            program.communicate()
        self._broker.kill()
        self._second.kill()


async def _create_topic(port: int) -> None:
    wanted = CreatableTopic(name=TOPIC, num_partitions=PARTITIONS, replication_factor=1)
    connection = await Connection.open("127.0.0.1", port)
    try:
        answer = await connection.request(CreateTopicsRequest(topics=[wanted]))
        assert not answer.topics[0].error_code, answer.topics[0].error_message
    finally:
        await connection.close()


async def _claim(connection: Connection, history: TransactionHistory, name: str) -> None:
    """Take an id, so that whatever is open is aborted."""
    history.claim(f"the last of {name}", name)
    message = InitProducerIdRequest(transactional_id=name, transaction_timeout_ms=60_000)
    for _ in range(CLAIMS_MAX):
        answer = await connection.request(message, version=INIT)
        if answer.error_code not in LATER:
            break
        await asyncio.wait([asyncio.create_task(asyncio.Event().wait())], timeout=0.05)
    assert answer.error_code == ErrorCode.NONE, f"InitProducerId of {name}: {answer.error_code}"
    history.granted(f"the last of {name}", answer.producer_id, answer.producer_epoch)


async def _read_all(
    connection: Connection, partition: int, *, is_committed: bool
) -> tuple[int, list[Kept]]:
    """(where it ends, all records) of a partition for an isolation."""
    kept: list[Kept] = []
    offset = 0
    while True:
        message = fetch(partition, offset, is_committed, 0, FETCH_BYTES)
        (part,) = (await connection.request(message, version=FETCH)).responses[0].partitions
        assert not part.error_code, f"Fetch of {partition} at {offset}: {part.error_code}"
        aborted = part.aborted_transactions if is_committed else None
        seen = seen_in(bytes(part.records or b""), offset, aborted)
        kept += seen.records
        if seen.next_offset == offset:
            return offset, kept
        offset = seen.next_offset
