"""Every instant and action that a producer meets, for four clients: each record once, and alive.

An idempotent producer sends RECORDS records one after the other while a fault strikes; barriers are
released and a dead broker is started again, as an operator would. The page docs/faults.md is
written when every cell has been seen.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from minibroker.client import Admin
from minibroker.client.administer.results import ConfigResource
from minibroker.testing import ChildBroker, RemoteFault, RemoteFaults

pytestmark = [
    pytest.mark.interop,
    # Of foreign clients: old calls, and connections that they leave to the collector.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

RECORDS = 6
BOUND_S = 90.0
REQUEST_MS = 3000
PAGE = Path(__file__).parents[3] / "docs" / "faults.md"
VALUES = [b"record %d" % number for number in range(RECORDS)]
NOTICED_S = 0.05  # how often the state of broker and barrier is looked at

Strike = Callable[[RemoteFaults, str], RemoteFault]


class Case(NamedTuple):
    """One fault: where, what, how it is armed for a topic, and how that is configured."""

    instant: str
    action: str
    strike: Strike
    configs: Mapping[str, str] = MappingProxyType({})


A_SEGMENT_EACH = MappingProxyType({"internal.segment.bytes": "100"})  # a segment for each batch


def _on_the_way() -> Iterator[Case]:
    for at in ("request", "append", "appended", "flushed", "reply"):
        yield Case(at, "delay", partial(_at, "delay", at, delay_ms=30))
        yield Case(at, "hold", partial(_at, "hold", at))
        yield Case(at, "crash", partial(_at, "crash", at))
        if at != "reply":
            yield Case(at, "disconnect", partial(_at, "disconnect", at))
        if at in ("request", "append", "reply"):
            yield Case(at, "error", partial(_at, "error", at, code="NOT_LEADER_OR_FOLLOWER"))


def _at(action: str, at: str, faults: RemoteFaults, topic: str, **fields: Any) -> RemoteFault:
    arm = getattr(faults, action)
    fault: RemoteFault = arm(api="Produce", at=at, topic=topic, nth=3, **fields)
    return fault


def _log(action: str, faults: RemoteFaults, topic: str, **fields: Any) -> RemoteFault:
    arm = getattr(faults, action)
    fault: RemoteFault = arm(path=f"{topic}-0/*.log", times=1, **fields)
    return fault


CASES = [
    Case("accept", "disconnect", lambda faults, _: faults.disconnect(at="accept", times=1)),
    Case("accept", "delay", lambda faults, _: faults.delay(delay_ms=30, at="accept")),
    Case("accept", "hold", lambda faults, _: faults.hold(at="accept")),
    Case("accept", "crash", lambda faults, _: faults.crash(at="accept")),
    *_on_the_way(),
    Case("request", "handle twice", lambda f, t: f.handle_twice("Produce", topic=t)),
    Case("reply", "lose, close", lambda f, t: f.lose_reply("Produce", topic=t, nth=3)),
    Case(
        "reply",
        "lose, silence",
        lambda f, t: f.lose_reply("Produce", then="silence", topic=t, nth=3),
    ),
    Case("reply", "tear", lambda f, t: f.tear_reply("Produce", topic=t, nth=3)),
    Case("write", "disk full", partial(_log, "disk_full")),
    Case("write", "disk error", partial(_log, "disk_error", at="write")),
    Case("write", "shorten, fail", partial(_log, "shorten_write", bytes_written=20)),
    Case("write", "shorten, crash", partial(_log, "shorten_write", bytes_written=20, then="crash")),
    Case("write", "delay", partial(_log, "delay", at="write", delay_ms=30)),
    Case("write", "crash", partial(_log, "crash", at="write")),
    Case("write", "crash after", partial(_log, "crash", at="write", side="after")),
    Case("flush", "delay", partial(_log, "delay", at="flush", delay_ms=30)),
    Case("flush", "disk error", partial(_log, "disk_error", at="flush")),
    Case("flush", "crash", partial(_log, "crash", at="flush")),
    Case("flush", "crash after", partial(_log, "crash", at="flush", side="after")),
    Case("create", "disk error", partial(_log, "disk_error", at="create")),
    Case("create", "crash", partial(_log, "crash", at="create")),
    Case("truncate", "disk error", partial(_log, "disk_error", at="truncate"), A_SEGMENT_EACH),
    Case("truncate", "crash", partial(_log, "crash", at="truncate"), A_SEGMENT_EACH),
    Case(
        "truncate",
        "crash after",
        partial(_log, "crash", at="truncate", side="after"),
        A_SEGMENT_EACH,
    ),
]


def configure(address: str, topic: str, configs: Mapping[str, str]) -> None:
    """Give a topic its configuration."""

    async def alter() -> None:
        async with Admin(bootstrap_servers=address) as admin:
            await admin.alter_configs(ConfigResource.topic(topic), configs)

    asyncio.run(alter())


def ours(address: str, topic: str) -> None:
    """Send with this package's client, which gives up connecting for the first time at once."""
    from minibroker.client import ConnectionFailed, Producer

    async def started() -> Producer[bytes, bytes]:
        async with asyncio.timeout(30):
            while True:
                producer: Producer[bytes, bytes] = Producer(
                    bootstrap_servers=address, request_timeout_ms=REQUEST_MS
                )
                try:
                    await producer.start()
                except ConnectionFailed:
                    await asyncio.sleep(0)
                else:
                    return producer

    async def send() -> None:
        producer = await started()
        try:
            for value in VALUES:
                await (await producer.send(topic, value=value))
        finally:
            await producer.stop()

    asyncio.run(send())


def kafka_python(address: str, topic: str) -> None:
    """Send with kafka-python."""
    from kafka import KafkaProducer

    producer = KafkaProducer(
        bootstrap_servers=address,
        enable_idempotence=True,
        request_timeout_ms=REQUEST_MS,
        bootstrap_timeout_ms=30_000,
        delivery_timeout_ms=30_000,
        reconnect_backoff_max_ms=200,
    )
    try:
        for value in VALUES:
            producer.send(topic, value).get(40)
    finally:
        producer.close(timeout=5)


def aiokafka(address: str, topic: str) -> None:
    """Send with aiokafka, which gives up connecting for the first time after one try."""
    from aiokafka import AIOKafkaProducer
    from aiokafka.errors import KafkaConnectionError

    async def started() -> Any:
        async with asyncio.timeout(30):
            while True:
                producer = AIOKafkaProducer(
                    bootstrap_servers=address,
                    enable_idempotence=True,
                    request_timeout_ms=REQUEST_MS,
                )
                try:
                    await producer.start()
                except KafkaConnectionError:
                    await producer.stop()
                    await asyncio.sleep(0)
                else:
                    return producer

    async def send() -> None:
        producer = await started()
        try:
            for value in VALUES:
                await producer.send_and_wait(topic, value)
        finally:
            await producer.stop()

    asyncio.run(send())


def confluent(address: str, topic: str) -> None:
    """Send with confluent-kafka."""
    from confluent_kafka import Producer

    producer = Producer(
        {
            "bootstrap.servers": address,
            "enable.idempotence": True,
            "socket.timeout.ms": REQUEST_MS,
            "request.timeout.ms": REQUEST_MS,
            "reconnect.backoff.max.ms": 200,
            "log_level": 0,
        }
    )
    failures: list[str] = []

    def note(error: Any, message: Any) -> None:
        if error is not None:
            failures.append(error.name())

    for value in VALUES:
        producer.produce(topic, value, on_delivery=note)
        producer.flush(40)
    if failures:
        raise RuntimeError(failures[0])


CLIENTS: dict[str, Callable[[str, str], None]] = {
    "ours": ours,
    "kafka-python": kafka_python,
    "aiokafka": aiokafka,
    "confluent-kafka": confluent,
}


@pytest.fixture(scope="module")
def broker() -> Iterator[ChildBroker]:
    with ChildBroker(durability="fsync") as made:
        yield made


@pytest.fixture(scope="module")
def cells() -> Iterator[dict[tuple[str, str, str], str]]:
    """What was seen; written to the page when it is complete."""
    seen: dict[tuple[str, str, str], str] = {}
    yield seen
    if len(seen) == len(CASES) * len(CLIENTS):
        PAGE.write_text(page(seen), encoding="utf-8")


def page(seen: dict[tuple[str, str, str], str]) -> str:
    """docs/faults.md."""
    lines = [
        "# Faults, and what producers make of them",
        "",
        f"An idempotent producer sends {RECORDS} records one after the other while the fault",
        "strikes once. Written by tests/interop/commands/test_fault_matrix.py. `once`: every",
        "record is acknowledged and stored exactly once. `once, restarted`: it died and was",
        "started again meanwhile. In the rows of `truncate` each record begins a segment, which",
        "makes sure that the one before ends with its last batch.",
        "",
        "Producers meet no `read`, `replace`, `rename` or `remove`: what the broker answers and",
        "keeps then, and at each other instant of storage, is in",
        "tests/system/directory/test_storage_faults.py.",
        "",
        f"| instant | action | {' | '.join(CLIENTS)} |",
        f"|---|---|{'---|' * len(CLIENTS)}",
    ]
    for each in CASES:
        cells = [seen[each.instant, each.action, client] for client in CLIENTS]
        lines.append(f"| {each.instant} | {each.action} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def attend(broker: ChildBroker, fault: RemoteFault, sending: Future[None]) -> bool:
    """Release what waits and start what has died until the client is done; whether it died."""
    from concurrent.futures import TimeoutError as NotYet

    has_died = False
    for _ in range(round(BOUND_S / NOTICED_S)):
        try:
            sending.result(NOTICED_S)
        except NotYet:
            if not broker.is_running:
                has_died = True
                broker.restart()
            elif fault.fired:
                fault.release()
        else:
            return has_died
    if not broker.is_running:  # a client that never gives up must come to an end
        broker.start()
    raise TimeoutError(f"the client is still at it after {BOUND_S} s: {fault}")


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("each", CASES, ids=lambda each: f"{each.instant}-{each.action}")
def test_each_record_is_stored_once(
    broker: ChildBroker,
    cells: dict[tuple[str, str, str], str],
    each: Case,
    client: str,
) -> None:
    logging.disable(logging.CRITICAL)
    if not broker.is_running:
        broker.start()
    broker.faults.clear()
    topic = broker.create_new_topic("matrix")
    if each.configs:
        configure(broker.bootstrap_servers, topic, each.configs)
    fault = each.strike(broker.faults, topic)
    with ThreadPoolExecutor(1) as pool:
        has_died = attend(
            broker, fault, pool.submit(CLIENTS[client], broker.bootstrap_servers, topic)
        )
    logging.disable(logging.NOTSET)
    assert fault.fired >= 1
    broker.faults.clear()
    assert broker.is_running
    broker.assert_stored_once(topic, VALUES)
    cells[each.instant, each.action, client] = "once, restarted" if has_died else "once"
