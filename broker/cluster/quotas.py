"""How much who may do: quotas by entity, and which of them counts for a client. Pure.

An entity is a user, a client id, both, or an address; its name may be left out: the default of its
type. Of all that fit a client the closest counts, for each key by itself.
Source: ClientQuotaManager.scala, ClientQuotaMetadataManager.scala; KIP-13, KIP-257, KIP-546.
Read next: quota_changes.py.
Tests: tests/unit/broker/cluster/test_quotas.py
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, TypeAlias

from ..limits import ANSWERS_REMEMBERED_MAX, NAME_LETTERS_REMEMBERED_MAX

USER: Final = "user"
CLIENT_ID: Final = "client-id"
IP: Final = "ip"

PRODUCER_BYTE_RATE: Final = "producer_byte_rate"
CONSUMER_BYTE_RATE: Final = "consumer_byte_rate"
REQUEST_PERCENTAGE: Final = "request_percentage"
CONTROLLER_MUTATION_RATE: Final = "controller_mutation_rate"
CONNECTION_CREATION_RATE: Final = "connection_creation_rate"


Entity: TypeAlias = tuple[tuple[str, str | None], ...]
"""(type, name) pairs in the order of the types; None is the default of a type."""


class Client(NamedTuple):
    """Who is measured: the user without "User:", and the client id."""

    user: str
    client_id: str


class Quotas:
    """All quotas there are.

    Attributes:
        by_entity: values by key.
        generation: another one after every change.
    """

    def __init__(self) -> None:
        self.by_entity: dict[Entity, dict[str, float]] = {}
        self.generation = 0
        self._found: dict[tuple[Client, str], tuple[Entity, float] | None] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quotas) and self.by_entity == other.by_entity

    __hash__ = None  # type: ignore[assignment]

    def put(self, entity: Entity, values: Mapping[str, float]) -> None:
        """All of an entity; none: it is forgotten."""
        self.generation += 1
        self._found.clear()
        if values:
            self.by_entity[entity] = {**values}
        else:
            self.by_entity.pop(entity, None)

    def clear(self) -> None:
        """Forget all."""
        self.generation += 1
        self._found.clear()
        self.by_entity.clear()

    def of_client(self, client: Client, key: str) -> tuple[Entity, float] | None:
        """What counts for a client: the entity whose clients share it, and how much; None: free.

        The entity names who shares: with the default of a type each name has one of its own.
        """
        asked = (client, key)
        if asked in self._found:
            return self._found[asked]
        found = self._look_for(client, key)
        if len(client.client_id) <= NAME_LETTERS_REMEMBERED_MAX:
            if len(self._found) >= ANSWERS_REMEMBERED_MAX:
                self._found.clear()
            self._found[asked] = found
        return found

    def _look_for(self, client: Client, key: str) -> tuple[Entity, float] | None:
        for entity, shared_by in _closest_first(client):
            value = self.by_entity.get(entity, {}).get(key)
            if value is not None:
                return shared_by, value
        return None

    def of_address(self, address: str) -> float | None:
        """Connections a second from an address; None: free."""
        for name in (address, None):
            value = self.by_entity.get(((IP, name),), {}).get(CONNECTION_CREATION_RATE)
            if value is not None:
                return value
        return None


def _closest_first(client: Client) -> Iterator[tuple[Entity, Entity]]:
    """(the entity that has it, the one that shares it), as KIP-257 orders them."""
    user, client_id = client
    for name in (user, None):
        for of_client in (client_id, None):
            yield _both(of_client, name), _both(client_id, user)
        yield ((USER, name),), ((USER, user),)
    for of_client in (client_id, None):
        yield ((CLIENT_ID, of_client),), ((CLIENT_ID, client_id),)


def _both(client_id: str | None, user: str | None) -> Entity:
    return (CLIENT_ID, client_id), (USER, user)


def told_entity(entity: Entity) -> str:
    """An entity in words: user=alice,client-id=<default>."""
    return ",".join(f"{kind}={'<default>' if name is None else name}" for kind, name in entity)
