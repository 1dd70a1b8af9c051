"""When what another process has left counts as late."""

from __future__ import annotations

from minibroker.client.errors import DeliveryTimeout

from tests.support.sessions.gate_play import PID, Play, failure


def test_a_batch_of_before_is_late_only_when_the_start_has_long_been_over() -> None:
    before = Play()
    before.send()
    before.drain()
    play = Play(before.journal, pid=PID + 1)
    play.sender.begin(before.journal)  # which takes long
    play.drain(30_000)
    (batch,) = play.accumulator.held
    assert batch.outcome is None
    play.sender.begun(play.now_ms)
    play.drain(9_000)
    assert (batch.outcome, play.sender.late_batches()) == (None, [])
    play.drain(2_000)
    assert isinstance(failure(batch), DeliveryTimeout)
    assert play.sender.late_batches() == [batch]
