"""`minibroker graduate`: each step once, broken off and repeated, and what it refuses.

The mirror is a few lines of ours that copy as MirrorMaker does: exactly once, so that markers stand
between the records. MirrorMaker itself: tests/interop/commands/test_graduation.py.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from minibroker.cli.commands import graduate
from minibroker.cli.graduating.kept import Kept
from minibroker.cli.parsers import parser_of
from minibroker.cli.terminal.running import CommandFailed, WrongUsage
from minibroker.client import Admin, Consumer, OffsetAndMetadata, Producer, TopicPartition
from minibroker.testing import TestBroker

PARTITIONS = 3
COUNT = 60
EACH = COUNT // PARTITIONS
COMMITTED: Any = {"isolation_level": "read_committed"}
Both = tuple[TestBroker, TestBroker]


@pytest.fixture
async def both() -> AsyncIterator[Both]:
    async with AsyncExitStack() as stack:
        old, new = [await stack.enter_async_context(TestBroker(seed=seed)) for seed in (1, 2)]
        old.create_topic("orders", partitions=PARTITIONS)
        await send(old, range(COUNT))
        await commit(old, "billing", {0: 3, 1: EACH, 2: 0})
        yield old, new


async def send(broker: TestBroker, numbers: range) -> None:
    async with Producer(broker.bootstrap_servers) as producer:
        for n in numbers:
            await producer.send("orders", b"%d" % n, partition=n % PARTITIONS)


async def commit(broker: TestBroker, group: str, offsets: Mapping[int, int]) -> None:
    async with Admin(broker.bootstrap_servers) as admin:
        places = {TopicPartition("orders", i): at for i, at in offsets.items()}
        await admin.alter_group_offsets(
            group, {place: OffsetAndMetadata(at, "note") for place, at in places.items()}
        )


async def committed(broker: TestBroker, group: str) -> dict[int, int]:
    async with Admin(broker.bootstrap_servers) as admin:
        found = await admin.list_group_offsets(group)
    assert {each.metadata for each in found.values()} <= {"note"}
    return {place.partition: each.offset for place, each in found.items()}


@asynccontextmanager
async def mirroring(both: Both, late_s: float = 0.0) -> AsyncIterator[None]:
    """Copy `orders` until the end of the block, five records a transaction, and each so late."""
    old, new = (each.bootstrap_servers for each in both)

    ending = asyncio.Event()

    async def copy() -> None:
        places = [TopicPartition("orders", index) for index in range(PARTITIONS)]
        async with (
            Consumer(bootstrap_servers=old, auto_offset_reset="earliest", **COMMITTED) as consumer,
            Producer(new, transactional_id="mirror") as producer,
        ):
            consumer.assign(places)
            while True:
                batch = await consumer.getmany(max_records=5, timeout_ms=50)
                if not batch:
                    continue
                await ended(ending, late_s)
                async with producer.transaction():
                    for records in batch.values():
                        for each in records:
                            await producer.send(
                                *("orders", each.value),
                                partition=each.partition,
                                timestamp_ms=each.timestamp,
                            )

    if "orders" not in await topics(both[1]):
        both[1].create_topic("orders", partitions=PARTITIONS)
    task = asyncio.create_task(copy())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.result()


async def ended(ending: asyncio.Event, within_s: float) -> None:
    """Until it has, or so long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await ending.wait()


async def topics(broker: TestBroker) -> list[str]:
    async with Admin(broker.bootstrap_servers) as admin:
        return await admin.list_topics()


class Walk:
    """Calls the command."""

    def __init__(self, both: Both, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._servers = [each.bootstrap_servers for each in both]
        self._directory = directory
        self._capsys = capsys

    async def __call__(self, *options: str) -> dict[str, Any]:
        old, new = self._servers
        words = ["--bootstrap-server", old, "--to", new, "--directory", str(self._directory)]
        args = parser_of("graduate").parse_args([*words, "--within", "10", "--json", *options])
        self._capsys.readouterr()
        assert await graduate._run(args) == 0
        document: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        return document


@pytest.fixture
def walk(both: Both, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Walk:
    return Walk(both, tmp_path / "graduate", capsys)


async def walk_all(both: Both, walk: Callable[..., Any]) -> dict[str, Any]:
    await walk()
    await walk("--producers-stopped")
    document: dict[str, Any] = await walk("--consumers-stopped")
    return document


async def test_the_whole_way(both: Both, walk: Walk, tmp_path: Path) -> None:
    before = await topics(both[0])
    async with mirroring(both):
        told = await walk()
        assert (told["step"], told["records"]) == ("mirrored", COUNT)
        await send(both[0], range(COUNT, COUNT + PARTITIONS))
        assert (await walk("--producers-stopped"))["step"] == "switched"
        await send(both[1], range(1000, 1006))
        told = await walk("--consumers-stopped")
    assert told["step"] == "moved"
    assert (told["groups"], told["equal"], told["records"]) == (["billing"], True, COUNT + 3)
    await reads_on_exactly(both)
    assert await topics(both[0]) == before
    assert (tmp_path / "graduate" / "mirror.properties").stat().st_mode & 0o777 == 0o600


async def reads_on_exactly(both: Both) -> None:
    """From where the group stands, both clusters have the same to read."""
    read = []
    for broker in both:
        values: dict[int, list[bytes | None]] = {}
        offsets = await committed(broker, "billing")
        assert offsets.keys() == {0, 1, 2}
        for each in broker.records("orders"):
            if each.offset >= offsets[each.partition] and int(each.value or b"") < 1000:
                values.setdefault(each.partition, []).append(each.value)
        read.append({index: each for index, each in sorted(values.items()) if each})
    assert read[0] == read[1]
    assert len(read[0][2]) == len(read[0][0]) + 3 >= EACH


async def test_every_step_can_be_repeated(both: Both, walk: Walk) -> None:
    async with mirroring(both):
        assert await walk() == {**(await walk()), "findings": (await walk())["findings"]}
        first = await walk("--producers-stopped")
        assert await walk("--producers-stopped") == first
        assert (await walk())["step"] == "switched"
        moved = await walk("--consumers-stopped")
        there = await committed(both[1], "billing")
        await commit(both[1], "billing", {0: there[0] + 2})  # it has gone on
        assert await walk("--consumers-stopped") == moved
    assert await committed(both[1], "billing") == {**there, 0: there[0] + 2}


class Killed(BaseException):
    """As if the process had ended here."""


async def test_broken_off_anywhere_it_comes_to_the_same_end(
    both: Both, walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dies before and behind each time that something is written down, or committed."""
    left = 0

    def dying(owner: Any, name: str) -> None:
        plain = getattr(owner, name)

        def count() -> None:
            nonlocal left
            left -= 1
            if not left:
                raise Killed

        if asyncio.iscoroutinefunction(plain):

            async def later(self: Any, *args: Any, **options: Any) -> Any:
                count()
                result = await plain(self, *args, **options)
                count()
                return result

            monkeypatch.setattr(owner, name, later)
        else:

            def now(self: Any, *args: Any, **options: Any) -> Any:
                count()
                result = plain(self, *args, **options)
                count()
                return result

            monkeypatch.setattr(owner, name, now)

    dying(Kept, "_replace")
    dying(Admin, "alter_group_offsets")
    deaths = 0
    async with mirroring(both):
        for at in range(1, 100):
            left = at
            try:
                await walk_all(both, walk)
            except (Killed, WrongUsage) as death:
                deaths += isinstance(death, Killed)
            if left > 0:
                break
        left = 0
        told = await walk("--consumers-stopped")
    assert deaths >= 4
    assert (told["step"], told["groups"], told["equal"]) == ("moved", ["billing"], True)
    await reads_on_exactly(both)


async def test_who_still_writes_is_named(both: Both, walk: Walk) -> None:
    async with mirroring(both):
        await walk()

        async def write() -> None:
            async with Producer(both[0].bootstrap_servers, linger_ms=0) as producer:
                while True:
                    await producer.send_and_wait("orders", b"0", partition=0)

        writer = asyncio.create_task(write())
        with pytest.raises(CommandFailed, match="somebody still writes to orders-0"):
            await walk("--producers-stopped")
        writer.cancel()
        await asyncio.wait({writer})
        await walk("--producers-stopped")
        await send(both[0], range(COUNT, COUNT + 1))
        with pytest.raises(CommandFailed, match="after the switch somebody wrote"):
            await walk("--consumers-stopped")


async def test_a_mirror_that_follows_closely_has_caught_up(both: Both, walk: Walk) -> None:
    """It is always some records behind while producers write."""
    ending = asyncio.Event()

    async def write() -> None:
        async with Producer(both[0].bootstrap_servers, linger_ms=0) as producer:
            while not ending.is_set():
                await producer.send_and_wait("orders", b"0", partition=0)
                await ended(ending, 0.02)

    async with mirroring(both, late_s=0.05):
        writer = asyncio.create_task(write())
        assert (await walk())["step"] == "mirrored"
        ending.set()
        await writer
        assert (await walk("--producers-stopped"))["step"] == "switched"


async def test_who_still_reads_is_named(both: Both, walk: Walk) -> None:
    async with mirroring(both):
        await walk()
        await walk("--producers-stopped")
        for broker, which in zip(both, ("old", "new"), strict=True):
            async with Consumer(
                "orders", bootstrap_servers=broker.bootstrap_servers, group_id="billing"
            ) as consumer:
                await consumer.getmany(timeout_ms=2_000)
                with pytest.raises(CommandFailed, match=f"billing of the {which} cluster"):
                    await walk("--consumers-stopped")


async def test_an_open_transaction_is_named(both: Both, walk: Walk) -> None:
    async with mirroring(both):
        await walk()
        async with (
            Producer(both[0].bootstrap_servers, transactional_id="t") as producer,
            producer.transaction(),
        ):
            await producer.send_and_wait("orders", b"900", partition=1)
            with pytest.raises(CommandFailed, match="a transaction is open in orders-1"):
                await walk("--producers-stopped")
        await walk("--producers-stopped")


async def test_what_is_no_mirror_is_refused(both: Both, walk: Walk) -> None:
    both[1].create_topic("orders", partitions=PARTITIONS)
    await send(both[1], range(5, 8))
    with pytest.raises(CommandFailed, match=r"the mirror is none: .* orders-"):
        await walk()
    with pytest.raises(WrongUsage, match="catches up first"):
        await walk("--producers-stopped")
    with pytest.raises(WrongUsage, match="switched first"):
        await walk("--consumers-stopped")


async def test_without_a_mirror_it_says_so(both: Both, walk: Walk) -> None:
    with pytest.raises(CommandFailed, match="has not made orders; does MirrorMaker run"):
        await walk("--within", "0")
    assert await topics(both[1]) == []


async def test_topics_without_records_are_no_mirror(both: Both, walk: Walk, tmp_path: Path) -> None:
    """1. a look finds no topic, and so no record that is missing  2. the mirror makes the topic."""
    walking = asyncio.create_task(walk("--within", "2"))
    while not (tmp_path / "graduate" / "verified.json").exists():
        await asyncio.sleep(0)
        assert not walking.done()
    both[1].create_topic("orders", partitions=PARTITIONS)
    with pytest.raises(CommandFailed, match="the mirror is 60 offsets behind"):
        await walking


async def test_a_name_that_is_taken_stands_in_the_way(both: Both, walk: Walk) -> None:
    both[1].create_topic("orders", partitions=PARTITIONS + 1)
    with pytest.raises(CommandFailed, match="something stands in the way"):
        await walk()


async def test_a_topic_that_the_mirror_was_not_told_of_is_named(both: Both, walk: Walk) -> None:
    async with mirroring(both):
        await walk()
        both[0].create_topic("later")
        with pytest.raises(CommandFailed, match="was not told of later: repeat the first step"):
            await walk("--producers-stopped")
    with pytest.raises(WrongUsage, match="the old cluster has no topic misspelt"):
        await walk("--topics", "orders,misspelt")
    with pytest.raises(WrongUsage, match="the old cluster has no group nobody"):
        await walk("--groups", "billing,nobody")


async def test_what_was_named_at_the_first_step_counts_to_the_last(both: Both, walk: Walk) -> None:
    both[0].create_topic("other")
    await commit(both[0], "shipping", {0: 1})
    async with mirroring(both):
        await walk("--topics", "orders", "--groups", "billing")
        await walk("--producers-stopped")
        told = await walk("--consumers-stopped")
    assert (told["groups"], told["equal"]) == (["billing"], True)
    assert await topics(both[1]) == ["orders"]


async def test_a_compacted_topic_goes_along(both: Both, walk: Walk) -> None:
    """What the new cluster has compacted meanwhile is no difference."""
    old, new = both
    async with Admin(old.bootstrap_servers) as admin:
        await admin.create_topic("users", configs={"cleanup.policy": "compact"})
    async with Admin(new.bootstrap_servers) as admin:
        await admin.create_topic("users", configs={"cleanup.policy": "compact"})
    rows = [(b"k%d" % (n % 4), b"%d" % n) for n in range(40)]
    await send_keyed(old, rows)
    await send_keyed(new, rows[-4:])  # all that compaction has left
    place = TopicPartition("users", 0)
    async with Admin(old.bootstrap_servers) as admin:
        await admin.alter_group_offsets("readers", {place: OffsetAndMetadata(30, "note")})
    async with mirroring(both):
        told = await walk()
        assert "compacted: users" in str(told["findings"])
        await walk("--producers-stopped")
        told = await walk("--consumers-stopped")
        assert (told["equal"], told["groups"]) == (True, ["billing", "readers"])
    assert await committed(new, "readers") == {0: 0}
    await send_keyed(old, [(b"k9", b"lost")])
    with pytest.raises(CommandFailed, match="after the switch somebody wrote"):
        await walk("--consumers-stopped")


async def send_keyed(broker: TestBroker, rows: list[tuple[bytes, bytes]]) -> None:
    async with Producer(broker.bootstrap_servers) as producer:
        for n, (key, value) in enumerate(rows):
            at = 1_700_000_000_000 + int(value) if value.isdigit() else n
            await producer.send("users", value, key=key, timestamp_ms=at)


async def test_the_directory_of_another_way_is_refused(both: Both, walk: Walk) -> None:
    async with mirroring(both):
        await walk()
    back = Walk(both[::-1], walk._directory, walk._capsys)
    with pytest.raises(WrongUsage, match="holds the way from"):
        await back()
