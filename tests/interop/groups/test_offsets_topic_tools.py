"""`__consumer_offsets` of ours, read by Kafka's own console consumer and its formatters."""

from __future__ import annotations

import json
from typing import Any

import pytest
from minibroker.client import Admin, TopicPartition

from tests.support.processes.broker import BrokerProcess
from tests.support.processes.kafka import missing_tools, run_tool

CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer"
FORMATTER = "org.apache.kafka.tools.consumer.OffsetsMessageFormatter"
TOPICS = "org.apache.kafka.tools.TopicCommand"
NAME = "__consumer_offsets"
TIMEOUT_S = 240


def documents(text: str) -> list[Any]:
    """JSON documents, one behind the other, with or without lines between."""
    found: list[Any] = []
    while (at := text.find("{")) >= 0:
        document, end = json.JSONDecoder().raw_decode(text[at:])
        found.append(document)
        text = text[at + end :]
    return found


@pytest.mark.interop
async def test_kafkas_tools_read_what_groups_have_committed() -> None:
    if (reason := missing_tools()) is not None:
        pytest.skip(reason)
    with BrokerProcess() as broker:
        servers = broker.bootstrap_servers
        async with Admin(servers) as admin:
            await admin.create_topic("t")
            for offset in (3, 5):
                await admin.alter_group_offsets("g", {TopicPartition("t", 0): offset})
        told = run_tool(
            *(CONSUMER, "--bootstrap-server", servers, "--topic", NAME, "--from-beginning"),
            *("--formatter", FORMATTER, "--max-messages", "2", "--timeout-ms", "60000"),
            timeout_s=TIMEOUT_S,
        )
        read = documents(told.stdout)
        assert [each["key"]["data"] for each in read] == [
            {"group": "g", "topic": "t", "partition": 0}
        ] * 2, told
        assert [each["value"]["data"]["offset"] for each in read] == [3, 5]
        described = run_tool(
            TOPICS, "--bootstrap-server", servers, "--describe", timeout_s=TIMEOUT_S
        )
        assert f"Topic: {NAME}" in described.stdout, described
        assert "cleanup.policy=compact" in described.stdout
