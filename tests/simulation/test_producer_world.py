"""The producer in a simulated world: hundreds of seeds, and bugs that the judge must see."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from minibroker.client.lane import Lane
from minibroker.client.producer_batch import ProducerBatch
from minibroker.testing.history import Acknowledged, findings

from tests.support.producer_world import World

RUNS = int(os.environ.get("RUNS", "200"))
FIRST = int(os.environ.get("SEED", "0"))
CHUNKS = 4


def judged(seed: int, *, forgetful: bool = False) -> tuple[World, list[str]]:
    world = World(seed, forgetful=forgetful)
    world.run()
    return world, [finding.text for finding in findings(world.sent, world.stored)]


@pytest.mark.parametrize("forgetful", [False, True])
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_record_is_stored_once_and_in_order(chunk: int, forgetful: bool) -> None:
    stored = 0
    for seed in range(FIRST + chunk, FIRST + RUNS, CHUNKS):
        world, found = judged(seed, forgetful=forgetful)
        assert not found, f"SEED={seed} forgetful={forgetful}: {found}"
        stored += sum(isinstance(each.outcome, Acknowledged) for each in world.sent)
    assert stored > 0, "a world in which nothing is ever stored proves nothing"


def settle_with_new_sequences(
    settle: Callable[[Lane], tuple[list[ProducerBatch], list[ProducerBatch]]],
) -> Callable[[Lane], tuple[list[ProducerBatch], list[ProducerBatch]]]:
    """Java's way: bump and rewrite although an attempt may have been stored."""

    def planted(self: Lane) -> tuple[list[ProducerBatch], list[ProducerBatch]]:
        for batch in self.in_flight:
            batch.is_unknown = False
        return settle(self)

    return planted


def test_the_judge_sees_an_epoch_bump_with_a_batch_of_unknown_outcome(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Lane, "settle", settle_with_new_sequences(Lane.settle))
    assert any(judged(seed, forgetful=True)[1] for seed in range(300))


def test_the_judge_sees_a_retry_under_a_new_sequence(monkeypatch: pytest.MonkeyPatch) -> None:
    def settle(self: Lane) -> tuple[list[ProducerBatch], list[ProducerBatch]]:
        again, self.in_flight = self.in_flight, []
        self.is_broken = self.is_unresolved = False
        self.resend_from = 0
        return [], again

    monkeypatch.setattr(Lane, "settle", settle)
    assert any(judged(seed)[1] for seed in range(100))


def test_the_judge_sees_more_than_five_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = World.__init__

    def init(self: World, seed: int, *, forgetful: bool) -> None:
        begin(self, seed, forgetful=forgetful)
        self.slots_max = self.sender._in_flight_max = 9

    def refused(seed: int) -> bool:
        sent = judged(seed)[0].sent
        return any("no longer knows this sequence" in str(each.outcome) for each in sent)

    few = sum(map(refused, range(200)))
    monkeypatch.setattr(World, "__init__", init)
    many = sum(map(refused, range(200)))
    assert many > 2 * few


def test_the_judge_sees_a_send_after_it_was_said_to_have_expired(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def give_up(self: Lane, batch: ProducerBatch) -> None:
        batch.outcome = None  # it is still in flight, and will be sent again

    monkeypatch.setattr(Lane, "give_up", give_up)
    with pytest.raises(AssertionError):
        _all_well(100)


def _all_well(runs: int) -> None:
    for seed in range(runs):
        assert not judged(seed)[1]
