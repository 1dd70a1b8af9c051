"""process() without await: the handler runs in the caller's thread; interrupted, refused."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from minibroker.client import ConsumerRecord, Output, Progress, TopicPartition, blocking
from minibroker.testing import ChildBroker

BOUND_S = 30.0
Record = ConsumerRecord[Any, Any]


@pytest.fixture(scope="module")
def broker() -> Iterator[ChildBroker]:
    with ChildBroker() as running:
        yield running


@pytest.fixture
def pair(broker: ChildBroker) -> Iterator[tuple[blocking.Consumer, blocking.Producer]]:
    topic = broker.create_new_topic("in")
    with blocking.Producer(broker.bootstrap_servers) as producer:
        producer.send_many(topic, [b"%d" % each for each in range(20)])
    with (
        blocking.Consumer(
            topic,
            bootstrap_servers=broker.bootstrap_servers,
            group_id=topic,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            isolation_level="read_committed",
        ) as consumer,
        blocking.Producer(broker.bootstrap_servers, transactional_id=topic) as producer,
    ):
        yield consumer, producer


def until_done(
    pair: tuple[blocking.Consumer, blocking.Producer],
    handler: Callable[[Record], Any],
    count: int = 20,
    **options: Any,
) -> Progress:
    stop = threading.Event()
    threads = set()

    def tell(progress: Progress) -> None:
        threads.add(threading.current_thread())
        if progress.records >= count:
            stop.set()

    done = blocking.process(*pair, handler, stop=stop, on_progress=tell, **options)
    assert threads == {threading.current_thread()}
    return done


def committed(broker: ChildBroker, topic: str, count: int) -> list[bytes | None]:
    with blocking.Consumer(
        topic,
        bootstrap_servers=broker.bootstrap_servers,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    ) as consumer:
        values: list[bytes | None] = []
        while len(values) < count:
            values += [each.value for each in [consumer.getone()]]
        return values


def test_each_record_is_handled_here_and_once(
    broker: ChildBroker, pair: tuple[blocking.Consumer, blocking.Producer]
) -> None:
    target = broker.create_new_topic("out")
    dead = broker.create_new_topic("dead")

    def handler(record: Record) -> Output:
        assert threading.current_thread() is here
        return Output(target, b"%d" % (100 // int(record.value)))

    here = threading.current_thread()
    done = until_done(pair, handler, dead_letter_topic=dead)
    assert (done.records, done.outputs, done.dead_letters) == (20, 19, 1)
    assert committed(broker, target, 19) == [b"%d" % (100 // each) for each in range(1, 20)]
    assert committed(broker, dead, 1) == [b"0"]
    (topic,) = pair[0].subscription()
    offset = pair[0].committed(TopicPartition(topic, 0))
    assert offset is not None
    assert offset.offset == 20


@pytest.mark.parametrize("error", [KeyboardInterrupt, LookupError])
def test_what_a_handler_raises_ends_it(
    broker: ChildBroker,
    pair: tuple[blocking.Consumer, blocking.Producer],
    error: type[BaseException],
) -> None:
    target = broker.create_new_topic("out")
    has_failed = False

    def handler(record: Record) -> Output:
        nonlocal has_failed
        if record.value == b"7" and not has_failed:
            has_failed = True
            raise error("now")
        return Output(target, record.value)

    with pytest.raises(error, match="now"):
        until_done(pair, handler, commit_interval_ms=10_000)
    until_done(pair, handler)
    values = committed(broker, target, 20)
    assert values == [b"%d" % each for each in range(20)]


def test_a_progress_that_raises_ends_it(pair: tuple[blocking.Consumer, blocking.Producer]) -> None:
    def tell(_: Progress) -> None:
        raise LookupError("no screen")

    with pytest.raises(LookupError, match="no screen"):
        blocking.process(*pair, lambda _: None, on_progress=tell)


def test_what_it_needs_is_said(
    broker: ChildBroker, pair: tuple[blocking.Consumer, blocking.Producer]
) -> None:
    async def handler(_: Record) -> None:
        """None that can be called here."""

    with pytest.raises(TypeError, match="no async def"):
        blocking.process(*pair, handler)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="blocking Consumer, not Producer"):
        blocking.process(pair[1], pair[1], lambda _: None)  # type: ignore[arg-type]
    with (
        blocking.Consumer(bootstrap_servers=broker.bootstrap_servers) as bare,
        pytest.raises(ValueError, match="group_id"),
    ):
        blocking.process(bare, pair[1], lambda _: None)
