"""Where leader epochs begin and end (OffsetForLeaderEpoch)."""

from __future__ import annotations

import pytest
from minibroker.broker.log.epochs import LeaderEpochs


def three_epochs() -> LeaderEpochs:
    epochs = LeaderEpochs()
    for epoch, start in ((2, 0), (5, 10), (6, 25)):
        epochs.begin(epoch, start)
    return epochs


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (6, (6, 40)),  # the latest: the log end
        (7, (-1, -1)),  # not reached yet
        (5, (5, 25)),  # ends where the next begins
        (4, (2, 10)),  # unknown in between: the largest below
        (1, (1, 0)),  # older than all: the start of the first
    ],
)
def test_an_epoch_ends_where_the_next_begins(asked: int, answer: tuple[int, int]) -> None:
    assert three_epochs().end_of(asked, 40) == answer


def test_a_log_without_epochs_knows_none() -> None:
    assert LeaderEpochs().end_of(0, 0) == (-1, -1)
    assert LeaderEpochs().latest == -1


def test_epochs_that_ended_before_the_log_start_are_forgotten() -> None:
    epochs = three_epochs()
    epochs.drop_before(10)
    assert epochs.end_of(2, 40) == (2, 10)
    assert epochs.end_of(5, 40) == (5, 25)
    epochs.drop_before(30)
    assert epochs.end_of(5, 40) == (5, 30)
    assert epochs.end_of(6, 40) == (6, 40)
    LeaderEpochs().drop_before(5)


def test_an_epoch_never_goes_back() -> None:
    with pytest.raises(AssertionError, match="leader epoch 5 after 6"):
        three_epochs().begin(5, 50)
