"""Offsets at the bounds of their types are committed as anything else is."""

from __future__ import annotations

from typing import Any

import pytest
from minibroker.client.cluster.connection import Connection
from minibroker.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from minibroker.testing import TestBroker

FOR_EVER_MS = 2**63 - 1


@pytest.mark.parametrize(
    ("version", "of_request", "of_partition"),
    [
        (2, {"retention_time_ms": FOR_EVER_MS}, {}),
        (3, {"retention_time_ms": 2**62}, {}),
        (6, {}, {"committed_leader_epoch": 2**31 - 1}),
        (9, {}, {"committed_offset": 2**63 - 1, "committed_metadata": None}),
    ],
)
async def test_extremes_are_committed(
    version: int, of_request: dict[str, Any], of_partition: dict[str, Any]
) -> None:
    given: dict[str, Any] = {
        "partition_index": 0,
        "committed_offset": 1,
        "committed_metadata": "",
    } | of_partition
    topic = OffsetCommitRequestTopic(name="t", partitions=[OffsetCommitRequestPartition(**given)])
    message = OffsetCommitRequest(
        group_id="g",
        generation_id_or_member_epoch=-1,
        member_id="",
        topics=[topic],
        **of_request,
    )
    async with TestBroker(durability="page-cache") as broker:
        broker.create_topic("t")
        connection = await Connection.open("127.0.0.1", broker.port)
        answer = await connection.request(message, version=version)
        await connection.close()
    assert answer.topics[0].partitions[0].error_code == 0
