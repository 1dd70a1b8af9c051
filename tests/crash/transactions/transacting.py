"""EDGE: a program: one transactional producer until its standard input ends, through everything.

    python -m tests.crash.transactions.transacting CLIENT SERVERS TOPIC FILE SEED

What it does and is told is appended to FILE at once (written.py). A third of the transactions are
aborted; some commit an offset of the client's own group. A producer that cannot go on is made anew,
under the same transactional id. The number of transactions that were told to be committed is
printed at the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
import threading
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import aiokafka
import confluent_kafka
from aiokafka.errors import KafkaError, ProducerFenced
from minibroker.client.cluster.connection import Connection, ConnectionFailed, RequestTimedOut
from minibroker.client.errors import ClientError
from minibroker.testing import Acknowledged, Failed, Fate

from tests.crash.transactions.written import WrittenHistory
from tests.support.transaction_worlds.transactional_program import TransactionalProgram
from tests.support.transaction_worlds.transactional_words import NEW
from tests.support.worlds.programs import Asked, Pause

PARTITIONS = 3
TIMEOUT_MS = 60_000
ANSWER_S = 60.0
OPEN_S = 0.05
FENCED = (
    confluent_kafka.KafkaError._FENCED,
    confluent_kafka.KafkaError.PRODUCER_FENCED,
    confluent_kafka.KafkaError.INVALID_PRODUCER_EPOCH,
)


class Transacting:
    """What all clients share: names, values, the draw of what a transaction is, and its notes."""

    def __init__(self, client: str, topic: str, path: str, seed: int) -> None:
        self.client = client
        self.topic = topic
        self.id = f"id of {client}"
        self.group = f"group of {self.id}"
        self.history = WrittenHistory(path)
        self.random = Random(seed)
        self.stopped = threading.Event()
        self.committed = 0
        self.offsets = itertools.count(1)
        self.producer = ""
        self.values: list[bytes] = []
        self._names = itertools.count()
        threading.Thread(target=self._await_end, daemon=True).start()

    def claim(self) -> None:
        """A producer is being made, under a name of its own."""
        self.producer = f"{self.client}.{next(self._names)}"
        self.history.claim(self.producer, self.id)

    def begin(self) -> tuple[str, Fate]:
        """The name of the next transaction, and how it shall end."""
        name = f"{self.producer}/{next(self._names)}"
        self.history.begin(name, self.producer)
        self.values = []
        return name, Fate.ABORTED if self.random.random() < 1 / 3 else Fate.COMMITTED

    def records(self, name: str) -> Iterator[tuple[int, bytes]]:
        """(partition, value) of each record of a transaction."""
        for _ in range(self.random.choice((1, 3, 10))):
            value = f"{self.client} {next(self._names)} ".encode() + b"." * 100
            partition = self.random.randrange(PARTITIONS)
            self.history.send(name, partition, value)
            self.values.append(value)
            yield partition, value

    def stored(self, value: bytes, offset: int) -> None:
        """The client was told where a record is."""
        if value in self.values:  # else it comes late, after an error
            self.values.remove(value)
        self.history.answered(value, Acknowledged(offset))

    def ended(self, name: str, fate: Fate) -> None:
        """The client was told that it is over."""
        self.history.tell(name, fate)
        self.committed += fate is Fate.COMMITTED

    def give_up(self) -> None:
        """What is not acknowledged by now is in doubt."""
        for value in self.values:
            self.history.answered(value, Failed(True))
        self.values = []

    def _await_end(self) -> None:
        sys.stdin.read()
        self.stopped.set()


def transact_confluent(work: Transacting, servers: str) -> None:
    """confluent_kafka.Producer."""
    settings: dict[str, Any] = {
        "bootstrap.servers": servers,
        "reconnect.backoff.max.ms": 100,
        # 1. no broker can be reached, so it begins with its bootstrap servers  2. it lets go of the
        # broker it knew, which a request to the coordinator holds  3. it waits for that for ever.
        "metadata.recovery.strategy": "none",
    }
    consumer = confluent_kafka.Consumer({**settings, "group.id": work.group})
    while not work.stopped.is_set():
        producer = confluent_kafka.Producer(
            {
                **settings,
                "transactional.id": work.id,
                "transaction.timeout.ms": TIMEOUT_MS,
                "linger.ms": 1,
            }
        )
        work.claim()
        try:
            _confluent_retried(lambda: producer.init_transactions(ANSWER_S))  # noqa: B023  at once
        except confluent_kafka.KafkaException as error:
            print(f"init_transactions: {error}", file=sys.stderr)
            continue
        work.history.granted(work.producer)
        while not work.stopped.is_set() and _transaction_confluent(work, producer, consumer):
            pass
    consumer.close()


def _transaction_confluent(work: Transacting, producer: Any, consumer: Any) -> bool:
    """One transaction; whether the producer can go on."""
    name, fate = work.begin()
    try:
        producer.begin_transaction()
        for partition, value in work.records(name):

            def told(error: Any, message: Any, value: bytes = value) -> None:
                if error is None:
                    work.stored(value, message.offset())

            producer.produce(work.topic, value, partition=partition, on_delivery=told)
            producer.poll(0)
        if fate is Fate.COMMITTED and work.random.random() < 0.5:
            offset = next(work.offsets)
            place = confluent_kafka.TopicPartition(work.topic, 0, offset)
            work.history.send_offset(name, work.group, 0, offset)
            _confluent_retried(
                lambda: producer.send_offsets_to_transaction(
                    [place], consumer.consumer_group_metadata(), ANSWER_S
                )
            )
            work.history.offset_accepted(name, work.group, 0, offset)
        producer.flush(ANSWER_S)  # so that each delivery is told by now
        work.history.ask(name, fate)
        if fate is Fate.COMMITTED:
            _confluent_retried(lambda: producer.commit_transaction(ANSWER_S))
        else:
            _confluent_retried(lambda: producer.abort_transaction(ANSWER_S))
        work.ended(name, fate)
        work.give_up()
        return True
    except confluent_kafka.KafkaException as error:
        return _failed_confluent(work, producer, name, error.args[0])


def _failed_confluent(work: Transacting, producer: Any, name: str, error: Any) -> bool:
    print(f"{name}: {error}", file=sys.stderr)
    is_abortable = error.txn_requires_abort()
    if is_abortable:
        work.history.ask(name, Fate.ABORTED)
        try:
            _confluent_retried(lambda: producer.abort_transaction(ANSWER_S))
            work.ended(name, Fate.ABORTED)
        except confluent_kafka.KafkaException as worse:
            error, is_abortable = worse.args[0], False
    work.give_up()
    if error.code() in FENCED:
        work.history.fenced(work.producer)
    return bool(is_abortable)


def _confluent_retried(call: Any) -> None:
    """As the documentation of the client says: again while the error is retriable."""
    deadline = time.monotonic() + ANSWER_S
    while True:
        try:
            call()
            return
        except confluent_kafka.KafkaException as error:
            if not error.args[0].retriable() or time.monotonic() > deadline:
                raise


def transact_aiokafka(work: Transacting, servers: str) -> None:
    """aiokafka.AIOKafkaProducer."""
    asyncio.run(_transact_aiokafka(work, servers))


async def _transact_aiokafka(work: Transacting, servers: str) -> None:
    while not work.stopped.is_set():
        producer = aiokafka.AIOKafkaProducer(
            bootstrap_servers=servers,
            transactional_id=work.id,
            transaction_timeout_ms=TIMEOUT_MS,
            request_timeout_ms=10_000,
        )
        work.claim()
        try:
            await producer.start()
            work.history.granted(work.producer)
            while not work.stopped.is_set() and await _transaction_aiokafka(work, producer):
                pass
        except KafkaError as error:
            print(f"start: {error!r}", file=sys.stderr)
        finally:
            with contextlib.suppress(KafkaError, AssertionError):
                await asyncio.wait_for(producer.stop(), OPEN_S * 20)


async def _transaction_aiokafka(work: Transacting, producer: Any) -> bool:
    name, fate = work.begin()
    try:
        await producer.begin_transaction()
        sent = [
            (value, await producer.send(work.topic, value, partition=partition))
            for partition, value in work.records(name)
        ]
        for value, delivery in sent:
            receipt = await asyncio.wait_for(delivery, ANSWER_S)
            work.stored(value, receipt.offset)
        if fate is Fate.COMMITTED and work.random.random() < 0.5:
            offset = next(work.offsets)
            work.history.send_offset(name, work.group, 0, offset)
            place = aiokafka.TopicPartition(work.topic, 0)
            await producer.send_offsets_to_transaction({place: offset}, work.group)
            work.history.offset_accepted(name, work.group, 0, offset)
        work.history.ask(name, fate)
        end = producer.commit_transaction if fate is Fate.COMMITTED else producer.abort_transaction
        await asyncio.wait_for(end(), ANSWER_S)
        work.ended(name, fate)
        return True
    except ProducerFenced:
        work.history.fenced(work.producer)
        return False
    except (KafkaError, TimeoutError) as error:
        print(f"{name}: {error!r}", file=sys.stderr)
        return False
    finally:
        work.give_up()


class RealSurroundings:
    """The real world, as a program of the simulated ones sees it."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.starts = 0  # unknown here, and the wall clock is not set
        self._began = time.monotonic()

    @property
    def now_ms(self) -> float:
        """Since it began."""
        return (time.monotonic() - self._began) * 1000

    @property
    def wall_ms(self) -> float:
        """The same clock."""
        return self.now_ms

    def note(self, text: str) -> None:
        """To standard error, which is kept."""
        print(f"{self.now_ms:.1f} {text}", file=sys.stderr)


def transact_raw(work: Transacting, servers: str) -> None:
    """The client of the simulated worlds, which speaks as the newest clients do (KIP-890)."""
    asyncio.run(_transact_raw(work, servers))


async def _transact_raw(work: Transacting, servers: str) -> None:
    host, _, port = servers.rpartition(":")
    connection: Connection | None = None
    for number in itertools.count():
        program = TransactionalProgram(
            RealSurroundings(work.random),
            work.history,
            f"{work.client}{number}",
            transactional_id=work.id,
            versions=NEW,
            partitions=PARTITIONS,
            offsets=work.offsets,
            timeout_ms=TIMEOUT_MS,
            count=10,
            rest_share=0.0,
            topic=work.topic,
        )
        run, answers = program.program(), None
        with contextlib.suppress(StopIteration):
            while True:
                wanted = run.send(answers)
                answers = None
                if isinstance(wanted, Pause):
                    await _pause(wanted.duration_ms / 1000)
                else:
                    connection, answers = await _ask(connection, host, int(port), wanted)
        work.committed += program.committed
        for each in program.wrong:
            print(f"WRONG: {each}", file=sys.stderr)
        assert not program.wrong, program.wrong[0]
        if work.stopped.is_set():
            break
    if connection is not None:
        await connection.close()


async def _ask(
    connection: Connection | None, host: str, port: int, asked: Asked
) -> tuple[Connection | None, list[Any]]:
    """Pipelined on one connection; the answers that came before it was lost."""
    answers: list[Any] = [None] * len(asked.requests)
    try:
        if connection is None:
            connection = await Connection.open(host, port)
        waiting = [
            asyncio.create_task(connection.request(message, version=version))
            for message, version in asked.requests
        ]
        done = await asyncio.gather(*waiting, return_exceptions=True)
    except (ConnectionFailed, RequestTimedOut):
        await _pause(OPEN_S)
        return None, answers
    for number, each in enumerate(done):
        if isinstance(each, ClientError):
            continue
        if isinstance(each, BaseException):
            raise each
        answers[number] = each
    if None in answers:
        await connection.close()
        return None, answers
    return connection, answers


async def _pause(duration_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), duration_s)


CLIENTS = {
    "confluent-kafka": transact_confluent,
    "aiokafka": transact_aiokafka,
    "raw": transact_raw,
}


def main(arguments: list[str]) -> int:
    """See the file's docstring."""
    client, servers, topic, path, seed = arguments
    work = Transacting(client, topic, path, int(seed))
    CLIENTS[client](work, servers)
    print(work.committed, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
