"""The gate of a session under a transactional id: its epochs are the coordinator's. Sans-IO.

A lane begins with the newest epoch that was granted. Where a lane without an id would take the next
one by itself, this one waits for a later grant: the next epoch may be the next owner's.
Read first: gate.py. Read next: owning.py (EDGE), which has epochs granted.
Tests: tests/unit/client/session/test_owned_gate.py
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from ...config import ProducerConfig
from ...errors import ClientError
from ...produce.accumulator import Accumulator, Place
from ...produce.batch import ProducerBatch
from ...produce.sender import ProduceCall, Sender
from .gate import JournaledSender
from .journaled_lane import JournaledLane
from .keeping import AboutPlace


class OwnedSender(JournaledSender):
    """The decisions of a producer that owns its session; own() comes before anything is sent.

    Attributes:
        wants_grant: some lane needs a later epoch.
        fenced: why somebody else seems to have the transactional id; "" while nobody does.
    """

    def __init__(
        self, config: ProducerConfig, accumulator: Accumulator, random: Random, about: AboutPlace
    ) -> None:
        super().__init__(config, accumulator, random, about)
        self.wants_grant = False
        self.fenced = ""
        self._waiting: set[Place] = set()  # for a later epoch
        self._owned_since = 0

    def own(self, transactional_id: str, producer_id: int, epoch: int, *, is_first: bool) -> None:
        """A coordinator has given an epoch; it is journaled before its first batch."""
        Sender.give_producer_id(self, producer_id)
        self._granted_epoch, self.wants_grant = epoch, False
        self.keeping.identity(producer_id, epoch, transactional_id)
        if is_first:
            self._owned_since = epoch
            for floor in self.keeping.journal.state.floors.values():
                lane = self._lanes.get((floor.topic, floor.partition))
                # Where nothing is open the floor is asked for anew, with the first batch: it is
                # that of an owner before, and the topic may have been made again since.
                if lane is not None and floor.producer_id == producer_id and floor.offset >= 0:
                    lane.floor_group = 0
        waiting, self._waiting = self._waiting, set()
        for place in waiting:
            self._restamp(place, self._lanes[place])

    def drain(
        self,
        now_ms: float,
        leader_of: Callable[[str, int], int],
        slots_of: Callable[[int], int],
    ) -> list[ProduceCall]:
        """As without an owner; nothing once somebody else seems to be it."""
        return [] if self.fenced else super().drain(now_ms, leader_of, slots_of)

    def _judge(self, place: Place, lane: JournaledLane) -> None:
        if place not in self._waiting:
            super()._judge(place, lane)

    def _restamp(self, place: Place, lane: JournaledLane) -> None:
        assert self._granted_epoch is not None, "owned before anything is sent"
        if lane.has_used(self.producer_id, self._granted_epoch):
            lane.has_anew = self.wants_grant = True
            self._waiting.add(place)
        else:
            super()._restamp(place, lane)

    def _is_mine(self, batch: ProducerBatch) -> bool:
        return super()._is_mine(batch) and batch.producer_epoch >= self._owned_since

    def _fence(self, lane: JournaledLane, error: ClientError, now_ms: float) -> None:
        """What it means is asked for, and then told."""
        self.fenced = self.fenced or str(error)
        self._retry(lane, now_ms)
