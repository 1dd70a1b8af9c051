"""Which quota counts for a client: the closest, as KIP-257 orders them."""

from __future__ import annotations

import pytest
from minibroker.broker.cluster.quotas import (
    CLIENT_ID,
    CONNECTION_CREATION_RATE,
    IP,
    PRODUCER_BYTE_RATE,
    REQUEST_PERCENTAGE,
    USER,
    Client,
    Entity,
    Quotas,
    told_entity,
)
from minibroker.broker.limits import ANSWERS_REMEMBERED_MAX, NAME_LETTERS_REMEMBERED_MAX

BOB = Client("bob", "app")
ORDER: list[Entity] = [
    ((CLIENT_ID, "app"), (USER, "bob")),
    ((CLIENT_ID, None), (USER, "bob")),
    ((USER, "bob"),),
    ((CLIENT_ID, "app"), (USER, None)),
    ((CLIENT_ID, None), (USER, None)),
    ((USER, None),),
    ((CLIENT_ID, "app"),),
    ((CLIENT_ID, None),),
]


@pytest.mark.parametrize("first", range(len(ORDER)))
def test_the_closest_counts(first: int) -> None:
    quotas = Quotas()
    for number, entity in enumerate(ORDER[first:], first):
        quotas.put(entity, {PRODUCER_BYTE_RATE: number + 1})
    found = quotas.of_client(BOB, PRODUCER_BYTE_RATE)
    assert found is not None
    assert found[1] == first + 1


def test_each_key_counts_by_itself() -> None:
    quotas = Quotas()
    quotas.put(ORDER[0], {PRODUCER_BYTE_RATE: 1.0})
    quotas.put(ORDER[-1], {REQUEST_PERCENTAGE: 2.0})
    assert quotas.of_client(BOB, PRODUCER_BYTE_RATE) == (ORDER[0], 1.0)
    assert quotas.of_client(BOB, REQUEST_PERCENTAGE) == (((CLIENT_ID, "app"),), 2.0)


def test_a_default_is_one_quota_for_each_name() -> None:
    quotas = Quotas()
    quotas.put(((USER, None),), {PRODUCER_BYTE_RATE: 1.0})
    assert quotas.of_client(BOB, PRODUCER_BYTE_RATE) == (((USER, "bob"),), 1.0)
    eve = Client("eve", "app")
    assert quotas.of_client(eve, PRODUCER_BYTE_RATE) == (((USER, "eve"),), 1.0)


def test_a_change_counts_at_once() -> None:
    quotas = Quotas()
    assert quotas.of_client(BOB, PRODUCER_BYTE_RATE) is None
    quotas.put(ORDER[-1], {PRODUCER_BYTE_RATE: 1.0})
    assert quotas.of_client(BOB, PRODUCER_BYTE_RATE) == (((CLIENT_ID, "app"),), 1.0)
    quotas.put(ORDER[0], {PRODUCER_BYTE_RATE: 2.0})
    assert quotas.of_client(BOB, PRODUCER_BYTE_RATE) == (ORDER[0], 2.0)
    quotas.put(ORDER[0], {})
    quotas.put(ORDER[-1], {})
    assert quotas.of_client(BOB, PRODUCER_BYTE_RATE) is None


def test_client_ids_of_strangers_are_not_remembered_without_end() -> None:
    quotas = Quotas()
    for number in range(ANSWERS_REMEMBERED_MAX + 10):
        quotas.of_client(Client("bob", f"app-{number}"), PRODUCER_BYTE_RATE)
    quotas.of_client(Client("bob", "a" * (NAME_LETTERS_REMEMBERED_MAX + 1)), PRODUCER_BYTE_RATE)
    assert 0 < len(quotas._found) <= ANSWERS_REMEMBERED_MAX
    assert all(len(client.client_id) < 20 for client, _ in quotas._found)


def test_others_are_free() -> None:
    quotas = Quotas()
    quotas.put(((USER, "eve"),), {PRODUCER_BYTE_RATE: 1.0})
    assert quotas.of_client(BOB, PRODUCER_BYTE_RATE) is None
    quotas.put(((USER, "eve"),), {})
    assert quotas == Quotas()


def test_addresses() -> None:
    quotas = Quotas()
    assert quotas.of_address("10.0.0.1") is None
    quotas.put(((IP, None),), {CONNECTION_CREATION_RATE: 5})
    quotas.put(((IP, "10.0.0.1"),), {CONNECTION_CREATION_RATE: 7})
    assert quotas.of_address("10.0.0.1") == 7
    assert quotas.of_address("10.0.0.2") == 5


def test_in_words() -> None:
    assert told_entity(ORDER[1]) == "client-id=<default>,user=bob"
