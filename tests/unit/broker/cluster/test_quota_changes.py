"""What may become a quota, and what a filter finds; the rows are Apache Kafka 4.3.1's answers."""

from __future__ import annotations

import pytest
from minibroker.broker.cluster import quota_changes
from minibroker.broker.cluster.quota_changes import (
    ANY,
    DEFAULT,
    EXACT,
    Change,
    Component,
    EntityFilter,
    plan_quotas,
)
from minibroker.broker.cluster.quotas import CLIENT_ID, IP, USER, Entity, Quotas
from minibroker.broker.cluster.records import ClientQuotaRecord
from minibroker.protocol.errors import ApiError, ErrorCode, Refused

Asked = list[tuple[str, str | None]]
BOB: Asked = [(USER, "bob")]
RATE = "producer_byte_rate"


@pytest.mark.parametrize(
    ("asked", "change", "entity"),
    [
        (BOB, Change(RATE, 10_000.0), ((USER, "bob"),)),
        ([(CLIENT_ID, None)], Change("consumer_byte_rate", 1e6), ((CLIENT_ID, None),)),
        ([(IP, "10.1.2.3")], Change("connection_creation_rate", 5.0), ((IP, "10.1.2.3"),)),
        (BOB, Change("request_percentage", 0.01), ((USER, "bob"),)),
        (
            [(USER, "bob"), (CLIENT_ID, "app")],
            Change("controller_mutation_rate", 0.5),
            ((CLIENT_ID, "app"), (USER, "bob")),
        ),
    ],
)
def test_these_are_quotas(asked: Asked, change: Change, entity: Entity) -> None:
    assert change.value is not None
    assert plan_quotas(asked, [change], Quotas()) == ClientQuotaRecord(
        entity, {change.key: change.value}
    )


@pytest.mark.parametrize(
    ("asked", "change", "why"),
    [
        (BOB, Change("nonsense", 1.0), "Invalid configuration key nonsense"),
        (BOB, Change(RATE, -1.0), f"Quota {RATE} must be greater than 0"),
        (BOB, Change(RATE, 0.0), f"Quota {RATE} must be greater than 0"),
        ([("foo", "bob")], Change(RATE, 1.0), "Unhandled client quota entity type: foo"),
        ([], Change(RATE, 1.0), "Invalid empty client quota entity"),
        (
            BOB,
            Change("connection_creation_rate", 1.0),
            "Invalid configuration key connection_creation_rate",
        ),
        (
            [(IP, "nohost.invalid")],
            Change("connection_creation_rate", 1.0),
            "nohost.invalid is not a valid IP or resolvable host.",
        ),
    ],
)
def test_these_are_none(asked: Asked, change: Change, why: str) -> None:
    assert plan_quotas(asked, [change], Quotas()) == Refused(ErrorCode.INVALID_REQUEST, why)


@pytest.mark.parametrize("value", [1.5, 2.0**64, float("nan"), float("inf")])
def test_a_rate_of_bytes_is_a_whole_number(value: float) -> None:
    refused = plan_quotas(BOB, [Change(RATE, value)], Quotas())
    assert isinstance(refused, Refused)
    assert refused.code is ErrorCode.INVALID_REQUEST


def test_what_is_taken_away_or_never_was_there() -> None:
    quotas = Quotas()
    quotas.put(((USER, "bob"),), {RATE: 1.0, "request_percentage": 2.0})
    left = plan_quotas(BOB, [Change(RATE, None)], quotas)
    assert left == ClientQuotaRecord(((USER, "bob"),), {"request_percentage": 2.0})
    nobody = plan_quotas([(USER, "nobody")], [Change(RATE, None)], quotas)
    assert nobody == ClientQuotaRecord(((USER, "nobody"),), {})


def test_entities_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota_changes, "QUOTA_ENTITIES_MAX", 1)
    quotas = Quotas()
    quotas.put(((USER, "bob"),), {RATE: 1.0})
    assert isinstance(plan_quotas(BOB, [Change(RATE, 2.0)], quotas), ClientQuotaRecord)
    refused = plan_quotas([(USER, "eve")], [Change(RATE, 2.0)], quotas)
    assert isinstance(refused, Refused)
    assert refused.code is ErrorCode.POLICY_VIOLATION


ENTITIES: list[Entity] = [
    ((USER, "bob"),),
    ((USER, None),),
    ((CLIENT_ID, None),),
    ((CLIENT_ID, "app"), (USER, "bob")),
]


@pytest.mark.parametrize(
    ("components", "is_strict", "found"),
    [
        ([], False, ENTITIES),
        ([], True, []),
        ([Component(USER, EXACT, "bob")], True, ENTITIES[:1]),
        ([Component(USER, EXACT, "bob")], False, [ENTITIES[0], ENTITIES[3]]),
        ([Component(CLIENT_ID, DEFAULT, None)], True, [ENTITIES[2]]),
        ([Component(USER, ANY, None)], False, [ENTITIES[0], ENTITIES[1], ENTITIES[3]]),
    ],
)
def test_what_a_filter_finds(
    components: list[Component], is_strict: bool, found: list[Entity]
) -> None:
    wanted = EntityFilter(components, is_strict=is_strict)
    assert [each for each in ENTITIES if wanted.matches(each)] == found


def test_a_type_that_there_is_not() -> None:
    with pytest.raises(ApiError, match="Unsupported entity type zzz") as refused:
        EntityFilter([Component("zzz", ANY, None)], is_strict=False)
    assert refused.value.code is ErrorCode.UNSUPPORTED_VERSION


@pytest.mark.parametrize("components", [[Component(USER, 3, None)], [Component(USER, 2, None)] * 2])
def test_filters_that_make_no_sense(components: list[Component]) -> None:
    with pytest.raises(ApiError) as refused:
        EntityFilter(components, is_strict=False)
    assert refused.value.code is ErrorCode.INVALID_REQUEST
