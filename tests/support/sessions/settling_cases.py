"""What a dead process can have left, each case played on a Stage: the named outcome, and no record
twice, lost or out of order. Run by tests/system/client/session/test_settling.py on a broker of
ours, and by tests/interop/clients/test_settling_on_kafka.py on a real Kafka.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from random import Random

import pytest
from minibroker.client.errors import StaleJournal
from minibroker.client.session.outcomes import Outcome, Stored, Unsettled
from minibroker.client.session.settler import Settler
from minibroker.client.session.settling import Listed
from minibroker.protocol.batch.header import PRODUCER_ID_AT
from minibroker.protocol.batch.writing import resealed
from minibroker.protocol.errors import ErrorCode as E

from tests.support.sessions.partition_model import KEPT, Partition
from tests.support.sessions.settling_stage import Dead, Stage

Case = Callable[[Stage, str], Awaitable[None]]


def kinds(outcomes: Sequence[Outcome]) -> list[str]:
    """The names of outcomes, with their reasons, in order."""
    return [
        each.reason.name if isinstance(each, Unsettled) else type(each).__name__
        for each in outcomes
    ]


def offsets(outcomes: Sequence[Outcome]) -> list[int]:
    """Where batches are stored."""
    return [each.base_offset for each in outcomes if isinstance(each, Stored)]


async def check_stored(stage: Stage, dead: Dead, outcomes: Sequence[Outcome], begin: int) -> None:
    """Every batch is stored once, in order, and where its outcome says."""
    assert kinds(outcomes) == ["Stored"] * len(dead.batches)
    assert await stage.values(dead.floor.topic, begin) == dead.values
    ends = [begin]
    for batch in dead.batches:
        ends.append(ends[-1] + batch.count)
    assert offsets(outcomes) == ends[:-1]


async def nothing_had_left(stage: Stage, topic: str) -> None:
    dead = await stage.dead(topic, [1, 2, 3])
    await check_stored(stage, dead, await stage.settle(dead), 0)


async def all_was_stored_and_no_answer_came(stage: Stage, topic: str) -> None:
    dead = await stage.dead(topic, [1, 2, 1, 3, 1], confirmed=1)
    for batch in dead.batches:
        assert not (await stage.send(batch)).code
    await check_stored(stage, dead, await stage.settle(dead), 1)


async def a_part_was_stored(stage: Stage, topic: str) -> None:
    dead = await stage.dead(topic, [2, 1, 2, 1])
    for batch in dead.batches[:2]:
        await stage.send(batch)
    await check_stored(stage, dead, await stage.settle(dead), 0)


async def the_broker_was_killed_and_remembers_one_batch(stage: Stage, topic: str) -> None:
    dead = await stage.dead(topic, [1, 1, 1, 1, 1], confirmed=1)
    for batch in dead.batches[:3]:
        await stage.send(batch)
    await stage.restart()
    await check_stored(stage, dead, await stage.settle(dead), 1)


async def late_requests_come_afterwards(stage: Stage, topic: str) -> None:
    dead = await stage.dead(topic, [1, 2, 1], confirmed=1)
    outcomes = await stage.settle(dead)
    late = [(await stage.send(batch)).code for batch in dead.batches]
    assert late == [E.NONE, E.NONE]  # known again, and not appended
    await check_stored(stage, dead, outcomes, 1)


async def late_requests_come_first(stage: Stage, topic: str) -> None:
    dead = await stage.dead(topic, [1, 2, 1], confirmed=1)

    async def late(settler: Settler) -> None:
        for batch in dead.batches:
            await stage.send(batch)

    outcomes = await stage.settle(dead, while_it_runs=late)
    assert kinds(outcomes) == ["Stored", "Stored"]
    assert await stage.values(topic, 1) == dead.values


async def forgotten_and_stored(stage: Stage, topic: str) -> None:
    dead = await stage.dead(topic, [1, 2, 1], confirmed=1)
    for batch in dead.batches:
        await stage.send(batch)
    await stage.fill(topic, 3)
    await stage.until_forgotten(dead)
    outcomes = await stage.settle(dead)
    assert kinds(outcomes) == ["Stored", "Stored"]
    assert offsets(outcomes) == [1, 3]
    assert (await stage.values(topic, 1))[:3] == dead.values
    assert await stage.listed(dead) is None  # nothing was sent


async def forgotten_and_absent(stage: Stage, topic: str) -> None:
    dead = await stage.dead(topic, [1, 2, 1], confirmed=1)
    await stage.send(dead.batches[0])
    await stage.until_forgotten(dead)
    await check_stored(stage, dead, await stage.settle(dead), 1)


async def forgotten_and_a_late_request_of_a_confirmed_batch_came(stage: Stage, topic: str) -> None:
    """The broker doubles it; nobody can help that. Of the rest nothing is guessed."""
    dead = await stage.dead(topic, [1, 1, 1])
    first = dead.batches[0]
    await stage.confirm(dead, first)
    await stage.confirm(dead, dead.batches[0])
    await stage.until_forgotten(dead)
    assert not (await stage.send(first)).code
    assert await stage.listed(dead) == Listed(0, 0)
    assert (await stage.send(dead.batches[0])).code == E.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert kinds(await stage.settle(dead)) == ["FORGOTTEN"]
    assert await stage.values(topic) == [b"0", b"1", b"0"]


async def made_again(stage: Stage, topic: str) -> None:
    dead = await stage.dead(topic, [1, 1])
    other = await stage.dead(topic, [1], partition=1)
    await stage.send(dead.batches[0])
    await stage.delete(topic)
    await stage.create(topic)
    assert kinds(await stage.settle(dead)) == ["MADE_AGAIN", "MADE_AGAIN"]
    assert kinds(await stage.settle(other)) == ["MADE_AGAIN"]
    assert await stage.values(topic) == []
    told = [batch.number for batch in dead.batches]
    assert kinds(await stage.settle(dead, told_absent=told)) == ["Anew", "Anew"]


async def gone(stage: Stage, topic: str) -> None:
    dead = await stage.dead(topic, [1, 1])
    await stage.send(dead.batches[0])
    await stage.delete(topic)
    outcomes = await stage.settle(dead)
    assert kinds(outcomes) == ["GONE", "GONE"]
    async with stage.settler() as settler:
        assert await settler.find_stale([dead.floor], 60_000) == []  # and does not wait for it
    with pytest.raises(AssertionError):
        await stage.end_of(topic)  # no question has made it again


async def retention_past_the_floor(stage: Stage, topic: str) -> None:
    dead = await stage.dead(topic, [1, 1, 1], confirmed=1)
    await stage.send(dead.batches[0])
    await stage.fill(topic, 2)
    await stage.delete_records(topic, before=3)
    await stage.until_forgotten(dead)
    assert kinds(await stage.settle(dead)) == ["RETENTION", "RETENTION"]
    assert await stage.values(topic, 3) == [b"other-1"]


async def retention_past_the_floor_and_remembered(stage: Stage, topic: str) -> None:
    dead = await stage.dead(topic, [1, 1, 1], confirmed=1)
    await stage.send(dead.batches[0])
    await stage.fill(topic, 1)
    await stage.delete_records(topic, before=3)
    outcomes = await stage.settle(dead)
    assert kinds(outcomes) == ["Stored", "Stored"]
    assert await stage.values(topic, 3) == [b"2"]


async def truncated(stage: Stage, topic: str) -> None:
    await stage.fill(topic, 3)
    dead = await stage.dead(topic, [1, 1], confirmed=1)
    await stage.lose(topic)
    await stage.until(lambda: stage.is_led(topic, 0))
    await stage.until_forgotten(dead)
    assert (await stage.end_of(topic))[0] < dead.floor.offset
    assert kinds(await stage.settle(dead)) == ["TRUNCATED"]
    # Others write on, so that it is longer than it was: the leader epochs tell, or what lies there.
    await stage.fill(topic, 6)
    assert kinds(await stage.settle(dead)) == ["TRUNCATED"]
    assert b"1" not in await stage.values(topic)
    told = [batch.number for batch in dead.batches]
    outcomes = await stage.settle(dead, told_absent=told)
    assert kinds(outcomes) == ["Stored"]
    assert (await stage.values(topic))[-1:] == dead.values


async def an_old_copy_of_the_journal(stage: Stage, topic: str) -> None:
    dead = await stage.dead(topic, [1, 1, 1])
    for batch in dead.batches:
        await stage.send(batch)
    old = Dead(replace(dead.floor, last_sequence=1), dead.batches[:2])
    with pytest.raises(StaleJournal, match=f"{topic}-0 holds records"):
        await stage.settle(old)
    async with stage.settler() as settler:
        with pytest.raises(StaleJournal):
            await settler.find_stale([old.floor], 10_000)
        assert await settler.find_stale([dead.floor], 10_000) == []
    await stage.until_forgotten(dead)
    with pytest.raises(StaleJournal):
        await stage.settle(old)
    assert await stage.values(topic) == dead.values


async def a_sequence_that_ends_inside_of_a_batch(stage: Stage, topic: str) -> None:
    dead = await stage.dead(topic, [3])
    (whole,) = dead.batches
    part = await stage.dead(topic, [2])
    wire = part.batches[0].wire  # of the same producer id, cut in another way
    stranger = replace(part.batches[0], wire=restamped(wire, whole.producer_id))
    assert not (await stage.send(stranger)).code
    assert kinds(await stage.settle(dead)) == ["MISFIT"]


def restamped(wire: bytes, producer_id: int, producer_epoch: int = 0) -> bytes:
    """The same records of another producer."""
    name = producer_id.to_bytes(8) + producer_epoch.to_bytes(2)
    return resealed(wire[:PRODUCER_ID_AT] + name + wire[PRODUCER_ID_AT + len(name) :])


async def behind_a_batch_that_was_refused(stage: Stage, topic: str) -> None:
    dead = await stage.dead(topic, [1, 1, 1, 1], confirmed=1)
    refused = dead.batches.pop(0)  # a journaled refusal closes it
    assert refused.base_sequence == 1
    assert (await stage.send(dead.batches[0])).code == E.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert kinds(await stage.settle(dead)) == ["Anew", "Anew"]
    late = [(await stage.send(batch)).code for batch in dead.batches]
    assert late == [E.OUT_OF_ORDER_SEQUENCE_NUMBER] * 2
    assert await stage.values(topic) == [b"0"]


async def too_large_for_the_topic(stage: Stage, topic: str) -> None:
    dead = await stage.dead(topic, [50, 1])
    await stage.delete(topic)
    await stage.create(topic, {"max.message.bytes": "300"})
    fresh = await stage.dead(topic, [50, 1])
    assert kinds(await stage.settle(fresh)) == ["TooLarge"]
    assert kinds(await stage.settle(dead)) == ["MADE_AGAIN", "MADE_AGAIN"]
    assert await stage.values(topic) == []


async def the_broker_is_down_and_comes_back(stage: Stage, topic: str) -> None:
    dead = await stage.dead(topic, [1, 1], confirmed=1)
    await stage.send(dead.batches[0])

    async def down_and_up(settler: Settler) -> None:
        await stage.stop()
        assert await settler.find_stale([dead.floor], 100) == [dead.floor]
        await stage.start()

    outcomes = await stage.settle(dead, while_it_runs=down_and_up)
    assert kinds(outcomes) == ["Stored"]
    assert await stage.values(topic) == [b"0", b"1"]


async def no_right_to_look(stage: Stage, topic: str) -> None:
    dead = await stage.dead(topic, [1, 1])
    await stage.send(dead.batches[0])
    await stage.deny(topic)
    outcomes = await stage.settle(dead)
    assert kinds(outcomes) == ["NOT_ALLOWED", "NOT_ALLOWED"]
    assert await stage.end_of(topic) == (1, dead.floor.leader_epoch)  # nothing was sent
    # The owner is wrong of the first, and right of the second: a broker that remembers knows.
    told = [batch.number for batch in dead.batches]
    assert kinds(await stage.settle(dead, told_absent=told)) == ["Stored", "Stored"]
    assert await stage.end_of(topic) == (2, dead.floor.leader_epoch)


async def a_compacted_topic_that_lost_nothing(stage: Stage, topic: str) -> None:
    """Where every offset has its record, what is absent was never stored."""
    await stage.delete(topic)
    await stage.create(topic, {"cleanup.policy": "compact"})
    dead = await stage.dead(topic, [1, 1, 1], confirmed=1)
    await stage.send(dead.batches[0])
    await stage.fill(topic, 2)
    await stage.until_forgotten(dead)
    outcomes = await stage.settle(dead)
    assert kinds(outcomes) == ["Stored", "Stored"]
    assert await stage.values(topic) == [b"0", b"1", b"other-0", b"other-1", b"2"]


async def compacted(stage: Stage, topic: str) -> None:
    """Records are missing between floor and end: the batch may have been among them."""
    await stage.delete(topic)
    quick = {"min.cleanable.dirty.ratio": "0.01", "internal.segment.bytes": "250"}
    await stage.create(topic, {"cleanup.policy": "compact", **quick})
    dead = await stage.dead(topic, [1, 1, 1], confirmed=1)
    await stage.send(dead.batches[0])
    await stage.fill(topic, 12)

    async def is_cleaned() -> bool:
        return len(await stage.values(topic)) < 2 + 12

    await stage.until(is_cleaned)
    await stage.until_forgotten(dead)
    # What is found is stored, whatever is missing; of the other nobody can know.
    assert kinds(await stage.settle(dead)) == ["Stored", "COMPACTED"]
    assert b"2" not in await stage.values(topic)


async def the_model_of_the_search_answers_alike(stage: Stage, topic: str) -> None:
    """What tests/property/test_settling_model.py takes for a broker, beside a broker."""
    random = Random(7)
    dead = await stage.dead(topic, [1, 2, 1, 1, 3, 1, 1, 2])
    model = Partition()
    for _ in range(150):
        newest = next((n for n, b in enumerate(dead.batches) if b.last_sequence == model.last), -1)
        at = random.randint(max(0, newest - KEPT), min(newest + 2, len(dead.batches) - 1))
        model, expected = model.produce(dead.batches[at])
        answer = await stage.send(dead.batches[at])
        assert (answer.code, answer.base_offset) == (expected.code, expected.base_offset)
    assert model.last == dead.batches[-1].last_sequence  # the walk has come to the end
    assert await stage.listed(dead) == model.listed


async def a_marker_fences_plain_batches(stage: Stage, topic: str) -> None:
    """What could keep a copy on another machine out (decision 0017); no settlement."""
    first = await stage.owner(topic)
    plain = (await stage.dead(topic, [1, 1, 1])).batches
    ours, theirs = [
        [replace(each, wire=restamped(each.wire, first.producer_id, epoch)) for each in plain]
        for epoch in (first.producer_epoch + 1, first.producer_epoch)
    ]
    assert not (await stage.send(theirs[0])).code
    second = await stage.owner(topic)
    assert second == (first.producer_id, first.producer_epoch + 1)
    assert not (await stage.send(theirs[1])).code  # the newer epoch alone keeps nobody out
    await stage.mark(topic, second)
    refused = [(await stage.send(batch)).code for batch in theirs[1:]]
    assert refused == [E.INVALID_PRODUCER_EPOCH] * 2
    once, again = await stage.send(ours[0]), await stage.send(ours[0])
    assert (once.code, again.code, again.base_offset) == (0, 0, once.base_offset)


CASES: tuple[Case, ...] = (
    a_marker_fences_plain_batches,
    the_model_of_the_search_answers_alike,
    nothing_had_left,
    all_was_stored_and_no_answer_came,
    a_part_was_stored,
    the_broker_was_killed_and_remembers_one_batch,
    late_requests_come_afterwards,
    late_requests_come_first,
    forgotten_and_stored,
    forgotten_and_absent,
    forgotten_and_a_late_request_of_a_confirmed_batch_came,
    made_again,
    gone,
    retention_past_the_floor,
    retention_past_the_floor_and_remembered,
    truncated,
    an_old_copy_of_the_journal,
    a_sequence_that_ends_inside_of_a_batch,
    behind_a_batch_that_was_refused,
    too_large_for_the_topic,
    the_broker_is_down_and_comes_back,
    no_right_to_look,
    a_compacted_topic_that_lost_nothing,
)
KAFKAS: tuple[Case, ...] = (compacted,)  # ours compacts nothing
