"""Our client against a broker that alters each field of each answer, one at a time.

Every call ends within its bound, with a result or a ClientError, and stop() returns. What a lie
makes of a result is not judged here. `make lies` tells all lies there are, always and once; the
fast tests tell every 25th of each answer.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count
from random import Random
from typing import Any

import pytest
from minibroker.client import Admin, ClientError, Consumer, Producer, TopicPartition
from minibroker.client.administer.results import ConfigResource
from minibroker.client.cluster.cluster import Cluster
from minibroker.client.config import IsolationLevel, ProducerConfig, parse_servers
from minibroker.client.session.open_batch import Floor, OpenBatch
from minibroker.client.session.settler import Settler
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.codec.schema import ZERO_UUID
from minibroker.testing import TestBroker

from tests.support.in_loop.lying_broker import Lie, LyingBroker, lies_about, lying_broker
from tests.support.transactions.raw_producer import RawProducer

PATIENCE_MS = 400  # of every call
BOUND_S = 8.0  # of every call, on a busy machine
AT_ONCE = 16
ONLY_AFTER_LEADERS_MOVE = 23
TELLS_ALL = "ALL_LIES" in os.environ
STRIDE = 1 if TELLS_ALL else 25
ONCE = [False, True] if TELLS_ALL else [False]
NAMES = count()
PIDS = count(10**15)
Called = Callable[[Awaitable[Any]], Awaitable[Any]]


class Victim:
    """One client that is lied to: does all it can, and keeps what was not as it should be."""

    def __init__(self, liar: LyingBroker, lie: Lie) -> None:
        self.address = liar.address
        self.lie = lie
        self.name = f"victim-{next(NAMES)}"
        self.found: list[str] = []
        liar.lies[self.name] = lie

    async def call(self, what: str, awaited: Awaitable[Any]) -> Any:
        """What comes of a call, None for a ClientError."""
        try:
            async with asyncio.timeout(BOUND_S) as timeout:
                return await awaited
        except ClientError:
            return None
        except TimeoutError as error:
            is_hanging = timeout.expired()
            self.found.append(f"{self.lie}: {what} {'hangs' if is_hanging else repr(error)}")
        except BaseException as error:
            self.found.append(f"{self.lie}: {what} raised {error!r}")
        return None


async def produce(victim: Victim) -> None:
    producer = Producer(
        victim.address, client_id=victim.name, delivery_timeout_ms=PATIENCE_MS,
        max_block_ms=PATIENCE_MS, request_timeout_ms=PATIENCE_MS // 2, retry_backoff_ms=10,
        socket_connection_setup_timeout_ms=PATIENCE_MS,
    )  # fmt: skip
    await victim.call("start", producer.start())
    await victim.call("send_and_wait", producer.send_and_wait("t", b"v"))
    await victim.call("send_many", producer.send_many("t", [b"v"] * 3, partition=1))
    await victim.call("partitions_for", producer.partitions_for("other"))
    await victim.call("flush", producer.flush())
    producer.metrics()
    await victim.call("stop", producer.stop())


async def consume(
    victim: Victim, group_id: str | None, isolation_level: IsolationLevel = "read_uncommitted"
) -> None:
    consumer = Consumer(
        "t", bootstrap_servers=victim.address, client_id=victim.name, group_id=group_id,
        isolation_level=isolation_level,
        auto_offset_reset="earliest", request_timeout_ms=PATIENCE_MS, fetch_max_wait_ms=50,
        session_timeout_ms=6_000, heartbeat_interval_ms=50, retry_backoff_ms=10,
        auto_commit_interval_ms=50, socket_connection_setup_timeout_ms=PATIENCE_MS,
    )  # fmt: skip
    await victim.call("start", consumer.start())
    for _ in range(3):
        await victim.call("getmany", consumer.getmany(timeout_ms=PATIENCE_MS / 4))
    places = [TopicPartition("t", 0), TopicPartition("t", 1)]
    limit = {"timeout_ms": PATIENCE_MS}
    if group_id is not None:
        await victim.call("commit", consumer.commit({places[0]: 1}, **limit))
        await victim.call("committed", consumer.committed(places[0], **limit))
    await victim.call("end_offsets", consumer.end_offsets(places))
    await victim.call("beginning_offsets", consumer.beginning_offsets(places))
    await victim.call("offsets_for_times", consumer.offsets_for_times({places[0]: 0}))
    if places[0] in consumer.assignment():
        await victim.call("position", consumer.position(places[0], **limit))
        await victim.call("seek_to_beginning", consumer.seek_to_beginning())
        await victim.call("lag", consumer.lag())
    await victim.call("getmany", consumer.getmany(timeout_ms=PATIENCE_MS / 4))
    consumer.metrics()
    await victim.call("stop", consumer.stop())


async def administer(victim: Victim) -> None:
    admin = Admin(
        victim.address, client_id=victim.name, timeout_ms=PATIENCE_MS,
        request_timeout_ms=PATIENCE_MS, retry_backoff_ms=10,
        socket_connection_setup_timeout_ms=PATIENCE_MS,
    )  # fmt: skip
    topic, group, place = f"of-{victim.name}", f"g-{victim.name}", TopicPartition("t", 0)
    resource = ConfigResource.topic("t")
    await victim.call("start", admin.start())
    calls: dict[str, Awaitable[Any]] = {
        "describe_cluster": admin.describe_cluster(),
        "create_topic": admin.create_topic(topic, num_partitions=1),
        "create_partitions": admin.create_partitions(topic, 2),
        "list_topics": admin.list_topics(),
        "describe_topics": admin.describe_topics(["t"]),
        "describe_log_dirs": admin.describe_log_dirs(1),
        "describe_configs": admin.describe_configs(
            resource, include_synonyms=True, include_documentation=True
        ),
        "alter_configs": admin.alter_configs(resource, {"retention.ms": "100000000"}),
        "list_offsets": admin.list_offsets({place: -1}),
        "delete_records": admin.delete_records({place: 0}),
        "alter_group_offsets": admin.alter_group_offsets(group, {place: 0}),
        "list_group_offsets": admin.list_group_offsets(group),
        "list_groups": admin.list_groups(),
        "describe_group": admin.describe_group(group),
        "delete_group_offsets": admin.delete_group_offsets(group, [place]),
        "remove_member": admin.remove_member(group, "nobody"),
        "delete_group": admin.delete_group(group),
        "delete_topics": admin.delete_topics([topic]),
        "upsert_user_scram_credential": admin.upsert_user_scram_credential(
            group, "SCRAM-SHA-256", "a password"
        ),
        "describe_user_scram_credentials": admin.describe_user_scram_credentials(),
        "delete_user_scram_credential": admin.delete_user_scram_credential(group, "SCRAM-SHA-256"),
    }
    for what, awaited in calls.items():
        await victim.call(what, awaited)
    await victim.call("stop", admin.stop())


async def look_at_transactions(victim: Victim) -> None:
    admin = Admin(
        victim.address, client_id=victim.name, timeout_ms=PATIENCE_MS,
        request_timeout_ms=PATIENCE_MS, retry_backoff_ms=10,
        socket_connection_setup_timeout_ms=PATIENCE_MS,
    )  # fmt: skip
    place = TopicPartition("t", 0)
    async with RawProducer(victim.address, victim.name) as writer:  # to which nobody lies
        began_at = await writer.write(place, b"v")
    await victim.call("start", admin.start())
    calls: dict[str, Awaitable[Any]] = {
        "list_transactions": admin.list_transactions(),
        "describe_transactions": admin.describe_transactions([victim.name]),
        "describe_producers": admin.describe_producers([place]),
        "find_hanging_transactions": admin.find_hanging_transactions(
            [place], max_transaction_timeout_ms=0
        ),
        "abort_transaction": admin.abort_transaction(place, began_at),
        "force_terminate_transaction": admin.force_terminate_transaction(victim.name),
    }
    for what, awaited in calls.items():
        await victim.call(what, awaited)
    await victim.call("stop", admin.stop())


async def settle(victim: Victim) -> None:
    """What a settler is told of a log of 20 batches, with a batch of its own to be sent."""
    config = ProducerConfig(
        bootstrap_servers=parse_servers(victim.address), client_id=victim.name,
        request_timeout_ms=PATIENCE_MS // 2, retry_backoff_ms=10,
        socket_connection_setup_timeout_ms=PATIENCE_MS,
    )  # fmt: skip
    cluster = Cluster(config, Random(1), lambda: None)
    settler = Settler(config, cluster, Random(1), gone_after_ms=PATIENCE_MS / 4)
    pid = next(PIDS)
    wire = build_batch([(None, b"v", (), 0)], producer_id=pid, producer_epoch=0, base_sequence=0)
    batch = OpenBatch(0, "t", ZERO_UUID, 0, pid, 0, 0, 1, 0, wire)
    floor = Floor("t", 0, pid, 0, offset=0, leader_epoch=0, last_sequence=0)

    async def settled() -> None:
        with suppress(TimeoutError):  # it waits for brokers for as long as it is let
            async with asyncio.timeout(PATIENCE_MS / 1000):
                await settler.settle([batch], {pid: floor})

    await victim.call("start", cluster.start())
    await victim.call("find_stale", settler.find_stale([floor], PATIENCE_MS))
    await victim.call("settle", settled())
    await victim.call("stop", cluster.stop())


# Which client asks what, by API key.
PRODUCERS = (0, 3, 18, 22)
READERS = (1, 2, 3, 18, 23)
MEMBERS = (8, 9, 10, 11, 12, 13, 14)
ADMINS = (2, 3, 8, 9, 10, 13, 15, 16, 18, 19, 20, 21, 32, 35, 37, 42, 44, 47, 60, 50, 51)
LOOKERS = (3, 10, 18, 22, 27, 61, 65, 66)
SETTLERS = (0, 1, 2, 3, 23, 61)
LOADS: list[tuple[Callable[[Victim], Awaitable[None]], tuple[int, ...]]] = [
    (produce, PRODUCERS),
    (lambda victim: consume(victim, None), READERS),
    (lambda victim: consume(victim, None, "read_committed"), (1, 2)),
    (lambda victim: consume(victim, victim.name), MEMBERS),
    (administer, ADMINS),
    (look_at_transactions, LOOKERS),
    (settle, SETTLERS),
]
IDS = ["producer", "reader", "reader of committed", "member", "admin", "looker", "settler"]


async def prepared(broker: TestBroker, address: str) -> None:
    broker.create_topic("t", partitions=2)
    async with Producer(address, client_id="honest") as producer:
        for partition in (0, 1):
            await producer.send_many("t", [b"v"] * 20, partition=partition)


@pytest.mark.parametrize(("load", "keys"), LOADS, ids=IDS)
@pytest.mark.parametrize("is_once", ONCE, ids=lambda is_once: "once" if is_once else "always")
async def test_whatever_a_broker_says_calls_end_and_raise_client_errors_only(
    load: Callable[[Victim], Awaitable[None]], keys: tuple[int, ...], is_once: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.CRITICAL, "minibroker")
    found: list[str] = []
    told: dict[int, int] = {}
    async with lying_broker() as (liar, broker):
        await prepared(broker, liar.address)
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(lie: Lie) -> None:
            async with gate:
                victim = Victim(liar, lie._replace(is_once=is_once))
                with suppress(asyncio.CancelledError):
                    await load(victim)
                found.extend(victim.found)
                told[lie.api_key] = told.get(lie.api_key, 0) + liar.told.get(victim.name, 0)

        lies = [lie for key in keys for lie in [*lies_about(key)][::STRIDE]]
        async with asyncio.TaskGroup() as group:
            for lie in lies:
                group.create_task(one(lie))
    assert not found, "\n".join(found[:40])
    missed = [key for key in keys if not told.get(key) and key != ONLY_AFTER_LEADERS_MOVE]
    assert not missed or not TELLS_ALL, "every API is asked, and lied about"
    assert len(missed) < len(keys), "lies were told"


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (("brokers", "host"), ".."),
        (("brokers", "host"), "nobody\0knows"),
        (("brokers", "port"), 2**31 - 1),
        (("brokers", "port"), -1),
        (("brokers", "node_id"), 2**31 - 1),
        (("topics", "partitions", "leader_id"), 77),
    ],
)
async def test_an_address_that_is_none_is_asked_for_again(path: tuple[str, ...], told: Any) -> None:
    async with lying_broker() as (liar, broker):
        broker.create_topic("t")
        async with Producer(liar.address, client_id="victim", retry_backoff_ms=5) as producer:
            await producer.partitions_for("t")
            liar.lies["victim"] = Lie(3, path, told)
            await producer._sending.cluster.refresh()
            for connection in [*producer._sending.cluster._connections.values()]:
                connection.abort()
            sending = asyncio.ensure_future(producer.send_and_wait("t", b"v"))
            await asyncio.wait([sending], timeout=0.2)
            del liar.lies["victim"]
            async with asyncio.timeout(BOUND_S):
                await sending
    assert liar.told["victim"]
