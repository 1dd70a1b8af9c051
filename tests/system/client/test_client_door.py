"""What cannot be is refused in the call that hands it over, and nobody else notices."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from minibroker.client import Admin, ClientError, Consumer, Producer, TopicPartition
from minibroker.client.config import (
    AdminConfig,
    ConnectionConfig,
    ConsumerConfig,
    ProducerConfig,
)
from minibroker.testing import TestBroker

from tests.support.in_loop.wrong_arguments import (
    CALLS,
    HEADERS,
    LONE_SURROGATE,
    NAN,
    arguments,
)
from tests.support.sizes import size

BOUND_S = 5.0
Client = Producer | Consumer | Admin
WRONG = [
    pytest.param(kind, method, name, id=f"{kind.__name__}.{method}-{name}")
    for kind, methods in CALLS.items()
    for method, parameters in methods.items()
    for name in parameters
]


def public_calls(kind: type[Any]) -> dict[str, list[str]]:
    """Every public method, and the names of its parameters."""
    found = {}
    for name, member in inspect.getmembers(kind, inspect.isfunction):
        if not name.startswith("_"):
            found[name] = [each for each in inspect.signature(member).parameters if each != "self"]
    return found


@pytest.mark.parametrize("kind", CALLS)
def test_every_parameter_of_every_public_call_is_tried(kind: type[Any]) -> None:
    assert {name: [*each] for name, each in CALLS[kind].items()} == public_calls(kind)


@pytest.fixture
async def broker() -> AsyncIterator[TestBroker]:
    async with TestBroker() as broker:
        broker.create_topic("t")
        yield broker


async def started(kind: type[Client], broker: TestBroker) -> Client:
    client: Client
    if kind is Consumer:
        client = Consumer(bootstrap_servers=broker.bootstrap_servers, group_id="g")
    else:
        client = kind(broker.bootstrap_servers)
    await client.start()
    if isinstance(client, Consumer):
        client.assign([TopicPartition("t", 0)])
    return client


async def ended(client: Client, method: str, given: dict[str, Any]) -> None:
    """Call it and wait for what it returns, within a bound."""
    async with asyncio.timeout(BOUND_S):
        answer = called(client, method, given)
        if inspect.isawaitable(answer):
            await answer


def called(client: Client, method: str, given: dict[str, Any]) -> Any:
    """Call it; parameters that stand for any number are given by position."""
    call = getattr(client, method)
    positional = [
        given.pop(name)
        for name, each in inspect.signature(call).parameters.items()
        if each.kind is inspect.Parameter.VAR_POSITIONAL and name in given
    ]
    return call(*positional, **given)


@pytest.mark.parametrize(("kind", "method", "name"), WRONG)
async def test_what_cannot_be_is_refused_by_name(
    broker: TestBroker, kind: type[Client], method: str, name: str
) -> None:
    client = await started(kind, broker)
    try:
        if method == "subscribe":
            called(client, "unsubscribe", {})
        for value in CALLS[kind][method][name].wrong:
            with pytest.raises((TypeError, ValueError)) as caught:
                await ended(client, method, arguments(kind, method, name, value))
            assert name.removesuffix("s") in str(caught.value), (value, caught.value)
            assert not isinstance(caught.value, ClientError)
    finally:
        async with asyncio.timeout(BOUND_S):
            await client.stop()
    assert broker.records("t") == []


KINDS: dict[type[Any], type[ConnectionConfig]] = {
    Producer: ProducerConfig,
    Consumer: ConsumerConfig,
    Admin: AdminConfig,
}
NO_OPTION_OF_TYPE: dict[object, tuple[Any, ...]] = {
    "int": (None, "5", 1.5, True, -1, 2**70),
    "float": (None, "5", NAN, True, -1, 2**70),
    "float | None": (-1, NAN, "5", True),
    "bool": (None, 0, "yes"),
    "str": (None, 7, b"x", LONE_SURROGATE),
    "str | None": (7, b"x", LONE_SURROGATE),
}
NO_OPTION: dict[str, tuple[Any, ...]] = {
    "bootstrap_servers": (*(None, 7, b"h:1", [7], "h:0", "h:65536", "h:x", "h\0:1", ":9", "", []),),
    **dict.fromkeys(("key_serializer", "value_serializer", "partitioner"), (7, "f")),
    **dict.fromkeys(("key_deserializer", "value_deserializer"), (7, "f")),
    "security_protocol": ("TLS", "ssl", None, 7, []),
    "sasl_mechanism": ("GSSAPI", "plain", 7, []),
    "ssl_context": (7, "context", True),
    "sasl_oauth_token_provider": (7, "token"),
    "acks": (2, "1", None, True, 1.0),
    "compression_type": ("brotli", None, 7, []),
    "session_durability": ("memory", None, 7, []),
    "auto_offset_reset": ("newest", None, 7, []),
    "isolation_level": ("read_all", None, 7, []),
    "partition_assignment_strategy": ("range", [], ["best"], 7),
}


def no_options(kind: type[Any], config: type[ConnectionConfig]) -> dict[str, tuple[Any, ...]]:
    """What each option of a client cannot be."""
    types = {each.name: NO_OPTION_OF_TYPE.get(each.type) for each in fields(config) if each.init}
    wrong = NO_OPTION | {name: values for name, values in types.items() if values}
    return {name: wrong[name] for name in inspect.signature(kind).parameters if name in wrong}


OPTIONS = [
    (kind, name, wrong)
    for kind, config in KINDS.items()
    for name, wrong in no_options(kind, config).items()
]


@pytest.mark.parametrize(("kind", "name", "wrong"), OPTIONS)
async def test_an_option_that_cannot_be_is_refused_by_name(
    kind: Callable[..., Any], name: str, wrong: tuple[Any, ...]
) -> None:
    for value in wrong:
        with pytest.raises((TypeError, ValueError)) as caught:
            kind(**{name: value})
        words = {name, name.replace("_", " "), "bootstrap server"}
        assert any(word in str(caught.value) for word in words), (value, caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_every_option_is_tried(kind: type[Any]) -> None:
    tried = {name for each, name, _ in OPTIONS if each is kind}
    assert tried == {*inspect.signature(kind).parameters} - {"topics"}


async def test_hosts_without_a_port_and_a_batch_size_of_nothing(broker: TestBroker) -> None:
    assert Producer("[::1],example.org")._config.bootstrap_servers == (
        ("::1", 9092),
        ("example.org", 9092),
    )
    async with Producer(broker.bootstrap_servers, batch_size=0) as producer:
        await producer.send_many("t", [b"a", b"b"])
    broker.assert_stored_once("t", [b"a", b"b"])


async def test_headers_are_taken_in_the_call_whatever_they_are(broker: TestBroker) -> None:
    async with Producer(broker.bootstrap_servers) as producer:
        buffer: Any = bytearray(b"first")
        pairs = [("h", buffer)]
        await producer.send("t", buffer, key=buffer, headers=pairs)
        buffer[:] = b"other"
        pairs.append(("late", b""))
        await producer.send("t", b"2", headers=iter(HEADERS.right()))
        await producer.send("t", b"3", headers={"m": "text"})
        await producer.send("t", b"4", headers=None)
    read = [(each.key, each.value, [*each.headers]) for each in broker.records("t")]
    assert read == [
        (b"first", b"first", [("h", b"first")]),
        (None, b"2", [("h", b"1"), ("t", b"text"), ("n", None)]),
        (None, b"3", [("m", b"text")]),
        (None, b"4", []),
    ]


async def test_what_is_iterated_is_read_once_and_whole(broker: TestBroker) -> None:
    async with Producer(broker.bootstrap_servers) as producer:
        receipts = await producer.send_many(
            "t",
            (b"%d" % n for n in range(3)),
            (b"k%d" % n for n in range(3)),
            headers=([("n", str(n))] for n in range(3)),
            timestamps=(1_000 + n for n in range(3)),
        )
    assert [each.timestamp for each in receipts] == [1_000, 1_001, 1_002]
    stored = [(each.key, each.value, [*each.headers]) for each in broker.records("t")]
    assert stored == [(b"k%d" % n, b"%d" % n, [("n", b"%d" % n)]) for n in range(3)]
    async with Consumer(
        bootstrap_servers=broker.bootstrap_servers, auto_offset_reset="earliest"
    ) as consumer:
        consumer.assign(TopicPartition("t", n) for n in range(1))
        assert (await consumer.getone()).value == b"0"


VIEWS: Any = st.binary().map(memoryview)
ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(0, 2**63 - 1), st.floats(), st.text(),
    st.binary(max_size=40), st.binary().map(bytearray), VIEWS,
    st.lists(st.tuples(st.text(), st.none() | st.text() | st.binary()), max_size=3),
    st.lists(st.tuples(st.text() | st.binary(), st.integers() | st.text()), max_size=2),
    st.dictionaries(st.text(), st.binary(), max_size=2), st.just(object()), st.just("t"),
)  # fmt: skip
ARGUMENTS = st.fixed_dictionaries(
    {"topic": st.just("t") | ANYTHING, "value": ANYTHING},
    optional={
        name: ANYTHING | st.just(right)
        for name, right in (("key", b"k"), ("partition", 0), ("timestamp_ms", 5), ("headers", None))
    },
)


def test_an_error_at_the_call_or_a_record_and_neighbours_stored_either_way() -> None:
    """Kafka's brokers refuse times far ahead; ours is told to take any."""
    settings_ = {"log.message.timestamp.after.max.ms": str(2**63 - 1)}
    with asyncio.Runner() as runner:

        async def begin() -> tuple[TestBroker, Producer]:
            broker = TestBroker(settings=settings_)
            await broker.start()
            broker.create_topic("t")
            producer = Producer(broker.bootstrap_servers, linger_ms=1, max_block_ms=300)
            await producer.start()
            return broker, producer

        broker, producer = runner.run(begin())

        async def one(given: dict[str, Any]) -> None:
            before = len(broker.records("t"))
            neighbour = await producer.send("t", b"before")
            expected = 2
            try:
                delivery = await producer.send(**given)
            except (TypeError, ValueError, ClientError):
                delivery = None
            behind = await producer.send("t", b"behind")
            first, last = await neighbour, await behind
            if delivery is not None:
                receipt = await delivery
                expected += receipt.topic == "t"
            stored = broker.records("t")
            assert len(stored) - before == expected
            assert (stored[first.offset].value, stored[last.offset].value) == (b"before", b"behind")

        @settings(
            max_examples=size(fast=60, whole=150),
            deadline=None,
            suppress_health_check=[*HealthCheck],
        )
        @given(ARGUMENTS)
        def all_of_them(given: dict[str, Any]) -> None:
            async def bounded() -> None:
                async with asyncio.timeout(BOUND_S):
                    await one(given)

            runner.run(bounded())

        async def finish() -> None:
            await producer.stop()
            await broker.stop()

        try:
            all_of_them()
        finally:
            runner.run(finish())
