"""EDGE: the blocking face: written from the asyncio one, and usable where that one is not."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import minibroker.client
import pytest
from minibroker.client import (
    ClientError,
    ConsumerRebalanceListener,
    DeliveryTimeout,
    TopicPartition,
    blocking,
)
from minibroker.testing import ChildBroker

from tests.support.pages.blocking_face import FACES, TARGET, written

BOUND_S = 30


@pytest.fixture(scope="module")
def broker() -> Iterator[ChildBroker]:
    with ChildBroker() as running:
        yield running


@pytest.fixture
def topic(broker: ChildBroker) -> str:
    return broker.create_new_topic("t")


def test_the_file_is_what_the_asyncio_faces_say() -> None:
    assert TARGET.read_text(encoding="utf-8") == written(), "run: make blocking"


@pytest.mark.parametrize("face", [face.name for face in FACES])
def test_no_docstring_tells_to_await(face: str) -> None:
    for name, method in inspect.getmembers(getattr(blocking, face), callable):
        doc = inspect.getdoc(method) or ""
        assert "running loop" not in doc, name
        assert "async with" not in doc, name


def test_records_go_and_come(broker: ChildBroker, topic: str) -> None:
    with blocking.Producer(broker.bootstrap_servers) as producer:
        first = producer.send(topic, b"a", key=b"k", headers=[("h", b"1")])
        assert first.result().offset == 0
        assert first.done
        assert producer.send_and_wait(topic, b"b").offset == 1
        assert [each.offset for each in producer.send_many(topic, [b"c", b"d"])] == [2, 3]
        assert producer.partitions_for(topic) == [0]
    with blocking.Consumer(
        topic, bootstrap_servers=broker.bootstrap_servers, auto_offset_reset="earliest"
    ) as consumer:
        values = [next(consumer).value for _ in range(4)]
        assert values == [b"a", b"b", b"c", b"d"]
        assert consumer.assignment() == {TopicPartition(topic, 0)}
        assert consumer.getmany(timeout_ms=10) == {}


def test_transactions_with_offsets(broker: ChildBroker, topic: str) -> None:
    target = broker.create_new_topic("out")
    servers = broker.bootstrap_servers
    with (
        blocking.Producer(servers) as plain,
        blocking.Producer(servers, transactional_id=topic) as producer,
        blocking.Consumer(
            topic,
            bootstrap_servers=servers,
            group_id=topic,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        ) as consumer,
    ):
        plain.send_many(topic, [b"0", b"1"])
        for is_well in (False, True):
            value = next(consumer).value or b""
            with suppress(KeyError), producer.transaction() as tx:
                delivery = tx.send(target, b"out " + value)
                tx.commit_offsets(consumer)
                if not is_well:
                    raise KeyError
            assert (delivery.result().offset if is_well else 0) >= 0
            consumer.seek_to_committed()
        committed = consumer.committed(TopicPartition(topic, 0))
        assert committed is not None
        assert committed.offset == 1
        with pytest.raises(RuntimeError, match="no transaction is open"):
            producer.send(target, b"v")
    with blocking.Consumer(
        target,
        bootstrap_servers=servers,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        consumer_timeout_ms=500,
    ) as reader:
        assert [record.value for record in reader] == [b"out 0"]


def test_a_durable_session(broker: ChildBroker, tmp_path: Path) -> None:
    session = str(tmp_path / "s")
    with blocking.Producer(broker.bootstrap_servers, session=session) as producer:
        producer.send("durable", b"1", mark=("file", 1))
        with producer.session.step("rows", 7):
            inside = producer.send("durable", b"2")
            producer.send("durable", b"3")
            with pytest.raises(RuntimeError, match="within another"):
                producer.session.step("rows", 8).__enter__()
            assert not inside.done
        with suppress(KeyError), producer.session.step("rows", 8):
            producer.send("durable", b"dropped")
            raise KeyError
        assert inside.result().offset >= 0
        with pytest.raises(RuntimeError, match="nothing of a step leaves before it closes"):
            wait_within_a_step(producer)
        producer.send_and_wait("durable", b"4")
    with blocking.Producer(broker.bootstrap_servers, session=session) as producer:
        assert producer.session.marks == {"file": 1, "rows": 7}
        assert not producer.session.unsettled
        assert not producer.session.refused
        assert producer.session.take_refused() == []
    assert [record.value for record in broker.records("durable")] == [b"1", b"2", b"3", b"4"]


def wait_within_a_step(producer: blocking.Producer) -> None:
    with producer.session.step("rows", 9):
        producer.send_and_wait("durable", b"never")


def test_a_cluster_is_looked_after(broker: ChildBroker) -> None:
    with blocking.Admin(broker.bootstrap_servers) as admin:
        admin.create_topic("made", num_partitions=2)
        assert "made" in admin.list_topics()
        admin.delete_topics(["made"])
        with pytest.raises(ClientError):
            admin.describe_topics(["made"])


def test_wrong_options_are_refused_and_leave_no_thread() -> None:
    before = threading.active_count()
    with pytest.raises(ValueError, match="linger_ms"):
        blocking.Producer(linger_ms=-1)
    assert threading.active_count() == before


def test_nobody_there_is_an_error_and_leaves_no_thread() -> None:
    before = threading.active_count()
    with pytest.raises(Exception, match="nothing listens there"):
        blocking.Producer("127.0.0.1:1").__enter__()
    assert threading.active_count() == before


async def test_it_works_beside_a_running_loop(broker: ChildBroker, topic: str) -> None:
    assert asyncio.get_running_loop().is_running()
    with blocking.Producer(broker.bootstrap_servers) as producer:
        assert producer.send_and_wait(topic, b"a").offset == 0


def test_many_threads_share_a_producer(broker: ChildBroker, topic: str) -> None:
    with blocking.Producer(broker.bootstrap_servers) as producer:
        senders = [
            threading.Thread(target=producer.send_and_wait, args=(topic, b"%d" % number))
            for number in range(16)
        ]
        for each in senders:
            each.start()
        for each in senders:
            each.join(BOUND_S)
    broker.assert_stored_once(topic, [b"%d" % number for number in range(16)])


def test_a_delivery_may_be_waited_for_in_parts(broker: ChildBroker, topic: str) -> None:
    held = broker.faults.hold("Produce", at="appended", topic=topic)
    with blocking.Producer(broker.bootstrap_servers) as producer:
        delivery = producer.send(topic, b"a")
        with pytest.raises(DeliveryTimeout, match="still on its way"):
            delivery.result(timeout_ms=50)
        held.release()
        assert delivery.result().offset == 0


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C interrupts, also where the tests were begun in the background: it is ignored there."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_takes_a_call_back(broker: ChildBroker, topic: str) -> None:
    consumer = blocking.Consumer(topic, bootstrap_servers=broker.bootstrap_servers)
    consumer.start()
    main = threading.get_ident()

    def interrupt() -> None:
        signal.pthread_kill(main, signal.SIGINT)

    timer = threading.Timer(0.2, interrupt)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        consumer.getone()
    timer.join()
    with blocking.Producer(broker.bootstrap_servers) as producer:
        producer.send_and_wait(topic, b"a")
    taken = consumer.getmany(timeout_ms=BOUND_S * 1000)  # and nobody else has taken it
    assert [each.value for each in taken[TopicPartition(topic, 0)]] == [b"a"]
    consumer.stop()
    consumer.stop()


def test_a_listener_may_call_the_consumer(broker: ChildBroker, topic: str) -> None:
    seen: list[object] = []

    class Listener(ConsumerRebalanceListener):
        def on_partitions_assigned(self, assigned: frozenset[TopicPartition]) -> None:
            seen.append(consumer.beginning_offsets([*assigned]))

    consumer = blocking.Consumer(bootstrap_servers=broker.bootstrap_servers, group_id=topic)
    consumer.subscribe([topic], listener=Listener())
    with consumer:
        until = time.monotonic() + BOUND_S
        while not seen and time.monotonic() < until:
            consumer.getmany(timeout_ms=100)
    assert seen == [{TopicPartition(topic, 0): 0}]


def test_a_callback_in_the_loop_is_told_that_it_cannot_wait(broker: ChildBroker) -> None:
    def serialize(value: str) -> bytes:
        producer.flush()
        return value.encode()

    producer = blocking.Producer[bytes, str](broker.bootstrap_servers, value_serializer=serialize)
    with producer, pytest.raises(RuntimeError, match="cannot wait for it"):
        producer.send("t", "a")


def test_after_stop_it_says_so(broker: ChildBroker) -> None:
    with blocking.Producer(broker.bootstrap_servers) as producer:
        pass
    with pytest.raises(RuntimeError, match="was stopped; make a new one"):
        producer.send("t", b"a")


def test_one_that_is_dropped_warns(broker: ChildBroker) -> None:
    producer = blocking.Producer(broker.bootstrap_servers)
    with pytest.warns(ResourceWarning, match="dropped without stop"):
        del producer


def test_a_script_whose_clients_are_globals_ends_in_silence() -> None:
    program = "from minibroker.client import blocking; client = blocking.Producer('127.0.0.1:1')"
    for end in ("", "; client.stop()"):
        command = [sys.executable, "-c", program + end]
        done = subprocess.run(command, capture_output=True, timeout=BOUND_S, check=True)
        assert done.stderr == b""


def in_forked_child(work: Callable[[], object]) -> str:
    """What `work` raises in a forked child."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        pid = os.fork()
        if not pid:
            text = "nothing"
            try:
                work()
            except BaseException as error:
                text = f"{type(error).__name__}: {error}"
            theirs.sendall(text.encode())
            os._exit(0)
        theirs.close()
        ours.settimeout(BOUND_S)
        said = ours.recv(4096).decode()
        os.waitpid(pid, 0)
        return said


@pytest.mark.filterwarnings(
    "ignore:This process:DeprecationWarning"
)  # threads and fork, on purpose
def test_a_forked_child_is_told_to_make_its_own(broker: ChildBroker, topic: str) -> None:
    with blocking.Producer(broker.bootstrap_servers) as producer:
        producer.send_and_wait(topic, b"a")
        said = in_forked_child(lambda: producer.send_and_wait(topic, b"b"))
        assert "RuntimeError" in said
        assert "a forked child makes its own" in said
        producer.send_and_wait(topic, b"c")
    broker.assert_stored_once(topic, [b"a", b"c"])


def test_a_script_may_end_without_stop(broker: ChildBroker, topic: str) -> None:
    script = f"""if True:
        from minibroker.client.blocking import Producer
        producer = Producer({broker.bootstrap_servers!r})
        producer.start()
        producer.send_and_wait({topic!r}, b"a")
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    broker.assert_stored_once(topic, [b"a"])


def test_the_names_are_those_of_the_asyncio_face() -> None:
    for face in FACES:
        theirs = getattr(minibroker.client, face.name)
        ours = getattr(blocking, face.name)
        names = {name for name in dir(theirs) if not name.startswith("_")}
        assert names == {name for name in dir(ours) if not name.startswith("_")}, face.name
    theirs, ours = dir(minibroker.client.Transaction), dir(blocking.Transaction)
    assert [each for each in theirs if each[0] != "_"] == [each for each in ours if each[0] != "_"]
