"""EDGE: for how long brokers are sure to remember what a producer has sent.

A broker forgets a producer id when the newest batch of it, by its records' own timestamps, is older
than producer.id.expiration.ms. Half of that is left to send a batch again and be recognised.
Source: ProducerStateManager.java (isProducerExpired).
Tests: tests/system/client/session/test_session.py
"""

from __future__ import annotations

from typing import Final

from ....protocol.configs import ResourceType
from ....protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResponse,
)
from ...cluster.cluster import Cluster
from ...config import ProducerConfig
from ...errors import ConnectionFailed, RequestTimedOut, UnsupportedApi

EXPIRATION: Final = "producer.id.expiration.ms"
EXPIRATION_MS: Final = 86_400_000  # Kafka's default
SHARE: Final = 0.5  # of it, up to which a batch may be old
ASK_WITHIN_MS: Final = 5_000


async def patience_ms(cluster: Cluster, config: ProducerConfig) -> float:
    """How old records may be that a broker is sure to recognise when they are sent again."""
    node_id = min(cluster.metadata.brokers, default=-1)
    wanted = DescribeConfigsResource(
        resource_type=ResourceType.BROKER,
        resource_name=str(node_id),
        configuration_keys=[EXPIRATION],
    )
    limit_ms = min(ASK_WITHIN_MS, config.request_timeout_ms)
    try:
        connection = await cluster.connection_to(node_id, limit_ms)
        answer: DescribeConfigsResponse = await connection.request(
            DescribeConfigsRequest(
                resources=[wanted], include_synonyms=False, include_documentation=False
            ),
            timeout_ms=limit_ms,
        )
    except (ConnectionFailed, RequestTimedOut, UnsupportedApi):
        return EXPIRATION_MS * SHARE
    for result in answer.results:
        for each in result.configs:  # none where we may not ask
            if each.name == EXPIRATION and each.value is not None and each.value.isdecimal():
                return int(each.value) * SHARE
    return EXPIRATION_MS * SHARE
