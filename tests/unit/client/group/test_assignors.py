"""Who gets which partition: Java's documented examples, and what holds for all groups."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minibroker.client.config import ASSIGNOR_NAMES
from minibroker.client.group.assignors import (
    ASSIGNORS,
    Assignment,
    Member,
    assign_cooperative_sticky,
    assign_range,
    assign_round_robin,
    assign_sticky,
    decode_gives_up,
    decode_places,
    encode_places,
    member_of,
)
from minibroker.client.partitions import TopicPartition
from minibroker.protocol.errors import DecodeError

from tests.support.sizes import size

TOPICS = ("a", "b", "c")


def member(name: str, topics: str, owned: Sequence[TopicPartition] = (), **said: int) -> Member:
    """A member that reads the topics of one letter each."""
    return Member(name, frozenset(topics), tuple(owned), said.get("generation", -1))


def short(assignment: Assignment) -> dict[str, str]:
    """Partitions as "a0 a1"."""
    return {
        name: " ".join(f"{topic}{partition}" for topic, partition in sorted(places))
        for name, places in assignment.items()
    }


def test_range_is_the_example_of_range_assignor_java() -> None:
    # Two consumers C0 and C1, two topics t0 and t1 with 3 partitions each.
    members = [member("c1", "ab"), member("c0", "ab")]
    assert short(assign_range(members, {"a": 3, "b": 3})) == {
        "c0": "a0 a1 b0 b1",
        "c1": "a2 b2",
    }


def test_round_robin_is_the_examples_of_round_robin_assignor_java() -> None:
    members = [member("c0", "ab"), member("c1", "ab")]
    assert short(assign_round_robin(members, {"a": 3, "b": 3})) == {
        "c0": "a0 a2 b1",
        "c1": "a1 b0 b2",
    }
    members = [member("c0", "a"), member("c1", "ab"), member("c2", "abc")]
    assert short(assign_round_robin(members, {"a": 1, "b": 2, "c": 3})) == {
        "c0": "a0",
        "c1": "b0",
        "c2": "b1 c0 c1 c2",
    }


def test_static_members_come_first_by_instance_id() -> None:
    members = [
        Member("x", frozenset("a")),
        Member("z", frozenset("a"), instance_id="i2"),
        Member("y", frozenset("a"), instance_id="i9"),
    ]
    assert short(assign_range(members, {"a": 3})) == {"z": "a0", "y": "a1", "x": "a2"}


def test_sticky_is_the_example_of_sticky_assignor_java() -> None:
    # C0 leaves; range or round robin would move much, sticky moves what C0 had.
    first = assign_sticky(
        [member(name, "abcd") for name in ("c0", "c1", "c2")], dict.fromkeys("abcd", 2)
    )
    left = [member(name, "abcd", first[name], generation=1) for name in ("c1", "c2")]
    second = assign_sticky(left, dict.fromkeys("abcd", 2))
    for name in ("c1", "c2"):
        assert set(first[name]) <= set(second[name])
        assert len(second[name]) == 4


def test_of_two_owners_the_newer_generation_keeps() -> None:
    places = [TopicPartition("a", 0)]
    members = [
        member("old", "a", places, generation=4),
        member("new", "a", places, generation=5),
    ]
    assert assign_cooperative_sticky(members, {"a": 1}) == {"old": [], "new": places}


def test_a_partition_claimed_twice_in_one_generation_is_withheld() -> None:
    places = [TopicPartition("a", 0)]
    members = [member(name, "a", places, generation=5) for name in ("c0", "c1")]
    assert assign_cooperative_sticky(members, {"a": 1}) == {"c0": [], "c1": []}


subscriptions = st.lists(st.sets(st.sampled_from(TOPICS), min_size=1), min_size=1, max_size=6)
counts = st.fixed_dictionaries(dict.fromkeys(TOPICS, st.integers(0, 7)))


@given(subscriptions, counts, st.sampled_from([assign_range, assign_round_robin, assign_sticky]))
def test_everything_wanted_is_read_once_by_somebody_who_wants_it(
    wanted: list[set[str]], partitions: dict[str, int], assign: object
) -> None:
    members = [Member(f"m{number}", frozenset(each)) for number, each in enumerate(wanted)]
    assert callable(assign)
    assignment: Assignment = assign(members, partitions)
    given_out = [place for places in assignment.values() for place in places]
    everything = {
        TopicPartition(topic, index)
        for topic in set().union(*wanted)
        for index in range(partitions[topic])
    }
    assert sorted(given_out) == sorted(everything)
    for each in members:
        assert {place.topic for place in assignment[each.member_id]} <= each.topics


@given(st.integers(1, 9), counts)
def test_with_one_subscription_loads_differ_by_one_at_most(
    size: int, partitions: dict[str, int]
) -> None:
    members = [Member(f"m{number}", frozenset(TOPICS)) for number in range(size)]
    for assign in (assign_round_robin, assign_sticky):
        loads = [len(places) for places in assign(members, partitions).values()]
        assert max(loads) - min(loads) <= 1
    by_range = assign_range(members, partitions)
    for topic in TOPICS:
        loads = [sum(p.topic == topic for p in places) for places in by_range.values()]
        assert max(loads) - min(loads) <= 1


@given(subscriptions, counts)
def test_no_single_move_makes_sticky_more_even(
    wanted: list[set[str]], partitions: dict[str, int]
) -> None:
    members = [Member(f"m{number}", frozenset(each)) for number, each in enumerate(wanted)]
    assignment = assign_sticky(members, partitions)
    for taker in members:
        for places in assignment.values():
            if len(places) > len(assignment[taker.member_id]) + 1:
                assert not any(place.topic in taker.topics for place in places)


@st.composite
def histories(draw: st.DrawFn) -> list[list[Member]]:
    """Generations of a group; members come, go and change their minds, and report what they own."""
    return [
        [Member(f"m{number}", frozenset(topics)) for number, topics in each.items()]
        for each in draw(
            st.lists(
                st.dictionaries(
                    st.integers(0, 5), st.sets(st.sampled_from(TOPICS), min_size=1), min_size=1
                ),
                min_size=1,
                max_size=6,
            )
        )
    ]


@settings(max_examples=size(fast=30, whole=60), deadline=None)  # a busy machine takes its time
@given(histories(), counts)
def test_a_cooperative_group_never_reads_a_partition_twice_and_comes_to_rest(
    history: list[list[Member]], partitions: dict[str, int]
) -> None:
    owned: dict[str, set[TopicPartition]] = {}
    generation = 0
    for members in history:
        names = {each.member_id: each.topics for each in members}
        owned = {
            name: {place for place in owned.get(name, set()) if place.topic in topics}
            for name, topics in names.items()
        }
        for _ in range(3):  # what is given up in one rebalance is given out in the next
            generation += 1
            said = [
                Member(e.member_id, e.topics, tuple(owned[e.member_id]), generation - 1)
                for e in members
            ]
            assignment = assign_cooperative_sticky(said, partitions)
            for one, other in combinations(names, 2):
                assert not set(assignment[one]) & owned[other]
            revoked = any(owned[name] - set(assignment[name]) for name in names)
            owned = {name: set(places) for name, places in assignment.items()}
            if not revoked:
                break
        assert not revoked
        everything = sum(partitions[topic] for topic in set().union(*names.values()))
        assert sum(map(len, owned.values())) == everything


@given(st.integers(2, 8), st.integers(0, 40))
def test_who_joins_takes_its_share_and_nothing_else_moves(size: int, partitions: int) -> None:
    before = [Member(f"m{number}", frozenset("a")) for number in range(size)]
    first = assign_sticky(before, {"a": partitions})
    after = [member(e.member_id, "a", first[e.member_id], generation=1) for e in before]
    second = assign_sticky([*after, member("new", "a")], {"a": partitions})
    moved = [place for name in first for place in first[name] if place not in second[name]]
    assert sorted(moved) == sorted(second["new"])
    assert len(moved) == partitions // (size + 1)


def test_words_of_members_can_be_read_back() -> None:
    places = [TopicPartition("b", 1), TopicPartition("a", 2), TopicPartition("a", 0)]
    said = ASSIGNORS["cooperative-sticky"].metadata(["b", "a"], places, 7)
    assert member_of("m", "i", said) == Member("m", frozenset("ab"), tuple(sorted(places)), 7, "i")
    assert decode_places(encode_places(places)) == sorted(places)
    assert decode_places(b"") == []
    assert not decode_gives_up(b"")
    assert not decode_gives_up(encode_places(places))
    assert decode_gives_up(encode_places(places, gives_up=True))
    assert decode_places(encode_places(places, gives_up=True)) == sorted(places)


def test_words_of_older_and_newer_members_can_be_read() -> None:
    old = bytes.fromhex("0000 00000001 0001 61 ffffffff")  # v0: topics, user data
    assert member_of("m", None, old) == Member("m", frozenset("a"))
    # v1 of Java's cooperative-sticky: the generation stands in the user data
    one = bytes.fromhex(
        "0001 00000001 0001 61 00000004 00000009 00000001 0001 61 00000001 00000003"
    )
    expected = Member("m", frozenset("a"), (TopicPartition("a", 3),), 9)
    assert member_of("m", None, one) == expected
    newer = bytes.fromhex("0009 00000000 ffffffff 00000000 00000005 ffff deadbeef")
    assert member_of("m", None, newer).generation == 5
    with pytest.raises(DecodeError):
        member_of("m", None, b"\x00")
    with pytest.raises(DecodeError):
        decode_places(bytes.fromhex("0000 00000005"))


def test_config_names_the_assignors_there_are() -> None:
    assert set(ASSIGNOR_NAMES) == set(ASSIGNORS)
