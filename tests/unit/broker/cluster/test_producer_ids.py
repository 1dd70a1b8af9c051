"""Producer ids, and what tells that two producers share one."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from random import Random

import pytest
from minibroker.broker.cluster import producer_ids
from minibroker.broker.cluster.producer_ids import RUN, STARTS, STEP, ProducerIds, SharedIds
from minibroker.broker.log_lines import Line


def nobody() -> Iterable[int]:
    return ()


def test_ids_of_one_start_follow_each_other() -> None:
    ids = ProducerIds(Random(1), nobody)
    first = ids.take()
    assert first % STEP == 0
    assert first // STEP in STARTS
    assert [ids.take() for _ in range(3)] == [first + 1, first + 2, first + 3]


def test_where_an_id_is_known_another_place_is_drawn() -> None:
    first = ProducerIds(Random(1), nobody).take()
    for known in (first, first + 7, first + RUN - 1):
        assert ProducerIds(Random(1), partial(list, [5, known])).take() != first
    for known in (first - 1, first + RUN):
        assert ProducerIds(Random(1), partial(list, [5, known])).take() == first


def test_after_a_run_another_place_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producer_ids, "RUN", 3)
    ids = ProducerIds(Random(1), nobody)
    taken = [ids.take() for _ in range(6)]
    assert taken[1:3] == [taken[0] + 1, taken[0] + 2]
    assert taken[4:6] == [taken[3] + 1, taken[3] + 2]
    assert taken[3] not in (taken[0], taken[2] + 1)


def test_two_starts_hardly_ever_meet() -> None:
    starts = {ProducerIds(Random(seed), nobody).take() for seed in range(2_000)}
    assert len(starts) == 2_000


def test_a_shared_id_is_told_once() -> None:
    said: list[Line] = []
    shared = SharedIds(said.append)
    for producer_id in (7, 7, 8, 7):
        shared.suspect(producer_id, "orders-0")
    assert [str(line).split(" meaning=")[0] for line in said] == [
        "event=same-numbers-other-bytes producer_id=7 partition=orders-0",
        "event=same-numbers-other-bytes producer_id=8 partition=orders-0",
    ]


def test_what_has_been_told_is_not_remembered_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producer_ids, "OTHER_BYTES_TOLD_MAX", 3)
    said: list[Line] = []
    shared = SharedIds(said.append)
    for producer_id in (1, 2, 3, 1, 4, 1):
        shared.suspect(producer_id, "orders-0")
    assert len(said) == 5
    assert len(shared._told) <= 3
