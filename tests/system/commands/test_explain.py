"""Explanations of Produce: the sentences, over the wire and as the command prints them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from minibroker.broker.limits import VERDICT_RINGS_MAX, VERDICTS_KEPT
from minibroker.broker.partitions.verdicts import Ring, VerdictRings
from minibroker.cli.commands.explain import HEADS, LINE_COLUMNS, parse_topic_partition
from minibroker.cli.main import main
from minibroker.client import TopicPartition
from minibroker.client.cluster.connection import Connection
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.messages.explain_produce import ExplainProduceRequest, ProduceVerdict
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from minibroker.testing import ChildBroker, TestBroker

from tests.support.transactions.raw_producer import RawProducer


@pytest.fixture
async def client() -> AsyncIterator[Connection]:
    async with TestBroker() as broker:
        broker.create_topic("t", 2)
        connection = await Connection.open("127.0.0.1", broker.port, client_id="shop")
        yield connection
        await connection.close()


def produce(
    values: list[bytes], *, pid: int = 7, epoch: int = 0, sequence: int = 0, partition: int = 0
) -> ProduceRequest:
    batch = build_batch(
        [(None, value, (), 1_700_000_000_000) for value in values],
        producer_id=pid,
        producer_epoch=epoch if pid >= 0 else -1,
        base_sequence=sequence if pid >= 0 else -1,
    )
    data = [PartitionProduceData(index=partition, records=batch)]
    topic = TopicProduceData(name="t", partition_data=data)
    return ProduceRequest(acks=-1, timeout_ms=1000, topic_data=[topic])


async def explained(client: Connection, *requests: ProduceRequest) -> list[ProduceVerdict]:
    for request in requests:
        await client.request(request)
    response = await client.request(ExplainProduceRequest(topic="t"))
    assert response.error_code == 0
    verdicts: list[ProduceVerdict] = response.verdicts
    return verdicts


async def test_the_same_numbers_with_other_bytes_are_explained_and_told_once(
    caplog: pytest.LogCaptureFixture, client: Connection
) -> None:
    verdicts = await explained(
        client, produce([b"a"]), produce([b"b"]), produce([b"c"]), produce([b"a"])
    )
    reasons = [each.reason for each in sorted(verdicts, key=lambda each: each.number)]
    assert [each.split(" than ")[0] for each in reasons[1:3]] == ["same numbers, other bytes"] * 2
    assert reasons[3].startswith("retry of the batch at offset 0")
    told = [line for line in caplog.messages if "event=same-numbers-other-bytes" in line]
    assert len(told) == 1
    assert "producer_id=7 partition=t-0" in told[0]


CASES: list[tuple[list[ProduceRequest], str, str]] = [
    (
        [produce([b"a"])],
        "appended",
        "the first batch of this producer here, so any sequence will do: stored at offset 0",
    ),
    (
        [produce([b"a"]), produce([b"b"], sequence=1)],
        "appended",
        "sequence 1 is the next: stored at offset 1",
    ),
    (
        [produce([b"a", b"b"]), produce([b"a", b"b"])],
        "duplicate",
        "retry of the batch at offset 0: answered with 0, nothing stored",
    ),
    (
        [produce([b"a"]), produce([b"a"], sequence=1)],
        "appended",
        (
            "sequence 1 is the next: stored at offset 1; a new send of the same value is a new"
            " record: it carries sequence 1, not 0"
        ),
    ),
    (
        [produce([b"a"]), produce([b"a"], pid=8)],
        "appended",
        (
            "the first batch of this producer here, so any sequence will do: stored at offset 1;"
            " the same value was sent before by another producer id: this is a new record"
        ),
    ),
    (
        [produce([b"a"]), produce([b"b"], sequence=4)],
        "refused",
        "a gap: sequence 4 came, but 1 to 3 are missing: refused with OUT_OF_ORDER_SEQUENCE_NUMBER",
    ),
    (
        [produce([b"a"]), produce([b"b"], sequence=2)],
        "refused",
        "a gap: sequence 2 came, but 1 is missing: refused with OUT_OF_ORDER_SEQUENCE_NUMBER",
    ),
    (
        [produce([b"a"], sequence=n) for n in (*range(6), 0)],
        "refused",
        (
            "sequence 0 lies behind 6 and is none of the newest 5 batches: too old to be"
            " recognised, refused with OUT_OF_ORDER_SEQUENCE_NUMBER"
        ),
    ),
    (
        [produce([b"a"]), produce([b"b"], epoch=1)],
        "appended",
        "epoch 1 follows 0 and begins with sequence 0: stored at offset 1",
    ),
    (
        [produce([b"a"]), produce([b"b"], epoch=1, sequence=5)],
        "refused",
        "a new epoch begins with sequence 0, not 5: refused with OUT_OF_ORDER_SEQUENCE_NUMBER",
    ),
    (
        [produce([b"a"], epoch=1), produce([b"b"], sequence=1)],
        "refused",
        (
            "fenced: epoch 0 is over, epoch 1 has begun here (another producer took its place, or"
            " its transaction was ended): refused with INVALID_PRODUCER_EPOCH"
        ),
    ),
    (
        [produce([b"a"], pid=-1)],
        "appended",
        "no producer id: stored at offset 0; a retry would be stored once more",
    ),
    (
        [produce([b"a"], pid=-1), produce([b"a"], pid=-1)],
        "appended",
        (
            "no producer id: stored at offset 1; a retry would be stored once more; the same"
            " value lies right before it: nothing tells a retry from a new record"
        ),
    ),
]


@pytest.mark.parametrize(("requests", "verdict", "reason"), CASES)
async def test_every_verdict_has_its_sentence(
    client: Connection, requests: list[ProduceRequest], verdict: str, reason: str
) -> None:
    last = (await explained(client, *requests))[-1]
    assert (last.verdict, last.reason) == (verdict, reason)


async def test_what_was_known_then_is_kept(client: Connection) -> None:
    *_, last = await explained(
        client, produce([b"a", b"b"]), produce([b"c"], sequence=2), produce([b"d"], sequence=9)
    )
    assert (last.client_id, last.producer_id, last.first_sequence) == ("shop", 7, 9)
    assert (last.expected_sequence, last.base_offset, last.error_code) == (3, -1, 45)
    assert [(each.first_sequence, each.last_sequence) for each in last.window] == [(2, 2), (0, 1)]


async def test_bytes_that_are_no_batch_are_explained_too(client: Connection) -> None:
    data = [PartitionProduceData(index=0, records=b"x" * 80)]
    topic = TopicProduceData(name="t", partition_data=data)
    broken = ProduceRequest(acks=-1, timeout_ms=1000, topic_data=[topic])
    (verdict,) = await explained(client, broken)
    assert verdict.verdict == "refused"
    assert verdict.producer_id == -1


async def test_partitions_and_numbers_choose(client: Connection) -> None:
    verdicts = await explained(client, produce([b"a"]), produce([b"a"], partition=1))
    assert [each.partition for each in verdicts] == [0, 1]
    asked = ExplainProduceRequest(topic="t", partition=1)
    assert [each.partition for each in (await client.request(asked)).verdicts] == [1]
    asked = ExplainProduceRequest(topic="t", after_number=verdicts[0].number)
    assert [each.partition for each in (await client.request(asked)).verdicts] == [1]
    for nowhere in (
        ExplainProduceRequest(topic="t", partition=2),
        ExplainProduceRequest(topic="u"),
    ):
        assert (await client.request(nowhere)).error_code == 3


async def test_the_ring_is_bounded(client: Connection) -> None:
    requests = [produce([b"a"], sequence=number) for number in range(VERDICTS_KEPT + 3)]
    verdicts = await explained(client, *requests)
    assert len(verdicts) == VERDICTS_KEPT
    assert verdicts[-1].first_sequence == VERDICTS_KEPT + 2


def test_the_rings_are_bounded() -> None:
    class Owner:
        verdicts: Ring | None = None

    rings, owners = VerdictRings(), [Owner() for _ in range(VERDICT_RINGS_MAX + 2)]
    for owner in owners:
        rings.open(owner)
    assert [owner.verdicts is None for owner in owners[:3]] == [True, True, False]


async def test_the_command_shows_a_table_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    with ChildBroker() as broker:
        broker.create_topic("t")
        connection = await Connection.open("127.0.0.1", broker.port, client_id="shop")
        for request in (produce([b"a"]), produce([b"a"])):
            await connection.request(request)
        await connection.close()
        address = ["--bootstrap-server", broker.bootstrap_servers]
        assert await asyncio.to_thread(main, ["explain", "t:0", *address]) == 0
        shown = capsys.readouterr().out.splitlines()
        assert shown[0].split() == [*HEADS]
        assert shown[-2].split()[1:] == ["0", "shop", "7/0", "0", "duplicate", "0"]
        assert shown[-1] == "    retry of the batch at offset 0: answered with 0, nothing stored"
        assert max(map(len, shown)) <= LINE_COLUMNS
        assert await asyncio.to_thread(main, ["explain", "t", "--limit", "1", *address]) == 0
        assert capsys.readouterr().out.splitlines()[1:] == shown[-2:]
        assert await asyncio.to_thread(main, ["explain", "t", "--json", *address]) == 0
        plain = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [(each["verdict"], each["window"]) for each in plain] == [
            ("appended", []),
            ("duplicate", [[0, 0, 0]]),
        ]
        assert await asyncio.to_thread(main, ["explain", "nowhere", *address]) == 1


async def test_what_became_of_transactions_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with ChildBroker() as broker:
        broker.create_topic("t")
        broker.create_topic("other")
        place = TopicPartition("t", 0)
        async with RawProducer(broker.bootstrap_servers, "shop") as old:
            await old.write(place, b"kept")
            await old.end(commit=True)
            await old.write(place, b"lost")
            async with RawProducer(broker.bootstrap_servers, "shop") as new:  # which fences
                await new.write(place, b"open")
            for topic in ("t", "other"):
                with pytest.raises(AssertionError, match="INVALID_PRODUCER_EPOCH"):
                    await old.write(TopicPartition(topic, 0), b"late", is_added=True)
        address = ["--json", "--bootstrap-server", broker.bootstrap_servers]
        assert await asyncio.to_thread(main, ["explain", "t", *address]) == 0
        told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [(each["transaction"], each["error"]) for each in told] == [
            *(("committed", "NONE"), ("aborted", "NONE"), ("pending", "NONE")),
            (None, "INVALID_PRODUCER_EPOCH"),
        ]
        assert told[-1]["reason"].startswith("fenced: epoch 0 is over, epoch 2 has begun here (")
        assert await asyncio.to_thread(main, ["explain", "other", *address[1:]]) == 0
        shown = " ".join(capsys.readouterr().out.split())
        assert shown.endswith(
            "fenced: its transactional id has another epoch by now: refused with"
            " INVALID_PRODUCER_EPOCH"
        )


def test_a_topic_and_a_partition_are_read() -> None:
    assert parse_topic_partition("orders") == ("orders", -1)
    assert parse_topic_partition("orders:3") == ("orders", 3)
