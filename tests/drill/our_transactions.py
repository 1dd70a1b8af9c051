"""Bugs to plant in the transactional producer, each a method replaced: its worlds must see them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest
from minibroker.client.produce.accumulator import Place
from minibroker.client.produce.sender import Sender
from minibroker.client.produce.transactional import (
    After,
    CommitOffsets,
    End,
    Initialise,
    Phase,
    Question,
    Transactional,
)
from minibroker.protocol.errors import ErrorCode

from tests.simulation.disk import run_seeds
from tests.simulation.our_transactions import CAMPAIGNS

Plant = Callable[[pytest.MonkeyPatch], None]


def failed_batches_are_committed_without(patch: pytest.MonkeyPatch) -> None:
    """A batch fails, and the transaction goes on."""
    patch.setattr(Sender, "_tell_transaction", lambda *_: None)


def no_new_epoch_after_lost_batches(patch: pytest.MonkeyPatch) -> None:
    """Batches of unknown outcome are given up, and later ones get their sequences."""
    after_abort = Transactional._after_abort

    def planted(self: Transactional) -> None:
        self.has_lost_sequences = False
        after_abort(self)

    patch.setattr(Transactional, "_after_abort", planted)


def partitions_are_not_added(patch: pytest.MonkeyPatch) -> None:
    """Old brokers are not told where it writes."""

    def admits(self: Transactional, place: Place) -> bool:
        return self.phase in (Phase.OPEN, Phase.CLOSING)

    patch.setattr(Transactional, "admits", admits)


def an_unanswered_commit_is_a_commit(patch: pytest.MonkeyPatch) -> None:
    """No answer is taken for a yes."""
    unanswered = Transactional.unanswered

    def planted(self: Transactional, question: Question, why: str) -> After:
        if question == End(is_commit=True):
            self._end(is_commit=True)
            return After.DONE
        return unanswered(self, question, why)

    patch.setattr(Transactional, "unanswered", planted)


def the_epoch_of_the_ending_is_ignored(patch: pytest.MonkeyPatch) -> None:
    """The next transaction begins in the epoch of the last."""
    succeeded = Transactional._succeeded

    def planted(self: Transactional, question: Question, *ids: int) -> None:
        succeeded(self, question, *(ids if isinstance(question, Initialise) else (-1, -1)))

    patch.setattr(Transactional, "_succeeded", planted)


def a_refused_commit_is_a_commit(patch: pytest.MonkeyPatch) -> None:
    """INVALID_TXN_STATE is taken for "it was committed before"."""
    refused = Transactional._refused

    def planted(self: Transactional, question: Question, code: ErrorCode) -> None:
        if question == End(is_commit=True) and code is ErrorCode.INVALID_TXN_STATE:
            self._end(is_commit=True)
        else:
            refused(self, question, code)

    patch.setattr(Transactional, "_refused", planted)


def the_fenced_claim_the_id_anew(patch: pytest.MonkeyPatch) -> None:
    """Who is fenced goes on, and fences its successor."""
    refused = Transactional._refused

    def planted(self: Transactional, question: Question, code: ErrorCode) -> None:
        if code is ErrorCode.PRODUCER_FENCED and isinstance(question, End):
            self.phase = Phase.READY
            self.committed_number = self.number
        else:
            refused(self, question, code)

    patch.setattr(Transactional, "_refused", planted)


def offsets_are_not_awaited(patch: pytest.MonkeyPatch) -> None:
    """They are taken for committed before they were asked for."""
    part = Transactional._part_to_add

    def planted(self: Transactional) -> Any:
        question = part(self)
        if isinstance(question, CommitOffsets) and self.number % 2:
            self.offsets = None
            return None
        return question

    patch.setattr(Transactional, "_part_to_add", planted)


_ALL: Final = (
    failed_batches_are_committed_without,
    no_new_epoch_after_lost_batches,
    partitions_are_not_added,
    an_unanswered_commit_is_a_commit,
    the_epoch_of_the_ending_is_ignored,
    a_refused_commit_is_a_commit,
    the_fenced_claim_the_id_anew,
    offsets_are_not_awaited,
)
PLANTS: Final = {each.__name__.replace("_", " "): each for each in _ALL}
"""By the name of the bug."""


def hunt(plant: Plant | None, worlds_max: int) -> tuple[int, str]:
    """Worlds until one goes wrong; returns how many, and what was found."""
    with pytest.MonkeyPatch.context() as patch:
        if plant is not None:
            plant(patch)
        tally = run_seeds(CAMPAIGNS[0], range(worlds_max))
    return tally.runs, tally.failure
