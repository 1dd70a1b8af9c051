"""Admin: properties, directories, the broker's own words, and answers that leave something out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from minibroker.client import (
    Admin,
    ClientError,
    ConfigResource,
    ConfigSource,
    ConfigType,
    Consumer,
    ErrorCode,
    Fatal,
    Producer,
    Retriable,
    TopicPartition,
)
from minibroker.client.administer.asking import Asking
from minibroker.protocol.messages.delete_topics import (
    DeletableTopicResult,
    DeleteTopicsRequest,
)
from minibroker.testing import TestBroker

from tests.support.in_loop.lying_broker import NONE_LEFT, Lie, lying_broker

BOUND_S = 5.0
DESCRIBE_CLUSTER_KEY, DESCRIBE_CONFIGS_KEY = 60, 32
P0 = TopicPartition("t", 0)
TOPIC = ConfigResource.topic("t")


@pytest.fixture
async def broker() -> AsyncIterator[TestBroker]:
    async with TestBroker(settings={"auto.create.topics.enable": "false"}) as broker:
        broker.create_topic("t", 2)
        yield broker


@pytest.fixture
async def admin(broker: TestBroker) -> AsyncIterator[Admin]:
    async with Admin(broker.bootstrap_servers, timeout_ms=2_000) as admin:
        yield admin


async def refusal(call: Awaitable[object]) -> ClientError:
    with pytest.raises(ClientError) as caught:
        async with asyncio.timeout(BOUND_S):
            await call
    return caught.value


async def test_a_property_tells_where_else_it_has_a_value_and_what_it_is_for(admin: Admin) -> None:
    await admin.alter_configs(ConfigResource.broker(None), {"log.segment.bytes": "2000000"})
    await admin.alter_configs(TOPIC, {"segment.bytes": "3000000"})
    plain = (await admin.describe_configs(TOPIC))["segment.bytes"]
    assert (plain.synonyms, plain.documentation) == ((), None)
    assert plain.type is ConfigType.INT
    told = await admin.describe_configs(TOPIC, include_synonyms=True, include_documentation=True)
    found = told["segment.bytes"]
    assert [(each.name, each.value, each.source) for each in found.synonyms] == [
        ("segment.bytes", "3000000", ConfigSource.DYNAMIC_TOPIC_CONFIG),
        ("log.segment.bytes", "2000000", ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG),
        ("log.segment.bytes", "1073741824", ConfigSource.DEFAULT_CONFIG),
    ]
    assert found.documentation
    assert told["cleanup.policy"].type is ConfigType.LIST


async def test_a_broker_that_has_no_documentation_is_not_asked_for_it(admin: Admin) -> None:
    """The field is there since version 3 of the request: before, it could not be encoded."""
    connection = await admin._cluster.any_connection()
    connection.versions[DESCRIBE_CONFIGS_KEY] = (1, 2)
    told = await admin.describe_configs(TOPIC, include_synonyms=True, include_documentation=True)
    assert told["segment.bytes"].synonyms
    assert told["segment.bytes"].documentation is None
    assert told["segment.bytes"].type is ConfigType.UNKNOWN


async def test_directories_tell_what_lies_in_them(broker: TestBroker, admin: Admin) -> None:
    async with Producer(broker.bootstrap_servers) as producer:
        await producer.send_and_wait("t", b"v" * 1_000, partition=1)
    (found,) = (await admin.describe_log_dirs(1)).values()
    assert (found.path, found.error) == ("memory", ErrorCode.NONE)
    sizes = {(each.topic, each.partition): each.size_bytes for each in found.replicas}
    assert sizes.keys() == {("t", 0), ("t", 1)}
    assert sizes["t", 0] == 0
    assert 1_000 < sizes["t", 1] < 1_200
    (some,) = (await admin.describe_log_dirs(1, [P0, TopicPartition("no", 0)])).values()
    assert [(each.topic, each.partition) for each in some.replicas] == [P0]
    assert not some.replicas[0].is_future
    late = await refusal(admin.describe_log_dirs(77))
    assert isinstance(late, Retriable)
    assert "node id 77" in str(late)


async def test_a_broker_older_than_describe_cluster_is_described_by_its_metadata(
    admin: Admin,
) -> None:
    told = await admin.describe_cluster()
    connection = await admin._cluster.any_connection()
    del connection.versions[DESCRIBE_CLUSTER_KEY]
    assert await admin.describe_cluster() == told


async def test_topics_of_the_broker_itself_are_listed_only_if_asked_for() -> None:
    """Ours shows none of its own, so it is made to say so of another."""
    async with lying_broker() as (liar, broker):
        broker.create_topic("t")
        liar.lies["victim"] = Lie(3, ("topics", "is_internal"), True)
        async with Admin(liar.address, client_id="victim") as admin:
            assert await admin.list_topics() == []
            assert await admin.list_topics(list_internal=True) == ["t"]


async def test_an_error_keeps_the_brokers_own_words_apart(admin: Admin) -> None:
    said = await refusal(admin.create_topic("t"))
    assert said.reason == "topic t exists already"
    assert str(said).endswith(f"{said.reason}; delete it first, or use another name")
    said = await refusal(admin.alter_configs(TOPIC, {"retention.ms": "x"}))
    assert said.reason == "retention.ms=x: expected a whole number"
    told_nothing = await refusal(admin.describe_topics(["nope"]))
    assert (told_nothing.code.name, told_nothing.reason) == ("UNKNOWN_TOPIC_OR_PARTITION", None)


async def test_the_reason_of_a_refused_record_is_the_brokers(broker: TestBroker) -> None:
    async with Admin(broker.bootstrap_servers) as admin:
        await admin.alter_configs(TOPIC, {"message.timestamp.before.max.ms": "1000"})
    async with Producer(broker.bootstrap_servers) as producer:
        said = await refusal(producer.send_and_wait("t", b"old", timestamp_ms=1_000))
    assert said.code is ErrorCode.INVALID_TIMESTAMP
    assert said.reason
    assert said.reason in str(said)


async def test_what_was_deleted_is_not_missed_when_the_rest_is_asked_for_again(
    broker: TestBroker, admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.create_topic("u")
    answers = Asking.request
    asked: list[list[str]] = []

    async def first_only_one(self: Asking, connection: Any, message: Any) -> Any:
        if not isinstance(message, DeleteTopicsRequest):
            return await answers(self, connection, message)
        asked.append([each.name or "" for each in message.topics])
        if len(asked) > 1:
            return await answers(self, connection, message)
        message.topics = [each for each in message.topics if each.name == "t"]
        answer = await answers(self, connection, message)
        late = DeletableTopicResult(name="u", error_code=ErrorCode.REQUEST_TIMED_OUT)
        answer.responses.append(late)
        return answer

    monkeypatch.setattr(Asking, "request", first_only_one)
    await admin.delete_topics(["u", "t"])
    assert asked == [["t", "u"], ["u"]]
    assert await admin.list_topics() == []


async def test_topics_beside_one_that_is_refused_are_deleted(admin: Admin) -> None:
    said = await refusal(admin.delete_topics(["nope", "t"]))
    assert "nope: UNKNOWN_TOPIC_OR_PARTITION" in str(said)
    assert await admin.list_topics() == []


OMISSIONS: list[tuple[str, Lie, Callable[[Admin], Awaitable[object]]]] = [
    ("create_topic", Lie(19, ("topics",), NONE_LEFT), lambda admin: admin.create_topic("n")),
    (
        "delete_topics",
        Lie(20, ("responses",), NONE_LEFT),
        lambda admin: admin.delete_topics(["t"]),
    ),
    (
        "create_partitions",
        Lie(37, ("results",), NONE_LEFT),
        lambda admin: admin.create_partitions("t", 3),
    ),
    ("describe_topics", Lie(3, ("topics",), NONE_LEFT), lambda admin: admin.describe_topics(["t"])),
    (
        "describe_configs",
        Lie(32, ("results",), NONE_LEFT),
        lambda admin: admin.describe_configs(TOPIC),
    ),
    (
        "alter_configs",
        Lie(44, ("responses",), NONE_LEFT),
        lambda admin: admin.alter_configs(TOPIC, {"retention.ms": "1000"}),
    ),
    (
        "delete_records",
        Lie(21, ("topics", "partitions"), NONE_LEFT),
        lambda admin: admin.delete_records({P0: 0}),
    ),
    (
        "alter_group_offsets",
        Lie(8, ("topics",), NONE_LEFT),
        lambda admin: admin.alter_group_offsets("g", {P0: 0}),
    ),
    (
        "delete_group_offsets",
        Lie(47, ("topics",), NONE_LEFT),
        lambda admin: admin.delete_group_offsets("g", [P0]),
    ),
]


@pytest.mark.parametrize(
    ("lie", "call"), [each[1:] for each in OMISSIONS], ids=[each[0] for each in OMISSIONS]
)
async def test_an_answer_that_leaves_out_what_was_asked_is_no_yes(
    lie: Lie, call: Callable[[Admin], Awaitable[object]]
) -> None:
    async with lying_broker() as (liar, broker):
        broker.create_topic("t")
        async with Admin(liar.address, client_id="victim") as admin:
            await admin.alter_group_offsets("g", {P0: 0})
            liar.lies["victim"] = lie
            with pytest.raises(Fatal, match="the broker's answer makes no sense"):
                async with asyncio.timeout(BOUND_S):
                    await call(admin)
    assert liar.told["victim"] == 1


async def test_many_topics_are_asked_for_at_once(broker: TestBroker) -> None:
    """One by one, and each time all so far, would be the square of their number."""
    names = [f"many-{n}" for n in range(30)]
    for name in names:
        broker.create_topic(name)
    async with Admin(broker.bootstrap_servers) as admin:
        before = admin._cluster.figures.request_total
        found = await admin.list_offsets(dict.fromkeys([TopicPartition(n, 0) for n in names], 0))
        assert len(found) == len(names)
        assert admin._cluster.figures.request_total - before <= 3
    async with Consumer(*names, bootstrap_servers=broker.bootstrap_servers) as consumer:
        assert len(consumer.assignment()) == len(names)
        assert consumer._cluster.figures.request_total <= 4
