"""Who has to wait, and that nobody else does."""

from __future__ import annotations

import pytest
from minibroker.broker.cluster.quotas import (
    CLIENT_ID,
    CONNECTION_CREATION_RATE,
    CONSUMER_BYTE_RATE,
    CONTROLLER_MUTATION_RATE,
    IP,
    PRODUCER_BYTE_RATE,
    REQUEST_PERCENTAGE,
    USER,
    Client,
    Quotas,
)
from minibroker.broker.security.quotas import meters as module
from minibroker.broker.security.quotas.meters import Meters

BOB, EVE = Client("bob", "app"), Client("eve", "app")


@pytest.fixture
def quotas() -> Quotas:
    made = Quotas()
    values = dict.fromkeys((PRODUCER_BYTE_RATE, CONSUMER_BYTE_RATE), 10_000.0)
    values |= {REQUEST_PERCENTAGE: 0.01, CONTROLLER_MUTATION_RATE: 1.0}
    made.put(((USER, "bob"),), values)
    return made


def test_whoever_has_no_quota_is_not_measured(quotas: Quotas) -> None:
    meters = Meters(quotas)
    assert meters.produced(EVE, 10**9, 0) == 0
    assert len(meters) == 0


def test_connections_of_a_user_share_a_quota(quotas: Quotas) -> None:
    meters = Meters(quotas)
    assert meters.produced(BOB, 90_000, 0) == 0
    assert meters.produced(Client("bob", "another"), 90_000, 1) > 0


def test_clients_of_a_default_do_not() -> None:
    quotas = Quotas()
    quotas.put(((CLIENT_ID, None),), {PRODUCER_BYTE_RATE: 10_000.0})
    meters = Meters(quotas)
    assert meters.produced(Client("bob", "a"), 90_000, 0) == 0
    assert meters.produced(Client("bob", "b"), 90_000, 0) == 0


def test_a_fetch_that_has_to_wait_was_not_sent(quotas: Quotas) -> None:
    meters = Meters(quotas)
    waits = [meters.fetched(BOB, 30_000, 0) for _ in range(5)]
    assert waits[:3] == [0, 0, 0]
    assert waits[3] == waits[4] == pytest.approx(2000)


def test_time_costs_a_window_at_most(quotas: Quotas) -> None:
    assert Meters(quotas).worked(BOB, 500, 0) == 1000


def test_changes_of_topics(quotas: Quotas) -> None:
    meters = Meters(quotas)
    assert meters.may_mutate(BOB, 0)
    assert meters.mutated(BOB, 12, 0) == pytest.approx(1000)
    assert not meters.may_mutate(BOB, 0)
    assert meters.may_mutate(EVE, 0)


def test_connections_of_an_address() -> None:
    quotas = Quotas()
    quotas.put(((IP, None),), {CONNECTION_CREATION_RATE: 5.0})
    meters = Meters(quotas)
    waits = [meters.connected("10.0.0.1", 0) for _ in range(60)]
    assert waits[:50] == [0] * 50
    assert all(each > 0 for each in waits[50:])
    assert meters.connected("10.0.0.2", 0) == 0


def test_names_from_strangers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "METERS_MAX", 3)
    quotas = Quotas()
    quotas.put(((CLIENT_ID, None),), {PRODUCER_BYTE_RATE: 10_000.0})
    meters = Meters(quotas)
    for number in range(10):
        meters.produced(Client("bob", f"client-{number}"), 1, number)
    assert len(meters) == 3
