"""Our client against our broker: through lost answers, kills, black holes and Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pytest
from minibroker.broker.faults.rules import LoseReply, Rule
from minibroker.broker.runtime import Runtime
from minibroker.client import (
    ConnectionFailed,
    Consumer,
    Delivery,
    DeliveryTimeout,
    Fatal,
    Producer,
    RecordMetadata,
    TopicPartition,
)
from minibroker.client.config import CompressionType
from minibroker.testing.proxy import Proxy

from tests.support.in_loop.runtime import running_broker
from tests.support.processes.broker import RUN, ForkedBroker
from tests.support.processes.commands import Command, run

T0 = TopicPartition("t", 0)
CODECS: list[CompressionType] = ["none", "gzip", "snappy", "lz4", "zstd"]
WAIT_S = 60
LINES, KILLED_AT = 6_000, (2, 5)  # about a hundred batches


def servers(runtime: Runtime) -> str:
    return f"127.0.0.1:{runtime.bound[0].port}"


async def read_all(bootstrap: str, topic: str = "t") -> list[bytes | None]:
    """Every value of partition 0."""
    values: list[bytes | None] = []
    place = TopicPartition(topic, 0)
    async with Consumer(
        topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest"
    ) as consumer:
        end = (await consumer.end_offsets([place]))[place]
        async with asyncio.timeout(WAIT_S):
            while await consumer.position(place) < end:
                for records in (await consumer.getmany(timeout_ms=1_000)).values():
                    values += [record.value for record in records]
    return values


@pytest.mark.parametrize("codec", CODECS)
async def test_what_was_sent_is_what_is_read(codec: CompressionType) -> None:
    async with running_broker() as runtime:
        async with Producer(servers(runtime), compression_type=codec) as producer:
            first = await producer.send_and_wait(
                "t", b"v", key=b"k", headers=[("h", b"1"), ("n", None)], timestamp_ms=1_234
            )
            await producer.send("t", None, key=b"")
            await producer.send("t", b"x" * 1_000_000)
        assert first == ("t", 0, 0, 1_234)
        async with Consumer(
            "t", bootstrap_servers=servers(runtime), auto_offset_reset="earliest"
        ) as consumer:
            read = [await consumer.getone() for _ in range(3)]
            assert await consumer.position(T0) == 3
            consumer.seek(T0, 1)
            assert (await consumer.getone()).offset == 1
            assert await consumer.beginning_offsets([T0]) == {T0: 0}
    assert [(each.key, each.value) for each in read] == [
        (b"k", b"v"),
        (b"", None),
        (None, b"x" * 1_000_000),
    ]
    assert read[0].headers == (("h", b"1"), ("n", None))
    assert (read[0].timestamp, read[0].offset) == (1_234, 0)


async def test_lost_answers_store_every_record_once_and_in_order() -> None:
    sent = [b"%d" % number for number in range(3_000)]
    rule = Rule(action=LoseReply(), api="Produce", every=5)
    async with running_broker() as runtime, Proxy(servers(runtime), [rule]) as proxy:
        async with Producer(proxy.bootstrap_servers, batch_size=1_000, linger_ms=0) as producer:
            deliveries = [await producer.send("t", value, partition=0) for value in sent]
            receipts = [await delivery for delivery in deliveries]
        assert proxy.rules[0].fired > 2
        assert [receipt.offset for receipt in receipts] == list(range(len(sent)))
        assert await read_all(servers(runtime)) == sent


async def test_a_silent_broker_is_left_after_request_timeout_ms() -> None:
    rule = Rule(action=LoseReply(then="silence"), api="Produce", nth=2)
    async with running_broker() as runtime, Proxy(servers(runtime), [rule]) as proxy:
        async with Producer(proxy.bootstrap_servers, request_timeout_ms=200) as producer:
            for value in (b"a", b"b", b"c"):
                await producer.send_and_wait("t", value)
        assert proxy.rules[0].fired == 1
        assert await read_all(servers(runtime)) == [b"a", b"b", b"c"]


async def test_a_delivery_that_cannot_be_ends_in_time_and_says_that_it_may_be_stored() -> None:
    rule = Rule(action=LoseReply(), api="Produce")
    async with running_broker() as runtime, Proxy(servers(runtime), [rule]) as proxy:
        async with asyncio.timeout(5):
            producer = Producer(proxy.bootstrap_servers, delivery_timeout_ms=500)
            await producer.start()
            with pytest.raises(DeliveryTimeout, match=r"t-0 \(producer id \d+, epoch 0") as caught:
                await producer.send_and_wait("t", b"v")
            await producer.stop()
        assert caught.value.possibly_persisted
        assert await read_all(servers(runtime)) == [b"v"]


async def test_a_full_buffer_makes_send_wait_and_a_cancelled_send_leaves_nothing() -> None:
    async with running_broker() as runtime:
        async with Producer(servers(runtime), buffer_memory=2_000, linger_ms=0) as producer:
            await producer.send_and_wait("t", b"first")
            sends = [asyncio.create_task(producer.send("t", bytes(500))) for _ in range(50)]
            await asyncio.sleep(0)
            sends[40].cancel()
            done = await asyncio.gather(*sends, return_exceptions=True)
            await producer.flush()
        assert sum(isinstance(each, asyncio.CancelledError) for each in done) == 1
        assert len(await read_all(servers(runtime))) == 50


async def test_cancelling_the_wait_for_a_receipt_disturbs_no_other_wait() -> None:
    async with running_broker() as runtime, Producer(servers(runtime), linger_ms=20) as producer:
        delivery = await producer.send("t", b"v")
        first, second = (asyncio.create_task(_receipt(delivery)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        assert (await second).offset == 0
        assert (await delivery).offset == 0


async def _receipt(delivery: Delivery) -> RecordMetadata:
    return await delivery


async def test_nobody_there_is_said_with_the_address() -> None:
    with pytest.raises(ConnectionFailed, match=r"127\.0\.0\.1:1\b"):
        await Producer("127.0.0.1:1").start()


async def test_a_stopped_producer_refuses_and_leaves_no_task() -> None:
    async with running_broker() as runtime:
        before = len(asyncio.all_tasks())
        async with Producer(servers(runtime)) as producer:
            await producer.send("t", b"v")
        with pytest.raises(Fatal, match="stopped"):
            await producer.send("t", b"v")
        async with Consumer("t", bootstrap_servers=servers(runtime)):
            pass
        assert len(asyncio.all_tasks()) == before


async def test_bad_topics_and_partitions_are_refused_at_once() -> None:
    async with running_broker() as runtime, Producer(servers(runtime)) as producer:
        with pytest.raises(Fatal, match="INVALID_TOPIC"):
            await producer.send("no good", b"v")
        with pytest.raises(Fatal, match="none of them"):
            await producer.send("t", b"v", partition=7)
        with pytest.raises(Fatal, match="max_request_size"):
            await producer.send("t", bytes(2_000_000))


async def test_without_a_position_none_raises_and_latest_begins_at_the_end() -> None:
    async with running_broker() as runtime:
        address = servers(runtime)
        async with Producer(address) as producer:
            await producer.send_and_wait("t", b"old")
            async with Consumer("t", bootstrap_servers=address, auto_offset_reset="none") as none:
                with pytest.raises(Fatal, match="seek"):
                    await none.getone()
                none.seek(T0, 0)
                assert (await none.getone()).value == b"old"
            async with Consumer("t", bootstrap_servers=address) as latest:
                assert await latest.position(T0) == 1
                await producer.send_and_wait("t", b"new")
                assert (await latest.getone()).value == b"new"


async def _keep_killing(broker: ForkedBroker, proxy: Proxy, producing: Command) -> int:
    """SIGKILL twice, each when so many answers have been lost, of what was stored just now."""
    kills = 0
    for lost in KILLED_AT:
        await proxy.wait_fired(proxy.rules[0], lost, timeout_ms=WAIT_S * 1000)
        assert producing.poll() is None
        broker.kill()
        kills += 1
        broker.start()
    return kills


async def test_a_file_survives_lost_answers_and_two_kills(tmp_path: Path) -> None:
    lines = [b"line %d" % number for number in range(LINES)]
    file = tmp_path / "lines"
    file.write_bytes(b"\n".join(lines) + b"\n")
    with ForkedBroker(data_dir=tmp_path / "data", durability="page-cache") as broker:
        rule = Rule(action=LoseReply(), api="Produce", every=10)
        async with Proxy(broker.bootstrap_servers, [rule]) as proxy:
            words = ("produce", "t", "--file", str(file), "--batch-size", "1000")
            here = ("--bootstrap-server", proxy.bootstrap_servers)
            with Command(*words, *here, stderr=PIPE) as producing:
                kills = await _keep_killing(broker, proxy, producing)
                code = await asyncio.to_thread(producing.wait, WAIT_S)
                assert producing.stderr is not None
                assert code == 0, producing.stderr.read().decode()
        assert (kills, proxy.rules[0].fired > KILLED_AT[-1]) == (2, True)
        assert await read_all(broker.bootstrap_servers) == lines


def test_produce_and_consume_through_pipes(tmp_path: Path) -> None:
    with ForkedBroker() as broker:
        here = ["--bootstrap-server", broker.bootstrap_servers]
        data = b"k=a\nb\xff\x00\n\nno newline"
        run("produce", "t", "--key-separator", "=", *here, text=data).check_returncode()
        read = run("consume", "t", "--from-beginning", "--format", "%k|%v|%o", *here)
        assert read.stdout == b"k|a|0\n|b\xff\x00|1\n||2\n|no newline|3\n"
        assert read.stderr == b""
        head = subprocess.run(
            f"{sys.executable} -c '{RUN}' consume t {' '.join(here)} | head -c 1",
            shell=True, timeout=WAIT_S, capture_output=True, check=True,
        )  # fmt: skip
        assert (head.stdout, head.stderr) == (b"a", b"")


def test_ctrl_c_sends_what_was_read_and_says_so() -> None:
    with ForkedBroker() as broker:
        here = ["--bootstrap-server", broker.bootstrap_servers]
        words = ("produce", "t", "--json", *here)
        with Command(*words, stdin=PIPE, stdout=PIPE, stderr=PIPE) as producing:
            assert producing.stdin is not None
            assert producing.stdout is not None
            assert producing.stderr is not None
            producing.stdin.write(b"one\ntwo\n")
            producing.stdin.flush()
            assert b'"offset": 0' in producing.stdout.readline()
            producing.send_signal(signal.SIGINT)
            assert producing.wait(WAIT_S) == 130
            assert producing.stderr.read() == b"2 records stored in t (interrupted)\n"
