"""Bugs to plant in the producer, each a method replaced: what the judge of its worlds must see.

The table and the report are in __main__.py; broker bugs in bugs.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest
from minibroker.client.produce import sender as sender_module
from minibroker.client.produce.answers import Answer, Then, outcome_of
from minibroker.client.produce.batch import ProducerBatch
from minibroker.client.produce.lane import Lane
from minibroker.client.produce.sender import ProduceCall, Sender
from minibroker.protocol.errors import ErrorCode

from tests.simulation.producer import BROKEN, judged
from tests.support.worlds.producer_world import World

Settled = tuple[list[ProducerBatch], list[ProducerBatch]]
Plant = Callable[[pytest.MonkeyPatch], None]


def retry_under_a_new_sequence(patch: pytest.MonkeyPatch) -> None:
    """Whatever failed is drained again, behind what has been sent since."""

    def settle(self: Lane) -> Settled:
        again, self.in_flight = self.in_flight, []
        self.is_broken = self.is_unresolved = False
        self.resend_from = 0
        return [], again

    patch.setattr(Lane, "settle", settle)


def six_in_flight(patch: pytest.MonkeyPatch) -> None:
    """More than a broker remembers."""
    begin = World.__init__

    def init(self: World, *args: Any) -> None:
        begin(self, *args)
        self.slots_max = self.sender._in_flight_max = 6

    patch.setattr(World, "__init__", init)


def resend_after_expiry(patch: pytest.MonkeyPatch) -> None:
    """The caller hears of the failure, and the batch stays where it is."""

    expire = Sender.expire

    def planted(self: Sender, now_ms: float) -> None:
        for lane in self._lanes.values():
            for batch in lane.in_flight:
                expires_at_ms = batch.created_at_ms + self._config.delivery_timeout_ms
                if expires_at_ms <= now_ms and batch.outcome is None:
                    batch.complete(self._timeout(batch))
        expire(self, now_ms)

    patch.setattr(Sender, "expire", planted)


def bump_with_an_unknown_batch(patch: pytest.MonkeyPatch) -> None:
    """Apache Kafka's way: a new epoch although an attempt may have been stored."""
    settle = Lane.settle

    def planted(self: Lane) -> Settled:
        for batch in self.in_flight:
            batch.is_unknown = False
        return settle(self)

    patch.setattr(Lane, "settle", planted)


def two_before_the_first_is_stored(patch: pytest.MonkeyPatch) -> None:
    """A broker without state takes any sequence, the second one's too."""
    begin = Lane.__init__

    def init(self: Lane, **given: bool) -> None:
        begin(self, **given)
        self.is_established = True

    patch.setattr(Lane, "__init__", init)
    adopt = Lane.adopt

    def planted(self: Lane, *ids: int) -> None:
        adopt(self, *ids)
        self.is_established = True

    patch.setattr(Lane, "adopt", planted)


def a_lost_answer_is_a_refusal(patch: pytest.MonkeyPatch) -> None:
    """Nobody remembers that the broker may have stored the batch."""
    lost = Sender.lost

    def planted(self: Sender, call: ProduceCall, now_ms: float, why: str) -> None:
        lost(self, call, now_ms, why)
        for batch in call.batches:
            batch.is_unknown = False

    patch.setattr(Sender, "lost", planted)


def split_what_may_be_stored(patch: pytest.MonkeyPatch) -> None:
    """A batch of unknown outcome that is too large now goes again in pieces, as a new epoch."""
    split = Sender._split

    def planted(self: Sender, lane: Lane, batch: ProducerBatch, answer: Answer) -> None:
        batch.is_unknown = False
        split(self, lane, batch, answer)

    patch.setattr(Sender, "_split", planted)


def success_after_a_refusal(patch: pytest.MonkeyPatch) -> None:
    """A broker that had too few replicas in sync is believed to have stored the batch."""

    def planted(code: ErrorCode) -> tuple[Then, bool]:
        refused = code is ErrorCode.NOT_ENOUGH_REPLICAS
        return (Then.DONE, True) if refused else outcome_of(code)

    patch.setattr(sender_module, "outcome_of", planted)


_ALL: Final[tuple[Plant, ...]] = (
    retry_under_a_new_sequence,
    six_in_flight,
    resend_after_expiry,
    bump_with_an_unknown_batch,
    two_before_the_first_is_stored,
    a_lost_answer_is_a_refusal,
    split_what_may_be_stored,
    success_after_a_refusal,
)
PLANTS: Final = {each.__name__.replace("_", " "): each for each in _ALL}
"""By the name of the bug."""


def hunt(plant: Plant | None, worlds_max: int) -> tuple[int, str]:
    """Worlds until the history of one shows something; returns how many, and what."""
    with pytest.MonkeyPatch.context() as patch:
        if plant is not None:
            plant(patch)
        for seed in range(worlds_max):
            found = [text for text in judged(seed)[1] if not text.startswith(BROKEN)]
            if found:
                return seed + 1, f"SEED={seed} {found[0]}"
    return worlds_max, ""
