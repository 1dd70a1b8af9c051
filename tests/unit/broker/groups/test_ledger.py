"""The log of the groups: what survives a crash at any step, and that it does not grow for ever."""

from __future__ import annotations

from copy import deepcopy

import pytest
from minibroker.broker.groups.offsets import SNAPSHOT_STEP, GroupsState
from minibroker.broker.groups.records import (
    GROUP_KEY,
    GroupRecord,
    OffsetCommitValue,
    OffsetRecord,
    UnknownRecord,
    decode,
    encode,
)
from minibroker.broker.log.state_log import REWRITE_FACTOR, REWRITE_SLACK, StateLog
from minibroker.broker.storage.memory import MemoryFile, MemoryStorage
from minibroker.broker.storage.names import GROUPS_LOG
from minibroker.broker.storage.port import Storage, StorageError
from minibroker.protocol.errors import ErrorCode

from tests.support.groups.bare_groups import GROUP, START_MS, Groups, hear, speaker

LIVE = 100
ONE = OffsetCommitValue(offset=1, leader_epoch=2, metadata="m", commit_timestamp=3)
EXPIRING = OffsetCommitValue(offset=1, metadata="m", commit_timestamp=3, expire_timestamp=4)


def test_members_generation_and_offsets_survive_a_kill() -> None:
    groups = Groups()
    member = groups.stable()
    groups.commit(42)
    groups.restart()
    assert groups.coordinator.heartbeat(speaker(member)) is ErrorCode.NONE
    assert groups.sync(member)[0].assignment == b"all"
    assert groups.offset() == 42
    groups.pass_ms(10_001)  # nobody has shown up since
    assert groups.coordinator.heartbeat(speaker(member)) is ErrorCode.UNKNOWN_MEMBER_ID


def test_an_empty_group_keeps_its_generation_over_a_restart() -> None:
    groups = Groups()
    member = groups.stable()
    groups.coordinator.leave(GROUP, [(member.member_id, None)])
    groups.restart()
    joined = groups.join()
    groups.let_join()
    assert joined[0].generation_id == member.generation_id + 2


def test_a_commit_is_answered_when_it_is_flushed() -> None:
    groups = Groups(durability="fsync", log_dirs=("data",))
    answers: list[str] = []
    groups.commit(1)
    hear(groups.ledger.when_durable("yes", lambda: "no"), answers.append)
    assert answers == []
    groups.flush()
    assert answers == ["yes"]
    hear(groups.ledger.when_durable("at once", lambda: "no"), answers.append)
    assert answers == ["yes", "at once"]


def test_a_failed_flush_refuses_who_waits() -> None:
    groups = Groups(durability="fsync", log_dirs=("data",))
    answers: list[str] = []
    groups.commit(1)
    hear(groups.ledger.when_durable("yes", lambda: "no"), answers.append)
    groups.group_commit.fail(groups.group_commit.begin())
    assert answers == ["no"]


@pytest.mark.parametrize("durability", ["memory", "page-cache", "fsync"])
def test_endless_commits_do_not_make_an_endless_log(durability: str) -> None:
    groups = Groups(durability=durability, log_dirs=("data",))
    rounds = 2 * (REWRITE_SLACK + REWRITE_FACTOR * LIVE)
    largest = 0
    for number in range(LIVE):
        groups.commit(number, partition=number)
    for number in range(rounds):
        groups.commit(number, partition=number % 7)
        groups.flush()
        largest = max(largest, groups.ledger.log.log.size_bytes)
    assert groups.ledger.log.log.size_bytes < largest
    assert largest < 200 * (REWRITE_SLACK + (REWRITE_FACTOR + 3) * LIVE)
    groups.restart()
    assert [groups.offset(partition) for partition in (7, LIVE - 1)] == [7, LIVE - 1]
    assert groups.offset((rounds - 1) % 7) == rounds - 1


def test_a_turn_copies_one_portion_at_most() -> None:
    groups = Groups()
    for number in range(3 * SNAPSHOT_STEP):
        groups.commit(number, partition=number)
    log = groups.ledger.log
    while not log.rewrite_is_due:
        log.commit([OffsetRecord(GROUP, "t", 0, ONE)], START_MS)
    end = log.log.log_end_offset
    for number in range(1, 4):
        groups.commit(0)
        assert log.log.log_end_offset == end + number * (1 + SNAPSHOT_STEP)


class Filmed(MemoryStorage):
    """Keeps a copy of itself as it was before every change, while it is filmed."""

    def __init__(self) -> None:
        super().__init__()
        self.film: list[MemoryStorage] | None = None

    def frame(self) -> None:
        if self.film is not None:
            film, self.film = self.film, None
            film.append(deepcopy(self))
            self.film = film

    def create_file(self, path: str) -> MemoryFile:
        self.frame()
        return super().create_file(path)

    def remove(self, path: str) -> None:
        self.frame()
        super().remove(path)


def test_a_crash_at_any_step_of_a_rewrite_loses_nothing() -> None:
    storage = Filmed()
    groups = Groups(storage)
    member = groups.stable()
    for number in range(SNAPSHOT_STEP + 50):
        groups.commit(number, partition=number)
    groups.ledger.commit([OffsetRecord(GROUP, "t", 1, None)])
    log = groups.ledger.log
    while not log.rewrite_is_due:
        log.commit([OffsetRecord(GROUP, "t", 0, ONE)], START_MS)
    acknowledged: list[int] = []
    storage.film = []
    for offset in range(1000, 1010):
        storage.frame()
        while len(acknowledged) < len(storage.film):
            acknowledged.append(offset - 1)
        groups.commit(offset, partition=2)
    film, storage.film = storage.film, None
    acknowledged += [1009] * (len(film) - len(acknowledged))
    assert not log.is_rewriting
    assert len(film) > 12  # a new segment came, an old one went
    for picture, known in zip(film, acknowledged, strict=True):
        again = Groups(picture)
        assert again.coordinator.heartbeat(speaker(member)) is ErrorCode.NONE
        offsets = again.coordinator.offsets.of_group(GROUP)["t"]
        assert set(offsets) == set(range(SNAPSHOT_STEP + 50)) - {1} | {0}
        assert known < 1000 or offsets[2].offset >= known - 1


class Full(MemoryStorage):
    """A disk without room, once it is full."""

    is_full = False

    def create_file(self, path: str) -> MemoryFile:
        if self.is_full:
            raise StorageError(path, "no space")
        return super().create_file(path)


def test_a_new_group_on_a_full_disk_does_not_come_into_being() -> None:
    storage = Full()
    groups = Groups(storage)
    storage.is_full = True
    with pytest.raises(StorageError):
        groups.join()
    assert groups.coordinator.roster.find(GROUP) is None


def test_an_assignment_that_cannot_be_written_is_refused_and_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    groups = Groups()
    joined = groups.join()
    groups.let_join()
    with monkeypatch.context() as broken:
        broken.setattr(StateLog, "commit", _no_space)
        answers = groups.sync(joined[0], {})
    assert [each.code for each in answers] == [ErrorCode.NOT_COORDINATOR]
    assert groups.coordinator.heartbeat(speaker(joined[0])) is ErrorCode.REBALANCE_IN_PROGRESS
    again = groups.join(joined[0].member_id)
    assert groups.sync(again[0], {again[0].member_id: b"all"})[0].assignment == b"all"


def _no_space(*_: object) -> None:
    raise StorageError("x", "no space")


@pytest.mark.parametrize(
    "record",
    [
        OffsetRecord(GROUP, "t", 1, ONE),
        OffsetRecord(GROUP, "t", 1, EXPIRING),
        OffsetRecord(GROUP, "t", 1, None),
        GroupRecord(GROUP, None),
    ],
)
def test_a_record_is_read_as_it_was_written(record: OffsetRecord | GroupRecord) -> None:
    read = decode(*encode(record))
    if isinstance(read, OffsetRecord) and read.value is EXPIRING:
        read.value.leader_epoch = -1
    assert read == record


def test_a_record_of_something_newer_is_refused() -> None:
    key, value = encode(OffsetRecord(GROUP, "t", 1, ONE))
    with pytest.raises(UnknownRecord, match="kind 3"):
        decode(b"\0\3" + key[2:], value)
    with pytest.raises(UnknownRecord, match="OffsetCommitValue v5"):
        decode(key, b"\0\5" + (value or b"")[2:])
    assert GROUP_KEY == 2


def test_the_directory_is_kafkas_first_partition() -> None:
    storage: Storage = MemoryStorage()
    Groups(storage).commit(1)
    assert storage.list_dir("") == [GROUPS_LOG] == ["__consumer_offsets-0"]


def test_the_state_counts_what_is_live() -> None:
    state = GroupsState()
    for partition in (0, 1, 0):
        state.apply(OffsetRecord(GROUP, "t", partition, ONE))
    assert state.live_count() == 2
    state.apply(OffsetRecord(GROUP, "t", 0, None))
    state.apply(OffsetRecord(GROUP, "t", 0, None))
    assert state.live_count() == 1
    state.apply(OffsetRecord(GROUP, "t", 1, None))
    assert state.offsets == {}
