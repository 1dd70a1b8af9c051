"""EDGE: what `minibroker serve` writes to standard error while clients come and go."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from minibroker.client.cluster.connection import Connection
from minibroker.protocol.framing import frame
from minibroker.protocol.header import RequestHeader, encode_request_header

from tests.support.answers.admin_answers import create
from tests.support.answers.log_start_answers import delete_topic
from tests.support.processes.broker import READY, RUN, ForkedBroker

TIMEOUT_S = 10.0


def lines(broker: ForkedBroker) -> list[dict[str, Any]]:
    """Each line, all of which must be JSON objects."""
    return [json.loads(line) for line in broker.said.splitlines()]


def events(broker: ForkedBroker, name: str) -> list[dict[str, Any]]:
    return [line for line in lines(broker) if line.get("event") == name]


def send(broker: ForkedBroker, data: bytes) -> None:
    """Send bytes and wait until the broker has closed the connection."""
    with socket.create_connection(("127.0.0.1", broker.port), TIMEOUT_S) as peer:
        peer.sendall(data)
        while peer.recv(4096):
            pass


def test_a_life_with_topics_kill_and_clean_stop_is_told(tmp_path: Path) -> None:
    with ForkedBroker(data_dir=tmp_path, options=["--log-format", "json"]) as broker:
        broker.kill()
        log = tmp_path / "__cluster_metadata-0" / "00000000000000000000.log"
        with log.open("ab") as file:
            file.write(b"half a batch")
        broker.start()
        broker.stop()
        opened = events(broker, "data-opened")
        assert [each["start"] for each in opened] == [1, 2]
        assert [each["recovered_logs"] for each in opened] == [0, 1]
        assert "cut 12 bytes" in events(broker, "log-recovered")[0]["found"]
        assert [each["signal"] for each in events(broker, "stopping")] == ["SIGTERM"]
        assert [each["clean"] for each in events(broker, "stopped")] == [True]


async def test_topics_created_and_deleted_are_told() -> None:
    with ForkedBroker(options=["--log-format", "json"]) as broker:
        client = await Connection.open("127.0.0.1", broker.port)
        await client.request(create("orders", 3))
        await client.request(delete_topic("orders"))
        await client.close()
        assert [each["partitions"] for each in events(broker, "topic-created")] == [3]
        assert [each["topic"] for each in events(broker, "topic-deleted")] == ["orders"]


def test_strangers_are_recognised_and_one_of_them_is_told_once_a_second() -> None:
    with ForkedBroker(options=["--log-format", "json"]) as broker:
        head = encode_request_header(RequestHeader(0, 9, 1, "rd\x1b[2Jkafka"))
        unknown = b"".join(frame([b"\x00\x44" + head[2:]]))  # 68
        for _ in range(50):
            send(broker, unknown)
        closed = events(broker, "connection-closed")
        assert 1 <= len(closed) <= 5
        assert closed[0]["api"] == "ConsumerGroupHeartbeat"
        assert closed[0]["client_id"] == "rd\x1b[2Jkafka"
        assert "\x1b" not in broker.said


def test_a_tls_hello_is_recognised() -> None:
    with ForkedBroker(options=["--log-format", "json"]) as broker:
        send(broker, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        assert "security.protocol=PLAINTEXT" in events(broker, "connection-closed")[0]["looks_like"]


@pytest.mark.parametrize(("level", "said"), [("warning", False), ("info", True)])
def test_the_level_is_the_least_that_is_said(level: str, said: bool, tmp_path: Path) -> None:
    with ForkedBroker(data_dir=tmp_path, options=["--log-level", level]) as broker:
        broker.restart()
        assert ("event=data-opened" in broker.said) == said


async def _create_topics(port: int, count: int) -> None:
    client = await Connection.open("127.0.0.1", port)
    configs = {"retention.ms": "1234567890123", "segment.ms": "1234567890123"}
    async with asyncio.timeout(TIMEOUT_S):
        for number in range(count):
            await client.request(create(f"{number}-{'x' * 240}", configs=configs))
    await client.close()


def test_a_broker_whose_standard_error_nobody_reads_goes_on() -> None:
    command = [sys.executable, "-c", RUN, "serve", "--listeners", "PLAINTEXT://127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        found = READY.search(process.stdout.readline().decode())
        assert found is not None
        asyncio.run(_create_topics(int(found[1]), 300))  # 130 KB of log, twice what a pipe takes
        process.terminate()
        _, said = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 0
    assert said.count(b"event=topic-created") == 300
