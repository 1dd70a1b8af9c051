"""When committed offsets go: with time, with their topic, with their group."""

from __future__ import annotations

from typing import Any

import pytest
from minibroker.broker.groups.records import OffsetCommitValue
from minibroker.broker.groups.states import DEAD, EMPTY, STABLE
from minibroker.broker.waiting.isolation import call
from minibroker.broker.waiting.long_work import finished
from minibroker.protocol.errors import ErrorCode

from tests.support.groups.bare_groups import GROUP, Groups, speaker

MINUTE_MS = 60_000
CHECK: dict[str, Any] = {
    "offsets_retention_minutes": 10,
    "offsets_retention_check_interval_ms": MINUTE_MS,
}


def other_topic(groups: Groups) -> None:
    value = OffsetCommitValue(offset=1, metadata="", commit_timestamp=groups.ledger.clock.now_ms())
    groups.coordinator.offsets.commit(GROUP, [("other", 0, value)])


def test_offsets_without_a_group_live_from_their_commit_on() -> None:
    groups = Groups(**CHECK)
    groups.commit(1)
    groups.pass_ms(9 * MINUTE_MS)
    groups.commit(2, partition=1)
    groups.pass_ms(2 * MINUTE_MS)
    assert (groups.offset(0), groups.offset(1)) == (None, 2)
    groups.pass_ms(10 * MINUTE_MS)
    assert groups.coordinator.roster.state_of(GROUP) is DEAD
    groups.restart()
    assert groups.offset(1) is None


def test_a_group_keeps_what_it_consumes_and_loses_what_it_has_left() -> None:
    groups = Groups(**CHECK)
    member = groups.stable()
    groups.commit(1)
    other_topic(groups)
    for _ in range(120):
        groups.pass_ms(MINUTE_MS // 10)
        assert groups.coordinator.heartbeat(speaker(member)) is ErrorCode.NONE
    assert groups.coordinator.roster.state_of(GROUP) is STABLE
    assert {*groups.coordinator.offsets.of_group(GROUP)} == {"t"}


def test_an_empty_group_keeps_its_offsets_from_when_it_became_empty() -> None:
    groups = Groups(**CHECK)
    member = groups.stable()
    groups.commit(1)
    for _ in range(180):
        groups.pass_ms(MINUTE_MS // 10)
        groups.coordinator.heartbeat(speaker(member))
    groups.coordinator.leave(GROUP, [(member.member_id, None)])
    groups.pass_ms(9 * MINUTE_MS)
    groups.restart()  # since when is written, too
    assert groups.coordinator.roster.state_of(GROUP) is EMPTY
    groups.pass_ms(MINUTE_MS - 1)
    assert groups.offset() == 1
    groups.pass_ms(2 * MINUTE_MS)
    assert groups.coordinator.roster.state_of(GROUP) is DEAD


@pytest.mark.parametrize("days", [-400, -2, 2, 400])
@pytest.mark.parametrize("restarts", [False, True])
def test_a_wall_clock_that_is_set_makes_nobody_forgotten_or_immortal(
    days: int, restarts: bool
) -> None:
    groups = Groups(**CHECK)
    groups.commit(1)
    groups.pass_ms(5 * MINUTE_MS)
    groups.clock.set_by_ms = days * 24 * 60 * MINUTE_MS
    if restarts:
        groups.restart()
    groups.commit(2, partition=1)
    groups.pass_ms(4 * MINUTE_MS)
    assert (groups.offset(0), groups.offset(1)) == (1, 2)
    groups.clock.set_by_ms = 0
    groups.pass_ms(2 * MINUTE_MS)
    assert (groups.offset(0), groups.offset(1)) == (None, 2)
    groups.pass_ms(10 * MINUTE_MS)
    assert groups.offset(1) is None


def test_the_time_without_a_broker_does_not_count_and_the_time_with_one_does() -> None:
    groups = Groups(**CHECK)
    groups.commit(1)
    groups.pass_ms(7 * MINUTE_MS)  # nothing is written meanwhile, but what time it is
    groups.clock.passed_ms = 0  # another boot of the machine
    groups.clock.set_by_ms = 30 * 24 * 60 * MINUTE_MS
    groups.restart()
    groups.pass_ms(2 * MINUTE_MS)
    assert groups.offset() == 1
    groups.pass_ms(2 * MINUTE_MS)
    assert groups.offset() is None


def test_an_offset_with_a_time_of_its_own_goes_then() -> None:
    groups = Groups(**CHECK)
    now_ms = groups.ledger.clock.now_ms()
    value = OffsetCommitValue(
        offset=1, metadata="", commit_timestamp=now_ms, expire_timestamp=now_ms + 3 * MINUTE_MS
    )
    groups.coordinator.offsets.commit(GROUP, [("t", 0, value)])
    groups.restart()
    groups.pass_ms(3 * MINUTE_MS - 1)
    assert groups.offset() == 1
    groups.pass_ms(1)
    assert groups.offset() is None


def test_offsets_go_with_their_topic() -> None:
    groups = Groups()
    groups.commit(1)
    other_topic(groups)
    finished(groups.coordinator.offsets.forget_topics(["t"], call))
    assert {*groups.coordinator.offsets.of_group(GROUP)} == {"other"}
    groups.restart()
    assert {*groups.coordinator.offsets.of_group(GROUP)} == {"other"}


def test_offsets_of_a_topic_that_went_in_a_crash_go_at_the_start() -> None:
    groups = Groups()
    for topic, topic_id in (("t", b"t" * 16), ("u", b"u" * 16), ("old", bytes(16))):
        value = OffsetCommitValue(
            offset=1, metadata="", commit_timestamp=groups.ledger.clock.now_ms(), topic_id=topic_id
        )
        groups.coordinator.offsets.commit(GROUP, [(topic, 0, value)])
    groups.coordinator.offsets.forget_topics_but({b"u" * 16})
    assert {*groups.coordinator.offsets.of_group(GROUP)} == {"u", "old"}
