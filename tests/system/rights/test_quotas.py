"""Quotas as a client meets them: what is answered, when, and who else is heard meanwhile.

The figures are those of Apache Kafka 4.3.1.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.messages.alter_client_quotas import (
    AlterClientQuotasRequest,
    EntityData,
    EntryData,
    OpData,
)
from minibroker.protocol.messages.create_topics import CreateTopicsRequest
from minibroker.protocol.messages.describe_client_quotas import (
    ComponentData,
    DescribeClientQuotasRequest,
)
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)

from tests.support.security.listeners import Authority
from tests.support.security.rights_requests import create_topics, fetch
from tests.support.security.secured_broker import secured_broker
from tests.support.security.talk import METADATA, VERSIONS, Place, Talk

RATE = 10_000.0
KB_20, KB_30 = 20_000, 30_000
SOON_MS = 700  # the machine may be busy; a throttled client waits for a second at least


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with secured_broker(Authority(tmp_path)) as (_, place):
        admin = await place.open("PLAINTEXT")
        await admin.answer(create_topics("a"), 7)
        yield place


async def limit(
    place: Place, key: str, value: float, kind: str = "user", name: str = "bob"
) -> None:
    admin = await place.open("PLAINTEXT")
    entry = EntryData(
        entity=[EntityData(entity_type=kind, entity_name=name)],
        ops=[OpData(key=key, value=value, remove=False)],
    )
    answer = await admin.answer(AlterClientQuotasRequest(entries=[entry], validate_only=False), 1)
    assert [each.error_code for each in answer.entries] == [0]


async def bob(place: Place) -> Talk:
    talk = await place.open("SASL_PLAINTEXT")
    await talk.handshake("PLAIN")
    assert (await talk.token(b"\0bob\0bob-secret")).startswith("0")
    return talk


def produce(size_bytes: int) -> ProduceRequest:
    batch = build_batch([(None, b"x" * size_bytes, (), 1_700_000_000_000)])
    data = TopicProduceData(name="a", partition_data=[PartitionProduceData(index=0, records=batch)])
    return ProduceRequest(acks=-1, timeout_ms=5000, topic_data=[data])


async def test_a_producer_is_answered_at_once_and_not_heard_for_a_while(place: Place) -> None:
    await limit(place, "producer_byte_rate", RATE)
    talk = await bob(place)
    throttled = []
    for _ in range(6):
        answer = await talk.answer(produce(KB_20), 9)
        throttled.append(answer.throttle_time_ms)
        assert answer.responses[0].partition_responses[0].error_code == 0
        if throttled[-1] > 1000:
            break
    assert throttled[:4] == [0] * 4
    assert 1500 <= throttled[-1] <= 2100
    assert talk.took_ms < SOON_MS, "the answer itself comes at once"
    # Another connection of the same user is heard, and is told the same.
    other = await bob(place)
    await other.answer(VERSIONS, 0)
    assert other.took_ms < SOON_MS
    began = monotonic()
    await talk.answer(VERSIONS, 0)
    assert (monotonic() - began) * 1000 >= throttled[-1] - SOON_MS


async def test_a_consumer_that_has_had_enough_is_given_nothing(place: Place) -> None:
    await limit(place, "consumer_byte_rate", RATE)
    admin = await place.open("PLAINTEXT")
    await admin.answer(produce(KB_30), 9)
    talk = await bob(place)
    wanted = fetch("a")
    wanted.topics[0].partitions[0].partition_max_bytes = 2 * KB_30
    answers = [await talk.answer(wanted, 11) for _ in range(4)]
    assert [each.throttle_time_ms for each in answers[:3]] == [0, 0, 0]
    assert answers[3].responses == []
    assert 1800 <= answers[3].throttle_time_ms <= 2100


async def test_time_of_the_broker(place: Place) -> None:
    await limit(place, "request_percentage", 0.0001)
    talk = await bob(place)
    answer = await talk.answer(METADATA, 9)
    assert answer.throttle_time_ms == 1000
    await talk.answer(METADATA, 9)
    assert talk.took_ms >= 900


def codes(answer: Any) -> list[int]:
    return [each.error_code for each in answer.topics]


def topics(prefix: str) -> CreateTopicsRequest:
    asked = create_topics(f"{prefix}-1", f"{prefix}-2")
    for each in asked.topics:
        each.num_partitions = 4
    return asked


async def test_changes_of_topics(place: Place) -> None:
    await limit(place, "controller_mutation_rate", 1.0)
    first = await (await bob(place)).answer(topics("a"), 5)
    assert (first.throttle_time_ms, codes(first)) == (0, [0, 0])
    # Of the burst of 11 three are left: enough for one more topic, and none for the second.
    strict = await (await bob(place)).answer(topics("b"), 7)
    assert codes(strict) == [0, 89]
    assert 300 <= strict.throttle_time_ms <= 1000
    lenient = await (await bob(place)).answer(topics("c"), 5)
    assert codes(lenient) == [0, 0]
    assert 7000 <= lenient.throttle_time_ms <= 9000


async def test_connections_of_an_address(place: Place) -> None:
    await limit(place, "connection_creation_rate", 1.0, "ip", "127.0.0.1")
    talks = [await place.open("PLAINTEXT") for _ in range(14)]
    seen = [await each.is_open() for each in talks]
    assert seen[:8] == ["open"] * 8
    assert "closed" in seen


async def test_who_has_no_quota_is_not_kept(place: Place) -> None:
    await limit(place, "producer_byte_rate", 1.0, name="eve")
    talk = await bob(place)
    for _ in range(3):
        answer = await talk.answer(produce(KB_20), 9)
        assert answer.throttle_time_ms == 0


async def test_what_is_told_of_them(place: Place) -> None:
    await limit(place, "producer_byte_rate", RATE)
    admin = await place.open("PLAINTEXT")
    exact = ComponentData(entity_type="user", match_type=0, match="bob")
    answer = await admin.answer(DescribeClientQuotasRequest(components=[exact], strict=True), 1)
    (entry,) = answer.entries
    assert [(each.key, each.value) for each in entry.values] == [("producer_byte_rate", RATE)]
    unknown = ComponentData(entity_type="zzz", match_type=2, match=None)
    answer = await admin.answer(DescribeClientQuotasRequest(components=[unknown], strict=False), 1)
    assert (answer.error_code, answer.error_message, answer.entries) == (
        35,
        "Unsupported entity type zzz",
        None,
    )
