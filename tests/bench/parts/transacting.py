"""EDGE: transactions: a commit every hundred records, readers of what is committed, memory.

The producers are confluent-kafka's, a thread each, against ours and a real Kafka in alternating
rounds. Under fsync Kafka flushes each message of every log, `__transaction_state` included; a
commit there is still answered before its markers are written, and here when they are. A commit
takes longer the more are under way, so both are also measured at one rate that both can keep.
"""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from uuid import uuid4

import confluent_kafka
from minibroker.client.cluster.connection import Connection
from minibroker.protocol.batch.header import TRANSACTIONAL_BIT
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.messages.init_producer_id import InitProducerIdRequest
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from rich.table import Table

from tests.bench.run import Run
from tests.bench.servers import Server, create_topics, our_broker, real_kafka

PRODUCERS = (1, 50)
PARTITIONS = 4
RECORDS = 100
VALUE = b"x" * 100
WAIT_S = 60.0
SETTINGS: dict[str, dict[str, str]] = {
    "page-cache": {},
    "fsync": {"log.flush.interval.messages": "1"},
}
TOPIC, READ_TOPIC = "bench-transactions", "bench-committed"
PACE = 0.5  # of what the slower one reaches
READ_TRANSACTIONS = 1_000
IDS = 10_000
AT_ONCE = 100
MS = 1000


def measure_transacting(run: Run) -> dict[str, float]:
    """Print the tables; returns ours to Kafka's by load."""
    ratios: dict[str, float] = {}
    for durability, settings in SETTINGS.items():
        with ExitStack() as stack:
            options = ("--durability", durability)
            servers = [stack.enter_context(our_broker("ours", run.commands, options))]
            if run.without_kafka is None:
                servers.append(stack.enter_context(real_kafka("Kafka", settings)))
            ratios |= _commits(run, servers, durability)
            if durability == "page-cache":
                _committed_readers(run, servers[0])
                _memory(run, servers[0])
    return ratios


@dataclass
class Committed:
    """What some producers came to in one round."""

    seconds: float
    commits_ms: list[float] = field(default_factory=list)

    @property
    def per_s(self) -> float:
        """Transactions a second, of all producers."""
        return len(self.commits_ms) / self.seconds

    @property
    def p50_ms(self) -> float:
        """Of what a commit takes."""
        return statistics.median(self.commits_ms)


Figure = Callable[[Committed], float]


class Producers:
    """Some transactional producers of one server, a thread each."""

    def __init__(self, server: Server, count: int) -> None:
        name = uuid4().hex
        self._producers = [
            confluent_kafka.Producer(
                {
                    "bootstrap.servers": f"{server.host}:{server.port}",
                    "transactional.id": f"bench-{name}-{number}",
                    "linger.ms": 5,
                }
            )
            for number in range(count)
        ]
        for producer in self._producers:
            producer.init_transactions(WAIT_S)

    def run(self, seconds: float, pace: float = 0.0) -> Committed:
        """Commit one transaction after the other for so long.

        Args:
            pace: how many all producers together begin in a second; 0: as many as they can.
        """
        found = Committed(seconds)
        failed: list[BaseException] = []
        until = time.perf_counter() + seconds

        def work(producer: confluent_kafka.Producer, number: int) -> None:
            interval_s = len(self._producers) / pace if pace else 0.0
            due = time.perf_counter() + interval_s * number / len(self._producers)
            try:
                while (now := time.perf_counter()) < until:
                    time.sleep(max(due - now, 0.0))
                    due += interval_s
                    commit(producer, TOPIC, found.commits_ms)
            except BaseException as error:
                failed.append(error)

        began = time.perf_counter()
        numbered = enumerate(self._producers)
        threads = [threading.Thread(target=work, args=(each, n)) for n, each in numbered]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(seconds + WAIT_S)
        if failed:
            raise failed[0]
        found.seconds = time.perf_counter() - began
        return found


def commit(producer: confluent_kafka.Producer, topic: str, commits_ms: list[float]) -> None:
    """One transaction of RECORDS records over all partitions; notes how long its commit took."""
    producer.begin_transaction()
    for number in range(RECORDS):
        producer.produce(topic, VALUE, partition=number % PARTITIONS)
    producer.flush(WAIT_S)
    began = time.perf_counter()
    producer.commit_transaction(WAIT_S)
    commits_ms.append((time.perf_counter() - began) * MS)


def _commits(run: Run, servers: Sequence[Server], durability: str) -> dict[str, float]:
    columns = ("producers", "", "ours /s", "commit p50 ms", "Kafka /s", "commit p50 ms")
    title = f"a commit every {RECORDS} records, durability={durability}"
    table = Table(*columns, "ratio", "of p50", title=title)
    ratios: dict[str, float] = {}
    for server in servers:
        asyncio.run(create_topics(server, {TOPIC: PARTITIONS}))
    for count in PRODUCERS:
        producers = {server.name: Producers(server, count) for server in servers}
        rounds = _rounds(run, servers, producers)
        pace = PACE * min(_median(rounds, each.name, per_s) for each in servers)
        table.add_row(str(count), "all they can", *_cells(servers, rounds))
        paced = _rounds(run, servers, producers, pace)
        table.add_row(str(count), f"{pace:,.0f}/s", *_cells(servers, paced))
        if len(servers) > 1:
            name = f"{durability}: transactions of {count} producers"
            ratios[name] = statistics.median(_ratios(rounds, per_s))
    run.console.print(table)
    return ratios


def _rounds(
    run: Run, servers: Sequence[Server], producers: dict[str, Producers], pace: float = 0.0
) -> list[dict[str, Committed]]:
    rounds = []
    for number in range(run.rounds + 1):
        order = servers if number % 2 == 0 else servers[::-1]
        found = {server.name: producers[server.name].run(run.seconds, pace) for server in order}
        if number:  # the first round warms up
            rounds.append(found)
    return rounds


def _cells(servers: Sequence[Server], rounds: list[dict[str, Committed]]) -> list[str]:
    cells = []
    for server in servers:
        cells.append(f"{_median(rounds, server.name, per_s):,.0f}")
        cells.append(f"{_median(rounds, server.name, p50_ms):.2f}")
    if len(servers) > 1:
        cells += [f"{statistics.median(_ratios(rounds, each)):.2f}" for each in (per_s, p50_ms)]
    return cells


def per_s(committed: Committed) -> float:
    """Transactions a second."""
    return committed.per_s


def p50_ms(committed: Committed) -> float:
    """Of what a commit takes."""
    return committed.p50_ms


def _median(rounds: list[dict[str, Committed]], server: str, figure: Figure) -> float:
    return statistics.median(figure(each[server]) for each in rounds)


def _ratios(rounds: list[dict[str, Committed]], figure: Figure) -> list[float]:
    return [figure(each["ours"]) / figure(each["Kafka"]) for each in rounds]


def _committed_readers(run: Run, server: Server) -> None:
    asyncio.run(create_topics(server, {READ_TOPIC: PARTITIONS}))
    settings = {"bootstrap.servers": f"{server.host}:{server.port}", "transactional.id": "filler"}
    producer = confluent_kafka.Producer({**settings, "linger.ms": 5})
    producer.init_transactions(WAIT_S)
    for _ in range(READ_TRANSACTIONS):
        commit(producer, READ_TOPIC, [])
    ratios, rates = [], []
    for number in range(run.rounds + 1):
        levels = ["read_committed", "read_uncommitted"]
        found = {each: _read(server, each) for each in levels[:: 1 if number % 2 else -1]}
        if number:
            ratios.append(found["read_committed"] / found["read_uncommitted"])
            rates.append(found["read_committed"])
    run.console.print(
        f"read_committed to read_uncommitted: {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f}-{max(ratios):.2f}), {statistics.median(rates):,.0f} records/s"
    )


def _read(server: Server, isolation_level: str) -> float:
    """Records a second, of all that is there."""
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": f"{server.host}:{server.port}",
            "group.id": "bench",
            "isolation.level": isolation_level,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    count = READ_TRANSACTIONS * RECORDS
    partitions = [confluent_kafka.TopicPartition(READ_TOPIC, n, 0) for n in range(PARTITIONS)]
    consumer.assign(partitions)
    began, read = time.perf_counter(), 0
    while read < count:
        messages = consumer.consume(10_000, timeout=WAIT_S)
        if not messages:
            raise RuntimeError(f"{read} of {count} records within {WAIT_S:g} s")
        read += sum(each.error() is None for each in messages)
    seconds = time.perf_counter() - began
    consumer.close()
    return count / seconds


def _memory(run: Run, server: Server) -> None:
    before = server.memory_mb
    producers = asyncio.run(_known(server))
    known = server.memory_mb
    asyncio.run(_open(server, producers))
    opened = server.memory_mb
    run.console.print(
        f"memory of {IDS:,} transactional ids: {(known - before) * 1e6 / IDS:,.0f} bytes each; "
        f"with an open transaction {(opened - known) * 1e6 / IDS:,.0f} more"
    )


async def _known(server: Server) -> list[tuple[str, int, int]]:
    connection = await Connection.open(server.host, server.port)
    producers = []
    for at in range(0, IDS, AT_ONCE):
        names = [f"memory-{number}" for number in range(at, at + AT_ONCE)]
        asked = [
            connection.request(
                InitProducerIdRequest(transactional_id=name, transaction_timeout_ms=900_000)
            )
            for name in names
        ]
        for name, answer in zip(names, await asyncio.gather(*asked), strict=True):
            producers.append((name, answer.producer_id, answer.producer_epoch))
    await connection.close()
    return producers


async def _open(server: Server, producers: Sequence[tuple[str, int, int]]) -> None:
    connection = await Connection.open(server.host, server.port)
    for at in range(0, IDS, AT_ONCE):
        some = producers[at : at + AT_ONCE]
        asked = [connection.request(_first_batch(*each), version=12) for each in some]
        for answer in await asyncio.gather(*asked):
            code = answer.responses[0].partition_responses[0].error_code
            if code:
                raise RuntimeError(f"{server.name}: a first batch was refused with {code}")
    await connection.close()


def _first_batch(name: str, producer_id: int, producer_epoch: int) -> ProduceRequest:
    batch = build_batch(
        [(None, VALUE, (), 1_700_000_000_000)],
        attributes=TRANSACTIONAL_BIT,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        base_sequence=0,
    )
    data = TopicProduceData(
        name=TOPIC, partition_data=[PartitionProduceData(index=0, records=batch)]
    )
    return ProduceRequest(transactional_id=name, acks=-1, timeout_ms=1000, topic_data=[data])
