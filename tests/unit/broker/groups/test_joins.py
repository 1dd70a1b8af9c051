"""Who may join: bounds, one answer each, and members that come twice."""

from __future__ import annotations

from collections import Counter

import pytest
from minibroker.broker.groups import coordinator, rebalances, sizes
from minibroker.broker.groups.members import Joined
from minibroker.broker.groups.states import PREPARING
from minibroker.broker.limits import JOIN_UNDER_WAY_MS, JOINS_UNDER_WAY_MS_MAX
from minibroker.broker.waiting.long_work import finished
from minibroker.protocol.errors import ErrorCode

from tests.support.groups.bare_groups import GROUP, SESSION_MS, Groups

FULL = ErrorCode.GROUP_MAX_SIZE_REACHED
NOT_AVAILABLE = ErrorCode.COORDINATOR_NOT_AVAILABLE


def test_the_older_of_two_joins_of_a_member_is_sent_away() -> None:
    groups = Groups()
    first = groups.stable()
    other = groups.join()
    groups.join(first.member_id)
    waiting = groups.join()
    older = groups.join(other[0].member_id)
    newer = groups.join(other[0].member_id)
    assert older == [Joined(ErrorCode.REBALANCE_IN_PROGRESS, other[0].member_id)]
    assert (newer, waiting) == ([], [])
    groups.join(first.member_id)
    assert newer[0].code is ErrorCode.NONE
    assert newer[0].generation_id == waiting[0].generation_id


def test_a_group_takes_as_many_members_as_it_may() -> None:
    groups = Groups(group_max_size=2)
    groups.stable()
    assert groups.join() == []
    assert groups.coordinator.roster.state_of(GROUP) is PREPARING
    groups.join()
    assert groups.join()[0].code is FULL


def test_what_members_say_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coordinator, "GROUP_BYTES_MAX", 10_000)
    groups = Groups()
    loud = (("range", b"x" * 9_000),)
    assert groups.join(protocols=loud)[0].code is FULL, "the first member, too"
    groups.stable()
    assert groups.join(protocols=loud)[0].code is FULL
    many = tuple((f"p{number}", b"") for number in range(100))
    assert groups.join(protocols=many)[0].code is FULL


def test_what_all_groups_hold_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = Groups()
    groups.stable()
    monkeypatch.setattr(sizes, "GROUPS_BYTES_MAX", groups.held_bytes + 8_000)
    assert groups.join(protocols=(("range", b"x" * 9_000),))[0].code is NOT_AVAILABLE
    assert groups.join(group_id="g" * 9_000)[0].code is NOT_AVAILABLE
    assert groups.join(group_id="g" * 900) == []


@pytest.mark.parametrize("end", ["leave", "expire"])
def test_what_groups_held_is_given_back(end: str) -> None:
    groups = Groups()
    before = groups.held_bytes
    for _ in range(5):
        member = groups.stable(protocols=(("range", b"x" * 1000), ("other", b"y" * 500)))
        assert groups.held_bytes > before + 1500
        if end == "leave":
            groups.coordinator.leave(GROUP, [(member.member_id, None)])
            assert groups.held_bytes == before + sizes.GROUP_OWN_BYTES + len(GROUP)
        else:
            groups.join(member.member_id, protocols=(("range", b"z" * 10),))
            groups.join(gets_id_first=True)
            groups.pass_ms(1_000_000)
        finished(groups.coordinator.roster.delete(GROUP))
    assert groups.held_bytes == before


def test_an_assignment_beyond_the_bound_begins_another_rebalance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rebalances, "GROUP_BYTES_MAX", 10_000)
    groups = Groups()
    joining = groups.join()
    groups.let_join()
    synced = groups.sync(joining[0], {joining[0].member_id: b"x" * 10_000})
    assert synced[0].code is ErrorCode.UNKNOWN_SERVER_ERROR
    assert groups.coordinator.roster.state_of(GROUP) is PREPARING


def test_what_is_common_of_many_protocols_is_counted_not_searched() -> None:
    groups = Groups()
    many = tuple((f"p{number}", b"") for number in range(20_000))
    groups.stable(protocols=many)
    group = groups.coordinator.roster.find(GROUP)
    assert group is not None
    assert len(group.offers) == 20_000
    offers = CountedLookups(group.offers)
    group.offers = offers
    waiting = groups.join(protocols=(*reversed(many), ("of its own", b"")))
    assert group.supports("consumer", (("none", b""), ("p7", b"")))
    assert offers.lookups < 3 * 40_001 + 10
    assert waiting == []


class CountedLookups(Counter[str]):
    """A Counter that counts how often it is asked."""

    def __init__(self, counts: Counter[str]) -> None:
        super().__init__(counts)
        self.lookups = 0

    def __getitem__(self, name: str) -> int:
        self.lookups += 1
        return super().__getitem__(name)


def test_ids_that_are_given_out_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coordinator, "GROUP_MEMBERS_MAX", 3)
    groups = Groups()
    codes = [groups.join(gets_id_first=True)[0].code for _ in range(4)]
    assert codes == [ErrorCode.MEMBER_ID_REQUIRED] * 3 + [FULL]
    groups.pass_ms(10_000)  # they were not used
    assert groups.join(gets_id_first=True)[0].code is ErrorCode.MEMBER_ID_REQUIRED


def test_the_first_rebalance_waits_for_more_members() -> None:
    groups = Groups(group_initial_rebalance_delay_ms=1000)
    first = groups.join()
    groups.pass_ms(900)
    second = groups.join()
    groups.pass_ms(200)
    assert (first, second) == ([], [])  # somebody came: another delay
    groups.pass_ms(900)
    assert first[0].generation_id == second[0].generation_id == 1


def test_a_new_member_that_waits_too_long_is_given_up() -> None:
    groups = Groups()
    groups.stable(session_timeout_ms=1_000_000, rebalance_timeout_ms=1_000_000)  # silent
    waiting = groups.join(session_timeout_ms=400_000)
    groups.pass_ms(299_999)
    assert waiting == []
    groups.pass_ms(1)
    assert waiting == [Joined(ErrorCode.UNKNOWN_MEMBER_ID, "")]


def test_the_first_member_of_a_group_does_not_wait() -> None:
    groups = Groups()
    joined = groups.join()
    groups.let_join()
    assert joined[0].generation_id == 1


def test_of_equal_votes_the_oldest_members_counts() -> None:
    for likes, other in (("a", "b"), ("b", "a")):
        groups = Groups()
        oldest = groups.join(protocols=((likes, b""), (other, b"")))
        groups.join(protocols=((other, b""), (likes, b"")))
        groups.let_join()
        assert oldest[0].protocol_name == likes


def test_rebalances_are_told() -> None:
    groups = Groups()
    first = groups.stable()
    groups.join(client_id="new\x1b")
    groups.pass_ms(SESSION_MS)
    assert list(map(str, groups.told)) == [
        "event=rebalance-began group=g after_generation=0 members=1",
        "event=generation-began group=g generation=1 members=1 protocol=range",
        "event=rebalance-began group=g after_generation=1 members=2",
        (
            f"event=member-expired group=g member={first.member_id} client_id=c "
            f"session_timeout_ms={SESSION_MS}"
        ),
        "event=generation-began group=g generation=2 members=1 protocol=range",
    ]


def test_who_was_told_an_id_and_comes_back_is_in_the_first_generation() -> None:
    groups = Groups()
    told = [groups.join(gets_id_first=True)[0].member_id for _ in range(2)]
    first = groups.join(told[0], gets_id_first=True)
    groups.pass_ms(3 * JOIN_UNDER_WAY_MS)
    assert first == []
    second = groups.join(told[1], gets_id_first=True)
    groups.let_join()
    assert (first[0].generation_id, second[0].generation_id) == (1, 1)
    assert sorted(member_id for member_id, _, _ in first[0].members) == sorted(told)


def test_an_id_that_is_not_used_ends_the_delay_when_all_others_are_there() -> None:
    """As in Kafka: its expiry does not look whether the group was Empty."""
    groups = Groups(group_initial_rebalance_delay_ms=10 * SESSION_MS)
    groups.join(gets_id_first=True)
    first = groups.join()
    groups.pass_ms(SESSION_MS - 1)
    assert first == []
    groups.pass_ms(1)
    assert first[0].generation_id == 1


def test_who_leaves_does_not_end_the_delay() -> None:
    groups = Groups(group_initial_rebalance_delay_ms=10 * SESSION_MS)
    given = groups.join(gets_id_first=True)[0]
    first = groups.join()
    assert groups.coordinator.leave(GROUP, [(given.member_id, None)]) == [ErrorCode.NONE]
    groups.pass_ms(SESSION_MS)
    assert first == []


def test_who_was_told_an_id_and_does_not_come_back_is_not_waited_for_long() -> None:
    groups = Groups()
    told = [groups.join(gets_id_first=True)[0].member_id for _ in range(2)]
    first = groups.join(told[0], gets_id_first=True)
    groups.pass_ms(JOINS_UNDER_WAY_MS_MAX - 2 * JOIN_UNDER_WAY_MS)
    assert first == []
    groups.pass_ms(3 * JOIN_UNDER_WAY_MS)
    assert first[0].generation_id == 1
