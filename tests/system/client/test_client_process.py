"""process() against our broker: what is committed, what is done again, what is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from minibroker.client import (
    Abortable,
    Admin,
    Consumer,
    ConsumerRecord,
    ErrorCode,
    Fatal,
    Fenced,
    Output,
    Producer,
    Progress,
    TopicPartition,
    process,
)
from minibroker.testing import TestBroker
from minibroker.testing.fault_control import Fault

from tests.support.in_loop.looking import until
from tests.support.transactions.producing import committed

WAIT_S = 20.0
SETTINGS = {"group.min.session.timeout.ms": "100", "group.initial.rebalance.delay.ms": "0"}
SOURCE, TARGET, DEAD = TopicPartition("in", 0), TopicPartition("out", 0), TopicPartition("dead", 0)
Record = ConsumerRecord[Any, Any]


@pytest.fixture
async def broker() -> AsyncIterator[TestBroker]:
    async with TestBroker(settings=SETTINGS) as each:
        yield each


def reads(broker: TestBroker, **options: Any) -> Consumer[Any, Any]:
    given = {"group_id": "g", "auto_offset_reset": "earliest", "enable_auto_commit": False}
    quick = {"heartbeat_interval_ms": 20, "session_timeout_ms": 1_000, "retry_backoff_ms": 5}
    options = {"isolation_level": "read_committed", **given, **quick, **options}
    return Consumer(SOURCE.topic, bootstrap_servers=broker.bootstrap_servers, **options)


def writes(broker: TestBroker, name: str = "w", **options: Any) -> Producer[Any, Any]:
    quick = {"retry_backoff_ms": 5, "retry_backoff_max_ms": 20, "linger_ms": 0}
    return Producer(broker.bootstrap_servers, transactional_id=name, **{**quick, **options})


@asynccontextmanager
async def worker(
    broker: TestBroker, *, name: str = "w", **options: Any
) -> AsyncIterator[tuple[Consumer[Any, Any], Producer[Any, Any]]]:
    async with reads(broker, **options) as consumer, writes(broker, name) as producer:
        yield consumer, producer


async def fill(broker: TestBroker, *values: bytes) -> None:
    async with Producer(broker.bootstrap_servers) as producer:
        await producer.send_many(SOURCE.topic, values)


async def until_done(
    pair: tuple[Consumer[Any, Any], Producer[Any, Any]],
    handler: Callable[[Record], Any],
    count: int,
    problems: set[str] | None = None,
    **options: Any,
) -> Progress:
    """Run process() until so many records are committed; `problems` takes up what was told."""
    stop = asyncio.Event()

    def tell(progress: Progress) -> None:
        if problems is not None:
            problems.add(progress.problem)
        if progress.records >= count:
            stop.set()

    async with asyncio.timeout(WAIT_S):
        return await process(*pair, handler, stop=stop, on_progress=tell, **options)


def echo(record: Record) -> Output:
    return Output(TARGET.topic, record.value, key=record.key)


async def values_at(broker: TestBroker, place: TopicPartition) -> list[bytes | None]:
    return await committed(broker.bootstrap_servers, place)


async def test_outputs_dead_letters_and_positions_are_committed_together(
    broker: TestBroker,
) -> None:
    def handler(record: Record) -> list[Output] | None:
        number = int(record.value)
        return [Output(TARGET.topic, b"%d" % (60 // number))] * 2 if number % 2 == 0 else None

    await fill(broker, *(b"%d" % each for each in range(6)))
    async with worker(broker) as pair:
        done = await until_done(pair, handler, 6, dead_letter_topic=DEAD.topic)
        offset = await pair[0].committed(SOURCE)
    assert await values_at(broker, TARGET) == [b"30", b"30", b"15", b"15"]
    assert await values_at(broker, DEAD) == [b"0"]
    assert offset is not None
    assert offset.offset == 6
    assert (done.records, done.outputs, done.dead_letters, done.aborted) == (6, 4, 1, 0)
    assert done.lag == {SOURCE: 0}


@pytest.mark.parametrize("max_records", [1, 4, 500])
async def test_a_transaction_has_no_more_records(broker: TestBroker, max_records: int) -> None:
    sizes = []
    before = Progress()

    def tell(progress: Progress) -> None:
        nonlocal before
        sizes.append(progress.records - before.records)
        before = progress
        if progress.records == 20:
            stop.set()

    stop = asyncio.Event()
    await fill(broker, *[b"v"] * 20)
    async with worker(broker) as pair, asyncio.timeout(WAIT_S):
        await process(*pair, echo, max_records=max_records, stop=stop, on_progress=tell)
    assert sum(sizes) == 20
    assert max(sizes) <= max_records
    assert await values_at(broker, TARGET) == [b"v"] * 20


async def test_a_slow_handler_makes_transactions_smaller_not_longer(broker: TestBroker) -> None:
    async def handler(record: Record) -> Output:
        await asyncio.sleep(0.01)
        return echo(record)

    await fill(broker, *[b"v"] * 40)
    async with worker(broker) as pair:
        done = await until_done(pair, handler, 40, commit_interval_ms=40)
    assert done.batches >= 5


async def test_what_a_handler_raises_ends_it_and_nothing_is_committed(broker: TestBroker) -> None:
    def handler(record: Record) -> Output:
        if record.value == b"2" and not is_mended:
            raise LookupError("no price")
        return echo(record)

    is_mended = False
    await fill(broker, b"1", b"2", b"3")
    async with worker(broker) as pair:
        with pytest.raises(LookupError, match="no price") as raised:
            await until_done(pair, handler, 3)
        assert "in-0 at offset 1 could not be handled" in raised.value.__notes__[0]
        assert await values_at(broker, TARGET) in ([], [b"1"])
        is_mended = True  # the same consumer and producer go on where nothing is skipped
        await until_done(pair, handler, 2)
    assert await values_at(broker, TARGET) == [b"1", b"2", b"3"]


@pytest.mark.parametrize(
    ("api", "code"),
    [
        ("TxnOffsetCommit", ErrorCode.ILLEGAL_GENERATION),
        ("TxnOffsetCommit", ErrorCode.UNKNOWN_MEMBER_ID),
        ("Produce", ErrorCode.TRANSACTION_ABORTABLE),
        ("EndTxn", ErrorCode.INVALID_TXN_STATE),
        ("Heartbeat", ErrorCode.UNKNOWN_MEMBER_ID),
    ],
)
async def test_what_can_be_done_again_is(broker: TestBroker, api: str, code: ErrorCode) -> None:
    async def handler(record: Record) -> Output:
        # A heartbeat between two batches would harm nothing: it is waited for within one.
        if api == "Heartbeat" and record.offset == 3 and len(fired) < 2:
            fault = broker.faults.error(api, code, times=1)
            fired.append(fault)
            await until(lambda: fault.fired == 1)
        if record.offset == 4:
            await asyncio.sleep(0.05)  # for its answer
        return echo(record)

    fired: list[Fault] = []
    await fill(broker, *(b"%d" % each for each in range(8)))
    async with worker(broker) as pair:
        if api != "Heartbeat":
            fired.append(broker.faults.error(api, code, times=2))
        done = await until_done(pair, handler, 8)
    assert sum(each.fired for each in fired) == 2
    assert done.aborted >= 1
    assert done.problem
    assert await values_at(broker, TARGET) == [b"%d" % each for each in range(8)]


async def test_what_fails_for_too_long_is_raised(broker: TestBroker) -> None:
    await fill(broker, b"v")
    async with worker(broker) as pair:
        broker.faults.error("TxnOffsetCommit", ErrorCode.ILLEGAL_GENERATION)
        with pytest.raises(Abortable, match="the group went on without") as raised:
            await until_done(pair, echo, 1, task_timeout_ms=100)
        assert "batches in a row failed in" in raised.value.__notes__[-1]
    assert await values_at(broker, TARGET) == []


async def test_a_commit_that_nobody_knows_of_is_not_done_twice(broker: TestBroker) -> None:
    problems: set[str] = set()
    await fill(broker, *(b"%d" % each for each in range(8)))
    async with reads(broker) as consumer, writes(broker, max_block_ms=150) as producer:
        broker.faults.delay("EndTxn", delay_ms=600, at="reply", nth=1)
        done = await until_done((consumer, producer), echo, 4, problems, max_records=4)
    broker.faults.assert_all_fired()
    assert any("not known to be committed" in each for each in problems)
    assert (done.records, done.batches) == (4, 1)  # of 8 that are committed, in two batches
    assert await values_at(broker, TARGET) == [b"%d" % each for each in range(8)]


async def test_the_fenced_are_told(broker: TestBroker) -> None:
    async def handler(record: Record) -> Output:
        async with writes(broker):
            return echo(record)

    await fill(broker, b"v")
    async with worker(broker) as pair:
        with pytest.raises(Fenced, match="make a new Producer"):
            await until_done(pair, handler, 1)
    assert await values_at(broker, TARGET) == []


async def test_a_member_that_is_fenced_while_it_is_waited_for_says_so(broker: TestBroker) -> None:
    await fill(broker, b"1", b"2")
    async with asyncio.timeout(WAIT_S):
        consumer = reads(broker, group_instance_id="i")
        await consumer.start()
        await consumer.getone()
        broker.faults.error("Heartbeat", ErrorCode.REBALANCE_IN_PROGRESS, times=1)
        member = consumer._member
        assert member is not None
        await until(lambda: member.wants_back)
        broker.faults.error("OffsetCommit", ErrorCode.FENCED_INSTANCE_ID, times=1)
        with pytest.raises(Fenced, match="FENCED_INSTANCE_ID"):
            await consumer.commit()
        with pytest.raises(Fenced, match="give every running consumer one of its own"):
            await consumer.getmany(timeout_ms=WAIT_S * 1_000)
        await consumer.stop()


async def test_the_cancelled_batch_is_aborted_and_read_again(broker: TestBroker) -> None:
    async def handler(record: Record) -> Output:
        if record.value == b"2" and not reached.is_set():
            reached.set()
            await asyncio.Event().wait()
        return echo(record)

    reached = asyncio.Event()
    await fill(broker, b"1", b"2", b"3")
    async with worker(broker) as pair, asyncio.timeout(WAIT_S):
        running = asyncio.create_task(until_done(pair, handler, 3, commit_interval_ms=10_000))
        await reached.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert await values_at(broker, TARGET) == []
        await until_done(pair, handler, 3)
    assert await values_at(broker, TARGET) == [b"1", b"2", b"3"]


async def test_stopped_it_commits_what_it_has(broker: TestBroker) -> None:
    async def handler(record: Record) -> Output:
        stop.set()
        return echo(record)

    stop = asyncio.Event()
    await fill(broker, b"1")
    async with worker(broker) as pair, asyncio.timeout(WAIT_S):
        done = await process(*pair, handler, stop=stop, commit_interval_ms=50_000)
        assert done.records == 1
        idle = asyncio.Event()
        waiting = asyncio.create_task(process(*pair, handler, stop=idle))
        asyncio.get_running_loop().call_later(0.05, idle.set)
        assert (await waiting).records == 0
    assert await values_at(broker, TARGET) == [b"1"]


@pytest.mark.parametrize("strategy", ["range", "cooperative-sticky"])
async def test_a_batch_in_hand_is_committed_before_the_group_takes_its_partition(
    broker: TestBroker, strategy: str
) -> None:
    handled: list[str] = []

    def handling(who: str) -> Callable[[Record], Awaitable[Output]]:
        async def handler(record: Record) -> Output:
            handled.append(who)
            if who == "first" and handled.count("first") == 3:
                joining.set()
            await asyncio.sleep(0.001)
            return Output(TARGET.topic, record.value)

        return handler

    joining, stop = asyncio.Event(), asyncio.Event()
    progress: dict[str, Progress] = {}
    count = 100
    async with Admin(broker.bootstrap_servers) as admin:
        await admin.create_topic("two", num_partitions=2)
    async with Producer(broker.bootstrap_servers) as producer:
        for partition in (0, 1):
            values = [b"%d-%d" % (partition, each) for each in range(count)]
            await producer.send_many("two", values, partition=partition)

    async def work(who: str) -> None:
        def tell(told: Progress) -> None:
            progress[who] = told
            if sum(each.records for each in progress.values()) == 2 * count:
                stop.set()

        async with (
            worker(broker, name=who, partition_assignment_strategy=[strategy]) as pair,
            asyncio.timeout(WAIT_S),
        ):
            pair[0].subscribe(["two"])
            await process(*pair, handling(who), stop=stop, on_progress=tell)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(work("first"))
        await joining.wait()
        tasks.create_task(work("second"))
    assert all(each.records for each in progress.values())
    assert [each.aborted for each in progress.values()] == [0, 0]
    stored = await values_at(broker, TARGET)
    assert len(stored) == len(set(stored)) == 2 * count


async def test_a_rebalance_in_the_middle_of_a_commit_aborts_nothing(broker: TestBroker) -> None:
    cooperative: dict[str, Any] = {"partition_assignment_strategy": ["cooperative-sticky"]}
    await fill(broker, b"1", b"2")
    late = broker.faults.delay("TxnOffsetCommit", delay_ms=300, at="request", nth=1)
    async with worker(broker, **cooperative) as pair, asyncio.timeout(WAIT_S):
        running = asyncio.create_task(until_done(pair, echo, 2))
        await until(lambda: late.fired == 1)
        async with reads(broker, **cooperative) as other:
            member = other._member
            assert member is not None
            await until(lambda: member._membership.generation > 1)
            done = await running
    assert (done.records, done.aborted) == (2, 0)
    assert await values_at(broker, TARGET) == [b"1", b"2"]


async def test_where_reading_began_is_committed_first(broker: TestBroker) -> None:
    def handler(record: Record) -> Output:
        if record.value == b"new":
            raise LookupError("not yet")
        return echo(record)

    await fill(broker, b"old")
    async with worker(broker, auto_offset_reset="latest") as pair:
        running = asyncio.create_task(until_done(pair, handler, 1))
        async with asyncio.timeout(WAIT_S):
            await until(lambda: bool(pair[0].assignment()))
            await pair[0].position(SOURCE)
        await fill(broker, b"new")
        with pytest.raises(LookupError):
            await running
    await fill(broker, b"newer")
    async with worker(broker, auto_offset_reset="latest") as pair:
        await until_done(pair, echo, 2)
    assert await values_at(broker, TARGET) == [b"new", b"newer"]


async def test_outputs_that_cannot_be_sent_make_a_dead_letter(broker: TestBroker) -> None:
    def handler(record: Record) -> list[Output]:
        good, bad = Output(TARGET.topic, record.value), Output(TARGET.topic, b"x" * 2_000)
        return {b"0": [good], b"1": [bad], b"2": [good, good, bad], b"3": [good]}[record.value]

    await fill(broker, b"0", b"1", b"2", b"3")
    async with reads(broker) as consumer, writes(broker, max_request_size=1_800) as producer:
        done = await until_done((consumer, producer), handler, 4, dead_letter_topic=DEAD.topic)
    assert await values_at(broker, TARGET) == [b"0", b"3"]
    assert await values_at(broker, DEAD) == [b"1", b"2"]
    assert (done.outputs, done.dead_letters) == (2, 2)


def too_large_if_odd(record: Record) -> list[Output]:
    return [echo(record), Output(TARGET.topic, bytes(2_000))][: 1 + int(record.value) % 2]


async def limit(broker: TestBroker, *topics: str) -> None:
    """Topics of which only the broker knows that a record of 2,000 bytes is too large for them."""
    async with Admin(broker.bootstrap_servers) as admin:
        for topic in topics:
            await admin.create_topic(topic, configs={"max.message.bytes": "1500"})


async def test_outputs_that_only_the_broker_refuses_make_a_dead_letter(broker: TestBroker) -> None:
    await limit(broker, TARGET.topic)
    await fill(broker, *(b"%d" % each for each in range(5)))
    async with worker(broker) as pair:
        done = await until_done(pair, too_large_if_odd, 5, dead_letter_topic=DEAD.topic)
    assert await values_at(broker, TARGET) == [b"0", b"2", b"4"]
    assert await values_at(broker, DEAD) == [b"1", b"3"]
    assert (done.records, done.outputs, done.dead_letters, done.aborted) == (5, 3, 2, 2)


@pytest.mark.parametrize("dead", [None, DEAD.topic])
async def test_what_no_topic_takes_ends_it_at_once(broker: TestBroker, dead: str | None) -> None:
    await limit(broker, TARGET.topic, DEAD.topic)
    await fill(broker, bytes(2_000))
    async with worker(broker) as pair:
        with pytest.raises(
            Fatal, match=r"max\.message\.bytes of the topic.* at least that"
        ) as raised:
            await until_done(pair, echo, 1, dead_letter_topic=dead)
    assert raised.value.code is ErrorCode.MESSAGE_TOO_LARGE
    assert "in-0 at offset 0 could not be handled" in raised.value.__notes__[0]
    assert await values_at(broker, TARGET) == []


@pytest.mark.parametrize(
    ("api", "code"),
    [
        ("Produce", ErrorCode.TOPIC_AUTHORIZATION_FAILED),
        ("TxnOffsetCommit", ErrorCode.GROUP_AUTHORIZATION_FAILED),
    ],
)
async def test_what_is_forbidden_is_not_tried_again(
    broker: TestBroker, api: str, code: ErrorCode
) -> None:
    await fill(broker, b"v")
    async with worker(broker) as pair:
        fault = broker.faults.error(api, code)
        with pytest.raises(Fatal, match=code.name):
            await until_done(pair, echo, 1)
    assert fault.fired == 1
    assert await values_at(broker, TARGET) == []


async def test_dead_letters_are_the_bytes_that_were_read(broker: TestBroker) -> None:
    def handler(record: Record) -> Output:
        return Output(TARGET.topic, json.loads(record.value))

    await fill(broker, b"no json", b'{"a": 1}')
    async with (
        reads(broker) as consumer,
        writes(broker, value_serializer=lambda each: json.dumps(each).encode()) as producer,
    ):
        await until_done((consumer, producer), handler, 2, dead_letter_topic=DEAD.topic)
    assert await values_at(broker, DEAD) == [b"no json"]
    assert await values_at(broker, TARGET) == [b'{"a": 1}']


async def test_what_it_needs_is_said_at_the_call(broker: TestBroker) -> None:
    bare = Consumer("in", bootstrap_servers=broker.bootstrap_servers)
    plain: Producer[Any, Any] = Producer(broker.bootstrap_servers)
    with pytest.raises(ValueError, match="process") as raised:
        await process(bare, plain, echo)
    for each in ("group_id", "enable_auto_commit=False", "read_committed", "transactional_id"):
        assert each in str(raised.value)
    consumer, producer = reads(broker), writes(broker)
    for options, text in (
        ({"max_records": 0}, "max_records=0"),
        ({"commit_interval_ms": 60_000}, "transaction_timeout_ms=60000"),
        ({"dead_letter_topic": "in"}, "one of the topics that are read"),
    ):
        with pytest.raises(ValueError, match=text):
            await process(consumer, producer, echo, **options)
    for arguments in (
        (producer, producer, echo),
        (consumer, consumer, echo),
        (consumer, producer, None),
    ):
        with pytest.raises(TypeError):
            await process(*arguments)
