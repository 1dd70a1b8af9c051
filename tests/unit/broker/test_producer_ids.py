"""Producer ids, and what tells that two producers share one."""

from __future__ import annotations

from random import Random

import pytest
from minibroker.broker import producer_ids
from minibroker.broker.log_lines import Line
from minibroker.broker.producer_ids import STARTS, STEP, ProducerIds, SharedIds


def test_ids_of_one_start_follow_each_other_and_those_known_are_left_out() -> None:
    first = ProducerIds(Random(1), lambda _: False).take()
    assert first % STEP == 0
    assert first // STEP in STARTS
    ids = ProducerIds(Random(1), lambda each: each in (first, first + 1, first + 3))
    assert [ids.take() for _ in range(3)] == [first + 2, first + 4, first + 5]


def test_two_starts_hardly_ever_meet() -> None:
    starts = {ProducerIds(Random(seed), lambda _: False).take() for seed in range(2_000)}
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
