"""EDGE: what `minibroker transactions` and `consume --isolation` do with any broker of one node."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from uuid import uuid4

from minibroker.client import Admin, ConfigResource, TopicPartition

from tests.support.transactions.raw_producer import RawProducer
from tests.support.transactions.scenarios import VERIFICATION

Command = Callable[..., tuple[int, str, str]]
"""Runs `minibroker WORDS --bootstrap-server ...`; returns exit code, standard output and error."""


class Stage:
    """A topic of two partitions and three producers: one open, one done, one whose part hangs.

    In partition 0 stand b"one" and b"two" of the open one; in partition 1 its b"three", then
    b"four" of the one that is done, its marker, and at 3 b"lost" of the one that hangs.
    """

    def __init__(self, bootstrap: str) -> None:
        mark = uuid4().hex[:8]
        self.bootstrap = bootstrap
        self.topic = f"orders-{mark}"
        self.open, self.done = f"open-{mark}", f"done-{mark}"
        self.producer_ids: dict[str, int] = {}
        self._hanging = f"lost-{mark}"

    async def set(self) -> None:
        """Make the topic and write what the docstring says."""
        zero, one = TopicPartition(self.topic, 0), TopicPartition(self.topic, 1)
        now_ms = int(time.time() * 1000)
        async with (
            Admin(self.bootstrap) as admin,
            RawProducer(self.bootstrap, self.open) as open_,
            RawProducer(self.bootstrap, self.done) as done,
            RawProducer(self.bootstrap, self._hanging) as lost,
        ):
            await admin.create_topic(self.topic, num_partitions=2)
            await open_.write(zero, b"one", b"two", now_ms=now_ms)
            await open_.write(one, b"three", now_ms=now_ms)
            await done.write(one, b"four", now_ms=now_ms)
            await done.end(commit=True)
            while (await admin.describe_transactions([self.done]))[
                self.done
            ].state != "CompleteCommit":
                pass
            switch = ConfigResource.broker(None)
            await admin.alter_configs(switch, {VERIFICATION: "false"})
            try:
                assert await lost.write(one, b"lost", is_added=True) == 3
            finally:
                await admin.alter_configs(switch, {VERIFICATION: None})
            for each in (open_, done, lost):
                self.producer_ids[each.transactional_id.partition("-")[0]] = each.producer_id


def look_and_abort(command: Command, bootstrap: str) -> None:
    """Look at transactions, end what hangs, abort what is open; raises AssertionError."""
    stage = Stage(bootstrap)
    asyncio.run(stage.set())
    _list(command, stage)
    _describe(command, stage)
    _find_and_abort_what_hangs(command, stage)
    _terminate(command, stage)


def _list(command: Command, stage: Stage) -> None:
    code, out, _ = command("transactions", "list")
    assert (code, out.split()[:4]) == (
        *(0, ["TRANSACTIONAL-ID", "COORDINATOR", "PRODUCER-ID", "STATE"]),
    )
    shown = {line.split()[0]: line.split()[1:] for line in out.splitlines()[1:]}
    ids = stage.producer_ids
    assert shown[stage.open] == ["1", str(ids["open"]), "Ongoing"]
    assert shown[stage.done] == ["1", str(ids["done"]), "CompleteCommit"]
    only = ("--state", "Ongoing,Empty", "--producer-id", str(ids["open"]))
    _, out, _ = command("transactions", "list", *only, "--json")
    assert json.loads(out) == [
        {
            "transactional_id": stage.open,
            "coordinator": 1,
            "producer_id": ids["open"],
            "state": "Ongoing",
        }
    ]
    code, out, err = command("transactions", "list", "--state", "ongoing")
    assert (code, out) == (1, "")
    assert "knows no state 'ongoing'; Kafka's states are Empty, Ongoing," in err


def _describe(command: Command, stage: Stage) -> None:
    which = ("--transactional-id", stage.done, "--transactional-id", stage.open)
    _, out, _ = command("transactions", "describe", *which)
    heads, done, open_ = out.splitlines()
    assert heads.split()[3:6] == ["EPOCH", "STATE", "TIMEOUT-MS"]
    assert open_.split()[4:6] == ["Ongoing", "60000"]
    assert open_.endswith(f"{stage.topic}(0,1)")
    assert done.split()[-2:] == ["-", "-"]
    _, out, _ = command("transactions", "describe", *which[2:], "--json")
    (document,) = json.loads(out)
    assert document["partitions"] == [[stage.topic, 0], [stage.topic, 1]]
    assert abs(document["start_time_ms"] - time.time() * 1000) < 60_000
    _, out, _ = command("transactions", "describe", "--topic", stage.topic, "--json")
    starts = {
        (each["partition"], each["producer_id"]): each["transaction_start_offset"]
        for each in json.loads(out)
    }
    ids = stage.producer_ids
    assert starts == {
        (0, ids["open"]): 0,
        (1, ids["open"]): 0,
        (1, ids["done"]): None,
        (1, ids["lost"]): 3,
    }
    _, out, _ = command("transactions", "describe", "--topic", stage.topic, "--partition", "0")
    assert len(out.splitlines()) == 2
    for words, why in (
        (("--transactional-id", "nobody"), "TRANSACTIONAL_ID_NOT_FOUND"),
        (("--topic", stage.topic, "--partition", "7"), "has 2 partitions, 7 is none of them"),
        (("--topic", "nowhere"), "there is no topic nowhere (UNKNOWN_TOPIC_OR_PARTITION)"),
    ):
        code, out, err = command("transactions", "describe", *words)
        assert (code, out, why in err) == (1, "", True), err


def _find_and_abort_what_hangs(command: Command, stage: Stage) -> None:
    here = ("--topic", stage.topic)
    code, out, err = command("transactions", "find-hanging", *here)
    assert code == 0
    (row,) = [line.split() for line in out.splitlines()[1:]]
    assert row[:6] == [stage.topic, "1", str(stage.producer_ids["lost"]), "0", "-", "3"]
    abort = f"minibroker transactions abort --topic {stage.topic} --partition 1 --start-offset 3"
    assert err == f"end one with: {abort}\n"
    for words, why in (
        (("--partition", "0", "--start-offset", "0"), f"with --transactional-id {stage.open}, or"),
        (("--partition", "1", "--start-offset", "9"), "those open there began at 0, 3"),
        (("--partition", "7", "--start-offset", "9"), "has 2 partitions, 7 is none of them"),
    ):
        code, out, err = command("transactions", "abort", *here, *words)
        assert (code, out, why in err) == (1, "", True), err
    code, out, err = command(*abort.split()[1:])
    assert (code, out) == (0, f"aborted in {stage.topic}-1 what began at offset 3\n"), err
    code, out, err = command("transactions", "find-hanging", *here, "--json")
    assert (code, out) == (0, "[]\n")
    code, out, err = command("transactions", "find-hanging", *here)
    assert (code, out, err) == (0, "", "nothing hangs in the 2 partitions looked at\n")


def _terminate(command: Command, stage: Stage) -> None:
    committed = ("consume", stage.topic, "--isolation", "read_committed")
    assert command(*committed) == (0, "", "")  # nothing before the first open transaction
    _, out, _ = command("consume", stage.topic)
    assert sorted(out.split()) == ["four", "lost", "one", "three", "two"]
    for name, why in (
        (stage.done, "has no transaction to abort: its state is CompleteCommit"),
        ("nobody", "TRANSACTIONAL_ID_NOT_FOUND"),
    ):
        code, out, err = command("transactions", "abort", "--transactional-id", name)
        assert (code, out, why in err) == (1, "", True), err
    part = ("--topic", stage.topic, "--partition", "0", "--start-offset", "0", "--force", "--json")
    _, out, _ = command("transactions", "abort", *part)
    assert json.loads(out) == {"aborted": {"topic": stage.topic, "partition": 0, "start_offset": 0}}
    _, out, _ = command("transactions", "describe", "--topic", stage.topic, "--json")
    assert [each["transaction_start_offset"] for each in json.loads(out)] == [None, 0, None, None]
    code, out, err = command("transactions", "abort", "--transactional-id", stage.open)
    said = f"aborted the transaction of {stage.open}, and fenced its producer\n"
    assert (code, out) == (0, said), err
    assert command(*committed) == (0, "four\n", "")
