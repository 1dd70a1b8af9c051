"""EDGE: quotas as a client meets them: what is answered, when, and who else is heard meanwhile.

Each scene plays against ours or a real Kafka, and raises AssertionError where the broker does
otherwise. The figures are those of Apache Kafka 4.3.1.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.messages.create_topics import CreateTopicsRequest
from minibroker.protocol.messages.delete_acls import DeleteAclsRequest
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)

from tests.support.in_loop.looking import pause
from tests.support.security.quotas import set_quotas
from tests.support.security.rights import bobs, everything, make_topics
from tests.support.security.rights_requests import CLUSTER, OP, TOPIC, allow, create_topics, fetch
from tests.support.security.rights_stage import Stage
from tests.support.security.talk import CLOSED, METADATA, VERSIONS, Place

TELLING_S = 30.0  # the machine may be busy
BOUND_S = 60
RATE = 10_000.0
KB_20, KB_30 = 20_000, 30_000
LONG_MS = 900  # 2000, less up to 1000 for the window that has begun
SOON_MS = 700  # the machine may be busy; a throttled client waits for a second at least


async def play(place: Place, scene: Callable[[Place], Awaitable[None]]) -> None:
    """Play one, with bob who may do everything; what was set is taken away behind it."""
    admin = await place.open("PLAINTEXT")
    await make_topics(admin)
    await Stage(place, admin, await bobs(place)).may(
        allow(OP.ALL, TOPIC, "*"), allow(OP.ALL, CLUSTER)
    )
    try:
        async with asyncio.timeout(BOUND_S):
            await scene(place)
    finally:
        await set_quotas(admin, (), TELLING_S)
        await admin.answer(DeleteAclsRequest(filters=[everything()]), 3)


async def limit(
    place: Place, key: str, value: float, kind: str = "user", name: str = "bob"
) -> None:
    """Let there be this quota and no other."""
    await set_quotas(await place.open("PLAINTEXT"), [({kind: name}, key, value)], TELLING_S)


def produce(size_bytes: int, topic: str = "a") -> ProduceRequest:
    batch = build_batch([(None, b"x" * size_bytes, (), 1_700_000_000_000)])
    data = TopicProduceData(
        name=topic, partition_data=[PartitionProduceData(index=0, records=batch)]
    )
    return ProduceRequest(acks=-1, timeout_ms=5000, topic_data=[data])


async def a_producer_is_answered_at_once_and_not_heard_for_a_while(place: Place) -> None:
    await limit(place, "producer_byte_rate", RATE)
    talk = await bobs(place)
    throttled = []
    for _ in range(6):
        asked_at = monotonic()
        answer = await talk.answer(produce(KB_20), 9)
        throttled.append(answer.throttle_time_ms)
        assert answer.responses[0].partition_responses[0].error_code == 0
        if throttled[-1] > 500:
            break
    assert throttled[:4] == [0] * 4
    assert LONG_MS <= throttled[-1] <= 2100
    assert talk.took_ms < SOON_MS, "the answer itself comes at once"
    # Another connection of the same user is heard, and is told the same.
    other = await bobs(place)
    await other.answer(VERSIONS, 0)
    assert other.took_ms < SOON_MS
    await talk.answer(VERSIONS, 0)
    assert (monotonic() - asked_at) * 1000 >= throttled[-1]


async def a_consumer_that_has_had_enough_is_given_nothing(place: Place) -> None:
    await limit(place, "consumer_byte_rate", RATE)
    admin = await place.open("PLAINTEXT")
    await admin.answer(create_topics("large"), 7)
    while (
        (await admin.answer(produce(KB_30, "large"), 9))
        .responses[0]
        .partition_responses[0]
        .error_code
    ):
        continue
    talk = await bobs(place)
    wanted = fetch("large")
    wanted.topics[0].partitions[0].partition_max_bytes = 2 * KB_30
    answers = [await talk.answer(wanted, 11) for _ in range(4)]
    assert [each.throttle_time_ms for each in answers[:3]] == [0, 0, 0]
    assert answers[3].responses == []
    assert LONG_MS <= answers[3].throttle_time_ms <= 2100


async def time_of_the_broker(place: Place) -> None:
    await limit(place, "request_percentage", 0.0001)
    talk = await bobs(place)
    asked_at = monotonic()
    answer = await talk.answer(METADATA, 9)
    assert answer.throttle_time_ms == 1000
    await talk.answer(METADATA, 9)
    assert (monotonic() - asked_at) * 1000 >= LONG_MS


def codes(answer: Any) -> list[int]:
    return [each.error_code for each in answer.topics]


def topics(prefix: str) -> CreateTopicsRequest:
    asked = create_topics(f"{prefix}-1", f"{prefix}-2")
    for each in asked.topics:
        each.num_partitions = 4
    return asked


async def changes_of_topics(place: Place) -> None:
    await limit(place, "controller_mutation_rate", 1.0)
    first = await (await bobs(place)).answer(topics("a"), 5)
    assert (first.throttle_time_ms, codes(first)) == (0, [0, 0])
    # Of the burst of 11 three are left: enough for one more topic, and none for the second.
    strict = await (await bobs(place)).answer(topics("b"), 7)
    assert codes(strict) == [0, 89]
    assert 300 <= strict.throttle_time_ms <= 1000
    lenient = await (await bobs(place)).answer(topics("c"), 5)
    assert codes(lenient) == [0, 0]
    assert 7000 <= lenient.throttle_time_ms <= 9000


async def connections_of_an_address(place: Place) -> None:
    await limit(place, "connection_creation_rate", 1.0, "ip", "127.0.0.1")
    talks = [await place.open("PLAINTEXT") for _ in range(14)]
    seen = [await each.is_open() for each in talks]
    assert seen[:8] == ["open"] * 8
    assert seen[-1] == CLOSED
    assert talks[seen.index(CLOSED)].took_ms >= 1000 - SOON_MS


OTHER, MOST = "127.0.0.3", 2
OVERRIDES = {"max.connections.per.ip.overrides": f"{OTHER}:{MOST}"}


async def an_address_that_may_have_two_connections(place: Place) -> None:
    """In a broker with OVERRIDES."""
    first, second, third = [await place.open_from(OTHER) for _ in range(MOST + 1)]
    assert [await first.is_open(), await second.is_open()] == ["open", "open"]
    assert await third.is_open() == CLOSED
    assert third.took_ms < SOON_MS, "it is closed at once"
    assert await (await place.open("PLAINTEXT")).is_open() == "open"
    await first.close()
    while await (await place.open_from(OTHER)).is_open() == CLOSED:
        await pause()  # until the broker has seen its end
    assert await second.is_open() == "open"


async def who_has_no_quota_is_not_kept(place: Place) -> None:
    await limit(place, "producer_byte_rate", 1.0, name="eve")
    talk = await bobs(place)
    for _ in range(3):
        answer = await talk.answer(produce(KB_20), 9)
        assert answer.throttle_time_ms == 0


QUOTA_SCENES = [
    a_producer_is_answered_at_once_and_not_heard_for_a_while,
    a_consumer_that_has_had_enough_is_given_nothing,
    time_of_the_broker,
    changes_of_topics,
    connections_of_an_address,
    an_address_that_may_have_two_connections,
    who_has_no_quota_is_not_kept,
]
