"""A transactional id's phases, as transcripts: what is asked, what is answered, what follows."""

from __future__ import annotations

from typing import TypeVar

import pytest
from minibroker.client.config import ProducerConfig
from minibroker.client.errors import Abortable, Fatal, Fenced
from minibroker.client.partitions import GroupOffsets, OffsetAndMetadata, TopicPartition
from minibroker.client.produce.completing import LOOKS_MAX, PROMPT_ENOUGH, SKIPPED
from minibroker.client.produce.transactional import (
    FOLLOWS,
    AddOffsets,
    AddPartitions,
    After,
    CommitOffsets,
    End,
    Initialise,
    Look,
    Phase,
    Transactional,
    heaviest,
)
from minibroker.protocol.errors import ErrorCode

Q = TypeVar("Q")

NONE = ErrorCode.NONE
PLACE, OTHER = ("t", 0), ("t", 1)
OFFSETS = GroupOffsets("g", 3, "m", None, {TopicPartition("t", 0): OffsetAndMetadata(7)})
PID, EPOCH = 77, 4
COMMIT, ABORT = End(is_commit=True), End(is_commit=False)


def started(*, bumps: bool = True) -> Transactional:
    """Ready for its first transaction."""
    core = Transactional("x", 60_000)
    assert core.next_question(0) == Initialise(-1, -1)
    core.answered(Initialise(-1, -1), NONE, PID, EPOCH)
    core.learn(bumps)
    assert core.phase is Phase.READY
    return core


def opened(*, bumps: bool = True) -> Transactional:
    """With a transaction of which a batch has been written."""
    core = started(bumps=bumps)
    core.begin()
    if not bumps:
        assert not core.admits(PLACE)
        core.answered(asked(core, AddPartitions((PLACE,))), NONE)
    assert core.admits(PLACE)
    core.has_begun = True
    return core


def asked(core: Transactional, question: Q) -> Q:
    """The next question, which is this one."""
    assert core.next_question(0) == question
    return question


def test_a_new_broker_learns_of_partitions_from_what_is_written() -> None:
    core = opened()
    assert core.next_question(0) is None
    core.close()
    core.commit()
    core.answered(asked(core, COMMIT), NONE, PID, EPOCH + 1)
    assert (core.phase, core.producer_epoch) == (Phase.READY, EPOCH + 1)
    assert core.committed_number == 1


def committed() -> Transactional:
    """A transaction was decided, and the next one is open."""
    core = opened()
    core.close()
    core.commit()
    core.answered(asked(core, COMMIT), NONE, PID, EPOCH + 1)
    return core


CONCURRENT = ErrorCode.CONCURRENT_TRANSACTIONS


def test_batches_wait_until_the_transaction_before_is_complete() -> None:
    core = committed()
    assert core.answered(asked(core, Look()), CONCURRENT) is After.DONE
    assert core.next_question(0) is None, "nothing waits for it"
    core.begin()
    assert not core.admits(PLACE)
    assert core.answered(asked(core, Look()), CONCURRENT) is After.SOON
    assert not core.admits(PLACE)
    assert core.answered(asked(core, Look()), NONE) is After.DONE
    assert core.admits(PLACE)
    assert core.next_question(0) is None


def test_offsets_wait_until_the_transaction_before_is_complete() -> None:
    core = committed()
    core.answered(asked(core, Look()), CONCURRENT)
    core.begin()
    core.offer(OFFSETS, is_last=True)
    core.answered(asked(core, Look()), NONE)
    asked(core, CommitOffsets(OFFSETS))


def test_nothing_waits_for_ever_for_the_transaction_before() -> None:
    core = committed()
    core.begin()
    for _ in range(LOOKS_MAX):
        assert not core.admits(PLACE)
        core.answered(asked(core, Look()), CONCURRENT)
    assert core.admits(PLACE)


@pytest.mark.parametrize("code", [ErrorCode.NOT_COORDINATOR, ErrorCode.UNKNOWN_SERVER_ERROR])
def test_nothing_waits_where_it_cannot_be_found_out(code: ErrorCode) -> None:
    core = committed()
    core.begin()
    assert not core.admits(PLACE)
    found_anew = code is ErrorCode.NOT_COORDINATOR
    assert core.answered(asked(core, Look()), code) is (After.FIND if found_anew else After.DONE)
    assert core.admits(PLACE)
    for is_answered in (True, False):
        core = committed()
        core.begin()
        lose = core.refused_by_version if is_answered else core.unanswered
        lose(asked(core, Look()), "why")
        assert core.admits(PLACE)


def test_a_prompt_coordinator_is_looked_at_now_and_then_only() -> None:
    core, looks = started(), []
    for number in range(PROMPT_ENOUGH + SKIPPED + 2):
        core.begin()
        assert core.admits(PLACE)
        core.has_begun = True
        core.close()
        core.commit()
        core.answered(asked(core, COMMIT), NONE, PID, EPOCH + 1 + number)
        looks.append(core.next_question(0) == Look())
        if looks[-1]:
            core.answered(Look(), NONE)
    assert looks == [True] * PROMPT_ENOUGH + [False] * SKIPPED + [True, False]


def test_an_old_broker_is_told_of_each_partition_once_and_keeps_the_epoch() -> None:
    core = opened(bumps=False)
    assert not core.admits(OTHER)
    core.answered(asked(core, AddPartitions((OTHER,))), NONE)
    assert core.admits(OTHER)
    core.offer(OFFSETS, is_last=True)
    core.answered(asked(core, AddOffsets("g")), NONE)
    core.answered(asked(core, CommitOffsets(OFFSETS)), NONE)
    assert core.next_question(0) is None
    core.close()
    core.commit()
    core.answered(asked(core, COMMIT), NONE)
    assert (core.phase, core.producer_epoch) == (Phase.READY, EPOCH)
    core.begin()
    assert not core.admits(PLACE)


def test_an_empty_transaction_asks_nothing() -> None:
    core = started()
    core.begin()
    core.close()
    core.commit()
    assert (core.phase, core.committed_number) == (Phase.READY, 1)
    core.begin()
    core.abort()
    assert core.next_question(0) is None
    assert (core.phase, core.committed_number) == (Phase.READY, 1)


def test_an_abort_waits_for_the_wire_to_be_empty() -> None:
    core = opened()
    core.abort()
    assert core.next_question(1) is None
    core.answered(asked(core, ABORT), NONE, PID, EPOCH + 1)
    assert core.phase is Phase.READY


@pytest.mark.parametrize("bumps", [True, False])
def test_given_up_batches_make_later_ones_follow_nothing(bumps: bool) -> None:
    core = opened(bumps=bumps)
    core.fall(Fatal("a batch"), loses_sequences=True)
    with pytest.raises(Abortable, match=r"do all of it again .*Cause: a batch"):
        core.raise_unless_open()
    assert not core.admits(PLACE)
    core.abort()
    core.answered(asked(core, ABORT), NONE, *((PID, EPOCH + 1) if bumps else ()))
    if not bumps:
        core.answered(asked(core, Initialise(PID, EPOCH)), NONE, PID, EPOCH + 1)
    assert (core.phase, core.producer_epoch) == (Phase.READY, EPOCH + 1)


def test_a_commit_that_was_refused_is_aborted() -> None:
    core = opened()
    core.close()
    core.commit()
    assert core.answered(asked(core, COMMIT), ErrorCode.INVALID_TXN_STATE) is After.DONE
    assert core.phase is Phase.BROKEN
    core.abort()
    core.answered(asked(core, ABORT), NONE, PID, EPOCH + 1)
    assert (core.phase, core.committed_number) == (Phase.READY, 0)


def test_an_abort_of_what_was_never_open_needs_a_new_epoch() -> None:
    core = opened(bumps=False)
    core.abort()
    core.answered(asked(core, ABORT), ErrorCode.INVALID_TXN_STATE)
    assert core.next_question(0) == Initialise(PID, EPOCH)


def test_a_forgotten_id_is_asked_for_again_without_an_end() -> None:
    core = opened(bumps=False)
    core.offer(OFFSETS, is_last=True)
    core.answered(asked(core, AddOffsets("g")), ErrorCode.INVALID_PRODUCER_ID_MAPPING)
    assert core.phase is Phase.BROKEN
    core.abort()
    core.answered(asked(core, Initialise(PID, EPOCH)), NONE, PID + 1, 0)
    assert (core.phase, core.producer_id) == (Phase.READY, PID + 1)


@pytest.mark.parametrize("code", [ErrorCode.INVALID_PRODUCER_EPOCH, ErrorCode.PRODUCER_FENCED])
def test_fencing_says_what_is_known(code: ErrorCode) -> None:
    for is_unknown in (False, True):
        core = opened()
        core.close()
        core.commit()
        if is_unknown:
            assert core.unanswered(COMMIT, "cut") is After.FIND
        core.answered(asked(core, COMMIT), code)
        assert core.phase is Phase.FATAL
        with pytest.raises(Fenced, match="producer id 77, epoch 4 is at its end") as told:
            core.raise_unless_open()
        assert told.value.possibly_persisted is is_unknown
        assert ("not known" in str(told.value)) is is_unknown


@pytest.mark.parametrize(
    ("code", "after"),
    [
        (ErrorCode.CONCURRENT_TRANSACTIONS, After.SOON),
        (ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, After.AGAIN),
        (ErrorCode.NOT_COORDINATOR, After.FIND),
        (ErrorCode.COORDINATOR_NOT_AVAILABLE, After.FIND),
    ],
)
def test_what_passes_is_asked_again(code: ErrorCode, after: After) -> None:
    core = opened()
    core.close()
    core.commit()
    assert core.answered(asked(core, COMMIT), code) is after
    assert core.next_question(0) == COMMIT


@pytest.mark.parametrize(
    "code",
    [ErrorCode.ILLEGAL_GENERATION, ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_INSTANCE_ID],
)
def test_offsets_that_a_group_refuses_only_abort(code: ErrorCode) -> None:
    core = opened()
    core.offer(OFFSETS, is_last=True)
    core.answered(asked(core, CommitOffsets(OFFSETS)), code)
    assert core.phase is Phase.BROKEN
    assert core.next_question(0) is None
    with pytest.raises(Abortable, match=code.name):
        core.raise_unless_open()


def test_offsets_of_an_older_generation_can_be_offered_as_of_the_next() -> None:
    core, later = opened(), OFFSETS._replace(generation=4)
    core.offer(OFFSETS, is_last=False)
    core.answered(asked(core, CommitOffsets(OFFSETS)), ErrorCode.ILLEGAL_GENERATION)
    assert (core.phase, core.is_outdated) == (Phase.OPEN, True)
    assert core.next_question(0) is None
    core.offer(later, is_last=False)
    core.answered(asked(core, CommitOffsets(later)), NONE)
    assert (core.offsets, core.is_outdated) == (None, False)
    core.close()
    assert core.phase is Phase.CLOSING


def test_no_commit_leaves_out_offsets_that_are_offered_again() -> None:
    core = opened()
    core.offer(OFFSETS, is_last=False)
    core.answered(asked(core, CommitOffsets(OFFSETS)), ErrorCode.ILLEGAL_GENERATION)
    core.close()
    assert core.phase is Phase.BROKEN


def test_a_member_that_is_unknown_offers_nothing_again() -> None:
    core = opened()
    core.offer(OFFSETS, is_last=False)
    core.answered(asked(core, CommitOffsets(OFFSETS)), ErrorCode.UNKNOWN_MEMBER_ID)
    assert core.phase is Phase.BROKEN


def test_an_answer_that_comes_after_the_abort_changes_nothing() -> None:
    core = opened(bumps=False)
    core.offer(OFFSETS, is_last=True)
    question = asked(core, AddOffsets("g"))
    core.abort()
    core.answered(question, ErrorCode.GROUP_AUTHORIZATION_FAILED)
    assert core.phase is Phase.ABORTING
    assert core.next_question(0) == ABORT


def test_what_is_sent_in_one_transaction_is_not_taken_in_the_next() -> None:
    core = opened()
    core.raise_unless_open(1)
    core.abort()
    core.answered(asked(core, ABORT), NONE, PID, EPOCH + 1)
    with pytest.raises(RuntimeError, match="no transaction is open"):
        core.raise_unless_open(1)
    core.begin()
    with pytest.raises(RuntimeError, match="has ended without it"):
        core.raise_unless_open(1)


def test_every_phase_can_end_and_only_fatal_is_the_end() -> None:
    assert FOLLOWS.keys() == set(Phase)
    for phase, following in FOLLOWS.items():
        assert (Phase.FATAL in following) is (phase is not Phase.FATAL)
        assert phase not in following


def test_of_several_codes_the_one_that_decides() -> None:
    passing, final = ErrorCode.NOT_COORDINATOR, ErrorCode.ILLEGAL_GENERATION
    attempted = ErrorCode.OPERATION_NOT_ATTEMPTED
    assert heaviest([]) is NONE
    assert heaviest([NONE, attempted]) is NONE
    assert heaviest([NONE, passing, final]) is final
    assert heaviest([attempted, passing]) is passing


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"transactional_id": ""}, "transactional_id is empty"),
        (
            {"transactional_id": "x", "enable_idempotence": False},
            "transactional_id needs enable_idempotence",
        ),
        ({"transaction_timeout_ms": 0}, "transaction_timeout_ms"),
    ],
)
def test_options_that_cannot_be(options: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        ProducerConfig(bootstrap_servers=(("x", 1),), **options)  # type: ignore[arg-type]
