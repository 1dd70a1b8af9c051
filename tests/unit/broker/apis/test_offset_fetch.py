"""OffsetFetch while transactions have offsets pending, as measured on Kafka 4.3.1."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from minibroker.broker.apis.offset_fetch import MANY_SINCE, PARTITIONS_A_STEP, handle
from minibroker.protocol.errors import ErrorCode
from minibroker.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
)

from tests.support.groups.bare_groups import GROUP, hear
from tests.support.groups.transactional_groups import TransactionalGroups

UNSTABLE = (ErrorCode.UNSTABLE_OFFSET_COMMIT, -1, -1, "")
PID = 100  # the first
NEVER = (0, -1, -1, "")
Told = dict[tuple[str, int], tuple[int, int, int, str]]


def request_of(version: int, partitions: list[int] | None, *, stable: bool) -> Any:
    topics = None
    if partitions is not None:
        topics = [OffsetFetchRequestTopic(name="t", partition_indexes=partitions)]
    if version >= MANY_SINCE:
        groups = [OffsetFetchRequestGroup(group_id=GROUP, topics=topics)]
        message = OffsetFetchRequest(groups=groups, require_stable=stable)
    else:
        message = OffsetFetchRequest(group_id=GROUP, topics=topics, require_stable=stable)
    return SimpleNamespace(message=message, route=SimpleNamespace(version=version))


def fetch(stage: TransactionalGroups, version: int, *asked: Any, stable: bool) -> list[Told]:
    """The list takes (error code, offset, leader epoch, metadata) by partition."""
    answers: list[Told] = []
    broker: Any = SimpleNamespace(groups=stage.groups.coordinator)
    session: Any = None
    outcome = handle(broker, request_of(version, *asked, stable=stable), session)
    if hasattr(outcome, "send"):
        outcome = stage.work.begin(outcome)
    hear(outcome, lambda response: answers.append(_told(response, version)))
    return answers


def _told(response: Any, version: int) -> Told:
    topics = response.groups[0].topics if version >= MANY_SINCE else response.topics
    assert (response.groups[0] if version >= MANY_SINCE else response).error_code == 0
    return {
        (topic.name, each.partition_index): (
            each.error_code,
            each.committed_offset,
            each.committed_leader_epoch,
            each.metadata,
        )
        for topic in topics
        for each in topic.partitions
    }


@pytest.fixture
def stage() -> TransactionalGroups:
    """An offset is committed for partition 0, and pending for 0 and 1; both by PID."""
    stage = TransactionalGroups()
    stage.groups.commit(3)
    assert stage.producer() == PID
    stage.commit(5, PID, {("t", 0): 10, ("t", 1): 11}, metadata="m")
    stage.groups.flush()
    return stage


@pytest.mark.parametrize("version", [7, 8, 9])
def test_who_requires_it_is_told_what_is_unstable(stage: TransactionalGroups, version: int) -> None:
    found = fetch(stage, version, [0, 1, 2], stable=True)
    assert found == [{("t", 0): UNSTABLE, ("t", 1): UNSTABLE, ("t", 2): NEVER}]
    assert fetch(stage, version, None, stable=True) == [{("t", 0): UNSTABLE, ("t", 1): UNSTABLE}]


@pytest.mark.parametrize("version", [1, 5, 6, 7, 8, 9])
def test_who_does_not_is_told_what_is_committed(stage: TransactionalGroups, version: int) -> None:
    before = (0, 3, -1, "")
    found = fetch(stage, version, [0, 1], stable=False)
    assert found == [{("t", 0): before, ("t", 1): NEVER}]
    if version >= 2:
        assert fetch(stage, version, None, stable=False) == [{("t", 0): before}]


@pytest.mark.parametrize("commit", [True, False])
def test_only_a_durable_marker_ends_it(stage: TransactionalGroups, commit: bool) -> None:
    stage.end(PID, commit=commit)
    assert fetch(stage, 9, [0], stable=True) == [{("t", 0): UNSTABLE}]
    stage.groups.flush()
    marked = fetch(stage, 9, [0], stable=True)
    assert marked == []
    stage.groups.flush()
    assert marked == [{("t", 0): (0, 10, -1, "m") if commit else (0, 3, -1, "")}]


def test_a_marker_between_two_steps_is_told_in_the_next() -> None:
    stage = TransactionalGroups()
    partitions = range(2 * PARTITIONS_A_STEP)
    pid = stage.producer()
    stage.commit(5, pid, {("t", number): number for number in partitions})
    broker: Any = SimpleNamespace(groups=stage.groups.coordinator)
    session: Any = None
    steps: Any = handle(broker, request_of(9, [*partitions], stable=True), session)
    next(steps)
    stage.end(pid)
    for _ in range(4):
        stage.groups.flush()
    answers: list[Told] = []
    hear(stage.work.begin(steps), lambda response: answers.append(_told(response, 9)))
    (told,) = answers
    assert told["t", 0] == UNSTABLE
    last = 2 * PARTITIONS_A_STEP - 1
    assert told["t", last] == (0, last, -1, "")
