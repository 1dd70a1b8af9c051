"""`minibroker compare A B`: each planted difference is found, and nothing where nothing differs."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from minibroker.cli.commands import compare
from minibroker.cli.comparing import log_reader
from minibroker.cli.comparing.comparison import Comparison, Wanted
from minibroker.cli.comparing.side import Unreachable, side_of
from minibroker.cli.parsers import parser_of
from minibroker.cli.terminal.addresses import parse_addresses
from minibroker.cli.terminal.running import WrongUsage
from minibroker.client import Admin, OffsetAndMetadata, Producer, TopicPartition
from minibroker.testing import TestBroker

COUNT = 40
START_MS = 1_700_000_000_000


class Row(NamedTuple):
    """A record to be."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    timestamp: int


ROWS = [
    Row(
        *(None if n % 4 == 0 else b"k%d" % n, b"value %d" % n),
        (("a", b"%d" % n), ("b", None)) if n % 5 == 0 else (),
        START_MS + n,
    )
    for n in range(COUNT)
]


@pytest.fixture
async def both() -> AsyncIterator[tuple[TestBroker, TestBroker]]:
    async with AsyncExitStack() as stack:
        a, b = [await stack.enter_async_context(TestBroker(seed=seed)) for seed in (1, 2)]
        yield a, b


async def fill(
    broker: TestBroker, topic: str, rows: Sequence[Row], partition: int = 0, **options: Any
) -> None:
    """Records in batches of some size."""
    async with Producer(broker.bootstrap_servers, **options) as producer:
        for row in rows:
            await producer.send(
                topic,
                row.value,
                key=row.key,
                partition=partition,
                timestamp_ms=row.timestamp,
                headers=row.headers,
            )


async def commit(broker: TestBroker, group: str, offsets: Mapping[TopicPartition, Any]) -> None:
    async with Admin(broker.bootstrap_servers) as admin:
        await admin.alter_group_offsets(group, offsets)


def parsed(both: tuple[TestBroker, TestBroker], *options: str) -> Namespace:
    servers = [each.bootstrap_servers for each in both]
    return parser_of("compare").parse_args([*servers, *options])


async def told(
    capsys: pytest.CaptureFixture[str], both: tuple[TestBroker, TestBroker], *options: str
) -> tuple[int, Any]:
    code = await compare._run(parsed(both, *options, "--json"))
    return code, json.loads(capsys.readouterr().out)


def changed(at: int, **fields: Any) -> list[Row]:
    return [row._replace(**fields) if n == at else row for n, row in enumerate(ROWS)]


# name -> (what B gets instead of ROWS, what is told: kind and offset)
IN_RECORDS: dict[str, tuple[list[Row], tuple[str, int]]] = {
    "one-byte": (changed(7, value=b"valuf 7"), ("value", 7)),
    "one-byte-more": (changed(8, value=b"value 8 "), ("value", 8)),
    "first-value": (changed(0, value=b"value 1"), ("value", 0)),
    "last-value": (changed(39, value=b"value 38"), ("value", 39)),
    "null-for-empty": (changed(9, value=None), ("value", 9)),
    "key": (changed(11, key=b"k10"), ("key", 11)),
    "key-where-none-is": (changed(12, key=b""), ("key", 12)),
    "header-order": (changed(5, headers=ROWS[5].headers[::-1]), ("headers", 5)),
    "header-value": (changed(10, headers=(("a", b"1"), ("b", None))), ("headers", 10)),
    "header-name": (changed(15, headers=(("a", b"15"), ("B", None))), ("headers", 15)),
    "header-more": (changed(16, headers=(("a", b""),)), ("headers", 16)),
    "timestamp": (changed(17, timestamp=START_MS + 18), ("timestamp", 17)),
    "swapped": ([*ROWS[:20], ROWS[21], ROWS[20], *ROWS[22:]], ("value", 20)),
    "end": (ROWS[:-1], ("end", 39)),
    "longer": ([*ROWS, ROWS[0]], ("end", 40)),
}


async def plant(a: TestBroker, b: TestBroker) -> set[tuple[str, str, int]]:
    """Twenty topics, each with one difference; (kind, topic, offset) of each."""
    expected: set[tuple[str, str, int]] = set()
    for name, (rows, (kind, offset)) in IN_RECORDS.items():
        for broker in (a, b):
            broker.create_topic(name)
        await fill(a, name, ROWS, linger_ms=0)
        await fill(b, name, rows, compression_type="gzip", batch_size=300)
        expected.add((kind, name, offset))
    # A record on one side, a marker on the other.
    for broker in (a, b):
        broker.create_topic("missing-offset")
    await fill(a, "missing-offset", ROWS)
    await fill(b, "missing-offset", ROWS[:4])
    async with (
        Producer(b.bootstrap_servers, transactional_id="t") as producer,
        producer.transaction(),
    ):
        row = ROWS[4]
        await producer.send("missing-offset", row.value, key=row.key, timestamp_ms=row.timestamp)
    await fill(b, "missing-offset", ROWS[6:])
    expected.add(("record", "missing-offset", 5))
    a.create_topic("only-in-a")
    expected.add(("topic", "only-in-a", -1))
    a.create_topic("wider", partitions=3)
    b.create_topic("wider", partitions=2)
    expected.add(("partitions", "wider", -1))
    async with Admin(a.bootstrap_servers) as admin:
        await admin.create_topic("config", configs={"retention.ms": "86400000"})
    b.create_topic("config")
    expected.add(("config", "config", -1))
    for broker in (a, b):
        broker.create_topic("group")
        await fill(broker, "group", ROWS)
    await commit(a, "g", {TopicPartition("group", 0): 17})
    await commit(b, "g", {TopicPartition("group", 0): 16})
    expected.add(("position", "group", -1))
    return expected


async def test_each_of_twenty_differences_is_found(
    both: tuple[TestBroker, TestBroker], capsys: pytest.CaptureFixture[str]
) -> None:
    expected = await plant(*both)
    assert len(expected) == 20
    code, document = await told(capsys, both)
    found = {(e["kind"], e["topic"], e.get("offset", -1)) for e in document["differences"]}
    # Who is swapped differs in more than one thing, at both places.
    beside = {("key", "swapped", n) for n in (20, 21)} | {
        ("value", "swapped", 21),
        ("headers", "swapped", 20),
        ("headers", "swapped", 21),
        ("timestamp", "swapped", 20),
        ("timestamp", "swapped", 21),
    }
    assert found - beside == expected
    assert (code, document["equal"], document["by_design"]) == (1, False, [])
    assert sum(document["counts"].values()) == len(document["differences"])
    assert await compare._run(parsed(both)) == 1
    said = capsys.readouterr()
    assert said.out.splitlines()[0].split() == [
        *("KIND", "TOPIC", "PARTITION", "NAME", "OFFSET", "A", "B", "BY"),
        "DESIGN",
    ]
    assert "different: 1 config, 2 end" in said.err
    for name in ("g", "retention.ms", "86400000"):
        assert name in said.out


async def test_nothing_differs_where_only_batches_do(
    both: tuple[TestBroker, TestBroker], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    async with Admin(both[0].bootstrap_servers) as admin:  # as it is on the other side by default
        await admin.create_topic("default", configs={"cleanup.policy": "delete"})
    both[1].create_topic("default")
    options: tuple[dict[str, Any], ...] = ({"linger_ms": 0}, {"compression_type": "gzip"})
    for broker, option in zip(both, options, strict=True):
        broker.create_topic("orders", partitions=3)
        broker.create_topic("empty")
        for partition in range(3):
            await fill(broker, "orders", ROWS, partition, **option)
        place = TopicPartition("orders", 1)
        await commit(broker, "g", {place: OffsetAndMetadata(3, "noted")})
    code, document = await told(capsys, both)
    assert (code, document["equal"], document["differences"]) == (0, True, [])
    assert (document["records"], document["partitions"]) == (3 * COUNT, 5)
    assert await compare._run(parsed(both)) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "equal: 120 records, 5 partitions and 3 topics\n")
    await commit(both[1], "g", {TopicPartition("orders", 1): OffsetAndMetadata(3, "other")})
    assert (await told(capsys, both, "--no-groups"))[0] == 0
    assert (await told(capsys, both, "--groups", "g"))[0] == 1
    assert (await told(capsys, both, "--topics", "empty"))[1]["partitions"] == 1
    with pytest.raises(WrongUsage, match="no topic misspelt on either side"):
        await told(capsys, both, "--topics", "misspelt")


async def test_a_mirror_is_compared_by_order(
    both: tuple[TestBroker, TestBroker], capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = both
    for broker in both:
        broker.create_topic("t")
    await fill(a, "t", ROWS)
    async with Producer(b.bootstrap_servers, transactional_id="mirror") as producer:
        for begin in range(0, COUNT, 8):
            async with producer.transaction():
                for row in ROWS[begin : begin + 8]:
                    await producer.send(
                        *("t", row.value),
                        key=row.key,
                        headers=row.headers,
                        timestamp_ms=row.timestamp,
                    )
    place = TopicPartition("t", 0)
    await commit(a, "g", {place: 17})
    await commit(b, "g", {place: 19})  # two markers stand before
    assert (await told(capsys, both))[0] == 1
    code, document = await told(capsys, both, "--by", "order")
    assert (code, document["records"]) == (0, COUNT)
    await commit(b, "g", {place: 20})
    code, document = await told(capsys, both, "--by", "order")
    assert (code, document["counts"]) == (1, {"position": 1})


async def test_what_was_the_same_is_not_read_again(
    both: tuple[TestBroker, TestBroker], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for broker in both:
        broker.create_topic("t", partitions=2)
        for partition in range(2):
            await fill(broker, "t", ROWS, partition, batch_size=100)
    monkeypatch.setattr(log_reader, "FETCH_BYTES", 300)
    read: list[int] = []
    plain = log_reader.LogReader.read

    async def noted(self: log_reader.LogReader, offset: int, end: int) -> log_reader.Fetched:
        read.append(offset)
        if len(read) == 30:
            raise Unreachable("broken off")
        return await plain(self, offset, end)

    monkeypatch.setattr(log_reader.LogReader, "read", noted)
    state = tmp_path / "state"
    with pytest.raises(Unreachable):
        await run_comparison(both, state)
    first = [*read]
    assert await run_comparison(both, state) == 2 * COUNT
    again = read[len(first) :]
    assert 0 < again[0] <= first[-1]
    read.clear()
    assert await run_comparison(both, state) == 2 * COUNT
    assert read == []
    for broker in both:
        await fill(broker, "t", ROWS[:3], 1)
    assert await run_comparison(both, state) == 2 * COUNT + 3
    assert {*read} == {COUNT}
    with pytest.raises(WrongUsage, match="of another comparison"):
        await run_comparison(both, state, by_order=True)


async def run_comparison(
    both: tuple[TestBroker, TestBroker], state: Path | None = None, **options: Any
) -> int:
    """How many records are the same; nothing else may be found."""
    a, b = [parse_addresses(each.bootstrap_servers) for each in both]
    async with side_of("A", a, None, 1) as one, side_of("B", b, None, 1) as other:
        comparison = Comparison(one, other, Wanted(state=state, at_once=1, **options))
        await comparison.run()
        assert comparison.found.kept == []
        return comparison.records


async def test_records_that_go_meanwhile_are_named(
    both: tuple[TestBroker, TestBroker], monkeypatch: pytest.MonkeyPatch
) -> None:
    for broker in both:
        broker.create_topic("t")
        await fill(broker, "t", ROWS, batch_size=100)
    monkeypatch.setattr(log_reader, "FETCH_BYTES", 300)
    plain = log_reader.LogReader.read
    is_done = False

    async def removing(self: log_reader.LogReader, offset: int, end: int) -> log_reader.Fetched:
        nonlocal is_done
        if offset and not is_done and self._side.label == "A":
            is_done = True
            async with Admin(both[0].bootstrap_servers) as admin:
                await admin.delete_records({TopicPartition("t", 0): 30})
        return await plain(self, offset, end)

    monkeypatch.setattr(log_reader.LogReader, "read", removing)
    a, b = [parse_addresses(each.bootstrap_servers) for each in both]
    async with side_of("A", a, None, 1) as one, side_of("B", b, None, 1) as other:
        comparison = Comparison(one, other, Wanted())
        await comparison.run()
    (gone,) = comparison.found.kept
    assert (gone.kind, gone.last_offset) == ("start", 29)
    assert "retention" in gone.by_design
    assert comparison.found.is_equal


async def test_one_that_cannot_be_reached_is_trouble_and_no_difference(
    both: tuple[TestBroker, TestBroker],
) -> None:
    await both[1].stop()
    with pytest.raises(Unreachable, match=r"^B \(127.0.0.1:\d+\)") as trouble:
        await compare._run(parsed(both))
    assert trouble.value.exit_code == 2
