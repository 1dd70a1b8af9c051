"""EDGE: what only a minibroker can tell: how it is, its verdicts, its producers' windows, faults.

Each is an API of ours, asked for only where ApiVersions offers it: None stands for a broker that is
none of ours. There is one broker, so any connection leads to it.
Tests: tests/system/console/test_producers.py, tests/system/console/test_faults.py
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from ...client.administer.asking import check
from ...protocol.errors import ErrorCode
from ...protocol.messages.alter_faults import ALTER_FAULTS, AlterFaultsRequest
from ...protocol.messages.describe_broker import (
    DESCRIBE_BROKER,
    DescribeBrokerRequest,
    DescribeBrokerResponse,
)
from ...protocol.messages.describe_faults import DESCRIBE_FAULTS, DescribeFaultsRequest
from ...protocol.messages.describe_producer_windows import (
    DESCRIBE_PRODUCER_WINDOWS,
    DescribeProducerWindowsRequest,
    DescribeProducerWindowsResponse,
)
from ...protocol.messages.explain_produce import (
    EXPLAIN_PRODUCE,
    ExplainProduceRequest,
    ProduceVerdict,
)
from .kafka import Kafka
from .looks import Status

KEPT_S = 1.0

ALL_TOPICS_SINCE = 2  # ExplainProduce


async def status_of(kafka: Kafka) -> Status | None:
    """How the broker is; None where it is none of ours, or does not tell this user."""
    if await kafka.offers(DESCRIBE_BROKER.key) < 0:
        return None

    async def ask() -> Status | None:
        answer: DescribeBrokerResponse = await kafka.request_any(DescribeBrokerRequest())
        if answer.error_code == ErrorCode.CLUSTER_AUTHORIZATION_FAILED:
            return None
        check(answer.error_code, "how the broker is", answer.error_message)
        return kafka.looks.add(answer)

    return await kafka.cached.get("status", KEPT_S, ask)


async def windows(
    kafka: Kafka, topic: str | None, partition: int, producer_id: int, count_max: int
) -> DescribeProducerWindowsResponse | None:
    """Producers with their windows, those that wrote last first; -1 stands for all."""
    if await kafka.offers(DESCRIBE_PRODUCER_WINDOWS.key) < 0:
        return None
    answer: DescribeProducerWindowsResponse = await kafka.request_any(
        DescribeProducerWindowsRequest(
            topic=topic, partition=partition, producer_id=producer_id, count_max=count_max
        )
    )
    check(answer.error_code, topic or "all topics", answer.error_message)
    return answer


async def explains(kafka: Kafka) -> bool:
    """Whether verdicts of all topics can be asked for."""
    return await kafka.offers(EXPLAIN_PRODUCE.key) >= ALL_TOPICS_SINCE


async def verdicts(
    kafka: Kafka, topic: str | None, partition: int, after_number: int, count_max: int
) -> list[ProduceVerdict]:
    """Verdicts behind a number, oldest first, the newest `count_max` of them."""
    answer = await kafka.request_any(
        ExplainProduceRequest(
            topic=topic, partition=partition, after_number=after_number, count_max=count_max
        )
    )
    check(answer.error_code, topic or "all topics", answer.error_message)
    found: list[ProduceVerdict] = answer.verdicts
    return found


class Fault:
    """A rule that is armed in the broker.

    Attributes:
        action, fields: the rule as it was asked for.
        matched, fired, held: how often it matched and fired, and how many wait at it.
    """

    def __init__(self, fault_id: int, form: str, counts: Sequence[int]) -> None:
        self.fault_id = fault_id
        ((self.action, found),) = json.loads(form).items()
        self.fields: Mapping[str, object] = {k: v for k, v in found.items() if v is not None}
        self.matched, self.fired, self.held = counts


async def faults(kafka: Kafka) -> list[Fault] | str | None:
    """The rules that are armed; why there can be none; None for a broker that is none of ours."""
    if await kafka.offers(DESCRIBE_FAULTS.key) < 0:
        return None
    answer = await kafka.request_any(DescribeFaultsRequest())
    check(answer.error_code, "the faults of the broker", answer.error_message)
    if not answer.has_faults:
        return "this broker was started without faults"
    return [Fault(e.fault_id, e.form, (e.matched, e.fired, e.held)) for e in answer.faults]


async def arm(kafka: Kafka, action: str, fields: Mapping[str, object]) -> int:
    """Arm a rule; returns its number. Raises Fatal where it is none."""
    return await _alter(kafka, AlterFaultsRequest(form=json.dumps({action: fields})))


async def release(kafka: Kafka, fault_id: int) -> None:
    """Release a rule, -1 for all of them; what it holds goes on."""
    await _alter(kafka, AlterFaultsRequest(form=None, fault_id=fault_id))


async def _alter(kafka: Kafka, request: AlterFaultsRequest) -> int:
    if await kafka.offers(ALTER_FAULTS.key) < 0:
        raise ValueError("these brokers have no faults: a minibroker has")
    answer = await kafka.request_any(request)
    check(answer.error_code, "faults", answer.error_message)
    number: int = answer.fault_id
    return number
