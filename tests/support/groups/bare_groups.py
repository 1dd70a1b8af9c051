"""Groups without a broker around them: a coordinator, its log, a clock that a test moves."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from minibroker.broker.config.broker import BrokerConfig
from minibroker.broker.groups.coordinator import Coordinator
from minibroker.broker.groups.ledger import GroupsLedger
from minibroker.broker.groups.members import Joined, Synced
from minibroker.broker.groups.records import OffsetCommitValue
from minibroker.broker.groups.requests import Join, Speaker
from minibroker.broker.limits import JOIN_UNDER_WAY_MS
from minibroker.broker.log_lines import Line
from minibroker.broker.storage.memory import MemoryStorage
from minibroker.broker.storage.port import Storage
from minibroker.broker.waiting.group_commit import GroupCommit
from minibroker.broker.waiting.promise import Promise
from minibroker.broker.waiting.timers import Timers
from minibroker.broker.world import World

START_MS = 1_700_000_000_000
PROTOCOLS = (("range", b"\0\0\0\0\0\1\0\1t\xff\xff\xff\xff"),)  # subscribes to topic t
SESSION_MS, REBALANCE_MS = 10_000, 30_000
GROUP = "g"


class Clock:
    """Time that stands still until somebody moves it; the wall clock may be set besides."""

    def __init__(self) -> None:
        self.passed_ms = 0
        self.set_by_ms = 0

    def now_ms(self) -> int:
        return START_MS + self.passed_ms + self.set_by_ms

    def monotonic_ms(self) -> int:
        return self.passed_ms

    def pass_ms(self, duration_ms: int, timers: Timers) -> None:
        """Let time pass, and do what is due as it becomes due."""
        until_ms = self.passed_ms + duration_ms
        while (next_ms := timers.next_deadline_ms()) is not None and next_ms <= until_ms:
            self.passed_ms = max(self.passed_ms, next_ms)
            timers.on_deadline(self.passed_ms)
        self.passed_ms = until_ms


class Groups:
    """A coordinator on a storage; `restart` kills it and makes the next one."""

    def __init__(self, storage: Storage | None = None, **texts: Any) -> None:
        settings = {"durability": "memory", **texts}
        self.config = BrokerConfig.of({name.replace("_", "."): v for name, v in settings.items()})
        self.storage: Storage = MemoryStorage() if storage is None else storage
        self.clock = Clock()
        self.random = Random(1)
        self.told: list[Line] = []
        self.restart()

    def restart(self, storage: Storage | None = None) -> None:
        """Forget what is not written, and read the log, of this storage from now on."""
        if storage is not None:
            self.storage = storage
        world = World(self.clock, self.storage, self.random)
        self.group_commit = GroupCommit(lambda: None)
        self.ledger = GroupsLedger(self.config, world, self.group_commit)
        self.ledger.is_writable = True
        self.storage.sync_all()  # as partitions.py does for all logs that were found
        self.coordinator = Coordinator(
            self.config,
            self.ledger,
            self.ledger.clock,
            self.random,
            lambda: None,
            tell=self.told.append,
        )

    @property
    def held_bytes(self) -> int:
        """What all groups hold."""
        return self.coordinator.roster.held_bytes

    def flush(self) -> None:
        """A whole round of flushes."""
        round_ = self.group_commit.begin()
        for file in round_.files:
            file.flush()
        self.group_commit.finish(round_)

    def pass_ms(self, duration_ms: int) -> None:
        """Let time pass, and do what is due as it becomes due."""
        self.clock.pass_ms(duration_ms, self.coordinator.timers)

    def let_join(self) -> None:
        """Let a first generation begin: nobody else is about to join."""
        self.pass_ms(JOIN_UNDER_WAY_MS)

    def join(self, member_id: str = "", **more: Any) -> list[Joined]:
        """Join as an old client, which is given no id first; the list takes the answer."""
        answers: list[Joined] = []
        self.join_with(answers.append, member_id, **more)
        return answers

    def join_with(self, take: Callable[[Joined], None], member_id: str, **more: Any) -> None:
        """Join, and give the answer to `take`."""
        asked: dict[str, Any] = {
            "group_id": GROUP,
            "member_id": member_id,
            "group_instance_id": None,
            "client_id": "c",
            "client_host": "/h",
            "session_timeout_ms": SESSION_MS,
            "rebalance_timeout_ms": REBALANCE_MS,
            "protocol_type": "consumer",
            "protocols": PROTOCOLS,
            "gets_id_first": False,
            "can_skip_assignment": True,
        }
        hear(self.coordinator.join(Join(**{**asked, **more})), take)

    def sync(self, joined: Joined, given: dict[str, bytes] | None = None) -> list[Synced]:
        """Sync; the list takes the answer."""
        answers: list[Synced] = []
        hear(self.coordinator.sync(speaker(joined), None, None, given or {}), answers.append)
        return answers

    def stable(self, **more: Any) -> Joined:
        """A group of one member, at rest."""
        answers = self.join(**more)
        self.let_join()
        self.sync(answers[0], {answers[0].member_id: b"all"})
        return answers[0]

    def commit(self, offset: int, partition: int = 0, group_id: str = GROUP) -> None:
        """Write an offset of topic t."""
        value = OffsetCommitValue(
            offset=offset, metadata="", commit_timestamp=self.ledger.clock.now_ms()
        )
        self.coordinator.offsets.commit(group_id, [("t", partition, value)])

    def offset(self, partition: int = 0, group_id: str = GROUP) -> int | None:
        """The committed offset of topic t."""
        value = self.coordinator.offsets.of_group(group_id).get("t", {}).get(partition)
        return None if value is None else value.offset


def hear(outcome: Any, take: Callable[[Any], None]) -> None:
    """Give `take` an answer: now, or when the promise of it is kept."""
    if isinstance(outcome, Promise):
        outcome.deliver_to(take)
    else:
        take(outcome)


def speaker(joined: Joined) -> Speaker:
    """Who speaks after an answer to a join."""
    return Speaker(GROUP, joined.generation_id, joined.member_id, None)
