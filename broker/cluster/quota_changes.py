"""Quotas to be, and filters of quotas, as requests name them: checked, and told as Kafka tells it.

Nothing is changed here.
Source: ClientQuotaControlManager.java, ClientQuotasImage.java.
Tests: tests/unit/broker/cluster/test_quota_changes.py
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from math import isfinite
from typing import Final, NamedTuple

from ...protocol.errors import ApiError, ErrorCode, Refused
from ..limits import QUOTA_ENTITIES_MAX
from .quotas import (
    CLIENT_ID,
    CONNECTION_CREATION_RATE,
    CONSUMER_BYTE_RATE,
    CONTROLLER_MUTATION_RATE,
    IP,
    PRODUCER_BYTE_RATE,
    REQUEST_PERCENTAGE,
    USER,
    Entity,
    Quotas,
)
from .records import ClientQuotaRecord

KINDS: Final = (USER, CLIENT_ID, IP)
WHOLE: Final = {
    PRODUCER_BYTE_RATE: (2**63 - 1, "a LONG"),
    CONSUMER_BYTE_RATE: (2**63 - 1, "a LONG"),
    CONNECTION_CREATION_RATE: (2**31 - 1, "an INT"),
}
KEYS_OF_CLIENTS: Final = frozenset(
    (PRODUCER_BYTE_RATE, CONSUMER_BYTE_RATE, REQUEST_PERCENTAGE, CONTROLLER_MUTATION_RATE)
)
EXACT, DEFAULT, ANY = range(3)


class Change(NamedTuple):
    """A value for a key; None takes it away."""

    key: str
    value: float | None


def plan_quotas(
    asked: Sequence[tuple[str, str | None]], changes: Iterable[Change], quotas: Quotas
) -> ClientQuotaRecord | Refused:
    """What an entity will have, or the reason why it cannot be changed so."""
    refused = _entity_refusal(asked)
    if refused is not None:
        return refused
    entity: Entity = tuple(sorted(asked))
    keys = {CONNECTION_CREATION_RATE} if entity[0][0] == IP else KEYS_OF_CLIENTS
    values = {**quotas.by_entity.get(entity, {})}
    for key, value in changes:
        if key not in keys:
            return _invalid(f"Invalid configuration key {key}")
        if value is None:
            values.pop(key, None)
            continue
        refused = _value_refusal(key, value)
        if refused is not None:
            return refused
        values[key] = value
    if entity not in quotas.by_entity and len(quotas.by_entity) >= QUOTA_ENTITIES_MAX:
        why = f"there are quotas of {QUOTA_ENTITIES_MAX} entities; remove some first"
        return Refused(ErrorCode.POLICY_VIOLATION, why)
    return ClientQuotaRecord(entity, values)


def _entity_refusal(asked: Sequence[tuple[str, str | None]]) -> Refused | None:
    if not asked:
        return _invalid("Invalid empty client quota entity")
    kinds = [kind for kind, _ in asked]
    for kind, name in asked:
        if kind not in KINDS:
            return _invalid(f"Unhandled client quota entity type: {kind}")
        if name == "":
            return _invalid(f"Empty {kind} not supported")
        if kind == IP and name is not None and not _is_address(name):
            return _invalid(f"{name} is not a valid IP or resolvable host.")
    if len({*kinds}) < len(kinds):
        return _invalid(f"Duplicate entity type in {kinds}")
    if IP in kinds and len(kinds) > 1:
        why = "IP entity shouldnot be combined with User or ClientId"
        return _invalid(f"Invalid quota entity combination, {why}")
    return None


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _value_refusal(key: str, value: float) -> Refused | None:
    if not value > 0:
        return _invalid(f"Quota {key} must be greater than 0")
    if not isfinite(value):
        return _invalid(f"Quota {key} must be finite")
    if key in WHOLE:
        most, kind = WHOLE[key]
        if value > most:
            return _invalid(f"Proposed value for {key} is too large for {kind}.")
        if abs(value % 1.0) > 1e-6:
            return _invalid(f"{key} cannot be a fractional value.")
    return None


class Component(NamedTuple):
    """A part of a filter: of entities that have this type."""

    kind: str
    match_type: int
    name: str | None


class EntityFilter:
    """Which entities are meant.

    Args:
        is_strict: not those that have other types as well.
    Raises:
        ApiError: a type that there is not, twice the same, or no way to match.
    """

    def __init__(self, components: Sequence[Component], *, is_strict: bool) -> None:
        for each in components:
            if each.kind not in KINDS:
                why = f"Unsupported entity type {each.kind}"
                raise ApiError(ErrorCode.UNSUPPORTED_VERSION, why)
            if each.match_type not in (EXACT, DEFAULT, ANY):
                raise ApiError(ErrorCode.INVALID_REQUEST, f"Unknown match type {each.match_type}")
        self._components = {each.kind: each for each in components}
        if len(self._components) < len(components):
            why = "Entity type must appear at most once in a filter"
            raise ApiError(ErrorCode.INVALID_REQUEST, why)
        self._is_strict = is_strict

    def matches(self, entity: Entity) -> bool:
        """Whether an entity is one of them."""
        names = dict(entity)
        if self._is_strict and names.keys() != self._components.keys():
            return False
        for kind, each in self._components.items():
            if kind not in names:
                return False
            if each.match_type == EXACT and names[kind] != each.name:
                return False
            if each.match_type == DEFAULT and names[kind] is not None:
                return False
        return True


def _invalid(why: str) -> Refused:
    return Refused(ErrorCode.INVALID_REQUEST, why)
