"""EDGE: what our consumers do in groups, played against whichever broker: ours, or a real Kafka.

Each scenario takes the bootstrap servers and makes topics and groups of its own. Waits are for what
is awaited, bounded by WAIT_S.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from minibroker.broker.faults.rules import LoseReply, Rule
from minibroker.cli.main import main
from minibroker.client import (
    Admin,
    ConfigSource,
    ConfigType,
    Consumer,
    ConsumerRebalanceListener,
    ErrorCode,
    Fatal,
    Fenced,
    OffsetAndMetadata,
    Producer,
    Retriable,
    TopicPartition,
)
from minibroker.client.admin import ConfigResource
from minibroker.testing.proxy import Proxy

from tests.support.processes.commands import run

WAIT_S = 30.0
POLL_MS = 100
Scenario = Callable[[str], Awaitable[None]]


class Heard(ConsumerRebalanceListener):
    """Notes what it is told, as (event, partition numbers)."""

    def __init__(self) -> None:
        self.said: list[tuple[str, list[int]]] = []

    def note(self, event: str, places: frozenset[TopicPartition]) -> None:
        self.said.append((event, sorted(place.partition for place in places)))

    async def on_partitions_revoked(self, revoked: frozenset[TopicPartition]) -> None:
        self.note("revoked", revoked)

    def on_partitions_assigned(self, assigned: frozenset[TopicPartition]) -> None:
        self.note("assigned", assigned)

    def on_partitions_lost(self, lost: frozenset[TopicPartition]) -> None:
        self.note("lost", lost)


async def topic_with(bootstrap: str, partitions: int, records: int = 0) -> str:
    """A new topic with values "0", "1", … dealt out over its partitions."""
    topic = f"t-{uuid4().hex[:8]}"
    async with Admin(bootstrap) as admin:
        await admin.create_topic(topic, num_partitions=partitions)
    await fill(bootstrap, topic, partitions, range(records))
    return topic


async def fill(bootstrap: str, topic: str, partitions: int, numbers: range) -> None:
    async with Producer(bootstrap) as producer:
        for number in numbers:
            await producer.send(topic, b"%d" % number, partition=number % partitions)


@asynccontextmanager
async def member(
    bootstrap: str, topic: str, listener: Heard | None = None, **more: object
) -> AsyncIterator[Consumer]:
    """A started consumer of group "g-TOPIC"."""
    options: dict[str, object] = {
        "group_id": f"g-{topic}", "auto_offset_reset": "earliest",
        "session_timeout_ms": 6_000, "heartbeat_interval_ms": 100, **more,
    }  # fmt: skip
    consumer = Consumer(bootstrap_servers=bootstrap, **options)  # type: ignore[arg-type]
    consumer.subscribe([topic], listener=listener)
    async with consumer:
        yield consumer


async def read(consumer: Consumer, count: int) -> list[int]:
    """The numbers of so many records."""
    numbers: list[int] = []
    async with asyncio.timeout(WAIT_S):
        while len(numbers) < count:
            for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                numbers += [int(record.value or b"") for record in records]
    return sorted(numbers)


async def until(condition: Callable[[], bool], *consumers: Consumer) -> None:
    """Keep asking for records, of which there are none, until a condition holds."""
    async with asyncio.timeout(WAIT_S):
        while not condition():
            for consumer in consumers:
                assert not await consumer.getmany(timeout_ms=POLL_MS)


async def members_share_and_hand_over(bootstrap: str) -> None:
    topic = await topic_with(bootstrap, 4, 40)
    heard = Heard()
    async with member(bootstrap, topic, heard) as one:
        assert await read(one, 40) == [*range(40)]
        async with member(bootstrap, topic) as two:
            await until(lambda: len(one.assignment()) == len(two.assignment()) == 2, one, two)
            assert not one.assignment() & two.assignment()
            await fill(bootstrap, topic, 4, range(40, 60))
            halves = await asyncio.gather(read(one, 10), read(two, 10))
            assert sorted(halves[0] + halves[1]) == [*range(40, 60)]
        await until(lambda: len(one.assignment()) == 4, one)  # a clean leave is heard of at once
        assert await one.lag() == dict.fromkeys(one.assignment(), 0)
    assert heard.said[:3] == [
        ("assigned", [0, 1, 2, 3]),
        ("revoked", [0, 1, 2, 3]),
        ("assigned", [0, 1]),
    ] or heard.said[:3] == [
        ("assigned", [0, 1, 2, 3]),
        ("revoked", [0, 1, 2, 3]),
        ("assigned", [2, 3]),
    ]
    assert heard.said[-1] == ("revoked", [0, 1, 2, 3])


async def cooperative_members_keep_what_they_keep(bootstrap: str) -> None:
    topic = await topic_with(bootstrap, 4, 40)
    heard = Heard()
    strategy = ["cooperative-sticky"]
    async with member(bootstrap, topic, heard, partition_assignment_strategy=strategy) as one:
        assert await read(one, 40) == [*range(40)]
        async with member(bootstrap, topic, partition_assignment_strategy=strategy) as two:
            await until(lambda: len(one.assignment()) == len(two.assignment()) == 2, one, two)
            revoked = [places for event, places in heard.said if event == "revoked"]
            assert len(revoked) == 1
            assert len(revoked[0]) == 2
            await fill(bootstrap, topic, 4, range(40, 60))
            halves = await asyncio.gather(read(one, 10), read(two, 10))
            assert sorted(halves[0] + halves[1]) == [*range(40, 60)]


async def a_static_member_that_dies_before_it_gives_up_holds_nothing(bootstrap: str) -> None:
    topic = await topic_with(bootstrap, 4, 40)
    options: dict[str, Any] = {"partition_assignment_strategy": ["cooperative-sticky"]}
    heard = Heard()
    async with contextlib.AsyncExitStack() as stays:
        async with member(bootstrap, topic, group_instance_id="i", **options) as one:
            assert await read(one, 40) == [*range(40)]
            two = await stays.enter_async_context(member(bootstrap, topic, heard, **options))
            await until(lambda: heard.said == [("assigned", [])], two)
            # `one` is still busy with what it read last: two of its partitions wait for that
        async with member(bootstrap, topic, group_instance_id="i", **options) as again:
            async with asyncio.timeout(WAIT_S):
                while not len(again.assignment()) == len(two.assignment()) == 2:
                    await again.getmany(timeout_ms=POLL_MS)
                    await two.getmany(timeout_ms=POLL_MS)


async def what_the_application_was_busy_with_is_read_again(bootstrap: str) -> None:
    topic = await topic_with(bootstrap, 1, 5)
    with contextlib.suppress(ZeroDivisionError):
        async with member(bootstrap, topic) as consumer:
            for number in range(3):
                assert (await consumer.getone()).value == b"%d" % number
            raise ZeroDivisionError
    async with member(bootstrap, topic) as consumer:
        assert await read(consumer, 3) == [2, 3, 4]


async def a_slow_application_leaves_and_comes_back(bootstrap: str) -> None:
    topic = await topic_with(bootstrap, 2, 4)
    heard = Heard()
    async with member(bootstrap, topic, heard, max_poll_interval_ms=500) as slow:
        assert await read(slow, 4) == [*range(4)]
        assert await slow.committed(TopicPartition(topic, 0)) is None
        async with member(bootstrap, topic) as other:
            # `slow` asks for nothing meanwhile: what it read was not committed
            assert await read(other, 4) == [*range(4)]
            with pytest.raises(Fenced, match="max_poll_interval_ms=500"):
                await slow.commit()
            await until(lambda: len(slow.assignment()) == len(other.assignment()) == 1, slow, other)
    assert heard.said[:2] == [("assigned", [0, 1]), ("lost", [0, 1])]


async def a_static_member_comes_back_without_a_rebalance(bootstrap: str) -> None:
    topic = await topic_with(bootstrap, 2)
    heard = Heard()
    async with member(bootstrap, topic, heard) as other:
        async with member(bootstrap, topic, group_instance_id="i") as static:
            await until(
                lambda: len(static.assignment()) == len(other.assignment()) == 1, static, other
            )
            before, had = len(heard.said), static.assignment()
        async with member(bootstrap, topic, group_instance_id="i") as static:
            await until(lambda: static.assignment() == had, static, other)
            assert len(heard.said) == before
            async with member(bootstrap, topic, group_instance_id="i") as newer:
                with pytest.raises(Fenced, match="group_instance_id='i'"):
                    await until(lambda: False, static)
                await until(lambda: newer.assignment() == had, newer, other)


async def new_partitions_are_read(bootstrap: str) -> None:
    topic = await topic_with(bootstrap, 1)
    async with (
        Admin(bootstrap) as admin,
        member(bootstrap, topic, metadata_max_age_ms=200) as consumer,
    ):
        await until(lambda: len(consumer.assignment()) == 1, consumer)
        await admin.create_partitions(topic, 3)
        await until(lambda: len(consumer.assignment()) == 3, consumer)


async def a_topic_that_comes_later_is_read(bootstrap: str) -> None:
    topic, heard = f"t-{uuid4().hex[:8]}", Heard()
    async with member(bootstrap, topic, heard, allow_auto_create_topics=False) as consumer:
        await until(lambda: heard.said == [("assigned", [])], consumer)
        async with Admin(bootstrap) as admin:
            await admin.create_topic(topic, num_partitions=2)
        await fill(bootstrap, topic, 2, range(2))
        assert await read(consumer, 2) == [0, 1]


async def a_pattern_finds_new_topics(bootstrap: str) -> None:
    topic = await topic_with(bootstrap, 1)
    async with Admin(bootstrap) as admin, Consumer(
        bootstrap_servers=bootstrap, group_id=topic, metadata_max_age_ms=200,
        auto_offset_reset="earliest",
    ) as consumer:  # fmt: skip
        consumer.subscribe(pattern=f"{topic}.*")
        await until(lambda: {place.topic for place in consumer.assignment()} == {topic}, consumer)
        await admin.create_topic(f"{topic}-more", num_partitions=2)
        await until(lambda: len(consumer.assignment()) == 3, consumer)
        assert consumer.subscription() == {topic, f"{topic}-more"}


async def commits_by_hand(bootstrap: str) -> None:
    topic = await topic_with(bootstrap, 2, 6)
    t0, t1 = TopicPartition(topic, 0), TopicPartition(topic, 1)
    async with member(bootstrap, topic, enable_auto_commit=False) as consumer:
        await read(consumer, 6)
        await consumer.commit({t0: OffsetAndMetadata(2, "why"), t1: 1})
        assert await consumer.committed(t0) == OffsetAndMetadata(2, "why", -1)
    async with member(bootstrap, topic, enable_auto_commit=False) as consumer:
        assert await read(consumer, 3) == [3, 4, 5]
        await consumer.commit()
        found = await consumer.committed(t1)
        assert found is not None
        assert found.offset == 3
    alone = Consumer(bootstrap_servers=bootstrap, group_id=f"alone-{topic}")
    alone.assign([t0])
    async with alone:
        await alone.commit({t0: 1})
        assert await alone.position(t0) == 1
    async with Consumer(topic, bootstrap_servers=bootstrap) as nobody:
        with pytest.raises(ValueError, match="group_id"):
            await nobody.commit()


async def a_listener_may_seek(bootstrap: str) -> None:
    topic = await topic_with(bootstrap, 1, 10)
    consumer = Consumer(bootstrap_servers=bootstrap, group_id=topic)

    class Seeks(ConsumerRebalanceListener):
        async def on_partitions_assigned(self, assigned: frozenset[TopicPartition]) -> None:
            for place in assigned:
                consumer.seek(place, 7)

    consumer.subscribe([topic], listener=Seeks())
    async with consumer:
        assert await read(consumer, 3) == [7, 8, 9]


async def unsubscribing_leaves_the_group(bootstrap: str) -> None:
    topic = await topic_with(bootstrap, 1, 3)
    heard = Heard()
    async with member(bootstrap, topic, heard) as one, member(bootstrap, topic) as two:
        async with asyncio.timeout(WAIT_S):
            while not (one.assignment() or two.assignment()):
                await one.getmany(timeout_ms=POLL_MS)
        one.unsubscribe()
        async with asyncio.timeout(WAIT_S):
            while not two.assignment():
                await two.getmany(timeout_ms=POLL_MS)
        assert one.assignment() == set()
        two.unsubscribe()
        one.subscribe([topic], listener=heard)
        async with asyncio.timeout(WAIT_S):
            while not one.assignment():
                await one.getmany(timeout_ms=POLL_MS)


async def members_without_a_common_assignor_are_told(bootstrap: str) -> None:
    topic = await topic_with(bootstrap, 1)
    async with member(bootstrap, topic, partition_assignment_strategy=["range"]) as one:
        await until(lambda: len(one.assignment()) == 1, one)
        async with member(bootstrap, topic, partition_assignment_strategy=["roundrobin"]) as two:
            with pytest.raises(Fatal, match="share no assignor with"):
                await until(lambda: False, two)


async def a_silent_coordinator_holds_nobody_up(bootstrap: str) -> None:
    topic = await topic_with(bootstrap, 1, 3)
    rules = [Rule(action=LoseReply(then="silence"), api="OffsetCommit")]
    async with Proxy(bootstrap, rules) as proxy:
        async with asyncio.timeout(WAIT_S):
            async with member(proxy.bootstrap_servers, topic, request_timeout_ms=600) as consumer:
                assert await read(consumer, 3) == [0, 1, 2]
                with pytest.raises(Retriable, match="no offsets were committed within 900 ms"):
                    await consumer.commit(timeout_ms=900)
        assert proxy.rules[0].fired


async def lost_answers_do_not_end_a_membership(bootstrap: str) -> None:
    topic = await topic_with(bootstrap, 2, 4)
    # Not the first JoinGroup: it makes an id that nobody knows, and that has to time out first.
    apis = {"JoinGroup": 2, "SyncGroup": 1, "Heartbeat": 1, "OffsetCommit": 1, "OffsetFetch": 1}
    rules = [Rule(action=LoseReply(), api=api, nth=nth) for api, nth in apis.items()]
    async with Proxy(bootstrap, rules) as proxy:
        async with member(proxy.bootstrap_servers, topic) as consumer:
            assert await read(consumer, 4) == [*range(4)]
            async with asyncio.timeout(WAIT_S):
                while not proxy.rules[2].fired:
                    await consumer.getmany(timeout_ms=POLL_MS)
            await consumer.commit()
            assert await consumer.lag() == dict.fromkeys(consumer.assignment(), 0)
        assert [rule.fired for rule in proxy.rules] == [1] * len(apis)


async def administration(bootstrap: str) -> None:
    topic = await topic_with(bootstrap, 2, 10)
    t0 = TopicPartition(topic, 0)
    group = f"g-{topic}"
    async with Admin(bootstrap) as admin:
        cluster = await admin.describe_cluster()
        assert [node.node_id for node in cluster.brokers] == [cluster.controller_id]
        assert topic in await admin.list_topics()
        with pytest.raises(Fatal, match=r"TOPIC_ALREADY_EXISTS.*; delete it first"):
            await admin.create_topic(topic)
        with pytest.raises(Fatal, match="topic nope: UNKNOWN_TOPIC_OR_PARTITION"):
            await admin.describe_topics(["nope"])
        resource = ConfigResource.topic(topic)
        await admin.alter_configs(resource, {"retention.ms": "123456"})
        assert (await admin.describe_configs(resource))["retention.ms"].value == "123456"
        await admin.alter_configs(resource, {"retention.ms": None})
        assert (await admin.describe_configs(resource))["retention.ms"].value == "604800000"
        assert await admin.delete_records({t0: 2}) == {t0: 2}
        assert (await admin.list_offsets({t0: -2}))[t0].offset == 2
        await admin.alter_group_offsets(group, {t0: OffsetAndMetadata(4, "m")})
        assert await admin.list_group_offsets(group) == {t0: OffsetAndMetadata(4, "m")}
        assert group in [each.group_id for each in await admin.list_groups(["Empty"])]
        async with member(bootstrap, topic) as consumer:
            await read(consumer, 1)
            described = await admin.describe_group(group)
            assert (described.state, described.protocol) == ("Stable", "range")
            assert described.members[0].partitions == consumer.assignment()
            with pytest.raises(Fatal, match=r"NON_EMPTY_GROUP.*; stop its consumers first"):
                await admin.delete_group(group)
            with pytest.raises(Fatal, match="the group has members"):
                await admin.alter_group_offsets(group, {t0: 0})
        await admin.delete_group_offsets(group, [t0])
        assert t0 not in await admin.list_group_offsets(group)
        await admin.delete_group(group)
        assert (await admin.describe_group(group)).state == "Dead"
        with pytest.raises(Fatal, match="GROUP_ID_NOT_FOUND"):
            await admin.delete_group(group)
        await admin.delete_topics([topic])


async def properties_and_directories(bootstrap: str) -> None:
    topic = await topic_with(bootstrap, 2, 6)
    resource = ConfigResource.topic(topic)
    async with Admin(bootstrap) as admin:
        await admin.alter_configs(resource, {"segment.bytes": "2000000"})
        async with asyncio.timeout(WAIT_S):  # a change is told a moment after it was made
            while True:
                told = await admin.describe_configs(
                    resource, include_synonyms=True, include_documentation=True
                )
                if told["segment.bytes"].value == "2000000":
                    break
        found = told["segment.bytes"]
        assert [(each.name, each.value, each.source) for each in found.synonyms] == [
            ("segment.bytes", "2000000", ConfigSource.DYNAMIC_TOPIC_CONFIG),
            ("log.segment.bytes", "1073741824", ConfigSource.DEFAULT_CONFIG),
        ]
        assert (found.type, bool(found.documentation)) == (ConfigType.INT, True)
        assert (await admin.describe_configs(resource))["segment.bytes"].synonyms == ()
        with pytest.raises(Fatal, match="INVALID_CONFIG") as caught:
            await admin.alter_configs(resource, {"retention.ms": "x"})
        assert caught.value.reason
        assert caught.value.reason in str(caught.value)
        places = [TopicPartition(topic, 0), TopicPartition(topic, 1)]
        (node,) = (await admin.describe_cluster()).brokers
        (directory,) = (await admin.describe_log_dirs(node.node_id, places)).values()
        assert directory.error is ErrorCode.NONE
        assert [(each.topic, each.partition) for each in directory.replicas] == places
        assert all(each.size_bytes > 0 and not each.is_future for each in directory.replicas)
        everything = (await admin.describe_log_dirs(node.node_id))[directory.path]
        assert {*directory.replicas} <= {*everything.replicas}


async def run_command(bootstrap: str, *words: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `minibroker WORDS`."""
    done = await asyncio.to_thread(run, *words, "--bootstrap-server", bootstrap, timeout=WAIT_S)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


async def run_groups(bootstrap: str, *words: str) -> tuple[int, str, str]:
    """As run_command() for `minibroker groups WORDS`, on a thread: a process takes far longer."""
    out, errors = io.StringIO(), io.StringIO()
    words = ("groups", *words, "--bootstrap-server", bootstrap)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        async with asyncio.timeout(WAIT_S):
            code = await asyncio.to_thread(main, [*words])
    return code, out.getvalue(), errors.getvalue()


async def commands(bootstrap: str) -> None:
    topic = await topic_with(bootstrap, 2, 6)
    group = f"g-{topic}"
    consume = ["consume", topic, "--group", group]
    code, first, _ = await run_command(bootstrap, *consume, "--max-messages", "2")
    assert (code, len(first.splitlines())) == (0, 2)
    code, rest, _ = await run_command(bootstrap, *consume)
    assert sorted(map(int, (first + rest).split())) == [*range(6)]
    assert await run_command(bootstrap, *consume) == (0, "", "")

    _, listed, _ = await run_groups(bootstrap, "list", "--state")
    assert [group, "Empty"] in [line.split() for line in listed.splitlines()]
    code, table, errors = await run_groups(bootstrap, "describe", "--group", group)
    assert (code, errors) == (0, f"group {group} has no active members\n")
    assert [line.split()[1:6] for line in table.splitlines()[1:]] == [
        [topic, "0", "3", "3", "0"],
        [topic, "1", "3", "3", "0"],
    ]
    move = ["reset-offsets", "--group", group, "--topic", f"{topic}:1", "--json"]
    for options, offset, lag in (
        (["--shift-by", "-2"], 1, 0),
        (["--shift-by", "-2", "--execute"], 1, 2),
        (["--to-earliest", "--execute"], 0, 3),
        (["--to-offset", "99", "--execute"], 3, 0),
        (["--by-duration", "P1D", "--execute"], 0, 3),
    ):
        _, said, _ = await run_groups(bootstrap, *move, *options)
        assert json.loads(said)["offsets"][0]["new_offset"] == offset
        _, said, _ = await run_groups(bootstrap, "describe", "--group", group, "--json")
        assert json.loads(said)[0]["offsets"][1]["lag"] == lag
    async with member(bootstrap, topic) as consumer:
        await read(consumer, 3)
        code, _, errors = await run_groups(bootstrap, *move, "--to-latest", "--execute")
        assert (code, "stop its consumers first" in errors) == (1, True)
        _, said, _ = await run_groups(
            bootstrap, "describe", "--group", group, "--members", "--verbose"
        )
        assert said.split()[-2:] == ["2", f"{topic}(0,1)"]
    assert await run_groups(bootstrap, "delete", "--group", group) == (
        0, f"deleted {group}\n", "",
    )  # fmt: skip
    code, _, errors = await run_groups(bootstrap, "describe", "--group", group)
    assert (code, errors) == (1, f"minibroker groups describe: there is no group {group}\n")


SCENARIOS: list[Scenario] = [
    members_share_and_hand_over,
    cooperative_members_keep_what_they_keep,
    a_static_member_that_dies_before_it_gives_up_holds_nothing,
    what_the_application_was_busy_with_is_read_again,
    a_slow_application_leaves_and_comes_back,
    a_static_member_comes_back_without_a_rebalance,
    new_partitions_are_read,
    a_topic_that_comes_later_is_read,
    a_pattern_finds_new_topics,
    commits_by_hand,
    a_listener_may_seek,
    unsubscribing_leaves_the_group,
    members_without_a_common_assignor_are_told,
    a_silent_coordinator_holds_nobody_up,
    lost_answers_do_not_end_a_membership,
    administration,
    properties_and_directories,
    commands,
]
